//! Who asks, and what that account may do.

use super::*;

/// The program, which signs in with a password.
fn with_password(scene: &Scene, password: &str) -> Program {
    scene
        .program()
        .without("ARGOCD_TOKEN")
        .env("ARGOCD_USERNAME", ACCOUNT)
        .env("ARGOCD_PASSWORD", password)
}

/// The same scene, whose account has a password.
fn scene_with_password(password: &str) -> Scene {
    let scene = Scene::by_hand();
    scene
        .argo
        .change(|known| known.auth.add_account(ACCOUNT, password));
    scene
}

#[test]
fn a3_an_expired_token_is_named_and_nothing_is_done() {
    let mut scene = Scene::by_hand();
    scene.token = scene.argo.change(|known| {
        let now = known.now();
        known.auth.issue_token(ACCOUNT, Some(Duration::ZERO), now)
    });
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene.program().run().exits(69);
    ran_keeps_the_token(&scene, &ran);
    ran.complains_of(&["ARGOCD_TOKEN does not count", "HTTP 401", "expired"]);
    scene.is_untouched(&refs);
    // Where nobody is asked to sign in, a token that does not count is a missing right.
    scene
        .argo
        .change(|known| known.auth.is_anonymous_allowed = true);
    let ran = scene.program().run().exits(69);
    ran.complains_of(&["HTTP 403"]);
    scene.is_untouched(&refs);
}

#[test]
fn a3_a_token_that_dies_before_the_rollback_leaves_it_to_the_next_run() {
    let mut scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", |known| {
        known.auth.revoke_tokens(ACCOUNT);
    });
    let ran = scene.program().run().exits(69);
    waits(&ran, "argocd_rollback", "ARGOCD_TOKEN does not count");
    scene.is_untouched(&refs);
    scene.token = scene.argo.token_for(ACCOUNT, &[], "");
    is_finished_later(&scene);
}

#[test]
fn a4_one_login_serves_a_run_and_a_wrong_password_locks_nobody_out() {
    let scene = scene_with_password("canary-right");
    let refs = scene.world.repo().refs_fingerprint();
    let ran = with_password(&scene, "canary-wrong").run().exits(69);
    ran.complains_of(&["the login was refused"]);
    assert_eq!(logins(&scene), 1);
    scene.is_untouched(&refs);
    let ran = with_password(&scene, "canary-right").run().exits(0);
    assert_eq!(logins(&scene), 2, "{ran}");
    assert_eq!(scene.live(), "v1", "{ran}");
    is_well_behaved(&scene, &ran);
    ran.keeps_secret("canary-right");
}

#[test]
fn a4_a_name_that_is_locked_out_is_told_so_and_asked_for_once() {
    let scene = scene_with_password("canary-right");
    let refs = scene.world.repo().refs_fingerprint();
    for number in 1..=5 {
        with_password(&scene, "canary-wrong").run().exits(69);
        assert_eq!(logins(&scene), number);
    }
    let ran = with_password(&scene, "canary-right").run().exits(69);
    ran.complains_of(&[
        "the login was refused",
        "after five failures",
        "the right password too",
    ]);
    assert_eq!(logins(&scene), 6);
    scene.is_untouched(&refs);
}

#[test]
fn a5_a_missing_application_and_one_of_another_project_are_named() {
    let mut scene = Scene::by_hand();
    scene.token = scene.argo.token_for("wide", &["get", "sync"], "*");
    let refs = scene.world.repo().refs_fingerprint();
    for (name, value) in [("ARGOCD_APP_NAME", "nobody"), ("ARGOCD_PROJECT", "other")] {
        let ran = scene.program().env(name, value).run().exits(69);
        ran.complains_of(&["HTTP 404", "ARGOCD_APP_NAME", "ARGOCD_PROJECT"]);
    }
    // Without the project nobody learns what exists.
    let program = scene.program().without("ARGOCD_PROJECT");
    let ran = program.env("ARGOCD_APP_NAME", "nobody").run().exits(69);
    ran.complains_of(&["HTTP 403", "ARGOCD_PROJECT"]);
    scene.is_untouched(&refs);
}

#[test]
fn a5_a_read_that_fails_once_does_nothing_and_the_next_run_goes_on() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(|known| known.failing_reads = 1);
    let ran = scene.program().run().exits(69);
    ran.complains_of(&["HTTP 403", "could not read it"]);
    scene.is_untouched(&refs);
    // Now where the rollback is asked for.
    before(&scene, "POST", "/rollback", |known| known.failing_reads = 1);
    let ran = scene.program().run().exits(69);
    waits(&ran, "argocd_rollback", "HTTP 403");
    scene.is_untouched(&refs);
    is_finished_later(&scene);
}

#[test]
fn a5_a_rollback_with_a_right_of_its_own_is_refused_and_leaves_the_branch() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene
        .argo
        .change(|known| known.enforces_rollback_right = true);
    let ran = scene.program().run().exits(69);
    waits(&ran, "argocd_rollback", "HTTP 403");
    scene.is_untouched(&refs);
    scene.argo.change(|known| {
        let object = format!("payments/{APP}");
        known.auth.allow(ACCOUNT, &["rollback"], &object);
    });
    is_finished_later(&scene);
}
