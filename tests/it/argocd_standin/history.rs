//! What is remembered of deployments.

use super::*;

#[test]
fn a32_every_full_sync_appends_and_the_old_end_is_cut() {
    let scene = scene_with(|app| app.spec.revision_history_limit = Some(4));
    assert_eq!(scene.sync(json!({})).status, 200, "the same revision again");
    scene.argo.advance(seconds(30));
    scene.rolled_back(0);
    let state = scene.step_until_phase("Succeeded");
    scene.argo.settle();
    assert_eq!(scene.history_ids(), [0, 1, 2, 3]);
    let app = scene.app();
    let entries = app["status"]["history"].as_array().expect("a history");
    let revisions: Vec<_> = entries
        .iter()
        .map(|entry| entry["revision"].as_str())
        .collect();
    let (good, bad) = (Some(scene.good.as_str()), Some(scene.bad.as_str()));
    assert_eq!(revisions, [good, bad, bad, good]);
    let newest = &entries[3];
    assert_eq!(newest["initiatedBy"], json!({ "username": "slo-bot" }));
    assert_eq!(newest["deployedAt"], state["finishedAt"]);
    assert_eq!(newest["deployStartedAt"], state["startedAt"]);
    assert_eq!(newest["source"], app["spec"]["source"]);
    scene.rolled_back(1);
    scene.argo.advance(seconds(30));
    assert_eq!(
        scene.history_ids(),
        [1, 2, 3, 4],
        "ids stay, positions do not"
    );
}

#[test]
fn a33_only_full_syncs_that_succeed_append() {
    let scene = scene();
    let before = scene.history_ids();
    let one = json!({ "group": "apps", "kind": "Deployment", "name": "checkout" });
    assert_eq!(scene.sync(json!({ "resources": [one] })).status, 200);
    scene.step_until_phase("Succeeded");
    assert_eq!(scene.history_ids(), before, "selective");
    assert_eq!(scene.sync(json!({ "dryRun": true })).status, 200);
    scene.step_until_phase("Succeeded");
    assert_eq!(scene.history_ids(), before, "dry run");
    let third = scene.commit("v3");
    scene.change_app(|app| {
        app.trouble
            .fails_to_apply
            .insert(third.clone(), "no".to_owned())
    });
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.step_until_phase("Failed");
    assert_eq!(scene.history_ids(), before, "failed");
    scene
        .argo
        .change(|world| world.repository.unrenderable.insert(third));
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.step_until_phase("Error");
    assert_eq!(scene.history_ids(), before, "error");
}

#[test]
fn a34_a_limit_of_zero_empties_the_history() {
    let scene = scene();
    scene.change_app(|app| app.spec.revision_history_limit = Some(0));
    assert_eq!(scene.history_ids(), [0, 1], "not before the next sync");
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.history_ids(), Vec::<i64>::new());
    for id in [0, 1, 2] {
        let message = format!("application argocd/checkout does not have deployment with id {id}");
        refuses(&scene.roll_back(id), 400, 3, &message);
    }
    scene.change_app(|app| app.spec.revision_history_limit = None);
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.history_ids(), [0], "ids begin anew");
}
