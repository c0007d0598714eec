//! What the doctor says of Prometheus.

use testkit::prometheus::{Backfill, Prometheus, shared_month};
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

/// A service that others count by labels of their own.
fn labelled_otherwise(labels: &[&str]) -> Prometheus {
    let now = Utc::now();
    let backfill = labels.iter().fold(Backfill::new(now), |backfill, labels| {
        let series = format!("http_requests_total{{{labels},status=\"200\"}}");
        backfill.counter(&series, now - TimeDelta::hours(2), now, 4.0)
    });
    Prometheus::start(&backfill)
}

#[test]
fn other_labels_that_name_the_service_are_proposed_and_do_work() {
    for (labels, proposed) in [
        (
            r#"exported_namespace="shop",app="healthy""#,
            r#"exported_namespace="shop",app="healthy""#,
        ),
        (r#"job="shop/healthy""#, r#"job="shop/healthy""#),
        (
            r#"kubernetes_namespace="other",deployment="healthy""#,
            r#"deployment="healthy""#,
        ),
    ] {
        let others = r#"exported_namespace="shop",app="cart",job="shop/cart""#;
        let server = labelled_otherwise(&[labels, others]);
        let world = World::at(&server.url(), SERVICE);
        let remedy = format!("SLI_SELECTOR='{proposed}'");
        let remedy = remedy.replace('"', "\\\"");
        let ran = world.nothing_changed_by(&program(&world)).exits(2);
        ran.finds(
            "prometheus series",
            "problem",
            &["no series matches", &remedy],
        )
        .finds("prometheus names", "warning", &[&remedy]);
        let mended = program(&world).env("SLI_SELECTOR", proposed);
        let ran = world.nothing_changed_by(&mended);
        ran.finds("prometheus series", "ok", &[]);
    }
}

#[test]
fn where_nothing_is_near_the_labels_are_named() {
    let server = labelled_otherwise(&[r#"tenant="a",app="cart""#]);
    let world = World::at(&server.url(), SERVICE);
    let ran = world.nothing_changed_by(&program(&world)).exits(2);
    ran.finds(
        "prometheus names",
        "warning",
        &[
            "none that looks like",
            "its labels are __name__, app, status, tenant",
        ],
    );
}

#[test]
fn a_pass_says_once_what_it_asked_for_in_vain() {
    let world = World::of("nobody-knows");
    let asked = r#"http_requests_total{namespace="shop",service="nobody-knows"}"#;
    let ran = world
        .program()
        .run()
        .exits(0)
        .decides("hold", "unknown_data");
    assert_eq!(ran.text("/asked"), asked);
    let text = world
        .program()
        .arguments(&["run", "--output", "text"])
        .run();
    let said = &text.stdout;
    assert!(
        said.contains(&format!("asked for      {asked}\n")),
        "{said}"
    );
    assert!(
        said.contains("next           run `doctor`: it says"),
        "{said}"
    );
    assert_eq!(said.matches("no series matches").count(), 1, "{said}");
}

#[test]
fn every_query_of_a_pass_can_be_asked_again() {
    let world = world();
    let explain = world.program().arguments(&["explain"]);
    let ran = world.nothing_changed_by(&explain).exits(0);
    let queries = ran.record["queries"].as_array().expect("a list");
    assert!(queries.len() > 20, "{ran}");
    for query in queries {
        let text = query["query"].as_str().expect("a query");
        // The testkit panics on a refusal.
        shared_month().prometheus.query(text);
    }
    let requests = queries
        .iter()
        .filter_map(|query| query["request"].as_u64())
        .max();
    assert_eq!(requests, Some(7));
    let text = world
        .program()
        .arguments(&["explain", "--output", "text"])
        .run()
        .exits(0);
    let said = &text.stdout;
    assert!(
        said.contains("\n# m5_bad: events that failed in that window\nsum(increase("),
        "{said}"
    );
}
