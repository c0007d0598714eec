//! Somebody else is at work at the same time.

use std::sync::mpsc;

use chrono::Utc;
use error_budget_monitor::journal::Phase;
use testkit::git::{GitRepo, MonoRepo, deployment};

use super::world::World;

#[test]
fn a_refused_push_is_a_failed_rollback_and_opens_the_breaker() {
    let (world, _) = World::with_a_bad_release();
    let before = world.repo().refs_fingerprint();
    let words = "main is protected by the platform team";
    world.repo().decline_pushes(words);

    let ran = world.runs(&["run"]).exits(1).has_outcome("failed");
    ran.complains_of(&["failed", "refused", words]);
    assert_eq!(world.repo().refs_fingerprint(), before);
    assert_eq!(world.server.push_attempts(), 1);

    // Nobody is asked again and again, also when the rule is gone.
    world.repo().remove_hook("pre-receive");
    let program = world
        .program()
        .env("COOLDOWN", "0s")
        .env("MAX_ROLLBACKS_PER_HOUR", "9");
    let held = world.nothing_changed_but_the_lock_by(&program).exits(0);
    held.decides("hold", "breaker_open")
        .fails_only(&["not_a_loop"]);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_team_that_repairs_its_service_first_is_not_overruled() {
    let (world, _) = World::with_a_bad_release();
    let repo = world.repo().clone();
    world.server.before_next_push(move || {
        release(&repo, "bad-release", "v3");
    });

    let ran = world.runs(&["run"]).exits(0).has_outcome("superseded");

    let ran = ran.complains_of_nothing();
    assert_eq!(world.rollback_commits(), 0, "{ran}");
    assert_eq!(world.repo().log()[0].message, "bad-release: release v3");
    assert_eq!(world.remembered()[0].phase, Phase::Superseded);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn another_team_that_is_faster_only_moves_the_parent() {
    let (world, v2) = World::with_a_bad_release();
    let repo = world.repo().clone();
    let (sender, receiver) = mpsc::channel();
    world.server.before_next_push(move || {
        let theirs = release(&repo, "payments", "v99");
        sender.send(theirs).expect("the test is still there");
    });

    let ran = world.runs(&["run"]).exits(0).has_outcome("verifying");

    let theirs = receiver.try_recv().expect("the push was announced");
    let commit = world.one_commit_restores(&v2, &world.v1, &theirs);
    assert_eq!(ran.text("/rollback/commit"), commit.id);
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(world.server.push_attempts(), 2);
}

#[test]
fn a_second_run_while_the_first_is_at_work_is_sent_away() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let second = world.program();
    let (sender, receiver) = mpsc::channel();
    world.server.before_next_push(move || {
        sender.send(second.run()).expect("the test is still there");
    });

    world.runs(&["run"]).exits(0).decides("rollback", "trigger");

    let second = receiver.try_recv().expect("the push was announced");
    second
        .exits(75)
        .complains_of(&["another run holds", "(process ", "since 20"]);
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn two_programs_that_share_no_memory_make_one_commit() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let other = world
        .program()
        .env_path("STATE_FILE", &elsewhere.path().join("state.json"));
    let (sender, receiver) = mpsc::channel();
    world.server.before_next_push(move || {
        sender.send(other.run()).expect("the test is still there");
    });

    let ran = world.runs(&["run"]).exits(0);

    let other = receiver.try_recv().expect("the push was announced");
    let other = other.exits(0).has_outcome("verifying");
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(other.text("/rollback/commit"), commit.id);
    if ran.text("/rollback/id") == other.text("/rollback/id") {
        // Begun within the same second, both wrote the very same commit.
        let ran = ran.has_outcome("verifying");
        assert_eq!(ran.text("/rollback/commit"), commit.id);
    } else {
        ran.has_outcome("superseded");
    }
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn programs_started_at_once_make_one_commit() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let running: Vec<_> = (0..3).map(|_| world.program().start()).collect();
    let mut rolled_back = 0;
    for running in running {
        let ran = running.wait();
        match ran.code {
            Some(75) => {
                ran.complains_of(&["another run holds"]);
            }
            // It came after the other was done, and goes on with its proof.
            Some(0) if ran.record["decision"]["action"] == "resume" => {}
            Some(0) => {
                ran.decides("rollback", "trigger").has_outcome("verifying");
                rolled_back += 1;
            }
            _ => panic!("{ran}"),
        }
    }
    assert_eq!(rolled_back, 1);
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(world.server.push_attempts(), 1);
    assert_eq!(world.remembered().len(), 1);
}

fn release(repo: &GitRepo, service: &str, version: &str) -> String {
    let manifest = deployment(service, version, 0.0);
    repo.commit(
        &format!("{service}: release {version}"),
        Utc::now(),
        &[(&MonoRepo::manifest_path(service), Some(&manifest))],
    )
}
