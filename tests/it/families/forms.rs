//! The forms in which one family's metrics are met, each measured on each server: two services that count alike never
//! add up, and an outcome that nobody can judge is never good.

use std::sync::OnceLock;

use super::*;
use error_budget_monitor::config::MetricsFamily::{
    self, Envoy, Grpc, Http, IngressNginx, Istio, Otel, Spring, Traefik,
};

/// A service, and what its series count each second.
struct Service {
    family: MetricsFamily,
    name: &'static str,
    series: &'static [(&'static str, f64)],
    /// What must be found each second.
    bad: f64,
    total: f64,
}

const fn of(
    family: MetricsFamily,
    name: &'static str,
    series: &'static [(&'static str, f64)],
    bad: f64,
    total: f64,
) -> Service {
    Service {
        family,
        name,
        series,
        bad,
        total,
    }
}

const SERVICES: &[Service] = &[
    of(
        Http,
        "words",
        &[
            (
                r#"http_requests_total{namespace="shop",service="words",status="success"}"#,
                8.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="words",status="error"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Http,
        "phrases",
        &[
            (
                r#"http_requests_total{namespace="shop",service="phrases",status="200 OK"}"#,
                8.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="phrases",status="500 Internal Server Error"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Http,
        "codes",
        &[
            (
                r#"http_requests_total{namespace="shop",service="codes",status_code="200"}"#,
                8.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="codes",status_code="503"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Http,
        "classes",
        &[
            (
                r#"http_requests_total{namespace="shop",service="classes",code_class="2xx"}"#,
                8.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="classes",code_class="5xx"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    // Probes fail while pods warm up, and callers are served.
    of(
        Http,
        "probed",
        &[
            (
                r#"http_requests_total{namespace="shop",service="probed",status="200",path="/pay"}"#,
                10.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="probed",status="503",path="/readyz"}"#,
                5.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="probed",status="200",path="/metrics"}"#,
                1.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="probed",status="500",path="/health-records"}"#,
                1.0,
            ),
        ],
        1.0,
        11.0,
    ),
    of(
        Spring,
        "actuated",
        &[
            (
                r#"http_server_requests_seconds_count{namespace="shop",service="actuated",status="200",outcome="SUCCESS",uri="/pay"}"#,
                10.0,
            ),
            (
                r#"http_server_requests_seconds_count{namespace="shop",service="actuated",status="503",outcome="SERVER_ERROR",uri="/actuator/health/readiness"}"#,
                5.0,
            ),
            // The caller went away.
            (
                r#"http_server_requests_seconds_count{namespace="shop",service="actuated",status="UNKNOWN",outcome="UNKNOWN",uri="/pay"}"#,
                1.0,
            ),
        ],
        0.0,
        11.0,
    ),
    // A failed gRPC call is a response with code 200.
    of(
        Istio,
        "meshed",
        &[
            (
                r#"istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="meshed",response_code="200",grpc_response_status="0"}"#,
                8.0,
            ),
            (
                r#"istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="meshed",response_code="200",grpc_response_status="14"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    // In ambient mode only the waypoint counts; a gateway in front of it counts the same requests.
    of(
        Istio,
        "ambient",
        &[
            (
                r#"istio_requests_total{reporter="waypoint",destination_workload_namespace="shop",destination_workload="ambient",response_code="200"}"#,
                8.0,
            ),
            (
                r#"istio_requests_total{reporter="waypoint",destination_workload_namespace="shop",destination_workload="ambient",response_code="503"}"#,
                2.0,
            ),
            (
                r#"istio_requests_total{reporter="source",destination_workload_namespace="shop",destination_workload="ambient",response_code="503"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    // A waypoint before a pod with a sidecar: both report each request.
    of(
        Istio,
        "both",
        &[
            (
                r#"istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="both",response_code="200"}"#,
                8.0,
            ),
            (
                r#"istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="both",response_code="503"}"#,
                2.0,
            ),
            (
                r#"istio_requests_total{reporter="waypoint",destination_workload_namespace="shop",destination_workload="both",response_code="503"}"#,
                10.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Traefik,
        "called",
        &[
            (
                r#"traefik_service_requests_total{service="shop-called-80@kubernetes",code="0"}"#,
                8.0,
            ),
            (
                r#"traefik_service_requests_total{service="shop-called-80@kubernetes",code="14"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Traefik,
        "routed",
        &[
            (
                r#"traefik_service_requests_total{service="httproute-shop-pay-gw-edge-web-ep-websecure-0-0123456789abcdef0123-svc-shop-routed-80@kubernetesgateway",code="200"}"#,
                8.0,
            ),
            (
                r#"traefik_service_requests_total{service="httproute-shop-pay-gw-edge-web-ep-websecure-0-0123456789abcdef0123-svc-shop-routed-80@kubernetesgateway",code="502"}"#,
                2.0,
            ),
            (
                r#"traefik_service_requests_total{service="httproute-shop-pay-gw-edge-web-ep-websecure-0-0123456789abcdef0123-svc-a-svc-shop-routed-80@kubernetesgateway",code="502"}"#,
                9.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Traefik,
        "moved",
        &[
            (
                r#"traefik_service_requests_total{exported_service="shop-moved-moved-80@kubernetesingressnginx",service="traefik",code="200"}"#,
                8.0,
            ),
            (
                r#"traefik_service_requests_total{exported_service="shop-moved-moved-80@kubernetesingressnginx",service="traefik",code="500"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        IngressNginx,
        "exported",
        &[
            (
                r#"nginx_ingress_controller_requests{namespace="ingress-nginx",service="controller-metrics",exported_namespace="shop",exported_service="exported",status="200"}"#,
                8.0,
            ),
            (
                r#"nginx_ingress_controller_requests{namespace="ingress-nginx",service="controller-metrics",exported_namespace="shop",exported_service="exported",status="502"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    of(
        Envoy,
        "gateway",
        &[
            (
                r#"envoy_cluster_upstream_rq_xx{envoy_cluster_name="httproute/shop/gateway/rule/0",envoy_response_code_class="2"}"#,
                8.0,
            ),
            (
                r#"envoy_cluster_upstream_rq_xx{envoy_cluster_name="httproute/shop/gateway/rule/1",envoy_response_code_class="5"}"#,
                2.0,
            ),
            (
                r#"envoy_cluster_upstream_rq_xx{envoy_cluster_name="httproute/shop/gateway-admin/rule/1",envoy_response_code_class="5"}"#,
                9.0,
            ),
        ],
        2.0,
        10.0,
    ),
    // What Prometheus 3 makes of OTLP by default.
    of(
        Otel,
        "pushed",
        &[
            (
                r#"http_server_request_duration_seconds_count{job="shop/pushed",instance="a",http_response_status_code="200"}"#,
                8.0,
            ),
            (
                r#"http_server_request_duration_seconds_count{job="shop/pushed",instance="a",http_response_status_code="500"}"#,
                2.0,
            ),
            (r#"target_info{job="shop/pushed",instance="a"}"#, 0.0),
        ],
        2.0,
        10.0,
    ),
    // A collector that writes the resource as labels.
    of(
        Otel,
        "collected",
        &[
            (
                r#"http_server_request_duration_seconds_count{job="collector",service_namespace="shop",service_name="collected",http_response_status_code="200"}"#,
                8.0,
            ),
            (
                r#"http_server_request_duration_seconds_count{job="collector",service_namespace="shop",service_name="collected",error_type="timeout"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    // Streams end when a pod goes, and probes are calls.
    of(
        Grpc,
        "streams",
        &[
            (
                r#"grpc_server_handled_total{namespace="shop",service="streams",grpc_type="unary",grpc_code="OK"}"#,
                10.0,
            ),
            (
                r#"grpc_server_handled_total{namespace="shop",service="streams",grpc_type="server_stream",grpc_code="Unavailable"}"#,
                5.0,
            ),
            (
                r#"grpc_server_handled_total{namespace="shop",service="streams",grpc_type="unary",grpc_code="Unavailable",grpc_service="grpc.health.v1.Health"}"#,
                5.0,
            ),
        ],
        0.0,
        10.0,
    ),
    // An interceptor that writes Canceled means Unknown where it writes it.
    of(
        Grpc,
        "told",
        &[
            (
                r#"grpc_server_handled_total{namespace="shop",service="told",grpc_type="unary",grpc_code="OK"}"#,
                7.0,
            ),
            (
                r#"grpc_server_handled_total{namespace="shop",service="told",grpc_type="unary",grpc_code="Canceled"}"#,
                1.0,
            ),
            (
                r#"grpc_server_handled_total{namespace="shop",service="told",grpc_type="unary",grpc_code="Unknown"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
    // Flagger serves the service under another name, and says so.
    of(
        Http,
        "flagged",
        &[
            (
                r#"flagger_canary_status{name="flagged",namespace="shop"}"#,
                0.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="flagged-primary",status="200"}"#,
                8.0,
            ),
            (
                r#"http_requests_total{namespace="shop",service="flagged-primary",status="500"}"#,
                2.0,
            ),
        ],
        2.0,
        10.0,
    ),
];

/// Services of which nobody can say how they fare, and what is said of them.
const UNJUDGED: &[(Service, &[&str])] = &[
    (
        of(
            Http,
            "strange",
            &[
                (
                    r#"http_requests_total{namespace="shop",service="strange",status="200"}"#,
                    8.0,
                ),
                (
                    r#"http_requests_total{namespace="shop",service="strange",status="boom"}"#,
                    2.0,
                ),
            ],
            0.0,
            0.0,
        ),
        &["20.0 % of the events", r#"status="boom""#, "SLI_SELECTOR"],
    ),
    (
        of(
            Http,
            "half",
            &[
                (
                    r#"http_requests_total{namespace="shop",service="half",status="200"}"#,
                    8.0,
                ),
                (
                    r#"http_requests_total{namespace="shop",service="half"}"#,
                    2.0,
                ),
            ],
            0.0,
            0.0,
        ),
        &["20.0 % of the events", "no status"],
    ),
    // go-grpc-prometheus 1.2: cancelled calls look like failed ones.
    (
        of(
            Grpc,
            "cancelled",
            &[
                (
                    r#"grpc_server_handled_total{namespace="shop",service="cancelled",grpc_type="unary",grpc_code="OK"}"#,
                    8.0,
                ),
                (
                    r#"grpc_server_handled_total{namespace="shop",service="cancelled",grpc_type="unary",grpc_code="Unknown"}"#,
                    2.0,
                ),
            ],
            0.0,
            0.0,
        ),
        &[
            "20.0 % of the events",
            r#"grpc_code="Unknown""#,
            "go-grpc-prometheus 1.2",
        ],
    ),
    // Somebody else's service of that name, without Flagger.
    (
        of(
            Http,
            "postgres",
            &[(
                r#"http_requests_total{namespace="shop",service="postgres-primary",status="200"}"#,
                8.0,
            )],
            0.0,
            0.0,
        ),
        &["no series matches"],
    ),
];

fn forms() -> &'static Recording {
    static FORMS: OnceLock<Recording> = OnceLock::new();
    FORMS.get_or_init(|| {
        let now = Utc::now();
        let (begin, end) = (now - TimeDelta::hours(2), now + TimeDelta::hours(1));
        let services = SERVICES
            .iter()
            .chain(UNJUDGED.iter().map(|(service, _)| service));
        let series = services.flat_map(|service| service.series);
        let backfill = series.fold(Backfill::new(now), |backfill, (series, rate)| {
            backfill.counter(series, begin, end, *rate)
        });
        Recording::of(&backfill)
    })
}

static FORMS: Servers = Servers::of(forms);

on_every_server! {
    FORMS;
    every_form_is_counted_once: |server| wait(counts_every_form(server));
    what_cannot_be_judged_is_named_and_never_good: |server| wait(names_what_cannot_be_judged(server));
}

async fn measured(server: &Running, service: &Service) -> error_budget_monitor::slo::Measurement {
    let workload = Workload::new(NAMESPACE, service.name);
    let queries = Queries::family(workload, service.family, None, Buckets::All);
    let metrics = Metrics {
        prometheus: &client(&server.url()),
        queries: &queries,
    };
    let observation = metrics.observe(&objective()).await.expect("an answer");
    observation.measurement
}

async fn counts_every_form(server: &Running) {
    for service in SERVICES {
        let measured = measured(server, service).await;
        let what = service.name;
        for (window, seconds) in [(&measured.m5, 300.0), (&measured.h1, 3600.0)] {
            let events = window.value();
            let events = events.unwrap_or_else(|| panic!("{what}: {measured:#?}"));
            near(
                events.total(),
                service.total * seconds,
                &format!("all of {what}"),
            );
            near(
                events.bad(),
                service.bad * seconds,
                &format!("bad of {what}"),
            );
        }
        let slices = measured.slices.value().expect("slices");
        assert!(slices.iter().all(Option::is_some), "{what}: {slices:?}");
    }
}

async fn names_what_cannot_be_judged(server: &Running) {
    for (service, words) in UNJUDGED {
        let measured = measured(server, service).await;
        let readings = [measured.m5.why_unknown(), measured.budget.why_unknown()];
        for why in readings.into_iter().chain([measured.slices.why_unknown()]) {
            let why = why.unwrap_or_else(|| panic!("{}: {measured:#?}", service.name));
            for word in *words {
                assert!(why.contains(word), "{word:?} is missing in {why:?}");
            }
        }
    }
}
