//! What one server does otherwise than another, and must change no number.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::back_end::{BackEnd, Running};
use testkit::prometheus::{
    Backfill, History, Instrumented, Month, Prometheus, Recording, ServiceLabels, Spacing, Traffic,
};
use testkit::victoria_metrics::VictoriaMetrics;

use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// A service whose requests fail for a while, and one that is well.
const SUSTAINED: &str = "sustained";
const WELL: &str = "well";

/// A service that is scraped in eleven minutes of each hour.
const PATCHY: &str = "patchy";

/// The share of the time in which that one has samples.
const THERE: f64 = 11.0 / 60.0;

fn now() -> DateTime<Utc> {
    static NOW: OnceLock<DateTime<Utc>> = OnceLock::new();
    *NOW.get_or_init(Utc::now)
}

/// When the requests of [`SUSTAINED`] began to fail.
fn onset() -> DateTime<Utc> {
    now() - TimeDelta::minutes(40)
}

fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let (begin, end) = (now() - TimeDelta::hours(8), now() + TimeDelta::hours(1));
        let healthy = Traffic::healthy(20.0);
        let of = |service| History::new(ServiceLabels::new(Month::NAMESPACE, service));
        let sustained = of(SUSTAINED).segment(begin, onset(), healthy).segment(
            onset(),
            end,
            healthy.errors(0.2),
        );
        let well = of(WELL).segment(begin, end, healthy);
        let spacing = Spacing {
            old_secs: 60,
            ..Spacing::default()
        };
        let mut backfill = Backfill::new(now())
            .spacing(spacing)
            .service(sustained)
            .service(well);
        for (status, per_second) in [("200", 10.0), ("500", 0.2)] {
            let series = format!(
                r#"http_requests_total{{namespace="{}",service="{PATCHY}",status="{status}"}}"#,
                Month::NAMESPACE
            );
            let begin = now() - TimeDelta::days(31);
            for hour in 0..31 * 24 {
                let from = begin + TimeDelta::hours(hour);
                let counted = (from - begin).as_seconds_f64() * per_second;
                let part = (from, from + TimeDelta::minutes(11));
                backfill = backfill
                    .counter_part(&series, part, counted.floor(), per_second)
                    .scraped_every(60);
            }
            // It is scraped now, so that nothing else is unknown.
            let from = now() - TimeDelta::minutes(15);
            let counted = (from - begin).as_seconds_f64() * per_second;
            backfill = backfill.counter_part(&series, (from, end), counted.floor(), per_second);
        }
        Recording::of(&backfill)
    })
}

static SERVERS: Servers = Servers::of(recording);

on_every_server! {
    SERVERS;
    a_long_violation_is_seen_whole_at_whatever_moment;
    minutes_without_data_are_not_covered;
    a_clock_that_is_behind_on_purpose_is_no_alarm;
    native_histograms_that_a_server_cannot_hold_stand_in_nobodys_way;
}

fn world(server: &Running, service: &str) -> World {
    let world = World::at(&server.url(), service);
    world.release("v2", onset());
    world
}

/// The program with a window that most histories fill.
fn program(world: &World) -> Program {
    world.program().env("SLO_WINDOW", "6h")
}

fn a_long_violation_is_seen_whole_at_whatever_moment(server: &Running) {
    let world = world(server, SUSTAINED);
    let program = program(&world).env("VIOLATION_FOR", "30m");
    // The answer may have more points than a server keeps in its cache at other times.
    for _ in 0..3 {
        let ran = program.clone().arguments(&["--dry-run"]).run().exits(0);
        let availability = &ran.record["violations"][0];
        assert_eq!(availability["state"], "violated", "{ran}");
        assert_eq!(availability["points"], 61, "{ran}");
        assert_eq!(availability["points_expected"], 61, "{ran}");
    }
    program.run().exits(0).decides("rollback", "trigger");
}

fn minutes_without_data_are_not_covered(server: &Running) {
    let world = World::at(&server.url(), PATCHY);
    for window in ["6h", "30d"] {
        let check = world.program().env("SLO_WINDOW", window);
        let ran = world.nothing_changed_by(&check.arguments(&["check", "--output", "json"]));
        let coverage = ran.record["budget"]["coverage"].as_f64();
        let is_near = coverage.is_some_and(|found| (found - THERE).abs() < 0.06);
        assert!(is_near, "{window}: {coverage:?} instead of {THERE}\n{ran}");
        assert_eq!(ran.record["budget"]["level"], "emergency", "{ran}");
        let told = ran.record["unknowns"].to_string();
        assert!(told.contains("the level can only warn"), "{ran}");
    }
}

fn a_clock_that_is_behind_on_purpose_is_no_alarm(server: &Running) {
    if server.back_end() == BackEnd::VictoriaMetrics {
        let says = server.api().number("time()").expect("a time");
        let behind = Utc::now().timestamp() as f64 - says;
        assert!(behind > 25.0, "its clock is only {behind} s behind");
    }
    let world = World::at(&server.url(), WELL);
    let ran = world.nothing_changed_but_the_lock_by(&program(&world));
    let ran = ran.exits(0).decides("none", "healthy");
    assert_eq!(ran.record["unknowns"], serde_json::json!([]), "{ran}");
    let warned = |line: &serde_json::Value| line["level"] == "WARN";
    assert!(!ran.log().iter().any(warned), "{ran}");
    let doctor = program(&world).arguments(&["doctor"]).run();
    doctor
        .finds("prometheus clock", "ok", &[" s apart"])
        .finds("prometheus freshness", "ok", &[]);
}

fn native_histograms_that_a_server_cannot_hold_stand_in_nobodys_way(server: &Running) {
    let world = world(server, SUSTAINED);
    let program = program(&world).env("SLI_HISTOGRAMS", "native");
    let doctor = program.clone().arguments(&["doctor"]).run();
    doctor.finds("prometheus buckets", "warning", &["SLI_HISTOGRAMS=classic"]);
    let ran = program.run().exits(0).decides("rollback", "trigger");
    for latency in ["/violations/2/state", "/violations/3/state"] {
        assert_eq!(ran.text(latency), "unknown", "{ran}");
    }
}

/// Errors from five hours ago until half an hour ago spend a budget of 30 days.
#[test]
fn a_window_in_chunks_keeps_its_newest_events_where_a_server_limits_samples() {
    let now = Utc::now();
    let ago = |minutes: i64| now - TimeDelta::minutes(minutes);
    let (begin, end) = (ago(31 * 1440), now + TimeDelta::hours(1));
    let series = |status: &str| {
        format!(
            r#"http_requests_total{{namespace="{}",service="spent",status="{status}"}}"#,
            Month::NAMESPACE
        )
    };
    let everywhere = Spacing {
        recent_secs: 60,
        day_secs: 60,
        old_secs: 60,
    };
    let mut backfill =
        Backfill::new(now)
            .spacing(everywhere)
            .counter(&series("200"), begin, end, 16.0);
    let mut counted = 0.0;
    for (from, to, per_second) in [
        (begin, ago(300), 0.004),
        (ago(300), ago(30), 4.0),
        (ago(30), end, 0.004),
    ] {
        backfill = backfill.counter_part(&series("500"), (from, to), counted, per_second);
        counted += ((to - from).as_seconds_f64() * per_second).floor();
    }
    // It counts whole blocks of up to 8,192 samples, of which two series have eleven, and a day has at most four.
    let Some(limited) = VictoriaMetrics::start_limited(&backfill, 40_000) else {
        return;
    };
    let world = World::at(&limited.url(), "spent");
    let check = world.program().arguments(&["check", "--output", "json"]);
    let ran = world.nothing_changed_by(&check).exits(3);
    let found = ran.record["budget"]["bad_events"].as_f64();
    let truth = 0.004 * 30.0 * 86_400.0 + 3.996 * 270.0 * 60.0;
    let is_near = found.is_some_and(|found| (found / truth - 1.0).abs() < 0.01);
    assert!(is_near, "{found:?} instead of {truth}\n{ran}");
    let in_chunks = |line: &serde_json::Value| line["message"].to_string().contains("in chunks");
    assert!(ran.log().iter().any(in_chunks), "{ran}");
}

/// A service as OpenTelemetry counts it, of whose requests a fifth fails.
fn instrumented(service: &str) -> Instrumented {
    Instrumented {
        service: service.to_owned(),
        namespace: Month::NAMESPACE.to_owned(),
        requests: vec![("200", 8.0), ("503", 2.0)],
        has_floats: false,
        is_exponential: false,
    }
}

/// Prometheus takes no sample that is more than ten minutes ahead.
fn span() -> (DateTime<Utc>, DateTime<Utc>) {
    let now = Utc::now();
    (now - TimeDelta::hours(3), now + TimeDelta::minutes(9))
}

/// A dry run of a service in the family `otel`, where it has no queries of its own.
fn otel(url: &str, service: &str, more: &[(&str, &str)]) -> Ran {
    let world = World::at(url, service);
    let mut program = world.program().env("SLO_WINDOW", "2h");
    if !more.iter().any(|(name, _)| *name == "SLI_TOTAL_QUERY") {
        program = program.env("METRICS_FAMILY", "otel");
    }
    let set = |program: Program, (name, value): &(&str, &str)| program.env(name, value);
    let program = more.iter().fold(program, set);
    world.nothing_changed_by(&program.arguments(&["run", "--dry-run"]))
}

#[track_caller]
fn a_fifth_fails(ran: Ran) {
    let rate = ran.record["burn_rates"]["5m"].as_f64();
    let is_near = rate.is_some_and(|rate| (rate - 200.0).abs() < 4.0);
    assert!(is_near, "{rate:?} instead of 200\n{ran}");
    assert_eq!(ran.record["verdict"], "burning", "{ran}");
}

/// Labels in quotes, as a selector.
fn selector(service: &str) -> String {
    format!(
        r#""service.namespace"="{}","service.name"="{service}""#,
        Month::NAMESPACE
    )
}

#[test]
fn names_with_dots_are_counted_by_prometheus_3_as_they_came() {
    let services = [
        instrumented("dotted"),
        Instrumented {
            is_exponential: true,
            ..instrumented("exponential")
        },
        Instrumented {
            is_exponential: true,
            has_floats: true,
            ..instrumented("mixed")
        },
    ];
    let promoted = ["service.name", "service.namespace"];
    let Some(server) = Prometheus::start_instrumented(&services, span(), &promoted) else {
        return;
    };
    let url = server.url();
    a_fifth_fails(otel(&url, "dotted", &[]));
    let quoted = selector("dotted");
    a_fifth_fails(otel(&url, "elsewhere", &[("SLI_SELECTOR", &quoted)]));
    let native = ("SLI_HISTOGRAMS", "native");
    a_fifth_fails(otel(&url, "exponential", &[native]));

    // It drops what cannot be added up, and says so in a warning.
    let total = |more: &str| {
        let series = r#""http.server.request.duration","service.name"="mixed""#;
        format!("sum(increase({{{series}{more}}}[${{WINDOW}}]))")
    };
    let own = [
        ("SLI_TOTAL_QUERY", &*total("")),
        (
            "SLI_BAD_QUERY",
            &*total(r#","http.response.status_code"=~"5..""#),
        ),
    ];
    let ran = otel(&url, "mixed", &own).decides("hold", "unknown_data");
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    let detail = ran.text("/decision/detail");
    for words in ["incomplete", "mix of histograms and floats"] {
        assert!(detail.contains(words), "{words:?} is missing in {detail:?}");
    }

    // What Prometheus makes of the resource where it is told nothing.
    let plain = Prometheus::start_instrumented(&services[..1], span(), &[]);
    let plain = plain.expect("it was there before");
    a_fifth_fails(otel(&plain.url(), "dotted", &[]));
}

#[test]
fn names_with_dots_are_counted_by_victoria_metrics_as_they_came() {
    let services = [instrumented("dotted")];
    let Some(server) = VictoriaMetrics::start_instrumented(&services, span()) else {
        return;
    };
    a_fifth_fails(otel(&server.url(), "dotted", &[]));
    let quoted = selector("dotted");
    let more = [("SLI_SELECTOR", &*quoted)];
    a_fifth_fails(otel(&server.url(), "elsewhere", &more));
    // It has no native histogram, and counts all the same.
    let more = [("SLI_HISTOGRAMS", "native")];
    a_fifth_fails(otel(&server.url(), "dotted", &more));
}

#[test]
fn labels_in_quotes_are_named_where_a_server_cannot_read_them() {
    let server = Prometheus::start_empty();
    let quoted = selector("dotted");
    let ran = otel(&server.url(), "elsewhere", &[("SLI_SELECTOR", &quoted)]);
    let ran = ran.exits(69).decides("hold", "unknown_data");
    ran.complains_of(&["HTTP 400", "SLI_SELECTOR"]);
}
