//! TLS with a private authority.

use std::fs;

use error_budget_monitor::clients::argocd::{ArgoFault, ArgoSettings};
use testkit::stub::Authority;

use super::*;

#[tokio::test]
async fn trusts_a_private_authority_that_is_named_and_no_other() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, authority.pem()).expect("a writable folder");
    let stub = Stub::https(authority.server(), |_| Some(answer(&application())));
    let named = Argo::new(ArgoSettings {
        ca_file: Some(ca_file),
        ..settings(&stub.url())
    });
    named.application().await.expect("an application");
    let error = client(&stub).application().await.expect_err("no trust");
    assert!(matches!(error.fault, ArgoFault::Transport(_)), "{error:?}");
    assert!(!error.is_transient());
    assert!(error.to_string().contains("ARGOCD_CA_FILE"), "{error}");
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn an_unusable_file_is_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let argo = Argo::new(ArgoSettings {
        ca_file: Some(folder.path().join("missing.pem")),
        ..settings("https://127.0.0.1:9")
    });
    let error = argo.application().await.expect_err("an unusable file");
    assert!(matches!(error.fault, ArgoFault::Settings(_)), "{error:?}");
    assert!(error.to_string().contains("missing.pem"), "{error}");
    assert!(!error.is_transient() && !error.is_doubtful());
}
