use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn family(family: MetricsFamily) -> Queries {
    Queries::family(
        Workload::new("shop", "check.out"),
        family,
        None,
        Buckets::All,
    )
}

/// Writes every query of a family on a line of its own.
fn shown(queries: &Queries) -> String {
    let hour = Duration::from_secs(3600);
    let latency = queries.latency(MINUTE).expect("a family has latency");
    [
        queries.total(MINUTE),
        queries.bad(MINUTE),
        latency.text,
        format!("unit: {} s", latency.unit_seconds),
        queries.age().expect("a family has an age"),
        queries.samples().expect("a family has samples")[0]
            .1
            .clone(),
        queries.coverage(hour).0,
        queries.labelled().expect("a family has labels"),
        queries.unlabelled().expect("a family has labels"),
        queries.pods(MINUTE).unwrap_or_else(|| "no pods".to_owned()),
    ]
    .join("\n")
}

#[test]
fn http() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Http)), @r#"
    sum(increase(http_requests_total{namespace="shop",service="check.out"}[60s]))
    sum(increase(http_requests_total{namespace="shop",service="check.out",status=~"5.."}[60s]) or increase(http_requests_total{namespace="shop",service="check.out",code=~"5.."}[60s]))
    sum by (le) (increase(http_request_duration_seconds_bucket{namespace="shop",service="check.out"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_requests_total{namespace="shop",service="check.out"})) or max(max_over_time(timestamp(http_requests_total{namespace="shop",service="check.out"})[3600s:300s])))
    max(count_over_time(http_requests_total{namespace="shop",service="check.out"}[120s]))
    count_over_time((count(http_requests_total{namespace="shop",service="check.out"}))[3600s:60s])
    count(http_requests_total{namespace="shop",service="check.out",status=~".+"} or http_requests_total{namespace="shop",service="check.out",code=~".+"})
    no series of http_requests_total carries the label status or code, so no request can be told to be bad
    label_replace(sum by (pod) (increase(http_requests_total{namespace="shop",service="check.out",status=~"5.."}[60s]) or increase(http_requests_total{namespace="shop",service="check.out",code=~"5.."}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(http_requests_total{namespace="shop",service="check.out"}[60s])), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn istio() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Istio)), @r#"
    sum(increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"}[60s]))
    sum(increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~"5.."}[60s]))
    sum by (le) (increase(istio_request_duration_milliseconds_bucket{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"}[60s]))
    unit: 0.001 s
    time() - (max(timestamp(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"})) or max(max_over_time(timestamp(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"})[3600s:300s])))
    max(count_over_time(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"}[120s]))
    count_over_time((count(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"}))[3600s:60s])
    count(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~".+"})
    no series of istio_requests_total carries the label response_code, so no request can be told to be bad
    label_replace(sum by (pod) (increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~"5.."}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"}[60s])), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn ingress_nginx() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::IngressNginx)), @r#"
    sum(increase(nginx_ingress_controller_requests{namespace="shop",service="check.out"}[60s]))
    sum(increase(nginx_ingress_controller_requests{namespace="shop",service="check.out",status=~"5.."}[60s]))
    sum by (le) (increase(nginx_ingress_controller_request_duration_seconds_bucket{namespace="shop",service="check.out"}[60s]))
    unit: 1 s
    time() - (max(timestamp(nginx_ingress_controller_requests{namespace="shop",service="check.out"})) or max(max_over_time(timestamp(nginx_ingress_controller_requests{namespace="shop",service="check.out"})[3600s:300s])))
    max(count_over_time(nginx_ingress_controller_requests{namespace="shop",service="check.out"}[120s]))
    count_over_time((count(nginx_ingress_controller_requests{namespace="shop",service="check.out"}))[3600s:60s])
    count(nginx_ingress_controller_requests{namespace="shop",service="check.out",status=~".+"})
    no series of nginx_ingress_controller_requests carries the label status, so no request can be told to be bad
    no pods
    "#);
}

#[test]
fn envoy() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Envoy)), @r#"
    sum(increase(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+"}[60s]))
    sum(increase(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+",envoy_response_code_class="5"}[60s]))
    sum by (le) (increase(envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=~"shop_check\\.out_.+"}[60s]))
    unit: 0.001 s
    time() - (max(timestamp(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+"})) or max(max_over_time(timestamp(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+"})[3600s:300s])))
    max(count_over_time(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+"}[120s]))
    count_over_time((count(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+"}))[3600s:60s])
    count(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+",envoy_response_code_class=~".+"})
    no series of envoy_cluster_upstream_rq_xx carries the label envoy_response_code_class, so no request can be told to be bad
    no pods
    "#);
}

#[test]
fn linkerd() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Linkerd)), @r#"
    sum(increase(response_total{namespace="shop",deployment="check.out",direction="inbound"}[60s]))
    sum(increase(response_total{namespace="shop",deployment="check.out",direction="inbound",classification="failure"}[60s]))
    sum by (le) (increase(response_latency_ms_bucket{namespace="shop",deployment="check.out",direction="inbound"}[60s]))
    unit: 0.001 s
    time() - (max(timestamp(response_total{namespace="shop",deployment="check.out",direction="inbound"})) or max(max_over_time(timestamp(response_total{namespace="shop",deployment="check.out",direction="inbound"})[3600s:300s])))
    max(count_over_time(response_total{namespace="shop",deployment="check.out",direction="inbound"}[120s]))
    count_over_time((count(response_total{namespace="shop",deployment="check.out",direction="inbound"}))[3600s:60s])
    count(response_total{namespace="shop",deployment="check.out",direction="inbound",classification=~".+"})
    no series of response_total carries the label classification, so no request can be told to be bad
    label_replace(sum by (pod) (increase(response_total{namespace="shop",deployment="check.out",direction="inbound",classification="failure"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(response_total{namespace="shop",deployment="check.out",direction="inbound"}[60s])), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn traefik() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Traefik)), @r#"
    sum(increase(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?"}[60s]))
    sum(increase(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?",code=~"5.."}[60s]))
    sum by (le) (increase(traefik_service_request_duration_seconds_bucket{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?"}[60s]))
    unit: 1 s
    time() - (max(timestamp(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?"})) or max(max_over_time(timestamp(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?"})[3600s:300s])))
    max(count_over_time(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?"}[120s]))
    count_over_time((count(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?"}))[3600s:60s])
    count(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd)?",code=~".+"})
    no series of traefik_service_requests_total carries the label code, so no request can be told to be bad
    no pods
    "#);
}

#[test]
fn grpc() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Grpc)), @r#"
    sum(increase(grpc_server_handled_total{namespace="shop",service="check.out"}[60s]))
    sum(increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss|Unimplemented"}[60s]))
    sum by (le) (increase(grpc_server_handling_seconds_bucket{namespace="shop",service="check.out",grpc_type="unary"}[60s]))
    unit: 1 s
    time() - (max(timestamp(grpc_server_handled_total{namespace="shop",service="check.out"})) or max(max_over_time(timestamp(grpc_server_handled_total{namespace="shop",service="check.out"})[3600s:300s])))
    max(count_over_time(grpc_server_handled_total{namespace="shop",service="check.out"}[120s]))
    count_over_time((count(grpc_server_handled_total{namespace="shop",service="check.out"}))[3600s:60s])
    count(grpc_server_handled_total{namespace="shop",service="check.out",grpc_code=~".+"})
    no series of grpc_server_handled_total carries the label grpc_code, so no request can be told to be bad
    label_replace(sum by (pod) (increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss|Unimplemented"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(grpc_server_handled_total{namespace="shop",service="check.out"}[60s])), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn otel() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Otel)), @r#"
    sum(increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out"}[60s]))
    sum(increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_response_status_code=~"5.."}[60s]) or increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_response_status_code="",error_type!=""}[60s]))
    sum by (le) (increase(http_server_request_duration_seconds_bucket{namespace="shop",service="check.out"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_server_request_duration_seconds_count{namespace="shop",service="check.out"})) or max(max_over_time(timestamp(http_server_request_duration_seconds_count{namespace="shop",service="check.out"})[3600s:300s])))
    max(count_over_time(http_server_request_duration_seconds_count{namespace="shop",service="check.out"}[120s]))
    count_over_time((count(http_server_request_duration_seconds_count{namespace="shop",service="check.out"}))[3600s:60s])
    count(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_response_status_code=~".+"} or http_server_request_duration_seconds_count{namespace="shop",service="check.out",error_type=~".+"})
    no series of http_server_request_duration_seconds_count carries the label http_response_status_code or error_type, so no request can be told to be bad
    label_replace(sum by (pod) (increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_response_status_code=~"5.."}[60s]) or increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_response_status_code="",error_type!=""}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out"}[60s])), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn spring() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Spring)), @r#"
    sum(increase(http_server_requests_seconds_count{namespace="shop",service="check.out"}[60s]))
    sum(increase(http_server_requests_seconds_count{namespace="shop",service="check.out",status=~"5.."}[60s]) or increase(http_server_requests_seconds_count{namespace="shop",service="check.out",outcome="SERVER_ERROR"}[60s]))
    sum by (le) (increase(http_server_requests_seconds_bucket{namespace="shop",service="check.out"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_server_requests_seconds_count{namespace="shop",service="check.out"})) or max(max_over_time(timestamp(http_server_requests_seconds_count{namespace="shop",service="check.out"})[3600s:300s])))
    max(count_over_time(http_server_requests_seconds_count{namespace="shop",service="check.out"}[120s]))
    count_over_time((count(http_server_requests_seconds_count{namespace="shop",service="check.out"}))[3600s:60s])
    count(http_server_requests_seconds_count{namespace="shop",service="check.out",status=~".+"} or http_server_requests_seconds_count{namespace="shop",service="check.out",outcome=~".+"})
    no series of http_server_requests_seconds_count carries the label status or outcome, so no request can be told to be bad
    label_replace(sum by (pod) (increase(http_server_requests_seconds_count{namespace="shop",service="check.out",status=~"5.."}[60s]) or increase(http_server_requests_seconds_count{namespace="shop",service="check.out",outcome="SERVER_ERROR"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(http_server_requests_seconds_count{namespace="shop",service="check.out"}[60s])), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn a_native_histogram_counts_the_events_of_its_family() {
    let native = Queries::family(
        Workload::new("shop", "check.out"),
        MetricsFamily::Otel,
        None,
        Buckets::Native([Duration::from_secs(1), Duration::from_secs(2)]),
    );
    insta::assert_snapshot!(shown(&native), @r#"
    sum(histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s])))
    sum(histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_response_status_code=~"5.."}[60s])) or histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_response_status_code="",error_type!=""}[60s])))
    label_replace(histogram_count(sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))), "le", "+Inf", "", "") or label_replace(histogram_fraction(0, 0.909090909, sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))) * histogram_count(sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))), "le", "0.909090909", "", "") or label_replace(histogram_fraction(0, 1.1, sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))) * histogram_count(sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))), "le", "1.1", "", "") or label_replace(histogram_fraction(0, 1.818181818, sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))) * histogram_count(sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))), "le", "1.818181818", "", "") or label_replace(histogram_fraction(0, 2.2, sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))) * histogram_count(sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))), "le", "2.2", "", "")
    unit: 1 s
    time() - (max(timestamp(http_server_request_duration_seconds{namespace="shop",service="check.out"})) or max(max_over_time(timestamp(http_server_request_duration_seconds{namespace="shop",service="check.out"})[3600s:300s])))
    max(count_over_time(http_server_request_duration_seconds{namespace="shop",service="check.out"}[120s]))
    count_over_time((count(http_server_request_duration_seconds{namespace="shop",service="check.out"}))[3600s:60s])
    count(http_server_request_duration_seconds{namespace="shop",service="check.out",http_response_status_code=~".+"} or http_server_request_duration_seconds{namespace="shop",service="check.out",error_type=~".+"})
    no series of http_server_request_duration_seconds carries the label http_response_status_code or error_type, so no request can be told to be bad
    label_replace(sum by (pod) (histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_response_status_code=~"5.."}[60s])) or histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_response_status_code="",error_type!=""}[60s]))), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out"}[60s]))), "error_budget_part", "total", "", "")
    "#);
}

#[test]
fn a_native_histogram_is_asked_in_the_unit_of_its_family() {
    let native = Queries::family(
        Workload::new("shop", "checkout"),
        MetricsFamily::Istio,
        None,
        Buckets::Native([Duration::from_secs(1), Duration::from_secs(1)]),
    );
    insta::assert_snapshot!(native.latency(MINUTE).expect("latency").text, @r#"label_replace(histogram_count(sum(increase(istio_request_duration_milliseconds{destination_workload_namespace="shop",destination_workload="checkout",reporter="destination"}[60s]))), "le", "+Inf", "", "") or label_replace(histogram_fraction(0, 909.090909, sum(increase(istio_request_duration_milliseconds{destination_workload_namespace="shop",destination_workload="checkout",reporter="destination"}[60s]))) * histogram_count(sum(increase(istio_request_duration_milliseconds{destination_workload_namespace="shop",destination_workload="checkout",reporter="destination"}[60s]))), "le", "909.090909", "", "") or label_replace(histogram_fraction(0, 1100, sum(increase(istio_request_duration_milliseconds{destination_workload_namespace="shop",destination_workload="checkout",reporter="destination"}[60s]))) * histogram_count(sum(increase(istio_request_duration_milliseconds{destination_workload_namespace="shop",destination_workload="checkout",reporter="destination"}[60s]))), "le", "1100", "", "")"#);
    assert_eq!(
        native.total(MINUTE),
        family_of_checkout(MetricsFamily::Istio).total(MINUTE)
    );
}

fn family_of_checkout(family: MetricsFamily) -> Queries {
    Queries::family(
        Workload::new("shop", "checkout"),
        family,
        None,
        Buckets::All,
    )
}

#[test]
fn named_bounds_are_asked_for_in_the_unit_of_the_family() {
    let named = |family| {
        let queries = Queries::family(
            Workload::new("shop", "checkout"),
            family,
            None,
            Buckets::Named(vec![0.3, 1.0, 2.5]),
        );
        queries.latency(MINUTE).expect("latency").text
    };
    insta::assert_snapshot!(named(MetricsFamily::Http), @r#"sum by (le) (increase(http_request_duration_seconds_bucket{namespace="shop",service="checkout",le=~"0\\.3|1(\\.0)?|2\\.5|\\+Inf"}[60s]))"#);
    insta::assert_snapshot!(named(MetricsFamily::Linkerd), @r#"sum by (le) (increase(response_latency_ms_bucket{namespace="shop",deployment="checkout",direction="inbound",le=~"300(\\.0)?|1000(\\.0)?|2500(\\.0)?|\\+Inf"}[60s]))"#);
}

#[test]
fn a_selector_replaces_the_names_and_keeps_the_side() {
    let selected = |family| {
        let selector = r#"exported_service="checkout""#;
        let workload = Workload::new("shop", "checkout");
        Queries::family(workload, family, Some(selector), Buckets::All).bad(MINUTE)
    };
    insta::assert_snapshot!(selected(MetricsFamily::IngressNginx), @r#"sum(increase(nginx_ingress_controller_requests{exported_service="checkout",status=~"5.."}[60s]))"#);
    insta::assert_snapshot!(selected(MetricsFamily::Istio), @r#"sum(increase(istio_requests_total{exported_service="checkout",reporter="destination",response_code=~"5.."}[60s]))"#);
}

#[test]
fn a_name_cannot_leave_its_place_in_the_query() {
    let name = "x\"}[5m])) or vector(1) or sum(rate(y{a=\"";
    let evil = |family| {
        Queries::family(Workload::new("shop", name), family, None, Buckets::All).total(MINUTE)
    };
    insta::assert_snapshot!(evil(MetricsFamily::Http), @r#"sum(increase(http_requests_total{namespace="shop",service="x\"}[5m])) or vector(1) or sum(rate(y{a=\""}[60s]))"#);
    insta::assert_snapshot!(evil(MetricsFamily::Traefik), @r#"sum(increase(traefik_service_requests_total{service=~"shop-x\"\\}\\[5m\\]\\)\\) or vector\\(1\\) or sum\\(rate\\(y\\{a=\"-[^-]+@kubernetes(crd)?"}[60s]))"#);
}

#[test]
fn a_real_prometheus_accepts_every_query() {
    let prometheus = testkit::prometheus::Prometheus::start_empty();
    let thresholds = [Duration::from_secs(1), Duration::from_secs(2)];
    for family in MetricsFamily::ALL {
        for buckets in [
            Buckets::All,
            Buckets::Named(vec![0.000_02, 0.3, 1.0, 2500.0]),
            Buckets::Native(thresholds),
        ] {
            let workload = Workload::new("shop", "check.out");
            let queries = Queries::family(workload, family, None, buckets);
            let asked = [
                Some(queries.total(MINUTE)),
                Some(queries.bad(MINUTE)),
                queries.latency(MINUTE).map(|query| query.text),
                queries.age(),
                queries.samples().map(|[(_, newest), _]| newest),
                queries.samples().map(|[_, (_, before)]| before),
                Some(queries.coverage(MINUTE).0),
                queries.labelled(),
                queries.pods(MINUTE),
            ];
            let identity = queries.identity().expect("a family has labels").queries();
            let asked = asked.into_iter().flatten();
            for query in asked.chain(identity.map(|(_, query)| query)) {
                // The testkit panics on a refusal.
                prometheus.query(&query);
            }
        }
    }
}

#[test]
fn bad_and_all_events_are_told_apart_by_pod() {
    use chrono::{TimeDelta, Utc};
    use testkit::prometheus::{Backfill, History, Prometheus, ServiceLabels, Traffic};

    let now = Utc::now();
    let (begin, end) = (now - TimeDelta::hours(1), now + TimeDelta::minutes(5));
    let pod = |name: &str, errors: f64| {
        History::new(ServiceLabels::new("shop", "check.out"))
            .label("pod", name)
            .segment(begin, end, Traffic::healthy(10.0).errors(errors))
    };
    let backfill = Backfill::new(now)
        .service(pod("check.out-new-1", 0.2))
        .service(pod("check.out-old-1", 0.0).without_error_series());
    let prometheus = Prometheus::start(&backfill);
    let query = family(MetricsFamily::Http)
        .pods(Duration::from_secs(600))
        .expect("the service's own pods");
    let answer = prometheus.query_at(&query, now);
    let mut found: Vec<String> = answer["result"]
        .as_array()
        .expect("a vector")
        .iter()
        .map(|series| {
            let value = series["value"][1].as_str().expect("a number");
            let events: f64 = value.parse().expect("a number");
            let text = |label: &str| series["metric"][label].as_str().unwrap_or("none");
            let hundreds = (events / 100.0).round();
            format!("{} {}: {hundreds}00", text("pod"), text(PART))
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "check.out-new-1 bad: 1200",
            "check.out-new-1 total: 6000",
            "check.out-old-1 total: 6000",
        ]
    );
}

#[test]
fn samples_that_arrive_late_do_not_make_the_scrapes_look_rare() {
    use chrono::{TimeDelta, Utc};
    use testkit::prometheus::{Backfill, History, Prometheus, ServiceLabels, Traffic};

    let end = Utc::now();
    let history = History::new(ServiceLabels::new("shop", "check.out"));
    let history = history.segment(end - TimeDelta::hours(1), end, Traffic::healthy(10.0));
    let prometheus = Prometheus::start(&Backfill::new(end).service(history));
    let asked_at = end + TimeDelta::seconds(100);
    let samples = family(MetricsFamily::Http).samples();
    let [newest, before] = samples
        .expect("a family has samples")
        .map(|(_, query)| prometheus.number_at(&query, asked_at).expect("samples"));
    assert!(newest <= 3.0, "{newest} samples look like 40 s or more");
    assert!((7.0..=9.0).contains(&before), "{before} samples are 15 s");
}

#[test]
fn thirty_days_are_covered_by_hours_and_an_hour_by_minutes() {
    let queries = family(MetricsFamily::Http);
    let (month, slots) = queries.coverage(Duration::from_secs(30 * 86_400));
    assert_eq!(slots, 720);
    assert!(month.ends_with("[2592000s:3600s])"), "{month}");
    let (hour, slots) = queries.coverage(Duration::from_secs(3600));
    assert_eq!(slots, 60);
    assert!(hour.ends_with("[3600s:60s])"), "{hour}");
}

#[test]
fn own_queries_get_their_window_and_nothing_else() {
    let own = Queries::own(
        Workload::new("shop", "checkout"),
        "sum(increase(bad[${WINDOW}])) # all",
        "sum(increase(all[${WINDOW}]))",
    );
    assert_eq!(
        own.bad(Duration::from_secs(300)),
        "(\nsum(increase(bad[300s])) # all\n)"
    );
    assert_eq!(own.age(), None);
    assert_eq!(own.latency(MINUTE), None);
    assert_eq!(own.pods(MINUTE), None);
}
