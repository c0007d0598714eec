//! Operations that go wrong.

use testkit::argocd::{Retry, SyncPolicy};

use super::*;

const REASON: &str =
    "one or more objects failed to apply, reason: admission webhook denied the request";

fn fails(app: &mut Application, revision: &str) {
    let why = "admission webhook denied the request".to_owned();
    app.trouble.fails_to_apply.insert(revision.to_owned(), why);
}

fn retrying(limit: i64, refresh: bool) -> SyncPolicy {
    SyncPolicy {
        retry: Some(Retry {
            limit,
            refresh,
            backoff: None,
        }),
        ..SyncPolicy::default()
    }
}

#[test]
fn a18_a_rollback_that_cannot_be_applied_fails_at_once() {
    let scene = scene_with(|app| app.spec.sync_policy = Some(retrying(5, false)));
    scene.change_app(|app| fails(app, &app.status.history[0].revision.clone()));
    scene.rolled_back(0);
    let state = scene.step_until_phase("Failed");
    assert_eq!(state["message"], REASON);
    assert!(state["finishedAt"].is_string());
    let app = scene.app();
    assert_eq!(app["operation"], Value::Null);
    assert_eq!(scene.history_ids(), [0, 1]);
}

#[test]
fn a18_a_failure_leaves_part_of_the_objects_changed() {
    let scene = scene();
    let changes = [
        ("apps/checkout/a.yaml", Some("kind: ConfigMap\n")),
        (FILE, Some("image: shop:v3\n")),
    ];
    let third = scene.argo.repo().commit("v3", at(3), &changes);
    scene.change_app(|app| fails(app, &third));
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.step_until_phase("Failed");
    scene.argo.look(|world| {
        let app = world.app("checkout");
        assert!(app.live_text("apps/checkout/a.yaml").is_some());
        assert_eq!(app.live_text(FILE), Some(manifest("v2").as_str()));
    });
}

#[test]
fn a19_an_old_revision_that_cannot_be_rendered_is_an_error_and_changes_nothing() {
    let scene = scene();
    scene
        .argo
        .change(|world| world.repository.unrenderable.insert(scene.good.clone()));
    scene.rolled_back(0);
    let state = scene.step_until_phase("Error");
    let message = state["message"].as_str().expect("a message");
    assert!(
        message.starts_with("ComparisonError: Failed to load target state: "),
        "{message}"
    );
    assert_eq!(scene.live(), Some(manifest("v2")));
    assert_eq!(scene.history_ids(), [0, 1]);
    assert_eq!(scene.app()["operation"], Value::Null);
}

#[test]
fn a19_a_commit_that_was_collected_cannot_be_rendered() {
    let scene = scene();
    scene.change_app(|app| {
        app.status.history[0].revision = "0123456789012345678901234567890123456789".to_owned()
    });
    scene.rolled_back(0);
    let state = scene.step_until_phase("Error");
    let message = state["message"].as_str().expect("a message");
    assert!(
        message.contains("failed to checkout revision 0123456"),
        "{message}"
    );
}

#[test]
fn a20_a_failure_with_retries_left_is_running_and_finished() {
    let scene = scene_with(|app| app.spec.sync_policy = Some(retrying(2, false)));
    let third = scene.commit("v3");
    scene.change_app(|app| fails(app, &third));
    assert_eq!(scene.sync(json!({})).status, 200);
    let app = scene.step_until("waiting for a retry", |app| {
        app["status"]["operationState"]["retryCount"] == 1
    });
    let state = &app["status"]["operationState"];
    assert_eq!(state["phase"], "Running");
    assert!(state["finishedAt"].is_string());
    assert!(app["operation"].is_object());
    let retry_at = scene.argo.look(World::now) + seconds(10);
    let expected = format!(
        "{REASON}. Retrying attempt #1 at {}.",
        retry_at.format("%-I:%M%p")
    );
    assert_eq!(state["message"], expected);
    scene.argo.pass(seconds(9));
    assert!(!scene.argo.step(), "not before ten seconds are over");
    scene.argo.pass(seconds(1));
    assert!(scene.argo.step());
}

#[test]
fn a21_a_retry_begins_anew_until_none_is_left() {
    let scene = scene_with(|app| app.spec.sync_policy = Some(retrying(2, false)));
    let third = scene.commit("v3");
    scene.change_app(|app| fails(app, &third));
    assert_eq!(scene.sync(json!({})).status, 200);
    let message = "Retrying operation. Attempt #1";
    let app = scene.step_until(message, |app| {
        app["status"]["operationState"]["message"] == message
    });
    let state = &app["status"]["operationState"];
    assert_eq!(
        (&state["finishedAt"], &state["syncResult"]),
        (&Value::Null, &Value::Null)
    );
    let state = scene.step_until_phase("Failed");
    assert_eq!(state["message"], format!("{REASON} (retried 2 times)."));
    assert_eq!(scene.story(), ["Sync Some(Failed)"], "it is one operation");
}

#[test]
fn a21_a_retry_with_refresh_takes_the_newest_revision() {
    let scene = scene_with(|app| app.spec.sync_policy = Some(retrying(5, true)));
    let third = scene.commit("v3");
    scene.change_app(|app| fails(app, &third));
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.step_until("waiting for a retry", |app| {
        app["status"]["operationState"]["retryCount"] == 1
    });
    let fourth = scene.commit("v4");
    let state = scene.step_until_phase("Succeeded");
    assert_eq!(state["syncResult"]["revision"], fourth.as_str());
}
