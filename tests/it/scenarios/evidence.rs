//! What the data must show before anything is rolled back, and what it goes back to.

use chrono::{TimeDelta, Utc};
use testkit::prometheus::shared_month;

use super::program::Ran;
use super::world::World;

#[test]
fn a_slow_burn_that_began_with_a_release_two_days_ago_is_blamed_on_it() {
    let world = World::of("slow-burn");
    let since = shared_month().slow_burn_since();
    let v2 = world.release("v2", since - TimeDelta::minutes(2));
    let tip = world.other_team_commits();
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(ran.record["attribution"]["suspect"], *v2);
    // Samples of two days ago lie five minutes apart, so the beginning is known to within a long slice.
    let lag = number(&ran, "/attribution/lag_seconds");
    assert!((-1900.0..1900.0).contains(&lag), "{ran}");
}

#[test]
fn a_slow_burn_that_began_long_after_a_release_is_not_blamed_on_it() {
    let world = World::of("slow-burn");
    let since = shared_month().slow_burn_since();
    world.release("v2", since - TimeDelta::hours(3));
    holds(&world, "not_attributable");
}

#[test]
fn a_dependency_that_failed_today_is_not_the_fault_of_a_release_of_three_days_ago() {
    let world = World::of("bad-release");
    world.release("v2", Utc::now() - TimeDelta::days(3));
    let ran = holds(&world, "not_attributable");
    let why = ran.text("/attribution/why");
    assert!(why.contains("after") && why.contains("2 d 23 h"), "{why}");
}

#[test]
fn half_of_the_requests_of_a_quiet_night_are_little_of_the_budget() {
    let world = World::of("seasonal");
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("none", "healthy");
    // Counted in events; the mean of five-minute ratios would say 138.8 %.
    let consumed = number(&ran, "/budget/consumed");
    assert!((0.0265..0.0285).contains(&consumed), "{consumed}");
}

#[test]
fn eight_days_of_data_are_shown_and_can_only_warn() {
    let world = World::of("eight-days");
    // The level alone would do, if it were believed.
    let program = world.program().env("REQUIRE_ACTIVE_BURN", "false");
    let ran = world.nothing_changed_but_the_lock_by(&program);
    let ran = ran.exits(0).decides("hold", "not_burning");
    assert_eq!(ran.text("/budget/level"), "critical");
    let coverage = number(&ran, "/budget/coverage");
    assert!((0.25..0.28).contains(&coverage), "{coverage}");
    world.runs(&["check"]).exits(1);
}

#[test]
fn old_pods_that_do_not_fail_beside_the_new_ones_are_the_strongest_evidence() {
    let world = World::of("bad-rollout");
    let v2 = world.release("v2", shared_month().deployed_at());
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &v2);
    let why = ran.text("/attribution/why");
    assert!(why.contains("side by side, old pods fail 0.0"), "{why}");
}

#[test]
fn old_pods_that_fail_like_the_new_ones_acquit_the_release() {
    let world = World::of("bad-dependency");
    world.release("v2", shared_month().deployed_at());
    let ran = holds(&world, "not_attributable");
    let why = ran.text("/attribution/why");
    assert!(why.contains("what it replaces fails alike"), "{why}");
}

#[test]
fn a_revision_that_was_not_healthy_while_it_was_live_is_passed_over() {
    let world = World::of("relapse");
    let now = shared_month().now;
    let v2 = world.release("v2", now - TimeDelta::hours(3));
    let v3 = world.release("v3", shared_month().deployed_at());
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v3, &world.v1, &v3);
    let target = gate(&ran, "target");
    let passed_over = format!("{} was not healthy", &v2[..10]);
    assert!(target.contains(&passed_over), "{target}");
}

#[test]
fn a_revision_that_was_live_for_too_short_a_time_is_passed_over() {
    let world = World::of("relapse");
    let month = shared_month();
    world.release("v2", month.now - TimeDelta::hours(3));
    let v3 = world.release("v3", month.now - TimeDelta::hours(2));
    let v4 = world.release("v4", month.deployed_at() - TimeDelta::minutes(3));
    let v5 = world.release("v5", month.deployed_at());
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v5, &v3, &v5);
    let target = gate(&ran, "target");
    let passed_over = format!("{} was live for less than 30 min", &v4[..10]);
    assert!(target.contains(&passed_over), "{target}");
}

#[test]
fn what_a_person_has_put_back_is_not_put_back_further() {
    let world = World::of("bad-release");
    let deployed_at = shared_month().deployed_at();
    world.release("v2", deployed_at);
    let again = deployed_at + TimeDelta::minutes(15);
    world.team.release("bad-release", "v1", 0.0, again);
    holds(&world, "is_a_rollback");
}

#[test]
fn a_deployment_that_may_be_the_cure_gets_time_to_show_it() {
    let world = World::of("bad-release");
    world.release("v2", shared_month().deployed_at());
    world.release("v3", Utc::now() - TimeDelta::minutes(2));
    holds(&world, "deployment_in_progress");
}

#[track_caller]
fn holds(world: &World, reason: &str) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    ran.exits(0).decides("hold", reason).complains_of_nothing()
}

fn gate(ran: &Ran, name: &str) -> String {
    let gates = ran.record["decision"]["gates"].as_array();
    let is_it = |gate: &&serde_json::Value| gate["gate"] == name;
    let gate = gates.and_then(|gates| gates.iter().find(is_it));
    gate.and_then(|gate| gate["detail"].as_str())
        .unwrap_or_default()
        .to_owned()
}

fn number(ran: &Ran, pointer: &str) -> f64 {
    let value = ran.record.pointer(pointer);
    value
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(f64::NAN)
}
