//! Operations that go wrong.

use testkit::argocd::{PostSync, Retry, SyncPolicy};

use super::*;

const REASON: &str =
    "one or more objects failed to apply, reason: admission webhook denied the request";

fn fails(app: &mut Application, revision: &str) {
    let why = "admission webhook denied the request".to_owned();
    app.trouble.fails_to_apply.insert(revision.to_owned(), why);
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
fn a20_a_sync_is_tried_again_until_no_try_is_left() {
    let policy = SyncPolicy {
        retry: Some(Retry {
            limit: 2,
            ..Retry::default()
        }),
        ..SyncPolicy::default()
    };
    let scene = scene_with(|app| app.spec.sync_policy = Some(policy));
    let third = scene.commit("v3");
    scene.change_app(|app| fails(app, &third));
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.step_until("waiting for a retry", |app| {
        app["status"]["operationState"]["retryCount"] == 1
    });
    scene.argo.pass(seconds(9));
    assert!(!scene.argo.step(), "not before ten seconds are over");
    scene.argo.pass(seconds(1));
    // A21: each try begins anew.
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
fn a33_a_sync_whose_last_hook_goes_wrong_leaves_what_runs_out_of_the_history() {
    for (wrong, message) in [
        (
            PostSync::Fails,
            "one or more synchronization tasks completed unsuccessfully",
        ),
        (
            PostSync::Hangs,
            "waiting for completion of hook batch/Job/migrate",
        ),
    ] {
        let scene = scene();
        let third = scene.commit("v3");
        scene.change_app(|app| {
            app.trouble.post_sync.insert(third.clone(), wrong);
            app.compare_soon();
        });
        scene.argo.settle();
        assert_eq!(scene.sync(json!({})).status, 200);
        let app = scene.step_until(message, |app| {
            app["status"]["operationState"]["message"] == message
        });
        assert_eq!(scene.live(), Some(manifest("v3")));
        assert_eq!(scene.history_ids(), [0, 1]);
        let result = &app["status"]["operationState"]["syncResult"];
        assert_eq!(result["revision"], third.as_str());
        assert_eq!(
            result["resources"][0]["images"],
            json!(["registry.example/checkout:v3"])
        );
        // What runs is compared all the same, and a rollback runs no hooks.
        scene.argo.settle();
        assert_eq!(scene.app()["status"]["sync"]["status"], "Synced");
        if wrong == PostSync::Hangs {
            scene.argo.advance(seconds(3600));
            assert_eq!(scene.story(), ["Sync Some(Running)"]);
            assert_eq!(scene.terminate().status, 200);
            scene.step_until_phase("Failed");
        }
        scene.rolled_back(0);
        scene.step_until_phase("Succeeded");
        assert_eq!(scene.history_ids(), [0, 1, 2]);
    }
}
