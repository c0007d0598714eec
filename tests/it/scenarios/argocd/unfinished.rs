//! Runs that lose an answer or die: the next one finds what was asked for, and nothing is asked for twice.

use std::process::Command;
use std::sync::{Arc, OnceLock};

use testkit::argocd::Fault;
use testkit::stub::Reply;

use error_budget_monitor::journal::Phase;

use super::super::crash::signalled_in;
use super::*;

#[test]
fn a_lost_answer_ends_in_one_operation() {
    for (scene, verb) in [(Scene::by_hand(), "rollback"), (Scene::reverting(), "sync")] {
        let fragment = format!("applications/{APP}/{verb}");
        scene
            .argo
            .fault("POST", &fragment, Fault::After(Reply::hangup()));
        let ran = scene.program().run().exits(0);
        assert!(
            steps(&ran).contains(&"gitops_revert done".to_owned()),
            "{ran}"
        );
        let ours = scene.operations();
        let ours = ours.iter().filter(|(_, by)| by == ACCOUNT);
        assert_eq!(ours.count(), 1, "{verb}: {ran}");
        assert_eq!(scene.live(), "v1", "{verb}: {ran}");
        assert_eq!(scene.world.rollback_commits(), 1);
    }
}

#[test]
fn an_operation_that_was_asked_for_before_the_run_died_is_found() {
    // The run ends right after it asked: Argo CD answers nothing more.
    let scene = Scene::by_hand();
    scene
        .argo
        .fault("POST", "/rollback", Fault::After(Reply::hangup()));
    let ran = scene.program().env("VERIFY_TIMEOUT", "0s").run();
    assert_eq!(scene.world.rollback_commits(), 0, "{ran}");
    assert_eq!(scene.operations().len(), 1);
    let ran = scene.program().run().exits(0).decides("resume", "resumed");
    assert_eq!(
        steps(&ran)[..3],
        [
            "argocd_rollback done",
            "gitops_revert done",
            "argocd_sync done"
        ],
        "{ran}"
    );
    assert_eq!(scene.operations().len(), 1);
    assert_eq!(scene.world.rollback_commits(), 1);
    assert_eq!(scene.live(), "v1");
}

#[test]
fn a_request_that_never_arrived_is_sent_once_more_when_that_is_sure() {
    let scene = Scene::by_hand();
    scene
        .argo
        .fault("POST", "/rollback", Fault::Instead(Reply::hangup()));
    let ran = scene.program().env("VERIFY_TIMEOUT", "2s").run().exits(0);
    ran.has_outcome("verifying");
    // It may still be on its way: within a minute nothing is sent again.
    scene.program().env("VERIFY_TIMEOUT", "2s").run().exits(0);
    assert_eq!(scene.operations(), []);

    let mut rollback = scene.world.remembered().remove(0);
    let operation = rollback.argocd.as_mut().expect("an operation");
    operation.asked_at = operation.asked_at.map(|at| at - TimeDelta::minutes(2));
    scene.world.remembers(&[rollback]);
    let ran = scene.program().run().exits(0);
    assert_eq!(
        steps(&ran)[..2],
        ["argocd_rollback done", "gitops_revert done"],
        "{ran}"
    );
    assert_eq!(scene.operations().len(), 1);
    assert_eq!(scene.live(), "v1");
}

#[test]
fn killed_at_any_request_the_application_goes_first_and_once() {
    killed_at_any_request(Scene::by_hand);
}

#[test]
fn killed_at_any_request_the_branch_goes_first_and_all_once() {
    killed_at_any_request(Scene::reverting);
}

/// Requests that a run sends to Argo CD before it only waits.
const REQUESTS: usize = 9;

/// How many worlds are tried at the same time.
const AT_ONCE: usize = 6;

/// Kills the program when a request has come, which then arrives or is lost, and lets the next run finish.
pub(super) fn killed_at_any_request(scene: fn() -> Scene) {
    let cases: Vec<(usize, bool)> = (0..REQUESTS)
        .flat_map(|number| [(number, true), (number, false)])
        .collect();
    for some in cases.chunks(AT_ONCE) {
        std::thread::scope(|threads| {
            for (number, arrives) in some {
                threads.spawn(move || killed_at(&scene(), *number, *arrives));
            }
        });
    }
}

fn killed_at(scene: &Scene, number: usize, arrives: bool) {
    let name = format!("killed at request {number}, which arrives: {arrives}");
    let pid = Arc::new(OnceLock::new());
    let known = Arc::clone(&pid);
    let kill = move || {
        let id: &u32 = known.wait();
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -9 {id}")])
            .status();
        assert!(killed.is_ok_and(|status| status.success()));
    };
    let fault = if arrives {
        Fault::Before(Box::new(move |_| kill()))
    } else {
        Fault::Lost(Box::new(kill))
    };
    scene.argo.fault_after(number, fault);
    let running = scene.program().start();
    pid.set(running.id()).expect("set once");
    running.wait_for_status();
    // What was lost may have been asked for.
    let ran = scene.program().run().exits(0);
    let ours = scene.operations();
    let ours = ours.iter().filter(|(_, by)| by == ACCOUNT).count();
    let commits = scene.world.rollback_commits();
    assert!(ours <= 1 && commits <= 1, "{name}: {ours} {commits} {ran}");
    let waits_for_a_lost_request = scene.world.remembered().iter().any(|past| {
        past.argocd
            .as_ref()
            .is_some_and(|operation| operation.asked_at.is_some())
    });
    assert!(
        !arrives || ours == 1 || !waits_for_a_lost_request,
        "{name}: {ran}"
    );
    if ours == 1 {
        assert_eq!((scene.live().as_str(), commits), ("v1", 1), "{name}: {ran}");
    }
    assert_eq!(scene.world.remembered().len(), 1, "{name}: {ran}");
}

#[test]
fn an_application_that_went_back_alone_is_handed_to_a_person_once_the_memory_is_lost() {
    let scene = Scene::by_hand();
    let running = signalled_in(
        &scene.world,
        &scene.program(),
        "KILL",
        "pre-receive",
        "exit 1",
    );
    assert!(!running.wait_for_status().success());
    scene.world.repo().remove_hook("pre-receive");
    scene.world.forgets();
    for _ in 0..2 {
        let ran = scene.program().run().exits(0);
        assert_eq!(ran.record["decision"]["action"], "hold", "{ran}");
    }
    let remembered = scene.world.remembered();
    assert_eq!(remembered.len(), 1, "{remembered:#?}");
    assert_eq!(remembered[0].phase, Phase::Failed);
    assert_eq!(scene.world.rollback_commits(), 0);
}

#[test]
fn a_rollback_goes_on_only_with_the_application_it_was_begun_on() {
    let scene = Scene::by_hand();
    let running = signalled_in(
        &scene.world,
        &scene.program(),
        "KILL",
        "pre-receive",
        "exit 1",
    );
    assert!(!running.wait_for_status().success());
    scene.world.repo().remove_hook("pre-receive");
    let asked = scene.operations().len();
    let another = scene.program().env("ARGOCD_APP_NAME", "another");
    another.run().exits(78).complains_of(&[APP, "another"]);
    assert_eq!(scene.operations().len(), asked);
    assert_eq!(scene.world.rollback_commits(), 0);
}
