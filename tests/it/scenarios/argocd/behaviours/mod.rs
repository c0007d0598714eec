//! Argo CD's behaviours A1 to A56 as the real program meets them.

mod access;
mod auto_sync;
mod ended;
mod history;
mod queued;
mod refused;
mod repository;
mod several_sources;
mod transport;
mod windows;

use std::time::Duration;

use testkit::argocd::{Fault, Phase};
use testkit::stub::Reply;

use super::super::program::Ran;
use super::*;

/// The program, which gives Argo CD a moment only: for what does not come about.
fn hurried(scene: &Scene) -> Program {
    scene.program().env("VERIFY_TIMEOUT", "1s")
}

/// A person's rollback of the application, which may switch auto-sync off.
fn switching(scene: &Scene) -> Program {
    scene
        .program()
        .arguments(&["rollback", "argocd"])
        .env("ARGOCD_MAY_DISABLE_AUTO_SYNC", "true")
        .env("VERIFY_TIMEOUT", "9s")
}

/// Gives the account the right to change the application too.
fn may_update(scene: &mut Scene) {
    let rights = ["get", "sync", "update"];
    let object = format!("payments/{APP}");
    scene.token = scene.argo.token_for(ACCOUNT, &rights, &object);
}

/// Changes the world when a request comes, before it is looked at.
fn before(
    scene: &Scene,
    method: &str,
    fragment: &str,
    change: impl FnOnce(&mut testkit::argocd::World) + Send + 'static,
) {
    let fault = Fault::Before(Box::new(change));
    scene.argo.fault(method, fragment, fault);
}

/// Returns what was to change something, as `POST rollback`; a login is not among it.
fn writes(scene: &Scene) -> Vec<String> {
    let asked = scene.argo.requests();
    asked
        .iter()
        .filter(|it| it.method != "GET" && !it.path.ends_with("/session"))
        .map(|it| {
            let deed = it.path.rsplit('/').next().unwrap_or_default();
            format!("{} {deed}", it.method)
        })
        .collect()
}

/// Counts the logins.
fn logins(scene: &Scene) -> usize {
    let asked = scene.argo.requests();
    let logins = asked.iter().filter(|it| it.path.ends_with("/session"));
    logins.count()
}

/// Counts the operations that this program asked for.
fn ours(scene: &Scene) -> usize {
    let operations = scene.operations();
    operations.iter().filter(|(_, by)| by == ACCOUNT).count()
}

/// Checks what holds at the end of every scene: one operation and one commit of ours at most, and requests as Argo CD wants them.
#[track_caller]
fn is_well_behaved(scene: &Scene, ran: &Ran) {
    assert!(ours(scene) <= 1, "{:?}\n{ran}", scene.operations());
    assert!(scene.world.rollback_commits() <= 1, "{ran}");
    for asked in scene.argo.requests() {
        assert_ne!(asked.method, "PATCH", "{asked:?}");
        if asked.method != "GET" {
            let kind = asked.content_type.as_deref();
            assert_eq!(kind, Some("application/json"), "{asked:?}");
        }
        let project = ("project".to_owned(), "payments".to_owned());
        let has_project =
            asked.query.contains(&project) || asked.body.contains(r#""project":"payments""#);
        let is_of_the_app = asked.path.contains("/applications/shop-web");
        assert!(has_project || !is_of_the_app, "{asked:?}");
    }
    let unknown = scene.argo.look(|known| known.dropped_fields().to_vec());
    assert_eq!(unknown, Vec::<String>::new());
    ran_keeps_the_token(scene, ran);
}

#[track_caller]
fn ran_keeps_the_token(scene: &Scene, ran: &Ran) {
    for said in [&ran.stdout, &ran.stderr] {
        assert!(!said.contains(&scene.token), "the token is told");
    }
}

/// Checks that the rollback was begun and its next step is still to come: the next run goes on with it.
#[track_caller]
fn waits(ran: &Ran, step: &str, words: &str) {
    let last = steps(ran).pop().unwrap_or_default();
    assert_eq!(last, format!("{step} pending"), "{ran}");
    let said = ran.record["rollback"]["steps"]
        .as_array()
        .and_then(|steps| steps.last()?["detail"].as_str())
        .unwrap_or_default();
    assert!(said.contains(words), "{words:?} is missing in {said:?}");
}

/// Runs the program again, which must finish the rollback.
#[track_caller]
fn is_finished_later(scene: &Scene) -> Ran {
    let ran = scene.program().run().exits(0).decides("resume", "resumed");
    let done = steps(&ran);
    assert!(done.contains(&"gitops_revert done".to_owned()), "{ran}");
    assert_eq!(scene.live(), "v1", "{ran}");
    assert_eq!(scene.world.rollback_commits(), 1, "{ran}");
    is_well_behaved(scene, &ran);
    ran
}

/// Lets two minutes pass since the operation was asked for.
fn two_minutes_later(scene: &Scene) {
    let ago = TimeDelta::minutes(2);
    let mut rollback = scene.world.remembered().remove(0);
    let errand = rollback.argocd.as_mut().expect("an errand");
    errand.asked_at = errand.asked_at.map(|at| at - ago);
    scene.world.remembers(&[rollback]);
    scene.argo.change(|known| {
        if let Some(state) = &mut known.app_mut(APP).status.operation_state {
            state.started_at -= ago;
        }
    });
}

/// Returns the manifest of the service.
fn manifest(scene: &Scene) -> String {
    testkit::git::MonoRepo::manifest_path(&scene.world.service())
}
