//! The Argo CD client against a scripted server.

mod account;
mod followed;
mod limits;
mod login;
mod reads;
mod refusals;
mod secrets;
mod switch;
mod tls;
mod writes;

use std::time::Duration;

use error_budget_monitor::clients::argocd::{Application, Argo, ArgoAuth, ArgoError, ArgoSettings};
use serde_json::{Value, json};
use testkit::stub::{Reply, Request, Stub};
use url::Url;

const TOKEN: &str = "head.canary-body.signature";
const APP: &str = "/api/v1/applications/checkout";

/// Settings with a token, a project, and no patience between two tries.
fn settings(base: &str) -> ArgoSettings {
    let auth = ArgoAuth::Token(TOKEN.into());
    ArgoSettings {
        project: Some("payments".to_owned()),
        pause: Duration::from_millis(1),
        ..ArgoSettings::new(Url::parse(base).expect("a URL"), "checkout", auth)
    }
}

fn client(stub: &Stub) -> Argo {
    Argo::new(settings(&stub.url()))
}

/// A client that gives a request little time, for servers that never answer.
fn impatient(stub: &Stub) -> Argo {
    Argo::new(ArgoSettings {
        call_timeout: Duration::from_millis(200),
        ..settings(&stub.url())
    })
}

/// An application with one release after another, and auto-sync off.
fn application() -> Value {
    let source = json!({"repoURL": "https://git.example.com/deploy.git", "path": "apps/checkout",
        "targetRevision": "main"});
    json!({
        "metadata": {"name": "checkout", "namespace": "argocd", "resourceVersion": "8812"},
        "spec": {"project": "payments", "source": source, "destination": {"namespace": "shop"}},
        "status": {
            "sync": {"status": "Synced", "revision": "bbb"}, "health": {"status": "Degraded"},
            "reconciledAt": "2026-08-01T10:02:00Z",
            "history": [
                {"id": 11, "revision": "aaa", "deployedAt": "2026-07-30T09:00:10Z", "source": source},
                {"id": 12, "revision": "bbb", "deployedAt": "2026-08-01T10:00:10Z", "source": source},
            ],
        },
    })
}

/// The same with an operation of this account queued.
fn queued(revision: &str) -> Value {
    let mut application = application();
    application["operation"] =
        json!({"initiatedBy": {"username": "slo-bot"}, "sync": {"revision": revision}});
    application
}

fn answer(body: &Value) -> Reply {
    Reply::json(200, body.to_string())
}

/// A refusal as the gateway writes it.
fn refusal(status: u16, code: i64, message: &str) -> Reply {
    let body = json!({"error": message, "code": code, "message": message});
    Reply::json(status, body.to_string())
}

/// Asks a server that gives these replies in turn for the application; returns the error with the number of requests.
async fn fails(replies: impl IntoIterator<Item = Reply>) -> (ArgoError, usize) {
    let stub = Stub::sequence(replies);
    let error = client(&stub).application().await.expect_err("no answer");
    (error, stub.requests().len())
}

async fn reads(stub: &Stub) -> Application {
    client(stub).application().await.expect("an application")
}

/// Returns the path and the query of a request, sorted as the server does not care for the order.
fn place(request: &Request) -> (String, Vec<(String, String)>) {
    let mut parameters = request.parameters();
    parameters.sort();
    (request.path().to_owned(), parameters)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = list.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("a JSON body")
}
