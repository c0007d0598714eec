//! Sync windows that close after the look.

use testkit::argocd::SyncWindow;

use super::*;

fn closes(known: &mut testkit::argocd::World) {
    let project = known.project_mut("payments");
    project.windows.push(SyncWindow::deny(false));
}

fn opens(scene: &Scene) {
    scene
        .argo
        .change(|known| known.project_mut("payments").windows.clear());
}

#[test]
fn a25_a_rollback_that_a_window_parks_is_named_after_a_minute() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", closes);
    let ran = hurried(&scene).run().exits(0).has_outcome("verifying");
    waits(&ran, "argocd_rollback", "blocked by sync window");
    two_minutes_later(&scene);
    let ran = hurried(&scene).run().exits(0).decides("resume", "resumed");
    waits(&ran, "argocd_rollback", "parked by a sync window");
    assert_eq!(writes(&scene), ["POST rollback"]);
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    opens(&scene);
    is_finished_later(&scene);
}

#[test]
fn a26_a_window_that_lets_people_through_lets_the_program_through() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| {
        let project = known.project_mut("payments");
        project.windows.push(SyncWindow::deny(true));
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a27_a_sync_that_a_window_refuses_is_asked_for_again_when_it_opens() {
    let scene = Scene::reverting();
    before(&scene, "POST", "/sync", closes);
    let ran = hurried(&scene).run().exits(0).has_outcome("verifying");
    waits(&ran, "argocd_sync", "refused by a sync window");
    assert_eq!(scene.operations(), []);
    opens(&scene);
    is_finished_later(&scene);
    assert_eq!(ours(&scene), 1);
}

#[test]
fn a30_a_bad_operation_that_is_parked_cannot_be_ended_until_the_window_opens() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    let tip = scene.world.repo().tip();
    before(&scene, "POST", "/rollback", move |known| {
        closes(known);
        known.queue_by_hand(APP, &tip);
    });
    let ran = hurried(&scene).env("VERIFY_TIMEOUT", "3s").run().exits(0);
    waits(&ran, "argocd_rollback", "it may wait for a sync window");
    assert_eq!(writes(&scene), ["POST rollback", "DELETE operation"]);
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    opens(&scene);
    is_finished_later(&scene);
    assert_eq!(scene.argo.operations()[0].phase, Some(Phase::Failed));
}
