//! What each HTTP status means and how often it is asked again.

use error_budget_monitor::clients::prometheus::{PrometheusError, QueryFault};
use testkit::stub::{ClosedPort, Reply, Stub};

use super::{VECTOR_OF_ONE, ask, client, noon, patient, refusal, told};

fn said(kind: &str, error: &str) -> String {
    format!(r#"{{"status":"error","errorType":"{kind}","error":"{error}"}}"#)
}

fn good() -> Reply {
    Reply::json(200, VECTOR_OF_ONE)
}

#[tokio::test]
async fn shows_the_words_of_a_refused_query_and_does_not_repeat_it() {
    let (error, requests) = refusal([Reply::json(
        400,
        said("bad_data", "parse error: unexpected end"),
    )])
    .await;
    assert!(
        matches!(error, PrometheusError::BadQuery { status: 400, .. }),
        "{error:?}"
    );
    assert!(
        told(&error).contains("parse error: unexpected end"),
        "{}",
        told(&error)
    );
    assert!(!error.is_transient());
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn names_the_setting_to_check_when_access_is_refused() {
    let (error, requests) = refusal([Reply::text(401, "no")]).await;
    assert!(
        matches!(error, PrometheusError::Refused { status: 401, .. }),
        "{error:?}"
    );
    assert!(
        told(&error).contains("PROMETHEUS_TOKEN"),
        "{}",
        told(&error)
    );
    assert_eq!(requests, 1);
    // A proxy may forbid POST only, so the other method is tried once.
    let (error, requests) = refusal([Reply::text(403, "no"), Reply::text(403, "no")]).await;
    assert!(
        matches!(error, PrometheusError::Refused { status: 403, .. }),
        "{error:?}"
    );
    assert_eq!(requests, 2);
}

#[tokio::test]
async fn names_the_path_when_there_is_no_query_api() {
    for status in [404, 406] {
        let (error, requests) = refusal([Reply::text(status, "404 page not found")]).await;
        assert!(
            matches!(error, PrometheusError::NotFound { .. }),
            "{error:?}"
        );
        assert!(told(&error).contains("/api/v1/query"), "{}", told(&error));
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn reports_a_query_beyond_a_limit_without_repeating_it() {
    for reply in [
        Reply::json(
            422,
            said(
                "execution",
                "query processing would load too many samples into memory",
            ),
        ),
        Reply::json(
            422,
            said(
                "422",
                "cannot select more than -search.maxSamplesPerQuery=1000 samples",
            ),
        ),
        Reply::json(
            422,
            said(
                "execution",
                "receive series: exceeded series limit: limit 10 violated (got 20)",
            ),
        ),
        // The words come last, after a store of which much is said.
        Reply::json(
            422,
            said(
                "execution",
                "expanding series: proxy Series(): rpc error: code = Aborted desc = fetch series for a store with labels: \
                 cluster=production replica=a Addr: 10.0.0.1:10901 MinTime: 1795759168000 MaxTime: 9223372036854775807: \
                 rpc error: code = ResourceExhausted desc = exceeded series limit: limit 10 violated (got 20)",
            ),
        ),
        Reply::json(
            400,
            said(
                "bad_data",
                "query processing would load too many samples into memory",
            ),
        ),
        Reply::json(
            503,
            said("timeout", "the query exceeded err-mimir-max-query-length"),
        ),
    ] {
        let (error, requests) = refusal([reply]).await;
        assert!(
            matches!(error, PrometheusError::TooExpensive { .. }),
            "{error:?}"
        );
        assert!(!error.is_transient());
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn a_query_that_fails_for_another_reason_is_not_called_too_much() {
    for words in [
        "many-to-many matching not allowed",
        "proxy Series(): rpc error: code = Unavailable desc = connection error",
        "proxy Series(): rpc error: code = Unavailable desc = connection error: context deadline exceeded",
    ] {
        let (error, requests) = refusal([Reply::json(422, said("execution", words))]).await;
        assert!(
            matches!(error, PrometheusError::NotExecuted { .. }),
            "{error:?}"
        );
        assert_eq!(error.query_fault(), Some(QueryFault::Failed));
        let told = told(&error);
        assert!(
            told.contains(words) && told.contains("a store behind"),
            "{told}"
        );
        assert!(!told.contains("limit"), "{told}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn asks_once_more_after_an_error_inside_the_server() {
    for reply in [
        Reply::json(499, said("canceled", "query was canceled")),
        Reply::json(500, said("internal", "broken")),
        Reply::json(503, said("unavailable", "no querier")),
        Reply::html(521, "<h1>down</h1>"),
    ] {
        let (error, requests) = refusal([reply.clone(), reply]).await;
        assert!(
            matches!(error, PrometheusError::Unavailable { .. }),
            "{error:?}"
        );
        assert!(error.is_transient());
        assert_eq!(requests, 2);
    }
}

#[tokio::test]
async fn asks_once_more_when_the_server_gave_the_query_up() {
    let thanos =
        "proxy Series(): rpc error: code = DeadlineExceeded desc = context deadline exceeded";
    for (status, kind, words) in [
        (200, "timeout", "query timed out"),
        (503, "timeout", "query timed out"),
        (422, "execution", thanos),
    ] {
        let reply = Reply::json(status, said(kind, words));
        let (error, requests) = refusal([reply.clone(), reply]).await;
        assert_eq!(error.query_fault(), Some(QueryFault::TooMuch), "{error:?}");
        assert!(told(&error).contains("PROMETHEUS_TIMEOUT"), "{error:?}");
        assert!(error.is_transient());
        assert_eq!(requests, 2);
    }
}

#[tokio::test]
async fn asks_again_until_a_passing_trouble_is_over() {
    for reply in [
        Reply::text(503, "Service Unavailable").with_header("X-Prometheus-Stopping", "false"),
        Reply::html(503, "<h1>no backend</h1>"),
        Reply::html(502, "<h1>bad gateway</h1>"),
        Reply::text(504, "late"),
        Reply::json(429, said("too_many_requests", "slow down")).with_header("Retry-After", "0"),
        Reply::reset(),
        Reply::hangup(),
        Reply::json(200, VECTOR_OF_ONE).cut_short(),
    ] {
        let stub = Stub::sequence([reply.clone(), reply, good()]);
        let answer = ask(&stub).await.expect("an answer in the end");
        assert_eq!(answer.value.len(), 1);
        assert_eq!(stub.requests().len(), 3);
    }
}

#[tokio::test]
async fn gives_up_at_once_when_the_server_asks_for_more_time_than_there_is() {
    let (error, requests) =
        refusal([Reply::text(503, "starting").with_header("Retry-After", "3600")]).await;
    assert!(
        matches!(error, PrometheusError::Starting { .. }),
        "{error:?}"
    );
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn falls_back_to_get_and_remembers_it() {
    for status in [403, 405, 415] {
        let stub = Stub::http(move |request| match request.method.as_str() {
            "POST" => Some(Reply::text(status, "read only")),
            "GET" => Some(good()),
            _ => None,
        });
        let prometheus = client(&stub.url(), &patient());
        for _ in 0..2 {
            prometheus.instant("up", noon()).await.expect("an answer");
        }
        let methods: Vec<_> = stub
            .requests()
            .into_iter()
            .map(|request| request.method)
            .collect();
        assert_eq!(methods, ["POST", "GET", "GET"]);
        assert_eq!(prometheus.requests(), 3);
        let by_get = &stub.requests()[1];
        assert_eq!(by_get.parameter("query").as_deref(), Some("up"));
        assert!(by_get.body.is_empty());
    }
}

#[tokio::test]
async fn does_not_mistake_another_program_for_prometheus() {
    for reply in [
        Reply::html(200, "<html>please log in</html>"),
        Reply::untyped(200, VECTOR_OF_ONE),
        Reply::text(204, ""),
        Reply::html(400, "plain HTTP sent to an HTTPS port"),
        Reply::text(410, "gone"),
    ] {
        let (error, requests) = refusal([reply]).await;
        assert!(
            matches!(error, PrometheusError::NotPrometheus { .. }),
            "{error:?}"
        );
        assert!(!error.is_transient());
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn follows_no_redirect_and_names_only_the_origin_of_the_target() {
    for status in [301, 302, 303, 307, 308] {
        let (error, requests) = refusal([Reply::redirect(
            status,
            "https://login.example:8443/oauth?state=canary",
        )])
        .await;
        assert!(
            matches!(error, PrometheusError::Redirected { .. }),
            "{error:?}"
        );
        let told = told(&error);
        assert!(
            told.contains("redirected to https://login.example:8443"),
            "{told}"
        );
        assert!(
            !told.contains("canary") && !told.contains("oauth"),
            "{told}"
        );
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn an_error_told_with_status_200_is_still_an_error() {
    let body = r#"{"status":"error","errorType":"execution","error":"no","data":{"resultType":"vector","result":[]}}"#;
    let (error, requests) = refusal([Reply::json(200, body)]).await;
    assert!(
        matches!(error, PrometheusError::NotExecuted { .. }),
        "{error:?}"
    );
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn data_that_comes_with_an_error_is_not_read() {
    let body = VECTOR_OF_ONE.replace("success", "error");
    let (error, _) = refusal([Reply::json(422, body)]).await;
    assert!(
        matches!(error, PrometheusError::NotExecuted { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_transient_and_names_host_and_port() {
    let port = ClosedPort::reserve();
    let settings = super::impatient();
    let error = client(&port.url(), &settings)
        .instant("up", noon())
        .await
        .expect_err("nobody listens");
    assert!(
        matches!(error, PrometheusError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.is_transient());
    let told = told(&error);
    assert!(
        told.starts_with(&format!(
            "query Prometheus at {}: not reachable",
            port.url()
        )),
        "{told}"
    );
    assert!(
        told.ends_with("no connection: Connection refused (os error 111)"),
        "{told}"
    );
}
