//! A real Pushgateway.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::process::{Guarded, logged};

/// What it logs, before its address, once connections are accepted.
const LISTENING: &str = "msg=\"Listening on\" address=";

/// A running Pushgateway that keeps everything in memory; stopped on drop.
#[derive(Debug)]
pub struct Pushgateway {
    // Fields are dropped in this order: the process must end before its folder goes.
    process: Guarded,
    address: SocketAddr,
    _folder: TempDir,
}

impl Pushgateway {
    /// Starts a Pushgateway on a port that the operating system chooses.
    ///
    /// # Panics
    /// If `prometheus-pushgateway` is missing or does not start.
    pub fn start() -> Self {
        Self::launch(&[])
    }

    /// Starts a Pushgateway that takes pushes without comparing them with those of other groups.
    ///
    /// # Panics
    /// If `prometheus-pushgateway` is missing or does not start.
    pub fn start_unchecked() -> Self {
        Self::launch(&["--push.disable-consistency-check"])
    }

    /// Returns the base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns `host:port`, as a target to be scraped.
    pub fn target(&self) -> String {
        self.address.to_string()
    }

    /// Returns what Prometheus would scrape now.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn metrics(&self) -> String {
        let (status, body) = http::get(self.address, "/metrics").expect("the Pushgateway answers");
        assert_eq!(status, 200, "the Pushgateway shows its metrics");
        String::from_utf8(body).expect("metrics are text")
    }

    /// Returns the labels of every group that was pushed.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn groups(&self) -> Vec<Value> {
        let (status, body) =
            http::get(self.address, "/api/v1/metrics").expect("the Pushgateway answers");
        assert_eq!(status, 200, "the Pushgateway lists its groups");
        let answer: Value = serde_json::from_slice(&body).expect("the list is JSON");
        let groups = answer["data"].as_array().into_iter().flatten();
        groups.map(|group| group["labels"].clone()).collect()
    }

    /// Ends the process; the port answers no more when this returns.
    pub fn stop(self) {
        drop(self);
    }

    /// Tells whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    fn launch(flags: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("testkit-pushgateway-")
            .tempdir()
            .expect("a temporary folder");
        let mut process = Guarded::spawn(
            Command::new("prometheus-pushgateway")
                .arg("--web.listen-address=127.0.0.1:0")
                .arg("--persistence.file=")
                .args(flags)
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
            folder.path(),
        );
        let log = process.take_stderr().expect("its errors are piped");
        let address = logged(log, |line| {
            let (_, address) = line.split_once(LISTENING)?;
            Some(address.trim().parse().expect("it logs an address"))
        });
        let address = address.unwrap_or_else(|log| {
            panic!("the Pushgateway did not get ready: {log}");
        });
        Self {
            process,
            address,
            _folder: folder,
        }
    }
}
