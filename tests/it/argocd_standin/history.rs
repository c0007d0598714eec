//! What is remembered of deployments.

use super::*;

const CHARTS: &str = "https://charts.example.com";

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
fn a33_a_selective_sync_changes_only_what_it_names() {
    let scene = scene();
    let other = "apps/checkout/other.yaml";
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\n";
    let changes = [
        (other, Some(text)),
        (FILE, Some("apiVersion: apps/v1\nkind: Deployment\n")),
    ];
    scene.argo.repo().commit("v3", at(3), &changes);
    let one = json!({ "kind": "ConfigMap", "name": "other" });
    let body = json!({ "resources": [&one] });
    assert_eq!(scene.sync(body).status, 200);
    scene.step_until_phase("Succeeded");
    let extra = "apps/checkout/extra.yaml";
    scene.change_app(|app| app.drift(extra, Some("kind: ConfigMap\n")));
    let body = json!({ "resources": [one], "prune": true });
    assert_eq!(scene.sync(body).status, 200);
    scene.step_until_phase("Succeeded");
    let extra_is_there = |world: &World| world.app("checkout").live_text(extra).is_some();
    assert!(scene.argo.look(extra_is_there));
    assert_eq!(scene.live(), Some(manifest("v2")));
    assert!(
        scene
            .argo
            .look(|world| world.app("checkout").live_text(other).is_some())
    );
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
        scene.roll_back(id).refuses(400, 3, &message);
    }
    scene.change_app(|app| app.spec.revision_history_limit = None);
    assert_eq!(scene.sync(json!({})).status, 200);
    scene.argo.advance(seconds(30));
    assert_eq!(scene.history_ids(), [0], "ids begin anew");
}

#[test]
fn a35_several_sources_are_shown_beside_an_empty_one() {
    let argo = ArgoServer::driven();
    let good = argo
        .repo()
        .commit("v1", at(0), &[(FILE, Some(&manifest("v1")))]);
    let mut chart = Source::chart(CHARTS, "redis", "*");
    chart.helm = Some(json!({ "values": "size: 1" }));
    let git = Source::git(ArgoServer::REPO_URL, "apps/checkout", "");
    let spec = Spec::of_many("payments", vec![git, chart]);
    argo.change(|world| {
        world
            .repository
            .publish_chart("redis", "1.0.0", "kind: StatefulSet\nimage: redis:1\n");
        world.add(Application::new("checkout", spec));
    });
    argo.deploy("checkout", "");
    let bad = argo
        .repo()
        .commit("v2", at(1), &[(FILE, Some(&manifest("v2")))]);
    argo.change(|world| {
        world
            .repository
            .publish_chart("redis", "2.0.0", "kind: StatefulSet\nimage: redis:2\n");
        world.app_mut("checkout").spec.sources[1].helm = Some(json!({ "values": "size: 2" }));
    });
    argo.deploy("checkout", "");
    argo.forget();
    let token = argo.token_for("slo-bot", &["get", "sync"], "payments/checkout");
    let scene = Scene {
        argo,
        token,
        good,
        bad,
    };

    let app = scene.app();
    let entry = &app["status"]["history"][0];
    assert_eq!(entry["source"], json!({ "repoURL": "" }));
    assert_eq!(entry["revisions"], json!([scene.good, "1.0.0"]));
    assert_eq!(entry["sources"][1]["helm"], json!({ "values": "size: 1" }));
    assert_eq!(entry["revision"], Value::Null);
    assert_eq!(
        app["status"]["sync"]["revisions"],
        json!([scene.bad, "2.0.0"])
    );
    let queued = scene.rolled_back(0);
    assert_eq!(queued["operation"]["sync"]["revisions"], entry["revisions"]);
    assert_eq!(queued["operation"]["sync"]["sources"], entry["sources"]);
    let state = scene.step_until_phase("Succeeded");
    assert_eq!(state["syncResult"]["revisions"], entry["revisions"]);
    assert_eq!(state["syncResult"]["sources"], entry["sources"]);
    assert_eq!(state["syncResult"]["source"], json!({ "repoURL": "" }));
    scene.argo.look(|world| {
        let app = world.app("checkout");
        assert_eq!(app.live_text(FILE), Some(manifest("v1").as_str()));
        assert_eq!(
            app.live_text("redis"),
            Some("kind: StatefulSet\nimage: redis:1\n")
        );
        let parameters = json!({ "values": "size: 1" }).to_string();
        assert_eq!(
            app.live_text("redis#parameters"),
            Some(parameters.as_str()),
            "those of that time"
        );
    });
    assert_eq!(scene.history_ids(), [0, 1, 2]);
    // A sync to the old revisions takes today's parameters.
    let body = json!({ "revisions": [scene.good, "1.0.0"], "sourcePositions": [1, 2] });
    assert_eq!(scene.sync(body).status, 200);
    scene.step_until_phase("Succeeded");
    let parameters = scene.argo.look(|world| {
        world
            .app("checkout")
            .live_text("redis#parameters")
            .map(str::to_owned)
    });
    assert_eq!(parameters, Some(json!({ "values": "size: 2" }).to_string()));
}
