//! What changes something: the exact request, sent once, and found again after any doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{TimeDelta, Utc};
use error_budget_monitor::clients::argocd::{
    ArgoFault, ArgoSettings, Marker, Note, OperationSighting, Prune,
};

use super::*;

fn note() -> Note {
    Note {
        name: "error-budget-rollback".to_owned(),
        value: "r-1".to_owned(),
    }
}

/// Checks what every request must have that changes something.
#[track_caller]
fn is_exact(request: &Request, method: &str, path: &str) {
    assert_eq!((request.method.as_str(), request.path()), (method, path));
    let content_types: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| name == "content-type")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(content_types, ["application/json"]);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.header("authorization"), Some(bearer.as_str()));
}

#[tokio::test]
async fn rolls_back_to_an_entry_also_to_the_first() {
    for (id, prune) in [(0, Prune::No), (11, Prune::Yes)] {
        let stub = Stub::sequence([answer(&queued("aaa"))]);
        let app = client(&stub).roll_back(id, prune).await.expect("queued");
        assert!(app.operation.is_some() && app.operation_state.is_none());
        let request = &stub.requests()[0];
        is_exact(request, "POST", &format!("{APP}/rollback"));
        let expected =
            json!({"id": id, "prune": prune == Prune::Yes, "dryRun": false, "project": "payments"});
        assert_eq!(body(request), expected);
        assert_eq!(place(request).1, vec![]);
    }
}

#[tokio::test]
async fn syncs_with_a_note_and_a_revision_only_where_one_is_given() {
    let infos = json!([{"name": "error-budget-rollback", "value": "r-1"}]);
    for revision in [None, Some("ccc")] {
        let stub = Stub::sequence([answer(&queued("ccc"))]);
        let argo = Argo::new(ArgoSettings {
            app_namespace: Some("team".to_owned()),
            ..settings(&stub.url())
        });
        argo.sync(&note(), revision, Prune::No)
            .await
            .expect("queued");
        let request = &stub.requests()[0];
        is_exact(request, "POST", &format!("{APP}/sync"));
        let mut expected = json!({"infos": infos, "prune": false, "dryRun": false, "project": "payments",
            "appNamespace": "team"});
        if let Some(revision) = revision {
            expected["revision"] = revision.into();
        }
        assert_eq!(body(request), expected);
        assert_eq!(place(request).1, vec![]);
    }
}

#[tokio::test]
async fn reads_the_project_before_it_changes_anything() {
    let stub = Stub::sequence([answer(&application()), answer(&queued("aaa"))]);
    let argo = Argo::new(ArgoSettings {
        project: None,
        ..settings(&stub.url())
    });
    argo.roll_back(11, Prune::No).await.expect("queued");
    assert_eq!(body(&stub.requests()[1])["project"], "payments");
}

#[tokio::test]
async fn nothing_is_in_doubt_while_the_project_could_not_be_read() {
    let stub = Stub::http(|request| (request.method == "GET").then(Reply::hangup));
    let argo = Argo::new(ArgoSettings {
        project: None,
        ..settings(&stub.url())
    });
    let error = argo.roll_back(11, Prune::No).await.expect_err("no project");
    assert!(matches!(error.fault, ArgoFault::Unprepared(_)), "{error:?}");
    assert!(error.is_transient() && !error.is_doubtful());
    assert!(error.to_string().contains("nothing was sent"), "{error}");
}

/// Every way to lose an answer to something that changes an application.
fn losses() -> Vec<Reply> {
    vec![
        Reply::hangup(),
        Reply::reset(),
        Reply::json(200, "{}").cut_short(),
        Reply::html(502, "<html>Bad Gateway</html>"),
        Reply::html(200, "<html>please log in</html>"),
        Reply::json(200, "{"),
        Reply::json(200, "{}"),
        refusal(500, 13, "internal"),
        refusal(503, 14, "unavailable"),
        refusal(504, 4, "deadline exceeded"),
    ]
}

#[tokio::test]
async fn a_lost_answer_is_doubtful_and_nothing_is_sent_twice() {
    for loss in losses() {
        let stub = Stub::http(move |_| Some(loss.clone()));
        let argo = client(&stub);
        let error = argo.roll_back(11, Prune::No).await.expect_err("lost");
        assert!(error.is_doubtful(), "{error:?}");
        let error = argo.sync(&note(), None, Prune::No).await.expect_err("lost");
        assert!(error.is_doubtful(), "{error:?}");
        assert_eq!(stub.requests().len(), 2);
    }
    for loss in [Reply::hangup(), refusal(503, 14, "down")] {
        let stub = Stub::sequence([loss]);
        let error = client(&stub).terminate().await.expect_err("lost");
        assert!(error.is_doubtful(), "{error:?}");
        assert_eq!(stub.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_doubtful_and_nothing_is_sent_twice() {
    let stub = Stub::http(|_| Some(Reply::silence()));
    let argo = impatient(&stub);
    for error in [
        argo.roll_back(11, Prune::No).await.expect_err("silence"),
        argo.sync(&note(), None, Prune::No)
            .await
            .expect_err("silence"),
        argo.terminate().await.expect_err("silence"),
    ] {
        assert!(error.is_doubtful() && error.is_transient(), "{error:?}");
    }
    assert!(stub.requests().len() <= 3);
}

#[tokio::test]
async fn a_refusal_is_no_doubt() {
    for refused in [
        refusal(400, 9, "another operation is already in progress"),
        refusal(403, 7, "permission denied"),
        refusal(429, 8, "slow down"),
        Reply::text(415, "Invalid content type"),
        Reply::redirect(307, "https://elsewhere.example/"),
        Reply::html(404, "<html>"),
    ] {
        let stub = Stub::sequence([refused]);
        let error = client(&stub).roll_back(11, Prune::No).await;
        let error = error.expect_err("refused");
        assert!(!error.is_doubtful(), "{error:?}");
        assert_eq!(stub.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_lost_rollback_is_found_if_it_arrived_and_not_seen_if_it_did_not() {
    for arrives in [true, false] {
        let is_queued = Arc::new(AtomicBool::new(false));
        let stub = Stub::http({
            let is_queued = Arc::clone(&is_queued);
            move |request| match (request.method.as_str(), is_queued.load(Ordering::SeqCst)) {
                ("GET", true) => Some(answer(&queued("aaa"))),
                ("GET", false) => Some(answer(&application())),
                _ => {
                    is_queued.store(arrives, Ordering::SeqCst);
                    Some(Reply::silence())
                }
            }
        });
        let argo = Argo::new(ArgoSettings {
            call_timeout: Duration::from_secs(2),
            ..settings(&stub.url())
        });
        let ours = Marker {
            user: "slo-bot".to_owned(),
            revisions: vec!["aaa".to_owned()],
            note: None,
            posted_at: Utc::now(),
            skew: TimeDelta::seconds(30),
        };
        let error = argo.roll_back(11, Prune::No).await.expect_err("no answer");
        assert!(error.is_doubtful() && error.is_transient(), "{error:?}");
        let app = argo.application().await.expect("an application");
        let expected = if arrives {
            OperationSighting::Queued
        } else {
            OperationSighting::Not
        };
        assert_eq!(app.recognise(&ours), expected);
        let posted = stub.requests();
        let posted = posted.iter().filter(|request| request.method == "POST");
        assert_eq!(posted.count(), 1);
    }
}
