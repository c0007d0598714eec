//! A rollback as a pull request: opened once, then merged, closed, overtaken or too old.

use chrono::Utc;
use error_budget_monitor::journal::Phase;
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID, Merge};
use testkit::stub::Reply;

use super::program::{Program, Ran};
use super::world::{REPOSITORY, TOKEN, World};

/// The world of a bad release whose repository is on GitHub, and the bad commit.
fn on_github() -> (World, GithubServer, String) {
    let (world, v2) = World::with_a_bad_release();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    (world, github, v2)
}

/// The program, with a person's token and pull requests.
fn program(world: &World, github: &GithubServer) -> Program {
    world
        .program()
        .env("GITOPS_REPO", REPOSITORY)
        .env("GITOPS_API_URL", &github.api_url())
        .env("GITOPS_TOKEN", GithubServer::TOKEN)
        .env("GITOPS_MODE", "pull-request")
}

fn awaits(ran: Ran) -> Ran {
    ran.exits(0)
        .decides("await_approval", "awaiting_approval")
        .has_outcome("awaiting_approval")
        .complains_of_nothing()
}

fn count(github: &GithubServer, beginning: &str) -> usize {
    let story = github.story();
    let is_one = |line: &&String| line.starts_with(beginning);
    story.iter().filter(is_one).count()
}

fn has_branch(world: &World, branch: &str) -> bool {
    let refs = world.repo().refs_fingerprint();
    refs.contains(&format!("refs/heads/{branch}"))
}

/// The branch of the only pull request.
fn proposal(world: &World) -> String {
    let rollbacks = world.remembered();
    let proposal = rollbacks[0].proposal.as_ref().expect("a proposal");
    proposal.branch.clone()
}

#[test]
fn one_pull_request_is_opened_and_waited_for() {
    let (world, github, v2) = on_github();
    let tip = world.repo().tip();
    let ran = awaits(program(&world, &github).run());
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("pull request 1 (https://"), "{detail}");
    assert!(detail.contains("waits to be merged until"), "{detail}");

    assert_eq!(github.pull_count(), 1);
    assert_eq!(github.labels(1), ["slo-rollback"]);
    assert_eq!(world.repo().tip(), tip);
    assert_eq!(world.server.push_attempts(), 0);
    // What is proposed is what a push would have made.
    let branch = proposal(&world);
    let proposed = world.repo().log_of(&branch);
    assert_eq!(proposed[1].id, tip);
    assert!(proposed[0].message.contains(&format!("Rolls-Back: {v2}")));
    let tree = |revision: &str| world.repo().tree_at(revision, &world.path());
    assert_eq!(tree(&branch), tree(&world.v1));

    awaits(program(&world, &github).run());
    assert_eq!(github.pull_count(), 1);
    program(&world, &github)
        .arguments(&["check"])
        .run()
        .exits(5);
    let status = program(&world, &github)
        .arguments(&["status"])
        .run()
        .exits(0);
    assert_eq!(status.text("/pending/outcome"), "awaiting_approval");
    assert!(status.record["in_flight"].is_null(), "{status}");
}

#[test]
fn however_it_is_merged_the_rollback_is_done_and_then_proven() {
    for how in [Merge::Commit, Merge::Squash, Merge::Rebase] {
        let (world, github, v2) = on_github();
        let others = world.other_team_commits();
        awaits(program(&world, &github).run());
        let merged = github.merge(1, how);
        let ran = program(&world, &github)
            .run()
            .exits(0)
            .decides("resume", "resumed")
            .has_outcome("verifying");
        // A merge brings our own commit along; else the one that it became counts.
        let ours = match how {
            Merge::Commit => world.repo().log_of(&proposal(&world))[0].id.clone(),
            Merge::Squash | Merge::Rebase => merged,
        };
        assert_eq!(ran.record["rollback"]["commit"], *ours, "{how:?}: {ran}");
        assert_eq!(world.remembered()[0].phase, Phase::Verifying);
        assert!(world.remembered()[0].attempted);
        let tree = |revision: &str| world.repo().tree_at(revision, &world.path());
        assert_eq!(tree("main"), tree(&world.v1));
        assert!(world.repo().log().iter().any(|entry| entry.id == others));
        // It counts, and what it rolled back is on hold.
        program(&world, &github)
            .arguments(&["check", "--commit", &v2])
            .run()
            .exits(5);
    }
}

#[test]
fn one_that_a_person_closes_is_not_opened_again() {
    let (world, github, _) = on_github();
    let tip = world.repo().tip();
    awaits(program(&world, &github).run());
    github.close(1);
    let ran = program(&world, &github).run().exits(0);
    ran.decides("hold", "rejected")
        .has_outcome("rejected")
        .complains_of_nothing();
    assert_eq!(world.remembered()[0].phase, Phase::Rejected);

    let later = program(&world, &github).env("COOLDOWN", "0s").run();
    let later = later.exits(0).decides("hold", "rejected");
    later.fails_only(&["approval"]);
    assert_eq!(github.pull_count(), 1);
    assert_eq!(world.repo().tip(), tip);
}

#[test]
fn one_that_nobody_merges_in_time_is_closed_and_asked_again_after_the_cooldown() {
    let (world, github, _) = on_github();
    let late = || program(&world, &github).env("APPROVAL_TIMEOUT", "0s");
    awaits(late().run());
    let branch = proposal(&world);
    let ran = late().run().exits(0).decides("hold", "approval_expired");
    ran.has_outcome("expired");
    assert_eq!(world.remembered()[0].phase, Phase::Expired);
    assert!(github.comments(1)[0].contains("APPROVAL_TIMEOUT"));
    assert!(!has_branch(&world, &branch));

    let held = late().run().exits(0).decides("hold", "approval_expired");
    held.fails_only(&["approval"]);
    assert_eq!(github.pull_count(), 1);
    awaits(late().env("COOLDOWN", "0s").run());
    assert_eq!(github.pull_count(), 2);
}

#[test]
fn one_that_a_person_was_faster_than_is_closed() {
    let (world, github, _) = on_github();
    awaits(program(&world, &github).run());
    let theirs = world.release("v3", Utc::now());
    let ran = program(&world, &github).run().exits(0);
    ran.has_outcome("superseded").complains_of_nothing();
    assert_eq!(world.remembered()[0].phase, Phase::Superseded);
    assert!(github.comments(1)[0].contains("overtaken"));
    assert_eq!(count(&github, "PATCH /pulls/1"), 1);
    assert_eq!(world.repo().tip(), theirs);
}

#[test]
fn other_teams_commits_leave_it_open() {
    let (world, github, _) = on_github();
    awaits(program(&world, &github).run());
    world.other_team_commits();
    awaits(program(&world, &github).run());
    assert_eq!(github.pull_count(), 1);
}

#[test]
fn a_lost_answer_ends_in_one_pull_request() {
    for step in ["/git/trees", "/git/commits", "/git/refs", "/pulls"] {
        let (world, github, _) = on_github();
        github.after("POST", step, Reply::hangup());
        awaits(program(&world, &github).run());
        assert_eq!(github.pull_count(), 1, "{step}");
    }
}

#[test]
fn what_a_run_left_half_done_the_next_one_finishes() {
    let (world, github, _) = on_github();
    // The branch is made, and then GitHub wants to be left alone.
    let limited = Reply::json(
        403,
        r#"{"message":"You have exceeded a secondary rate limit"}"#,
    );
    github.instead("POST", "/pulls", limited.with_header("retry-after", "3600"));
    let first = program(&world, &github).run().exits(69);
    first.has_outcome("verifying");
    assert_eq!(world.remembered()[0].phase, Phase::Begun);
    assert!(has_branch(&world, &proposal(&world)));
    assert_eq!(github.pull_count(), 0);

    // Others go on, so the commit there is not the one that would be written now.
    world.other_team_commits();
    awaits(program(&world, &github).run());
    assert_eq!(github.pull_count(), 1);
    assert_eq!(world.remembered().len(), 1);
}

#[test]
fn one_that_was_opened_before_the_run_died_is_found_and_followed() {
    let (world, github, _) = on_github();
    awaits(program(&world, &github).run());
    let mut rollback = world.remembered().remove(0);
    rollback.phase = Phase::Begun;
    rollback.proposal.as_mut().expect("a proposal").number = None;
    world.remembers(&[rollback]);
    awaits(program(&world, &github).run());
    assert_eq!(github.pull_count(), 1);

    let mut rollback = world.remembered().remove(0);
    rollback.phase = Phase::Begun;
    rollback.proposal.as_mut().expect("a proposal").number = None;
    world.remembers(&[rollback]);
    github.merge(1, Merge::Squash);
    program(&world, &github)
        .run()
        .exits(0)
        .has_outcome("verifying");
    assert_eq!(world.remembered()[0].phase, Phase::Verifying);
    assert_eq!(github.pull_count(), 1);
}

#[test]
fn github_that_cannot_be_asked_leaves_it_waiting() {
    let (world, github, _) = on_github();
    awaits(program(&world, &github).run());
    for _ in 0..3 {
        github.instead("GET", "/pulls/1", Reply::json(503, "{}"));
    }
    let ran = program(&world, &github).run();
    ran.exits(69).has_outcome("awaiting_approval");
    assert_eq!(world.remembered()[0].phase, Phase::Proposed);
}

#[test]
fn a_protected_branch_gets_a_pull_request_instead() {
    let (world, github, _) = on_github();
    let tip = world.repo().tip();
    github.protect("main", &["pull_request"]);
    let app = || {
        world
            .program()
            .without("GITOPS_TOKEN")
            .env("GITOPS_REPO", REPOSITORY)
            .env("GITOPS_API_URL", &github.api_url())
            .env("GITHUB_APP_ID", &APP_ID.to_string())
            .env("GITHUB_APP_INSTALLATION_ID", &INSTALLATION_ID.to_string())
            .env("GITHUB_APP_PRIVATE_KEY", APP_KEY)
    };
    let ran = awaits(app().run());
    assert_eq!(world.repo().tip(), tip, "{ran}");
    assert_eq!(github.pull_count(), 1);
    assert!(github.is_signed(&world.repo().log_of(&proposal(&world))[0].id));
    awaits(app().run());
    github.merge(1, Merge::Squash);
    app().run().exits(0).has_outcome("verifying");
    assert_eq!(github.pull_count(), 1);
}

#[test]
fn a_persons_rollback_is_a_pull_request_too() {
    let (world, github, _) = on_github();
    let person = program(&world, &github).arguments(&["rollback", "--reason", "pager"]);
    let ran = awaits(person.run());
    assert!(ran.text("/rollback/id").starts_with("bad-release-"));
    assert_eq!(github.pull_count(), 1);
}

#[test]
fn a_dry_run_says_that_it_would_be_a_pull_request() {
    let (world, github, _) = on_github();
    let before = world.traces();
    let dry = program(&world, &github).arguments(&["run", "--dry-run"]);
    let ran = dry.run().exits(0).has_outcome("would_roll_back");
    let detail = ran.text("/rollback/steps/0/detail");
    assert!(detail.starts_with("a pull request to main of"), "{detail}");
    assert_eq!(world.traces(), before);
    assert_eq!(github.pull_count(), 0);
}
