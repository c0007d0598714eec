//! What happens to the branch while a rollback is on its way to it.

use std::fs;
use std::process::Command;
use std::sync::mpsc;

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::{GitRepo, MonoRepo, deployment};
use testkit::prometheus::shared_month;

use super::world::World;

/// Does something to the branch; the id is that of an older commit of it.
type Fate = fn(&GitRepo, &str);

/// A deadline that is over while a hook waits, and long enough for everything else.
const DEADLINE: &str = "4s";

#[test]
fn a_push_that_lands_after_the_deadline_is_found_by_the_next_run() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let folder = world.repo().path().to_owned();
    let (go, landed) = (
        folder.join("go-of-the-test"),
        folder.join("landed-of-the-test"),
    );
    let wait = format!(
        "#!/bin/sh\ncat >/dev/null\nuntil [ -e '{}' ]; do sleep 0.05; done\n",
        go.display()
    );
    world.repo().set_hook("pre-receive", &wait);
    let made = Command::new("mkfifo").arg(&landed).status();
    assert!(made.expect("mkfifo is there").success());
    let tell = format!(
        "#!/bin/sh\ncat >/dev/null\necho landed > '{}'\n",
        landed.display()
    );
    world.repo().set_hook("post-receive", &tell);

    let program = world.program().env("GITOPS_TIMEOUT", DEADLINE);
    let ran = program.run().exits(0).has_outcome("verifying");

    assert_eq!(world.repo().tip(), tip, "nothing has landed yet: {ran}");
    let detail = ran.text("/rollback/steps/0/detail");
    assert!(detail.contains("may have landed"), "{ran}");
    assert!(detail.contains("GITOPS_TIMEOUT"), "{ran}");
    assert_eq!(world.in_flight().map(|past| past.phase), Some(Phase::Begun));

    // Whatever was sent goes on at the server; the pipe is read once it has landed.
    fs::write(&go, "").expect("our own folder");
    fs::read(&landed).expect("the hook writes into it");
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);

    let pushes = world.server.push_attempts();
    let next = world.runs(&["run"]).exits(0).decides("resume", "resumed");
    assert_eq!(next.text("/rollback/commit"), commit.id);
    assert_eq!(world.server.push_attempts(), pushes, "{next}");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_hook_that_lets_somebody_else_in_first_only_moves_the_parent() {
    let (world, v2) = World::with_a_bad_release();
    let repo = world.repo();
    let tip = repo.tip();
    let theirs = repo
        .prepare("payments: release v99", Utc::now())
        .branch("prepared")
        .write(&MonoRepo::manifest_path("payments"), "kind: Deployment\n")
        .create();
    // Git forbids a hook to move branches before the push is accepted, as long as it can tell that it is one.
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {theirs} {tip} 2>/dev/null\nexit 0\n"
    );
    repo.set_hook("pre-receive", &script);

    let ran = world.runs(&["run"]).exits(0).has_outcome("verifying");

    let commit = world.one_commit_restores(&v2, &world.v1, &theirs);
    assert_eq!(ran.text("/rollback/commit"), commit.id);
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(world.server.push_attempts(), 2);
}

#[test]
fn a_branch_that_goes_away_or_back_is_left_as_it_is() {
    let gone = "there is no branch \"main\"";
    let start_anew: Fate = |repo, _| {
        repo.prepare("a fresh start", Utc::now())
            .parents(&[])
            .write(
                &MonoRepo::manifest_path("bad-release"),
                "kind: Deployment\n",
            )
            .create();
    };
    let fates: [(Fate, &str, bool); 4] = [
        (|repo, _| repo.delete_branch("main"), gone, false),
        (|repo, _| repo.rename_branch("main", "trunk"), gone, false),
        (|repo, v1| repo.reset("main", v1), "rewritten", true),
        (start_anew, "there is no commit", true),
    ];
    for (fate, why, is_there) in fates {
        let (world, _) = World::with_a_bad_release();
        let (repo, v1) = (world.repo().clone(), world.v1.clone());
        repo.reset("kept", &repo.tip());
        let (sender, receiver) = mpsc::channel();
        world.server.before_next_push(move || {
            fate(&repo, &v1);
            let refs = repo.refs_fingerprint();
            sender.send(refs).expect("the test is still there");
        });

        let ran = world.runs(&["run"]).exits(0).has_outcome("superseded");

        let refs = receiver.try_recv().expect("the push was announced");
        assert_eq!(world.repo().refs_fingerprint(), refs, "{ran}");
        assert_eq!(refs.contains("refs/heads/main "), is_there);
        let detail = ran.text("/rollback/steps/0/detail");
        assert!(detail.contains(why), "{ran}");
        ran.complains_of_nothing();
        assert_eq!(world.remembered()[0].phase, Phase::Superseded);
        assert_eq!(world.server.push_attempts(), 1);
    }
}

#[test]
fn a_merged_release_is_rolled_back_to_what_ran_before_the_merge() {
    let world = World::of("bad-release");
    let repo = world.repo();
    let path = MonoRepo::manifest_path("bad-release");
    let at = shared_month().deployed_at();
    let half = deployment("bad-release", "v2-half", 0.0);
    let inner = repo
        .prepare("half of it", at - TimeDelta::hours(1))
        .branch("pr")
        .write(&path, &half)
        .create();
    let bad = deployment("bad-release", "v2", 0.2);
    let merge = repo
        .prepare("Merge pull request #7", at)
        .parents(&[&world.v1, &inner])
        .write(&path, &bad)
        .create();
    let tip = world.other_team_commits();

    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");

    world.one_commit_restores(&merge, &world.v1, &tip);
    assert_eq!(ran.text("/rollback/to"), world.v1);
}

#[test]
fn a_bad_release_that_touched_another_team_s_file_leaves_that_file_alone() {
    let world = World::of("bad-release");
    let theirs = deployment("payments", "v7", 0.0);
    let v2 = world.repo().commit(
        "two teams at once",
        shared_month().deployed_at(),
        &[
            (
                &MonoRepo::manifest_path("bad-release"),
                Some(&deployment("bad-release", "v2", 0.2)),
            ),
            (&MonoRepo::manifest_path("payments"), Some(&theirs)),
        ],
    );
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &v2);
    let now = world
        .repo()
        .file_at("main", &MonoRepo::manifest_path("payments"));
    assert_eq!(now, Some(theirs));
}
