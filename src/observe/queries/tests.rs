use super::*;
use crate::observe::combined::{PART, parts_of};
use crate::observe::families::PROBES;

const MINUTE: Duration = Duration::from_secs(60);

fn family(family: MetricsFamily) -> Queries {
    let queries = Queries::family(
        Workload::new("shop", "check.out"),
        family,
        None,
        Buckets::All,
    );
    // Of the labels that the family `http` knows, those that most services have: status, code, path and handler.
    let lacks = if family == MetricsFamily::Http {
        0b1_1100_1100
    } else {
        0
    };
    queries.seen(SeenForm {
        lacks,
        ..SeenForm::default()
    })
}

/// Writes the queries of a family on lines of their own, the routes of probes and the question of the images by their
/// names.
fn shown(queries: &Queries) -> String {
    let latency = queries.latency(MINUTE).expect("a family has latency");
    let text = [
        queries.total(MINUTE),
        queries.bad(MINUTE),
        queries.strange(MINUTE).expect("a family has outcomes"),
        queries
            .strangest(MINUTE)
            .unwrap_or_else(|| "no names".to_owned()),
        latency.text,
        format!("unit: {} s", latency.unit_seconds),
        queries.age().expect("a family has an age"),
        queries.pods(MINUTE),
    ]
    .join("\n");
    let images = [(IMAGE, images(queries.workload(), MINUTE))];
    text.replace(PROBES, "PROBES")
        .replace(&combine(images), "IMAGES")
}

#[test]
fn http() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Http)), @r#"
    sum(increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",status=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",code=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]))
    sum(increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",status=~"5[0-9][0-9]( .*)?|5(xx|XX)|(?i:error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",code=~"5[0-9][0-9]( .*)?|5(xx|XX)|(?i:error|failure|failed)"}[60s]))
    sum(increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",status!~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)",code!~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]))
    topk(3, sum by (status,code) (increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",status!~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)",code!~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s])) > 0)
    sum by (le) (increase(http_request_duration_seconds_bucket{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES"})) or max(max_over_time(timestamp(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES"})[3600s:300s])))
    label_replace(sum by (pod) (increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",status=~"5[0-9][0-9]( .*)?|5(xx|XX)|(?i:error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",code=~"5[0-9][0-9]( .*)?|5(xx|XX)|(?i:error|failure|failed)"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",status=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="check.out",path!~"PROBES",handler!~"PROBES",code=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s])), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn istio() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Istio)), @r#"
    sum(increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~"[1-5][0-9][0-9]|0"}[60s]) or increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",grpc_response_status=~"[0-9]|1[0-6]"}[60s]))
    sum(increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~"5[0-9][0-9]"}[60s]) or increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",grpc_response_status=~"2|4|12|13|14|15"}[60s]))
    sum(increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code!~"[1-5][0-9][0-9]|0",grpc_response_status!~"[0-9]|1[0-6]"}[60s]))
    topk(3, sum by (response_code,grpc_response_status) (increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code!~"[1-5][0-9][0-9]|0",grpc_response_status!~"[0-9]|1[0-6]"}[60s])) > 0)
    sum by (le) (increase(istio_request_duration_milliseconds_bucket{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"}[60s]))
    unit: 0.001 s
    time() - (max(timestamp(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"})) or max(max_over_time(timestamp(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination"})[3600s:300s])))
    label_replace(sum by (pod) (increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~"5[0-9][0-9]"}[60s]) or increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",grpc_response_status=~"2|4|12|13|14|15"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",response_code=~"[1-5][0-9][0-9]|0"}[60s]) or increase(istio_requests_total{destination_workload_namespace="shop",destination_workload="check.out",reporter="destination",grpc_response_status=~"[0-9]|1[0-6]"}[60s])), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn ingress_nginx() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::IngressNginx)), @r#"
    sum(increase(nginx_ingress_controller_requests{namespace="shop",service="check.out",path!~"PROBES",status=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)"}[60s]))
    sum(increase(nginx_ingress_controller_requests{namespace="shop",service="check.out",path!~"PROBES",status=~"5[0-9][0-9]( .*)?|5(xx|XX)"}[60s]))
    sum(increase(nginx_ingress_controller_requests{namespace="shop",service="check.out",path!~"PROBES",status!~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)"}[60s]))
    topk(3, sum by (status) (increase(nginx_ingress_controller_requests{namespace="shop",service="check.out",path!~"PROBES",status!~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)"}[60s])) > 0)
    sum by (le) (increase(nginx_ingress_controller_request_duration_seconds_bucket{namespace="shop",service="check.out",path!~"PROBES"}[60s]))
    unit: 1 s
    time() - (max(timestamp(nginx_ingress_controller_requests{namespace="shop",service="check.out",path!~"PROBES"})) or max(max_over_time(timestamp(nginx_ingress_controller_requests{namespace="shop",service="check.out",path!~"PROBES"})[3600s:300s])))
    IMAGES
    "#);
}

#[test]
fn envoy() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Envoy)), @r#"
    sum(increase(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+",envoy_response_code_class=~"[1-5]"}[60s]))
    sum(increase(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+",envoy_response_code_class=~"5"}[60s]))
    sum(increase(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+",envoy_response_code_class!~"[1-5]"}[60s]))
    topk(3, sum by (envoy_response_code_class) (increase(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+",envoy_response_code_class!~"[1-5]"}[60s])) > 0)
    sum by (le) (increase(envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+"}[60s]))
    unit: 0.001 s
    time() - (max(timestamp(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+"})) or max(max_over_time(timestamp(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"shop_check\\.out_.+|(http|grpc)route/shop/check\\.out/rule/.+"})[3600s:300s])))
    IMAGES
    "#);
}

#[test]
fn linkerd() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Linkerd)), @r#"
    sum(increase(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe",classification=~"success|failure"}[60s]))
    sum(increase(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe",classification=~"failure"}[60s]))
    sum(increase(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe",classification!~"success|failure"}[60s]))
    topk(3, sum by (classification) (increase(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe",classification!~"success|failure"}[60s])) > 0)
    sum by (le) (increase(response_latency_ms_bucket{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe"}[60s]))
    unit: 0.001 s
    time() - (max(timestamp(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe"})) or max(max_over_time(timestamp(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe"})[3600s:300s])))
    label_replace(sum by (pod) (increase(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe",classification=~"failure"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(response_total{namespace="shop",deployment="check.out",direction="inbound",route_name!="probe",classification=~"success|failure"}[60s])), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn traefik() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Traefik)), @r#"
    sum(increase(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx",code=~"[1-5][0-9][0-9]|[0-9]|1[0-6]"}[60s]))
    sum(increase(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx",code=~"5[0-9][0-9]|2|4|12|13|14|15"}[60s]))
    sum(increase(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx",code!~"[1-5][0-9][0-9]|[0-9]|1[0-6]"}[60s]))
    topk(3, sum by (code) (increase(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx",code!~"[1-5][0-9][0-9]|[0-9]|1[0-6]"}[60s])) > 0)
    sum by (le) (increase(traefik_service_request_duration_seconds_bucket{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx"}[60s]))
    unit: 1 s
    time() - (max(timestamp(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx"})) or max(max_over_time(timestamp(traefik_service_requests_total{service=~"shop-check\\.out-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-check\\.out-[0-9]+@kubernetesgateway|shop-check\\.out-check\\.out-[^-]+@kubernetesingressnginx"})[3600s:300s])))
    IMAGES
    "#);
}

#[test]
fn grpc() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Grpc)), @r#"
    sum(increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code=~"OK|Canceled|Unknown|InvalidArgument|DeadlineExceeded|NotFound|AlreadyExists|PermissionDenied|ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unimplemented|Internal|Unavailable|DataLoss|Unauthenticated",grpc_code!="Unknown"}[60s]))
    sum(increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss|Unimplemented",grpc_code!="Unknown"}[60s]))
    sum(increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code!~"OK|Canceled|Unknown|InvalidArgument|DeadlineExceeded|NotFound|AlreadyExists|PermissionDenied|ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unimplemented|Internal|Unavailable|DataLoss|Unauthenticated"}[60s]) or increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code="Unknown"}[60s]))
    topk(3, sum by (grpc_code) (increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code!~"OK|Canceled|Unknown|InvalidArgument|DeadlineExceeded|NotFound|AlreadyExists|PermissionDenied|ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unimplemented|Internal|Unavailable|DataLoss|Unauthenticated"}[60s]) or increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code="Unknown"}[60s])) > 0)
    sum by (le) (increase(grpc_server_handling_seconds_bucket{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health"}[60s]))
    unit: 1 s
    time() - (max(timestamp(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health"})) or max(max_over_time(timestamp(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health"})[3600s:300s])))
    label_replace(sum by (pod) (increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss|Unimplemented",grpc_code!="Unknown"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(grpc_server_handled_total{namespace="shop",service="check.out",grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health",grpc_code=~"OK|Canceled|Unknown|InvalidArgument|DeadlineExceeded|NotFound|AlreadyExists|PermissionDenied|ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unimplemented|Internal|Unavailable|DataLoss|Unauthenticated",grpc_code!="Unknown"}[60s])), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn otel() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Otel)), @r#"
    sum(increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"[1-5][0-9][0-9]"}[60s]) or increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s]))
    sum(increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"5[0-9][0-9]"}[60s]) or increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s]))
    sum(increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code!~"[1-5][0-9][0-9]",error_type!~".+"}[60s]))
    topk(3, sum by (http_response_status_code,error_type) (increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code!~"[1-5][0-9][0-9]",error_type!~".+"}[60s])) > 0)
    sum by (le) (increase(http_server_request_duration_seconds_bucket{namespace="shop",service="check.out",http_route!~"PROBES"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES"})) or max(max_over_time(timestamp(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES"})[3600s:300s])))
    label_replace(sum by (pod) (increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"5[0-9][0-9]"}[60s]) or increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"[1-5][0-9][0-9]"}[60s]) or increase(http_server_request_duration_seconds_count{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s])), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn spring() {
    insta::assert_snapshot!(shown(&family(MetricsFamily::Spring)), @r#"
    sum(increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",status=~"[1-5][0-9][0-9]|UNKNOWN"}[60s]) or increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",outcome=~"INFORMATIONAL|SUCCESS|REDIRECTION|CLIENT_ERROR|SERVER_ERROR|UNKNOWN"}[60s]))
    sum(increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",status=~"5[0-9][0-9]"}[60s]) or increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",outcome=~"SERVER_ERROR"}[60s]))
    sum(increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",status!~"[1-5][0-9][0-9]|UNKNOWN",outcome!~"INFORMATIONAL|SUCCESS|REDIRECTION|CLIENT_ERROR|SERVER_ERROR|UNKNOWN"}[60s]))
    topk(3, sum by (status,outcome) (increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",status!~"[1-5][0-9][0-9]|UNKNOWN",outcome!~"INFORMATIONAL|SUCCESS|REDIRECTION|CLIENT_ERROR|SERVER_ERROR|UNKNOWN"}[60s])) > 0)
    sum by (le) (increase(http_server_requests_seconds_bucket{namespace="shop",service="check.out",uri!~"PROBES"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES"})) or max(max_over_time(timestamp(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES"})[3600s:300s])))
    label_replace(sum by (pod) (increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",status=~"5[0-9][0-9]"}[60s]) or increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",outcome=~"SERVER_ERROR"}[60s])), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",status=~"[1-5][0-9][0-9]|UNKNOWN"}[60s]) or increase(http_server_requests_seconds_count{namespace="shop",service="check.out",uri!~"PROBES",outcome=~"INFORMATIONAL|SUCCESS|REDIRECTION|CLIENT_ERROR|SERVER_ERROR|UNKNOWN"}[60s])), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn a_native_histogram_counts_the_events_of_its_family() {
    let native = Queries::family(
        Workload::new("shop", "check.out"),
        MetricsFamily::Otel,
        None,
        Buckets::Native,
    );
    insta::assert_snapshot!(shown(&native), @r#"
    sum(histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"[1-5][0-9][0-9]"}[60s])) or histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s])))
    sum(histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"5[0-9][0-9]"}[60s])) or histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s])))
    sum(histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code!~"[1-5][0-9][0-9]",error_type!~".+"}[60s])))
    topk(3, sum by (http_response_status_code,error_type) (histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code!~"[1-5][0-9][0-9]",error_type!~".+"}[60s]))) > 0)
    sum(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES"}[60s]))
    unit: 1 s
    time() - (max(timestamp(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES"})) or max(max_over_time(timestamp(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES"})[3600s:300s])))
    label_replace(sum by (pod) (histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"5[0-9][0-9]"}[60s])) or histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s]))), "error_budget_part", "bad", "", "") or label_replace(sum by (pod) (histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",http_response_status_code=~"[1-5][0-9][0-9]"}[60s])) or histogram_count(increase(http_server_request_duration_seconds{namespace="shop",service="check.out",http_route!~"PROBES",error_type=~".+",http_response_status_code!~"[1-5][0-9][0-9]"}[60s]))), "error_budget_part", "total", "", "") or IMAGES
    "#);
}

#[test]
fn a_native_histogram_is_asked_in_the_unit_of_its_family() {
    let native = Queries::family(
        Workload::new("shop", "checkout"),
        MetricsFamily::Istio,
        None,
        Buckets::Native,
    );
    insta::assert_snapshot!(native.latency(MINUTE).expect("latency").text, @r#"sum(increase(istio_request_duration_milliseconds{destination_workload_namespace="shop",destination_workload="checkout",reporter="destination"}[60s]))"#);
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
    insta::assert_snapshot!(named(MetricsFamily::Http), @r#"sum by (le) (increase(http_request_duration_seconds_bucket{namespace="shop",service="checkout",path!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",handler!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",uri!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",http_route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",le=~"0\\.3|1(\\.0)?|2\\.5|\\+Inf"}[60s]))"#);
    insta::assert_snapshot!(named(MetricsFamily::Linkerd), @r#"sum by (le) (increase(response_latency_ms_bucket{namespace="shop",deployment="checkout",direction="inbound",route_name!="probe",le=~"300(\\.0)?|1000(\\.0)?|2500(\\.0)?|\\+Inf"}[60s]))"#);
}

#[test]
fn a_selector_replaces_the_names_and_keeps_the_side() {
    let selected = |family| {
        let selector = r#"exported_service="checkout""#;
        let workload = Workload::new("shop", "checkout");
        Queries::family(workload, family, Some(selector), Buckets::All).bad(MINUTE)
    };
    insta::assert_snapshot!(selected(MetricsFamily::IngressNginx), @r#"sum(increase(nginx_ingress_controller_requests{exported_service="checkout",path!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",status=~"5[0-9][0-9]( .*)?|5(xx|XX)"}[60s]))"#);
    insta::assert_snapshot!(selected(MetricsFamily::Istio), @r#"sum(increase(istio_requests_total{exported_service="checkout",reporter="destination",response_code=~"5[0-9][0-9]"}[60s]) or increase(istio_requests_total{exported_service="checkout",reporter="destination",grpc_response_status=~"2|4|12|13|14|15"}[60s]))"#);
}

#[test]
fn a_name_cannot_leave_its_place_in_the_query() {
    let name = "x\"}[5m])) or vector(1) or sum(rate(y{a=\"";
    let evil = |family| {
        Queries::family(Workload::new("shop", name), family, None, Buckets::All).total(MINUTE)
    };
    insta::assert_snapshot!(evil(MetricsFamily::Http), @r#"sum(increase(http_requests_total{namespace="shop",service="x\"}[5m])) or vector(1) or sum(rate(y{a=\"",path!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",handler!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",uri!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",http_route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",status=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="x\"}[5m])) or vector(1) or sum(rate(y{a=\"",path!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",handler!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",uri!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",http_route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",code=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="x\"}[5m])) or vector(1) or sum(rate(y{a=\"",path!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",handler!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",uri!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",http_route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",status_code=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]) or increase(http_requests_total{namespace="shop",service="x\"}[5m])) or vector(1) or sum(rate(y{a=\"",path!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",handler!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",uri!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",http_route!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?",code_class=~"[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)"}[60s]))"#);
    insta::assert_snapshot!(evil(MetricsFamily::Traefik), @r#"sum(increase(traefik_service_requests_total{service=~"shop-x\"\\}\\[5m\\]\\)\\) or vector\\(1\\) or sum\\(rate\\(y\\{a=\"-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{20}-svc-shop-x\"\\}\\[5m\\]\\)\\) or vector\\(1\\) or sum\\(rate\\(y\\{a=\"-[0-9]+@kubernetesgateway|shop-x\"\\}\\[5m\\]\\)\\) or vector\\(1\\) or sum\\(rate\\(y\\{a=\"-x\"\\}\\[5m\\]\\)\\) or vector\\(1\\) or sum\\(rate\\(y\\{a=\"-[^-]+@kubernetesingressnginx",code=~"[1-5][0-9][0-9]|[0-9]|1[0-6]"}[60s]))"#);
}

#[test]
fn a_real_prometheus_accepts_every_query() {
    let prometheus = testkit::prometheus::Prometheus::start_empty();
    for family in MetricsFamily::ALL {
        for buckets in [
            Buckets::All,
            Buckets::Named(vec![0.000_02, 0.3, 1.0, 2500.0]),
            Buckets::Native,
        ] {
            let workload = Workload::new("shop", "check.out");
            let queries = Queries::family(workload, family, None, buckets);
            // The testkit panics on a refusal.
            prometheus.query(&combine(queries.sought()));
            let forms = queries.series().map_or(0, Series::forms);
            for form in 0..forms {
                for has_primary in [false, true] {
                    let seen = SeenForm {
                        form,
                        has_primary,
                        is_proven: has_primary,
                        is_classic: has_primary,
                        lacks: 0,
                    };
                    let queries = queries.seen(seen);
                    // Labels with dots are asked for only where the metric says that the server holds such.
                    if !queries.series().is_some_and(Series::has_dots) {
                        for query in asked(&queries) {
                            prometheus.query(&query);
                        }
                    }
                }
            }
        }
    }
}

/// Returns all that is asked once a service was seen.
fn asked(queries: &Queries) -> Vec<String> {
    let identity = queries.identity().expect("a family has labels").queries();
    [
        Some(queries.total(MINUTE)),
        Some(queries.bad(MINUTE)),
        queries.latency(MINUTE).map(|query| query.text),
        queries.age(),
        Some(queries.coverage(MINUTE).0),
        queries.series_seen(None),
        queries.series_seen(Some(Duration::from_millis(300_123))),
        queries.strange(MINUTE),
        queries.strangest(MINUTE),
        Some(queries.pods(MINUTE)),
    ]
    .into_iter()
    .flatten()
    .chain(identity.map(|(_, query)| query))
    .collect()
}

#[test]
fn no_request_is_longer_than_victoriametrics_reads() {
    // Source: `-search.maxQueryLen` of VictoriaMetrics 1.151 (bytes).
    const LONGEST: usize = 16_384;
    for kind in MetricsFamily::ALL {
        let queries = family(kind);
        let forms = queries.series().map_or(0, Series::forms);
        let native = Queries::family(
            Workload::new("shop", "check.out"),
            kind,
            None,
            Buckets::Native,
        );
        for queries in [&queries, &native] {
            let length = combine(queries.sought()).len();
            assert!(length < LONGEST, "{kind}: {length}");
        }
        for form in 0..forms {
            let queries = queries.seen(SeenForm {
                form,
                has_primary: true,
                is_proven: false,
                is_classic: false,
                lacks: if kind == MetricsFamily::Http {
                    0b1_1100_1100
                } else {
                    0
                },
            });
            let mut parts = Vec::new();
            for _ in 0..4 {
                parts.push(("m5_total", queries.total(MINUTE)));
                parts.push(("m5_bad", queries.bad(MINUTE)));
            }
            parts.extend(queries.strange(MINUTE).map(|query| ("strange", query)));
            parts.extend(queries.strangest(MINUTE).map(|query| ("strangest", query)));
            parts.extend(queries.age().map(|query| ("age", query)));
            let identity = queries.identity().expect("a family has labels");
            parts.extend(identity.queries());
            let length = combine(parts).len();
            assert!(length < LONGEST, "{kind} {form}: {length}");
        }
    }
}

#[test]
fn labels_with_dots_are_asked_for_only_where_the_metric_exists() {
    let queries = family(MetricsFamily::Otel);
    let forms = queries.series().map_or(0, Series::forms);
    let dotted: Vec<String> = (0..forms)
        .map(|form| {
            queries.seen(SeenForm {
                form,
                ..SeenForm::default()
            })
        })
        .filter(|queries| queries.series().is_some_and(Series::has_dots))
        .map(|queries| queries.bad(MINUTE))
        .collect();
    insta::assert_snapshot!(dotted.join("\n"), @r#"
    sum(increase({__name__="http.server.request.duration_seconds_count",job="shop/check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","http.response.status_code"=~"5[0-9][0-9]"}[60s]) or increase({__name__="http.server.request.duration_seconds_count",job="shop/check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","error.type"=~".+","http.response.status_code"!~"[1-5][0-9][0-9]"}[60s]))
    sum(increase({__name__="http.server.request.duration_seconds_count","service.namespace"="shop","service.name"="check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","http.response.status_code"=~"5[0-9][0-9]"}[60s]) or increase({__name__="http.server.request.duration_seconds_count","service.namespace"="shop","service.name"="check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","error.type"=~".+","http.response.status_code"!~"[1-5][0-9][0-9]"}[60s]))
    sum(increase({__name__="http.server.request.duration_count",job="shop/check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","http.response.status_code"=~"5[0-9][0-9]"}[60s]) or increase({__name__="http.server.request.duration_count",job="shop/check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","error.type"=~".+","http.response.status_code"!~"[1-5][0-9][0-9]"}[60s]))
    sum(increase({__name__="http.server.request.duration_count","service.namespace"="shop","service.name"="check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","http.response.status_code"=~"5[0-9][0-9]"}[60s]) or increase({__name__="http.server.request.duration_count","service.namespace"="shop","service.name"="check.out","http.route"!~".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|/(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?","error.type"=~".+","http.response.status_code"!~"[1-5][0-9][0-9]"}[60s]))
    "#);
    // What the first request of a pass asks is for every server.
    let sought = combine(queries.sought());
    assert!(!sought.contains(r#""service.name""#), "{sought}");
    assert!(sought.contains(r#"{__name__="http.server.request.duration_count"}"#));
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
    let query = family(MetricsFamily::Http).pods(Duration::from_secs(600));
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
fn thirty_days_are_covered_by_nearly_hours_and_an_hour_by_minutes() {
    let queries = family(MetricsFamily::Http);
    let (month, slots) = queries.coverage(Duration::from_secs(30 * 86_400));
    assert_eq!(slots, 731);
    assert!(month.ends_with("[2592000s:3541s])"), "{month}");
    let (hour, slots) = queries.coverage(Duration::from_secs(3600));
    assert_eq!(slots, 60);
    assert!(hour.ends_with("[3600s:60s])"), "{hour}");
}

#[test]
fn a_slot_on_the_border_of_two_parts_is_in_one_of_them() {
    let queries = family(MetricsFamily::Http);
    let (day, year) = (
        Duration::from_secs(86_400),
        Duration::from_secs(366 * 86_400),
    );
    // A slot has half a day there, and so has the part.
    let part = queries.covered_slots(day / 2, year);
    assert!(part.ends_with("[43199s:43200s])"), "{part}");
    let whole = queries.covered_slots(year, year);
    assert!(whole.ends_with("[31622400s:43200s])"), "{whole}");
    // Debian's Prometheus counts both ends of a subquery, newer ones the later end only.
    let prometheus = testkit::prometheus::Prometheus::start_empty();
    let range = part.rsplit_once(")[").expect("a range").1;
    let noon = chrono::DateTime::UNIX_EPOCH + day * 20_000 + day / 2;
    let found = prometheus.query_at(&format!("sum_over_time(vector(1)[{range}"), noon);
    assert_eq!(found["result"][0]["value"][1], "1", "{found}");
    let shortest = queries.covered_slots(Duration::from_millis(300), year);
    assert!(shortest.ends_with("[1s:43200s])"), "{shortest}");
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
    insta::assert_snapshot!(own.pods(MINUTE), @r#"label_replace(max by (pod,image) (max_over_time(kube_pod_container_info{namespace="shop",pod=~"checkout-([bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)"}[60s])), "error_budget_part", "image", "", "")"#);
}

#[test]
fn what_was_joined_is_taken_apart_again() {
    let parts = [
        ("a", "sum(rate(x{y=\"z\"}[5m]))".to_owned()),
        (
            "b",
            "label_replace(up, \"a\", \"b\", \"\", \"\") or up".to_owned(),
        ),
    ];
    let apart = parts_of(&combine(parts.clone()));
    let expected = parts.map(|(name, query)| (name.to_owned(), query));
    assert_eq!(apart, expected);
    assert_eq!(
        parts_of("vector(1)"),
        [(String::new(), "vector(1)".to_owned())]
    );
}
