//! Auto-sync beside the program, and what puts it back.

use testkit::argocd::{HealthCode, Retry, SyncPolicy};

use super::*;

fn automated(retry: i64) -> SyncPolicy {
    SyncPolicy {
        automated: Some(Automated::default()),
        retry: Some(Retry {
            limit: retry,
            ..Retry::default()
        }),
        ..SyncPolicy::default()
    }
}

#[test]
fn a38_a_revert_that_auto_sync_failed_to_deploy_is_asked_for_once() {
    let scene = Scene::auto();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.spec.sync_policy = Some(automated(0));
        app.trouble.failing_tries = 1;
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(
        scene.operations(),
        [
            (OperationKind::AutoSync, "auto-sync".to_owned()),
            (OperationKind::Sync, ACCOUNT.to_owned())
        ]
    );
    // A55: auto-sync lets no revision be named; what makes it known again travels beside it.
    let asked = scene.argo.requests();
    let posted = asked.iter().find(|it| it.method == "POST");
    let body: serde_json::Value =
        serde_json::from_str(&posted.expect("a sync").body).expect("JSON");
    assert_eq!(body.get("revision"), None);
    assert_eq!(body["infos"][0]["value"], ran.text("/rollback/id"));
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a39_a_revert_is_deployed_although_the_bad_revision_failed() {
    let scene = Scene::auto();
    let file = manifest(&scene);
    scene.argo.change(|known| {
        let trouble = &mut known.app_mut(APP).trouble;
        trouble.fails_to_apply.insert(scene.v2.clone(), file);
        known.queue_by_hand(APP, &scene.v2);
    });
    scene.argo.wait_until("it failed", |known| {
        let state = known.app(APP).status.operation_state.as_ref();
        state.is_some_and(|state| state.phase == Phase::Failed)
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
fn a42_self_heal_beside_the_program_is_no_deployment() {
    let scene = Scene::auto();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.spec.set_auto_sync(Some(Automated {
            self_heal: true,
            ..Automated::default()
        }));
        app.drift("apps/bad-release/service.yaml", Some("kind: Service\n"));
    });
    scene.argo.wait_until("it is healed", |known| {
        let app = known.app(APP);
        let is_ours = app.live_text("apps/bad-release/service.yaml");
        let is_healthy = app.status.health.status == HealthCode::Healthy;
        let state = app.status.operation_state.as_ref();
        let ended_at = state.and_then(|state| state.finished_at);
        let is_healthy = is_healthy && app.status.reconciled_at > ended_at;
        app.operation.is_none() && is_healthy && is_ours.is_some_and(|text| text.contains("ports"))
    });
    let ran = scene.program().run().exits(0);
    let ran = ran.decides("rollback", "trigger");
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a43_the_bad_revision_that_comes_back_is_told_and_nothing_is_done_twice() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    let ran = switching(&scene).env("VERIFY_TIMEOUT", "5s").run().exits(0);
    assert_eq!(steps(&ran)[0], "argocd_rollback done", "{ran}");
    // Somebody switches auto-sync on while git holds the bad revision.
    scene.argo.change(|known| {
        let spec = &mut known.app_mut(APP).spec;
        spec.set_auto_sync(Some(Automated::default()));
    });
    scene.argo.wait_until("the bad revision is live", |known| {
        let app = known.app(APP);
        app.operation.is_none() && app.status.history.len() == 4
    });
    let ran = hurried(&scene).run().exits(0).decides("resume", "resumed");
    waits(&ran, "verify", "by auto-sync since");
    assert_eq!(scene.live(), "v2");
    is_well_behaved(&scene, &ran);
    // Where that is the very revision which was rolled back, nothing is left to be proven.
    scene.argo.deploy(APP, &scene.v2);
    let ran = hurried(&scene).run().exits(1).has_outcome("ineffective");
    ran.complains_of(&["was deployed by admin since"]);
}

#[test]
fn a44_an_operation_of_an_old_copy_that_undoes_the_rollback_is_told() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    // The next comparison is the one after the rollback.
    scene
        .argo
        .change(|known| known.pace.comparison = Duration::from_secs(600));
    before(&scene, "POST", "/rollback", |known| {
        let mut stale = known.app(APP).spec.clone();
        stale.set_auto_sync(Some(Automated::default()));
        known.app_mut(APP).trouble.stale_spec = Some(stale);
    });
    let ran = switching(&scene).env("VERIFY_TIMEOUT", "6s").run().exits(0);
    let ran = ran.has_outcome("verifying");
    waits(&ran, "verify", "by auto-sync since");
    assert_eq!(
        scene.operations(),
        [
            (OperationKind::Rollback, ACCOUNT.to_owned()),
            (OperationKind::AutoSync, "auto-sync".to_owned())
        ]
    );
    assert_eq!(scene.live(), "v2");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a45_what_only_needs_pruning_does_not_keep_a_revert_from_being_done() {
    let scene = Scene::auto();
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.drift("apps/bad-release/job.yaml", Some("kind: Job\n"));
    });
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["gitops_revert done", "argocd_sync done"],
        "{ran}"
    );
    let added = scene.argo.look(|known| {
        let app = known.app(APP);
        app.live_text("apps/bad-release/job.yaml").is_some()
    });
    assert!(added, "nothing is pruned");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a50_the_specification_is_written_right_after_it_was_read() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    before(&scene, "PUT", "/spec", |known| {
        known.app_mut(APP).spec.revision_history_limit = Some(3);
    });
    let ran = switching(&scene).env("VERIFY_TIMEOUT", "5s").run().exits(0);
    let asked = scene.argo.requests();
    let put = asked.iter().position(|it| it.method == "PUT");
    let read = &asked[put.expect("it is written") - 1];
    let path = format!("/api/v1/applications/{APP}");
    assert_eq!((read.method.as_str(), &read.path), ("GET", &path), "{ran}");
    // Argo CD takes what it gets: a change in between is gone, so there must be no more than that between.
    let limit = scene
        .argo
        .look(|known| known.app(APP).spec.revision_history_limit);
    assert_eq!(limit, None);
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a51_on_an_old_server_the_whole_block_is_taken_out_and_kept() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    scene.argo.change(|known| {
        known.version = (3, 0);
        let spec = &mut known.app_mut(APP).spec;
        spec.set_auto_sync(Some(Automated {
            prune: true,
            ..Automated::default()
        }));
    });
    let ran = switching(&scene).env("VERIFY_TIMEOUT", "6s").run().exits(0);
    assert_eq!(steps(&ran)[0], "argocd_rollback done", "{ran}");
    assert_eq!(
        writes(&scene),
        ["PUT spec", "PUT spec", "POST rollback"],
        "{ran}"
    );
    let policy = scene
        .argo
        .look(|known| known.app(APP).spec.sync_policy.clone());
    assert!(policy.is_none_or(|policy| policy.automated.is_none()));
    assert!(scene.world.state().contains(r#""prune":true"#), "{ran}");
    assert_eq!(scene.live(), "v1");
    is_well_behaved(&scene, &ran);
}

#[test]
fn a53_an_application_set_that_switches_auto_sync_on_again_stops_it() {
    let mut scene = Scene::auto();
    may_update(&mut scene);
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.owned_by_application_set("shop", Duration::from_secs(1));
    });
    let ran = switching(&scene).run().exits(1).has_outcome("failed");
    assert_eq!(scene.operations(), []);
    assert_eq!(scene.live(), "v2");
    is_well_behaved(&scene, &ran);
    ran.complains_of(&["somebody switched it on again", "revert in git"]);
}
