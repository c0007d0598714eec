//! The demo's service obeys what Argo CD deployed, not what the branch says.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use tempfile::TempDir;
use testkit::git::{GitRepo, MonoRepo};

/// Longest wait for what must happen. It keeps a test that fails from hanging.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVICE: &str = "checkout";
const URL: &str = "https://git.example.com/platform/gitops.git";

#[test]
fn a_release_synced_by_hand_burns_and_a_rollback_by_the_api_ends_it() {
    let stage = Stage::set("off");
    stage.service.expect("now running v1");
    assert!(stage.error_ratio() < 0.01);

    stage.release("v2", 0.5);
    stage.argo.expect("OutOfSync: git says v2, v1 runs");
    assert!(stage.error_ratio() < 0.01, "a commit alone deploys nothing");

    stage.post("alice", "sync", r#"{"project":"shop"}"#);
    stage.service.expect("now running v2");
    let ratio = stage.error_ratio();
    assert!((0.4..0.6).contains(&ratio), "{ratio}");

    stage.argo.expect("sync to v2");
    stage.argo.expect("Synced: git says v2, v2 runs");
    stage.post("slo-bot", "rollback", r#"{"id":0,"project":"shop"}"#);
    stage.service.expect("now running v1");
    assert!(stage.error_ratio() < 0.01);
    stage.argo.expect("slo-bot asks for a rollback to v1");
    stage.argo.expect("OutOfSync: git says v2, v1 runs");

    stage.release("v1", 0.0);
    stage.argo.expect("Synced: git says v1, v1 runs");
    let report = stage.report("operations");
    let lines: Vec<_> = report.lines().map(without_id).collect();
    assert_eq!(
        lines,
        [
            "sync to v2, asked for by alice: Succeeded",
            "rollback to v1, asked for by slo-bot: Succeeded"
        ]
    );
    assert_eq!(stage.deployed_versions(), ["v1", "v2", "v1"]);
    let status = stage.report("status");
    assert!(status.contains("auto-sync off"), "{status}");
    assert!(status.contains("unknown-fields none"), "{status}");
}

#[test]
fn with_auto_sync_a_release_burns_and_its_revert_ends_it() {
    let stage = Stage::set("on");
    stage.service.expect("now running v1");

    stage.release("v2", 0.25);
    stage.argo.expect("auto-sync begins to deploy v2");
    stage.service.expect("now running v2");
    let ratio = stage.error_ratio();
    assert!((0.2..0.3).contains(&ratio), "{ratio}");

    stage.release("v1", 0.0);
    stage.argo.expect("auto-sync begins to deploy v1");
    stage.service.expect("now running v1");
    assert!(stage.error_ratio() < 0.01);
    stage.argo.expect("Synced: git says v1, v1 runs");
    assert_eq!(stage.deployed_versions(), ["v1", "v2", "v1"]);
}

/// The demo's Argo CD and its service over a repository.
struct Stage {
    folder: TempDir,
    shop: MonoRepo,
    argo: Program,
    service: Program,
}

impl Stage {
    fn set(auto_sync: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let repo = GitRepo::create(Path::new(&at("gitops.git")));
        let shop = MonoRepo::seed(repo, &[SERVICE], Utc::now() - TimeDelta::hours(2));
        let argo = Program::start(
            env!("CARGO_BIN_EXE_demo-argocd"),
            &[
                ("git-dir", &at("gitops.git")),
                ("repo-url", URL),
                ("path", &MonoRepo::path(SERVICE)),
                ("manifest", &MonoRepo::manifest_path(SERVICE)),
                ("app", SERVICE),
                ("project", "shop"),
                ("auto-sync", auto_sync),
                ("live-folder", &at("live")),
                ("report-folder", &at("report")),
                ("token-folder", &at("tokens")),
                ("address-file", &at("argocd")),
            ],
        );
        let manifest = MonoRepo::manifest_path(SERVICE);
        let service = Program::start(
            env!("CARGO_BIN_EXE_demo-service"),
            &[
                ("deployed-manifest", &at(&format!("live/{manifest}"))),
                ("namespace", "shop"),
                ("service", SERVICE),
                ("requests-per-second", "100000"),
                ("address-file", &at("service")),
            ],
        );
        argo.expect("v1 runs, Synced and Healthy");
        Self {
            folder,
            shop,
            argo,
            service,
        }
    }

    fn release(&self, version: &str, fail_ratio: f64) {
        self.shop.release(SERVICE, version, fail_ratio, Utc::now());
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("a file of the demo")
    }

    fn report(&self, name: &str) -> String {
        self.read(&format!("report/{name}"))
    }

    /// Returns the versions that Argo CD remembers to have deployed.
    fn deployed_versions(&self) -> Vec<String> {
        let history = self.report("history");
        let version = |line: &str| line.split(' ').nth(1).map(str::to_owned);
        history.lines().filter_map(version).collect()
    }

    /// Asks Argo CD as a user for an operation, which is accepted.
    #[track_caller]
    fn post(&self, user: &str, verb: &str, body: &str) {
        let head = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            self.read(&format!("tokens/{user}")),
            body.len()
        );
        let target = format!("/api/v1/applications/{SERVICE}/{verb}");
        let address = self.read("argocd").replace("http://", "");
        let answer = ask(&address, &format!("POST {target}"), &head, body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Returns the share of requests that failed between two scrapes with enough requests in between.
    fn error_ratio(&self) -> f64 {
        let address = self.read("service");
        let scrape = || {
            let text = ask(&address, "GET /metrics", "", "");
            let count = |status: &str| -> f64 {
                let samples = text
                    .lines()
                    .filter(|line| line.starts_with("http_requests_total{"))
                    .filter(|line| line.contains(&format!("status=\"{status}\"")));
                samples
                    .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                    .sum()
            };
            (count("200"), count("500"))
        };
        let deadline = Instant::now() + PATIENCE;
        let (good, bad) = scrape();
        loop {
            let (good_now, bad_now) = scrape();
            let (good, bad) = (good_now - good, bad_now - bad);
            if good + bad >= 1000.0 {
                return bad / (good + bad);
            }
            assert!(Instant::now() < deadline, "the service counts no requests");
        }
    }
}

/// A program of the demo; it ends with the test.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn start(program: &str, arguments: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        for (name, value) in arguments {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let whole = output.lines().map_while(Result::ok);
            whole.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        Self { child, lines }
    }

    /// Waits until it prints a line with a text.
    #[track_caller]
    fn expect(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|line: &String| !line.contains(text)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("{text:?} is never printed, but {seen:?}"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A kill fails only when the process has already ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request and returns the whole answer.
fn ask(address: &str, line: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address.trim()).expect("a server of the demo");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time to wait");
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{head}\r\n{body}"
    )
    .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Drops the commit id in brackets, which no test knows beforehand.
fn without_id(line: &str) -> String {
    match (line.find(" ("), line.find(')')) {
        (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => line.to_owned(),
    }
}
