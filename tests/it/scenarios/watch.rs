//! `run --watch`: passes until the time is over or a rollback is decided.

use std::sync::mpsc;
use std::time::Duration;

use error_budget_monitor::journal::Phase;
use testkit::git::Fault;

use super::world::World;

#[test]
fn goes_on_until_a_rollback_is_decided_and_follows_it() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    world.server.set_fault(Fault::Status(503));
    let program = world
        .program()
        .env("VERIFY_TIMEOUT", "2m")
        .arguments(&["run", "--watch", "1h", "--every", "1s"]);
    let mut running = program.start();
    let first: serde_json::Value =
        serde_json::from_str(&running.first_line()).expect("one record a line");
    assert_eq!(first["decision"]["reason"], "unknown_data");
    let (pushes, pushed) = mpsc::channel();
    world.server.before_next_push(move || {
        let _ = pushes.send(());
    });
    world.server.set_fault(Fault::None);
    let came = pushed.recv_timeout(Duration::from_secs(120));
    came.expect("a later pass pushes");
    // It cannot be proven here that the burn stopped, so the watch would go on.
    running.told_to_end();
    let ran = running.wait().exits(0);
    let last = ran.records().pop().expect("a last record");
    assert_eq!(last["rollback"]["outcome"], "verifying", "{ran}");
    world.one_commit_restores(&v2, &world.v1, &tip);
    let phase = world.in_flight().map(|past| past.phase);
    assert_eq!(phase, Some(Phase::Verifying));
}

#[test]
fn holds_the_lock_for_a_pass_only_and_ends_between_passes_when_told_to() {
    let world = World::of("healthy");
    let program = world.program();
    let mut running = program
        .clone()
        .arguments(&["run", "--watch", "6h", "--every", "10m", "--output", "text"])
        .start();
    let line = running.first_line();
    assert!(line.contains("shop/healthy  healthy, none"), "{line}");
    world.runs(&["run"]).exits(0);
    running.told_to_end();
    let ran = running.wait().exits(0);
    assert_eq!(ran.stdout, "", "one pass is one line");
}

#[test]
fn a_plan_ends_the_watch() {
    let (world, _) = World::with_a_bad_release();
    let watched = ["run", "--watch", "6h", "--every", "10m"];
    let dry = [&watched[..], &["--dry-run"]].concat();
    let ran = world.nothing_changed_by(&world.program().arguments(&dry));
    ran.exits(0).has_outcome("would_roll_back");

    let program = world.program().env("REQUIRE_APPROVAL", "true");
    let ran = program.arguments(&watched).run().exits(0);
    ran.has_outcome("awaiting_approval");
    assert_eq!(world.rollback_commits(), 0);
}

#[test]
fn when_the_time_is_over_the_last_pass_gives_the_exit_code() {
    let world = World::of("healthy");
    let ran = world.runs(&["run", "--watch", "1s", "--every", "10m", "--output", "text"]);
    let ran = ran.exits(0).complains_of_nothing();
    assert!(ran.stdout.starts_with("service "), "{ran}");

    world.server.set_fault(Fault::Status(503));
    world.forgets();
    let ran = world.runs(&["run", "--watch", "1s", "--every", "1s"]);
    let ran = ran.exits(69);
    assert!(!ran.records().is_empty(), "{ran}");
}
