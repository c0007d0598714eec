//! A rollback that makes it worse: what was put back does not fit what changed since.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::back_end::Running;
use testkit::prometheus::{Backfill, History, Month, Recording, ServiceLabels, Traffic};

use super::program::Ran;
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// Services of whose requests 20 % failed until a rollback ten minutes ago, and from which minute after it on which
/// share fails.
const SERVICES: [(&str, &[(i64, f64)]); 3] = [
    ("migrated", &[(0, 0.95)]),
    ("as-before", &[(0, 0.2)]),
    ("restarting", &[(0, 1.0), (4, 0.2)]),
];

/// When the rollbacks took effect.
fn effect() -> DateTime<Utc> {
    static EFFECT: OnceLock<DateTime<Utc>> = OnceLock::new();
    *EFFECT.get_or_init(|| {
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("a time");
        now - TimeDelta::minutes(10)
    })
}

/// When what was rolled back was deployed.
fn deployed() -> DateTime<Utc> {
    effect() - TimeDelta::minutes(20)
}

fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let at = |minute: i64| effect() + TimeDelta::minutes(minute);
        let traffic = Traffic::healthy(20.0);
        let histories = SERVICES.map(|(service, since)| {
            let mut history = History::new(ServiceLabels::new(Month::NAMESPACE, service))
                .segment(at(-8 * 60), deployed(), traffic)
                .segment(deployed(), effect(), traffic.errors(0.2));
            for (index, (minute, errors)) in since.iter().enumerate() {
                let next = since
                    .get(index + 1)
                    .map_or(Month::FUTURE_MINUTES, |(next, _)| *next);
                history = history.segment(at(*minute), at(next), traffic.errors(*errors));
            }
            history
        });
        let backfill = histories.into_iter();
        Recording::of(&backfill.fold(Backfill::new(at(10)), Backfill::service))
    })
}

static SERVERS: Servers = Servers::of(recording);

on_every_server! {
    SERVERS;
    a_rollback_that_makes_it_worse_is_told_at_once_and_is_no_target_again;
    what_goes_on_as_before_or_was_a_blip_after_the_switch_is_not_worse;
}

/// A rollback of a service ten minutes ago: that of the real program, moved back in time.
fn ten_minutes_after(server: &Running, service: &str) -> (World, String) {
    let world = World::at(&server.url(), service);
    let v2 = world.release("v2", deployed());
    let begun = world.runs(&["rollback", "gitops"]).exits(0);
    begun.has_outcome("verifying");
    let mut rollback = world.in_flight().expect("a rollback is in flight");
    rollback.begun_at = effect();
    rollback.effective_at = Some(effect());
    world.remembers(&[rollback]);
    (world, v2)
}

fn next_run(world: &World) -> Ran {
    world.program().env("STABILIZATION", "2m").run()
}

fn a_rollback_that_makes_it_worse_is_told_at_once_and_is_no_target_again(server: &Running) {
    let (world, v2) = ten_minutes_after(server, "migrated");
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

fn what_goes_on_as_before_or_was_a_blip_after_the_switch_is_not_worse(server: &Running) {
    for service in ["as-before", "restarting"] {
        let (world, _) = ten_minutes_after(server, service);
        let ran = next_run(&world).exits(0).has_outcome("verifying");
        assert!(ran.record["rollback"]["worse"].is_null(), "{ran}");
    }
}
