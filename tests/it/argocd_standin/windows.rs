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
