//! Changing the spec.

use super::*;

fn off(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["syncPolicy"]["automated"]["enabled"] = json!(false);
    spec
}

#[test]
fn a49_a_spec_can_be_written_unchecked_while_git_is_down() {
    let scene = scene();
    scene.switch_on(Automated {
        prune: true,
        ..Automated::default()
    });
    scene
        .argo
        .change(|world| world.repository.is_unreachable = true);
    let wanted = off(&scene.app()["spec"]);
    let checked = scene.ask("PUT", &format!("{APP}/spec?project=payments"), &wanted);
    let message = checked.json()["message"].to_string();
    assert_eq!(checked.status, 400, "{message}");
    assert!(
        message.contains("application spec for checkout is invalid: "),
        "{message}"
    );
    let reply = scene.put_spec(&wanted);
    assert_eq!((reply.status, reply.json()), (200, wanted.clone()));
    assert_eq!(scene.app()["spec"], wanted);
    let automated = &wanted["syncPolicy"]["automated"];
    assert_eq!(*automated, json!({ "prune": true, "enabled": false }));
}

#[test]
fn a49_a_spec_needs_a_project_that_exists_and_the_right_to_update() {
    let scene = scene();
    let mut wanted = scene.app()["spec"].clone();
    wanted["project"] = json!("none");
    refuses(
        &scene.put_spec(&wanted),
        400,
        3,
        "application spec for checkout is invalid: InvalidSpecError: Application referencing project none which does not exist",
    );
    wanted["project"] = json!("payments");
    scene
        .argo
        .change(|world| world.auth.forbid("slo-bot", "update"));
    refuses(&scene.put_spec(&wanted), 403, 7, "permission denied");
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
    refuses(&scene.roll_back(0), 400, 9, refused);
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
