//! What the doctor says of Prometheus.

use testkit::prometheus::shared_month;
use testkit::stub::ClosedPort;

use super::*;

#[test]
fn a_prometheus_that_is_down_keeps_nobody_from_looking_at_the_rest() {
    let nobody = ClosedPort::reserve();
    let world = World::at(&nobody.url(), SERVICE);
    world.release("v2", Utc::now());
    let program = program(&world).env("PROMETHEUS_TIMEOUT", "1s");
    let ran = world.nothing_changed_by(&program).exits(2);
    ran.finds(
        "prometheus",
        "problem",
        &["not reachable", "check PROMETHEUS_URL"],
    )
    .finds("prometheus series", "warning", &["not checked"])
    .finds("git push", "ok", &[])
    .finds_only(&["prometheus", "prometheus series"]);
}

#[test]
fn a_retention_that_is_shorter_than_the_window_is_a_warning() {
    let short = shared_month().prometheus.said_to_keep("15d");
    let world = World::at(&short.url(), SERVICE);
    world.release("v2", Utc::now());
    let ran = world.nothing_changed_by(&program(&world)).exits(1);
    ran.finds(
        "prometheus retention",
        "warning",
        &[
            "it keeps 15d, and SLO_WINDOW is 30.0 d",
            "--storage.tsdb.retention.time",
        ],
    )
    .finds_only(&["prometheus retention"]);
}

#[test]
fn what_prometheus_does_not_know_of_a_service_is_said_once() {
    let unknown = World::of("nobody-knows");
    let ran = unknown.nothing_changed_by(&program(&unknown)).exits(2);
    ran.finds("prometheus", "ok", &[]).finds(
        "prometheus series",
        "problem",
        &["no series matches", "check SERVICE_NAME"],
    );
    let stale = World::of("stale");
    let ran = stale.nothing_changed_by(&program(&stale)).exits(2);
    ran.finds("prometheus freshness", "problem", &[]);
    let young = World::of("young");
    let ran = young.nothing_changed_by(&program(&young)).exits(1);
    ran.finds("prometheus coverage", "warning", &["of 30.0 days"]);
}

#[test]
fn a_threshold_between_two_buckets_is_a_warning() {
    let world = world();
    let usual = program(&world).without("MAX_LATENCY_P99");
    let ran = world.nothing_changed_by(&usual).exits(1);
    ran.finds(
        "prometheus buckets",
        "warning",
        &["no bucket ends at 2 s (MAX_LATENCY_P99)"],
    )
    .finds_only(&["prometheus buckets"]);
}
