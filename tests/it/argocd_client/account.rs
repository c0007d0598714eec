//! Who this program is, what it may do, and which server that is.

use error_budget_monitor::clients::argocd::{
    Account, Allowed, ArgoFault, ArgoPermission, ArgoSettings,
};

use super::*;

#[tokio::test]
async fn tells_who_is_signed_in() {
    let stub = Stub::sequence([
        answer(&json!({"loggedIn": true, "username": "slo-bot", "iss": "argocd"})),
        answer(
            &json!({"loggedIn": true, "username": "proj:payments:ci", "iss": "argocd", "groups": ["a"]}),
        ),
        answer(&json!({})),
    ]);
    let argo = client(&stub);
    let named = |name: &str, groups: &[&str]| Account::Named {
        name: name.to_owned(),
        issuer: Some("argocd".to_owned()),
        groups: Some(groups.iter().map(|group| (*group).to_owned()).collect()),
    };
    for expected in [
        named("slo-bot", &[]),
        named("proj:payments:ci", &["a"]),
        Account::Nobody,
    ] {
        assert_eq!(argo.account().await.expect("an answer"), expected);
    }
    assert_eq!(stub.requests()[0].target, "/api/v1/session/userinfo");
}

#[tokio::test]
async fn asks_for_a_right_on_this_application() {
    let stub = Stub::sequence([
        answer(&json!({"value": "yes"})),
        answer(&json!({"value": "no"})),
    ]);
    let argo = client(&stub);
    for (action, expected) in [
        (ArgoPermission::Sync, Allowed::Yes),
        (ArgoPermission::Update, Allowed::No),
    ] {
        assert_eq!(argo.can_i(action).await.expect("an answer"), expected);
    }
    let requests = stub.requests();
    let path = "/api/v1/account/can-i/applications";
    assert_eq!(requests[0].target, format!("{path}/sync/payments/checkout"));
    assert_eq!(
        requests[1].target,
        format!("{path}/update/payments/checkout")
    );
}

#[tokio::test]
async fn a_right_in_another_namespace_names_the_namespace() {
    let stub = Stub::sequence([answer(&json!({"value": "yes"}))]);
    let argo = Argo::new(ArgoSettings {
        app_namespace: Some("team".to_owned()),
        ..settings(&stub.url())
    });
    argo.can_i(ArgoPermission::Get).await.expect("an answer");
    assert!(
        stub.requests()[0]
            .target
            .ends_with("/get/payments/team/checkout")
    );
}

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

#[tokio::test]
async fn asks_for_the_version_without_credentials() {
    let stub = Stub::sequence([answer(
        &json!({"Version": "v3.5.1+abc1234", "BuildDate": "x"}),
    )]);
    let version = client(&stub).version().await.expect("a version");
    assert_eq!(version.text, "v3.5.1+abc1234");
    assert_eq!(version.number, Some((3, 5)));
    let request = &stub.requests()[0];
    assert_eq!(request.target, "/api/version");
    assert_eq!(request.header("authorization"), None);
}
