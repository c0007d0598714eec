//! The client makes the very call of each recording and reads its answer.

use std::time::Duration;

use error_budget_monitor::clients::argocd::{
    Account, Allowed, Application, Argo, ArgoAuth, ArgoFault, ArgoPermission, ArgoSettings,
    AutoSync, HistoryEntry, Initiator, Note, OperationState, Prune, Refreshed, Requested,
};
use serde_json::{Value, json};
use testkit::stub::{Reply, Request, Stub};
use url::Url;

use super::Recording;
use super::table::{Call, ROWS, Row};

const TOKEN: &str = "head.canary-body.signature";

/// Returns the answer of a recording as a server sends it.
fn reply(recording: &Recording) -> Reply {
    let text = recording.body_text();
    let reply = Reply::untyped(recording.status, text.clone())
        .with_header("Content-Type", &recording.content_type);
    // Headers were not recorded; where a redirect leads to is in its body as well.
    match text.split('"').nth(1).filter(|_| recording.status == 307) {
        Some(to) => reply.with_header("Location", to),
        None => reply,
    }
}

/// Returns settings with which the client asks for what the recording's request names.
fn settings(stub: &Stub, asked: &str, call: &Call) -> ArgoSettings {
    let parameter = |name: &str| {
        let pairs = asked.split_once('?')?.1.split('&');
        let found = pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_owned())
    };
    let path: Vec<&str> = asked.split(['/', '?']).collect();
    let (app_name, project, app_namespace) = match (path.get(3), &path[..]) {
        (Some(&"account"), [.., project, namespace, app]) if path.len() == 10 => (
            *app,
            Some((*project).to_owned()),
            Some((*namespace).to_owned()),
        ),
        (Some(&"account"), [.., project, app]) => (*app, Some((*project).to_owned()), None),
        (Some(&"applications"), _) if asked.contains('?') => {
            (path[4], parameter("project"), parameter("appNamespace"))
        }
        // A write names its project in the body.
        (Some(&"applications"), [.., deed]) if *deed == "sync" || *deed == "rollback" => {
            (path[4], Some("default".to_owned()), None)
        }
        (Some(&"applications"), _) => (path[4], None, None),
        _ => ("checkout", Some("default".to_owned()), None),
    };
    let auth = if let Call::Login(username) = call {
        ArgoAuth::Password {
            username: (*username).to_owned(),
            password: "REDACTED".into(),
        }
    } else {
        ArgoAuth::Token(TOKEN.into())
    };
    ArgoSettings {
        project,
        app_namespace,
        pause: Duration::from_millis(1),
        ..ArgoSettings::new(Url::parse(&stub.url()).expect("a URL"), app_name, auth)
    }
}

/// Makes a call and says in a line what came of it; `None` where the client never makes it.
async fn made(argo: &Argo, call: &Call) -> Option<String> {
    let read = match call {
        Call::Never(_) => return None,
        Call::Application => argo.application().await.map(|app| told(&app)),
        Call::Refresh => argo.refresh().await.map(|refreshed| match refreshed {
            Refreshed::Compared(app) => told(&app),
            Refreshed::Unanswered(_) => "unanswered".to_owned(),
        }),
        Call::CanI(right) => argo.can_i(*right).await.map(|allowed| match allowed {
            Allowed::Yes => "yes".to_owned(),
            Allowed::No => "no".to_owned(),
        }),
        Call::Windows => argo.sync_windows().await.map(|windows| {
            let manual = |list: Option<Vec<_>>| {
                let list = list.expect("a list");
                let each = list.iter().map(
                    |window: &error_budget_monitor::clients::argocd::SyncWindow| {
                        let kind = window.kind.as_deref().expect("a kind");
                        format!("{kind}, manual {}", window.manual_sync.expect("a flag"))
                    },
                );
                each.collect::<Vec<_>>().join("; ")
            };
            let can_sync = windows.can_sync.expect("a flag");
            let (active, assigned) = (manual(windows.active), manual(windows.assigned));
            format!("sync {can_sync}, open [{active}], all [{assigned}]")
        }),
        Call::RollBack(id) => argo.roll_back(*id, Prune::No).await.map(|app| told(&app)),
        Call::Sync(revision) => {
            let note = Note {
                name: "error-budget-rollback".to_owned(),
                value: "x1".to_owned(),
            };
            argo.sync(&note, *revision, Prune::No)
                .await
                .map(|app| told(&app))
        }
        Call::Terminate => argo.terminate().await.map(|()| "accepted".to_owned()),
        Call::Account | Call::Login(_) => argo.account().await.map(|account| match account {
            Account::Nobody => "nobody".to_owned(),
            Account::Named {
                name,
                issuer,
                groups,
            } => {
                format!(
                    "{name} of {}, groups {groups:?}",
                    issuer.expect("an issuer")
                )
            }
        }),
        Call::Version => argo
            .version()
            .await
            .map(|version| format!("{} is {:?}", version.text, version.number.expect("numbers"))),
    };
    Some(read.unwrap_or_else(|error| class(&error.fault)))
}

/// Returns the name of a fault, without what it holds.
fn class(fault: &ArgoFault) -> String {
    let whole = format!("{fault:?}");
    let name = whole.split([' ', '(']).next();
    name.unwrap_or_default().to_owned()
}

/// Tells in a line what the client reads of an application.
fn told(app: &Application) -> String {
    let auto_sync = match &app.auto_sync {
        AutoSync::On(block) => {
            match (
                block.prune().expect("a flag"),
                block.self_heal().expect("a flag"),
            ) {
                (true, true) => "auto-sync on with prune and self-heal".to_owned(),
                (false, false) => "auto-sync on".to_owned(),
                other => panic!("no recording has {other:?}"),
            }
        }
        AutoSync::Off(_) => "auto-sync off".to_owned(),
        AutoSync::Absent => "no auto-sync".to_owned(),
        AutoSync::Unknown => "unknown auto-sync".to_owned(),
    };
    let history = app.history.as_ref().expect("a history").iter().map(entry);
    let history: Vec<_> = history.collect();
    let compared = format!("{:?} at {}", app.sync.status, short(&app.sync.revisions));
    let health = format!("{:?}", app.health.status);
    let sources = match app.sources.all().len() {
        1 => String::new(),
        several => format!("sources {several}, "),
    };
    let operation = app.operation.as_ref().map_or_else(String::new, |asked| {
        format!("; asked for {}", request(asked))
    });
    let state = app
        .operation_state
        .as_ref()
        .map_or_else(String::new, |state| format!("; {}", state_of(state)));
    let unrecorded = match app.unrecorded() {
        Some(_) => "; live without an entry",
        None => "",
    };
    let waits = match (app.is_in_progress(), app.is_parked_by_window()) {
        (_, true) => "; parked",
        (true, false) => "; in progress",
        (false, false) => "",
    };
    format!(
        "{sources}{auto_sync}; {compared}, {health}; history {}{operation}{state}{unrecorded}{waits}",
        history.join(", ")
    )
}

fn entry(entry: &HistoryEntry) -> String {
    assert!(entry.sources.is_known() && entry.deploy_started_at <= entry.deployed_at);
    format!(
        "{} {} {}",
        entry.id,
        short(&entry.revisions),
        who(&entry.by)
    )
}

fn request(asked: &Requested) -> String {
    let dry = if asked.is_dry_run.expect("a flag") {
        " dry"
    } else {
        ""
    };
    let some = if asked.is_selective.expect("a list") {
        " some"
    } else {
        ""
    };
    let notes = asked.notes.as_ref().expect("a list").len();
    let notes = if notes == 0 {
        String::new()
    } else {
        format!(" with {notes} note")
    };
    assert!(asked.sources.is_known(), "{asked:?}");
    format!(
        "{} by {}{dry}{some}{notes}",
        short(&asked.revisions),
        who(&asked.by)
    )
}

fn state_of(state: &OperationState) -> String {
    let retry = if state.is_waiting_for_retry {
        format!(", retry {}", state.retry_count.expect("a number"))
    } else {
        String::new()
    };
    assert!(state.started_at.is_some());
    assert_eq!(
        state.finished_at.is_some(),
        state.is_over() || state.is_waiting_for_retry
    );
    let (request, resolved) = (request(&state.request), short(&state.resolved));
    format!("{:?}{retry}: {request} is {resolved}", state.phase)
}

fn who(by: &Initiator) -> String {
    match by {
        Initiator::User(name) => name.replace("error-budget-monitor", "us"),
        Initiator::Automated => "auto-sync".to_owned(),
        Initiator::Unknown => "nobody known".to_owned(),
    }
}

fn short(revisions: &[String]) -> String {
    let each = revisions
        .iter()
        .map(|revision| revision.get(..4).unwrap_or(revision));
    each.collect::<Vec<_>>().join("+")
}

/// Checks that the client sent what was recorded.
#[track_caller]
fn is_that_request(sent: &Request, recording: &Recording, row: &Row) {
    let name = row.name;
    let asked = &recording.request;
    assert_eq!(sent.method, asked.method, "{name}");
    assert_eq!(sorted(&sent.target), sorted(&asked.path), "{name}");
    let body = serde_json::from_slice(&sent.body).unwrap_or(Value::Null);
    if row.other_body.is_none() {
        assert_eq!(body, asked.body, "{name}");
    } else {
        assert_ne!(
            body, asked.body,
            "{name} is sent as it was recorded after all"
        );
    }
    let kind = sent.header("content-type");
    let expected = (sent.method != "GET").then_some("application/json");
    assert_eq!(kind, expected, "{name}");
    let is_signed = !matches!(row.call, Call::Login(_) | Call::Version);
    let bearer = format!("Bearer {TOKEN}");
    let expected = is_signed.then_some(bearer.as_str());
    assert_eq!(sent.header("authorization"), expected, "{name}");
    assert_eq!(sent.header("accept"), Some("application/json"), "{name}");
}

/// Returns a target with its parameters in order.
fn sorted(target: &str) -> (String, Vec<String>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut query: Vec<String> = query.split('&').map(str::to_owned).collect();
    query.sort();
    (path.to_owned(), query)
}

#[tokio::test]
async fn the_client_asks_as_recorded_and_reads_every_answer() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let recording = Recording::of(row.name);
        let is_session = recording.request.path == "/api/v1/session" && recording.status == 200;
        let answer = reply(&recording);
        let stub = Stub::http(move |request| {
            // Once it is signed in, it asks who it is.
            let is_next = is_session && request.number > 0;
            let named = json!({ "loggedIn": true, "username": "person", "iss": "argocd" });
            Some(if is_next {
                Reply::json(200, named.to_string())
            } else {
                answer.clone()
            })
        });
        let argo = Argo::new(settings(&stub, &recording.request.path, &row.call));
        let read = made(&argo, &row.call).await;
        let requests = stub.requests();
        match (&row.call, requests.first()) {
            (Call::Never(why), sent) => {
                assert!(!why.is_empty() && sent.is_none(), "{}", row.name);
                continue;
            }
            (_, Some(sent)) => is_that_request(sent, &recording, row),
            (_, None) => panic!("{}: nothing was sent", row.name),
        }
        let expected_requests = if is_session { 2 } else { 1 };
        assert_eq!(requests.len(), expected_requests, "{}", row.name);
        let read = read.expect("the client makes the call");
        if read != row.reads {
            wrong.push(format!(
                "{}:\n  reads    {read}\n  expected {}",
                row.name, row.reads
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_right_that_the_client_asks_for_was_recorded() {
    for right in [
        ArgoPermission::Get,
        ArgoPermission::Sync,
        ArgoPermission::Update,
        ArgoPermission::Rollback,
    ] {
        let asks = |row: &&Row| matches!(&row.call, Call::CanI(asked) if *asked == right);
        assert!(ROWS.iter().any(|row| asks(&row)), "{right:?}");
    }
}
