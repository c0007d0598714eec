//! Shallow histories: the boundary is never the root, and every depth finds what a full clone would.

use error_budget_monitor::clients::git::{GitFault, RevisionFault, WalkEnd, Want};

use super::*;

#[test]
fn finds_the_change_around_every_depth_as_a_full_clone_would() {
    for back in [1, 48, 49, 50, 51, 199, 200] {
        let world = seeded();
        world.release("v1b", 1);
        let bad = world.release("v2", 2);
        world.repo.commit_many(back, OTHER_FILE, at(3));

        let snapshot = world.read_changes(2);

        assert_eq!(
            revisions(&snapshot.changes),
            world.repo.path_history(PATH)[..2],
            "{back} commits back"
        );
        assert_eq!(snapshot.changes[0].revision, bad);
        assert_eq!(snapshot.end, WalkEnd::Enough);
    }
}

#[test]
fn the_root_is_found_at_every_distance_and_only_there() {
    for length in [48, 49, 50, 199, 200] {
        let world = seeded();
        let seed = world.repo.tip();
        world.repo.commit_many(length, OTHER_FILE, at(3));
        let snapshot = world.read();
        assert_eq!(revisions(&snapshot.changes), [&seed], "{length} commits");
        assert_eq!(snapshot.end, WalkEnd::Root);
    }
}

#[test]
fn a_restore_from_beyond_the_first_depths_lands_whole() {
    let world = seeded();
    let good = world.release("v1b", 1);
    world.release("v2", 2);
    world.repo.commit_many(230, OTHER_FILE, at(3));
    let before = world.repo.files_at("main");

    let snapshot = world.read_changes(2);
    let target = snapshot.changes[1].revision.clone();
    assert_eq!(target, good);
    let (commit, answer) = roll_back(&snapshot, &target);

    assert_eq!(answer, Push::Accepted);
    assert_eq!(world.repo.tip(), commit);
    let mut expected = before;
    let old = world.repo.files_at(&good)[FILE].clone();
    expected.insert(FILE.to_owned(), old);
    assert_eq!(world.repo.files_at("main"), expected);
    world.repo.fsck();
}

#[test]
fn merges_use_up_depth_without_hiding_anything() {
    let world = seeded();
    world.release("v1b", 0);
    let bad = world.release("v2", 1);
    let mut tip = bad.clone();
    for number in 0..60 {
        let content = format!("o{number}\n");
        let inner = world
            .repo
            .prepare("inner", at(2 + number))
            .branch("pr")
            .parents(&[&tip])
            .write(OTHER_FILE, &content)
            .create();
        tip = world
            .repo
            .prepare("merge", at(2 + number))
            .parents(&[&tip, &inner])
            .write(OTHER_FILE, &content)
            .create();
    }
    let snapshot = world.read_changes(2);
    assert_eq!(
        revisions(&snapshot.changes),
        world.repo.path_history(PATH)[..2]
    );
    assert_eq!(snapshot.changes[0].revision, bad);
}

#[test]
fn says_so_where_history_goes_on_beyond_the_deepest_fetch() {
    let world = seeded();
    let seed = world.repo.tip();
    world.repo.commit_many(3_250, OTHER_FILE, at(3));

    let snapshot = world.read_changes(1);
    assert_eq!(snapshot.changes, []);
    assert_eq!(snapshot.end, WalkEnd::DepthLimit);

    let want = Want {
        changes: 1,
        revision: Some(seed),
        ..Want::default()
    };
    let error = world.git().read(&want).expect_err("out of reach");
    assert!(
        matches!(
            error.fault,
            GitFault::Revision(RevisionFault::NoCommit { seen: 3200, .. })
        ),
        "{error}"
    );
}
