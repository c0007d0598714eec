//! Where the events are counted, as the environment says it.

use std::sync::OnceLock;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use testkit::back_end::Running;
use testkit::prometheus::{Backfill, History, Month, Recording, ServiceLabels, Traffic};

use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// Two releases of half an hour ago, of which one fails and one is slow.
fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let now = Utc::now();
        let onset = now - TimeDelta::minutes(30);
        let healthy = Traffic::healthy(20.0);
        let release = |service, after| {
            History::new(ServiceLabels::new(Month::NAMESPACE, service))
                .segment(now - TimeDelta::hours(7), onset, healthy)
                .segment(onset, now + TimeDelta::hours(1), after)
        };
        let backfill = Backfill::new(now)
            .service(release("bad-release", healthy.errors(0.2)))
            .service(release("slow-release", healthy.slow(0.3)));
        Recording::of(&backfill)
    })
}

static SERVERS: Servers = Servers::of(recording);

on_every_server! {
    SERVERS;
    own_queries_measure_what_the_family_measures;
    a_selector_finds_a_service_that_its_labels_name_otherwise;
    a_family_without_series_is_unknown_and_never_healthy;
    native_histograms_that_are_not_there_leave_latency_unknown;
}

/// Runs a dry run.
fn dry(world: &World, program: &Program) -> Ran {
    let program = program.clone().arguments(&["run", "--dry-run"]);
    world.nothing_changed_by(&program).exits(0)
}

/// Returns the burn rate of the last hour.
#[track_caller]
fn burn_rate(ran: &Ran) -> f64 {
    let rate = ran.record.pointer("/burn_rates/1h").and_then(Value::as_f64);
    rate.unwrap_or_else(|| panic!("no hour was measured\n{ran}"))
}

/// Two programs that count the same see almost the same, each at its own moment.
#[track_caller]
fn measure_alike(world: &World, one: &Program, other: &Program) {
    let (one, other) = (dry(world, one), dry(world, other));
    let (rate, same) = (burn_rate(&one), burn_rate(&other));
    assert!(rate > 14.4, "{one}");
    assert!((rate - same).abs() < 0.1 * rate, "{one}{other}");
}

fn state<'a>(ran: &'a Ran, slo: &str) -> &'a str {
    let violations = ran.record["violations"].as_array();
    let found = violations
        .into_iter()
        .flatten()
        .find(|violation| violation["name"] == slo);
    found
        .and_then(|violation| violation["state"].as_str())
        .unwrap_or_else(|| panic!("{slo} is not judged\n{ran}"))
}

fn own_queries_measure_what_the_family_measures(server: &Running) {
    let world = World::at(&server.url(), "bad-release");
    let labels = r#"namespace="${NAMESPACE}",service=~"${SERVICE}""#;
    let count = |more: &str| {
        format!("sum(increase(http_requests_total{{{labels}{more}}}[${{WINDOW}}])) # of ${{ANY}}")
    };
    let own = world
        .program()
        .env("SLI_TOTAL_QUERY", &count(""))
        .env("SLI_BAD_QUERY", &count(r#",status=~"5..""#));
    measure_alike(&world, &world.program(), &own);
}

fn a_selector_finds_a_service_that_its_labels_name_otherwise(server: &Running) {
    let world = World::at(&server.url(), "bad-release");
    let namespace = Month::NAMESPACE;
    let renamed = world
        .program()
        .env("SERVICE_NAME", "release")
        .env("NAMESPACE", "elsewhere")
        .env(
            "SLI_SELECTOR",
            &format!(r#"namespace="{namespace}", service=~"bad-${{SERVICE}}""#),
        );
    measure_alike(&world, &world.program(), &renamed);
}

fn a_family_without_series_is_unknown_and_never_healthy(server: &Running) {
    let world = World::at(&server.url(), "bad-release");
    for family in ["istio", "envoy", "otel"] {
        let program = world.program().env("METRICS_FAMILY", family);
        let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
        let ran = ran.decides("hold", "unknown_data");
        assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    }
}

fn native_histograms_that_are_not_there_leave_latency_unknown(server: &Running) {
    let world = World::at(&server.url(), "slow-release");
    let native = world.program().env("SLI_HISTOGRAMS", "native");
    let ran = dry(&world, &native);
    for slo in ["latency_p95", "latency_p99"] {
        assert_eq!(state(&ran, slo), "unknown", "{ran}");
    }
    // The same release is seen to be slow by the classic histogram that it has.
    let ran = dry(&world, &world.program());
    assert_eq!(state(&ran, "latency_p95"), "violated", "{ran}");
}
