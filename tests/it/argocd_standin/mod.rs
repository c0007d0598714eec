//! The stand-in for Argo CD behaves as Argo CD does: one test for each behaviour that the client relies on. The
//! number in a name is the behaviour's.
//!
//! A41 to A45 and A53 happen inside the controller; they are seen through the API all the same.

mod access;
mod auto_sync;
mod failures;
mod git;
mod history;
mod live;
mod operations;
mod ownership;
mod refresh;
mod refusals;
mod specs;
mod terminate;
mod windows;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use testkit::argocd::{Application, ArgoServer, Automated, Source, Spec, World};

const FILE: &str = "apps/checkout/deployment.yaml";
const APP: &str = "/api/v1/applications/checkout";
/// Longest wait for an answer. It keeps a test that fails from hanging.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse";

/// An application of which a good release was followed by a bad one, and someone who may roll it back.
struct Scene {
    argo: ArgoServer,
    token: String,
    good: String,
    bad: String,
}

/// An answer of the API.
#[derive(Debug)]
struct Reply {
    status: u16,
    kind: String,
    location: String,
    text: String,
}

fn scene() -> Scene {
    scene_with(|_| {})
}

/// The same with another application.
fn scene_with(change: impl FnOnce(&mut Application)) -> Scene {
    let argo = ArgoServer::driven();
    let repo = argo.repo();
    let good = repo.commit("v1", at(0), &[(FILE, Some(&manifest("v1")))]);
    let source = Source::git(ArgoServer::REPO_URL, "apps/checkout", "main");
    let mut app = Application::new("checkout", Spec::of("payments", source));
    change(&mut app);
    argo.change(|world| world.add(app));
    argo.deploy("checkout", &good);
    let bad = repo.commit("v2", at(1), &[(FILE, Some(&manifest("v2")))]);
    argo.deploy("checkout", &bad);
    let rights = ["get", "sync", "update"];
    let token = argo.token_for("slo-bot", &rights, "payments/checkout");
    argo.forget();
    Scene {
        argo,
        token,
        good,
        bad,
    }
}

/// A manifest of a version.
fn manifest(version: &str) -> String {
    testkit::git::deployment("checkout", version, 0.0)
}

/// Minutes after a fixed moment.
fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_000_000 + 60 * minute, 0).expect("a time")
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Scene {
    /// Asks as the one who may.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.ask_as(&self.token, method, path, body)
    }

    fn ask_as(&self, token: &str, method: &str, path: &str, body: &Value) -> Reply {
        let authorization = format!("Authorization: Bearer {token}");
        let headers = [authorization.as_str(), "Content-Type: application/json"];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        send(&self.argo.url(), method, path, &headers, &body).expect("an answer")
    }

    /// Returns the application as the API shows it.
    fn app(&self) -> Value {
        let reply = self.ask("GET", &format!("{APP}?project=payments"), &Value::Null);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn roll_back(&self, id: i64) -> Reply {
        let body = json!({ "id": id, "project": "payments" });
        self.ask("POST", &format!("{APP}/rollback"), &body)
    }

    /// Asks for a rollback, which is accepted.
    fn rolled_back(&self, id: i64) -> Value {
        let reply = self.roll_back(id);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn sync(&self, body: Value) -> Reply {
        let mut body = body;
        body["project"] = json!("payments");
        self.ask("POST", &format!("{APP}/sync"), &body)
    }

    fn terminate(&self) -> Reply {
        self.ask(
            "DELETE",
            &format!("{APP}/operation?project=payments"),
            &Value::Null,
        )
    }

    /// Stores a spec without asking the repository.
    fn put_spec(&self, spec: &Value) -> Reply {
        self.ask(
            "PUT",
            &format!("{APP}/spec?project=payments&validate=false"),
            spec,
        )
    }

    /// Commits another version and returns its id.
    fn commit(&self, version: &str) -> String {
        let text = manifest(version);
        self.argo
            .repo()
            .commit(version, at(2), &[(FILE, Some(&text))])
    }

    /// Steps until the API shows what is wanted.
    #[track_caller]
    fn step_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..100 {
            let app = self.app();
            if is_so(&app) {
                return app;
            }
            if !self.argo.step() {
                self.argo.pass(seconds(1));
            }
        }
        panic!("never {what}: {:#}", self.app());
    }

    /// Steps until the operation is in a phase.
    #[track_caller]
    fn step_until_phase(&self, phase: &str) -> Value {
        let app = self.step_until(phase, |app| {
            app["status"]["operationState"]["phase"] == phase
        });
        app["status"]["operationState"].clone()
    }

    fn change_app<T>(&self, change: impl FnOnce(&mut Application) -> T) -> T {
        self.argo.change(|world| change(world.app_mut("checkout")))
    }

    /// Switches auto-sync on and lets the controller see it.
    fn switch_on(&self, automated: Automated) {
        self.change_app(|app| app.spec.set_auto_sync(Some(automated)));
        self.argo.settle();
    }

    /// Returns what runs of the application.
    fn live(&self) -> Option<String> {
        self.argo
            .look(|world| world.app("checkout").live_text(FILE).map(str::to_owned))
    }

    /// Returns each operation so far: what it was, whether it was automated, and how it ended.
    fn story(&self) -> Vec<String> {
        let operations = self.argo.operations();
        operations
            .iter()
            .map(|record| format!("{:?} {:?}", record.kind, record.phase))
            .collect()
    }

    /// Returns the ids of the history.
    fn history_ids(&self) -> Vec<i64> {
        let app = self.app();
        let entries = app["status"]["history"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| entry["id"].as_i64())
            .collect()
    }
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// Checks that it is a refusal of the API.
    #[track_caller]
    fn refuses(&self, status: u16, code: u8, message: &str) {
        let expected = json!({ "error": message, "code": code, "message": message });
        assert_eq!((self.status, self.json()), (status, expected));
    }
}

/// Sends one request and reads the whole answer.
fn send(url: &str, method: &str, path: &str, headers: &[&str], body: &str) -> io::Result<Reply> {
    let (host, root) = split(url);
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = head(method, &format!("{root}{path}"), host, headers, body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Splits a URL into host with port, and path.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").expect("a URL").1;
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

fn head(method: &str, target: &str, host: &str, headers: &[&str], length: usize) -> String {
    let lines: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}Content-Length: {length}\r\n\r\n")
}

/// Reads an answer; nothing if it is not whole.
fn parse(answer: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let value = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    };
    let is_whole = value("content-length") == body.len().to_string();
    is_whole.then(|| Reply {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_default(),
        kind: value("content-type").to_owned(),
        location: value("location").to_owned(),
        text: body.to_owned(),
    })
}
