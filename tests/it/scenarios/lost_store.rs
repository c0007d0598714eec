//! A back end that lost a part of what it held, and answers without it as if nothing were missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use testkit::prometheus::{Backfill, History, Month, Prometheus, ServiceLabels, Traffic};

use super::program::{Program, Ran};
use super::world::World;

const SERVICE: &str = "sharded";

/// One pod of the service, healthy until `until`.
fn pod(name: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> History {
    History::new(ServiceLabels::new(Month::NAMESPACE, SERVICE))
        .label("pod", name)
        .segment(now - TimeDelta::days(2), until, Traffic::healthy(20.0))
}

fn prometheus(now: DateTime<Utc>, pods: impl IntoIterator<Item = History>) -> Prometheus {
    Prometheus::start(&pods.into_iter().fold(Backfill::new(now), Backfill::service))
}

fn program(world: &World) -> Program {
    world.program().env("SLO_WINDOW", "1d")
}

fn is_healthy(ran: Ran) {
    ran.exits(0).decides("none", "healthy");
}

#[test]
fn a_store_that_died_is_not_health() {
    let now = Utc::now();
    let end = now + TimeDelta::hours(1);
    let whole = prometheus(now, ["a", "b"].map(|name| pod(name, now, end)));
    let left = prometheus(now, [pod("a", now, end)]);
    let is_lost = Arc::new(AtomicBool::new(false));
    let querier = whole.until_lost(&left, &is_lost);
    let world = World::at(&querier.url(), SERVICE);
    is_healthy(world.nothing_changed_but_the_lock_by(&program(&world)));

    is_lost.store(true, Ordering::SeqCst);
    let words = ["of 4 series that counted events", "--endpoint-strict"];
    for _ in 0..2 {
        let ran = world.nothing_changed_but_the_lock_by(&program(&world));
        let ran = ran.exits(0).decides("hold", "unknown_data");
        assert_eq!(ran.record["verdict"], "unknown", "{ran}");
        let detail = ran.text("/decision/detail");
        for word in words {
            assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
        }
    }
    let check = program(&world).arguments(&["check"]);
    world.nothing_changed_by(&check).exits(4);

    is_lost.store(false, Ordering::SeqCst);
    is_healthy(world.nothing_changed_but_the_lock_by(&program(&world)));
}

#[test]
fn more_than_was_known_is_no_loss() {
    let now = Utc::now();
    let end = now + TimeDelta::hours(1);
    // A pod that ended half an hour ago counts nothing now.
    let ended = pod("b", now, now - TimeDelta::minutes(30));
    let some = prometheus(now, [pod("a", now, end), ended]);
    let all = prometheus(now, ["a", "b"].map(|name| pod(name, now, end)));
    let is_all = Arc::new(AtomicBool::new(false));
    let querier = some.until_lost(&all, &is_all);
    let world = World::at(&querier.url(), SERVICE);
    for all in [false, false, true, true] {
        is_all.store(all, Ordering::SeqCst);
        is_healthy(world.nothing_changed_but_the_lock_by(&program(&world)));
    }
}

#[test]
fn a_server_that_began_anew_lost_everything_and_is_believed_from_then_on() {
    let now = Utc::now();
    let end = now + TimeDelta::hours(1);
    let old = prometheus(now, [pod("a", now - TimeDelta::minutes(1), end)]);
    let anew = Prometheus::start_empty();
    let is_anew = Arc::new(AtomicBool::new(false));
    let server = old.until_lost(&anew, &is_anew);
    let world = World::at(&server.url(), SERVICE);
    is_healthy(world.nothing_changed_but_the_lock_by(&program(&world)));
    is_anew.store(true, Ordering::SeqCst);
    let ran = world.nothing_changed_but_the_lock_by(&program(&world));
    let ran = ran.exits(0).decides("hold", "unknown_data");
    // Nothing is there at all, which is told as what it is.
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("no series matches"), "{detail}");
}

#[test]
fn what_is_left_after_a_store_died_does_not_prove_that_the_burn_stopped() {
    let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("a time");
    let effect = now - TimeDelta::minutes(10);
    let deployed = effect - TimeDelta::minutes(20);
    // The rollback reached the pod of one store, and not that of the other.
    let pod = |name: &str, since: f64| {
        let healthy = Traffic::healthy(20.0);
        History::new(ServiceLabels::new(Month::NAMESPACE, SERVICE))
            .label("pod", name)
            .segment(now - TimeDelta::hours(8), deployed, healthy)
            .segment(deployed, effect, healthy.errors(0.2))
            .segment(effect, now + TimeDelta::hours(1), healthy.errors(since))
    };
    let whole = prometheus(now, [pod("a", 0.0), pod("b", 0.4)]);
    let left = prometheus(now, [pod("a", 0.0)]);
    let is_lost = Arc::new(AtomicBool::new(false));
    let querier = whole.until_lost(&left, &is_lost);
    let world = World::at(&querier.url(), SERVICE);
    world.release("v2", deployed);
    let begun = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    begun.has_outcome("verifying");
    let mut rollback = world.in_flight().expect("a rollback is in flight");
    rollback.begun_at = effect;
    rollback.effective_at = Some(effect);
    world.remembers(&[rollback]);

    is_lost.store(true, Ordering::SeqCst);
    let next = || world.program().env("STABILIZATION", "2m").run();
    let ran = next().exits(0).has_outcome("verifying");
    let said = ran.record["rollback"]["steps"].to_string();
    for words in ["0 bad of", "proves nothing", "--endpoint-strict"] {
        assert!(said.contains(words), "{words:?} is missing in {ran}");
    }

    is_lost.store(false, Ordering::SeqCst);
    next().exits(0).has_outcome("verifying");
}
