//! A GitHub App in place of a token: git reads with its tokens, and GitHub writes and signs the commit.

use error_budget_monitor::journal::Phase;
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID};
use testkit::stub::Reply;

use super::program::Program;
use super::world::{REPOSITORY, TOKEN, World};

/// The world of a bad release whose repository is on GitHub, and the bad commit.
fn on_github() -> (World, GithubServer, String) {
    let (world, v2) = World::with_a_bad_release();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    (world, github, v2)
}

/// The program, signed in as the App.
fn program(world: &World, github: &GithubServer) -> Program {
    world
        .program()
        .without("GITOPS_TOKEN")
        .env("GITOPS_REPO", REPOSITORY)
        .env("GITOPS_API_URL", &github.api_url())
        .env("GITHUB_APP_ID", &APP_ID.to_string())
        .env("GITHUB_APP_INSTALLATION_ID", &INSTALLATION_ID.to_string())
        .env("GITHUB_APP_PRIVATE_KEY", APP_KEY)
}

fn count(github: &GithubServer, beginning: &str) -> usize {
    let story = github.story();
    story
        .iter()
        .filter(|line| line.starts_with(beginning))
        .count()
}

#[test]
fn an_app_rolls_back_by_one_commit_that_github_signs() {
    let (world, github, v2) = on_github();
    let tip = world.repo().tip();
    let ran = program(&world, &github).run().exits(0);
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert!(github.is_signed(&commit.id), "{ran}");
    assert!(
        commit.author.starts_with("acme-rollback[bot]"),
        "{commit:?}"
    );
    assert_eq!(world.server.push_attempts(), 0);
    assert_eq!(count(&github, "POST /app/installations/"), 1);
    assert_eq!(count(&github, "PATCH "), 1);
    assert!(world.state().contains("signed by GitHub"));

    // The next run finds it done.
    let again = program(&world, &github).run().exits(0);
    assert_eq!(world.repo().tip(), commit.id, "{again}");
    for text in [
        &ran.stdout,
        &ran.stderr,
        &again.stdout,
        &again.stderr,
        &world.state(),
    ] {
        assert!(!text.contains("canary"), "{text}");
        assert!(
            !text.contains(APP_KEY.lines().nth(1).expect("a key has lines")),
            "{text}"
        );
    }
}

#[test]
fn a_lost_answer_ends_in_one_commit_and_in_one_rollback() {
    for step in ["/git/trees", "/git/commits", "/git/refs/"] {
        let (world, github, v2) = on_github();
        let tip = world.repo().tip();
        let method = if step == "/git/refs/" {
            "PATCH"
        } else {
            "POST"
        };
        github.after(method, step, Reply::hangup());
        program(&world, &github).run().exits(0);
        world.one_commit_restores(&v2, &world.v1, &tip);
        assert_eq!(world.rollback_commits(), 1);
    }
}

#[test]
fn a_move_whose_end_the_api_cannot_show_is_found_by_git() {
    let (world, github, v2) = on_github();
    let tip = world.repo().tip();
    github.after("PATCH", "/git/refs/", Reply::hangup());
    for _ in 0..3 {
        github.instead("GET", "/git/ref/", Reply::json(503, "{}"));
    }
    program(&world, &github).run().exits(0);
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(count(&github, "PATCH "), 1);
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn an_app_that_must_wait_for_a_token_does_nothing() {
    let (world, github, _) = on_github();
    let refs = world.repo().refs_fingerprint();
    let limited = Reply::json(429, r#"{"message":"slow down"}"#);
    github.instead(
        "POST",
        "/access_tokens",
        limited.with_header("retry-after", "3600"),
    );
    let ran = program(&world, &github).run().exits(69);
    assert!(
        ran.stderr
            .contains("get a token of platform/gitops: rate limited until"),
        "{ran}"
    );
    assert_eq!(world.repo().refs_fingerprint(), refs);
    assert_eq!(github.requests().len(), 1);
}

#[test]
fn another_team_that_is_faster_only_moves_the_parent() {
    let (world, github, v2) = on_github();
    let team = world.team.clone();
    github.before("PATCH", "/git/refs/", move || {
        team.release("payments", "v99", 0.0, chrono::Utc::now());
    });
    program(&world, &github).run().exits(0);
    let theirs = world.repo().log()[1].clone();
    assert!(theirs.message.contains("v99"), "{theirs:?}");
    world.one_commit_restores(&v2, &world.v1, &theirs.id);
}

#[test]
fn a_rule_fails_the_rollback_where_no_pull_request_may_be_opened_either() {
    let (world, github, _) = on_github();
    let tip = world.repo().tip();
    github.protect("main", &["pull_request"]);
    let no = Reply::json(422, r#"{"message":"Pull requests are switched off"}"#);
    github.instead("POST", "/pulls", no);
    let ran = program(&world, &github)
        .run()
        .exits(1)
        .has_outcome("failed");
    ran.complains_of(&[
        "Repository rule violations found",
        "GitHub's rules for main: pull_request",
        "no pull request could be opened",
        "Pull requests are switched off",
    ]);
    assert_eq!(world.repo().tip(), tip);
    assert_eq!(world.remembered()[0].phase, Phase::Failed);
    assert_eq!(count(&github, "PATCH "), 1);
}

#[test]
fn a_rate_limit_leaves_the_rollback_to_the_next_run() {
    let (world, github, v2) = on_github();
    let tip = world.repo().tip();
    let limited = Reply::json(
        403,
        r#"{"message":"You have exceeded a secondary rate limit"}"#,
    );
    github.instead(
        "PATCH",
        "/git/refs/",
        limited.with_header("retry-after", "3600"),
    );
    let ran = program(&world, &github).run().exits(69);
    assert_eq!(world.repo().tip(), tip, "{ran}");
    assert!(ran.stderr.contains("rate limited until"), "{ran}");
    assert_eq!(world.remembered()[0].phase, Phase::Begun);

    program(&world, &github).run().exits(0);
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn an_app_that_may_not_sign_in_changes_nothing() {
    let (world, github, _) = on_github();
    let before = world.traces();
    let stranger = program(&world, &github).env("GITHUB_APP_ID", "8");
    let ran = stranger.arguments(&["run", "--dry-run"]).run().exits(69);
    assert!(
        ran.stderr.contains("HTTP 401: Integration not found"),
        "{ran}"
    );
    assert_eq!(world.traces(), before);
}

#[test]
fn a_key_that_is_none_is_said_before_anything_is_asked() {
    let (world, github, _) = on_github();
    let no_key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let ran = program(&world, &github)
        .env("GITHUB_APP_PRIVATE_KEY", no_key)
        .run()
        .exits(78);
    assert!(
        ran.stderr
            .contains("GITHUB_APP_PRIVATE_KEY is not an RSA key in PEM"),
        "{ran}"
    );
    assert!(!ran.stderr.contains("AAAA"), "{ran}");
    assert_eq!(github.requests(), []);
}

#[test]
fn a_token_still_pushes_with_git() {
    let (world, github, v2) = on_github();
    let tip = world.repo().tip();
    let ran = program(&world, &github)
        .without("GITHUB_APP_ID")
        .without("GITHUB_APP_INSTALLATION_ID")
        .without("GITHUB_APP_PRIVATE_KEY")
        .env("GITOPS_TOKEN", GithubServer::TOKEN)
        .run()
        .exits(0);
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(world.server.push_attempts(), 1, "{ran}");
    assert_eq!(github.requests(), []);
}
