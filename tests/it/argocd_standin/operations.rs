//! The life of an operation that goes well.

use super::*;

#[test]
fn a15_history_is_there_before_the_operation_has_succeeded() {
    let scene = scene();
    scene.rolled_back(0);
    let app = scene.step_until("in the history", |app| {
        app["status"]["history"].as_array().map(Vec::len) == Some(3)
    });
    assert_eq!(app["status"]["operationState"]["phase"], "Running");
    assert!(app["operation"].is_object());
    assert_eq!(scene.live(), Some(manifest("v1")));
    scene.argo.step();
    let app = scene.app();
    let state = &app["status"]["operationState"];
    assert_eq!(state["phase"], "Succeeded");
    assert_eq!(state["message"], "successfully synced (all tasks run)");
    assert!(state["finishedAt"].is_string());
    assert_eq!(app["operation"], Value::Null);
    let record = &scene.argo.operations()[0];
    assert_eq!(record.revisions, [scene.good.as_str()]);
    assert_eq!(record.initiated_by.username, "slo-bot");
    assert!(record.requested_at <= record.started_at.expect("begun"));
    assert!(record.started_at < record.ended_at);
}

#[test]
fn a16_right_after_success_every_status_is_still_the_old_one() {
    let scene = scene();
    scene.argo.advance(seconds(30));
    let before = scene.app()["status"].clone();
    scene.rolled_back(0);
    let state = scene.step_until_phase("Succeeded");
    let after = scene.app()["status"].clone();
    for field in ["health", "sync", "reconciledAt", "conditions"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert!(after["reconciledAt"].as_str() < state["finishedAt"].as_str());
    scene.argo.pass(seconds(1));
    scene.argo.step();
    let later = scene.app()["status"].clone();
    assert!(later["reconciledAt"].as_str() > state["finishedAt"].as_str());
    assert_eq!(later["health"]["status"], "Progressing");
}

#[test]
fn a22_a_dry_run_is_an_operation_that_changes_nothing() {
    let scene = scene();
    let before = scene.app();
    let body = json!({ "id": 0, "project": "payments", "dryRun": true });
    assert_eq!(
        scene.ask("POST", &format!("{APP}/rollback"), &body).status,
        200
    );
    let busy = "another operation is already in progress";
    refuses(&scene.roll_back(0), 400, 9, busy);
    scene.step_until_phase("Succeeded");
    scene.argo.settle();
    let after = scene.app();
    assert_eq!(after["status"]["history"], before["status"]["history"]);
    assert_eq!(
        after["status"]["reconciledAt"], before["status"]["reconciledAt"],
        "no forced comparison"
    );
    assert_eq!(scene.live(), Some(manifest("v2")));
    assert!(scene.argo.operations()[0].is_dry_run);
}

#[test]
fn a23_a_rollback_runs_no_hooks_and_leaves_what_was_added() {
    let scene = scene_with(|app| app.trouble.hooks = vec!["batch/Job/migrate".to_owned()]);
    let added = "apps/checkout/added.yaml";
    let third = scene
        .argo
        .repo()
        .commit("v3", at(2), &[(added, Some("kind: ConfigMap\n"))]);
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.argo.advance(seconds(30));
    let hooks = |world: &World| world.app("checkout").hook_runs.len();
    assert_eq!(scene.argo.look(hooks), 3, "a sync runs them");
    scene.rolled_back(0);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.argo.look(hooks), 3, "a rollback does not");
    let is_there = |world: &World| world.app("checkout").live_text(added).is_some();
    assert!(scene.argo.look(is_there));
    // What the bad release added still counts.
    scene.change_app(|app| app.trouble.degrades.insert(third));
    scene.argo.advance(seconds(600));
    assert_eq!(scene.app()["status"]["health"]["status"], "Degraded");
    let body = json!({ "id": 0, "project": "payments", "prune": true });
    assert_eq!(
        scene.ask("POST", &format!("{APP}/rollback"), &body).status,
        200
    );
    scene.argo.advance(seconds(30));
    assert!(!scene.argo.look(is_there));
    assert_eq!(scene.app()["status"]["health"]["status"], "Healthy");
}

#[test]
fn a24_a_sync_with_hooks_or_waves_says_what_it_waits_for() {
    let scene = scene();
    for (hooks, wave, message) in [
        (
            vec!["batch/Job/migrate".to_owned()],
            None,
            "waiting for completion of hook batch/Job/migrate",
        ),
        (
            vec![],
            Some("apps/Deployment/web".to_owned()),
            "waiting for healthy state of apps/Deployment/web",
        ),
    ] {
        scene.change_app(|app| {
            app.trouble.hooks = hooks;
            app.trouble.waits_for = wave;
        });
        assert_eq!(scene.sync(json!({})).status, 200);
        let app = scene.step_until(message, |app| {
            app["status"]["operationState"]["message"] == message
        });
        assert_eq!(app["status"]["operationState"]["phase"], "Running");
        let state = scene.step_until_phase("Succeeded");
        assert_eq!(state["message"], "successfully synced (no more tasks)");
    }
}
