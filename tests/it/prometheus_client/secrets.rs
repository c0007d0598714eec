//! Secrets are sent where they belong and shown nowhere.

use error_budget_monitor::clients::http::{HttpAuth, HttpSettings};
use error_budget_monitor::clients::prometheus::{Prometheus, PrometheusError};
use testkit::stub::{ClosedPort, Reply, Stub};
use url::Url;

use super::{VECTOR_OF_ONE, client, impatient, noon, patient, told};

/// Part of every secret of these tests.
const CANARY: &str = "canary";

fn with_bearer(settings: HttpSettings) -> HttpSettings {
    HttpSettings {
        auth: HttpAuth::Bearer("canary-token".into()),
        headers: vec![
            ("X-Scope-OrgID".to_owned(), "canary-tenant".into()),
            ("X-Other".to_owned(), "canary-other".into()),
        ],
        ..settings
    }
}

fn with_basic(settings: HttpSettings) -> HttpSettings {
    HttpSettings {
        auth: HttpAuth::Basic {
            username: "me".to_owned(),
            password: "canary-password".into(),
        },
        ..settings
    }
}

fn assert_silent(what: &str) {
    assert!(!what.contains(CANARY), "{what}");
    // The password in the encoding of the header.
    assert!(!what.contains("bWU6Y2FuYXJ5"), "{what}");
}

fn assert_error_is_silent(error: &PrometheusError) {
    assert_silent(&told(error));
    assert_silent(&format!("{error:?} {error:#?}"));
}

#[tokio::test]
async fn sends_credentials_and_headers_with_every_request() {
    let stub = Stub::sequence([Reply::text(405, "no"), Reply::json(200, VECTOR_OF_ONE)]);
    let settings = with_bearer(patient());
    client(&stub.url(), &settings)
        .instant("up", noon())
        .await
        .expect("an answer");
    for request in stub.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer canary-token"));
        assert_eq!(request.header("x-scope-orgid"), Some("canary-tenant"));
        assert_eq!(request.header("x-other"), Some("canary-other"));
        assert!(!request.target.contains(CANARY));
        assert!(!String::from_utf8_lossy(&request.body).contains(CANARY));
    }
    let stub = Stub::sequence([Reply::json(200, VECTOR_OF_ONE)]);
    let settings = with_basic(patient());
    client(&stub.url(), &settings)
        .instant("up", noon())
        .await
        .expect("an answer");
    let request = &stub.requests()[0];
    assert_eq!(
        request.header("authorization"),
        Some("Basic bWU6Y2FuYXJ5LXBhc3N3b3Jk")
    );
}

#[tokio::test]
async fn shows_no_secret_even_if_the_server_repeats_it() {
    let echo =
        "you sent canary-token, canary-tenant, Basic bWU6Y2FuYXJ5LXBhc3N3b3Jk and canary-password";
    let json = format!(r#"{{"status":"error","errorType":"bad_data","error":"{echo}"}}"#);
    let odd = format!(r#"{{"status":"{echo}"}}"#);
    for settings in [with_bearer(patient()), with_basic(patient())] {
        for reply in [
            Reply::json(400, json.clone()),
            Reply::json(422, json.clone()),
            Reply::json(418, json.clone()),
            Reply::json(200, odd.clone()),
            Reply::text(401, echo),
            Reply::text(503, echo).with_header("Retry-After", "3600"),
            Reply::text(200, echo),
            Reply::redirect(302, &format!("https://elsewhere.example/?{CANARY}")),
            Reply::untyped(200, "").with_header("Content-Type", "canary-token/canary-password"),
        ] {
            let stub = Stub::sequence([reply]);
            let prometheus = client(&stub.url(), &settings);
            let error = prometheus
                .instant("up", noon())
                .await
                .expect_err("no answer");
            assert_own_secrets_are_silent(&settings, &error);
            assert_silent(&format!("{prometheus:?} {settings:?}"));
        }
    }
}

/// A server may say anything, but not what only this client could have told it.
fn assert_own_secrets_are_silent(settings: &HttpSettings, error: &PrometheusError) {
    let shown = format!("{} {error:?}", told(error));
    let own: &[&str] = match settings.auth {
        HttpAuth::Bearer(_) => &["canary-token", "canary-tenant"],
        HttpAuth::Basic { .. } | HttpAuth::None => &["canary-password", "bWU6Y2FuYXJ5"],
    };
    for secret in own {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn shows_no_secret_when_there_is_no_answer() {
    let port = ClosedPort::reserve();
    let silent = Stub::http(|_| Some(Reply::silence()));
    for url in [port.url(), silent.url()] {
        let base = format!("{url}/base?token={CANARY}");
        let prometheus = client(&base, &with_bearer(impatient()));
        let error = prometheus
            .instant(CANARY, noon())
            .await
            .expect_err("no answer");
        assert_error_is_silent(&error);
        assert_silent(&format!("{prometheus:?}"));
    }
}

#[test]
fn shows_no_secret_when_the_settings_are_unusable() {
    let build = |base: &str, settings: &HttpSettings| {
        Prometheus::new(Url::parse(base).expect("a URL"), settings).expect_err("unusable settings")
    };
    let in_url = build("http://me:canary-password@h", &patient());
    assert_error_is_silent(&in_url);
    assert!(
        told(&in_url).contains("user name or password"),
        "{}",
        told(&in_url)
    );
    for settings in [
        HttpSettings {
            auth: HttpAuth::Bearer("canary\ntoken".into()),
            ..patient()
        },
        HttpSettings {
            headers: vec![("X-Key".to_owned(), "canary\nkey".into())],
            ..patient()
        },
        HttpSettings {
            headers: vec![("authorization".to_owned(), "canary-second".into())],
            ..with_basic(patient())
        },
    ] {
        let error = build("http://h", &settings);
        assert_error_is_silent(&error);
        assert!(!error.is_transient());
    }
}
