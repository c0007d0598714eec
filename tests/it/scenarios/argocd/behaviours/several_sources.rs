//! A35: an application made from two git repositories, of which one is ours.

use testkit::git::GitRepo;

use super::*;

/// What Argo CD calls the repository of another team.
const VALUES: &str = "https://git.example.com/platform/values.git";

/// The scene by hand, whose application has a second source, with the revision that it is at.
fn scene() -> (Scene, String, tempfile::TempDir) {
    let scene = Scene::by_hand();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let values = GitRepo::create(&folder.path().join("values.git"));
    let at = shared_month().deployed_at();
    let revision = values.commit("values", at, &[("shop/values.yaml", Some("replicas: 2\n"))]);
    scene.argo.change(|known| {
        known.repository.others.insert(VALUES.to_owned(), values);
        let app = known.app_mut(APP);
        let own = app.spec.only_source();
        let other = Source::git(VALUES, "shop", "main");
        app.spec = Spec::of_many("payments", vec![other, own]);
        app.status.history.clear();
    });
    for (count, release) in [&scene.world.v1, &scene.v2].into_iter().enumerate() {
        let revisions = vec![revision.clone(), release.clone()];
        scene.argo.change(|known| {
            known.queue_by_hand_as(APP, "", |operation| operation.sync.revisions = revisions);
        });
        scene.argo.wait_until("it is deployed", |known| {
            let app = known.app(APP);
            let state = app.status.operation_state.as_ref();
            let ended_at = state.and_then(|state| state.finished_at);
            let is_healthy = app.status.health.status == testkit::argocd::HealthCode::Healthy;
            app.status.history.len() == count + 1
                && app.operation.is_none()
                && app.status.reconciled_at > ended_at
                && is_healthy
        });
    }
    happened_in_the_month(&scene.argo);
    (scene, revision, folder)
}

#[test]
fn a35_an_application_of_two_repositories_goes_back_as_a_whole() {
    let (scene, values, _folder) = scene();
    let tip = scene.world.repo().tip();
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(ran.record["deployment"]["source"], "argocd", "{ran}");
    assert_eq!(
        steps(&ran)[..3],
        [
            "argocd_rollback done",
            "gitops_revert done",
            "argocd_sync done"
        ],
        "{ran}"
    );
    let asked = scene.argo.operations();
    assert_eq!(asked[0].revisions, [values, scene.world.v1.clone()]);
    scene
        .world
        .one_commit_restores(&scene.v2, &scene.world.v1, &tip);
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a35_with_auto_sync_two_repositories_follow_the_revert() {
    let (scene, _, _folder) = scene();
    scene.argo.change(|known| {
        let spec = &mut known.app_mut(APP).spec;
        spec.set_auto_sync(Some(Automated::default()));
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a35_a_person_goes_back_to_an_entry_of_two_repositories() {
    let (scene, values, _folder) = scene();
    let refs = scene.world.repo().refs_fingerprint();
    let person = scene.program().arguments(&["rollback", "argocd"]);
    let ran = person.run().exits(0).decides("rollback", "manual");
    assert_eq!(steps(&ran)[0], "argocd_rollback done", "{ran}");
    let asked = scene.argo.operations();
    assert_eq!(asked[0].revisions, [values, scene.world.v1.clone()]);
    assert_eq!(scene.live(), "v1");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    is_well_behaved(&scene, &ran);
}

#[test]
fn a35_a_source_that_is_gone_fails_the_rollback_and_leaves_the_branch() {
    let (scene, _, _folder) = scene();
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(|known| known.repository.others.clear());
    let ran = scene.program().run().exits(1).has_outcome("failed");
    assert_eq!(steps(&ran), ["argocd_rollback failed"], "{ran}");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    assert_eq!(scene.live(), "v2");
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["source 1 of 2", "not accessible"]);
}

#[test]
fn a35_a_source_that_is_gone_fails_the_sync_after_the_revert() {
    let (scene, _, _folder) = scene();
    scene.argo.change(|known| {
        known.repository.others.clear();
        known.app_mut(APP).status.history.remove(0);
    });
    let ran = scene.program().run().exits(1).has_outcome("ineffective");
    assert_eq!(
        steps(&ran),
        ["gitops_revert done", "argocd_sync failed"],
        "{ran}"
    );
    assert_eq!(scene.world.rollback_commits(), 1);
    assert_eq!(scene.operations(), []);
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["not accessible"]);
}

#[test]
fn what_another_source_brought_is_not_taken_back_here() {
    let (scene, values, _folder) = scene();
    let burns = shared_month().deployed_at();
    scene.argo.change(|known| {
        let history = &mut known.app_mut(APP).status.history;
        // Version 2 went out an hour before, and then the values of the other team.
        let mut later = history.last().expect("it was deployed").clone();
        later.id += 1;
        later.revisions = vec!["ab".repeat(20), scene.v2.clone()];
        for (entry, minutes) in [
            (history.last_mut().expect("version 2"), 40),
            (&mut later, 1),
        ] {
            entry.deployed_at = burns - TimeDelta::minutes(minutes);
            entry.deploy_started_at = Some(entry.deployed_at - TimeDelta::seconds(1));
        }
        history.push(later);
    });
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene.program().run().exits(0);
    let ran = ran.decides("hold", "not_attributable");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("another source"), "{detail}\n{values}");
    scene.is_untouched(&refs);
}
