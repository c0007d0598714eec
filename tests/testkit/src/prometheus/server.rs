//! The Prometheus process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;

use super::api::Api;
use super::backfill::{Backfill, Recording};
use super::otlp::Instrumented;
use crate::process::Guarded;
use crate::{http, servers};

/// Protects a test from a Prometheus that never gets ready: the start fails with the end of its log.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often a start that lost its port to another process is repeated before it fails.
const START_ATTEMPTS: usize = 5;

/// Time between two looks at a server that is starting.
const READINESS_POLL: Duration = Duration::from_millis(20);

/// A configuration that scrapes nothing.
const NO_SCRAPES: &str = "scrape_configs: []\n";

/// The program that Debian's package brings.
const DEBIAN: &str = "prometheus";

/// Which Prometheus is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// The one that Debian's package brings.
    Debian,
    /// The pinned one that `scripts/lib/servers.sh` builds: 3.16.
    Pinned,
}

/// A running Prometheus with its own data folder; stopped and removed on drop.
#[derive(Debug)]
pub struct Prometheus {
    // Fields are dropped in this order: the process must end before its folder goes.
    process: Guarded,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts a Prometheus that serves `backfill` and scrapes nothing.
    ///
    /// # Panics
    /// If `prometheus` or `promtool` is missing or does not start.
    pub fn start(backfill: &Backfill) -> Self {
        Self::launch(backfill, NO_SCRAPES, &[])
    }

    /// Starts a Prometheus of the pinned edition that serves `backfill`; nothing where it was not built.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start_pinned(backfill: &Backfill) -> Option<Self> {
        Self::start_edition(Edition::Pinned, &Recording::of(backfill), &[])
    }

    /// Starts a Prometheus that serves a recording and gives its external labels; nothing where that edition is
    /// missing.
    pub(crate) fn start_edition(
        edition: Edition,
        recording: &Recording,
        external_labels: &[(String, String)],
    ) -> Option<Self> {
        let program = match edition {
            Edition::Debian => DEBIAN.into(),
            Edition::Pinned => servers::built("prometheus", "prometheus")?,
        };
        let labels: BTreeMap<_, _> = external_labels.iter().cloned().collect();
        let config = serde_json::json!({
            "global": { "external_labels": labels },
            "scrape_configs": [],
        });
        let fill = |data: &Path| recording.copy_blocks(data);
        Some(Self::launch_program(
            &program,
            fill,
            &config.to_string(),
            &[],
        ))
    }

    /// Starts a Prometheus that serves `backfill` and refuses a query for which it would have to hold more than
    /// `max_samples` at once.
    ///
    /// # Panics
    /// If `prometheus` or `promtool` is missing or does not start.
    pub fn start_limited(backfill: &Backfill, max_samples: u32) -> Self {
        let limit = format!("--query.max-samples={max_samples}");
        Self::launch(backfill, NO_SCRAPES, &[&limit])
    }

    /// Starts a Prometheus of the pinned edition that took in what OpenTelemetry counts, with the names as they are;
    /// nothing where it was not built. `promoted` are the attributes of the resource that become labels.
    ///
    /// # Panics
    /// If it does not start or refuses the metrics, or was not built and `CI` is `true`.
    pub fn start_instrumented(
        services: &[Instrumented],
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        promoted: &[&str],
    ) -> Option<Self> {
        let program = servers::built("prometheus", "prometheus")?;
        let config = serde_json::json!({
            "otlp": {
                "translation_strategy": "NoTranslation",
                "promote_resource_attributes": promoted,
            },
            "scrape_configs": [],
        });
        let flags = ["--web.enable-otlp-receiver"];
        let server = Self::launch_program(&program, |_| {}, &config.to_string(), &flags);
        let metrics = Instrumented::otlp(services, from, to);
        let taken = http::post_json(server.address, "/api/v1/otlp/v1/metrics", &metrics);
        assert_eq!(taken.expect("Prometheus answers"), 200, "metrics");
        Some(server)
    }

    /// Starts a Prometheus on the data folder that `fill` filled with blocks; it joins none of them while it runs.
    pub(crate) fn start_on(fill: impl FnOnce(&Path)) -> Self {
        let flags = ["min", "max"].map(|end| format!("--storage.tsdb.{end}-block-duration=31d"));
        let flags = flags.each_ref().map(String::as_str);
        Self::launch_program(DEBIAN.as_ref(), fill, NO_SCRAPES, &flags)
    }

    /// Starts a Prometheus that knows no series.
    ///
    /// # Panics
    /// If `prometheus` is missing or does not start.
    pub fn start_empty() -> Self {
        Self::start(&Backfill::new(Utc::now()))
    }

    /// Starts a Prometheus that scrapes `targets` (`host:port`, path `/metrics`) every `interval`.
    ///
    /// # Panics
    /// If `prometheus` is missing or does not start.
    pub fn start_scraping<T: AsRef<str>>(targets: &[T], interval: Duration) -> Self {
        Self::start_scraping_after(&Backfill::new(Utc::now()), targets, interval)
    }

    /// Starts a Prometheus that serves `backfill` and scrapes `targets` every `interval`.
    ///
    /// Prometheus refuses new samples older than the end of its blocks, so `backfill` must not reach into the future.
    ///
    /// # Panics
    /// If `prometheus` or `promtool` is missing or does not start.
    pub fn start_scraping_after<T: AsRef<str>>(
        backfill: &Backfill,
        targets: &[T],
        interval: Duration,
    ) -> Self {
        Self::launch(backfill, &scraping(targets, interval).to_string(), &[])
    }

    /// Starts a Prometheus that serves `backfill` and scrapes every `interval` both `targets` and `gateways`; those
    /// keep the labels that they give, also `job`.
    ///
    /// # Panics
    /// If `prometheus` or `promtool` is missing or does not start.
    pub fn start_scraping_with_gateways<T: AsRef<str>>(
        backfill: &Backfill,
        targets: &[T],
        gateways: &[T],
        interval: Duration,
    ) -> Self {
        let mut config = scraping(targets, interval);
        let mut job = scraping(gateways, interval)["scrape_configs"][0].take();
        job["job_name"] = "gateways".into();
        job["honor_labels"] = true.into();
        let jobs = config["scrape_configs"].as_array_mut();
        jobs.expect("a list of jobs").push(job);
        Self::launch(backfill, &config.to_string(), &[])
    }

    /// Starts a Prometheus that scrapes native histograms from `targets` every `interval`.
    ///
    /// # Panics
    /// If `prometheus` is missing or does not start.
    pub fn start_scraping_native<T: AsRef<str>>(targets: &[T], interval: Duration) -> Self {
        Self::launch(
            &Backfill::new(Utc::now()),
            &scraping(targets, interval).to_string(),
            &["--enable-feature=native-histograms"],
        )
    }

    /// Starts a Prometheus that scrapes `targets` every `interval` and keeps the labels that they give, also `job`.
    ///
    /// # Panics
    /// If `prometheus` is missing or does not start.
    pub fn start_honoring_labels<T: AsRef<str>>(targets: &[T], interval: Duration) -> Self {
        let mut config = scraping(targets, interval);
        config["scrape_configs"][0]["honor_labels"] = true.into();
        Self::launch(&Backfill::new(Utc::now()), &config.to_string(), &[])
    }

    /// Starts a Prometheus that has read a file of rules.
    ///
    /// # Panics
    /// If `prometheus` is missing or does not take the rules.
    pub fn start_with_rules(rules: &Path) -> Self {
        let config = serde_json::json!({ "rule_files": [rules] });
        Self::launch(&Backfill::new(Utc::now()), &config.to_string(), &[])
    }

    /// Returns every rule that was read, as the rules API shows it.
    ///
    /// # Panics
    /// If Prometheus does not answer.
    pub fn rules(&self) -> Vec<Value> {
        let data = self.api().get("/api/v1/rules");
        let groups = data["groups"].as_array().into_iter().flatten();
        groups
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// Returns where it answers queries.
    pub fn api(&self) -> Api {
        Api::at(self.address)
    }

    /// Returns the base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.api().url()
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the process; the port answers no more when this returns.
    pub fn stop(self) {
        drop(self);
    }

    /// Returns the `data` of an instant query evaluated now.
    ///
    /// # Panics
    /// If Prometheus refuses the query.
    pub fn query(&self, expression: &str) -> Value {
        self.api().query(expression)
    }

    /// Returns the `data` of an instant query evaluated at a time.
    ///
    /// # Panics
    /// If Prometheus refuses the query.
    pub fn query_at(&self, expression: &str, at: DateTime<Utc>) -> Value {
        self.api().query_at(expression, at)
    }

    /// Returns the single number an expression has now; nothing when the answer is empty.
    ///
    /// # Panics
    /// If Prometheus refuses the query or answers with several series.
    pub fn number(&self, expression: &str) -> Option<f64> {
        self.api().number(expression)
    }

    /// Returns the single number an expression has at a time; nothing when the answer is empty.
    ///
    /// # Panics
    /// If Prometheus refuses the query or answers with several series.
    pub fn number_at(&self, expression: &str, at: DateTime<Utc>) -> Option<f64> {
        self.api().number_at(expression, at)
    }

    fn launch(backfill: &Backfill, config: &str, flags: &[&str]) -> Self {
        Self::launch_program(
            DEBIAN.as_ref(),
            |data| backfill.create_blocks(data),
            config,
            flags,
        )
    }

    fn launch_program(
        program: &Path,
        fill: impl FnOnce(&Path),
        config: &str,
        flags: &[&str],
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("testkit-prometheus-")
            .tempdir()
            .expect("a temporary folder");
        let (data, config_file, log) = (
            folder.path().join("data"),
            folder.path().join("prometheus.yml"),
            folder.path().join("log"),
        );
        fs::create_dir(&data).expect("our own folder");
        fs::write(&config_file, config).expect("our own folder");
        fill(&data);
        for _ in 0..START_ATTEMPTS {
            let address = free_address();
            let mut process = Guarded::spawn(
                Command::new(program)
                    .arg(format!("--config.file={}", config_file.display()))
                    .arg(format!("--storage.tsdb.path={}", data.display()))
                    .arg("--storage.tsdb.retention.time=400d")
                    .arg(format!("--web.listen-address={address}"))
                    .arg("--log.level=warn")
                    .args(flags)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(File::create(&log).expect("our own folder")),
                folder.path(),
            );
            match wait_until_ready(&mut process, address, &data) {
                Readiness::Ready => {
                    return Self {
                        process,
                        address,
                        _folder: folder,
                    };
                }
                Readiness::PortTaken => {}
                Readiness::Failed => panic!(
                    "Prometheus did not get ready: {}",
                    fs::read_to_string(&log).unwrap_or_else(|error| error.to_string())
                ),
            }
        }
        panic!(
            "{START_ATTEMPTS} free ports in a row were taken before Prometheus could listen on them"
        )
    }

    /// Tells whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }
}

fn scraping<T: AsRef<str>>(targets: &[T], interval: Duration) -> Value {
    let targets: Vec<&str> = targets.iter().map(AsRef::as_ref).collect();
    // JSON is YAML, and quotes every target properly.
    serde_json::json!({
        "scrape_configs": [{
            "job_name": "services",
            "scrape_interval": format!("{}ms", interval.as_millis()),
            "scrape_timeout": format!("{}ms", interval.as_millis()),
            "static_configs": [{ "targets": targets }],
        }]
    })
}

enum Readiness {
    Ready,
    PortTaken,
    Failed,
}

fn wait_until_ready(process: &mut Guarded, address: SocketAddr, data: &Path) -> Readiness {
    let deadline = Instant::now() + START_LIMIT;
    while Instant::now() < deadline {
        if process.ended().is_some() {
            // Somebody who answers on this port now is the one who took it.
            let taken = TcpListener::bind(address).is_err();
            return if taken {
                Readiness::PortTaken
            } else {
                Readiness::Failed
            };
        }
        if http::get(address, "/-/ready").is_ok_and(|(status, _)| status == 200) {
            // Another Prometheus may have taken the port first and be the one that is ready.
            return if serves_from(address, data) {
                Readiness::Ready
            } else {
                Readiness::PortTaken
            };
        }
        std::thread::sleep(READINESS_POLL);
    }
    Readiness::Failed
}

fn serves_from(address: SocketAddr, data: &Path) -> bool {
    http::get(address, "/api/v1/status/flags")
        .ok()
        .and_then(|(_, body)| serde_json::from_slice::<Value>(&body).ok())
        .is_some_and(|flags| {
            flags["data"]["storage.tsdb.path"].as_str().map(Path::new) == Some(data)
        })
}

pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
    listener
        .local_addr()
        .expect("a bound listener has an address")
}
