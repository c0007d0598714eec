//! An unfinished rollback is found under whatever was pushed on top of it, and a push whose answer never came is
//! looked for.

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::MonoRepo;

use super::crash::dies_in;
use super::world::World;

/// More commits than the first two fetches of a read bring.
const ON_TOP: usize = 230;

#[test]
fn a_rollback_that_landed_is_found_under_many_changes_of_the_path() {
    for on_top in [60, ON_TOP] {
        let (world, v2) = World::with_a_bad_release();
        let tip = world.repo().tip();
        dies_in(&world, "post-receive", "");
        let ours = world.one_commit_restores(&v2, &world.v1, &tip);
        // A bot that writes to the path: a few of its commits are all the changes that a decision reads.
        let manifest = MonoRepo::manifest_path("bad-release");
        world.repo().commit_many(on_top, &manifest, Utc::now());

        let program = world.program().env("RESUME_MAX_AGE", "0s");
        let ran = program.run().exits(0).decides("resume", "resumed");

        let ran = ran.has_outcome("verifying").complains_of_nothing();
        assert_eq!(ran.text("/rollback/commit"), ours.id, "{on_top} on top");
        assert_eq!(world.remembered()[0].phase, Phase::Verifying);
        assert_eq!(world.server.push_attempts(), 1);
    }
}

#[test]
fn a_rollback_that_landed_is_found_under_many_commits_of_others() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    dies_in(&world, "post-receive", "");
    let ours = world.one_commit_restores(&v2, &world.v1, &tip);
    let theirs = MonoRepo::manifest_path("payments");
    world.repo().commit_many(ON_TOP, &theirs, Utc::now());

    let ran = world.runs(&["run"]).exits(0).decides("resume", "resumed");

    let ran = ran.has_outcome("verifying").complains_of_nothing();
    assert_eq!(ran.text("/rollback/commit"), ours.id);
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn one_that_never_landed_is_repeated_on_top_of_many_commits_of_others() {
    let (world, v2) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    let theirs = MonoRepo::manifest_path("payments");
    let soon = Utc::now() - TimeDelta::minutes(5);
    world.repo().commit_many(ON_TOP, &theirs, soon);
    let tip = world.repo().tip();

    let ran = world.runs(&["run"]).exits(0).decides("resume", "resumed");

    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(ran.text("/rollback/commit"), commit.id);
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn one_that_never_landed_is_given_up_when_somebody_else_changed_the_path() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    let manifest = MonoRepo::manifest_path("bad-release");
    world.repo().commit_many(ON_TOP, &manifest, Utc::now());
    let before = world.repo().refs_fingerprint();

    let ran = world.runs(&["run"]).exits(0).has_outcome("superseded");

    ran.complains_of_nothing();
    assert_eq!(world.repo().refs_fingerprint(), before);
}

#[test]
fn one_whose_branch_was_rewritten_says_how_far_it_was_looked_for() {
    let (world, _) = World::with_a_bad_release();
    dies_in(&world, "pre-receive", "exit 1");
    world.repo().reset("main", &world.v1);
    world.release("v3", Utc::now());
    let before = world.repo().refs_fingerprint();

    let program = world.program().env("RESUME_MAX_AGE", "0s");
    let ran = program.run().exits(1).has_outcome("failed");

    ran.complains_of(&["RESUME_MAX_AGE", "as far as that was read"]);
    assert_eq!(world.repo().refs_fingerprint(), before);
}
