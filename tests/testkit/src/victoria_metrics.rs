//! A real VictoriaMetrics, single-node.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::process::{Guarded, logged};
use crate::prometheus::{Api, Backfill, Instrumented, Recording};
use crate::servers;

/// What it logs, before its address, once connections are accepted.
const LISTENING: &str = "started server at http://";

/// A running VictoriaMetrics with its own data folder; stopped and removed on drop.
///
/// Its flags are the defaults, so that `-search.latencyOffset` and the cache of range queries act as they do elsewhere.
#[derive(Debug)]
pub struct VictoriaMetrics {
    // Fields are dropped in this order: the process must end before its folder goes.
    _process: Guarded,
    address: SocketAddr,
    folder: TempDir,
}

impl VictoriaMetrics {
    /// Starts a VictoriaMetrics that serves `backfill`; nothing where it was not built.
    ///
    /// # Panics
    /// If it does not start or refuses the history, or was not built and `CI` is `true`.
    pub fn start(backfill: &Backfill) -> Option<Self> {
        Self::start_recorded(&Recording::of(backfill))
    }

    /// Starts a VictoriaMetrics that serves `backfill` and refuses a query that reads more than so many samples;
    /// nothing where it was not built.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_limited(backfill: &Backfill, max_samples: u32) -> Option<Self> {
        let limit = format!("-search.maxSamplesPerQuery={max_samples}");
        let server = Self::launch(&[&limit])?;
        server.import(&Recording::of(backfill));
        Some(server)
    }

    /// Starts a VictoriaMetrics that took in what OpenTelemetry counts, with the names as they are; nothing where it
    /// was not built.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_instrumented(
        services: &[Instrumented],
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Option<Self> {
        let server = Self::launch(&[])?;
        for service in services {
            let lines = service.lines(from, to);
            let taken = http::post_json(server.address, "/api/v1/import", &lines);
            assert_eq!(taken.expect("VictoriaMetrics answers"), 204, "{service:?}");
        }
        server.flush();
        Some(server)
    }

    /// Starts a VictoriaMetrics that serves a recording; nothing where it was not built.
    pub(crate) fn start_recorded(recording: &Recording) -> Option<Self> {
        let server = Self::launch(&[])?;
        server.import(recording);
        Some(server)
    }

    /// Starts a VictoriaMetrics on the data folder that `fill` filled; nothing where it was not built.
    pub(crate) fn start_on(fill: impl FnOnce(&Path)) -> Option<Self> {
        Self::launch_on(fill, &[])
    }

    fn launch(flags: &[&str]) -> Option<Self> {
        Self::launch_on(|_| {}, flags)
    }

    fn launch_on(fill: impl FnOnce(&Path), flags: &[&str]) -> Option<Self> {
        let program = servers::built("victoria-metrics", "victoria-metrics")?;
        let folder = tempfile::Builder::new()
            .prefix("testkit-victoria-metrics-")
            .tempdir()
            .expect("a temporary folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("our own folder");
        fill(&data);
        let mut process = Guarded::spawn(
            Command::new(program)
                .arg("-httpListenAddr=127.0.0.1:0")
                .arg(format!("-storageDataPath={}", data.display()))
                .arg("-retentionPeriod=400d")
                // It would take most of the machine's memory, and tests run side by side.
                .arg("-memory.allowedBytes=512MB")
                .args(flags)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
            folder.path(),
        );
        let log = process.take_stderr().expect("its errors are piped");
        let address = logged(log, |line| {
            let (_, address) = line.split_once(LISTENING)?;
            let address = address.trim().trim_end_matches('/');
            Some(address.parse().expect("it logs an address"))
        })
        .unwrap_or_else(|log| panic!("VictoriaMetrics did not get ready: {log}"));
        Some(Self {
            _process: process,
            address,
            folder,
        })
    }

    /// Returns where it answers queries.
    pub fn api(&self) -> Api {
        Api::at(self.address)
    }

    /// Returns the base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.api().url()
    }

    /// Takes a recording in; queries see all of it when this returns.
    fn import(&self, recording: &Recording) {
        let text = File::open(recording.text()).expect("our own file");
        let status = http::post_file(self.address, "/api/v1/import/prometheus", text);
        assert_eq!(status.expect("VictoriaMetrics answers"), 204, "import");
        self.flush();
    }

    /// Brings all data to disk and returns a folder in which they stay as they are while the server runs.
    pub(crate) fn snapshot(&self) -> PathBuf {
        let (status, body) =
            http::get(self.address, "/snapshot/create").expect("VictoriaMetrics answers");
        assert_eq!(status, 200, "snapshot");
        let answer: Value = serde_json::from_slice(&body).expect("it answers with JSON");
        let name = answer["snapshot"].as_str().expect("it names the snapshot");
        self.folder.path().join("data/snapshots").join(name)
    }

    /// Lets queries see what was taken in.
    pub(crate) fn flush(&self) {
        let (status, _) =
            http::get(self.address, "/internal/force_flush").expect("VictoriaMetrics answers");
        assert_eq!(status, 200, "flush");
    }
}
