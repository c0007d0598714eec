//! Secrets are sent where they belong and shown nowhere.

use error_budget_monitor::clients::argocd::{ArgoAuth, ArgoSettings, Prune};

use super::*;

#[tokio::test]
async fn shows_no_secret_even_if_the_server_repeats_it() {
    let session = "head.canary-session.signature";
    let echo = format!("you sent {TOKEN}, {session} and canary-password");
    let password = ArgoAuth::Password {
        username: "slo-bot".to_owned(),
        password: "canary-password".into(),
    };
    for (auth, secrets) in [
        (ArgoAuth::Token(TOKEN.into()), &["canary-body"][..]),
        (password, &["canary-session", "canary-password"]),
    ] {
        for reply in [
            refusal(401, 16, &echo),
            refusal(403, 7, &echo),
            refusal(400, 9, &echo),
            refusal(404, 5, &echo),
            Reply::text(415, echo.clone()),
            Reply::html(200, echo.clone()),
            Reply::json(200, echo.clone()),
            Reply::json(200, format!(r#"{{"metadata": {{"name": "{echo}"}}}}"#)),
            Reply::untyped(200, "").with_header("Content-Type", &echo),
            Reply::redirect(302, &format!("https://elsewhere.example/?{session}")),
        ] {
            let stub = Stub::http(move |request| {
                let is_login = request.path().ends_with("/session");
                Some(if is_login {
                    answer(&json!({"token": session}))
                } else {
                    reply.clone()
                })
            });
            let argo = Argo::new(ArgoSettings {
                auth: auth.clone(),
                ..settings(&stub.url())
            });
            let error = argo.roll_back(11, Prune::No).await.expect_err("refused");
            let shown = format!("{error} {error:?} {argo:?} {auth:?}");
            for secret in secrets {
                assert!(!shown.contains(secret), "{shown}");
            }
            for request in stub.requests() {
                assert!(!request.target.contains("canary"), "{}", request.target);
            }
        }
    }
}

#[tokio::test]
async fn a_refused_login_does_not_show_the_password() {
    let stub = Stub::sequence([refusal(401, 16, "no: canary-password")]);
    let argo = Argo::new(ArgoSettings {
        auth: ArgoAuth::Password {
            username: "slo-bot".to_owned(),
            password: "canary-password".into(),
        },
        ..settings(&stub.url())
    });
    let error = argo.application().await.expect_err("refused");
    let shown = format!("{error} {error:?} {argo:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_named_and_not_shown() {
    let stub = Stub::sequence([]);
    let argo = Argo::new(ArgoSettings {
        auth: ArgoAuth::Token("canary\ntoken".into()),
        ..settings(&stub.url())
    });
    let error = argo.application().await.expect_err("not sendable");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("ARGOCD_TOKEN"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!error.is_transient() && !error.is_doubtful());
}
