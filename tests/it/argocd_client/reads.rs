//! Questions about the application: what is sent, how often, and what becomes of the answer.

use error_budget_monitor::clients::argocd::{ArgoFault, ArgoSettings, Refreshed};

use super::*;

#[test]
fn its_name_has_its_namespace_before_it_where_there_is_one() {
    let argo = Argo::new(ArgoSettings {
        app_namespace: Some("team".to_owned()),
        ..settings("http://127.0.0.1:9")
    });
    assert_eq!(argo.name(), "team/checkout");
}

#[tokio::test]
async fn stays_below_the_root_path() {
    for root in ["/argo", "/argo/"] {
        let stub = Stub::sequence([answer(&application())]);
        let argo = Argo::new(settings(&format!("{}{root}", stub.url())));
        argo.application().await.expect("an application");
        assert_eq!(stub.requests()[0].path(), format!("/argo{APP}"));
    }
}

#[tokio::test]
async fn learns_the_project_from_the_application_where_nobody_said_it() {
    let stub = Stub::http(|_| Some(answer(&application())));
    let argo = Argo::new(ArgoSettings {
        project: None,
        ..settings(&stub.url())
    });
    for _ in 0..2 {
        argo.application().await.expect("an application");
    }
    let requests = stub.requests();
    assert_eq!(place(&requests[0]).1, vec![]);
    assert_eq!(place(&requests[1]).1, pairs(&[("project", "payments")]));
}

#[tokio::test]
async fn asks_again_after_what_may_pass() {
    for bad_luck in [
        Reply::hangup(),
        Reply::reset(),
        Reply::json(200, "{}").cut_short(),
        refusal(503, 14, "connection error"),
        refusal(500, 13, "internal"),
        refusal(500, 2, "Too many conflicts"),
        refusal(504, 4, "context deadline exceeded"),
        refusal(408, 1, "context canceled"),
        refusal(429, 8, "slow down"),
        Reply::html(502, "<html>Bad Gateway</html>"),
        Reply::text(503, "no endpoints"),
        Reply::text(429, "slow down"),
    ] {
        let stub = Stub::sequence([bad_luck.clone(), bad_luck, answer(&application())]);
        reads(&stub).await;
        assert_eq!(stub.requests().len(), 3);
    }
}

#[tokio::test]
async fn gives_up_after_three_tries() {
    let replies = std::iter::repeat_with(|| refusal(503, 14, "down")).take(3);
    let (error, asked) = fails(replies).await;
    assert!(
        matches!(error.fault, ArgoFault::Server { status: 503, .. }),
        "{error:?}"
    );
    assert!(error.is_transient());
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn another_application_is_no_answer() {
    let mut other = application();
    other["metadata"]["name"] = "cart".into();
    for odd in [other, json!({}), json!([]), json!("checkout"), Value::Null] {
        let (error, asked) = fails([answer(&odd)]).await;
        assert!(
            matches!(error.fault, ArgoFault::Answer { .. }),
            "{odd}: {error:?}"
        );
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn a_refresh_that_hangs_or_fails_shows_what_is_there() {
    for trouble in [
        Reply::silence(),
        Reply::hangup(),
        refusal(500, 2, "deadline"),
    ] {
        let stub = Stub::http(move |request| {
            let is_refresh = request.parameter("refresh").is_some();
            Some(if is_refresh {
                trouble.clone()
            } else {
                answer(&application())
            })
        });
        let argo = Argo::new(ArgoSettings {
            refresh_timeout: Duration::from_millis(200),
            ..settings(&stub.url())
        });
        let refreshed = argo.refresh().await.expect("an application");
        assert!(
            matches!(refreshed, Refreshed::Unanswered(_)),
            "{refreshed:?}"
        );
        let found = refreshed.application().reconciled_at;
        assert_eq!(found, "2026-08-01T10:02:00Z".parse().ok());
        let requests = stub.requests();
        assert!(requests.len() <= 2, "a refresh is asked for once");
        let last = requests.last().expect("a request");
        assert_eq!(place(last).1, pairs(&[("project", "payments")]));
    }
}

#[tokio::test]
async fn a_refresh_that_is_refused_fails() {
    let stub = Stub::sequence([refusal(403, 7, "permission denied")]);
    let error = client(&stub).refresh().await.expect_err("no right");
    assert!(
        matches!(error.fault, ArgoFault::Forbidden { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn sync_windows_that_cannot_be_read_are_none() {
    let odd = json!({"activeWindows": "x", "canSync": "yes"});
    let stub = Stub::sequence([answer(&odd)]);
    let windows = client(&stub).sync_windows().await.expect("windows");
    assert_eq!((windows.can_sync, windows.active), (None, None));
    assert_eq!(windows.assigned, Some(vec![]), "left out is empty");
}
