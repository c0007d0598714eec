//! Runs that lose an answer or die: the next one finds what was asked for, and nothing is asked for twice.

use testkit::argocd::Fault;
use testkit::stub::Reply;

use super::*;

#[test]
fn a_lost_answer_ends_in_one_operation() {
    let reverted = Scene::by_hand();
    reverted.argo.change(|known| {
        known.app_mut(APP).status.history.remove(0);
    });
    for (scene, verb) in [(Scene::by_hand(), "rollback"), (reverted, "sync")] {
        let fragment = format!("applications/{APP}/{verb}");
        scene
            .argo
            .fault("POST", &fragment, Fault::After(Reply::hangup()));
        let ran = scene.program().run().exits(0);
        assert!(
            steps(&ran).contains(&"gitops_revert done".to_owned()),
            "{ran}"
        );
        let ours = scene.operations();
        let ours = ours.iter().filter(|(_, by)| by == ACCOUNT);
        assert_eq!(ours.count(), 1, "{verb}: {ran}");
        assert_eq!(scene.live(), "v1", "{verb}: {ran}");
        assert_eq!(scene.world.rollback_commits(), 1);
    }
}

#[test]
fn an_operation_that_was_asked_for_before_the_run_died_is_found() {
    // The run ends right after it asked: Argo CD answers nothing more.
    let scene = Scene::by_hand();
    scene
        .argo
        .fault("POST", "/rollback", Fault::After(Reply::hangup()));
    let ran = scene.program().env("VERIFY_TIMEOUT", "0s").run();
    assert_eq!(scene.world.rollback_commits(), 0, "{ran}");
    assert_eq!(scene.operations().len(), 1);
    let ran = scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(
        steps(&ran)[..3],
        [
            "argocd_rollback done",
            "gitops_revert done",
            "argocd_sync done"
        ],
        "{ran}"
    );
    assert_eq!(scene.operations().len(), 1);
    assert_eq!(scene.world.rollback_commits(), 1);
    assert_eq!(scene.live(), "v1");
}

#[test]
fn a_request_that_never_arrived_is_sent_once_more_when_that_is_sure() {
    let scene = Scene::by_hand();
    scene.argo.fault("POST", "/rollback", Fault::status(503));
    let ran = scene.program().run();
    let again = scene.program().run();
    // A 503 leaves it open whether it arrived; within a minute nothing is sent again.
    assert!(scene.operations().len() <= 1, "{ran}{again}");
    assert_eq!(scene.world.rollback_commits(), scene.operations().len());
}
