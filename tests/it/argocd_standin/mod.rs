//! The stand-in for Argo CD behaves as Argo CD does where the recordings do not show it and scenarios rely on it. The
//! number in a name is the behaviour's; `argocd_recordings` holds the rest against a real server.

mod access;
mod auto_sync;
mod failures;
mod git;
mod history;
mod operations;
mod ownership;
mod refresh;
mod refusals;
mod specs;
mod terminate;
mod windows;

use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use testkit::argocd::{Application, ArgoServer, Automated, Source, Spec, World};
use testkit::http::{self, Answer};

const FILE: &str = "apps/checkout/deployment.yaml";
const APP: &str = "/api/v1/applications/checkout";

/// An application of which a good release was followed by a bad one, and someone who may roll it back.
struct Scene {
    argo: ArgoServer,
    token: String,
    good: String,
    bad: String,
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
    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.try_to_ask(method, path, body).expect("an answer")
    }

    /// Asks for something whose answer may be lost.
    fn try_to_ask(&self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        self.argo.ask(&self.token, method, path, body)
    }

    /// Returns the application as the API shows it.
    fn app(&self) -> Value {
        let reply = self.ask("GET", &format!("{APP}?project=payments"), &Value::Null);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn roll_back(&self, id: i64) -> Answer {
        let body = json!({ "id": id, "project": "payments" });
        self.ask("POST", &format!("{APP}/rollback"), &body)
    }

    /// Asks for a rollback, which is accepted.
    fn rolled_back(&self, id: i64) -> Value {
        let reply = self.roll_back(id);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    fn sync(&self, body: Value) -> Answer {
        let mut body = body;
        body["project"] = json!("payments");
        self.ask("POST", &format!("{APP}/sync"), &body)
    }

    fn terminate(&self) -> Answer {
        self.ask(
            "DELETE",
            &format!("{APP}/operation?project=payments"),
            &Value::Null,
        )
    }

    /// Stores a spec without asking the repository.
    fn put_spec(&self, spec: &Value) -> Answer {
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

/// Checks that an answer is a refusal of the API.
#[track_caller]
fn refuses(answer: &Answer, status: u16, code: u8, message: &str) {
    let expected = json!({ "error": message, "code": code, "message": message });
    assert_eq!((answer.status, answer.json()), (status, expected));
}
