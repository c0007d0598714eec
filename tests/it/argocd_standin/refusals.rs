//! What the API refuses, and in which order.

use super::*;

const AUTO_SYNC: &str = "rollback cannot be initiated when auto-sync is enabled";
const BUSY: &str = "another operation is already in progress";

#[test]
fn a7_rollback_is_refused_while_auto_sync_is_on() {
    let scene = scene();
    scene.switch_on(Automated::default());
    let before = scene.app();
    for body in [
        json!({ "id": 0, "project": "payments" }),
        json!({ "id": 0, "project": "payments", "dryRun": true }),
        json!({ "id": 99, "project": "payments" }),
    ] {
        let reply = scene.ask("POST", &format!("{APP}/rollback"), &body);
        reply.refuses(400, 9, AUTO_SYNC);
    }
    assert_eq!(scene.app(), before);
    scene.change_app(|app| {
        app.spec.set_auto_sync(Some(Automated {
            enabled: Some(false),
            ..Automated::default()
        }));
    });
    assert_eq!(
        scene.roll_back(0).status,
        200,
        "present and not enabled is off"
    );
}

#[test]
fn a8_deletion_is_looked_at_before_auto_sync() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.change_app(|app| app.deleting_since = Some(at(0)));
    scene
        .roll_back(0)
        .refuses(400, 9, "application is deleting");
    scene
        .sync(json!({}))
        .refuses(400, 9, "application is deleting");
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
    scene.roll_back(7).refuses(400, 3, &unknown(7));
    assert_eq!(scene.history_ids(), [0, 1]);
    // Between the look and the request another sync cuts the history.
    scene.change_app(|app| app.spec.revision_history_limit = Some(2));
    scene.argo.deploy("checkout", "main");
    scene.roll_back(0).refuses(400, 3, &unknown(0));
    assert_eq!(scene.history_ids(), [1, 2]);
}

#[test]
fn a9_an_entry_without_a_source_is_refused() {
    let scene = scene();
    scene.change_app(|app| app.status.history[0].source = Source::default());
    scene.roll_back(0).refuses(
        400,
        9,
        "cannot rollback to revision deployed with Argo CD v0.11 or lower. sync to revision instead.",
    );
}

#[test]
fn a9_a_missing_id_is_an_error_of_the_gateway() {
    let scene = scene();
    let reply = scene.ask(
        "POST",
        &format!("{APP}/rollback"),
        &json!({ "project": "payments" }),
    );
    reply.refuses(
        500,
        13,
        "grpc: error while marshaling: proto: required field \"id\" not set",
    );
    let reply = scene.ask("POST", &format!("{APP}/rollback"), &json!({ "id": "0" }));
    assert_eq!(
        (reply.status, reply.json()["code"].clone()),
        (400, json!(3)),
        "an id is a number"
    );
}

#[test]
fn a10_one_operation_at_a_time() {
    let scene = scene();
    scene.rolled_back(0);
    scene.roll_back(0).refuses(400, 9, BUSY);
    scene.sync(json!({})).refuses(400, 9, BUSY);
    scene.step_until_phase("Running");
    scene.roll_back(1).refuses(400, 9, BUSY);
    scene.step_until_phase("Succeeded");
    assert_eq!(scene.roll_back(1).status, 200);
}

#[test]
fn a11_an_accepted_rollback_is_queued_and_changes_nothing_else() {
    let scene = scene();
    let before = scene.app();
    assert_eq!(before["status"]["operationState"]["phase"], "Succeeded");
    let after = scene.rolled_back(0);
    assert_eq!(
        after["operation"],
        json!({
            "sync": {
                "revision": scene.good,
                "source": before["status"]["history"][0]["source"],
                "syncStrategy": { "apply": {} },
            },
            "initiatedBy": { "username": "slo-bot" },
            "retry": {},
        })
    );
    assert_eq!(after["status"]["operationState"], Value::Null);
    let without = |app: &Value| {
        let mut app = app.clone();
        app["operation"] = Value::Null;
        app["status"]["operationState"] = Value::Null;
        app["metadata"] = Value::Null;
        app
    };
    assert_eq!(without(&after), without(&before));
    assert_eq!(
        scene.live(),
        Some(manifest("v2")),
        "nothing is deployed yet"
    );
}

#[test]
fn a12_a_repeated_rollback_is_a_second_operation() {
    let scene = scene();
    scene.rolled_back(0);
    scene.roll_back(0).refuses(400, 9, BUSY);
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
    reply.refuses(
        400,
        3,
        "Unable to terminate operation. No operation is in progress",
    );
    assert_eq!(scene.story(), ["Rollback None"]);
}
