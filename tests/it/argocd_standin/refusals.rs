//! What the API refuses, and in which order.

use super::*;

const BUSY: &str = "another operation is already in progress";

#[test]
fn a8_deletion_is_looked_at_before_auto_sync() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.change_app(|app| app.deleting_since = Some(at(0)));
    refuses(&scene.roll_back(0), 400, 9, "application is deleting");
    refuses(&scene.sync(json!({})), 400, 9, "application is deleting");
    assert_eq!(
        scene.app()["metadata"]["deletionTimestamp"],
        "2025-12-29T09:20:00Z"
    );
}

#[test]
fn a9_an_unknown_id_is_refused_with_the_name_of_the_application() {
    let scene = scene();
    let unknown =
        |id: i64| format!("application argocd/checkout does not have deployment with id {id}");
    refuses(&scene.roll_back(7), 400, 3, &unknown(7));
    assert_eq!(scene.history_ids(), [0, 1]);
    // Between the look and the request another sync cuts the history.
    scene.change_app(|app| app.spec.revision_history_limit = Some(2));
    scene.argo.deploy("checkout", "main");
    refuses(&scene.roll_back(0), 400, 3, &unknown(0));
    assert_eq!(scene.history_ids(), [1, 2]);
}

#[test]
fn a10_one_operation_at_a_time() {
    let scene = scene();
    scene.rolled_back(0);
    refuses(&scene.roll_back(0), 400, 9, BUSY);
    refuses(&scene.sync(json!({})), 400, 9, BUSY);
    scene.step_until_phase("Running");
    refuses(&scene.roll_back(1), 400, 9, BUSY);
    scene.step_until_phase("Succeeded");
    assert_eq!(scene.roll_back(1).status, 200);
}

#[test]
fn a12_a_repeated_rollback_is_a_second_operation() {
    let scene = scene();
    scene.rolled_back(0);
    refuses(&scene.roll_back(0), 400, 9, BUSY);
    scene.step_until_phase("Succeeded");
    scene.rolled_back(0);
    scene.step_until_phase("Succeeded");
    assert_eq!(
        scene.story(),
        ["Rollback Some(Succeeded)", "Rollback Some(Succeeded)"]
    );
    assert_eq!(scene.history_ids(), [0, 1, 2, 3]);
}

#[test]
fn a13_without_a_controller_an_operation_stays_queued_and_cannot_be_ended() {
    let scene = scene();
    scene.argo.change(|world| world.is_controller_down = true);
    scene.rolled_back(0);
    scene.argo.advance(seconds(3600));
    let app = scene.app();
    assert!(app["operation"].is_object());
    assert_eq!(app["status"]["operationState"], Value::Null);
    let reply = scene.terminate();
    refuses(
        &reply,
        400,
        3,
        "Unable to terminate operation. No operation is in progress",
    );
    assert_eq!(scene.story(), ["Rollback None"]);
}
