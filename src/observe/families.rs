//! What each family of metrics is called: everything that differs between the families, in one table.

use crate::clients::prometheus::promql::{regex_escape, string_literal};
use crate::config::MetricsFamily;

/// What differs between families.
pub(super) struct Family {
    /// Where the events are counted.
    pub(super) events: Counter,
    /// Matchers that name the service, as the family's own labels do.
    pub(super) named: fn(namespace: &str, service: &str) -> String,
    /// A matcher that belongs to every query of the family; may be empty. It keeps an event from counting at both ends.
    pub(super) side: &'static str,
    /// Matchers of bad events. One event may match several of them and counts once.
    pub(super) bad: &'static [&'static str],
    /// Labels that say how a request ended. A series needs one of them.
    pub(super) outcome: &'static [&'static str],
    /// Name of the latency histogram, without `_bucket`.
    pub(super) latency: &'static str,
    /// A further matcher of the latency histogram; may be empty.
    pub(super) latency_side: &'static str,
    /// Unit of the histogram's bounds.
    pub(super) unit: Unit,
    /// Whose pod the label `pod` names.
    pub(super) pod: Pod,
}

/// Where events are counted.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    /// A counter of this name.
    Named(&'static str),
    /// The latency histogram counts them: as `_count`, or inside the native histogram.
    Latency,
}

/// The unit of a histogram's bounds.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    /// Returns how many make a second.
    pub(super) fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1000.0,
        }
    }
}

/// Whose pod the label `pod` names.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pod {
    OfTheService,
    /// The edge counts for the service, so its pods say nothing about a release.
    OfTheEdge,
}

/// `namespace` and `service`, as a scrape by a ServiceMonitor names them.
fn by_service(namespace: &str, service: &str) -> String {
    format!(
        "namespace={},service={}",
        string_literal(namespace),
        string_literal(service)
    )
}

const HTTP: Family = Family {
    events: Counter::Named("http_requests_total"),
    named: by_service,
    side: "",
    bad: &[r#"status=~"5..""#, r#"code=~"5..""#],
    outcome: &["status", "code"],
    latency: "http_request_duration_seconds",
    latency_side: "",
    unit: Unit::Seconds,
    pod: Pod::OfTheService,
};

const ISTIO: Family = Family {
    events: Counter::Named("istio_requests_total"),
    named: |namespace, service| {
        format!(
            "destination_workload_namespace={},destination_workload={}",
            string_literal(namespace),
            string_literal(service)
        )
    },
    // Both ends of a request report it; only the destination's proxy runs in the service's pod.
    side: r#"reporter="destination""#,
    bad: &[r#"response_code=~"5..""#],
    outcome: &["response_code"],
    latency: "istio_request_duration_milliseconds",
    latency_side: "",
    unit: Unit::Milliseconds,
    pod: Pod::OfTheService,
};

const INGRESS_NGINX: Family = Family {
    events: Counter::Named("nginx_ingress_controller_requests"),
    named: by_service,
    side: "",
    bad: &[r#"status=~"5..""#],
    outcome: &["status"],
    latency: "nginx_ingress_controller_request_duration_seconds",
    latency_side: "",
    unit: Unit::Seconds,
    pod: Pod::OfTheEdge,
};

const ENVOY: Family = Family {
    events: Counter::Named("envoy_cluster_upstream_rq_xx"),
    // A cluster is called namespace_service_port; no Kubernetes name has an underscore.
    named: |namespace, service| {
        let cluster = format!("{}_{}_.+", regex_escape(namespace), regex_escape(service));
        format!("envoy_cluster_name=~{}", string_literal(&cluster))
    },
    side: "",
    bad: &[r#"envoy_response_code_class="5""#],
    outcome: &["envoy_response_code_class"],
    latency: "envoy_cluster_upstream_rq_time",
    latency_side: "",
    unit: Unit::Milliseconds,
    pod: Pod::OfTheEdge,
};

const LINKERD: Family = Family {
    events: Counter::Named("response_total"),
    named: |namespace, service| {
        format!(
            "namespace={},deployment={}",
            string_literal(namespace),
            string_literal(service)
        )
    },
    // Outbound responses are those of the services that this one calls.
    side: r#"direction="inbound""#,
    bad: &[r#"classification="failure""#],
    outcome: &["classification"],
    latency: "response_latency_ms",
    latency_side: "",
    unit: Unit::Milliseconds,
    pod: Pod::OfTheService,
};

const TRAEFIK: Family = Family {
    events: Counter::Named("traefik_service_requests_total"),
    // A service is called namespace-service-port@kubernetes, that of an IngressRoute namespace-route-hash@kubernetescrd. A
    // port with a dash would be the name of another service with a port, and to count another service is worse than to
    // count none.
    named: |namespace, service| {
        let name = format!(
            "{}-{}-[^-]+@kubernetes(crd)?",
            regex_escape(namespace),
            regex_escape(service)
        );
        format!("service=~{}", string_literal(&name))
    },
    side: "",
    bad: &[r#"code=~"5..""#],
    outcome: &["code"],
    latency: "traefik_service_request_duration_seconds",
    latency_side: "",
    unit: Unit::Seconds,
    pod: Pod::OfTheEdge,
};

const GRPC: Family = Family {
    events: Counter::Named("grpc_server_handled_total"),
    named: by_service,
    side: "",
    // What the server is to blame for. Every other code but OK is the caller's doing, or a limit that works.
    bad: &[r#"grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss|Unimplemented""#],
    outcome: &["grpc_code"],
    latency: "grpc_server_handling_seconds",
    // A stream takes as long as it is open.
    latency_side: r#"grpc_type="unary""#,
    unit: Unit::Seconds,
    pod: Pod::OfTheService,
};

const OTEL: Family = Family {
    events: Counter::Latency,
    named: by_service,
    side: "",
    // A request that got no response has no status, only the type of its error.
    bad: &[
        r#"http_response_status_code=~"5..""#,
        r#"http_response_status_code="",error_type!="""#,
    ],
    outcome: &["http_response_status_code", "error_type"],
    latency: "http_server_request_duration_seconds",
    latency_side: "",
    unit: Unit::Seconds,
    pod: Pod::OfTheService,
};

const SPRING: Family = Family {
    events: Counter::Latency,
    named: by_service,
    side: "",
    bad: &[r#"status=~"5..""#, r#"outcome="SERVER_ERROR""#],
    outcome: &["status", "outcome"],
    latency: "http_server_requests_seconds",
    latency_side: "",
    unit: Unit::Seconds,
    pod: Pod::OfTheService,
};

/// Returns the row of a family.
pub(super) fn table(family: MetricsFamily) -> &'static Family {
    match family {
        MetricsFamily::Http => &HTTP,
        MetricsFamily::Istio => &ISTIO,
        MetricsFamily::IngressNginx => &INGRESS_NGINX,
        MetricsFamily::Envoy => &ENVOY,
        MetricsFamily::Linkerd => &LINKERD,
        MetricsFamily::Traefik => &TRAEFIK,
        MetricsFamily::Grpc => &GRPC,
        MetricsFamily::Otel => &OTEL,
        MetricsFamily::Spring => &SPRING,
    }
}
