//! Switching auto-sync off: one field of a specification that is otherwise sent back to the letter, and read again.

use std::sync::{Arc, Mutex};

use error_budget_monitor::clients::argocd::{ArgoFault, AutoSync, AutomatedBlock, SwitchedTo};

use super::*;

/// Numbers that a detour through binary floating point would change, and fields that nobody knows.
const SPEC: &str = r#"{"project": "payments", "source": {"repoURL": "https://git/a", "helm": {"valuesObject": {"ratio": 1.10,
 "id": 123456789012345678901234567890}}}, "syncPolicy": {"automated": {"prune": true, "future": {"a": 1}}, "retry":
 {"limit": 5}}, "unknownToUs": [1.00, {"b": null}]}"#;

/// What becomes of a specification that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// It is kept.
    Keeps,
    /// It is kept without the field that Argo CD 3.0 does not know.
    ForgetsEnabled,
    /// An owner puts the one from before back.
    IsReset,
    /// It is kept, and the answer is lost.
    LosesAnswers,
    /// It is lost on the way.
    LosesRequests,
    /// It is kept, and then the application cannot be read.
    GoesBlind,
}

/// A server with one specification, that is changed as a whole.
fn serve(server: Server, spec: &str) -> (Stub, Arc<Mutex<String>>) {
    let kept = Arc::new(Mutex::new(spec.to_owned()));
    let before = spec.to_owned();
    let stub = Stub::http({
        let kept = Arc::clone(&kept);
        move |request| {
            let mut kept = kept.lock().expect("no panic");
            match request.method.as_str() {
                "GET" if server == Server::GoesBlind && *kept != before => {
                    Some(refusal(503, 14, "down"))
                }
                "GET" => Some(Reply::json(
                    200,
                    format!(r#"{{"metadata": {{"name": "checkout"}}, "spec": {kept}}}"#),
                )),
                "PUT" => {
                    let sent = String::from_utf8(request.body.clone()).expect("text");
                    match server {
                        Server::Keeps | Server::GoesBlind => *kept = sent.clone(),
                        Server::IsReset => {}
                        Server::LosesRequests => return Some(Reply::hangup()),
                        Server::LosesAnswers => {
                            *kept = sent;
                            return Some(Reply::hangup());
                        }
                        Server::ForgetsEnabled => {
                            let mut spec: Value = serde_json::from_str(&sent).expect("JSON");
                            let automated = spec["syncPolicy"]["automated"].as_object_mut();
                            automated.map(|automated| automated.remove("enabled"));
                            *kept = spec.to_string();
                            return Some(Reply::json(200, kept.clone()));
                        }
                    }
                    Some(Reply::json(200, sent))
                }
                _ => None,
            }
        }
    });
    (stub, kept)
}

fn methods(stub: &Stub) -> Vec<String> {
    let requests = stub.requests();
    requests
        .iter()
        .map(|request| request.method.clone())
        .collect()
}

fn block(text: &str) -> AutomatedBlock {
    serde_json::from_str(text).expect("a block")
}

fn automated(kept: &Mutex<String>) -> Value {
    let kept = kept.lock().expect("no panic");
    let spec: Value = serde_json::from_str(&kept).expect("JSON");
    spec["syncPolicy"]["automated"].clone()
}

#[tokio::test]
async fn switches_off_by_one_field_and_sends_the_rest_back_to_the_letter() {
    let (stub, kept) = serve(Server::Keeps, SPEC);
    let switched = client(&stub).switch_auto_sync_off().await;
    let switched = switched.expect("switched");
    assert_eq!(switched.to, SwitchedTo::Held);
    let before = block(r#"{"prune": true, "future": {"a": 1}}"#);
    assert_eq!(switched.before, Some(before));
    let expected = json!({"prune": true, "future": {"a": 1}, "enabled": false});
    assert_eq!(automated(&kept), expected);
    assert_eq!(methods(&stub), ["GET", "PUT", "GET"]);
    let put = &stub.requests()[1];
    let query = pairs(&[("project", "payments"), ("validate", "false")]);
    assert_eq!(place(put), (format!("{APP}/spec"), query));
    assert_eq!(put.header("content-type"), Some("application/json"));
    let sent = String::from_utf8(put.body.clone()).expect("text");
    for untouched in [
        r#""ratio": 1.10"#,
        r#""id": 123456789012345678901234567890"#,
        r#""unknownToUs":[1.00, {"b": null}]"#,
        r#""retry":"#,
    ] {
        assert!(sent.contains(untouched), "{untouched} in {sent}");
    }
}

#[tokio::test]
async fn sends_nothing_where_it_is_as_wished() {
    for spec in [
        r#"{"syncPolicy": {"automated": {"enabled": false}}}"#,
        r#"{"syncPolicy": {}}"#,
        "{}",
    ] {
        let (stub, _) = serve(Server::Keeps, spec);
        let switched = client(&stub)
            .switch_auto_sync_off()
            .await
            .expect("an answer");
        assert_eq!(switched.to, SwitchedTo::AlreadyThere, "{spec}");
        assert_eq!(methods(&stub), ["GET"]);
    }
}

#[tokio::test]
async fn leaves_alone_what_it_cannot_read() {
    for spec in [
        r#"{"syncPolicy": {"automated": true}}"#,
        r#"{"syncPolicy": {"automated": {"enabled": "no"}}}"#,
        r#"{"syncPolicy": "automated"}"#,
    ] {
        let (stub, _) = serve(Server::Keeps, spec);
        let error = client(&stub).switch_auto_sync_off().await;
        let error = error.expect_err("unread");
        assert!(matches!(error.fault, ArgoFault::Answer { .. }), "{error:?}");
        assert_eq!(methods(&stub), ["GET"]);
    }
}

#[tokio::test]
async fn takes_the_block_out_where_the_server_forgets_the_field() {
    let (stub, kept) = serve(Server::ForgetsEnabled, SPEC);
    let argo = client(&stub);
    let switched = argo.switch_auto_sync_off().await.expect("switched");
    assert_eq!(switched.to, SwitchedTo::Held);
    assert_eq!(automated(&kept), Value::Null);
    assert_eq!(methods(&stub), ["GET", "PUT", "GET", "PUT", "GET"]);
    let before = block(r#"{"prune": true, "future": {"a": 1}}"#);
    assert_eq!(switched.before, Some(before));
}

#[tokio::test]
async fn sees_that_somebody_puts_it_back() {
    let (stub, _) = serve(Server::IsReset, SPEC);
    let switched = client(&stub).switch_auto_sync_off().await;
    match switched.expect("an answer").to {
        SwitchedTo::PutBack { now } => assert!(matches!(now, AutoSync::On(_)), "{now:?}"),
        other @ (SwitchedTo::AlreadyThere | SwitchedTo::Held | SwitchedTo::Unseen { .. }) => {
            panic!("{other:?}")
        }
    }
    assert_eq!(methods(&stub), ["GET", "PUT", "GET"]);
}

#[tokio::test]
async fn a_lost_answer_is_read_back_and_nothing_is_sent_twice() {
    let (stub, _) = serve(Server::LosesAnswers, SPEC);
    let switched = client(&stub).switch_auto_sync_off().await;
    assert_eq!(switched.expect("seen").to, SwitchedTo::Held);
    assert_eq!(methods(&stub), ["GET", "PUT", "GET"]);
}

#[tokio::test]
async fn a_lost_request_stays_in_doubt_and_nothing_is_sent_twice() {
    let (stub, _) = serve(Server::LosesRequests, SPEC);
    let error = client(&stub).switch_auto_sync_off().await;
    let error = error.expect_err("lost");
    assert!(error.is_doubtful() && error.is_transient(), "{error:?}");
    assert_eq!(methods(&stub), ["GET", "PUT", "GET"]);
}

#[tokio::test]
async fn what_was_written_and_cannot_be_read_back_is_unseen() {
    let (stub, _) = serve(Server::GoesBlind, SPEC);
    let switched = client(&stub).switch_auto_sync_off().await;
    let switched = switched.expect("written");
    assert!(switched.before.is_some());
    assert!(
        matches!(&switched.to, SwitchedTo::Unseen { why } if why.contains("503")),
        "{switched:?}"
    );
}

#[tokio::test]
async fn a_refused_change_is_an_error_without_doubt() {
    let stub = Stub::http(|request| match request.method.as_str() {
        "GET" => Some(Reply::json(
            200,
            format!(r#"{{"metadata": {{"name": "checkout"}}, "spec": {SPEC}}}"#),
        )),
        _ => Some(refusal(403, 7, "permission denied")),
    });
    let error = client(&stub).switch_auto_sync_off().await;
    let error = error.expect_err("no right");
    assert!(
        matches!(error.fault, ArgoFault::Forbidden { .. }),
        "{error:?}"
    );
    assert!(!error.is_doubtful());
    let told = error.to_string();
    assert!(
        told.starts_with("switch auto-sync of application \"checkout\" off at http://"),
        "{told}"
    );
}
