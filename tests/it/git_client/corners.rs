//! Servers and repositories that are unusual and right, and servers that die half-way.

use error_budget_monitor::clients::git::{Moved, WalkEnd};
use testkit::git::Fault;

use super::*;

#[test]
fn refuses_a_target_that_lacks_one_of_several_paths() {
    let world = seeded();
    let before = world.repo.tip();
    world
        .repo
        .commit("base", at(1), &[("base/x.yaml", Some("b1\n"))]);
    world.release("v2", 2);
    let refs = world.repo.refs_fingerprint();
    let git = git(GitSettings {
        paths: vec![PATH.to_owned(), "base".to_owned()],
        ..world.settings()
    });
    let snapshot = read(&git);
    assert_eq!(
        refusal(snapshot.draft(&before).expect_err("a refusal")),
        format!("\"base\" does not exist at {before}: restoring would delete it")
    );
    assert_eq!(world.repo.refs_fingerprint(), refs);
}

#[test]
fn reads_back_to_a_commit_that_is_wanted_and_needs_none_that_is_not_there() {
    for on_top in [48, 49, 50, 230] {
        let world = seeded();
        let old_tip = world.release("v2", 1);
        world.repo.commit_many(on_top, FILE, at(2));
        let want = |back_to: &str| Want {
            changes: 1,
            back_to: Some(back_to.to_owned()),
            ..Want::default()
        };
        let snapshot = world.git().read(&want(&old_tip)).expect("readable");
        assert!(snapshot.state_at(&old_tip).is_some(), "{on_top} on top");
        assert_eq!(snapshot.moved_since(&old_tip), Moved::PathTouched);
        assert_eq!(snapshot.end, WalkEnd::Enough);

        let unknown = "f".repeat(40);
        let snapshot = world.git().read(&want(&unknown)).expect("readable");
        assert_eq!(snapshot.end, WalkEnd::Root);
        assert_eq!(snapshot.state_at(&unknown), None);
    }
}

#[test]
fn a_server_that_forbids_forced_pushes_and_deletions_takes_a_rollback() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    world.repo.configure("receive.denyNonFastForwards", "true");
    world.repo.configure("receive.denyDeletes", "true");
    world.repo.configure("receive.fsckObjects", "true");
    let (commit, answer) = roll_back(&world.read(), &good);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.tip(), commit);
    world.repo.fsck();
}

#[test]
fn the_words_of_a_protected_branch_are_shown() {
    let world = seeded();
    let good = world.repo.tip();
    let bad = world.release("v2", 1);
    let words = [
        "error: GH006: Protected branch update failed for refs/heads/main.",
        "error: At least 1 approving review is required by reviewers with write access.",
    ];
    world.repo.decline_pushes(&words.join("\n"));
    let (_, answer) = roll_back(&world.read(), &good);
    let Push::Refused { words: said } = answer else {
        panic!("accepted");
    };
    for words in words {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(world.repo.tip(), bad);
}

#[test]
fn a_repository_of_a_hundred_thousand_references_is_read_and_written() {
    let world = seeded();
    let good = world.repo.tip();
    world.repo.pack_many_refs(100_000, &good);
    world.repo.tag("v1", &good);
    world.release("v2", 1);
    let want = Want {
        changes: 2,
        revision: Some("v1".to_owned()),
        ..Want::default()
    };
    let snapshot = world.git().read(&want).expect("a readable branch");
    let resolved = snapshot.revision.as_ref().expect("it was asked for");
    assert_eq!(resolved.revision, good);
    let (commit, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.tip(), commit);
    assert_eq!(world.repo.file_at(&commit, FILE).as_deref(), Some("v1\n"));
    let copy = GitRepo::open(snapshot.folder()).refs_fingerprint();
    assert_eq!(copy.lines().count(), 2, "one branch and one tag: {copy}");
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_pack_is_a_fault_of_transport() {
    let world = seeded();
    world.release("v2", 1);
    world.repo.commit_many(30, OTHER_FILE, at(2));
    world.read();
    let whole = world.server.requests().len();
    for length in [0, 1, 60, 300, 1_500] {
        let sent = world.server.requests().len();
        world.server.set_fault(Fault::CutAnswer(length));
        let error = refused_read(&world.git());
        assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
        assert!(error.is_transient(), "{error}");
        let sent = world.server.requests().len() - sent;
        assert!(sent <= whole, "nothing is asked twice: {error}");
    }
    world.server.set_fault(Fault::None);
    assert_eq!(world.read().changes.len(), 2, "nothing half-read is kept");
}

#[test]
fn a_server_that_dies_while_it_answers_a_push_leaves_its_end_open() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let commit = write(&snapshot, &good);
    world.server.set_fault(Fault::CutAnswer(7));
    let error = snapshot.push(&commit).expect_err("half an answer");
    assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
    assert!(error.is_transient());
    world.server.set_fault(Fault::None);
    // It landed, and pushing it again changes nothing.
    assert_eq!(world.repo.tip(), commit);
    assert_eq!(snapshot.push(&commit).expect("an answer"), Push::Accepted);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_pack_of_one_byte_a_second_ends_at_the_deadline() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let patient = world.read();
    let impatient = git(GitSettings {
        timeout: Duration::from_secs(3),
        ..world.settings()
    });
    let snapshot = read(&impatient);
    let commit = write(&snapshot, &good);
    world.server.set_fault(Fault::Drip(Duration::from_secs(1)));

    let error = refused_read(&impatient);
    assert!(matches!(error.fault, GitFault::Deadline), "{error}");
    assert!(error.is_transient());

    // A push whose answer drips has landed all the same.
    let error = snapshot.push(&commit).expect_err("no whole answer");
    assert!(matches!(error.fault, GitFault::Deadline), "{error}");
    world.server.set_fault(Fault::None);
    assert_eq!(world.repo.tip(), commit);
    assert_eq!(write(&patient, &good), commit);
    assert_eq!(patient.push(&commit).expect("an answer"), Push::Accepted);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_push_with_a_token_that_has_expired_or_sees_nothing_is_refused() {
    let world = seeded();
    let good = world.repo.tip();
    let bad = world.release("v2", 1);
    let snapshot = world.read();
    let commit = write(&snapshot, &good);
    for (status, setting) in [(401, "GITOPS_TOKEN"), (404, "GITOPS_REPO")] {
        let sent = world.server.requests().len();
        world.server.set_fault(Fault::Status(status));
        let answer = snapshot.push(&commit).expect("an answer");
        let Push::Refused { words } = answer else {
            panic!("accepted");
        };
        assert!(words.contains(setting), "{words}");
        assert_eq!(world.server.requests().len() - sent, 1, "tried once");
    }
    assert_eq!(world.repo.tip(), bad);
}

#[test]
fn a_branch_that_was_renamed_is_not_created_again() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let commit = write(&snapshot, &good);
    world.repo.rename_branch("main", "trunk");
    let before = world.repo.refs_fingerprint();
    let answer = snapshot.push(&commit).expect("an answer");
    assert_eq!(
        answer,
        Push::Refused {
            words: "the branch is not there any more".to_owned()
        }
    );
    assert_eq!(world.repo.refs_fingerprint(), before);
    let error = refused_read(&world.git());
    assert!(matches!(error.fault, GitFault::NoBranch { .. }), "{error}");
}
