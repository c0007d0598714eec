//! What the metrics of each family look like.

use error_budget_monitor::config::{Buckets, MetricsFamily};
use error_budget_monitor::observe::{Queries, Workload};
use testkit::prometheus::Layout;

use super::{NAMESPACE, SERVICE};

/// What the metrics of a family look like.
pub(super) struct Case {
    pub(super) family: MetricsFamily,
    pub(super) counter: Option<&'static str>,
    /// The labels of a service; the pods of ours differ in the port where the family knows one.
    pub(super) labels: fn(namespace: &str, service: &str, pod: usize) -> String,
    /// Labels of good and of bad requests of each pod.
    pub(super) outcomes: [(&'static str, &'static str); 2],
    pub(super) histogram: &'static str,
    pub(super) histogram_labels: &'static str,
    pub(super) bounds: &'static [&'static str],
    pub(super) unit_seconds: f64,
    /// Labels of series of our service that count the same requests, or other ones, and must be left alone.
    pub(super) aside: Option<&'static str>,
}

fn by_service(namespace: &str, service: &str, pod: usize) -> String {
    format!(r#"namespace="{namespace}",service="{service}",pod="{service}-{pod}""#)
}

const SECONDS: &[&str] = &["0.1", "0.25", "0.5", "1", "2.5", "5"];
const MILLISECONDS: &[&str] = &["100", "250", "500", "1000", "2500", "5000"];

pub(super) const HTTP: Case = Case {
    family: MetricsFamily::Http,
    counter: Some("http_requests_total"),
    labels: by_service,
    outcomes: [
        (r#"status="200""#, r#"status="500""#),
        (r#"code="404""#, r#"code="503""#),
    ],
    histogram: "http_request_duration_seconds",
    histogram_labels: "",
    bounds: SECONDS,
    unit_seconds: 1.0,
    aside: None,
};

pub(super) const ISTIO: Case = Case {
    family: MetricsFamily::Istio,
    counter: Some("istio_requests_total"),
    labels: |namespace, service, pod| {
        format!(
            r#"reporter="destination",destination_workload_namespace="{namespace}",destination_workload="{service}",pod="{service}-{pod}""#
        )
    },
    outcomes: [
        (r#"response_code="200""#, r#"response_code="503""#),
        (r#"response_code="404""#, r#"response_code="500""#),
    ],
    histogram: "istio_request_duration_milliseconds",
    histogram_labels: "",
    bounds: MILLISECONDS,
    unit_seconds: 0.001,
    aside: Some(
        r#"reporter="source",destination_workload_namespace="shop",destination_workload="check.out""#,
    ),
};

pub(super) const INGRESS_NGINX: Case = Case {
    family: MetricsFamily::IngressNginx,
    counter: Some("nginx_ingress_controller_requests"),
    labels: by_service,
    outcomes: [
        (r#"status="200""#, r#"status="502""#),
        (r#"status="301""#, r#"status="504""#),
    ],
    histogram: "nginx_ingress_controller_request_duration_seconds",
    histogram_labels: "",
    bounds: SECONDS,
    unit_seconds: 1.0,
    aside: None,
};

pub(super) const ENVOY: Case = Case {
    family: MetricsFamily::Envoy,
    counter: Some("envoy_cluster_upstream_rq_xx"),
    labels: |namespace, service, pod| {
        format!(r#"envoy_cluster_name="{namespace}_{service}_808{pod}""#)
    },
    outcomes: [
        (
            r#"envoy_response_code_class="2""#,
            r#"envoy_response_code_class="5""#,
        ),
        (
            r#"envoy_response_code_class="4""#,
            r#"envoy_response_code_class="5""#,
        ),
    ],
    histogram: "envoy_cluster_upstream_rq_time",
    histogram_labels: "",
    bounds: MILLISECONDS,
    unit_seconds: 0.001,
    aside: None,
};

pub(super) const LINKERD: Case = Case {
    family: MetricsFamily::Linkerd,
    counter: Some("response_total"),
    labels: |namespace, service, pod| {
        format!(
            r#"namespace="{namespace}",deployment="{service}",direction="inbound",pod="{service}-{pod}""#
        )
    },
    outcomes: [
        (
            r#"classification="success",status_code="200""#,
            r#"classification="failure",status_code="500""#,
        ),
        // A failed gRPC call is a response with status 200.
        (
            r#"classification="success",status_code="404""#,
            r#"classification="failure",status_code="200""#,
        ),
    ],
    histogram: "response_latency_ms",
    histogram_labels: "",
    bounds: MILLISECONDS,
    unit_seconds: 0.001,
    aside: Some(r#"namespace="shop",deployment="check.out",direction="outbound""#),
};

pub(super) const TRAEFIK: Case = Case {
    family: MetricsFamily::Traefik,
    counter: Some("traefik_service_requests_total"),
    labels: |namespace, service, pod| {
        let port = ["80@kubernetes", "web@kubernetescrd"][pod];
        format!(r#"service="{namespace}-{service}-{port}""#)
    },
    outcomes: [
        (r#"code="200""#, r#"code="500""#),
        (r#"code="404""#, r#"code="502""#),
    ],
    histogram: "traefik_service_request_duration_seconds",
    histogram_labels: "",
    bounds: &["0.1", "0.3", "1.2", "5"],
    unit_seconds: 1.0,
    aside: Some(r#"service="shop-check.out-80@file""#),
};

pub(super) const GRPC: Case = Case {
    family: MetricsFamily::Grpc,
    counter: Some("grpc_server_handled_total"),
    labels: by_service,
    outcomes: [
        (r#"grpc_code="OK""#, r#"grpc_code="Internal""#),
        (
            r#"grpc_code="InvalidArgument""#,
            r#"grpc_code="Unavailable""#,
        ),
    ],
    histogram: "grpc_server_handling_seconds",
    histogram_labels: r#"grpc_type="unary""#,
    bounds: SECONDS,
    unit_seconds: 1.0,
    aside: None,
};

pub(super) const OTEL: Case = Case {
    family: MetricsFamily::Otel,
    counter: None,
    labels: by_service,
    outcomes: [
        (
            r#"http_response_status_code="200""#,
            r#"http_response_status_code="503",error_type="503""#,
        ),
        (
            r#"http_response_status_code="404""#,
            r#"error_type="timeout""#,
        ),
    ],
    histogram: "http_server_request_duration_seconds",
    histogram_labels: "",
    bounds: SECONDS,
    unit_seconds: 1.0,
    aside: None,
};

pub(super) const SPRING: Case = Case {
    family: MetricsFamily::Spring,
    counter: None,
    labels: by_service,
    outcomes: [
        (
            r#"status="200",outcome="SUCCESS""#,
            r#"status="500",outcome="SERVER_ERROR""#,
        ),
        (r#"outcome="CLIENT_ERROR""#, r#"outcome="SERVER_ERROR""#),
    ],
    histogram: "http_server_requests_seconds",
    histogram_labels: "",
    // Java writes whole numbers with a decimal.
    bounds: &["0.1", "0.25", "0.5", "1.0", "2.5", "5.0"],
    unit_seconds: 1.0,
    aside: None,
};

pub(super) const CASES: [&Case; 9] = [
    &HTTP,
    &ISTIO,
    &INGRESS_NGINX,
    &ENVOY,
    &LINKERD,
    &TRAEFIK,
    &GRPC,
    &OTEL,
    &SPRING,
];

impl Case {
    /// Returns how a service with these labels counts, with one of the outcomes.
    pub(super) fn layout(&self, labels: String, outcome: usize) -> Layout {
        let (good, bad) = self.outcomes[outcome];
        Layout {
            labels,
            counter: self.counter.map(str::to_owned),
            good: good.to_owned(),
            bad: bad.to_owned(),
            histogram: self.histogram.to_owned(),
            histogram_labels: self.histogram_labels.to_owned(),
            bounds: self.bounds.iter().copied().map(str::to_owned).collect(),
            unit_seconds: self.unit_seconds,
        }
    }

    /// Returns the queries for our service.
    pub(super) fn queries(&self, buckets: Buckets) -> Queries {
        let workload = Workload::new(NAMESPACE, SERVICE);
        Queries::family(workload, self.family, None, buckets)
    }
}
