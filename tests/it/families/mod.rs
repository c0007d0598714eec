//! Every family of metrics, measured on each server with series named as that family names them.

mod cases;
mod forms;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::Prometheus;
use error_budget_monitor::config::Buckets;
use error_budget_monitor::observe::{Metrics, Observation, Queries, Workload};
use error_budget_monitor::policy::{Answer, Question};
use error_budget_monitor::slo::{
    ErrorBudget, Events, Histogram, LatencyState, LevelThresholds, Objective, RangeRequest,
    Reading, Slo, Verdict, ViolationState, assess_slices,
};
use testkit::back_end::Running;
use testkit::prometheus::{self as server, Backfill, History, Recording, Traffic};
use testkit::service::LiveService;

use crate::servers::{Servers, on_every_server, wait};
use cases::{CASES, Case, ENVOY, GRPC, HTTP, INGRESS_NGINX, ISTIO, LINKERD, OTEL, SPRING, TRAEFIK};

const NAMESPACE: &str = "shop";

/// The dot is what an expression without escapes would take for any character.
const SERVICE: &str = "check.out";

/// Other services whose names contain that of ours, or look like it to a careless expression.
const STRANGERS: [(&str, &str); 6] = [
    ("shop", "checkXout"),
    ("shop", "check.out-api"),
    ("shop", "pre-check.out"),
    ("shop2", "check.out"),
    ("pre-shop", "check.out"),
    ("shop-check", "out"),
];

/// Requests per second of each of the two pods.
const PER_POD: f64 = 10.0;

/// Requests per second of the service.
const RATE: f64 = 2.0 * PER_POD;

/// The same history in the words of every family.
struct World {
    recording: Recording,
    /// When requests began to fail and to be slow.
    onset: DateTime<Utc>,
}

/// Two pods of our service are healthy for three hours; since 15 minutes 20 % of the requests fail and 10 % take longer
/// than 2.5 s. Strangers fail all the time.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let now = Utc::now();
        let begin = now - TimeDelta::hours(3);
        let onset = now - TimeDelta::minutes(15);
        let end = now + TimeDelta::minutes(60);
        let healthy = Traffic::healthy(PER_POD);
        let terrible = healthy.errors(1.0).very_slow(1.0);
        let mut backfill = Backfill::new(now);
        for case in CASES {
            for pod in 0..2 {
                let layout = case.layout((case.labels)(NAMESPACE, SERVICE, pod), pod);
                let history = History::laid_out(layout)
                    .segment(begin, onset, healthy)
                    .segment(onset, end, healthy.errors(0.2).very_slow(0.1));
                backfill = backfill.service(history);
            }
            let strangers = STRANGERS.map(|(namespace, service)| {
                let labels = (case.labels)(namespace, service, 0);
                case.layout(labels, 0)
            });
            let aside = case.aside.map(|labels| case.layout(labels.to_owned(), 0));
            for layout in strangers.into_iter().chain(aside) {
                let history = History::laid_out(layout).segment(
                    now - TimeDelta::minutes(40),
                    end,
                    terrible,
                );
                backfill = backfill.service(history);
            }
        }
        // A stream takes as long as it is open.
        let streams = r#"grpc_server_handling_seconds_bucket{namespace="shop",service="check.out",grpc_type="server_stream",le="+Inf"}"#;
        backfill = backfill.counter(streams, begin, end, 1000.0);
        World {
            recording: Recording::of(&backfill),
            onset,
        }
    })
}

/// The servers that hold the world.
static SERVERS: Servers = Servers::of(|| &world().recording);

fn client(url: &str) -> Prometheus {
    let settings = HttpSettings {
        timeout: Duration::from_secs(60),
        ..HttpSettings::default()
    };
    Prometheus::new(url.parse().expect("a URL"), &settings).expect("usable settings")
}

pub(crate) fn objective() -> Objective {
    Objective {
        window: Duration::from_secs(2 * 3600),
        budget: ErrorBudget::new(0.001).expect("a ratio"),
        levels: LevelThresholds::new(0.5, 0.8, 0.95).expect("they rise"),
        min_availability: 0.99,
        max_error_rate: 0.01,
        max_latency_p95: Duration::from_secs(1),
        max_latency_p99: Duration::from_secs(2),
        violation_for: Duration::from_secs(300),
        burn_rate_fast: 14.4,
        burn_rate_slow: 6.0,
    }
}

/// Observes our service over the last half hour, so that the first slices are healthy and the last ones are not.
async fn observe(server: &Running, queries: &Queries) -> Observation {
    let prometheus = client(&server.url());
    let metrics = Metrics {
        prometheus: &prometheus,
        queries,
    };
    let objective = objective();
    let mut observation = metrics.observe(&objective).await.expect("an answer");
    let look = RangeRequest {
        ends_ago: Duration::ZERO,
        step: objective.slice_step(),
        slices: objective.slices_in(Duration::from_secs(1800)),
        covering: None,
        latency: true,
    };
    let answers = metrics
        .answer(&observation, &[Question::SliceHistory(look)])
        .await;
    let [Answer::SliceHistory(course)] = &answers.expect("an answer")[..] else {
        panic!("one question has one answer");
    };
    observation.measurement.slices = course.events.clone();
    observation.measurement.latency = course.latency.clone();
    observation
}

#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 0.02 * expected + 2.0,
        "{what} is {found}, not {expected}"
    );
}

#[track_caller]
fn judged(observation: &Observation, slo: Slo) -> ViolationState {
    let objective = objective();
    let assessment = assess_slices(
        &observation.measurement,
        &objective,
        observation.slice_window,
    );
    assert_eq!(assessment.verdict, Verdict::Burning, "{assessment:#?}");
    let violation = assessment.violations.iter().find(|found| found.slo == slo);
    violation
        .unwrap_or_else(|| panic!("{slo:?} is not judged: {assessment:#?}"))
        .state
}

/// The latency of the first and of the last slice: before the onset and long after it.
#[track_caller]
fn ends(observation: &Observation) -> [&Histogram; 2] {
    let slices = observation.measurement.latency.value();
    let slices = slices.unwrap_or_else(|| panic!("{:?}", observation.measurement.latency));
    [slices.first(), slices.last()].map(|slice| {
        slice
            .and_then(Option::as_ref)
            .unwrap_or_else(|| panic!("a slice has no latency: {slices:?}"))
    })
}

/// What holds for every family alike: its own events are counted, all of them and no others.
async fn counts_its_own_events(server: &Running, case: &Case) -> Observation {
    let observation = observe(server, &case.queries(Buckets::All)).await;
    let measured = &observation.measurement;
    let events = |reading: &Reading<Events>| {
        *reading
            .value()
            .unwrap_or_else(|| panic!("{}: {measured:#?}", case.family))
    };
    let since_onset = (observation.evaluated_at - world().onset).as_seconds_f64();
    let m5 = events(&measured.m5);
    near(m5.total(), RATE * 300.0, "all of 5 minutes");
    near(m5.bad(), 0.2 * RATE * 300.0, "bad of 5 minutes");
    let h1 = events(&measured.h1);
    near(h1.total(), RATE * 3600.0, "all of an hour");
    near(h1.bad(), 0.2 * RATE * since_onset, "bad of an hour");
    let budget = events(&measured.budget);
    near(budget.total(), RATE * 7200.0, "all of the SLO window");
    let coverage = measured.coverage.value().copied();
    assert!(
        coverage.is_some_and(|covered| covered > 0.98),
        "{coverage:?}"
    );
    let age = measured.freshness.value().copied();
    assert!(
        age.is_some_and(|age| age <= Duration::from_secs(16)),
        "{age:?}"
    );

    let slices = measured.slices.value().expect("slices");
    let ratio = |slice: Option<&Option<Events>>| {
        slice
            .and_then(Option::as_ref)
            .map(|events| events.error_ratio())
            .expect("a slice")
    };
    assert!(ratio(slices.first()) < 0.005, "{slices:?}");
    assert!((ratio(slices.last()) - 0.2).abs() < 0.01, "{slices:?}");
    for slo in [Slo::Availability, Slo::ErrorRate] {
        assert_eq!(judged(&observation, slo), ViolationState::Violated);
    }
    observation
}

/// What holds for a family whose histogram has bounds at 1 s and on both sides of 2 s.
async fn measures_events_and_latency(server: &Running, case: &Case) {
    let observation = counts_its_own_events(server, case).await;
    let [healthy, slow] = ends(&observation);
    assert_eq!(healthy.judge(1.0, 0.05), Some(LatencyState::Within));
    assert_eq!(healthy.judge(2.0, 0.01), Some(LatencyState::Within));
    let share = slow.share_above(1.0).expect("a bound at one second");
    assert!((share - 0.1).abs() < 0.01, "{share}");
    for slo in [Slo::LatencyP95, Slo::LatencyP99] {
        assert_eq!(judged(&observation, slo), ViolationState::Violated);
    }
}

on_every_server! {
    SERVERS;
    http_is_measured: |server| wait(measures_events_and_latency(server, &HTTP));
    istio_is_measured_at_the_destination: |server| wait(measures_events_and_latency(server, &ISTIO));
    ingress_nginx_is_measured: |server| wait(measures_events_and_latency(server, &INGRESS_NGINX));
    envoy_is_measured_by_the_name_of_its_cluster: |server| wait(measures_events_and_latency(server, &ENVOY));
    linkerd_is_measured_inbound: |server| wait(measures_events_and_latency(server, &LINKERD));
    grpc_is_measured_by_the_servers_own_failures: |server| wait(measures_events_and_latency(server, &GRPC));
    otel_is_measured_also_where_no_response_was_sent: |server| wait(measures_events_and_latency(server, &OTEL));
    spring_is_measured: |server| wait(measures_events_and_latency(server, &SPRING));
    traefik_is_measured_and_its_bounds_leave_latency_open: |server| wait(measures_traefik(server));
    named_bounds_are_found_in_every_spelling_and_unit: |server| wait(finds_named_bounds(server));
    a_named_bound_that_does_not_exist_leaves_latency_open: |server| wait(lacks_a_named_bound(server));
    events_are_counted_where_native_histograms_are_asked_for_and_not_there: |server| wait(counts_without_native_ones(server));
    a_selector_takes_the_place_of_the_names: |server| wait(follows_a_selector(server));
}

async fn measures_traefik(server: &Running) {
    let observation = counts_its_own_events(server, &TRAEFIK).await;
    let [healthy, slow] = ends(&observation);
    // A tenth of the healthy requests lies between 0.3 s and 1.2 s: nobody can tell on which side of 1 s.
    assert_eq!(healthy.judge(1.0, 0.05), Some(LatencyState::Uncertain));
    assert_eq!(slow.judge(1.0, 0.05), Some(LatencyState::Exceeded));
    let p95 = judged(&observation, Slo::LatencyP95);
    assert_eq!(p95, ViolationState::Violated, "10 % are above 1.2 s");
    // Nothing is above 5 s, and a tenth is above 1.2 s.
    assert_eq!(slow.judge(2.0, 0.01), Some(LatencyState::Uncertain));
    let p99 = judged(&observation, Slo::LatencyP99);
    assert_eq!(p99, ViolationState::Uncertain);
}

async fn finds_named_bounds(server: &Running) {
    for case in [&HTTP, &LINKERD, &SPRING] {
        let named = case.queries(Buckets::Named(vec![1.0, 2.5]));
        let observation = observe(server, &named).await;
        let [_, slow] = ends(&observation);
        let share = slow.share_above(1.0).expect("a bound at one second");
        assert!((share - 0.1).abs() < 0.01, "{}: {share}", case.family);
        assert_eq!(slow.share_above(0.5), None, "only these were asked for");
    }
}

async fn lacks_a_named_bound(server: &Running) {
    let observation = observe(server, &HTTP.queries(Buckets::Named(vec![2.0]))).await;
    for slo in [Slo::LatencyP95, Slo::LatencyP99] {
        assert_eq!(judged(&observation, slo), ViolationState::Uncertain);
    }
}

async fn counts_without_native_ones(server: &Running) {
    for case in [&OTEL, &SPRING, &HTTP] {
        let queries = case.queries(Buckets::Native);
        let prometheus = client(&server.url());
        let metrics = Metrics {
            prometheus: &prometheus,
            queries: &queries,
        };
        let observation = metrics.observe(&objective()).await.expect("an answer");
        let measured = &observation.measurement;
        let m5 = measured.m5.value();
        let m5 = m5.unwrap_or_else(|| panic!("{}: {measured:#?}", case.family));
        near(m5.total(), RATE * 300.0, "all of 5 minutes");
        near(m5.bad(), 0.2 * RATE * 300.0, "bad of 5 minutes");
        assert_eq!(measured.latency, Reading::NoSeries, "{}", case.family);
        let judged = assess_slices(measured, &objective(), observation.slice_window);
        assert_eq!(judged.verdict, Verdict::Burning, "{judged:#?}");
        assert_eq!(judged.blocking_unknowns().count(), 0, "{judged:#?}");
    }
}

async fn follows_a_selector(server: &Running) {
    let selector = r#"service=~"shop-check\\.out-80@.*",service!~".*@file""#;
    let workload = Workload::new("elsewhere", "other");
    let queries = Queries::family(workload, TRAEFIK.family, Some(selector), Buckets::All);
    let observation = observe(server, &queries).await;
    let m5 = observation.measurement.m5.value().expect("events");
    near(m5.total(), PER_POD * 300.0, "all of one port");
    near(m5.bad(), 0.2 * PER_POD * 300.0, "bad of one port");
}

#[tokio::test]
async fn series_that_do_not_say_how_a_request_ended_are_named() {
    let now = Utc::now();
    let series = r#"istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="check.out"}"#;
    let backfill = Backfill::new(now).counter(
        series,
        now - TimeDelta::hours(1),
        now + TimeDelta::hours(1),
        5.0,
    );
    let prometheus = server::Prometheus::start(&backfill);
    let queries = ISTIO.queries(Buckets::All);
    let metrics = Metrics {
        prometheus: &client(&prometheus.url()),
        queries: &queries,
    };
    let observation = metrics.observe(&objective()).await.expect("an answer");
    assert_eq!(
        observation.measurement.m5.why_unknown().as_deref(),
        Some(
            "no series of istio_requests_total carries the label response_code or grpc_response_status, so no request can be told to be bad"
        )
    );
}

/// Waits until Prometheus scraped a series this often.
async fn scraped(prometheus: &server::Prometheus, series: &str, times: f64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let query = format!("max(count_over_time({series}[1h]))");
    while prometheus.number(&query).is_none_or(|found| found < times) {
        assert!(Instant::now() < deadline, "{series} is not scraped");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn native_histograms_count_events_and_enclose_latency() {
    let name = "http_server_request_duration_seconds";
    let labels = |status| {
        [
            ("namespace", NAMESPACE),
            ("service", SERVICE),
            ("http_response_status_code", status),
        ]
    };
    // A quarter is slower than 1 s; none is slower than 2.5 s, and none lies between 0.7 s and 1.5 s.
    let traffic = Traffic::healthy(200.0).errors(0.2).slow(0.25);
    let service = LiveService::start_native(name, &labels("200"), &labels("503"), traffic);
    let target = service.address().to_string();
    let prometheus =
        server::Prometheus::start_scraping_native(&[target], Duration::from_millis(250));
    scraped(&prometheus, name, 28.0).await;

    let objective = Objective {
        violation_for: Duration::from_secs(5),
        ..objective()
    };
    let queries = OTEL.queries(Buckets::Native);
    let metrics = Metrics {
        prometheus: &client(&prometheus.url()),
        queries: &queries,
    };
    let observation = metrics.observe(&objective).await.expect("an answer");
    let measured = &observation.measurement;
    let m5 = measured.m5.value().expect("events");
    assert!(m5.total() > 500.0, "{measured:#?}");
    assert!((m5.error_ratio() - 0.2).abs() < 0.01, "{measured:#?}");
    let age = measured.freshness.value().copied();
    assert!(
        age.is_some_and(|age| age < Duration::from_secs(5)),
        "{age:?}"
    );
    // Coverage looks at whole minutes, which this history does not have; this is what it counts in each.
    let there = prometheus.number(&format!("count({name})"));
    assert_eq!(there, Some(2.0));

    let latency = measured.latency.value().expect("histograms");
    let newest = latency.last().and_then(Option::as_ref).expect("a slice");
    assert_eq!(newest.judge(1.0, 0.05), Some(LatencyState::Exceeded));
    for slow in [newest.provably_slow(1.0), newest.possibly_slow(1.0)] {
        let share = slow.expect("events").error_ratio();
        assert!((share - 0.25).abs() < 0.01, "{share}");
    }
    assert_eq!(newest.judge(2.0, 0.01), Some(LatencyState::Within));
}
