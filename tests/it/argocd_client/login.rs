//! A session is made once, with one login, whatever happens.

use std::sync::Arc;

use error_budget_monitor::clients::argocd::{ArgoAuth, ArgoFault, ArgoSettings, Prune};
use testkit::stub::ClosedPort;
use tokio::sync::Notify;

use super::*;

const SESSION: &str = "head.canary-session.signature";

fn with_password(base: &str) -> Argo {
    Argo::new(ArgoSettings {
        auth: password(),
        ..settings(base)
    })
}

fn password() -> ArgoAuth {
    ArgoAuth::Password {
        username: "slo-bot".to_owned(),
        password: "canary-password".into(),
    }
}

fn is_login(request: &Request) -> bool {
    request.method == "POST" && request.target == "/api/v1/session"
}

fn logins(stub: &Stub) -> usize {
    let requests = stub.requests();
    requests.iter().filter(|request| is_login(request)).count()
}

/// A server that answers logins with `login` and everything else with `other`.
fn server(login: Reply, other: Reply) -> Stub {
    Stub::http(move |request| {
        Some(if is_login(request) {
            login.clone()
        } else {
            other.clone()
        })
    })
}

fn session() -> Reply {
    answer(&json!({"token": SESSION}))
}

#[tokio::test]
async fn logs_in_once_and_keeps_the_token() {
    let stub = server(session(), answer(&application()));
    let argo = with_password(&stub.url());
    let twin = argo.clone();
    let (first, second) = tokio::join!(argo.application(), twin.application());
    first.expect("an application");
    second.expect("an application");
    argo.roll_back(11, Prune::No).await.expect("queued");
    let requests = stub.requests();
    assert_eq!(logins(&stub), 1);
    assert!(is_login(&requests[0]));
    let request = &requests[0];
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(
        body(request),
        json!({"username": "slo-bot", "password": "canary-password"})
    );
    let bearer = format!("Bearer {SESSION}");
    for request in &requests[1..] {
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    }
}

#[tokio::test]
async fn a_refused_login_is_never_tried_again() {
    let refused = refusal(401, 16, "Invalid username or password");
    let stub = server(refused, answer(&application()));
    let argo = with_password(&stub.url());
    for _ in 0..3 {
        let error = argo.application().await.expect_err("no session");
        assert!(
            matches!(error.fault, ArgoFault::LoginRefused { .. }),
            "{error:?}"
        );
        assert!(!error.is_transient() && !error.is_doubtful());
        let told = error.to_string();
        assert!(
            told.contains("ARGOCD_PASSWORD") && told.contains("Invalid username"),
            "{told}"
        );
    }
    let error = argo.roll_back(11, Prune::No).await.expect_err("no session");
    assert!(!error.is_doubtful(), "{error:?}");
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_login_without_a_usable_answer_is_never_tried_again() {
    for (trouble, is_transient) in [
        (Reply::hangup(), true),
        (refusal(503, 14, "down"), true),
        (
            refusal(400, 3, "Username is too long (33 bytes max)"),
            false,
        ),
        (answer(&json!({})), false),
        (answer(&json!({"token": ""})), false),
        (Reply::html(200, "<html>"), false),
        (Reply::redirect(307, "https://elsewhere.example/"), false),
    ] {
        let stub = server(trouble.clone(), answer(&application()));
        let argo = with_password(&stub.url());
        for _ in 0..2 {
            let error = argo.roll_back(11, Prune::No).await.expect_err("no session");
            assert!(
                matches!(error.fault, ArgoFault::LoginFailed { .. }),
                "{trouble:?}: {error:?}"
            );
            assert_eq!(error.is_transient(), is_transient, "{trouble:?}");
            assert!(!error.is_doubtful(), "{trouble:?}");
        }
        assert_eq!(stub.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_session_that_does_not_count_is_not_made_again() {
    let expired = refusal(401, 16, "invalid session: token is expired");
    let stub = server(session(), expired);
    let argo = with_password(&stub.url());
    for _ in 0..2 {
        let error = argo.application().await.expect_err("expired");
        assert!(
            matches!(error.fault, ArgoFault::Unauthorized { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("ARGOCD_USERNAME"), "{error}");
    }
    assert_eq!(logins(&stub), 1);
    assert_eq!(stub.requests().len(), 3);
}

#[tokio::test]
async fn a_login_that_takes_too_long_is_never_tried_again() {
    let stub = server(Reply::silence(), answer(&application()));
    let argo = Argo::new(ArgoSettings {
        auth: password(),
        call_timeout: Duration::from_millis(200),
        ..settings(&stub.url())
    });
    for _ in 0..2 {
        let error = argo.roll_back(11, Prune::No).await.expect_err("no session");
        assert!(
            matches!(error.fault, ArgoFault::LoginFailed { .. }),
            "{error:?}"
        );
        assert!(error.is_transient() && !error.is_doubtful());
    }
    assert!(stub.requests().len() <= 1);
}

#[tokio::test]
async fn a_login_that_is_given_up_counts_as_tried() {
    let arrived = Arc::new(Notify::new());
    let stub = Stub::http({
        let arrived = Arc::clone(&arrived);
        move |request| {
            arrived.notify_one();
            is_login(request).then(Reply::silence)
        }
    });
    let argo = with_password(&stub.url());
    tokio::select! {
        answered = argo.application() => panic!("{answered:?}"),
        () = arrived.notified() => {}
    }
    let error = argo.application().await.expect_err("no session");
    assert!(
        matches!(error.fault, ArgoFault::LoginFailed { .. }),
        "{error:?}"
    );
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_login_that_found_no_server_cost_nothing() {
    let port = ClosedPort::reserve();
    let argo = with_password(&port.url());
    for _ in 0..2 {
        let error = argo.application().await.expect_err("no server");
        assert!(matches!(error.fault, ArgoFault::Transport(_)), "{error:?}");
        assert!(error.is_transient() && !error.is_doubtful());
    }
}

#[tokio::test]
async fn the_version_needs_no_login() {
    let stub = server(session(), answer(&json!({"Version": "v3.5.1"})));
    let argo = with_password(&stub.url());
    argo.version().await.expect("a version");
    assert_eq!(logins(&stub), 0);
}
