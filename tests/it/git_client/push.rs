//! How a push ends.

use testkit::git::Fault;

use super::*;

/// A world whose newest release is bad, read, with its rollback written.
fn ready() -> (World, Snapshot, String) {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let commit = write(&snapshot, &good);
    (world, snapshot, commit)
}

fn words(answer: Push) -> String {
    match answer {
        Push::Refused { words } => words,
        Push::Accepted => panic!("accepted"),
    }
}

#[test]
fn an_accepted_push_moves_the_branch_with_one_request_of_content() {
    let (world, snapshot, commit) = ready();
    let sent = world.server.requests().len();
    assert_eq!(snapshot.push(&commit).expect("an answer"), Push::Accepted);
    assert_eq!(world.repo.tip(), commit);
    assert_eq!(world.server.push_attempts(), 1);
    assert_eq!(world.server.requests().len() - sent, 2);
}

#[test]
fn a_push_that_a_hook_declines_is_refused_with_the_server_s_words() {
    let (world, snapshot, commit) = ready();
    let tip = world.repo.tip();
    world
        .repo
        .decline_pushes("GH013: Repository rule violations found for refs/heads/main.");
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(
        words,
        "pre-receive hook declined: GH013: Repository rule violations found for refs/heads/main."
    );
    assert_eq!(world.repo.tip(), tip);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn progress_does_not_crowd_out_the_server_s_words() {
    let (world, snapshot, commit) = ready();
    let progress: String = (0..100)
        .map(|percent| format!("Resolving deltas: {percent}%%\\r"))
        .collect();
    world.repo.set_hook(
        "pre-receive",
        &format!("#!/bin/sh\ncat >/dev/null\nprintf '{progress}\\nno, use a pull request\\r\\n' >&2\nexit 1\n"),
    );
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(words, "pre-receive hook declined: no, use a pull request");
}

#[test]
fn a_hook_that_repeats_the_token_is_quoted_without_it() {
    let (world, snapshot, commit) = ready();
    world
        .repo
        .decline_pushes(&format!("who is {TOKEN}? \u{1b}[31m"));
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(words, "pre-receive hook declined: who is [redacted]? [31m");
}

#[test]
fn a_branch_that_moved_before_the_push_refuses_it() {
    let (world, snapshot, commit) = ready();
    let moved = world.noise("o2\n", 2);
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(words, "the branch moved first");
    assert_eq!(world.repo.tip(), moved);
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn a_branch_that_moves_during_the_push_refuses_it() {
    let (world, snapshot, commit) = ready();
    let repo = world.repo.clone();
    world.server.before_next_push(move || {
        repo.commit("race", at(2), &[(OTHER_FILE, Some("o2\n"))]);
    });
    words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(world.repo.log()[0].message, "race");
    world.repo.fsck();
}

#[test]
fn a_branch_that_was_deleted_is_not_created_again() {
    let (world, snapshot, commit) = ready();
    let tip = world.repo.tip();
    world.repo.reset("kept", &tip);
    world.repo.delete_branch("main");
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(words, "the branch is not there any more");
    assert_eq!(world.server.push_attempts(), 0);
    assert_eq!(world.repo.refs_fingerprint().lines().count(), 1);
}

#[test]
fn a_branch_that_was_put_back_is_not_put_forward_again() {
    let (world, snapshot, commit) = ready();
    let seed = world.repo.path_history(PATH)[1].clone();
    world.repo.reset("main", &seed);
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(words, "the branch moved first");
    assert_eq!(world.repo.tip(), seed);
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn pushing_what_is_already_there_is_accepted_without_a_second_push() {
    let (world, snapshot, commit) = ready();
    assert_eq!(snapshot.push(&commit).expect("an answer"), Push::Accepted);
    assert_eq!(snapshot.push(&commit).expect("an answer"), Push::Accepted);
    assert_eq!(world.server.push_attempts(), 1);
    assert_eq!(world.repo.log().len(), 3);
}

#[test]
fn a_lost_answer_is_an_error_and_the_next_read_finds_the_commit() {
    let (world, snapshot, commit) = ready();
    world.server.set_fault(Fault::LosePushAnswer);
    let error = snapshot.push(&commit).expect_err("no answer");
    assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
    assert!(error.is_transient());
    world.server.set_fault(Fault::None);

    let snapshot = world.read_changes(1);
    assert_eq!(
        with_trailer(&snapshot, "Error-Budget-Rollback", "r-1"),
        Some(commit)
    );
    assert_eq!(
        with_trailer(&snapshot, "Error-Budget-Rollback", "r-2"),
        None
    );
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_push_without_the_right_to_it_is_refused_and_says_what_is_missing() {
    let (world, snapshot, commit) = ready();
    let sent = world.server.requests().len();
    world.server.set_fault(Fault::Status(403));
    let words = words(snapshot.push(&commit).expect("an answer"));
    assert_eq!(
        words,
        "access was denied; GITOPS_TOKEN needs to read and write the repository's contents (HTTP 403)"
    );
    assert_eq!(world.server.requests().len() - sent, 1, "tried once");
}

#[test]
fn a_server_fault_during_a_push_leaves_its_end_open() {
    let (world, snapshot, commit) = ready();
    for status in [500, 503, 429] {
        world.server.set_fault(Fault::Status(status));
        let error = snapshot.push(&commit).expect_err("no answer");
        assert!(matches!(error.fault, GitFault::Status(s) if s == status));
        assert!(error.is_transient());
    }
}

#[test]
fn finds_a_trailer_on_the_side_line_of_a_merge() {
    let world = seeded();
    let good = world.repo.tip();
    let bad = world.release("v2", 1);
    let ours = world
        .repo
        .prepare(MESSAGE, at(2))
        .branch("rollback/r-1")
        .write(FILE, "v1\n")
        .create();
    let merge = world
        .repo
        .prepare("Merge pull request #7", at(3))
        .parents(&[&bad, &ours])
        .write(FILE, "v1\n")
        .create();
    world.noise("o2\n", 4);
    let snapshot = world.read_changes(1);
    assert_eq!(snapshot.changes[0].revision, merge);
    assert_eq!(
        with_trailer(&snapshot, "Error-Budget-Rollback", "r-1"),
        Some(ours)
    );
    assert_eq!(with_trailer(&snapshot, "Rolls-Back", "r-1"), None);
    assert_eq!(snapshot.state_at(&good), Some(snapshot.tip_state.clone()));
}

#[test]
fn finds_the_newest_of_two_commits_with_the_same_trailer() {
    let world = seeded();
    let seed = world.repo.tip();
    let old = world
        .repo
        .prepare(MESSAGE, at(1))
        .branch("old")
        .parents(&[&seed])
        .write("old/side", "x\n")
        .create();
    let new = world
        .repo
        .prepare(MESSAGE, at(2))
        .write(FILE, "v2\n")
        .create();
    world
        .repo
        .prepare("Take over an old branch", at(3))
        .parents(&[&new, &old])
        .create();
    assert_eq!(
        with_trailer(&world.read(), "Error-Budget-Rollback", "r-1"),
        Some(new)
    );
}
