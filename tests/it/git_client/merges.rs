//! Merges of every kind: what ran before one is the state of its first parent, whatever came inside.

use error_budget_monitor::clients::git::Want;

use super::*;

const CPU: &str = "apps/checkout/cpu";

/// Rolls back the newest change and checks that the path is as at `before`, the rest as at the tip, and git content.
#[track_caller]
fn goes_back_to(world: &World, before: &str) {
    let tip = world.repo.tip();
    let snapshot = world.read();
    let target = snapshot.changes[1].revision.clone();
    let (commit, answer) = roll_back(&snapshot, &target);
    assert_eq!(answer, Push::Accepted);
    let tree = |revision: &str, path| world.repo.tree_at(revision, path);
    assert_eq!(tree(&commit, PATH), tree(before, PATH));
    assert_eq!(tree(&commit, "apps/cart"), tree(&tip, "apps/cart"));
    assert_eq!(world.repo.log()[0].parents, [tip]);
    world.repo.fsck();
}

#[test]
fn a_merged_pull_request_goes_back_to_what_ran_before_it_and_not_to_its_inner_state() {
    let world = seeded();
    let seed = world.repo.tip();
    let cpu = world
        .repo
        .prepare("cpu", at(1))
        .branch("pr")
        .write(CPU, "2\n")
        .create();
    let image = world
        .repo
        .prepare("image", at(2))
        .branch("pr")
        .write(FILE, "v2\n")
        .create();
    let other = world.noise("o2\n", 3);
    world
        .repo
        .prepare("Merge pull request #1", at(4))
        .parents(&[&other, &image])
        .write(CPU, "2\n")
        .write(FILE, "v2\n")
        .create();
    goes_back_to(&world, &seed);
    assert_ne!(
        world.repo.tree_at("main", PATH),
        world.repo.tree_at(&cpu, PATH)
    );
    assert_eq!(world.repo.file_at("main", CPU), None);
}

#[test]
fn a_squash_merge_goes_back_as_a_whole() {
    let world = seeded();
    let seed = world.repo.tip();
    world
        .repo
        .prepare("wip", at(1))
        .branch("pr")
        .write(CPU, "2\n")
        .create();
    world.repo.commit(
        "Take the pull request (#1)",
        at(2),
        &[(CPU, Some("2\n")), (FILE, Some("v2\n"))],
    );
    world.noise("o2\n", 3);
    goes_back_to(&world, &seed);
}

#[test]
fn an_octopus_merge_goes_back_to_its_first_parent() {
    let world = seeded();
    let v2 = world.release("v2", 1);
    let side = |branch: &str, path: &str, minute| {
        world
            .repo
            .prepare(branch, at(minute))
            .branch(branch)
            .write(path, "bad\n")
            .create()
    };
    let arms = [
        side("one", CPU, 2),
        side("two", "apps/checkout/memory", 3),
        side("three", OTHER_FILE, 4),
    ];
    world
        .repo
        .prepare("Merge branches 'one', 'two' and 'three'", at(5))
        .parents(&[&v2, &arms[0], &arms[1], &arms[2]])
        .write(CPU, "bad\n")
        .write("apps/checkout/memory", "bad\n")
        .write(OTHER_FILE, "bad\n")
        .create();
    goes_back_to(&world, &v2);
    assert_eq!(
        world.repo.file_at("main", OTHER_FILE).as_deref(),
        Some("bad\n"),
        "what came for others stays"
    );
}

#[test]
fn a_merge_that_takes_the_older_side_is_a_change_like_any_other() {
    let world = seeded();
    let seed = world.repo.tip();
    let v2 = world.release("v2", 1);
    let kept = world
        .repo
        .prepare("keep", at(2))
        .branch("keep")
        .parents(&[&seed])
        .write("notes", "x\n")
        .create();
    // `git merge -s theirs` by hand: the path is as it was on the other side.
    world
        .repo
        .prepare("Merge branch 'keep'", at(3))
        .parents(&[&v2, &kept])
        .write(FILE, "v1\n")
        .create();
    assert_eq!(
        revisions(&world.read().changes),
        world.repo.path_history(PATH)
    );
    goes_back_to(&world, &v2);
}

#[test]
fn times_decide_nothing() {
    // All in one second, each older than its parent, and the newest from the year 1970.
    let times: [[DateTime<Utc>; 4]; 3] = [
        [at(5); 4],
        [at(8), at(6), at(4), at(2)],
        [at(1), at(9_999_999), at(3), DateTime::UNIX_EPOCH],
    ];
    for [first, second, third, newest] in times {
        let world = world();
        world.repo.commit(
            "seed",
            first,
            &[(FILE, Some("v1\n")), (OTHER_FILE, Some("o1\n"))],
        );
        let good = world.repo.commit("v2", second, &[(FILE, Some("v2\n"))]);
        let bad = world.repo.commit("v3", third, &[(FILE, Some("v3\n"))]);
        world
            .repo
            .commit("cart", newest, &[(OTHER_FILE, Some("o2\n"))]);
        let snapshot = world.read();
        assert_eq!(snapshot.changes[0].revision, bad);
        assert_eq!(revisions(&snapshot.changes), world.repo.path_history(PATH));
        goes_back_to(&world, &good);
        let trailer = ("Error-Budget-Rollback", "r-1");
        let found = with_trailer(&world.read(), trailer.0, trailer.1);
        assert_eq!(found, Some(world.repo.tip()));
    }
}

#[test]
fn the_change_that_a_named_commit_stands_for_is_on_the_first_parent_line() {
    let world = seeded();
    let v2 = world.release("v2", 1);
    let inner = world
        .repo
        .prepare("inner", at(2))
        .branch("pr")
        .write(FILE, "half\n")
        .create();
    let merge = world
        .repo
        .prepare("merge", at(3))
        .parents(&[&v2, &inner])
        .write(FILE, "v3\n")
        .create();
    let named = world.noise("o2\n", 4);
    world.release("v4", 5);
    let want = Want {
        changes: 1,
        revision: Some(named),
        ..Want::default()
    };
    let snapshot = world.git().read(&want).expect("readable");
    let resolved = snapshot.revision.expect("it was asked for");
    assert_eq!(resolved.change, Some(merge));
}
