//! What happened to the branch since it was last read.

use error_budget_monitor::clients::git::Moved;

use super::*;

#[test]
fn a_branch_that_stands_still_did_not_move() {
    let world = seeded();
    let tip = world.repo.tip();
    assert_eq!(world.read().moved_since(&tip), Moved::Not);
}

#[test]
fn commits_of_others_move_it_elsewhere() {
    let world = seeded();
    let tip = world.repo.tip();
    world.noise("o2\n", 1);
    world.noise("o3\n", 2);
    assert_eq!(world.read().moved_since(&tip), Moved::Elsewhere);
}

#[test]
fn a_change_of_the_path_is_seen_even_when_it_was_put_back() {
    let world = seeded();
    let tip = world.repo.tip();
    world.noise("o2\n", 1);
    world.release("v2", 2);
    assert_eq!(world.read().moved_since(&tip), Moved::PathTouched);
    world.release("v1", 3);
    world.noise("o3\n", 4);
    assert_eq!(world.read().moved_since(&tip), Moved::PathTouched);
}

#[test]
fn a_path_that_was_removed_and_came_back_was_touched() {
    let world = seeded();
    let tip = world.repo.tip();
    world
        .repo
        .prepare("remove", at(1))
        .remove("apps/checkout")
        .create();
    world.release("v1", 2);
    assert_eq!(world.read().moved_since(&tip), Moved::PathTouched);
}

#[test]
fn a_forced_push_is_a_rewritten_history() {
    let world = seeded();
    let seed = world.repo.tip();
    let gone = world.noise("o2\n", 1);
    world
        .repo
        .prepare("forced", at(2))
        .parents(&[&seed])
        .write(OTHER_FILE, "o3\n")
        .create();
    assert_eq!(world.read().moved_since(&gone), Moved::Rewritten);
    world.repo.reset("main", &seed);
    assert_eq!(world.read().moved_since(&gone), Moved::Rewritten);
    assert_eq!(world.read().moved_since("no id"), Moved::Rewritten);
}

#[test]
fn an_older_tip_on_a_side_line_only_is_a_rewritten_history() {
    let world = seeded();
    let seed = world.repo.tip();
    let old_tip = world.noise("o2\n", 1);
    let new_line = world
        .repo
        .prepare("new line", at(2))
        .parents(&[&seed])
        .write("other", "x\n")
        .create();
    world
        .repo
        .prepare("merge", at(3))
        .parents(&[&new_line, &old_tip])
        .create();
    assert_eq!(world.read().moved_since(&old_tip), Moved::Rewritten);
}
