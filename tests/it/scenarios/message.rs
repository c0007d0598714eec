//! What the commit of a rollback tells whoever reads the history of the branch.

use super::world::World;

#[test]
fn the_commit_tells_by_which_numbers_it_was_decided() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let message = world.one_commit_restores(&v2, &world.v1, &tip).message;
    let suspect = &ran.text("/attribution/suspect")[..10];
    let share = format!("Since {suspect} was deployed: ");
    for fact in [
        &share,
        "in the hour before: ",
        "The burn began at ",
        "Burn rates: 5m ",
        "Budget: ",
    ] {
        assert!(message.contains(fact), "{fact:?} is missing in {message}");
    }
    let trailers = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let keys: Vec<&str> = trailers
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(keys, ["Error-Budget-Rollback", "Rolls-Back", "Restores"]);
    assert!(!message.contains("://"), "{message}");
}
