//! Operations that fail, wait, or are ended.

use super::*;

#[test]
fn a19_an_old_revision_that_cannot_be_rendered_fails_and_leaves_the_branch() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    let v1 = scene.world.v1.clone();
    scene
        .argo
        .change(|known| known.repository.unrenderable.insert(v1));
    let ran = scene.program().run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    assert_eq!(scene.live(), "v2");
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["ended as Error", "Failed to load target state"]);
}

#[test]
fn a20_a_sync_that_is_tried_again_is_waited_for() {
    let scene = Scene::reverting();
    scene.argo.change(|known| {
        known.pace.longest_retry = Duration::from_secs(600);
        known.pace.retry = Duration::from_secs(600);
        let app = known.app_mut(APP);
        app.trouble.failing_tries = 1;
        app.spec.sync_policy = Some(testkit::argocd::SyncPolicy {
            retry: Some(testkit::argocd::Retry {
                limit: 5,
                ..testkit::argocd::Retry::default()
            }),
            ..testkit::argocd::SyncPolicy::default()
        });
    });
    let ran = hurried(&scene).env("VERIFY_TIMEOUT", "9s").run().exits(0);
    waits(&ran, "argocd_sync", "is tried again");
    // A28 and A21: it is ours and right, so it is neither ended nor asked for again.
    assert_eq!(writes(&scene), ["POST sync"]);
    let ran = hurried(&scene).run().exits(0).decides("resume", "resumed");
    waits(&ran, "argocd_sync", "is tried again");
    assert_eq!(writes(&scene), ["POST sync"]);
    is_well_behaved(&scene, &ran);
}

#[test]
fn a21_a_bad_operation_that_ends_just_before_it_is_told_to_needs_no_ending() {
    let scene = Scene::auto();
    let file = manifest(&scene);
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.fails_to_apply.insert(scene.v2.clone(), file);
        known.pace.longest_retry = Duration::from_secs(600);
        known.pace.retry = Duration::from_secs(600);
        known.queue_by_hand_with_retries(APP, &scene.v2);
    });
    scene.argo.wait_until("it waits for a retry", |known| {
        let state = &known.app(APP).status.operation_state;
        state.as_ref().is_some_and(|state| state.retry_count > 0)
    });
    // Its retries are used up.
    before(&scene, "DELETE", "/operation", |known| {
        let app = known.app_mut(APP);
        app.operation = None;
        let state = app.status.operation_state.as_mut().expect("it ran");
        state.phase = Phase::Failed;
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(writes(&scene)[0], "DELETE operation");
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a22_a_dry_run_of_what_was_put_back_is_not_taken_for_its_deployment() {
    let scene = Scene::reverting();
    // Nothing was done: Argo CD asks to slow down.
    let fault = Fault::status(429);
    scene.argo.fault("POST", "/sync", fault);
    let ran = scene.program().env("VERIFY_TIMEOUT", "0s").run().exits(69);
    waits(&ran, "argocd_sync", "HTTP 429");
    is_not_deployed_by(&scene, |operation| operation.sync.dry_run = true);
}

#[test]
fn a33_a_sync_of_some_objects_is_not_taken_for_the_deployment() {
    let scene = Scene::reverting();
    let fault = Fault::status(429);
    scene.argo.fault("POST", "/sync", fault);
    scene.program().env("VERIFY_TIMEOUT", "0s").run().exits(69);
    is_not_deployed_by(&scene, |operation| {
        let other = serde_json::json!({ "kind": "Service", "name": "bad-release" });
        operation.sync.resources = vec![other];
    });
}

/// Checks that an operation of somebody else on the reverted branch does not stand in for a sync.
#[track_caller]
fn is_not_deployed_by(scene: &Scene, change: impl FnOnce(&mut testkit::argocd::Operation)) {
    scene
        .argo
        .change(|known| known.queue_by_hand_as(APP, "main", change));
    scene.argo.wait_until("it is over and compared", |known| {
        let app = known.app(APP);
        let state = app.status.operation_state.as_ref();
        let ended_at = state.and_then(|state| state.finished_at);
        app.operation.is_none() && ended_at.is_some() && app.status.reconciled_at > ended_at
    });
    assert_eq!(scene.live(), "v2");
    let ran = is_finished_later(scene);
    assert_eq!(ours(scene), 1, "{ran}");
}

#[test]
fn a23_a_rollback_runs_no_hooks_and_what_was_added_is_told() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.trouble.hooks = vec!["batch/Job/migrate".to_owned()];
        // The bad release added an object.
        app.drift("apps/bad-release/job.yaml", Some("kind: Job\n"));
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(steps(&ran)[2], "argocd_sync done", "{ran}");
    let detail = ran.text("/rollback/steps/2/detail");
    assert!(detail.contains("job.yaml (to be pruned)"), "{detail}");
    let (hooks, added) = scene.argo.look(|known| {
        let app = known.app(APP);
        let added = app.live_text("apps/bad-release/job.yaml").is_some();
        (app.hook_runs.clone(), added)
    });
    assert_eq!(hooks, []);
    assert!(added, "nothing is pruned");
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a24_a_sync_that_waits_says_for_what_and_a_later_run_goes_on() {
    let scene = Scene::reverting();
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.waits_for = Some("apps/Deployment/web".to_owned());
        trouble.never_finishes = true;
    });
    let ran = hurried(&scene).env("VERIFY_TIMEOUT", "2s").run().exits(0);
    waits(
        &ran,
        "argocd_sync",
        "waiting for healthy state of apps/Deployment/web",
    );
    scene
        .argo
        .change(|known| known.app_mut(APP).trouble.never_finishes = false);
    is_finished_later(&scene);
    assert_eq!(writes(&scene), ["POST sync"]);
}

#[test]
fn a28_an_operation_that_does_not_end_is_named_and_told_once() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", |known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.never_finishes = true;
        trouble.ignores_termination = true;
        known.queue_by_hand(APP, "main");
    });
    let ran = hurried(&scene).env("VERIFY_TIMEOUT", "3s").run().exits(0);
    waits(&ran, "argocd_rollback", "is ending an operation");
    let ran = hurried(&scene).run().exits(0).decides("resume", "resumed");
    waits(&ran, "argocd_rollback", "is ending an operation");
    assert_eq!(writes(&scene), ["POST rollback", "DELETE operation"]);
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.never_finishes = false;
        trouble.ignores_termination = false;
    });
    is_finished_later(&scene);
}

#[test]
fn a31_an_operation_that_the_controller_ends_fails_and_leaves_the_branch() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(|known| {
        known.sync_timeout = Some(Duration::from_millis(300));
        known.app_mut(APP).trouble.never_finishes = true;
    });
    let ran = scene.program().run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["triggered by controller sync timeout"]);
}
