//! Nothing is measured, and the program says why: gone, old, never there, or not labelled.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use testkit::prometheus::{Backfill, History, Layout, Prometheus, ServiceLabels, Traffic};

use super::program::{Program, Ran};
use super::world::World;

const SERVICE: &str = "checkout";

/// Starts a Prometheus in which the pods of the service counted requests until a time.
fn counted_until(now: DateTime<Utc>, end: DateTime<Utc>) -> Prometheus {
    let labels = ServiceLabels::new("shop", SERVICE);
    let pod = |name: &str| {
        History::new(labels.clone())
            .label("pod", name)
            .label("instance", &format!("{name}:8080"))
            .segment(now - TimeDelta::hours(3), end, Traffic::healthy(10.0))
    };
    let backfill = Backfill::new(now)
        .service(pod("checkout-5d9f7c6b8-x2x4z"))
        .service(pod("checkout-5d9f7c6b8-bbbbb"));
    Prometheus::start(&backfill)
}

/// The program with a window that the history fills.
pub(super) fn program(world: &World) -> Program {
    world.program().env("SLO_WINDOW", "2h")
}

#[track_caller]
fn unknown(world: &World, words: &[&str]) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(&program(world));
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
    assert!(!detail.contains("carries the label"), "{detail}");
    ran
}

#[test]
fn series_that_have_ended_are_gone_and_their_budget_is_still_known() {
    let now = Utc::now();
    for (minutes, words) in [
        (
            20,
            ["series of the service have ended", "whether its pods run"],
        ),
        (90, ["at least 3600 s old", "whether its pods run"]),
    ] {
        let prometheus = counted_until(now, now - TimeDelta::minutes(minutes));
        let world = World::at(&prometheus.url(), SERVICE);
        let ran = unknown(&world, &words);
        assert!(ran.record["budget"]["consumed"].is_number(), "{ran}");
        assert_eq!(ran.record["burn_rates"]["5m"], Value::Null, "{ran}");
        assert!(!ran.text("/decision/detail").contains("no series"), "{ran}");
        for violation in ran.record["violations"].as_array().into_iter().flatten() {
            assert_eq!(violation["state"], "unknown", "{ran}");
        }
    }
}

#[test]
fn a_service_that_never_was_there_is_a_wrong_name() {
    let now = Utc::now();
    let prometheus = counted_until(now, now);
    let world = World::at(&prometheus.url(), "chekout");
    unknown(
        &world,
        &["no series matches the service", "check SERVICE_NAME"],
    );
}

#[test]
fn series_without_an_outcome_are_said_to_lack_it() {
    let now = Utc::now();
    let layout = Layout {
        good: r#"method="GET""#.to_owned(),
        bad: r#"method="POST""#.to_owned(),
        ..Layout::http(&ServiceLabels::new("shop", SERVICE))
    };
    let (begin, end) = (now - TimeDelta::hours(3), now + TimeDelta::hours(1));
    let history = History::laid_out(layout).segment(begin, end, Traffic::healthy(20.0));
    let prometheus = Prometheus::start(&Backfill::new(now).service(history));
    let world = World::at(&prometheus.url(), SERVICE);
    let metrics = world.folder().join("error-budget.prom");
    let told = program(&world).env_path("METRICS_TEXTFILE", &metrics);
    let ran = world.nothing_changed_but_the_lock_by(&told);
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("carries the label status"), "{detail}");
    let metrics = std::fs::read_to_string(&metrics).expect("the metrics were written");
    assert!(metrics.contains("verdict=\"unknown\"} 1"), "{metrics}");
    assert!(!metrics.contains("error_budget_slo_violated{"), "{metrics}");
    // What was counted without knowing how it ended is not availability.
    for violation in ran.record["violations"].as_array().into_iter().flatten() {
        assert_ne!(violation["state"], "ok", "{ran}");
    }
}
