//! TLS with a private authority.

use std::fs;
use std::path::PathBuf;

use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::{Prometheus, PrometheusError};
use tempfile::TempDir;
use testkit::stub::{Authority, Reply, ServerTls, Stub};
use url::Url;

use super::{VECTOR_OF_ONE, client, impatient, noon, patient, told};

struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a writable folder");
        path
    }
}

fn server(tls: ServerTls) -> Stub {
    Stub::https(tls, |_| Some(Reply::json(200, VECTOR_OF_ONE)))
}

async fn fails(stub: &Stub, settings: &HttpSettings) -> PrometheusError {
    let result = client(&stub.url(), settings).instant("up", noon()).await;
    assert!(
        stub.requests().is_empty(),
        "nothing is sent to a server that is not trusted"
    );
    result.expect_err("no trust")
}

#[tokio::test]
async fn trusts_a_private_authority_that_is_named() {
    let authority = Authority::new();
    let files = Files::new();
    let settings = HttpSettings {
        ca_file: Some(files.write("ca.pem", &authority.pem())),
        ..patient()
    };
    let stub = server(authority.server());
    client(&stub.url(), &settings)
        .instant("up", noon())
        .await
        .expect("an answer");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_no_passing_trouble() {
    let authority = Authority::new();
    let files = Files::new();
    let other = HttpSettings {
        ca_file: Some(files.write("other.pem", &Authority::new().pem())),
        ..patient()
    };
    let named = HttpSettings {
        ca_file: Some(files.write("ca.pem", &authority.pem())),
        ..patient()
    };
    for (tls, settings) in [
        (authority.server(), patient()),
        (authority.server(), other),
        (authority.server_for_another_host(), named),
    ] {
        let error = fails(&server(tls), &settings).await;
        assert!(
            matches!(error, PrometheusError::Untrusted { .. }),
            "{error:?}"
        );
        assert!(!error.is_transient());
        assert!(
            told(&error).contains("PROMETHEUS_CA_FILE"),
            "{}",
            told(&error)
        );
        assert!(told(&error).contains("certificate"), "{}", told(&error));
    }
}

#[tokio::test]
async fn shows_its_own_certificate_where_one_is_asked_for() {
    let authority = Authority::new();
    let files = Files::new();
    let (certificate, key) = authority.client();
    let without = HttpSettings {
        ca_file: Some(files.write("ca.pem", &authority.pem())),
        ..patient()
    };
    let with = HttpSettings {
        client_identity: Some((
            files.write("client.pem", &certificate),
            files.write("client.key", &key),
        )),
        ..without.clone()
    };
    let stub = server(authority.server_for_known_clients());
    let error = fails(&stub, &without).await;
    assert!(
        matches!(error, PrometheusError::Untrusted { .. }),
        "{}",
        told(&error)
    );
    client(&stub.url(), &with)
        .instant("up", noon())
        .await
        .expect("an answer");
}

#[tokio::test]
async fn unusable_files_are_named_before_anything_is_sent() {
    let files = Files::new();
    let empty = files.write("empty.pem", "");
    let missing = files.folder.path().join("missing.pem");
    for (settings, file) in [
        (
            HttpSettings {
                ca_file: Some(empty.clone()),
                ..impatient()
            },
            "empty.pem",
        ),
        (
            HttpSettings {
                ca_file: Some(missing.clone()),
                ..impatient()
            },
            "missing.pem",
        ),
        (
            HttpSettings {
                client_identity: Some((empty.clone(), empty)),
                ..impatient()
            },
            "empty.pem",
        ),
    ] {
        let base = Url::parse("https://127.0.0.1:9").expect("a URL");
        let error = Prometheus::new(base, &settings).expect_err("an unusable file");
        assert!(matches!(error, PrometheusError::Settings(_)), "{error:?}");
        assert!(told(&error).contains(file), "{}", told(&error));
    }
}
