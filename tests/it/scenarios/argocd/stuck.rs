//! What Argo CD refuses, holds back or does not finish.

use testkit::argocd::{Fault, Phase, SyncWindow};
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID};

use super::super::world::TOKEN;
use super::*;

/// Runs the program, which must hold or refuse, and checks that nothing was touched.
#[track_caller]
fn nothing_is_done(scene: &Scene, program: &Program) -> super::super::program::Ran {
    let refs = scene.world.repo().refs_fingerprint();
    let ran = program.run();
    scene.is_untouched(&refs);
    ran
}

#[test]
fn a_sync_window_holds_and_says_so() {
    for scene in [Scene::auto(), Scene::by_hand()] {
        scene.argo.change(|known| {
            let project = known.project_mut("payments");
            project.windows.push(SyncWindow::deny(false));
        });
        let ran = nothing_is_done(&scene, &scene.program()).exits(0);
        let ran = ran.decides("hold", "blackout");
        assert!(
            ran.text("/decision/detail").contains("sync window"),
            "{ran}"
        );
    }
}

#[test]
fn an_account_without_the_right_does_nothing() {
    let mut scene = Scene::auto();
    scene.token = scene
        .argo
        .token_for("reader", &["get"], &format!("payments/{APP}"));
    let ran = nothing_is_done(&scene, &scene.program()).exits(69);
    ran.complains_of(&["reader may not sync", "RBAC"]);
}

#[test]
fn a_wrong_token_a_missing_application_and_other_answers_do_nothing() {
    let scene = Scene::auto();
    let cases: [(&str, &str, &[&str]); 4] = [
        ("ARGOCD_TOKEN", "no-token", &["HTTP 401"]),
        ("ARGOCD_APP_NAME", "nobody", &["HTTP 403"]),
        ("ARGOCD_PROJECT", "other", &["HTTP 40"]),
        ("ARGOCD_SERVER", "https://127.0.0.1:1", &["no connection"]),
    ];
    for (name, value, words) in cases {
        let program = scene.program().env(name, value);
        nothing_is_done(&scene, &program)
            .exits(69)
            .complains_of(words);
    }
    let faults: [(Fault, &[&str]); 3] = [
        (Fault::login_page(), &["instead of JSON"]),
        (
            Fault::redirect("https://sso.example/login"),
            &["redirected"],
        ),
        (Fault::huge(50_000_000), &["larger than"]),
    ];
    for (fault, words) in faults {
        scene
            .argo
            .fault("GET", &format!("applications/{APP}"), fault);
        nothing_is_done(&scene, &scene.program())
            .exits(69)
            .complains_of(words);
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let scene = Scene::auto();
    let program = scene
        .program()
        .without("ARGOCD_TOKEN")
        .env("ARGOCD_USERNAME", "admin")
        .env("ARGOCD_PASSWORD", "canary-wrong");
    let ran = nothing_is_done(&scene, &program).exits(69);
    ran.complains_of(&["the login was refused"])
        .keeps_secret("canary-wrong");
    let logins = scene.argo.requests();
    let logins = logins.iter().filter(|it| it.path.contains("/session"));
    assert_eq!(logins.count(), 1);
}

#[test]
fn what_is_under_way_holds() {
    let deleting = Scene::auto();
    deleting.argo.change(|known| {
        let now = known.now();
        known.app_mut(APP).deleting_since = Some(now);
    });
    let ran = nothing_is_done(&deleting, &deleting.program()).exits(0);
    let ran = ran.decides("hold", "deployment_in_progress");
    assert!(
        ran.text("/decision/detail").contains("being deleted"),
        "{ran}"
    );

    // The branch is ahead of the cluster.
    let ahead = Scene::by_hand();
    ahead.world.release("v3", chrono::Utc::now());
    let ran = nothing_is_done(&ahead, &ahead.program()).exits(0);
    let ran = ran.decides("hold", "deployment_in_progress");
    assert!(
        ran.text("/decision/detail").contains("still to follow"),
        "{ran}"
    );

    // Somebody syncs just now.
    let syncing = Scene::by_hand();
    syncing
        .argo
        .change(|known| known.app_mut(APP).trouble.never_finishes = true);
    syncing
        .argo
        .change(|known| known.queue_by_hand(APP, "main"));
    let refs = syncing.world.repo().refs_fingerprint();
    let ran = syncing.program().run().exits(0);
    let ran = ran.decides("hold", "deployment_in_progress");
    assert!(ran.text("/decision/detail").contains("under way"), "{ran}");
    assert_eq!(syncing.world.repo().refs_fingerprint(), refs);
}

#[test]
fn a_rollback_that_argocd_cannot_do_fails_and_leaves_the_branch() {
    let scene = Scene::by_hand();
    let manifest = testkit::git::MonoRepo::manifest_path(&scene.world.service());
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble
            .fails_to_apply
            .insert(scene.world.v1.clone(), manifest);
    });
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene.program().run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    // The breaker is open.
    let held = scene
        .program()
        .env("COOLDOWN", "0s")
        .env("MAX_ROLLBACKS_PER_HOUR", "9");
    held.run().exits(0).decides("hold", "breaker_open");
    assert_eq!(scene.operations().len(), 1);
}

#[test]
fn a_controller_that_is_down_is_named_and_waited_for() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| known.is_controller_down = true);
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene.program().env("VERIFY_TIMEOUT", "1s").run();
    let ran = ran.exits(0).has_outcome("verifying");
    assert_eq!(steps(&ran), ["argocd_rollback pending"], "{ran}");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);

    scene.argo.change(|known| known.is_controller_down = false);
    let ran = scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    assert_eq!(scene.operations().len(), 1);
    assert_eq!(scene.argo.operations()[0].phase, Some(Phase::Succeeded));
}

#[test]
fn a_release_that_retries_is_ended_first() {
    let scene = Scene::auto();
    // The bad revision is synced again and again: parts of it cannot be applied.
    let manifest = testkit::git::MonoRepo::manifest_path(&scene.world.service());
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.fails_to_apply.insert(scene.v2.clone(), manifest);
        known.queue_by_hand_with_retries(APP, &scene.v2);
    });
    scene.argo.wait_until("it is tried again", |known| {
        let state = &known.app(APP).status.operation_state;
        state.as_ref().is_some_and(|state| state.retry_count > 0)
    });
    let ran = scene.program().env("VERIFY_TIMEOUT", "15s").run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(scene.live(), "v1");
}

#[test]
fn an_application_that_stays_degraded_is_not_recovered() {
    let scene = Scene::by_hand();
    let v1 = scene.world.v1.clone();
    let degrades = move |known: &mut testkit::argocd::World| {
        known.app_mut(APP).trouble.degrades.insert(v1);
    };
    scene
        .argo
        .fault("POST", "/rollback", Fault::Before(Box::new(degrades)));
    let ran = scene.program().run().exits(0).has_outcome("verifying");
    assert!(ran.stdout.contains("Degraded"), "{ran}");
}

#[test]
fn a_person_who_commits_after_the_application_went_back_is_told() {
    let scene = Scene::by_hand();
    let team = scene.world.team.clone();
    let service = scene.world.service();
    let commits = move |_: &mut testkit::argocd::World| {
        team.release(&service, "v3", 0.0, chrono::Utc::now());
    };
    scene
        .argo
        .fault("POST", "/rollback", Fault::Before(Box::new(commits)));
    let ran = scene.program().run().exits(1).has_outcome("failed");
    ran.complains_of(&["the application was rolled back, and the branch was not"]);
    assert_eq!(scene.live(), "v1");
    assert_eq!(scene.world.rollback_commits(), 0);
    assert_eq!(scene.operations().len(), 1);
}

#[test]
fn a_pull_request_that_is_closed_after_the_application_went_back_is_told() {
    let scene = Scene::by_hand();
    let github = GithubServer::in_front_of(&scene.world.server, REPOSITORY, Some(TOKEN));
    github.protect("main", &["pull_request"]);
    let app = || {
        scene
            .program()
            .without("GITOPS_TOKEN")
            .env("GITOPS_REPO", REPOSITORY)
            .env("GITOPS_API_URL", &github.api_url())
            .env("GITHUB_APP_ID", &APP_ID.to_string())
            .env("GITHUB_APP_INSTALLATION_ID", &INSTALLATION_ID.to_string())
            .env("GITHUB_APP_PRIVATE_KEY", APP_KEY)
    };
    app().run().exits(0).has_outcome("awaiting_approval");
    assert_eq!(scene.live(), "v1");
    github.close(1);
    let ran = app().run().exits(1).has_outcome("failed");
    ran.complains_of(&[
        "the application was rolled back, and the branch was not",
        "closed pull request 1",
    ]);
    assert_eq!(scene.operations().len(), 1);
}

#[test]
fn what_argo_cd_says_of_an_operation_tells_no_secret_of_the_repository() {
    let scene = Scene::by_hand();
    let said = format!(
        "{TOKEN} is not accepted, and nor is {}",
        TOKEN.to_uppercase()
    );
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.fails_to_apply.insert(scene.world.v1.clone(), said);
    });
    // That nothing on its outputs tells the token is looked at in every run.
    let ran = scene.program().run().exits(1).has_outcome("failed");
    let detail = ran.text("/rollback/steps/0/detail");
    let words = "[redacted] is not accepted, and nor is [redacted]";
    assert!(detail.contains(words), "{detail}");
    assert!(!scene.world.state().contains(TOKEN));
}
