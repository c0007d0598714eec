//! What the doctor says of the application in Argo CD.

use std::time::Duration;

use serde_json::json;
use testkit::argocd::Condition;

use super::*;

const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn auto_sync_decides_which_way_is_open() {
    let scene = Scene::open();
    scene.switches_auto_sync(Some(Automated {
        prune: true,
        ..Automated::default()
    }));
    scene.looked_at_by(&scene.program()).exits(0).finds(
        "argocd auto-sync",
        "ok",
        &["on (prune on, self-heal off): a revert in git is deployed"],
    );
    scene
        .looked_at_by(&without_git(&scene.program()))
        .exits(2)
        .finds(
            "argocd auto-sync",
            "problem",
            &[
                "Argo CD refuses a rollback",
                "ARGOCD_MAY_DISABLE_AUTO_SYNC=true",
            ],
        )
        .finds_only(&["ways", "argocd auto-sync"]);
    scene.switches_auto_sync(Some(Automated {
        enabled: Some(false),
        ..Automated::default()
    }));
    scene.looked_at_by(&scene.program()).exits(0).finds(
        "argocd auto-sync",
        "ok",
        &["off, its settings are kept"],
    );
}

#[test]
fn a_history_without_an_earlier_state_leaves_nothing_to_go_back_to() {
    let scene = Scene::before_any_release(|_| {});
    // The same state twice is one state.
    for _ in 0..2 {
        scene.argo.deploy(SERVICE, &scene.world.v1);
    }
    scene.argo.forget();
    scene.looked_at_by(&scene.program()).exits(2).finds(
        "argocd history",
        "problem",
        &["entries: 2, of different states: 1", "second state"],
    );
    scene.switches_auto_sync(Some(Automated::default()));
    // Git is the way then.
    scene.looked_at_by(&scene.program()).finds(
        "argocd history",
        "warning",
        &["of different states: 1"],
    );
}

#[test]
fn a_history_that_is_not_kept_is_a_problem() {
    for limit in [0, 1] {
        let scene = Scene::with(|app| app.spec.revision_history_limit = Some(limit));
        let kept = format!("kept: {limit}");
        scene
            .looked_at_by(&scene.program())
            .exits(2)
            .finds(
                "argocd history",
                "problem",
                &[&kept, "revisionHistoryLimit"],
            )
            .finds_only(&["argocd history"]);
    }
}

#[test]
fn owners_are_named() {
    let scene = Scene::with(|app| app.owned_by_application_set("shops", NEVER));
    scene
        .looked_at_by(&scene.program())
        .exits(1)
        .finds(
            "argocd owner",
            "warning",
            &["ApplicationSet shops writes it", "put back"],
        )
        .finds_only(&["argocd owner"]);
    let scene = Scene::with(|app| app.owned_by_parent("root", NEVER));
    scene
        .looked_at_by(&scene.program())
        .exits(1)
        .finds("argocd owner", "warning", &["application root deploys it"])
        .finds_only(&["argocd owner"]);
}

#[test]
fn who_chooses_images_is_named() {
    let scene = Scene::with(|app| {
        let list = "argocd-image-updater.argoproj.io/image-list";
        app.annotations.insert(list.to_owned(), "web".to_owned());
    });
    scene
        .looked_at_by(&scene.program())
        .exits(1)
        .finds(
            "argocd image updater",
            "warning",
            &["image-list", "pin the image"],
        )
        .finds_only(&["argocd image updater"]);
}

/// Lets the application say something of itself that no controller changes any more.
fn with_a_status(change: impl FnOnce(&mut Application)) -> Scene {
    let scene = Scene::open();
    scene.argo.change(|world| {
        world.is_controller_down = true;
        change(world.app_mut(SERVICE));
    });
    scene
}

#[test]
fn what_an_application_says_of_itself_is_heard() {
    let scene = with_a_status(|app| {
        app.status.resources.push(json!({
            "group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout", "namespace": "shop", "name": "canary",
        }));
    });
    scene
        .looked_at_by(&scene.program())
        .exits(1)
        .finds(
            "argocd rollouts",
            "warning",
            &["canary goes forward and back"],
        )
        .finds_only(&["argocd rollouts"]);

    let scene = with_a_status(|app| {
        app.status.conditions.push(Condition {
            kind: "ComparisonError",
            message: "cannot render\n\u{1b}[31mthis".to_owned(),
            last_transition_time: Utc::now(),
        });
    });
    let text = scene.program().arguments(&["doctor", "--output", "text"]);
    let ran = scene.looked_at_by(&text).exits(1);
    assert!(
        ran.stdout.contains("ComparisonError: cannot render"),
        "{ran}"
    );
    assert!(!ran.stdout.contains('\u{1b}'), "{ran}");

    let scene = with_a_status(|app| {
        let long_ago = Some(Utc::now() - TimeDelta::hours(1));
        app.status.reconciled_at = long_ago;
        let last = app.status.operation_state.as_mut();
        last.expect("it was deployed").finished_at = long_ago;
    });
    scene.looked_at_by(&scene.program()).exits(1).finds(
        "argocd application",
        "warning",
        &["argocd-application-controller"],
    );

    let scene = with_a_status(|app| app.deleting_since = Some(Utc::now()));
    scene.looked_at_by(&scene.program()).exits(2).finds(
        "argocd application",
        "problem",
        &["it is being deleted"],
    );
}

#[test]
fn an_application_that_deploys_something_else_is_said() {
    for (path, branch, state, words) in [
        (
            "apps/healthy",
            "release",
            "problem",
            "follows release and not GITOPS_BRANCH (main)",
        ),
        (
            "apps/payments",
            "main",
            "warning",
            "deploys apps/payments, which is in none of GITOPS_PATH",
        ),
    ] {
        let scene = Scene::open();
        scene.argo.change(|world| {
            let spec = &mut world.app_mut(SERVICE).spec;
            let source = spec.source.as_mut().expect("it has one");
            path.clone_into(&mut source.path);
            branch.clone_into(&mut source.target_revision);
        });
        scene
            .looked_at_by(&scene.program())
            .finds("argocd source", state, &[words]);
    }
    let scene = Scene::open();
    scene.argo.change(|world| {
        let spec = &mut world.app_mut(SERVICE).spec;
        let source = spec.source.as_mut().expect("it has one");
        "https://x:canary-in-url@git.example.com/other.git".clone_into(&mut source.repo_url);
    });
    scene
        .looked_at_by(&scene.program())
        .keeps_secret("canary-in-url")
        .finds(
            "argocd source",
            "warning",
            &["https://git.example.com/other.git, not from GITOPS_REPO"],
        );
}

#[test]
fn an_operation_under_way_is_waited_for() {
    let scene = Scene::open();
    scene.argo.change(|world| world.is_controller_down = true);
    let id = scene
        .argo
        .look(|world| world.app(SERVICE).status.history[0].id);
    // Somebody else asks for a rollback.
    let body = json!({ "id": id, "project": PROJECT });
    let path = format!("/api/v1/applications/{SERVICE}/rollback");
    let answer = scene.argo.ask(&scene.token, "POST", &path, &body);
    assert_eq!(answer.expect("an answer").status, 200);
    let program = scene.program();
    let ran = scene.world.nothing_changed_by(&program).exits(1);
    ran.finds(
        "argocd application",
        "warning",
        &["an operation is in progress", "terminate"],
    )
    .finds_only(&["argocd application"]);
}
