//! What is refused before anything is written or sent.

use super::*;

fn refused(world: &World, target: &str) -> String {
    let snapshot = world.read();
    refusal(snapshot.draft(target).expect_err("a refusal"))
}

#[test]
fn refuses_a_target_that_lacks_the_path() {
    let world = world();
    let before = world
        .repo
        .commit("before", at(0), &[(OTHER_FILE, Some("o1\n"))]);
    world.release("v1", 1);
    assert_eq!(
        refused(&world, &before),
        format!("\"apps/checkout\" does not exist at {before}: restoring would delete it")
    );
}

#[test]
fn refuses_a_target_where_the_path_holds_nothing() {
    let world = seeded();
    let hollow = world
        .repo
        .prepare("hollow", at(1))
        .empty_folder("apps/checkout")
        .create();
    world.release("v2", 2);
    assert_eq!(
        refused(&world, &hollow),
        format!("\"apps/checkout\" is empty at {hollow}: restoring would delete everything in it")
    );
}

#[test]
fn refuses_when_nothing_would_change() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    world.release("v1", 2);
    assert_eq!(
        refused(&world, &good),
        format!("the watched paths are already as at {good}")
    );
}

#[test]
fn refuses_when_the_path_was_another_kind_of_thing() {
    let world = seeded();
    let remove = |minute| {
        let remove = world.repo.prepare("remove", at(minute));
        remove.remove("apps/checkout").create();
    };
    remove(1);
    let file = world
        .repo
        .commit("file", at(2), &[("apps/checkout", Some("a file\n"))]);
    let link = world
        .repo
        .prepare("link", at(3))
        .link("apps/checkout", "cart")
        .create();
    remove(4);
    world.release("v2", 5);
    for target in [file, link] {
        assert_eq!(
            refused(&world, &target),
            format!("\"apps/checkout\" is another kind of thing at {target}")
        );
    }
}

#[test]
fn refuses_a_target_that_was_not_fetched() {
    let world = seeded();
    world.release("v2", 1);
    for target in ["0123456789012345678901234567890123456789", "v1", "", "abc"] {
        assert_eq!(
            refused(&world, target),
            format!("{target:?} is not among the commits that were read")
        );
    }
}

#[test]
fn never_pushes_what_does_not_build_on_the_tip_that_was_read() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let before = world.repo.refs_fingerprint();
    let sent = world.server.requests().len();
    for commit in [good.as_str(), snapshot.tip.as_str(), "v1"] {
        let error = snapshot.push(commit).expect_err("a refusal");
        refusal(error);
    }
    assert_eq!(world.repo.refs_fingerprint(), before);
    assert_eq!(world.server.requests().len(), sent, "nothing was sent");
}

#[test]
fn nothing_is_sent_before_the_push() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let sent = world.server.requests().len();
    let before = world.repo.refs_fingerprint();
    write(&snapshot, &good);
    assert_eq!(world.server.requests().len(), sent);
    assert_eq!(world.repo.refs_fingerprint(), before);
    assert_eq!(world.server.push_attempts(), 0);
}
