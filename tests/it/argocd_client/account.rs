//! Who this program is, what it may do, and which server that is.

use error_budget_monitor::clients::argocd::{ArgoFault, ArgoPermission, ArgoSettings};

use super::*;

#[tokio::test]
async fn a_right_in_a_project_that_nobody_said_is_asked_after_the_application_is_read() {
    let stub = Stub::sequence([answer(&application()), answer(&json!({"value": "yes"}))]);
    let argo = Argo::new(ArgoSettings {
        project: None,
        ..settings(&stub.url())
    });
    argo.can_i(ArgoPermission::Get).await.expect("an answer");
    assert!(
        stub.requests()[1]
            .target
            .ends_with("/get/payments/checkout")
    );
}

#[tokio::test]
async fn an_answer_that_is_neither_yes_nor_no_is_none() {
    for odd in [
        json!({}),
        json!({"value": "perhaps"}),
        json!({"value": true}),
    ] {
        let stub = Stub::sequence([answer(&odd)]);
        let error = client(&stub)
            .can_i(ArgoPermission::Get)
            .await
            .expect_err("no word");
        assert!(matches!(error.fault, ArgoFault::Answer { .. }), "{error:?}");
    }
}
