//! Argo CD without its repository.

use super::*;

fn git_is_down(known: &mut testkit::argocd::World) {
    known.repository.is_unreachable = true;
}

#[test]
fn a19_without_git_a_rollback_fails_and_leaves_the_branch() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", git_is_down);
    let ran = scene.program().run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    assert_eq!(scene.live(), "v2");
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["failed to list refs"]);
}

#[test]
fn a47_without_git_an_old_comparison_is_not_taken_for_a_new_one() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.trouble.is_never_compared = true;
        app.status.reconciled_at = app
            .status
            .reconciled_at
            .map(|at| at - TimeDelta::seconds(9));
        known.pace.git_grace = Duration::from_secs(180);
    });
    let running = scene.program().env("VERIFY_TIMEOUT", "3s").start();
    scene.argo.wait_until("it succeeded", |known| {
        let app = known.app(APP);
        app.status.history.len() == 3 && app.operation.is_none()
    });
    scene.argo.change(|known| {
        git_is_down(known);
        known.app_mut(APP).trouble.is_never_compared = false;
    });
    let ran = running.wait().exits(0);
    waits(&ran, "argocd_rollback", "has not compared what runs since");
    assert_eq!(scene.world.rollback_commits(), 0);
    scene
        .argo
        .change(|known| known.repository.is_unreachable = false);
    is_finished_later(&scene);
}

#[test]
fn a48_a_comparison_that_fails_after_the_revert_is_told() {
    let scene = Scene::by_hand();
    let running = scene.program().start();
    scene
        .argo
        .wait_until("it is rolled back and compared", |known| {
            let app = known.app(APP);
            let ended_at = app
                .status
                .operation_state
                .as_ref()
                .and_then(|it| it.finished_at);
            app.status.history.len() == 3
                && ended_at.is_some()
                && app.status.reconciled_at >= ended_at
        });
    scene.argo.change(git_is_down);
    let ran = running.wait().exits(0);
    assert_eq!(
        steps(&ran)[..3],
        [
            "argocd_rollback done",
            "gitops_revert done",
            "argocd_sync done"
        ],
        "{ran}"
    );
    let detail = ran.text("/rollback/steps/2/detail");
    assert!(detail.contains("cannot compare it with git"), "{detail}");
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a48_a_sync_that_argocd_refuses_without_git_is_told_after_the_revert() {
    let scene = Scene::reverting();
    before(&scene, "POST", "/sync", git_is_down);
    let ran = scene.program().run().exits(1).has_outcome("ineffective");
    assert_eq!(
        steps(&ran),
        ["gitops_revert done", "argocd_sync failed"],
        "{ran}"
    );
    assert_eq!(scene.world.rollback_commits(), 1);
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["failed to list refs"]);
}

#[test]
fn a49_auto_sync_can_be_switched_off_while_git_is_down() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(git_is_down);
    let ran = switching(&scene).run().exits(1).has_outcome("failed");
    assert_eq!(writes(&scene), ["PUT spec", "POST rollback"], "{ran}");
    let asked = scene.argo.requests();
    let put = asked.iter().find(|it| it.method == "PUT").expect("a PUT");
    assert_eq!(put.status, Some(200));
    let unchecked = ("validate".to_owned(), "false".to_owned());
    assert!(put.query.contains(&unchecked), "{put:?}");
    let before = &scene.world.remembered()[0].auto_sync_before;
    assert!(before.is_some(), "the settings are kept");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["failed to list refs"]);
}
