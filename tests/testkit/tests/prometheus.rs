//! The launched Prometheus answers with the numbers that the history was made of.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use testkit::prometheus::{
    Backfill, History, Month, Prometheus, ServiceLabels, Traffic, shared_month,
};

#[track_caller]
fn assert_close(actual: Option<f64>, expected: f64) {
    let actual = actual.expect("an answer that is not empty");
    assert!(
        (actual - expected).abs() <= 0.01 * expected,
        "{actual} is not within 1 % of {expected}"
    );
}

#[test]
fn a_month_of_history_is_served_as_it_was_made() {
    let month = shared_month();
    let prometheus = &month.prometheus;
    let total = |service: &str, window: &str| {
        format!(
            "sum(increase(http_requests_total{{namespace=\"shop\",service=\"{service}\"}}[{window}]))"
        )
    };
    let bad = |service: &str, window: &str| {
        format!(
            "sum(increase(http_requests_total{{namespace=\"shop\",service=\"{service}\",status=\"500\"}}[{window}]))"
        )
    };
    assert_eq!(Month::NAMESPACE, "shop");
    assert_close(
        prometheus.number_at(&total("healthy", "1h"), month.now),
        20.0 * 3600.0,
    );
    assert_close(
        prometheus.number_at(&total("healthy", "30d"), month.now),
        20.0 * 30.0 * 86_400.0,
    );
    assert_close(
        prometheus.number_at(&bad("bad-release", "15m"), month.now),
        0.2 * 20.0 * 900.0,
    );
    assert_close(
        prometheus.number_at(&bad("exhausted", "30d"), month.now),
        20.0 * 42.0 * 60.0,
    );
    assert_eq!(
        prometheus.number_at(&bad("never-failed", "1h"), month.now),
        None
    );
    assert_eq!(
        prometheus.number_at(&total("idle", "1h"), month.now),
        Some(0.0)
    );
    assert_eq!(prometheus.number_at(&total("stale", "5m"), month.now), None);
    let coverage =
        "count_over_time(sum(rate(http_requests_total{service=\"healthy\"}[1h]))[30d:1h]) / 720";
    assert_close(prometheus.number_at(coverage, month.now), 1.0);
    assert_close(
        prometheus.number_at(&coverage.replace("healthy", "young"), month.now),
        48.0 / 720.0,
    );
}

#[test]
fn slow_requests_are_counted_beyond_their_bucket() {
    let month = shared_month();
    let share_above = |bound: &str| {
        format!(
            "1 - sum(rate(http_request_duration_seconds_bucket{{service=\"slow-release\",le=\"{bound}\"}}[5m])) \
             / sum(rate(http_request_duration_seconds_count{{service=\"slow-release\"}}[5m]))"
        )
    };
    assert_close(
        month.prometheus.number_at(&share_above("1"), month.now),
        0.1,
    );
    assert_close(
        month.prometheus.number_at(&share_above("2.5"), month.now),
        0.1,
    );
    let histogram = "http_request_duration_seconds_bucket{service=\"no-histogram\"}";
    assert_eq!(month.prometheus.number_at(histogram, month.now), None);
}

#[test]
fn history_after_now_keeps_the_data_fresh() {
    let month = shared_month();
    let later = month.now + TimeDelta::minutes(Month::FUTURE_MINUTES - 5);
    let rate = "sum(rate(http_requests_total{service=\"healthy\"}[1m]))";
    assert_close(month.prometheus.number_at(rate, later), 20.0);
    let age = "time() - max(timestamp(http_requests_total{service=\"healthy\"}))";
    let age = month.prometheus.number(age).expect("fresh data");
    assert!(
        (0.0..=15.0).contains(&age),
        "the newest sample is {age} s old"
    );
}

#[test]
fn a_restart_of_the_service_loses_no_requests() {
    let now = Utc::now();
    let history = History::new(ServiceLabels::new("shop", "checkout"))
        .segment(now - TimeDelta::hours(2), now, Traffic::healthy(40.0))
        .restart(now - TimeDelta::minutes(30));
    let prometheus = Prometheus::start(&Backfill::new(now).service(history));
    assert_close(
        prometheus.number_at("sum(increase(http_requests_total[1h]))", now),
        40.0 * 3600.0,
    );
    let resets = prometheus.number_at("resets(http_requests_total{status=\"200\"}[1h])", now);
    assert_eq!(resets, Some(1.0));
}

#[test]
fn a_counter_of_another_family_grows_steadily() {
    let now = Utc::now();
    let series = "istio_requests_total{destination_workload=\"checkout\",response_code=\"503\"}";
    let backfill = Backfill::new(now).counter(series, now - TimeDelta::hours(3), now, 2.5);
    let prometheus = Prometheus::start(&backfill);
    let increase = format!("increase({series}[1h])");
    assert_close(prometheus.number_at(&increase, now), 2.5 * 3600.0);
}

#[test]
fn a_gap_has_no_samples() {
    let now = Utc::now();
    let ago = |minutes| now - TimeDelta::minutes(minutes);
    let history = History::new(ServiceLabels::new("shop", "checkout"))
        .segment(ago(60), ago(40), Traffic::healthy(40.0))
        .segment(ago(20), now, Traffic::healthy(40.0));
    let prometheus = Prometheus::start(&Backfill::new(now).service(history));
    let count = "count_over_time(http_requests_total{status=\"200\"}[18m])";
    assert_eq!(prometheus.number_at(count, ago(21)), None);
    assert!(prometheus.number_at(count, now).is_some());
}

#[test]
fn a_stopped_server_answers_no_more() {
    let mut prometheus = Prometheus::start_empty();
    assert!(prometheus.is_running());
    assert_eq!(prometheus.number("up"), None);
    let address = prometheus.address();
    prometheus.stop();
    TcpStream::connect(address).expect_err("nobody listens any more");
}

#[test]
fn a_scraping_server_sees_its_target() {
    let observed = Prometheus::start_empty();
    let target = observed.address().to_string();
    let prometheus = Prometheus::start_scraping(&[target], Duration::from_millis(200));
    wait_until("the target is scraped", || {
        prometheus.number("up") == Some(1.0)
    });
}

#[test]
fn a_server_ends_when_the_process_that_started_it_is_killed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("target");
    let address = folder.path().join("address");
    std::fs::write(&target, "127.0.0.1:1").expect("our own folder");
    let mut owner = Command::new(env!("CARGO_BIN_EXE_demo-prometheus"))
        .args([
            "--namespace",
            "shop",
            "--service",
            "checkout",
            "--history-minutes",
            "1",
        ])
        .arg("--target-file")
        .arg(&target)
        .arg("--address-file")
        .arg(&address)
        .spawn()
        .expect("the demo's Prometheus starts");
    wait_until("it listens", || address.exists());
    owner.kill().expect("our own child");
    owner.wait().expect("our own child");
    let url = std::fs::read_to_string(&address).expect("an address");
    let address = url.strip_prefix("http://").expect("a URL");
    wait_until("it is gone", || TcpStream::connect(address).is_err());
}

fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}: never");
        std::thread::sleep(Duration::from_millis(50));
    }
}
