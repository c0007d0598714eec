//! A real Thanos: queriers over Prometheus servers with a sidecar each.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::process::Guarded;
use crate::prometheus::server::free_address;
use crate::prometheus::{Api, Edition, Prometheus, Recording};
use crate::servers;

/// Protects a test from a Thanos that never gets ready, or never notices that a store died: it fails with the logs.
const LIMIT: Duration = Duration::from_secs(90);

/// How often a start that lost a port to another process is repeated before it fails.
const START_ATTEMPTS: usize = 5;

/// Time between two looks at a querier that is awaited.
const POLL: Duration = Duration::from_millis(50);

/// A running Thanos; stopped and removed on drop.
#[derive(Debug)]
pub struct Thanos {
    // Fields are dropped in this order: the processes must end before their folder goes.
    querier: Querier,
    stores: Vec<Option<Store>>,
    program: PathBuf,
    folder: TempDir,
}

/// A Prometheus with its sidecar, which live and die together.
#[derive(Debug)]
struct Store {
    sidecar: Guarded,
    grpc: SocketAddr,
    prometheus: Prometheus,
}

/// A querier of Thanos; stopped on drop.
#[derive(Debug)]
pub struct Querier {
    process: Guarded,
    address: SocketAddr,
    log: PathBuf,
}

/// One Prometheus behind the queriers.
#[derive(Clone, Copy, Debug)]
pub struct Shard<'a> {
    /// The names and values of its external labels.
    pub labels: &'a [(&'a str, &'a str)],
    /// What it saw.
    pub recording: &'a Recording,
    /// Further flags of its sidecar.
    pub flags: &'a [&'a str],
}

/// How a querier treats the stores behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment<'a> {
    /// Whether it goes on asking a store that does not answer, and refuses what it cannot answer whole
    /// (`--endpoint-strict`). Otherwise it forgets the store after some seconds (`--endpoint`).
    pub is_strict: bool,
    /// Further flags.
    pub flags: &'a [&'a str],
}

impl Treatment<'_> {
    /// Counts a pair once that differs in the label `replica`, and forgets stores that do not answer within a second,
    /// in the place of five: a test waits for it.
    pub const USUAL: Treatment<'static> = Treatment {
        is_strict: false,
        flags: &[
            "--query.replica-label=replica",
            "--endpoint.info-timeout=1s",
        ],
    };
}

impl Thanos {
    /// Starts a querier over a pair of Prometheus servers that both took in a recording, each in its own way; nothing
    /// where Thanos was not built.
    pub(crate) fn start_recorded(recording: &Recording) -> Option<Self> {
        let [a, b] = recording.of_a_pair();
        let shard = |labels, recording| Shard {
            labels,
            recording,
            flags: &[],
        };
        let pair = [
            shard(&[("replica", "a")], &a),
            shard(&[("replica", "b")], &b),
        ];
        Self::start_shards(&pair)
    }

    /// Starts a [usual](Treatment::USUAL) querier over Prometheus servers of their own; nothing where Thanos was not
    /// built.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start_shards(shards: &[Shard<'_>]) -> Option<Self> {
        let program = servers::built("thanos", "thanos")?;
        let mut prometheus = Vec::new();
        for shard in shards {
            let labels = shard.labels.iter();
            let labels: Vec<_> = labels
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let edition = Edition::Debian;
            prometheus.push(Prometheus::start_edition(
                edition,
                shard.recording,
                &labels,
            )?);
        }
        for _ in 0..START_ATTEMPTS {
            match Self::attempt(&program, prometheus, shards) {
                Ok(thanos) => return Some(thanos),
                Err(unused) => prometheus = unused,
            }
        }
        panic!("{START_ATTEMPTS} times a port was taken before Thanos could listen on it")
    }

    /// Starts one more querier over the same stores.
    ///
    /// # Panics
    /// If it does not start.
    pub fn another(&mut self, treatment: Treatment<'_>) -> Querier {
        let folder = self.folder.path();
        for _ in 0..START_ATTEMPTS {
            let querier = Querier::start(&self.program, folder, &mut self.stores, treatment);
            if let Some(querier) = querier {
                return querier;
            }
        }
        panic!("{START_ATTEMPTS} times a port was taken before Thanos could listen on it")
    }

    /// Returns the querier that was started first.
    pub fn querier(&self) -> &Querier {
        &self.querier
    }

    /// Kills a store, counted from zero: its sidecar and its Prometheus. The queriers notice by themselves.
    ///
    /// # Panics
    /// If there is no such store.
    pub fn kill_store(&mut self, index: usize) {
        assert!(self.stores[index].take().is_some(), "it died before");
    }

    /// Starts sidecars and querier; gives the servers back when one of them lost its port.
    fn attempt(
        program: &Path,
        prometheus: Vec<Prometheus>,
        shards: &[Shard<'_>],
    ) -> Result<Self, Vec<Prometheus>> {
        let folder = tempfile::Builder::new()
            .prefix("testkit-thanos-")
            .tempdir()
            .expect("a temporary folder");
        let mut stores: Vec<_> = prometheus
            .into_iter()
            .zip(shards)
            .map(|(prometheus, shard)| {
                let flags = shard.flags;
                Some(Store::start(program, folder.path(), prometheus, flags))
            })
            .collect();
        match Querier::start(program, folder.path(), &mut stores, Treatment::USUAL) {
            Some(querier) => Ok(Self {
                querier,
                stores,
                program: program.to_owned(),
                folder,
            }),
            None => Err(stores
                .into_iter()
                .flatten()
                .map(|store| store.prometheus)
                .collect()),
        }
    }
}

impl Store {
    fn start(program: &Path, folder: &Path, prometheus: Prometheus, flags: &[&str]) -> Self {
        let (grpc, http) = (free_address(), free_address());
        let mut arguments = vec![
            "sidecar".to_owned(),
            format!("--prometheus.url={}", prometheus.url()),
            format!("--tsdb.path={}", folder.display()),
            format!("--grpc-address={grpc}"),
            format!("--http-address={http}"),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Self {
            sidecar: spawn(program, &arguments, &log_of(folder, grpc), folder),
            grpc,
            prometheus,
        }
    }
}

impl Querier {
    /// Starts a querier and waits until it asks every store; nothing when one of the processes lost its port.
    fn start(
        program: &Path,
        folder: &Path,
        stores: &mut [Option<Store>],
        treatment: Treatment<'_>,
    ) -> Option<Self> {
        let (address, grpc) = (free_address(), free_address());
        let mut arguments = vec![
            "query".to_owned(),
            format!("--http-address={address}"),
            format!("--grpc-address={grpc}"),
        ];
        arguments.extend(treatment.flags.iter().map(|flag| (*flag).to_owned()));
        let flag = if treatment.is_strict {
            "--endpoint-strict"
        } else {
            "--endpoint"
        };
        let there = stores.iter().flatten();
        arguments.extend(there.map(|store| format!("{flag}={}", store.grpc)));
        let log = log_of(folder, address);
        let mut querier = Self {
            process: spawn(program, &arguments, &log, folder),
            address,
            log,
        };
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let sidecars = stores.iter_mut().flatten();
            let processes = sidecars.map(|store| (&mut store.sidecar, log_of(folder, store.grpc)));
            let ours = (&mut querier.process, querier.log.clone());
            for (process, log) in processes.chain([ours]) {
                if process.ended().is_some() {
                    let said = said(&log);
                    assert!(said.contains("address already in use"), "ended: {said}");
                    return None;
                }
            }
            let asked = querier.asked();
            let mut there = stores.iter().flatten();
            if there.all(|store| asked.contains(&store.grpc.to_string())) {
                return Some(querier);
            }
            std::thread::sleep(POLL);
        }
        panic!("Thanos did not get ready: {}", said(&querier.log))
    }

    /// Returns where it answers.
    pub fn api(&self) -> Api {
        Api::at(self.address)
    }

    /// Returns the base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.api().url()
    }

    /// Waits until `count` stores answer it, as `/api/v1/stores` says. Of the others it asks only those that are
    /// strict.
    ///
    /// # Panics
    /// If that does not come true for a minute and a half.
    pub fn wait_for_stores(&self, count: usize) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let asked = self.asked();
            if asked.len() == count {
                return;
            }
            assert!(Instant::now() < deadline, "{asked:?}: {}", said(&self.log));
            std::thread::sleep(POLL);
        }
    }

    /// Returns the addresses of the stores that answered when they were asked last; none while it does not listen.
    fn asked(&self) -> Vec<String> {
        let answer = http::get(self.address, "/api/v1/stores").ok();
        let stores = answer.and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok());
        let kinds = stores
            .as_ref()
            .and_then(|stores| stores["data"].as_object());
        kinds
            .into_iter()
            .flatten()
            .flat_map(|(_, stores)| stores.as_array().into_iter().flatten())
            .filter(|store| store["lastError"].is_null())
            .filter_map(|store| store["name"].as_str().map(str::to_owned))
            .collect()
    }
}

fn log_of(folder: &Path, address: SocketAddr) -> PathBuf {
    folder.join(format!("{}.log", address.port()))
}

fn said(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_else(|error| error.to_string())
}

fn spawn(program: &Path, arguments: &[String], log: &Path, folder: &Path) -> Guarded {
    Guarded::spawn(
        Command::new(program)
            .args(arguments)
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log).expect("our own folder")),
        folder,
    )
}
