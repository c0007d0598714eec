//! A repository that cannot be read while a bad release burns. Each time: one sentence, exit code 69, nothing changed.

use testkit::git::Fault;
use testkit::stub::{Reply, Stub};

use super::program::Program;
use super::world::World;

/// A token that must never be seen again.
const CANARY: &str = "canary-token-of-git";

#[test]
fn a_refused_token_is_named_and_never_shown() {
    let (world, _) = World::with_a_bad_release();
    let program = world.program().env("GITOPS_TOKEN", CANARY);
    refused(&world, &program, &["GITOPS_TOKEN", "HTTP 401"]);
    let requests = world.server.requests();
    assert!(requests.iter().all(|request| request.status == Some(401)));
    assert!(!format!("{requests:?}").contains(CANARY));
}

#[test]
fn a_path_or_branch_or_repository_that_does_not_exist_is_named() {
    let (world, _) = World::with_a_bad_release();
    let program = world.program().env("GITOPS_PATH", "apps/chekout");
    refused(&world, &program, &["apps/chekout", "GITOPS_PATH"]);
    let program = world.program().env("GITOPS_BRANCH", "production");
    refused(&world, &program, &["production", "GITOPS_BRANCH"]);
    let elsewhere = world.server.url("platform/gitopz");
    let program = world.program().env("GITOPS_REPO", &elsewhere);
    refused(&world, &program, &["platform/gitopz", "GITOPS_REPO", "404"]);
}

#[test]
fn a_server_that_is_down_or_at_fault_is_left_to_the_next_run() {
    let (world, _) = World::with_a_bad_release();
    world.server.set_fault(Fault::Down);
    refused(&world, &world.program(), &[super::world::REPOSITORY]);
    world.server.set_fault(Fault::Status(503));
    refused(
        &world,
        &world.program(),
        &["HTTP 503", "next run tries again"],
    );
    world.server.set_fault(Fault::Status(403));
    refused(&world, &world.program(), &["HTTP 403", "GITOPS_TOKEN"]);

    // Once it is back, the next run does what had to wait.
    world.server.set_fault(Fault::None);
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_login_page_is_no_repository() {
    let page = Stub::http(|_| Some(Reply::html(200, "<html>Sign in</html>")));
    let (world, _) = World::with_a_bad_release();
    let url = format!("{}/platform/gitops.git", page.url());
    let program = world.program().env("GITOPS_REPO", &url);
    refused(&world, &program, &["text/html", "GITOPS_REPO"]);
}

#[test]
fn a_persons_rollback_ends_the_same_way() {
    let (world, _) = World::with_a_bad_release();
    world.server.set_fault(Fault::Down);
    let program = world.program().arguments(&["rollback", "gitops"]);
    let ran = world.nothing_changed_but_the_lock_by(&program).exits(69);
    ran.decides("hold", "unknown_data")
        .complains_of(&[super::world::REPOSITORY]);
}

/// Checks that every command that needs the repository ends with the same sentence and does nothing.
#[track_caller]
fn refused(world: &World, program: &Program, words: &[&str]) {
    let commands: [&[&str]; 3] = [&["run"], &["check"], &["run", "--dry-run"]];
    for arguments in commands {
        let program = program.clone().arguments(arguments);
        let ran = world.nothing_changed_but_the_lock_by(&program);
        let ran = ran.exits(69).decides("hold", "unknown_data");
        let ran = ran.complains_of(words).keeps_secret(CANARY);
        // What Prometheus said is known all the same.
        assert_eq!(ran.record["verdict"], "burning", "{ran}");
        let unknowns = ran.record["unknowns"].as_array();
        let sources: Vec<_> = unknowns.into_iter().flatten().collect();
        assert!(
            sources.iter().any(|unknown| unknown["source"] == "git"),
            "{ran}"
        );
    }
    assert_eq!(world.server.push_attempts(), 0);
}
