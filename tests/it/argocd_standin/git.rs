//! A repository that cannot be read.

use super::*;

impl Scene {
    fn set_git_down(&self, is_down: bool) {
        self.argo
            .change(|world| world.repository.is_unreachable = is_down);
    }

    /// Asks for a comparison, lets the controller make it, and returns the answer.
    fn refresh(&self) -> Value {
        std::thread::scope(|scope| {
            let path = format!("{APP}?project=payments&refresh=normal");
            let asked = scope.spawn(move || self.ask("GET", &path, &Value::Null));
            self.argo.wait_until("a comparison is asked for", |world| {
                world.app("checkout").is_refresh_requested()
            });
            self.argo.settle();
            asked.join().expect("no panic").json()
        })
    }
}

#[test]
fn a47_periodic_comparisons_hide_for_a_while_that_git_is_down() {
    let scene = scene();
    scene.argo.advance(seconds(120));
    let before = scene.app()["status"].clone();
    scene.set_git_down(true);
    scene.argo.advance(seconds(250));
    assert_eq!(scene.app()["status"], before);
    scene.argo.advance(seconds(120));
    let after = scene.app()["status"].clone();
    assert_eq!(after["sync"]["status"], "Unknown");
    assert_eq!(after["conditions"][0]["type"], "ComparisonError");
}

#[test]
fn a48_a_comparison_that_was_asked_for_hides_nothing() {
    let scene = scene();
    scene.set_git_down(true);
    let status = scene.refresh()["status"].clone();
    assert_eq!(status["sync"]["status"], "Unknown");
    assert_eq!(status["conditions"][0]["type"], "ComparisonError");
    let message = status["conditions"][0]["message"]
        .as_str()
        .expect("a message");
    assert!(
        message.starts_with("Failed to load target state: failed to list refs"),
        "{message}"
    );
    scene.set_git_down(false);
    let status = scene.refresh()["status"].clone();
    assert_eq!(
        (&status["sync"]["status"], &status["conditions"]),
        (&json!("Synced"), &Value::Null)
    );
}

#[test]
fn a48_a_rollback_needs_git_too() {
    let scene = scene();
    scene.set_git_down(true);
    scene.rolled_back(0);
    scene.step_until_phase("Error");
    assert_eq!(scene.live(), Some(manifest("v2")));
    let reply = scene.sync(json!({}));
    let body = reply.json();
    assert_eq!((reply.status, &body["code"]), (400, &json!(9)));
    let message = body["message"].as_str().expect("a message");
    assert!(message.starts_with("failed to list refs"), "{message}");
}
