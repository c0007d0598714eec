//! The application alone: a person's rollback, and a service without a repository.

use super::*;

fn person(scene: &Scene, to: Option<&str>) -> Program {
    let mut arguments = vec!["rollback", "argocd"];
    arguments.extend(to.iter().flat_map(|to| ["--to", *to]));
    scene.program().arguments(&arguments)
}

#[test]
fn a_person_rolls_the_application_back_and_is_told_that_git_is_not() {
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    let ran = person(&scene, None)
        .run()
        .exits(0)
        .decides("rollback", "manual");
    assert_eq!(steps(&ran)[0], "argocd_rollback done", "{ran}");
    let detail = ran.text("/rollback/steps/0/detail");
    assert!(detail.contains("git still holds"), "{detail}");
    assert_eq!(
        scene.operations(),
        [(OperationKind::Rollback, ACCOUNT.to_owned())]
    );
    assert_eq!(scene.live(), "v1");
    assert_eq!(scene.world.repo().refs_fingerprint(), refs);
    // The next run goes on with the proof, and asks for nothing.
    scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(scene.operations().len(), 1);
}

#[test]
fn a_person_names_an_entry_or_a_revision() {
    for by_id in [true, false] {
        let scene = Scene::by_hand();
        let id = scene.argo.look(|known| known.app(APP).status.history[0].id);
        let named = if by_id {
            id.to_string()
        } else {
            scene.world.v1[..9].to_owned()
        };
        person(&scene, Some(&named))
            .run()
            .exits(0)
            .decides("rollback", "manual");
        assert_eq!(scene.live(), "v1");
    }
    let scene = Scene::by_hand();
    let refs = scene.world.repo().refs_fingerprint();
    for nonsense in ["77", "deadbeef", "v1"] {
        let ran = person(&scene, Some(nonsense))
            .run()
            .exits(1)
            .decides("hold", "no_target");
        ran.complains_of(&["check --to"]);
    }
    scene.is_untouched(&refs);
}

#[test]
fn auto_sync_is_left_alone_unless_a_setting_says_otherwise() {
    let scene = Scene::auto();
    let refs = scene.world.repo().refs_fingerprint();
    let ran = person(&scene, None).run().exits(1);
    ran.complains_of(&[
        "auto-sync",
        "rollback gitops",
        "ARGOCD_MAY_DISABLE_AUTO_SYNC",
    ]);
    scene.is_untouched(&refs);
}

#[test]
fn auto_sync_is_switched_off_where_that_is_allowed_and_stays_off() {
    let mut scene = Scene::auto();
    scene.token = scene.argo.token_for(
        "switcher",
        &["get", "sync", "update"],
        &format!("payments/{APP}"),
    );
    let program = person(&scene, None).env("ARGOCD_MAY_DISABLE_AUTO_SYNC", "true");
    let ran = program.env("VERIFY_TIMEOUT", "10s").run().exits(0);
    assert_eq!(steps(&ran)[0], "argocd_rollback done", "{ran}");
    assert_eq!(scene.live(), "v1");
    let is_on = scene
        .argo
        .look(|known| known.app(APP).spec.auto_sync().is_some());
    assert!(!is_on, "{ran}");
    let before = &scene.world.remembered()[0].auto_sync_before;
    assert!(before.is_some(), "the settings are kept");
}

#[test]
fn an_owner_that_switches_auto_sync_on_again_stops_it() {
    let mut scene = Scene::auto();
    scene.token = scene.argo.token_for(
        "switcher",
        &["get", "sync", "update"],
        &format!("payments/{APP}"),
    );
    scene.argo.change(|known| {
        let app = known.app_mut(APP);
        app.owned_by_parent("apps", std::time::Duration::from_secs(1));
    });
    let program = person(&scene, None).env("ARGOCD_MAY_DISABLE_AUTO_SYNC", "true");
    let ran = program
        .env("VERIFY_TIMEOUT", "10s")
        .run()
        .exits(1)
        .has_outcome("failed");
    ran.complains_of(&["somebody switched it on again", "revert in git"]);
    assert_eq!(scene.live(), "v2");
    assert_eq!(scene.operations(), []);
}

#[test]
fn without_a_repository_the_application_is_what_is_put_back() {
    let scene = Scene::by_hand();
    let program = || {
        scene
            .program()
            .without("GITOPS_REPO")
            .without("GITOPS_TOKEN")
            .without("GITOPS_PATH")
    };
    let dry = program().arguments(&["run", "--dry-run"]).run().exits(0);
    assert_eq!(steps(&dry), ["argocd_rollback planned"], "{dry}");
    let ran = program().run().exits(0).decides("rollback", "trigger");
    assert_eq!(ran.record["deployment"]["source"], "argocd");
    assert!(
        ran.text("/rollback/steps/0/detail")
            .contains("git still holds"),
        "{ran}"
    );
    assert_eq!(scene.live(), "v1");
    program().run().exits(0).decides("resume", "resumed");
    assert_eq!(scene.operations().len(), 1);
}
