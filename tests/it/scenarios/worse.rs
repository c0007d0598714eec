//! A rollback that makes it worse: what was put back does not fit what changed since.

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::prometheus::{Backfill, History, Month, Prometheus, ServiceLabels, Traffic};

use super::program::Ran;
use super::world::World;

const SERVICE: &str = "migrated";

/// A rollback ten minutes ago of a release that failed for 20 % of its requests: `since` tells from which minute after it on
/// which share fails.
fn ten_minutes_after(since: &[(i64, f64)]) -> (World, Prometheus, String) {
    let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("a time");
    let effect = now - TimeDelta::minutes(10);
    let deployed = effect - TimeDelta::minutes(20);
    let traffic = Traffic::healthy(20.0);
    let mut history = History::new(ServiceLabels::new(Month::NAMESPACE, SERVICE))
        .segment(now - TimeDelta::hours(8), deployed, traffic)
        .segment(deployed, effect, traffic.errors(0.2));
    for (index, (minute, errors)) in since.iter().enumerate() {
        let next = since
            .get(index + 1)
            .map_or(Month::FUTURE_MINUTES, |(next, _)| *next);
        let at = |minute: i64| effect + TimeDelta::minutes(minute);
        history = history.segment(at(*minute), at(next), traffic.errors(*errors));
    }
    let prometheus = Prometheus::start(&Backfill::new(now).service(history));
    let world = World::at(&prometheus.url(), SERVICE);
    let v2 = world.release("v2", deployed);
    // The rollback of the real program, moved back in time.
    let begun = world.runs(&["rollback", "gitops"]).exits(0);
    begun.has_outcome("verifying");
    let mut rollback = world.in_flight().expect("a rollback is in flight");
    rollback.begun_at = effect;
    rollback.effective_at = Some(effect);
    world.remembers(&[rollback]);
    (world, prometheus, v2)
}

fn next_run(world: &World) -> Ran {
    world.program().env("STABILIZATION", "2m").run()
}

#[test]
fn a_rollback_that_makes_it_worse_is_told_at_once_and_is_no_target_again() {
    let (world, _prometheus, v2) = ten_minutes_after(&[(0, 0.95)]);
    let ran = next_run(&world).exits(1).has_outcome("ineffective");
    assert_eq!(ran.record["rollback"]["worse"], true, "{ran}");
    let ran = ran.complains_of(&["made it worse", "events since", "before"]);
    let rollback = &world.remembered()[0];
    assert!(
        rollback.worse && rollback.phase == Phase::Ineffective,
        "{ran}"
    );

    // The breaker is open, for a person too.
    let program = world
        .program()
        .env("COOLDOWN", "0s")
        .env("MAX_ROLLBACKS_PER_HOUR", "9");
    let held = world.nothing_changed_but_the_lock_by(&program.clone());
    let held = held.exits(0).decides("hold", "breaker_open");
    let target = held.gate("target").to_string();
    assert!(!target.contains("goes back"), "{target}");
    let person = program.arguments(&["rollback", "gitops", "--to", &v2]);
    world
        .nothing_changed_but_the_lock_by(&person)
        .exits(1)
        .decides("hold", "breaker_open");
}

#[test]
fn what_goes_on_as_before_or_was_a_blip_after_the_switch_is_not_worse() {
    let restart: &[(i64, f64)] = &[(0, 1.0), (4, 0.2)];
    for since in [&[(0, 0.2)], restart] {
        let (world, _prometheus, _) = ten_minutes_after(since);
        let ran = next_run(&world).exits(0).has_outcome("verifying");
        assert!(ran.record["rollback"]["worse"].is_null(), "{ran}");
    }
}
