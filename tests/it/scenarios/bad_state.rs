//! A memory that cannot be used, or that another run holds. Each time: one sentence, nothing changed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::Utc;

use super::world::World;

/// The commands that need the state; those that would change something come first.
const COMMANDS: [&[&str]; 5] = [
    &["run"],
    &["rollback", "gitops"],
    &["run", "--dry-run"],
    &["check"],
    &["status"],
];

#[test]
fn a_newer_file_is_left_to_the_newer_program() {
    let (world, _) = World::with_a_bad_release();
    fs::write(world.state_file(), "{\"schema\":99,\"rollbacks\":[]}").expect("our own folder");
    refused(&world, 78, &["schema 99", "run the newer version"]);
}

#[test]
fn a_folder_that_takes_no_file_stops_what_would_need_it() {
    let (world, _) = World::with_a_bad_release();
    let file = world.repo().path().join("HEAD");
    let below_a_file = file.join("state.json");
    let in_proc = Path::new("/proc/error-budget-monitor/state.json");
    for state_file in [&*below_a_file, in_proc] {
        for arguments in [&["run"][..], &["rollback", "gitops"]] {
            let program = world.program().env_path("STATE_FILE", state_file);
            let ran = world.nothing_changed_by(&program.arguments(arguments));
            ran.exits(78)
                .complains_of(&["the state folder", "make it writable", "STATE_FILE"]);
        }
    }
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[test]
fn a_read_only_folder_stops_a_run_before_anything_is_done() {
    let (world, _) = World::with_a_bad_release();
    let folder = world.state_folder();
    let lock_down = |mode| {
        fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("our own folder");
    };
    lock_down(0o555);
    let is_obeyed = File::create(folder.join("probe")).is_err();
    if is_obeyed {
        let ran = world.nothing_changed_by(&world.program()).exits(78);
        ran.complains_of(&["the state folder", "make it writable"]);
        // Those who only look do not mind.
        let dry_run = world.program().arguments(&["--dry-run"]);
        world.nothing_changed_by(&dry_run).exits(0);
    }
    lock_down(0o755);
}

#[test]
fn a_held_lock_sends_the_second_run_away_and_lets_those_pass_who_only_look() {
    let (world, _) = World::with_a_bad_release();
    world.forgets();
    fs::create_dir(world.state_folder()).expect("our own folder");
    let lock = File::create(world.state_folder().join("state.json.lock")).expect("our own folder");
    lock.try_lock().expect("nobody else has it");
    for arguments in [&["run"][..], &["rollback", "gitops"]] {
        let program = world.program().arguments(arguments);
        let ran = world.nothing_changed_by(&program).exits(75);
        ran.complains_of(&["another run holds", "state.json.lock", "next run"]);
    }
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
    let looking: [(&[&str], i32); 3] = [
        (&["run", "--dry-run"], 0),
        (&["check"], 2),
        (&["status"], 0),
    ];
    for (arguments, code) in looking {
        let program = world.program().arguments(arguments);
        world.nothing_changed_by(&program).exits(code);
    }
    lock.unlock().expect("it is ours");
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
}

#[track_caller]
fn refused(world: &World, code: i32, words: &[&str]) {
    let asked = world.server.requests().len();
    for arguments in COMMANDS {
        let program = world.program().arguments(arguments);
        let ran = world.nothing_changed_but_the_lock_by(&program);
        ran.exits(code).complains_of(words);
    }
    assert_eq!(world.server.requests().len(), asked, "git was asked");
}

#[test]
fn a_journal_that_is_lost_on_the_way_leaves_the_rollback_to_the_next_run() {
    let (world, v2) = World::with_a_bad_release();
    let (state, aside) = (
        world.state_folder(),
        world.state_folder().with_extension("aside"),
    );
    let (from, to) = (state.clone(), aside.clone());
    // The other team's commit makes a second attempt necessary, and its intent cannot be written down.
    let theirs = world.repo().clone();
    world.server.before_next_push(move || {
        theirs.commit("docs", Utc::now(), &[("docs/more.md", Some("more\n"))]);
        fs::rename(from, to).expect("our own folder");
    });

    let ran = world.runs(&["run"]).exits(1).has_outcome("verifying");
    ran.complains_of(&["could not be written down", "next run"]);
    assert_eq!(world.rollback_commits(), 0);

    fs::rename(aside, state).expect("our own folder");
    let tip = world.repo().tip();
    let next = world.runs(&["run"]).exits(0).decides("resume", "resumed");
    next.has_outcome("verifying");
    world.one_commit_restores(&v2, &world.v1, &tip);
}
