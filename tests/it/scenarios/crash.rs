//! The program dies, or the answer to its push is lost: the next run finds what is done and never does it twice.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc;

use chrono::{TimeDelta, Utc};
use testkit::git::{Fault, MonoRepo};

use error_budget_monitor::journal::{LockState, Phase, probe_lock};

use super::program::{Program, Running};
use super::world::{World, budget_unknown};

#[test]
fn a_lost_answer_is_looked_up_and_not_pushed_again() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    world.server.set_fault(Fault::LosePushAnswer);
    let ran = world.runs(&["run"]).exits(0).has_outcome("verifying");
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(ran.text("/rollback/commit"), commit.id);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_run_that_died_after_its_push_landed_is_finished_without_another_push() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    dies_in(&world, "post-receive", "");
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(world.in_flight().map(|past| past.phase), Some(Phase::Begun));

    // Whoever only looks sees that something is under way.
    let check = world.program().arguments(&["check"]);
    world.nothing_changed_by(&check).exits(5);

    let next = world.runs(&["run"]).exits(0).decides("resume", "resumed");
    let next = next.has_outcome("verifying");
    assert_eq!(next.text("/rollback/commit"), commit.id);
    assert_eq!(world.repo().tip(), commit.id);
    assert_eq!(world.server.push_attempts(), 1);
    assert_eq!(world.remembered().len(), 1);
}

#[test]
fn a_run_that_died_before_its_push_landed_is_repeated_by_the_next() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    dies_in(&world, "pre-receive", "exit 1");
    assert_eq!(world.repo().tip(), tip);
    let begun = world.in_flight().expect("the intent was written down");
    world.repo().remove_hook("pre-receive");

    let next = world.runs(&["run"]).exits(0).decides("resume", "resumed");
    let next = next.has_outcome("verifying");

    assert_eq!(next.text("/rollback/id"), begun.id);
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(world.remembered().len(), 1);
}

#[test]
fn the_kernel_frees_the_lock_of_a_run_that_is_killed() {
    let (world, _) = World::with_a_bad_release();
    let file = world.state_file();
    let (sender, receiver) = mpsc::channel();
    world.server.before_next_push(move || {
        sender
            .send(probe_lock(&file))
            .expect("the test is still there");
    });
    dies_in(&world, "pre-receive", "exit 1");
    let while_it_ran = receiver.try_recv().expect("the push was announced");
    assert!(
        matches!(while_it_ran, LockState::Held { .. }),
        "{while_it_ran:?}"
    );
    let afterwards = probe_lock(&world.state_file());
    assert!(matches!(afterwards, LockState::Free), "{afterwards:?}");
}

#[test]
fn an_intent_is_not_carried_out_once_rollbacks_are_switched_off() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    world.repo().remove_hook("pre-receive");
    let program = world.program().without("ROLLBACK_ENABLED");
    let before = world.repo().refs_fingerprint();
    program.run().exits(0).decides("resume", "resumed");
    assert_eq!(world.repo().refs_fingerprint(), before);
}

#[test]
fn an_intent_that_is_too_old_is_not_carried_out() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    world.repo().remove_hook("pre-receive");
    let before = world.repo().refs_fingerprint();
    let program = world.program().env("RESUME_MAX_AGE", "0s");
    let ran = program.run().exits(1).has_outcome("failed");
    ran.complains_of(&["RESUME_MAX_AGE"]);
    assert_eq!(world.repo().refs_fingerprint(), before);
}

#[test]
fn an_unfinished_rollback_is_looked_for_only_where_it_was_begun() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "post-receive", "");
    let other = world.server.create("platform/other");
    MonoRepo::seed(other, &["bad-release"], Utc::now() - TimeDelta::days(1));
    for (variable, elsewhere) in [
        ("GITOPS_REPO", &*world.server.url("platform/other")),
        ("GITOPS_BRANCH", "staging"),
        ("GITOPS_PATH", "apps/payments"),
    ] {
        let program = world.program().env(variable, elsewhere);
        let ran = world.nothing_changed_but_the_lock_by(&program).exits(78);
        let ran = ran.complains_of(&[elsewhere, super::world::REPOSITORY, variable]);
        ran.decides("hold", "deployment_in_progress")
            .has_outcome("verifying");
    }
    world.runs(&["run"]).exits(0).has_outcome("verifying");
    assert_eq!(
        world.in_flight().map(|past| past.phase),
        Some(Phase::Verifying)
    );
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn an_intent_is_not_carried_out_on_evidence_with_gaps() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    world.repo().remove_hook("pre-receive");
    let before = world.repo().refs_fingerprint();
    let ran = budget_unknown(&world)
        .run()
        .exits(0)
        .has_outcome("verifying");
    assert_eq!(ran.record["verdict"], "burning", "{ran}");
    assert_eq!(ran.record["budget"]["level"], "unknown", "{ran}");
    assert_eq!(world.repo().refs_fingerprint(), before);
    assert_eq!(world.in_flight().map(|past| past.phase), Some(Phase::Begun));
}

#[test]
fn an_intent_is_not_carried_out_in_a_blackout_or_without_the_approval_that_is_required() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    world.repo().remove_hook("pre-receive");
    let before = world.repo().refs_fingerprint();
    for (variable, value) in [
        ("BLACKOUT_WINDOWS", "* 00:00-24:00 UTC"),
        ("REQUIRE_APPROVAL", "true"),
    ] {
        let ran = world.program().env(variable, value).run().exits(0);
        ran.decides("resume", "resumed").has_outcome("verifying");
        assert_eq!(world.repo().refs_fingerprint(), before, "{variable}");
    }
}

#[test]
fn an_unfinished_rollback_waits_for_prometheus_and_for_git() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "post-receive", "");
    let nobody = testkit::stub::ClosedPort::reserve();
    let blind = world
        .program()
        .env("PROMETHEUS_URL", &nobody.url())
        .env("PROMETHEUS_TIMEOUT", "1s");
    let ran = world.nothing_changed_but_the_lock_by(&blind).exits(69);
    ran.complains_of(&["Prometheus"]).has_outcome("verifying");
    world.server.set_fault(Fault::Down);
    let ran = world
        .nothing_changed_but_the_lock_by(&world.program())
        .exits(69);
    let ran = ran.complains_of(&[super::world::REPOSITORY]);
    assert_eq!(ran.record["unknowns"][0]["source"], "git", "{ran}");
    world.server.set_fault(Fault::None);
    world.runs(&["run"]).exits(0).decides("resume", "resumed");
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_run_that_died_and_lost_its_memory_does_nothing_twice() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "post-receive", "");
    world.forgets();
    let program = world.program().env("REQUIRE_ATTRIBUTION", "false");
    // The branch remembers it, so it is proven as if nothing had been lost.
    let ran = program.run().exits(0).decides("resume", "resumed");
    ran.has_outcome("verifying");
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(world.server.push_attempts(), 1);
}

/// Starts a run that is killed by a hook of the repository while it waits for the answer to its push.
#[track_caller]
pub(super) fn dies_in(world: &World, hook: &str, then: &str) {
    let running = signalled_in(world, &world.program(), "KILL", hook, then);
    let ended = running.wait_for_status();
    assert_eq!(ended.signal(), Some(9), "it ended by itself: {ended}");
    world.repo().remove_hook(hook);
}

/// Starts a run that gets a signal by a hook of the repository while it waits for the answer to its push.
#[track_caller]
pub(super) fn signalled_in(
    world: &World,
    program: &Program,
    signal: &str,
    hook: &str,
    then: &str,
) -> Running {
    let process = world.repo().path().join("process-of-the-test");
    let path = process.display();
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\nuntil [ -s '{path}' ]; do sleep 0.01; done\nkill -{signal} \"$(cat '{path}')\"\n{then}\n"
    );
    world.repo().set_hook(hook, &script);
    let running = program.start();
    let draft = process.with_extension("draft");
    fs::write(&draft, running.id().to_string()).expect("our own folder");
    fs::rename(&draft, &process).expect("our own folder");
    running
}
