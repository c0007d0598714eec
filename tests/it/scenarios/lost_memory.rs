//! The memory is lost, damaged or old: it is rebuilt from what the branch remembers, or nothing is done.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use error_budget_monitor::journal::Phase;
use testkit::git::Fault;

use super::memory::past;
use super::world::World;

/// What may be found in the place of a state file.
const DAMAGED: [&[u8]; 7] = [
    b"",
    b"not json",
    b"{}",
    b"[]",
    b"{\"schema\":1}",
    b"\0\0",
    &[0xff, 0xfe, b'{'],
];

#[test]
fn whatever_is_damaged_is_set_aside_and_the_rollback_is_found_on_the_branch() {
    for damaged in DAMAGED {
        let (world, v2) = World::with_a_bad_release();
        let first = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
        fs::remove_file(world.state_folder().join("state.json.prev")).expect("our own folder");
        fs::write(world.state_file(), damaged).expect("our own folder");

        // Whoever only looks finds the rollback too, and leaves the file as it is.
        let check = world.program().arguments(&["check"]);
        world.nothing_changed_by(&check).exits(5);
        let status = world.program().arguments(&["status"]);
        let status = world.nothing_changed_by(&status).exits(0).record;
        assert_eq!(status["in_flight"]["id"], *first.text("/rollback/id"));
        assert_eq!(status["holds"][0]["revision"], *v2);
        let source = status["source"].as_str().expect("a source");
        assert!(
            source.contains("trailers on main") && source.contains("damaged"),
            "{source}"
        );

        let ran = world.runs(&["run"]).exits(0).decides("resume", "resumed");
        ran.has_outcome("verifying");
        let remembered = world.remembered();
        assert_eq!(remembered.len(), 1);
        assert_eq!(remembered[0].id, first.text("/rollback/id"));
        assert_eq!(
            fs::read(&corrupt(&world)[0]).expect("our own file"),
            damaged
        );
        assert_eq!(world.server.push_attempts(), 1);
    }
}

#[test]
fn the_generation_before_serves_where_it_is_sound() {
    let (world, _) = World::with_a_bad_release();
    let old = past("old", TimeDelta::hours(2), Phase::Recovered);
    let newer = past("newer", TimeDelta::minutes(30), Phase::Recovered);
    world.remembers(&[old, newer]);
    fs::remove_file(world.state_file()).expect("our own folder");
    let ran = world.runs(&["run"]).exits(0);
    // The save before the last one did not know the newer one yet; the branch never did.
    ran.decides("rollback", "trigger");
    let ids: Vec<String> = world.remembered().into_iter().map(|it| it.id).collect();
    assert_eq!(ids[0], "old");
    assert_eq!(ids.len(), 2, "{ids:?}");
}

#[test]
fn nothing_is_done_where_neither_memory_nor_branch_can_be_read() {
    let (world, _) = World::with_a_bad_release();
    let before = world.repo().refs_fingerprint();
    let fates: [fn(&World); 2] = [World::forgets, |world| {
        fs::create_dir_all(world.state_folder()).expect("our own folder");
        fs::write(world.state_file(), "torn").expect("our own folder");
    }];
    for fate in fates {
        fate(&world);
        world.server.set_fault(Fault::Down);
        for arguments in [
            &["run"][..],
            &["rollback", "gitops"],
            &["check"],
            &["status"],
        ] {
            let ran = world.runs(arguments).exits(69);
            assert_eq!(ran.record["unknowns"][0]["source"], "git", "{ran}");
            assert_eq!(world.repo().refs_fingerprint(), before);
        }
        world.server.set_fault(Fault::None);
    }
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
}

#[test]
fn a_lost_volume_resets_no_limit_and_no_hold() {
    let (world, v2) = World::with_a_bad_release();
    let first = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.forgets();
    let proven = world.program().env("VERIFY_DEADLINE", "0s");
    proven.run().exits(0);
    let status = proven.clone().arguments(&["status"]).run().exits(0).record;
    assert_eq!(status["limits"]["hour_used"], 1, "{status}");
    assert_eq!(status["limits"]["open"], false);
    assert_eq!(status["rollbacks"][0]["id"], *first.text("/rollback/id"));
    let check = proven.arguments(&["check", "--commit", &v2]);
    world.nothing_changed_by(&check).exits(5);
}

fn corrupt(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.state_folder()).expect("our own folder");
    let paths = entries.map(|entry| entry.expect("our own folder").path());
    paths
        .filter(|path| path.to_string_lossy().contains(".corrupt."))
        .collect()
}
