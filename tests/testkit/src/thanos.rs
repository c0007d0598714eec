//! A real Thanos: a querier over two Prometheus servers with a sidecar each.

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
use crate::prometheus::{Api, Backfill, Edition, Prometheus, Recording};
use crate::servers;

/// Protects a test from a Thanos that never gets ready: the start fails with the ends of its logs.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How often a start that lost a port to another process is repeated before it fails.
const START_ATTEMPTS: usize = 5;

/// Time between two looks at a server that is starting.
const READINESS_POLL: Duration = Duration::from_millis(50);

/// The label that tells the two of a pair apart, and that the querier takes away again.
const REPLICA: &str = "replica";

/// A running Thanos; stopped and removed on drop.
#[derive(Debug)]
pub struct Thanos {
    // Fields are dropped in this order: the processes must end before their folder goes.
    querier: Guarded,
    stores: Vec<Store>,
    address: SocketAddr,
    folder: TempDir,
}

/// A Prometheus with its sidecar.
#[derive(Debug)]
struct Store {
    sidecar: Option<Guarded>,
    grpc: SocketAddr,
    _prometheus: Prometheus,
}

/// What the querier does about a store that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// It forgets the store after some seconds (`--endpoint`).
    Forgotten,
    /// It goes on asking the store, and refuses what it cannot answer whole (`--endpoint-strict`).
    Strict,
}

impl Thanos {
    /// Starts a querier over a pair of Prometheus servers that both saw `backfill`; nothing where Thanos was not built.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start(backfill: &Backfill) -> Option<Self> {
        Self::start_recorded(&Recording::of(backfill))
    }

    /// Starts a querier over a pair of Prometheus servers that both serve a recording; nothing where Thanos was not built.
    pub(crate) fn start_recorded(recording: &Recording) -> Option<Self> {
        let stores = [(REPLICA, "a", recording), (REPLICA, "b", recording)];
        Self::launch(&stores, Endpoints::Forgotten)
    }

    /// Starts a querier over Prometheus servers that each saw something else and differ in one external label, such as
    /// `("cluster", "eu-1", …)`; nothing where Thanos was not built.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start_shards(shards: &[(&str, &str, &Backfill)], endpoints: Endpoints) -> Option<Self> {
        let recordings: Vec<Recording> = shards
            .iter()
            .map(|(_, _, backfill)| Recording::of(backfill))
            .collect();
        let stores: Vec<_> = shards
            .iter()
            .zip(&recordings)
            .map(|((label, value, _), recording)| (*label, *value, recording))
            .collect();
        Self::launch(&stores, endpoints)
    }

    /// Returns where the querier answers.
    pub fn api(&self) -> Api {
        Api::at(self.address)
    }

    /// Returns the base URL of the querier, without a slash at the end.
    pub fn url(&self) -> String {
        self.api().url()
    }

    /// Returns how many stores the querier asks, as `/api/v1/stores` lists those without an error.
    ///
    /// # Panics
    /// If the querier does not answer.
    pub fn stores(&self) -> usize {
        healthy_stores(&self.api().get("/api/v1/stores")).len()
    }

    /// Kills the sidecar of a store, counted from zero, and leaves its Prometheus alone. The querier notices by itself.
    ///
    /// # Panics
    /// If there is no such store.
    pub fn kill_store(&mut self, index: usize) {
        self.stores[index].sidecar = None;
    }

    /// Waits until the querier has forgotten all stores but `count`.
    ///
    /// # Panics
    /// If it keeps more of them for a minute and a half.
    pub fn wait_for_stores(&self, count: usize) {
        let deadline = Instant::now() + START_LIMIT;
        while self.stores() != count {
            assert!(Instant::now() < deadline, "{} stores", self.stores());
            std::thread::sleep(READINESS_POLL);
        }
    }

    fn launch(shards: &[(&str, &str, &Recording)], endpoints: Endpoints) -> Option<Self> {
        let program = servers::built("thanos", "thanos")?;
        let mut prometheus = Vec::new();
        for (label, value, recording) in shards {
            let labels = [((*label).to_owned(), (*value).to_owned())];
            prometheus.push(Prometheus::start_edition(
                Edition::Debian,
                recording,
                &labels,
            )?);
        }
        for _ in 0..START_ATTEMPTS {
            match Self::attempt(&program, prometheus, endpoints) {
                Ok(thanos) => return Some(thanos),
                Err(unused) => prometheus = unused,
            }
        }
        panic!("{START_ATTEMPTS} times a port was taken before Thanos could listen on it")
    }

    /// Starts sidecars and querier; gives the servers back when one of them lost its port.
    fn attempt(
        program: &Path,
        prometheus: Vec<Prometheus>,
        endpoints: Endpoints,
    ) -> Result<Self, Vec<Prometheus>> {
        let folder = tempfile::Builder::new()
            .prefix("testkit-thanos-")
            .tempdir()
            .expect("a temporary folder");
        let stores: Vec<Store> = prometheus
            .into_iter()
            .enumerate()
            .map(|(index, prometheus)| {
                let (grpc, http) = (free_address(), free_address());
                let arguments = [
                    "sidecar".to_owned(),
                    format!("--prometheus.url={}", prometheus.url()),
                    format!("--tsdb.path={}", folder.path().display()),
                    format!("--grpc-address={grpc}"),
                    format!("--http-address={http}"),
                ];
                let log = log_file(folder.path(), &format!("sidecar-{index}"));
                Store {
                    sidecar: Some(spawn(program, &arguments, &log, folder.path())),
                    grpc,
                    _prometheus: prometheus,
                }
            })
            .collect();
        let (address, grpc) = (free_address(), free_address());
        let flag = match endpoints {
            Endpoints::Forgotten => "--endpoint",
            Endpoints::Strict => "--endpoint-strict",
        };
        let mut arguments = vec![
            "query".to_owned(),
            format!("--http-address={address}"),
            format!("--grpc-address={grpc}"),
            format!("--query.replica-label={REPLICA}"),
        ];
        arguments.extend(stores.iter().map(|store| format!("{flag}={}", store.grpc)));
        let log = log_file(folder.path(), "querier");
        let querier = spawn(program, &arguments, &log, folder.path());
        let mut thanos = Self {
            querier,
            stores,
            address,
            folder,
        };
        if thanos.gets_ready() {
            Ok(thanos)
        } else {
            let stores = thanos.stores.into_iter();
            Err(stores.map(|store| store._prometheus).collect())
        }
    }

    /// Waits until the querier asks every one of our stores; no when one of the processes lost its port.
    fn gets_ready(&mut self) -> bool {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            let sidecars = self
                .stores
                .iter_mut()
                .filter_map(|store| store.sidecar.as_mut());
            if sidecars
                .chain([&mut self.querier])
                .any(|process| process.ended().is_some())
            {
                let logs = self.logs();
                assert!(
                    logs.contains("address already in use"),
                    "Thanos ended: {logs}"
                );
                return false;
            }
            let answer = http::get(self.address, "/api/v1/stores");
            let found = answer
                .ok()
                .and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok())
                .map(|answer| healthy_stores(&answer["data"]))
                .unwrap_or_default();
            if self
                .stores
                .iter()
                .all(|store| found.contains(&store.grpc.to_string()))
            {
                return true;
            }
            std::thread::sleep(READINESS_POLL);
        }
        panic!("Thanos did not get ready: {}", self.logs())
    }

    fn logs(&self) -> String {
        let entries = fs::read_dir(self.folder.path()).expect("our own folder");
        entries
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .collect()
    }
}

/// Returns the addresses of the stores that were asked for what they have, and said it.
fn healthy_stores(data: &Value) -> Vec<String> {
    let kinds = data.as_object().into_iter().flatten();
    kinds
        .flat_map(|(_, stores)| stores.as_array().into_iter().flatten())
        .filter(|store| store["lastError"].is_null())
        .filter_map(|store| store["name"].as_str().map(str::to_owned))
        .collect()
}

fn log_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
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
