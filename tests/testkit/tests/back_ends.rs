//! Every back end serves the history that it was fed with.

use chrono::{TimeDelta, Utc};
use testkit::back_end::BackEnd;
use testkit::prometheus::{Backfill, History, Recording, ServiceLabels, Traffic};

fn history(service: &str) -> Backfill {
    let now = Utc::now();
    let history = History::new(ServiceLabels::new("shop", service)).segment(
        now - TimeDelta::hours(3),
        now + TimeDelta::minutes(30),
        Traffic::healthy(40.0),
    );
    Backfill::new(now).service(history)
}

fn serves_what_it_was_fed_with(back_end: BackEnd) {
    let Some(server) = back_end.start(&Recording::of(&history("checkout"))) else {
        return;
    };
    let events = server
        .api()
        .number("sum(increase(http_requests_total[1h]))")
        .unwrap_or_else(|| panic!("{back_end} answers nothing"));
    let truth = 40.0 * 3600.0;
    assert!(
        (events - truth).abs() <= 0.01 * truth,
        "{back_end}: {events} instead of {truth}"
    );
}

#[test]
fn debian_prometheus_serves_what_it_was_fed_with() {
    serves_what_it_was_fed_with(BackEnd::DebianPrometheus);
}

#[test]
fn prometheus_3_serves_what_it_was_fed_with() {
    serves_what_it_was_fed_with(BackEnd::Prometheus3);
}

#[test]
fn victoria_metrics_serves_what_it_was_fed_with() {
    serves_what_it_was_fed_with(BackEnd::VictoriaMetrics);
}

#[test]
fn thanos_counts_a_pair_of_replicas_once() {
    serves_what_it_was_fed_with(BackEnd::Thanos);
}
