//! Whether an application deploys what the branch holds.

use std::time::Duration;

use error_budget_monitor::clients::git::{GitSettings, Ignore};
use error_budget_monitor::observe::not_followed;

use super::*;

fn branch() -> GitSettings {
    GitSettings {
        url: Url::parse("https://git.example.com/deploy.git").expect("a URL"),
        name: "https://git.example.com/deploy.git".to_owned(),
        username: "x".to_owned(),
        token: None,
        branch: "main".to_owned(),
        paths: vec!["apps/checkout".to_owned()],
        ignore: Ignore::default(),
        ca_file: None,
        timeout: Duration::from_secs(1),
        max_bytes: 1,
        author_name: String::new(),
        author_email: String::new(),
    }
}

/// Reads an application whose specification was changed.
async fn why(change: impl FnOnce(&mut Value)) -> Option<String> {
    let mut application = application();
    change(&mut application);
    let stub = Stub::sequence([answer(&application)]);
    not_followed(&reads(&stub).await, &branch())
}

#[tokio::test]
async fn an_application_that_deploys_something_else_is_named_with_the_way_out() {
    assert_eq!(why(|_| ()).await, None);
    let source = "/spec/source";
    for (name, revision, words) in [
        ("a branch", json!("release"), "follows release"),
        ("a tag", json!("v1.0"), "set its targetRevision to main"),
        ("a range", json!(">=1.0"), "GITOPS_BRANCH (main)"),
    ] {
        let found = why(|app| app["spec"]["source"]["targetRevision"] = revision).await;
        let found = found.unwrap_or_else(|| panic!("{name} is followed"));
        assert!(found.contains(words), "{name}: {found}");
    }
    let elsewhere = why(|app| {
        app["spec"]["source"]["repoURL"] = json!("https://git.example.com/other.git");
    });
    assert_eq!(elsewhere.await, None, "addresses have too many spellings");
    let hydrator = |repo: &str| {
        let source = json!({"repoURL": repo, "targetRevision": "main", "path": "dry"});
        json!({"drySource": source, "syncSource": {"targetBranch": "env/prod", "path": "x"}})
    };
    let elsewhere = why(|app| {
        app["spec"]["sourceHydrator"] = hydrator("https://x:canary@git.example.com/dry.git");
    });
    let elsewhere = elsewhere.await.expect("a reason");
    assert!(
        elsewhere.contains("main of https://git.example.com/dry.git"),
        "{elsewhere}"
    );
    let here = why(|app| {
        app["spec"]["sourceHydrator"] = hydrator("https://git.example.com/deploy");
        let last = json!({"drySHA": "d".repeat(40), "hydratedSHA": "e".repeat(40)});
        app["status"]["sourceHydrator"] = json!({"lastSuccessfulOperation": last});
    });
    assert_eq!(here.await, None, "the branch is the dry source");
    let staged = why(|app| {
        let mut hydrator = hydrator("https://git.example.com/deploy");
        hydrator["hydrateTo"] = json!({"targetBranch": "env/prod-next"});
        app["spec"]["sourceHydrator"] = hydrator;
    });
    let staged = staged.await.expect("a reason");
    assert!(staged.contains("env/prod-next"), "{staged}");
    assert!(staged.contains("promote it"), "{staged}");
    let apart = why(|app| {
        let mut hydrator = hydrator("https://git.example.com/deploy");
        hydrator["syncSource"]["repoURL"] = json!("https://git.example.com/made.git");
        app["spec"]["sourceHydrator"] = hydrator;
    });
    let apart = apart.await.expect("a reason");
    assert!(
        apart.contains("https://git.example.com/made.git"),
        "{apart}"
    );
    let chart =
        json!({"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.2.3"});
    let charts = why(|app| *app.pointer_mut(source).expect("a source") = chart.clone()).await;
    let charts = charts.expect("a reason");
    assert!(charts.contains("chart web at 1.2.3"), "{charts}");
    assert!(charts.contains("GITOPS_PATH"), "{charts}");
    let owned = why(|app| {
        *app.pointer_mut(source).expect("a source") = chart;
        let id = "platform:argoproj.io/Application:argocd/checkout";
        app["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": id});
    });
    let owned = owned.await.expect("a reason");
    assert!(owned.contains("ARGOCD_APP_NAME to platform"), "{owned}");
}

#[tokio::test]
async fn one_source_that_follows_the_branch_is_enough() {
    let several = why(|app| {
        let own = app["spec"]["source"].clone();
        let chart =
            json!({"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1"});
        app["spec"]["sources"] = json!([chart, own]);
    });
    assert_eq!(several.await, None);
}
