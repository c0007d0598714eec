//! A bad release burns, and something stands in the way. Each time: the reason, exit code 0, nothing changed.

use chrono::{Datelike, TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::deployment;
use testkit::prometheus::shared_month;

use super::memory::past;
use super::program::{Program, Ran};
use super::world::World;

#[test]
fn rollbacks_that_are_switched_off_are_decided_and_not_done() {
    let (world, _) = World::with_a_bad_release();
    let off = [
        world.program().without("ROLLBACK_ENABLED"),
        world.program().env("ROLLBACK_ENABLED", "false"),
    ];
    for program in off {
        held(&world, &program, "disabled").fails_only(&["enabled"]);
    }
}

#[test]
fn a_level_that_is_switched_off_rolls_nothing_back() {
    let (world, _) = World::with_a_bad_release();
    let program = world.program().env("AUTO_ROLLBACK_CRITICAL", "false");
    held(&world, &program, "disabled").fails_only(&["severity"]);
}

#[test]
fn a_burn_that_breaks_no_slo_and_costs_little_only_warns() {
    let (world, _) = World::with_a_bad_release();
    let program = world
        .program()
        .env("MAX_ERROR_RATE", "0.5")
        .env("MIN_AVAILABILITY", "0.5");
    let ran = held(&world, &program, "warning_level");
    assert_eq!(ran.record["verdict"], "burning", "{ran}");
}

#[test]
fn a_blackout_holds_and_another_day_does_not() {
    let (world, _) = World::with_a_bad_release();
    let always = world
        .program()
        .env("BLACKOUT_WINDOWS", "* 00:00-24:00 UTC")
        .env("EMERGENCY_OVERRIDES_BLACKOUT", "true");
    held(&world, &always, "blackout").fails_only(&["limits"]);

    let emergency = always
        .env("BUDGET_WARNING", "0.05")
        .env("BUDGET_CRITICAL", "0.1")
        .env("BUDGET_EMERGENCY", "0.2");
    let dry_run = emergency.clone().arguments(&["--dry-run"]);
    let ran = world.nothing_changed_by(&dry_run).exits(0);
    ran.decides("rollback", "trigger");
    let program = emergency.without("EMERGENCY_OVERRIDES_BLACKOUT");
    held(&world, &program, "blackout").fails_only(&["limits"]);

    let in_three_days = (Utc::now() + TimeDelta::days(3)).weekday();
    let window = format!("{in_three_days} 00:00-24:00 UTC");
    let program = world.program().env("BLACKOUT_WINDOWS", &window);
    program.run().exits(0).decides("rollback", "trigger");
}

#[test]
fn a_rollback_that_helped_half_an_hour_ago_makes_the_next_one_wait() {
    let (world, _) = World::with_a_bad_release();
    world.remembers(&[past("first", TimeDelta::minutes(30), Phase::Recovered)]);
    let ran = held(&world, &world.program(), "cooldown").fails_only(&["limits"]);
    assert!(ran.text("/decision/detail").contains("first"), "{ran}");

    let program = world.program().env("COOLDOWN", "0s");
    held(&world, &program, "hourly_limit").fails_only(&["limits"]);

    let program = program.env("MAX_ROLLBACKS_PER_HOUR", "2");
    program.run().exits(0).decides("rollback", "trigger");
}

#[test]
fn three_rollbacks_a_day_are_enough() {
    let (world, _) = World::with_a_bad_release();
    world.remembers(&[
        past("first", TimeDelta::hours(23), Phase::Recovered),
        past("second", TimeDelta::hours(5), Phase::Recovered),
        past("third", TimeDelta::hours(2), Phase::Recovered),
    ]);
    held(&world, &world.program(), "daily_limit").fails_only(&["limits"]);

    let program = world.program().env("MAX_ROLLBACKS_PER_DAY", "4");
    program.run().exits(0).decides("rollback", "trigger");
}

#[test]
fn a_rollback_of_yesterday_counts_for_no_limit() {
    let (world, _) = World::with_a_bad_release();
    world.remembers(&[past("first", TimeDelta::hours(25), Phase::Recovered)]);
    let program = world.program().env("MAX_ROLLBACKS_PER_DAY", "1");
    program.run().exits(0).decides("rollback", "trigger");
}

#[test]
fn a_rollback_that_did_not_help_keeps_the_breaker_open() {
    let (world, _) = World::with_a_bad_release();
    for phase in [Phase::Ineffective, Phase::Failed] {
        world.remembers(&[past("first", TimeDelta::minutes(10), phase)]);
        let program = world
            .program()
            .env("COOLDOWN", "0s")
            .env("MAX_ROLLBACKS_PER_HOUR", "9");
        held(&world, &program, "breaker_open").fails_only(&["not_a_loop"]);
    }
}

#[test]
fn a_deployment_of_this_morning_is_not_blamed_for_what_began_now() {
    let world = World::of("bad-release");
    world.release("v2", Utc::now() - TimeDelta::hours(3));
    held(&world, &world.program(), "not_attributable").fails_only(&["attribution"]);
}

#[test]
fn a_service_that_is_new_has_nothing_to_go_back_to() {
    let world = World::of("bad-release");
    let manifest = deployment("bad-release", "v1", 0.2);
    let deployed_at = shared_month().deployed_at();
    world.repo().commit(
        "new: release v1",
        deployed_at,
        &[("apps/new/deployment.yaml", Some(&manifest))],
    );
    let program = world.program().env("GITOPS_PATH", "apps/new");
    held(&world, &program, "no_target");
}

#[test]
fn a_revision_that_was_rolled_back_is_never_restored() {
    let world = World::of("bad-release");
    let deployed_at = shared_month().deployed_at();
    let v2 = world.release("v2", deployed_at - TimeDelta::hours(30));
    let v3 = world.release("v3", deployed_at);
    let mut earlier = past("first", TimeDelta::hours(29), Phase::Recovered);
    earlier.from = v2;
    earlier.to = world.v1.clone();
    world.remembers(&[earlier]);

    let program = world.program().env("MAX_REVISIONS_BACK", "1");
    held(&world, &program, "too_many_revisions");

    let tip = world.repo().tip();
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v3, &world.v1, &tip);
}

#[test]
fn a_rollback_is_not_rolled_back_even_when_the_memory_is_gone() {
    let (world, _) = World::with_a_bad_release();
    let first = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let id = first.text("/rollback/id");
    // With every other guard out of the way.
    let unguarded = world
        .program()
        .env("COOLDOWN", "0s")
        .env("MAX_ROLLBACKS_PER_HOUR", "9")
        .env("REQUIRE_ATTRIBUTION", "false")
        .env("VERIFY_DEADLINE", "0s");
    world.forgets();
    unguarded.run().exits(0);
    for program in [unguarded.clone().without("REQUIRE_ATTRIBUTION"), unguarded] {
        let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
        assert_eq!(ran.record["decision"]["action"], "hold", "{ran}");
        let gate = ran.gate("not_a_loop");
        assert_eq!(gate["state"], "fail", "{ran}");
        let detail = gate["detail"].as_str();
        assert!(detail.is_some_and(|detail| detail.contains(&id)), "{ran}");
    }
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn without_a_repository_no_deployment_is_known() {
    let (world, _) = World::with_a_bad_release();
    let program = world
        .program()
        .without("GITOPS_REPO")
        .without("GITOPS_TOKEN")
        .without("GITOPS_PATH");
    let ran = held(&world, &program, "not_attributable");
    assert!(
        ran.text("/decision/detail").contains("GITOPS_REPO"),
        "{ran}"
    );
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[test]
fn a_trickle_of_requests_proves_nothing() {
    let world = World::of("trickle");
    world.release("v2", shared_month().deployed_at());
    let program = world
        .program()
        .env("BUDGET_WARNING", "0.05")
        .env("BUDGET_CRITICAL", "0.1")
        .env("BUDGET_EMERGENCY", "0.2");
    let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
    assert_eq!(ran.record["decision"]["action"], "hold", "{ran}");
    // Of so few requests it depends on the moment whether enough slices hold any.
    let reason = ran.text("/decision/reason");
    assert!(
        ["insufficient_traffic", "unknown_data"].contains(&&*reason),
        "{ran}"
    );
    assert_eq!(ran.gate("significance")["state"], "fail", "{ran}");
}

#[test]
fn a_service_that_nobody_asks_or_that_went_silent_is_unknown() {
    for service in ["idle", "stale"] {
        let world = World::of(service);
        world.release("v2", shared_month().deployed_at());
        let ran = held(&world, &world.program(), "unknown_data");
        assert_eq!(ran.gate("data")["state"], "fail", "{ran}");
        for window in ["/burn_rates/5m", "/burn_rates/1h"] {
            let rate = ran.record.pointer(window);
            assert!(rate.is_some_and(serde_json::Value::is_null), "{ran}");
        }
        assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
    }
}

/// Checks that a run holds for a reason and leaves no trace.
#[track_caller]
fn held(world: &World, program: &Program, reason: &str) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(program);
    ran.exits(0).decides("hold", reason).complains_of_nothing()
}
