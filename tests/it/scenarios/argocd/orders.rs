//! What is done in which order.

use super::*;

#[test]
fn with_auto_sync_the_branch_is_reverted_and_then_synced() {
    let scene = Scene::auto();
    let tip = scene.world.repo().tip();
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(ran.record["deployment"]["source"], "argocd", "{ran}");
    assert_eq!(
        steps(&ran),
        ["gitops_revert done", "argocd_sync done", "verify pending"],
        "{ran}"
    );
    let commit = scene
        .world
        .one_commit_restores(&scene.v2, &scene.world.v1, &tip);
    assert_eq!(scene.live(), "v1");
    let operations = scene.argo.operations();
    assert_eq!(operations.len(), 1, "{operations:?}");
    assert_eq!(operations[0].revisions, [commit.id]);
    ran.keeps_secret(&scene.token);
    assert!(!scene.world.state().contains(&scene.token));

    // The next run looks on and asks for nothing.
    let again = scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(scene.argo.operations().len(), 1, "{again}");
    assert_eq!(scene.world.rollback_commits(), 1);
}

#[test]
fn without_auto_sync_the_application_goes_first_and_the_branch_follows() {
    let scene = Scene::by_hand();
    let tip = scene.world.repo().tip();
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(
        steps(&ran),
        [
            "argocd_rollback done",
            "gitops_revert done",
            "argocd_sync done",
            "verify pending"
        ],
        "{ran}"
    );
    scene
        .world
        .one_commit_restores(&scene.v2, &scene.world.v1, &tip);
    assert_eq!(scene.live(), "v1");
    assert_eq!(
        scene.operations(),
        [(OperationKind::Rollback, ACCOUNT.to_owned())]
    );
    let asked = scene.argo.operations();
    assert_eq!(asked[0].revisions, std::slice::from_ref(&scene.world.v1));
    assert!(
        ran.text("/rollback/steps/2/detail").contains("Synced"),
        "{ran}"
    );

    scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(scene.operations().len(), 1);
}

#[test]
fn an_operation_is_accepted_within_six_requests() {
    for (scene, operation) in [
        (Scene::by_hand(), "/rollback"),
        (Scene::reverting(), "/sync"),
    ] {
        scene.program().run().exits(0);
        let requests = scene.argo.requests();
        let accepted = requests.iter().position(|request| {
            let is_operation = request.method == "POST" && request.path.ends_with(operation);
            is_operation && request.status == Some(200)
        });
        // The first look at the application is part of the decision.
        let since_decided = accepted.expect("it is asked for");
        assert!(since_decided <= 6, "{:#?}", &requests[..=since_decided]);
    }
}

#[test]
fn what_the_history_does_not_hold_any_more_is_reverted_and_synced() {
    let scene = Scene::reverting();
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(
        steps(&ran),
        ["gitops_revert done", "argocd_sync done", "verify pending"],
        "{ran}"
    );
    assert_eq!(
        scene.operations(),
        [(OperationKind::Sync, ACCOUNT.to_owned())]
    );
    assert_eq!(scene.live(), "v1");
}

#[test]
fn a_dry_run_names_the_steps_in_their_order_and_asks_for_nothing() {
    for (scene, expected) in [
        (
            Scene::auto(),
            ["gitops_revert planned", "argocd_sync planned"],
        ),
        (
            Scene::by_hand(),
            ["argocd_rollback planned", "gitops_revert planned"],
        ),
    ] {
        let refs = scene.world.repo().refs_fingerprint();
        let dry = scene.program().arguments(&["run", "--dry-run"]);
        let ran = dry.run().exits(0).has_outcome("would_roll_back");
        assert_eq!(steps(&ran), expected, "{ran}");
        scene.is_untouched(&refs);
        let asked = scene.argo.requests();
        assert!(asked.iter().all(|it| it.method == "GET"), "{asked:?}");
    }
}

#[test]
fn a_persons_rollback_of_the_branch_is_deployed_too() {
    let scene = Scene::by_hand();
    let person = scene.program().arguments(&["rollback", "gitops"]);
    let ran = person.run().exits(0).decides("rollback", "manual");
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(
        scene.operations(),
        [(OperationKind::Sync, ACCOUNT.to_owned())]
    );
    assert_eq!(scene.live(), "v1");
}

#[test]
fn a_deployment_is_dated_by_argocds_history() {
    let scene = Scene::by_hand();
    // The commit is as old as the month says, and it was synced only after the burn began.
    scene.argo.change(|known| {
        let entry = &mut known.app_mut(APP).status.history[1];
        entry.deployed_at += TimeDelta::minutes(10);
        entry.deploy_started_at = Some(entry.deployed_at);
    });
    let refs = scene.world.repo().refs_fingerprint();
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("hold", "not_attributable");
    scene.is_untouched(&refs);
    assert_eq!(ran.record["deployment"]["source"], "argocd");
}

#[test]
fn from_the_decision_to_the_operation_it_is_few_requests() {
    let scene = Scene::by_hand();
    scene.program().run().exits(0);
    let asked = scene.argo.requests();
    let posted = asked
        .iter()
        .position(|it| it.method == "POST")
        .expect("a rollback");
    // The first one is the read that the decision was made on.
    assert!(posted <= 6, "{asked:?}");
}

/// Somebody else changed another file after the bad release, and Argo CD deployed that too.
fn with_an_innocent_later_deployment() -> (Scene, String) {
    let scene = Scene::by_hand();
    let at = shared_month().deployed_at() + TimeDelta::minutes(8);
    let path = format!("{}/service.yaml", scene.world.path());
    let hotfix = scene
        .world
        .repo()
        .commit("hotfix", at, &[(&path, Some("kind: Service\n"))]);
    scene.argo.deploy(APP, &hotfix);
    scene.argo.change(|known| {
        let entry = known
            .app_mut(APP)
            .status
            .history
            .last_mut()
            .expect("deployed");
        entry.deployed_at = at;
        entry.deploy_started_at = Some(at - TimeDelta::seconds(1));
    });
    scene.argo.forget();
    (scene, hotfix)
}

#[test]
fn an_entry_of_the_history_that_would_take_back_more_is_not_gone_back_to() {
    let (scene, hotfix) = with_an_innocent_later_deployment();
    let ran = scene
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(
        scene.operations(),
        [(OperationKind::Sync, ACCOUNT.to_owned())]
    );
    assert_eq!(scene.live(), "v1");
    let path = format!("{}/service.yaml", scene.world.path());
    let there = |revision: &str| scene.world.repo().tree_at(revision, &path);
    assert_eq!(there("main"), there(&hotfix));
}

#[test]
fn argo_cd_alone_takes_back_no_later_deployment_of_which_nothing_is_known() {
    let (scene, _) = with_an_innocent_later_deployment();
    let refs = scene.world.repo().refs_fingerprint();
    let alone = scene
        .program()
        .without("GITOPS_REPO")
        .without("GITOPS_PATH")
        .without("GITOPS_TOKEN");
    let ran = alone.run().exits(0).decides("hold", "conflict");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("GITOPS_REPO"), "{detail}");
    scene.is_untouched(&refs);
}
