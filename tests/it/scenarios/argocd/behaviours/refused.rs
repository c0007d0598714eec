//! What changes between the look and the request.

use super::*;

#[test]
fn a7_auto_sync_that_is_switched_on_meanwhile_leaves_it_to_the_branch() {
    let scene = Scene::by_hand();
    let tip = scene.world.repo().tip();
    before(&scene, "POST", "/rollback", |known| {
        let spec = &mut known.app_mut(APP).spec;
        spec.set_auto_sync(Some(Automated::default()));
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..3],
        [
            "argocd_rollback failed",
            "gitops_revert done",
            "argocd_sync done"
        ],
        "{ran}"
    );
    let detail = ran.text("/rollback/steps/0/detail");
    assert!(detail.contains("auto-sync is on"), "{detail}");
    scene
        .world
        .one_commit_restores(&scene.v2, &scene.world.v1, &tip);
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a9_an_entry_that_is_cut_off_meanwhile_leaves_it_to_the_branch() {
    let scene = Scene::by_hand();
    before(&scene, "POST", "/rollback", |known| {
        known.app_mut(APP).status.history.remove(0);
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..3],
        [
            "argocd_rollback failed",
            "gitops_revert done",
            "argocd_sync done"
        ],
        "{ran}"
    );
    let detail = ran.text("/rollback/steps/0/detail");
    assert!(
        detail.contains("does not have deployment with id 0"),
        "{detail}"
    );
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a7_a_rollback_of_the_application_alone_is_refused_with_auto_sync_on() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", |known| {
        let spec = &mut known.app_mut(APP).spec;
        spec.set_auto_sync(Some(Automated::default()));
    });
    let person = scene.program().arguments(&["rollback", "argocd"]);
    let ran = person.run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    ran.complains_of(&["auto-sync is on"]);
    scene.is_untouched(&refs);
}

#[test]
fn a8_an_application_that_is_deleted_meanwhile_fails_and_leaves_the_branch() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    before(&scene, "POST", "/rollback", |known| {
        let now = known.now();
        known.app_mut(APP).deleting_since = Some(now);
    });
    let ran = scene.program().run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    scene.is_untouched(&refs);
    ran.complains_of(&["the application is being deleted"]);
}

#[test]
fn a8_a_person_is_told_that_the_application_is_being_deleted() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(|known| {
        let now = known.now();
        known.app_mut(APP).deleting_since = Some(now);
    });
    let person = scene.program().arguments(&["rollback", "argocd"]);
    let ran = person.run().exits(1).decides("hold", "no_target");
    scene.is_untouched(&refs);
    ran.complains_of(&["is being deleted"]);
}

#[test]
fn a10_what_somebody_else_rolled_back_meanwhile_is_not_done_again() {
    let scene = Scene::by_hand();
    let v1 = scene.world.v1.clone();
    before(&scene, "POST", "/rollback", move |known| {
        known.queue_by_hand(APP, &v1);
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    assert_eq!(ours(&scene), 0, "{ran}");
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a10_what_somebody_else_deployed_meanwhile_is_not_undone() {
    let scene = Scene::by_hand();
    let fix = scene.world.release("v3", chrono::Utc::now());
    // The branch is read with the fix in it only after the decision.
    scene.world.repo().reset("main", &scene.v2);
    let repo = scene.world.repo().clone();
    let fixed = fix.clone();
    before(&scene, "POST", "/rollback", move |known| {
        repo.reset("main", &fixed);
        known.queue_by_hand(APP, &fixed);
    });
    let ran = scene.program().run().exits(0).has_outcome("superseded");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    assert_eq!(ours(&scene), 0, "{ran}");
    assert_eq!(scene.world.rollback_commits(), 0);
    scene.argo.wait_until("the fix is live", |known| {
        known.app(APP).operation.is_none()
    });
    assert_eq!(scene.live(), "v3");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a10_the_bad_revision_on_its_way_again_is_ended_first() {
    let scene = Scene::by_hand();
    before(&scene, "POST", "/rollback", |known| {
        known.app_mut(APP).trouble.never_finishes = true;
        known.queue_by_hand(APP, "main");
    });
    // A28: what runs is ended; what ended by itself just before needs no ending.
    before(&scene, "DELETE", "/operation", |known| {
        known.app_mut(APP).trouble.never_finishes = false;
    });
    let ran = scene.program().env("VERIFY_TIMEOUT", "8s").run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    assert_eq!(
        writes(&scene),
        ["POST rollback", "DELETE operation", "POST rollback"]
    );
    assert_eq!(scene.argo.operations()[0].phase, Some(Phase::Failed));
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a55_what_is_committed_on_top_of_the_revert_is_not_deployed_by_the_program() {
    let scene = Scene::reverting();
    // A sync deploys the tip, whatever that is by then.
    let fault = Fault::status(429);
    scene.argo.fault("POST", "/sync", fault);
    let ran = scene.program().env("VERIFY_TIMEOUT", "0s").run().exits(69);
    waits(&ran, "argocd_sync", "HTTP 429");
    let v3 = scene.world.release("v3", chrono::Utc::now());
    let ran = scene.program().run().exits(1).has_outcome("ineffective");
    assert_eq!(
        steps(&ran),
        ["gitops_revert done", "argocd_sync failed"],
        "{ran}"
    );
    assert_eq!(scene.operations(), []);
    assert_eq!(scene.world.repo().tip(), v3);
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["was committed on top of the rollback"]);
}
