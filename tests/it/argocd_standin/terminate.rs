//! Ending an operation.

use super::*;

const IDLE: &str = "Unable to terminate operation. No operation is in progress";

#[test]
fn a28_an_operation_that_waits_for_a_retry_is_ended() {
    let scene = scene();
    let third = scene.commit("v3");
    scene.change_app(|app| app.trouble.fails_to_apply.insert(third, "no".to_owned()));
    assert_eq!(
        scene
            .sync(json!({ "retryStrategy": { "limit": 5 } }))
            .status,
        200
    );
    scene.step_until("waiting for a retry", |app| {
        app["status"]["operationState"]["retryCount"] == 1
    });
    assert_eq!(scene.terminate().status, 200);
    let state = scene.step_until_phase("Failed");
    assert_eq!(state["message"], "Operation terminated (retried 1 times).");
    assert_eq!(scene.app()["operation"], Value::Null);
}

#[test]
fn a28_an_operation_that_cannot_end_stays_terminating() {
    let scene = scene();
    scene.change_app(|app| {
        app.trouble.never_finishes = true;
        app.trouble.ignores_termination = true;
    });
    scene.rolled_back(0);
    scene.argo.advance(seconds(3600));
    assert_eq!(scene.app()["status"]["operationState"]["phase"], "Running");
    assert_eq!(scene.terminate().status, 200);
    scene.argo.advance(seconds(3600));
    assert_eq!(
        scene.app()["status"]["operationState"]["phase"],
        "Terminating"
    );
    assert_eq!(scene.history_ids(), [0, 1]);
}

#[test]
fn a29_what_is_queued_or_over_cannot_be_ended() {
    let scene = scene();
    refuses(&scene.terminate(), 400, 3, IDLE);
    scene.rolled_back(0);
    refuses(&scene.terminate(), 400, 3, IDLE);
    scene.step_until_phase("Succeeded");
    refuses(&scene.terminate(), 400, 3, IDLE);
}

#[test]
fn a31_the_controller_ends_what_takes_too_long() {
    let scene = scene();
    scene
        .argo
        .change(|world| world.sync_timeout = Some(seconds(60)));
    scene.change_app(|app| app.trouble.never_finishes = true);
    scene.rolled_back(0);
    scene.argo.advance(seconds(59));
    assert_eq!(scene.app()["status"]["operationState"]["phase"], "Running");
    let state = scene.step_until_phase("Terminating");
    assert_eq!(state["message"], "operation is terminating due to timeout");
    let state = scene.step_until_phase("Failed");
    assert_eq!(
        state["message"],
        "Operation terminated, triggered by controller sync timeout"
    );
}
