//! Changing the spec.

use super::*;

fn off(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["syncPolicy"]["automated"]["enabled"] = json!(false);
    spec
}

fn patch(scene: &Scene, kind: &str, patch: &str) -> Reply {
    let body = json!({ "patch": patch, "patchType": kind, "project": "payments" });
    scene.ask("PATCH", APP, &body)
}

#[test]
fn a49_put_spec_works_while_git_is_down_and_patch_does_not() {
    let scene = scene();
    scene.switch_on(Automated {
        prune: true,
        ..Automated::default()
    });
    scene
        .argo
        .change(|world| world.repository.is_unreachable = true);
    let wanted = off(&scene.app()["spec"]);
    let reply = scene.put_spec(&wanted);
    assert_eq!((reply.status, reply.json()), (200, wanted.clone()));
    assert_eq!(scene.app()["spec"], wanted);
    assert_eq!(
        wanted["syncPolicy"]["automated"],
        json!({ "prune": true, "enabled": false })
    );
    let reply = patch(&scene, "merge", r#"{"spec":{"syncPolicy":null}}"#);
    let body = reply.json();
    assert_eq!((reply.status, &body["code"]), (400, &json!(3)));
    let message = body["message"].as_str().expect("a message");
    assert!(
        message.starts_with("application spec for checkout is invalid: "),
        "{message}"
    );
    let checked = scene.ask("PUT", &format!("{APP}/spec?project=payments"), &wanted);
    assert_eq!(
        checked.status, 400,
        "without validate=false a spec is checked as well"
    );
    assert_eq!(scene.app()["spec"], wanted);
    scene
        .argo
        .change(|world| world.repository.is_unreachable = false);
    assert_eq!(
        patch(&scene, "merge", r#"{"spec":{"syncPolicy":null}}"#).status,
        200
    );
    assert_eq!(scene.app()["spec"]["syncPolicy"], Value::Null);
}

#[test]
fn a49_a_spec_needs_a_project_that_exists_and_the_right_to_update() {
    let scene = scene();
    let mut wanted = scene.app()["spec"].clone();
    wanted["project"] = json!("none");
    scene.put_spec(&wanted).refuses(
        400,
        3,
        "application spec for checkout is invalid: InvalidSpecError: Application referencing project none which does not exist",
    );
    wanted["project"] = json!("payments");
    scene
        .argo
        .change(|world| world.auth.forbid("slo-bot", "update"));
    scene.put_spec(&wanted).refuses(403, 7, "permission denied");
}

#[test]
fn a50_the_last_writer_wins() {
    let scene = scene();
    let mine = off(&scene.app()["spec"]);
    scene.change_app(|app| {
        app.spec
            .source
            .as_mut()
            .expect("one source")
            .target_revision = "release".to_owned();
    });
    assert_eq!(scene.put_spec(&mine).status, 200);
    assert_eq!(
        scene.app()["spec"]["source"]["targetRevision"],
        "main",
        "their change is lost"
    );
}

#[test]
fn a51_an_old_server_drops_enabled() {
    let scene = scene();
    scene.argo.change(|world| world.version = (3, 0));
    scene.switch_on(Automated::default());
    let wanted = off(&scene.app()["spec"]);
    let reply = scene.put_spec(&wanted);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["syncPolicy"], json!({ "automated": {} }));
    let refused = "rollback cannot be initiated when auto-sync is enabled";
    scene.roll_back(0).refuses(400, 9, refused);
    // `false` is no loss that Go would show, so the log is no help: who wants to know reads back.
    let mut wanted = scene.app()["spec"].clone();
    wanted["syncPolicy"] = json!({});
    wanted["futureField"] = json!({ "x": 1 });
    assert_eq!(scene.put_spec(&wanted).status, 200);
    assert_eq!(
        scene.argo.look(|world| world.dropped_fields().to_vec()),
        ["futureField"]
    );
    assert_eq!(scene.roll_back(0).status, 200);
}

#[test]
fn a52_a_patch_reaches_neither_operation_nor_status() {
    let scene = scene();
    let before = scene.app();
    let change =
        r#"{"operation":{"sync":{}},"status":{"health":{"status":"Healthy"},"history":null}}"#;
    let reply = patch(&scene, "merge", change);
    assert_eq!(reply.status, 200);
    let after = scene.app();
    assert_eq!(
        (&after["operation"], &after["status"]),
        (&Value::Null, &before["status"])
    );
    let label = r#"[{"op":"add","path":"/metadata/labels","value":{"team":"shop"}}]"#;
    assert_eq!(patch(&scene, "json", label).status, 200);
    assert_eq!(scene.app()["metadata"]["labels"], json!({ "team": "shop" }));
    let steps = r#"[{"op":"test","path":"/spec/project","value":"payments"},
        {"op":"replace","path":"/metadata/labels/team","value":"cart"},
        {"op":"copy","from":"/metadata/labels/team","path":"/metadata/labels/owner"},
        {"op":"move","from":"/metadata/labels/team","path":"/metadata/labels/group"}]"#;
    assert_eq!(patch(&scene, "", steps).status, 200);
    assert_eq!(
        scene.app()["metadata"]["labels"],
        json!({ "owner": "cart", "group": "cart" })
    );
}

#[test]
fn a52_a_patch_that_does_not_apply_is_an_error_of_the_server() {
    let scene = scene();
    for broken in [
        "no JSON",
        r#"[{"op":"remove","path":"/spec/none"}]"#,
        r#"[{"op":"test","path":"/spec/project","value":"other"}]"#,
    ] {
        let reply = patch(&scene, "json", broken);
        assert_eq!(
            (reply.status, reply.json()["code"].clone()),
            (500, json!(2)),
            "{broken}"
        );
    }
    patch(&scene, "strategic", "{}").refuses(400, 3, "Patch type 'strategic' is not supported");
    let reply = scene.ask(
        "PATCH",
        APP,
        &json!({ "patch": "{}", "project": "payments" }),
    );
    reply.refuses(
        500,
        13,
        "grpc: error while marshaling: proto: required field \"patchType\" not set",
    );
}

#[test]
fn a52_putting_a_whole_application_overwrites_labels() {
    let scene = scene();
    scene.change_app(|app| app.labels.insert("team".to_owned(), "shop".to_owned()));
    let mut whole = scene.app();
    whole["metadata"]["labels"] = Value::Null;
    let path = format!("{APP}?project=payments&validate=false");
    assert_eq!(scene.ask("PUT", &path, &whole).status, 200);
    assert_eq!(scene.app()["metadata"]["labels"], Value::Null);
}
