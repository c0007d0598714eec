//! Sync windows.

use testkit::argocd::SyncWindow;

use super::*;

const PARKED: &str = "Sync operation blocked by sync window";

impl Scene {
    fn set_windows(&self, windows: Vec<SyncWindow>) {
        self.argo
            .change(|world| world.project_mut("payments").windows = windows);
    }

    fn is_parked(&self) -> bool {
        let state = self.app()["status"]["operationState"].clone();
        state["phase"] == "Running" && state["message"] == PARKED
    }
}

#[test]
fn a25_a_rollback_is_taken_and_parked_until_the_window_opens() {
    let scene = scene();
    scene.set_windows(vec![SyncWindow::deny(false)]);
    scene.rolled_back(0);
    scene.argo.advance(seconds(3600));
    assert!(scene.is_parked(), "{:#}", scene.app());
    assert_eq!(scene.history_ids(), [0, 1]);
    assert_eq!(scene.live(), Some(manifest("v2")));
    scene.set_windows(Vec::new());
    let state = scene.step_until_phase("Succeeded");
    assert_eq!(state["message"], "successfully synced (all tasks run)");
    assert_eq!(scene.history_ids(), [0, 1, 2]);
    assert_eq!(scene.live(), Some(manifest("v1")));
}

#[test]
fn a26_a_permitted_rollback_is_parked_for_one_look() {
    let scene = scene();
    scene.set_windows(vec![SyncWindow::deny(true)]);
    scene.rolled_back(0);
    scene.argo.step();
    scene.argo.step();
    assert!(scene.is_parked(), "the first look does not know who asked");
    scene.argo.step();
    assert!(!scene.is_parked());
    scene.step_until_phase("Succeeded");
    // One window that does not permit is enough.
    scene.set_windows(vec![SyncWindow::deny(true), SyncWindow::deny(false)]);
    scene.rolled_back(1);
    scene.argo.advance(seconds(60));
    assert!(scene.is_parked());
}

#[test]
fn a27_a_sync_is_refused_and_the_windows_say_so_before() {
    let scene = scene();
    let read = || {
        let path = format!("{APP}/syncwindows?project=payments");
        scene.ask("GET", &path, &Value::Null).json()
    };
    assert_eq!(
        read(),
        json!({ "canSync": true }),
        "the lists are absent when empty"
    );
    scene.set_windows(vec![SyncWindow::deny(false)]);
    // Before anybody looks at the right to sync.
    scene
        .argo
        .change(|world| world.auth.forbid("slo-bot", "sync"));
    scene
        .sync(json!({}))
        .refuses(403, 7, "cannot sync: blocked by sync window");
    let window = json!({ "kind": "deny", "schedule": "0 8 * * *", "duration": "4h" });
    assert_eq!(
        read(),
        json!({ "activeWindows": [window], "assignedWindows": [window], "canSync": false })
    );
    scene.set_windows(vec![SyncWindow::closed_allow(true)]);
    assert_eq!(read()["canSync"], true, "computed for a person");
    assert_eq!(read()["activeWindows"], Value::Null);
    let reply = scene.sync(json!({}));
    assert_eq!(reply.status, 403);
    let message = reply.json()["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    assert!(
        message
            .starts_with("permission denied: applications, sync, payments/checkout, sub: slo-bot"),
        "{message}"
    );
}

#[test]
fn a30_ending_a_parked_operation_takes_until_the_window_opens() {
    let scene = scene();
    scene.set_windows(vec![SyncWindow::deny(false)]);
    scene.rolled_back(0);
    scene.argo.advance(seconds(5));
    assert_eq!(scene.terminate().status, 200);
    scene.argo.advance(seconds(3600));
    let app = scene.app();
    assert_eq!(app["status"]["operationState"]["phase"], "Terminating");
    assert!(app["operation"].is_object());
    scene
        .roll_back(0)
        .refuses(400, 9, "another operation is already in progress");
    scene.set_windows(Vec::new());
    let state = scene.step_until_phase("Failed");
    assert_eq!(state["message"], "Operation terminated");
    assert_eq!(scene.history_ids(), [0, 1]);
}

#[test]
fn a45_auto_sync_waits_for_the_window() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.set_windows(vec![SyncWindow::deny(true)]);
    let third = scene.commit("v3");
    scene.argo.advance(seconds(300));
    let app = scene.app();
    assert_eq!(app["status"]["sync"]["status"], "OutOfSync");
    assert_eq!(app["status"]["sync"]["revision"], third.as_str());
    assert_eq!(scene.story(), Vec::<String>::new());
    scene.set_windows(Vec::new());
    scene.argo.advance(seconds(300));
    assert_eq!(scene.story(), ["AutoSync Some(Succeeded)"]);
}
