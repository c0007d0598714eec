//! What the controller does by itself.

use super::*;

impl Scene {
    /// Lets auto-sync fail on a revision, retries included, and returns its condition.
    fn exhausted(&self, revision: &str) -> Value {
        self.change_app(|app| {
            app.trouble
                .fails_to_apply
                .insert(revision.to_owned(), "no".to_owned())
        });
        self.argo.advance(seconds(900));
        self.app()["status"]["conditions"].clone()
    }
}

#[test]
fn a37_without_auto_sync_a_new_commit_only_shows() {
    let scene = scene();
    let third = scene.commit("v3");
    scene.argo.advance(seconds(300));
    let app = scene.app();
    assert_eq!(app["status"]["sync"]["status"], "OutOfSync");
    assert_eq!(app["status"]["sync"]["revision"], third.as_str());
    assert_eq!(scene.story(), Vec::<String>::new());
    assert_eq!(scene.live(), Some(manifest("v2")));
}

#[test]
fn a38_a_revision_that_failed_is_not_tried_again() {
    let scene = scene();
    scene.switch_on(Automated::default());
    let third = scene.commit("v3");
    let conditions = scene.exhausted(&third);
    assert_eq!(scene.story(), ["AutoSync Some(Failed)"]);
    let reason = "one or more objects failed to apply, reason: no (retried 5 times).";
    let message = format!("Failed last sync attempt to [{third}]: {reason}");
    assert_eq!(conditions[0]["type"], "SyncError");
    assert_eq!(conditions[0]["message"], message);
    scene.argo.advance(seconds(900));
    assert_eq!(scene.story().len(), 1);
}

#[test]
fn a39_a_revert_is_another_revision() {
    let scene = scene();
    scene.switch_on(Automated::default());
    let third = scene.commit("v3");
    scene.exhausted(&third);
    let revert = scene.commit("v2b");
    scene.argo.advance(seconds(300));
    assert_eq!(
        scene.story(),
        ["AutoSync Some(Failed)", "AutoSync Some(Succeeded)"]
    );
    let app = scene.app();
    assert_eq!(
        app["status"]["operationState"]["syncResult"]["revision"],
        revert.as_str()
    );
    assert_eq!(app["status"]["conditions"], Value::Null);
}

#[test]
fn a40_a_revert_waits_behind_the_retries() {
    let scene = scene();
    scene.switch_on(Automated::default());
    let third = scene.commit("v3");
    scene.change_app(|app| {
        app.trouble
            .fails_to_apply
            .insert(third.clone(), "no".to_owned())
    });
    scene.argo.advance(seconds(130));
    scene.step_until("waiting for a retry", |app| {
        app["status"]["operationState"]["finishedAt"].is_string()
    });
    scene.commit("v2b");
    scene.change_app(Application::compare_soon);
    scene.argo.advance(seconds(30));
    let app = scene.app();
    assert_eq!(app["operation"]["sync"]["revision"], third.as_str());
    assert_eq!(scene.story(), ["AutoSync Some(Running)"]);
    assert_eq!(scene.terminate().status, 200);
    scene.argo.advance(seconds(30));
    assert_eq!(
        scene.story(),
        ["AutoSync Some(Failed)", "AutoSync Some(Succeeded)"]
    );
    assert_eq!(scene.live(), Some(manifest("v2b")));
}

#[test]
fn a41_a_revert_to_what_runs_needs_no_operation() {
    let scene = scene();
    scene.rolled_back(0);
    scene.argo.advance(seconds(30));
    let revert = scene.commit("v1");
    scene.argo.forget();
    scene.argo.advance(seconds(130));
    let app = scene.app();
    assert_eq!(app["status"]["sync"]["status"], "Synced");
    assert_eq!(app["status"]["sync"]["revision"], revert.as_str());
    assert_eq!(scene.history_ids(), [0, 1, 2]);
    scene.switch_on(Automated::default());
    scene.argo.advance(seconds(300));
    assert_eq!(scene.story(), Vec::<String>::new());
}

#[test]
fn a42_drift_is_repaired_object_by_object_and_ever_more_slowly() {
    let scene = scene();
    scene.switch_on(Automated {
        self_heal: true,
        ..Automated::default()
    });
    for wait in [0, 2, 6, 18] {
        scene.change_app(|app| app.drift(FILE, Some("kind: Deployment\n")));
        scene.argo.settle();
        if wait > 0 {
            scene.argo.advance(seconds(wait - 1));
            assert_eq!(scene.app()["operation"], Value::Null, "not before {wait} s");
            scene.argo.advance(seconds(1));
        }
        let app = scene.app();
        assert_eq!(
            app["operation"]["initiatedBy"],
            json!({ "automated": true }),
            "after {wait} s"
        );
        assert_eq!(
            app["operation"]["sync"]["resources"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        scene.step_until("repaired", |app| app["operation"].is_null());
        scene.argo.settle();
        assert_eq!(scene.live(), Some(manifest("v2")));
    }
    assert_eq!(scene.story(), vec!["SelfHeal Some(Succeeded)"; 4]);
    assert_eq!(scene.history_ids(), [0, 1]);
}

#[test]
fn a43_switching_on_after_a_rollback_deploys_the_bad_head_at_once() {
    let scene = scene();
    scene.rolled_back(0);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.live(), Some(manifest("v1")));
    let mut spec = scene.app()["spec"].clone();
    spec["syncPolicy"] = json!({ "automated": {} });
    assert_eq!(scene.put_spec(&spec).status, 200);
    scene.argo.advance(seconds(5));
    assert_eq!(scene.live(), Some(manifest("v2")));
    assert_eq!(
        scene.story(),
        ["Rollback Some(Succeeded)", "AutoSync Some(Succeeded)"]
    );
}

#[test]
fn a44_an_old_copy_of_the_spec_may_start_one_more() {
    let scene = scene();
    scene.switch_on(Automated::default());
    scene.commit("v3");
    scene.change_app(|app| app.trouble.stale_spec = Some(app.spec.clone()));
    let mut spec = scene.app()["spec"].clone();
    spec["syncPolicy"] = json!({ "automated": { "enabled": false } });
    assert_eq!(scene.put_spec(&spec).status, 200);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.story(), ["AutoSync Some(Succeeded)"]);
    scene.commit("v4");
    scene.argo.advance(seconds(300));
    assert_eq!(scene.story().len(), 1, "once");
}

#[test]
fn a45_what_only_needs_pruning_stays() {
    let extra = "apps/checkout/extra.yaml";
    let scene = scene();
    scene.switch_on(Automated::default());
    let commit = |text| scene.argo.repo().commit("extra", at(3), &[(extra, text)]);
    commit(Some("kind: ConfigMap\n"));
    scene.argo.advance(seconds(300));
    assert_eq!(scene.story(), ["AutoSync Some(Succeeded)"]);
    let without = commit(None);
    scene.argo.advance(seconds(300));
    let app = scene.app();
    assert_eq!(app["status"]["sync"]["status"], "OutOfSync");
    assert_eq!(app["status"]["sync"]["revision"], without.as_str());
    let resources = app["status"]["resources"].as_array().expect("resources");
    let pruned: Vec<_> = resources
        .iter()
        .filter(|one| one["requiresPruning"] == true)
        .collect();
    assert_eq!(pruned.len(), 1);
    assert_eq!(scene.story().len(), 1);
    scene.switch_on(Automated {
        prune: true,
        ..Automated::default()
    });
    scene.argo.advance(seconds(30));
    assert_eq!(scene.app()["status"]["sync"]["status"], "Synced");
    assert_eq!(scene.story().len(), 2);
}
