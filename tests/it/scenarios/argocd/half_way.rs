//! Bad releases whose sync did not succeed: their pods serve all the same, and no entry of the history says so.

use testkit::argocd::{Phase, PostSync, Retry, SyncPolicy};

use super::*;

/// A bad release that auto-sync or a person deployed when the month says, with a smoke test after it that goes wrong.
fn released(wrong: PostSync, is_automated: bool) -> Scene {
    let scene = Scene::by_hand();
    let v2 = scene.v2.clone();
    released_on(scene, &v2, wrong, is_automated)
}

/// The same where version 2 is deployed as `revision`.
pub(super) fn released_on(
    scene: Scene,
    revision: &str,
    wrong: PostSync,
    is_automated: bool,
) -> Scene {
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        // Version 2 is not in the history yet.
        app.status.history.pop();
        app.trouble.post_sync.insert(revision.to_owned(), wrong);
        app.spec.sync_policy = Some(SyncPolicy {
            automated: is_automated.then(Automated::default),
            retry: Some(Retry {
                limit: 0,
                ..Retry::default()
            }),
            ..SyncPolicy::default()
        });
        known.queue_by_hand_as(APP, revision, |operation| {
            operation.initiated_by.automated = is_automated;
        });
    });
    scene.argo.wait_until("its hook goes wrong", |known| {
        let state = known.app(APP).status.operation_state.as_ref();
        state.is_some_and(|state| {
            let applied = state.sync_result.as_ref();
            let applied = applied.is_some_and(|result| !result.resources.is_empty());
            applied && (wrong == PostSync::Hangs || state.phase == Phase::Failed)
        })
    });
    scene.argo.change(|known| {
        let state = known.app_mut(APP).status.operation_state.as_mut();
        let state = state.expect("an operation");
        state.started_at = shared_month().deployed_at();
        state.finished_at = state.finished_at.map(|_| shared_month().deployed_at());
    });
    assert_eq!(scene.live(), "v2");
    scene
        .argo
        .look(|known| assert_eq!(known.app(APP).status.history.len(), 1));
    scene.argo.forget();
    scene
}

#[test]
fn a_release_whose_smoke_test_failed_is_rolled_back() {
    for is_automated in [true, false] {
        let scene = released(PostSync::Fails, is_automated);
        let ran = scene.program().run().exits(0);
        let ran = ran.decides("rollback", "trigger");
        assert_eq!(ran.text("/deployment/revision"), scene.v2, "{ran}");
        let gate = ran.gate("attribution")["detail"]
            .as_str()
            .unwrap_or_default();
        assert!(gate.contains("its operation in Argo CD failed"), "{gate}");
        assert_eq!(scene.live(), "v1", "{is_automated}: {ran}");
        assert_eq!(scene.world.rollback_commits(), 1, "{ran}");
        let first = if is_automated {
            "gitops_revert done"
        } else {
            "argocd_rollback done"
        };
        assert_eq!(steps(&ran)[0], first, "{ran}");
    }
}

#[test]
fn a_release_whose_hook_hangs_is_ended_first_and_rolled_back() {
    for is_automated in [true, false] {
        let scene = released(PostSync::Hangs, is_automated);
        let ran = scene.program().run().exits(0);
        let ran = ran.decides("rollback", "trigger");
        let gate = ran.gate("attribution")["detail"]
            .as_str()
            .unwrap_or_default();
        assert!(
            gate.contains("its operation in Argo CD has not ended"),
            "{gate}"
        );
        assert_eq!(scene.live(), "v1", "{is_automated}: {ran}");
        assert_eq!(scene.world.rollback_commits(), 1, "{ran}");
        let asked = scene.argo.requests();
        let ended = asked.iter().filter(|it| it.method == "DELETE").count();
        assert_eq!(ended, 1, "{ran}");
    }
}

#[test]
fn what_was_not_applied_is_not_live() {
    // Nothing of version 2 runs: the hook before it never ends.
    let scene = Scene::by_hand();
    scene.argo.deploy(APP, &scene.world.v1);
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.status.history.truncate(1);
        app.trouble.hooks = vec!["batch/Job/migrate".to_owned()];
        app.trouble.never_finishes = true;
        known.queue_by_hand(APP, &scene.v2);
    });
    scene.argo.wait_until("its hook runs", |known| {
        let state = known.app(APP).status.operation_state.as_ref();
        state.is_some_and(|state| state.message.contains("hook"))
    });
    scene.argo.forget();
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene.program().run().exits(0);
    ran.decides("hold", "deployment_in_progress");
    scene.is_untouched(&refs);
}

#[test]
fn a_release_of_which_only_a_part_was_applied_is_rolled_back() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.status.history.truncate(1);
        let why = "the webhook said no".to_owned();
        app.trouble.fails_to_apply.insert(scene.v2.clone(), why);
        known.queue_by_hand(APP, &scene.v2);
    });
    scene.argo.wait_until("it failed", |known| {
        let state = known.app(APP).status.operation_state.as_ref();
        state.is_some_and(|state| state.phase == Phase::Failed)
    });
    scene.argo.change(|known| {
        let state = known.app_mut(APP).status.operation_state.as_mut();
        let state = state.expect("an operation");
        state.started_at = shared_month().deployed_at();
        state.finished_at = Some(shared_month().deployed_at());
    });
    assert_eq!(scene.live(), "v2");
    scene.argo.forget();
    let ran = scene.program().run().exits(0);
    let ran = ran.decides("rollback", "trigger");
    let gate = ran.gate("attribution")["detail"]
        .as_str()
        .unwrap_or_default();
    assert!(gate.contains("the webhook said no"), "{gate}");
    assert_eq!(scene.live(), "v1", "{ran}");
}
