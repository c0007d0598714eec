//! Every wait ends, every answer has an end, and the token goes nowhere else.

use std::time::Duration;

use error_budget_monitor::clients::argocd::{ArgoFault, ArgoSettings, Prune};
use testkit::stub::ClosedPort;

use super::*;

#[tokio::test]
async fn a_silent_server_ends_in_a_timeout() {
    let stub = Stub::http(|_| Some(Reply::silence()));
    let argo = Argo::new(ArgoSettings {
        timeout: Duration::from_millis(300),
        ..settings(&stub.url())
    });
    let error = argo.application().await.expect_err("no answer");
    assert!(matches!(error.fault, ArgoFault::Transport(_)), "{error:?}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("within 0.3 s"), "{error}");
}

#[tokio::test]
async fn a_server_that_drips_does_not_extend_its_time() {
    let slow = answer(&application()).dripping(Duration::from_millis(10));
    let stub = Stub::http(move |_| Some(slow.clone()));
    let argo = Argo::new(ArgoSettings {
        timeout: Duration::from_millis(300),
        ..settings(&stub.url())
    });
    let error = argo.application().await.expect_err("too slow");
    assert!(matches!(error.fault, ArgoFault::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn nothing_is_sent_when_the_time_is_over() {
    let stub = Stub::sequence([]);
    let argo = Argo::new(ArgoSettings {
        timeout: Duration::ZERO,
        ..settings(&stub.url())
    });
    let error = argo.roll_back(11, Prune::No).await.expect_err("no time");
    assert!(
        matches!(error.fault, ArgoFault::Deadline { .. }),
        "{error:?}"
    );
    assert!(error.is_transient() && !error.is_doubtful());
}

#[tokio::test]
async fn stops_reading_at_the_cap() {
    let padded = format!("{}{}", " ".repeat(8 * 1024 * 1024), application());
    for reply in [Reply::endless(), Reply::json(200, padded)] {
        let (error, asked) = fails([reply]).await;
        assert!(
            matches!(error.fault, ArgoFault::TooLarge { limit: 8_388_608 }),
            "{error:?}"
        );
        let told = error.to_string();
        assert!(
            told.contains("8388608 bytes") && told.contains("revisionHistoryLimit"),
            "{told}"
        );
        assert!(!error.is_transient());
        assert_eq!(asked, 1);
    }
    let stub = Stub::sequence([Reply::endless()]);
    let error = client(&stub).roll_back(11, Prune::No).await;
    assert!(error.expect_err("too large").is_doubtful());
}

#[tokio::test]
async fn json_that_nests_without_end_is_no_answer() {
    let (error, _) = fails([Reply::json(200, "[".repeat(1_000_000))]).await;
    assert!(matches!(error.fault, ArgoFault::Answer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_wants_https_is_not_followed() {
    let stub = Stub::http(|request| {
        let host = request.header("host").expect("a host");
        Some(Reply::redirect(
            307,
            &format!("https://{host}{}", request.target),
        ))
    });
    let error = client(&stub).application().await.expect_err("no https");
    assert!(matches!(error.fault, ArgoFault::WantsHttps), "{error:?}");
    assert!(error.to_string().contains("write https://"), "{error}");
    assert!(!error.is_transient());
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn another_port_of_the_same_host_is_https_all_the_same() {
    let (error, _) = fails([Reply::redirect(301, "https://127.0.0.1/api")]).await;
    assert!(matches!(error.fault, ArgoFault::WantsHttps), "{error:?}");
}

#[tokio::test]
async fn a_redirect_elsewhere_has_its_own_sentence_and_is_not_followed() {
    let elsewhere = Stub::sequence([]);
    for (location, to) in [
        (format!("{}/login", elsewhere.url()), elsewhere.url()),
        (
            "https://sso.example.com/auth?token=x".to_owned(),
            "https://sso.example.com".to_owned(),
        ),
        (
            "/login".to_owned(),
            "another path of the same server".to_owned(),
        ),
    ] {
        let (error, asked) = fails([Reply::redirect(302, &location)]).await;
        let ArgoFault::Redirect { to: found } = &error.fault else {
            panic!("{error:?}");
        };
        assert_eq!(*found, to);
        assert!(error.to_string().contains("ARGOCD_SERVER"), "{error}");
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_doubt() {
    let port = ClosedPort::reserve();
    let argo = Argo::new(settings(&port.url()));
    let error = argo.roll_back(11, Prune::No).await.expect_err("no server");
    assert!(matches!(error.fault, ArgoFault::Transport(_)), "{error:?}");
    assert!(error.is_transient() && !error.is_doubtful());
    assert!(error.to_string().contains("ARGOCD_SERVER"), "{error}");
}
