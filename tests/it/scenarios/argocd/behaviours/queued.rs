//! What was asked for and is not over.

use super::*;

#[test]
fn a11_the_first_entry_has_the_id_0_and_is_asked_for_as_it_is() {
    let scene = Scene::by_hand();
    let ran = scene.program().run().exits(0);
    let asked = scene.argo.requests();
    let posted = asked.iter().find(|it| it.method == "POST");
    let body: serde_json::Value =
        serde_json::from_str(&posted.expect("a rollback").body).expect("JSON");
    let expected =
        serde_json::json!({ "id": 0, "prune": false, "dryRun": false, "project": "payments" });
    assert_eq!(body, expected, "{ran}");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a13_a_controller_that_does_not_begin_is_named_after_a_minute() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| known.is_controller_down = true);
    let refs = scene.world.repo().refs_fingerprint();
    let ran = hurried(&scene).run().exits(0);
    waits(&ran, "argocd_rollback", "queued");
    two_minutes_later(&scene);
    let ran = hurried(&scene).run().exits(0).decides("resume", "resumed");
    waits(&ran, "argocd_rollback", "argocd-application-controller");
    // What is queued cannot be ended, and is not asked for again.
    assert_eq!(writes(&scene), ["POST rollback"]);
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    scene.argo.change(|known| known.is_controller_down = false);
    is_finished_later(&scene);
}

#[test]
fn a14_an_operation_that_runs_is_followed_and_a_later_run_goes_on() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene
        .argo
        .change(|known| known.app_mut(APP).trouble.never_finishes = true);
    let ran = hurried(&scene).run().exits(0).has_outcome("verifying");
    waits(&ran, "argocd_rollback", "running");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    scene
        .argo
        .change(|known| known.app_mut(APP).trouble.never_finishes = false);
    is_finished_later(&scene);
}

#[test]
fn a15_history_comes_before_the_end_and_is_not_taken_for_it() {
    let pace = Pace {
        tick: Duration::from_millis(1200),
        ..Pace::QUICK
    };
    let scene = Scene::by_hand();
    scene.argo.change(|known| known.pace = pace);
    let ran = scene.program().env("VERIFY_TIMEOUT", "20s").start();
    scene.argo.wait_until("it is in the history", |known| {
        let app = known.app(APP);
        app.status.history.len() == 3 && app.operation.is_some()
    });
    // Nothing goes on before the operation is over and compared.
    scene.argo.change(|known| {
        known.app_mut(APP).trouble.is_never_compared = true;
        known.pace = Pace::QUICK;
    });
    scene
        .argo
        .wait_until("it succeeded", |known| known.app(APP).operation.is_none());
    assert_eq!(scene.world.rollback_commits(), 0);
    scene
        .argo
        .change(|known| known.app_mut(APP).trouble.is_never_compared = false);
    let ran = ran.wait().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    is_well_behaved(&scene, &ran);
}

#[test]
fn a16_success_counts_once_argocd_has_compared_what_runs() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.trouble.is_never_compared = true;
        // Times have whole seconds.
        app.status.reconciled_at = app
            .status
            .reconciled_at
            .map(|at| at - TimeDelta::seconds(9));
    });
    let ran = hurried(&scene).env("VERIFY_TIMEOUT", "2s").run().exits(0);
    waits(&ran, "argocd_rollback", "has not compared what runs since");
    assert_eq!(scene.argo.operations()[0].phase, Some(Phase::Succeeded));
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    scene
        .argo
        .change(|known| known.app_mut(APP).trouble.is_never_compared = false);
    is_finished_later(&scene);
}

#[test]
fn a29_what_somebody_else_queued_is_waited_for_and_not_ended() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", |known| {
        known.is_controller_down = true;
        known.queue_by_hand(APP, "main");
    });
    let ran = hurried(&scene).run().exits(0);
    waits(&ran, "argocd_rollback", "queued");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    assert_eq!(writes(&scene), ["POST rollback"]);
    assert_eq!(ours(&scene), 0);
    scene.argo.change(|known| known.is_controller_down = false);
    is_finished_later(&scene);
}

#[test]
fn a54_a_refresh_that_is_never_answered_is_given_up_and_the_sync_asked_for() {
    let scene = Scene::reverting();
    scene.argo.change(|known| known.is_controller_down = true);
    let ran = hurried(&scene).run().exits(0).has_outcome("verifying");
    waits(&ran, "argocd_sync", "has just been asked");
    assert_eq!(writes(&scene), ["POST sync"]);
    scene.argo.change(|known| known.is_controller_down = false);
    is_finished_later(&scene);
}
