//! A back end that lost a part of what it held, and answers without it as if nothing were missing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::Journal;
use serde_json::{Value, json};
use testkit::back_end::Running;
use testkit::prometheus::{
    Answer, Backfill, History, Month, Prometheus, Recording, ServiceLabels, Traffic,
};
use testkit::thanos::{Shard, Thanos, Treatment};

use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

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

fn now() -> DateTime<Utc> {
    static NOW: OnceLock<DateTime<Utc>> = OnceLock::new();
    *NOW.get_or_init(Utc::now)
}

/// Both pods of the service.
fn whole() -> &'static Recording {
    static WHOLE: OnceLock<Recording> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let end = now() + TimeDelta::hours(1);
        let pods = ["a", "b"].map(|name| pod(name, now(), end)).into_iter();
        Recording::of(&pods.fold(Backfill::new(now()), Backfill::service))
    })
}

/// One of them, and what is left of another that ended half an hour ago and counts nothing now.
fn left() -> &'static Recording {
    static LEFT: OnceLock<Recording> = OnceLock::new();
    LEFT.get_or_init(|| {
        let end = now() + TimeDelta::hours(1);
        let ended = pod("b", now(), now() - TimeDelta::minutes(30));
        let backfill = Backfill::new(now()).service(pod("a", now(), end));
        Recording::of(&backfill.service(ended))
    })
}

static WHOLE: Servers = Servers::of(whole);
static LEFT: Servers = Servers::of(left);

on_every_server! {
    WHOLE;
    a_store_that_died_is_not_health;
    more_than_was_known_is_no_loss;
}

fn a_store_that_died_is_not_health(whole: &Running) {
    let left = LEFT.get(whole.back_end()).expect("it was there before");
    let is_lost = Arc::new(AtomicBool::new(false));
    let querier = whole.api().until_lost(left.api(), &is_lost);
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

    // After a day what is left is all there is.
    for (hours, is_held) in [(23, true), (25, false)] {
        let mut journal = Journal::open(&world.state_file()).expect("a usable state");
        let old = journal.tell(&world.key(), |state| {
            let seen = state.series_seen.as_mut().expect("what was seen");
            seen.at = Utc::now() - TimeDelta::hours(hours);
            seen.series = 5;
        });
        old.expect("a writable state");
        drop(journal);
        let ran = program(&world).arguments(&["--dry-run"]).run();
        assert_eq!(
            ran.record["verdict"] == "unknown",
            is_held,
            "{hours}: {ran}"
        );
    }

    is_lost.store(false, Ordering::SeqCst);
    is_healthy(world.nothing_changed_but_the_lock_by(&program(&world)));
    // Another server holds what it holds.
    let other = program(&world).env("PROMETHEUS_URL", &left.url());
    is_healthy(other.arguments(&["--dry-run"]).run());
}

#[test]
fn a_store_of_a_real_thanos_that_died_is_not_health_and_one_of_a_pair_is_no_loss() {
    let now = Utc::now();
    let end = now + TimeDelta::hours(1);
    let [eu, us] = ["a", "b"].map(|name| {
        let pod = pod(name, now, end);
        Recording::of(&Backfill::new(now).service(pod))
    });
    let shard = |labels, recording| Shard {
        labels,
        recording,
        flags: &[],
    };
    let shards = [
        shard(&[("cluster", "eu"), ("replica", "a")], &eu),
        shard(&[("cluster", "eu"), ("replica", "b")], &eu),
        shard(&[("cluster", "us"), ("replica", "a")], &us),
    ];
    let Some(mut thanos) = Thanos::start_shards(&shards) else {
        return;
    };
    let strict = thanos.another(Treatment {
        is_strict: true,
        ..Treatment::USUAL
    });
    // One service over two clusters, as the operator says.
    let selector = format!(
        r#"namespace="{}",service="{SERVICE}",cluster=~"eu|us""#,
        Month::NAMESPACE
    );
    let program = |world: &World, command: &[&str]| {
        let program = program(world).env("SLI_SELECTOR", &selector);
        program.arguments(command)
    };
    let world = World::at(&thanos.querier().url(), SERVICE);
    let whole = World::at(&strict.url(), SERVICE);
    is_healthy(world.nothing_changed_but_the_lock_by(&program(&world, &[])));
    is_healthy(whole.nothing_changed_but_the_lock_by(&program(&whole, &[])));
    let doctor = |world: &World| world.nothing_changed_by(&program(world, &["doctor"]));
    doctor(&world).finds(
        "prometheus stores",
        "warning",
        &["3 answer", "--endpoint-strict"],
    );
    doctor(&whole).finds("prometheus stores", "ok", &["3 answer"]);

    thanos.kill_store(1);
    thanos.querier().wait_for_stores(2);
    is_healthy(world.nothing_changed_but_the_lock_by(&program(&world, &[])));

    thanos.kill_store(2);
    thanos.querier().wait_for_stores(1);
    for _ in 0..2 {
        let ran = world.nothing_changed_but_the_lock_by(&program(&world, &[]));
        let ran = ran.exits(0).decides("hold", "unknown_data");
        assert_eq!(ran.record["verdict"], "unknown", "{ran}");
        let detail = ran.text("/decision/detail");
        let words = "of 4 series that counted events";
        assert!(detail.contains(words), "{detail}");
    }
    let check = program(&world, &["check"]);
    world.nothing_changed_by(&check).exits(4);
    let silent = ["not all of them answer", "connection refused", "bring"];
    doctor(&world).finds("prometheus stores", "warning", &silent);

    // The strict one says itself that it is not whole.
    let ran = whole.nothing_changed_but_the_lock_by(&program(&whole, &[]));
    let ran = ran.exits(69).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    for word in ["not executed", "fetch series", "connection refused"] {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
    let check = program(&whole, &["check"]);
    whole.nothing_changed_by(&check).exits(69);
    doctor(&whole)
        .exits(2)
        .finds("prometheus", "problem", &["connection refused"])
        .finds("prometheus stores", "warning", &silent);
}

fn more_than_was_known_is_no_loss(all: &Running) {
    let some = LEFT.get(all.back_end()).expect("it was there before");
    let is_all = Arc::new(AtomicBool::new(false));
    let querier = some.api().until_lost(all.api(), &is_all);
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
    let server = old.api().until_lost(anew.api(), &is_anew);
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
    let querier = whole.api().until_lost(left.api(), &is_lost);
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

#[test]
fn an_answer_that_cannot_be_believed_does_not_prove_that_the_burn_stopped() {
    let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("a time");
    let effect = now - TimeDelta::minutes(10);
    let deployed = effect - TimeDelta::minutes(20);
    let released = |since: f64| {
        let healthy = Traffic::healthy(20.0);
        let history = History::new(ServiceLabels::new(Month::NAMESPACE, SERVICE))
            .segment(now - TimeDelta::hours(8), deployed, healthy)
            .segment(deployed, effect, healthy.errors(0.2))
            .segment(effect, now + TimeDelta::hours(1), healthy.errors(since));
        prometheus(now, [history])
    };
    let (burning, recovered) = (released(0.2), released(0.0));
    // What is wrong with the counts of now; the slices are always whole.
    let fault = Arc::new(AtomicUsize::new(0));
    let doubted = Arc::clone(&fault);
    let edited = recovered.edited(move |question, answer| {
        if !question.query.contains("\"m5_total\"") {
            return;
        }
        match doubted.load(Ordering::SeqCst) {
            1 => answer.body["warnings"] = json!(["store-7 did not answer"]),
            2 => *answer = Answer::error(422, "execution", "too many samples"),
            3 => {
                let series = answer.series();
                let of = |kind: &Value| kind["metric"].to_string().contains("\"kinds\"");
                let kind = series.iter().find(|kind| of(kind)).cloned();
                let mut kind = kind.expect("a kind of series");
                kind["metric"]["cluster"] = json!("us");
                series.push(kind);
            }
            _ => {}
        }
    });
    let world = World::at(&burning.url(), SERVICE);
    world.release("v2", deployed);
    let begun = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    begun.has_outcome("verifying");
    let mut rollback = world.in_flight().expect("a rollback is in flight");
    rollback.begun_at = effect;
    rollback.effective_at = Some(effect);
    world.remembers(&[rollback]);

    let program = world.program().env("PROMETHEUS_URL", &edited.url());
    let program = program.env("STABILIZATION", "2m");
    let next = || program.run().exits(0);
    for (number, words) in [
        (1, "store-7 did not answer"),
        (2, "too many samples"),
        (3, "differ in cluster"),
    ] {
        fault.store(number, Ordering::SeqCst);
        let ran = next().has_outcome("verifying");
        let said = ran.record["rollback"]["steps"].to_string();
        for words in ["0 bad of", "proves nothing", words] {
            assert!(said.contains(words), "{words:?} is missing in {ran}");
        }
    }
    fault.store(0, Ordering::SeqCst);
    next().has_outcome("recovered");
}
