//! What the doctor says of the memory and of what it lets through now.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;

use error_budget_monitor::journal::Phase;

use super::super::memory::past;
use super::*;

#[test]
fn a_memory_that_cannot_be_used_is_said() {
    let world = world();
    let below_a_file = world.repo().path().join("HEAD/state.json");
    let elsewhere = program(&world).env_path("STATE_FILE", &below_a_file);
    let ran = world.nothing_changed_by(&elsewhere).exits(2);
    ran.finds(
        "state folder",
        "problem",
        &["cannot be written", "STATE_FILE"],
    );

    world.forgets();
    fs::create_dir(world.state_folder()).expect("our own folder");
    fs::write(world.state_file(), "not json").expect("our own folder");
    let ran = world.nothing_changed_by(&program(&world)).exits(1);
    ran.finds("state folder", "ok", &["there is space"])
        .finds("state file", "warning", &["damaged", "rebuild it from git"])
        .finds_only(&["state file"]);
}

#[test]
fn a_folder_that_is_read_only_is_a_problem() {
    let world = world();
    let folder = world.state_folder();
    let lock_down = |mode| {
        fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("our own folder");
    };
    lock_down(0o555);
    // Who is root may write all the same.
    let is_obeyed = File::create(folder.join("probe")).is_err();
    let ran = world.nothing_changed_by(&program(&world));
    lock_down(0o755);
    let (state, code) = if is_obeyed { ("problem", 2) } else { ("ok", 0) };
    ran.exits(code).finds("state folder", state, &[]);
}

#[test]
fn a_run_under_way_is_a_warning_and_keeps_its_lock() {
    let world = world();
    world.forgets();
    fs::create_dir(world.state_folder()).expect("our own folder");
    let lock = File::create(world.state_folder().join("state.json.lock")).expect("our own folder");
    lock.try_lock().expect("nobody else has it");
    let ran = world.nothing_changed_by(&program(&world)).exits(1);
    ran.finds("state lock", "warning", &["a run is under way"])
        .finds_only(&["state lock"]);
    lock.unlock().expect("it is ours");
    let ran = world.nothing_changed_by(&program(&world)).exits(0);
    ran.finds("state lock", "ok", &["nobody holds it"]);
}

#[test]
fn what_is_remembered_and_holds_is_said() {
    let world = world();
    world.remembers(&[past("one", TimeDelta::minutes(20), Phase::Ineffective)]);
    let ran = world.nothing_changed_by(&program(&world)).exits(1);
    ran.finds("last rollback", "warning", &["one did not help"])
        .finds("limits", "warning", &["COOLDOWN"])
        .finds_only(&["last rollback", "limits"]);
    world.remembers(&[past("two", TimeDelta::minutes(10), Phase::Verifying)]);
    let ran = world.nothing_changed_by(&program(&world)).exits(1);
    ran.finds("last rollback", "warning", &["two is not finished"]);
}

#[test]
fn a_blackout_that_is_open_now_is_a_warning() {
    let world = world();
    let always = "Mon-Sun 00:00-24:00 UTC";
    let ran = world
        .nothing_changed_by(&program(&world).env("BLACKOUT_WINDOWS", always))
        .exits(1);
    ran.finds(
        "blackout",
        "warning",
        &["is open until", "nothing is rolled back"],
    )
    .finds("limits", "ok", &[])
    .finds_only(&["blackout"]);
}
