//! What Argo CD remembers of deployments.

use super::*;

/// Deploys a revision once more, and dates that some minutes after the deployment of the month.
fn deployed_again(scene: &Scene, revision: &str, minutes: i64) {
    let at = shared_month().deployed_at() + TimeDelta::minutes(minutes);
    scene.argo.deploy(APP, revision);
    scene.argo.change(|known| {
        let entry = known.app_mut(APP).status.history.last_mut();
        let entry = entry.expect("it was deployed");
        entry.deployed_at = at;
        entry.deploy_started_at = Some(at - TimeDelta::seconds(1));
    });
    scene.argo.forget();
}

#[test]
fn a32_the_same_revision_deployed_again_keeps_the_target_and_the_time() {
    let scene = Scene::by_hand();
    // Another team committed on top of it, so the revision is another one with the same release.
    deployed_again(&scene, &scene.v2, 10);
    deployed_again(&scene, &scene.world.repo().tip(), 20);
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    let asked = scene.argo.operations();
    assert_eq!(asked[0].revisions, std::slice::from_ref(&scene.world.v1));
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a32_a_release_that_came_back_counts_from_when_it_came_back() {
    let scene = Scene::by_hand();
    scene.argo.change(|known| {
        // It was tried a day before, and taken back by hand.
        let history = &mut known.app_mut(APP).status.history;
        let mut tried = history[1].clone();
        let mut taken_back = history[0].clone();
        for (entry, hours) in [(&mut tried, 30), (&mut taken_back, 29)] {
            entry.deployed_at = shared_month().deployed_at() - TimeDelta::hours(hours);
            entry.deploy_started_at = Some(entry.deployed_at - TimeDelta::seconds(1));
        }
        history.splice(1..1, [tried, taken_back]);
        for (id, entry) in (0..).zip(history) {
            entry.id = id;
        }
    });
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    let asked = scene.argo.requests();
    let posted = asked.iter().find(|it| it.method == "POST");
    let body = &posted.expect("a rollback").body;
    assert!(body.contains(r#""id":2"#), "the newest entry: {body}");
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

/// The scene of a version 3 that burns, before which version 2 ran for a minute some days ago and was taken back by
/// hand; `is_reverted` tells whether git followed.
fn tried_before(is_reverted: bool) -> Scene {
    let world = World::of("bad-release");
    let burns = shared_month().deployed_at();
    let tried = burns - TimeDelta::days(3);
    let minute = TimeDelta::minutes(1);
    let v2 = world.release("v2", tried);
    if is_reverted {
        let again = tried + minute * 2;
        world.team.release(&world.service(), "v1", 0.0, again);
    }
    let v3 = world.release("v3", burns);
    let url = world.server.url(REPOSITORY);
    let setup = Setup::live(Pace::QUICK).over(world.repo().clone(), &url);
    let argo = setup.start();
    let source = Source::git(&url, &world.path(), "main");
    argo.change(|known| known.add(Application::new(APP, Spec::of("payments", source))));
    for revision in [&world.v1, &v2, &world.v1, &v3] {
        argo.deploy(APP, revision);
    }
    let times = [tried - TimeDelta::days(9), tried, tried + minute, burns];
    argo.change(|known| {
        let history = &mut known.app_mut(APP).status.history;
        for (entry, at) in history.iter_mut().zip(times) {
            entry.deployed_at = at;
            entry.deploy_started_at = Some(at - TimeDelta::seconds(1));
        }
    });
    argo.forget();
    let token = argo.token_for(ACCOUNT, &["get", "sync"], &format!("payments/{APP}"));
    Scene {
        world,
        argo,
        v2: v3,
        token,
    }
}

#[test]
fn a32_a_release_that_was_taken_back_by_hand_is_no_target() {
    for is_reverted in [false, true] {
        let scene = tried_before(is_reverted);
        let ran = scene
            .program()
            .run()
            .exits(0)
            .decides("rollback", "trigger");
        assert_eq!(
            steps(&ran)[..2],
            ["argocd_rollback done", "gitops_revert done"],
            "{ran}"
        );
        let asked = scene.argo.requests();
        let posted = asked.iter().find(|it| it.method == "POST");
        let body = &posted.expect("a rollback").body;
        assert!(
            body.contains(r#""id":2"#),
            "the newest of version 1: {body}"
        );
        assert_eq!(scene.live(), "v1", "reverted: {is_reverted}");
        is_well_behaved(&scene, &ran);
    }
}

#[test]
fn a32_a_history_of_one_entry_leaves_a_person_nothing_to_go_back_to() {
    let scene = Scene::reverting();
    let refs = scene.world.repo().refs_fingerprint();
    let alone = |arguments: &[&str]| {
        let person = scene.program().arguments(arguments);
        person.run().exits(1).decides("hold", "no_target")
    };
    let ran = alone(&["rollback", "argocd"]);
    ran.complains_of(&["held"]);
    let v1 = scene.world.v1.clone();
    let ran = alone(&["rollback", "argocd", "--to", &v1]);
    ran.complains_of(&["the history of the application holds no entry or revision"]);
    scene.is_untouched(&refs);
    assert_eq!(writes(&scene), Vec::<String>::new());
}

#[test]
fn a34_an_empty_history_holds() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.spec.revision_history_limit = Some(0);
        app.status.history.clear();
    });
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("hold", "deployment_in_progress");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("revisionHistoryLimit"), "{detail}");
    let person = scene.program().arguments(&["rollback", "argocd"]);
    let ran = person.run().exits(1).decides("hold", "no_target");
    ran.complains_of(&["cannot be read, or is empty"]);
    scene.is_untouched(&refs);
}

#[test]
fn a41_a_branch_that_followed_a_rollback_is_not_still_to_be_deployed() {
    let scene = Scene::by_hand();
    // A person rolled the application back, and then reverted the commit: nothing was left to deploy.
    deployed_again(&scene, &scene.world.v1, 5);
    let at = shared_month().deployed_at() + TimeDelta::minutes(6);
    let service = scene.world.service();
    scene.world.team.release(&service, "v1", 0.0, at);
    let before = scene.argo.operations().len();
    scene.argo.change(|known| known.app_mut(APP).compare_soon());
    scene.argo.wait_until("it is compared", |known| {
        known.app(APP).status.sync.status == testkit::argocd::SyncCode::Synced
    });
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene.program().run().exits(0);
    assert_eq!(scene.argo.operations().len(), before);
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    assert_eq!(ran.text("/decision/action"), "hold", "{ran}");
    assert!(!ran.stdout.contains("still to follow"), "{ran}");
}
