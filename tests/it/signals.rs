//! Readiness, restarts, memory and processor time from a real Prometheus.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::Prometheus;
use error_budget_monitor::config::{Buckets, MetricsFamily};
use error_budget_monitor::observe::{Metrics, Queries, Workload};
use error_budget_monitor::slo::{Signal, SignalName, SignalState};
use testkit::prometheus::{self as server, Backfill};
use testkit::stub::{Reply, Stub};

const GIGABYTE: f64 = 1e9;

/// Writes the series of a container as kube-state-metrics and cAdvisor name them.
struct Pods {
    backfill: Backfill,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Pods {
    fn series(&self, name: &str, pod: &str, labels: &str) -> String {
        format!("{name}{{namespace=\"shop\",pod=\"{pod}\"{labels}}}")
    }

    fn gauge(mut self, name: &str, pod: &str, labels: &str, value: f64) -> Self {
        let series = self.series(name, pod, labels);
        self.backfill = self.backfill.gauge(&series, self.begin, self.end, value);
        self
    }

    fn counter(mut self, name: &str, pod: &str, labels: &str, per_second: f64) -> Self {
        let series = self.series(name, pod, labels);
        self.backfill = self
            .backfill
            .counter(&series, self.begin, self.end, per_second);
        self
    }

    fn ready(self, pod: &str, is_ready: bool) -> Self {
        let name = "kube_pod_status_ready";
        let value = |is: bool| f64::from(u8::from(is));
        self.gauge(name, pod, r#",condition="true""#, value(is_ready))
            .gauge(name, pod, r#",condition="false""#, value(!is_ready))
    }

    fn restarts(self, pod: &str, per_second: f64) -> Self {
        let name = "kube_pod_container_status_restarts_total";
        self.counter(name, pod, r#",container="app""#, per_second)
    }

    /// The container, and the series that cAdvisor has for the pod around it.
    fn uses(self, pod: &str, gigabytes: f64, cores: f64) -> Self {
        let (memory, cpu) = (
            "container_memory_working_set_bytes",
            "container_cpu_usage_seconds_total",
        );
        self.gauge(
            memory,
            pod,
            r#",container="app",id="a""#,
            gigabytes * GIGABYTE,
        )
        .gauge(memory, pod, r#",container="",id="b""#, 100.0 * GIGABYTE)
        .counter(cpu, pod, r#",container="app",id="a""#, cores)
        .counter(cpu, pod, r#",container="",id="b""#, 100.0)
    }

    /// A limit of one gigabyte and one core, told by two collectors.
    fn limited(self, pod: &str) -> Self {
        let name = "kube_pod_container_resource_limits";
        let mut pods = self;
        for collector in ["one", "two"] {
            let labels = |resource: &str| {
                format!(r#",container="app",resource="{resource}",instance="{collector}""#)
            };
            pods = pods.gauge(name, pod, &labels("memory"), GIGABYTE).gauge(
                name,
                pod,
                &labels("cpu"),
                1.0,
            );
        }
        pods
    }
}

fn client(url: &str, timeout: Duration) -> Prometheus {
    let settings = HttpSettings {
        timeout,
        ..HttpSettings::default()
    };
    Prometheus::new(url.parse().expect("a URL"), &settings).expect("usable settings")
}

async fn ask(prometheus: &Prometheus, service: &str, now: DateTime<Utc>) -> Vec<Signal> {
    let workload = Workload::new("shop", service);
    let queries = Queries::family(workload, MetricsFamily::Http, None, Buckets::All);
    let metrics = Metrics {
        prometheus,
        queries: &queries,
    };
    metrics.signals(now).await
}

fn told(signals: &[Signal]) -> String {
    let lines = signals.iter().map(|signal| {
        // How many restarts a counter is extrapolated to depends on the second in which the test runs.
        let value = signal
            .value
            .filter(|_| signal.name != SignalName::Restarts)
            .map_or_else(String::new, |value| format!(" {value:.1}"));
        format!("{} {}{value}", signal.name.as_str(), signal.state.as_str())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn signals_tell_what_else_is_wrong_with_the_pods_of_the_service() {
    let now = Utc::now();
    let pods = Pods {
        backfill: Backfill::new(now),
        begin: now - TimeDelta::minutes(30),
        end: now,
    };
    let mut pods = pods
        .ready("sick.one-5d9c7-abcde", false)
        .ready("sick.one-5d9c7-fghij", true)
        .restarts("sick.one-5d9c7-abcde", 0.01)
        .limited("sick.one-5d9c7-abcde")
        .uses("sick.one-5d9c7-abcde", 0.93, 0.98)
        .limited("sick.one-5d9c7-fghij")
        .uses("sick.one-5d9c7-fghij", 0.2, 0.2)
        .ready("well-0", true)
        .restarts("well-0", 0.0)
        .limited("well-0")
        .uses("well-0", 0.5, 0.4)
        .ready("unlimited-0", true)
        .uses("unlimited-0", 0.99, 0.99);
    for stranger in ["sickXone-0", "well", "unwell-0", "bareX-0"] {
        pods = pods
            .ready(stranger, false)
            .restarts(stranger, 1.0)
            .limited(stranger)
            .uses(stranger, 2.0, 2.0);
    }
    // This container is full, but only since two minutes ago.
    pods = pods.ready("young-0", true).limited("young-0");
    pods.begin = now - TimeDelta::minutes(2);
    pods = pods.uses("young-0", 0.99, 0.99);
    let server = server::Prometheus::start(&pods.backfill);
    let prometheus = client(&server.url(), Duration::from_secs(60));
    let mut found = Vec::new();
    for service in ["sick.one", "well", "unlimited", "young", "bare"] {
        let before = prometheus.requests();
        let signals = ask(&prometheus, service, now).await;
        assert_eq!(prometheus.requests() - before, 1, "one request for all");
        found.push(format!("{service}\n{}", told(&signals)));
    }
    insta::assert_snapshot!(found.join("\n\n"), @r#"
    sick.one
    pods_not_ready raised 0.5
    restarts raised
    memory raised 0.9
    cpu raised 1.0

    well
    pods_not_ready quiet 0.0
    restarts quiet
    memory quiet 0.5
    cpu quiet 0.4

    unlimited
    pods_not_ready quiet 0.0
    restarts not_applicable
    memory not_applicable
    cpu not_applicable

    young
    pods_not_ready quiet 0.0
    restarts not_applicable
    memory not_applicable
    cpu quiet 0.2

    bare
    pods_not_ready not_applicable
    restarts not_applicable
    memory not_applicable
    cpu not_applicable
    "#);
}

#[tokio::test]
async fn a_refusal_leaves_every_signal_unknown_and_fails_nothing() {
    let refusal = r#"{"status":"error","errorType":"bad_data","error":"unknown function"}"#;
    let stub = Stub::sequence([Reply::json(400, refusal)]);
    let prometheus = client(&stub.url(), Duration::from_secs(20));
    let signals = ask(&prometheus, "checkout", Utc::now()).await;
    assert_eq!(signals.len(), SignalName::OF_PODS.len());
    for signal in &signals {
        assert_eq!((signal.state, signal.value), (SignalState::Unknown, None));
    }
    assert_eq!(stub.requests().len(), 1);
}
