//! What is sent and how answers are read.

use std::time::Duration;

use chrono::TimeDelta;
use error_budget_monitor::clients::prometheus::PrometheusError;
use testkit::stub::{Reply, Stub};

use super::{VECTOR_OF_ONE, ask, client, noon, patient, refusal};

fn answers(body: &str) -> Stub {
    Stub::sequence([Reply::json(200, body)])
}

#[tokio::test]
async fn sends_a_form_below_the_base_path() {
    for end in ["", "/"] {
        let stub = answers(VECTOR_OF_ONE);
        let prometheus = client(
            &format!("{}/select/0/prometheus{end}", stub.url()),
            &patient(),
        );
        prometheus
            .instant(r#"up{a="ü&b=c"}"#, noon())
            .await
            .expect("an answer");
        let [request] = &stub.requests()[..] else {
            panic!("one request");
        };
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/select/0/prometheus/api/v1/query")
        );
        assert_eq!(
            request.header("content-type"),
            Some("application/x-www-form-urlencoded")
        );
        assert_eq!(request.header("accept"), Some("application/json"));
        let agent = concat!("error-budget-monitor/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
        for (name, value) in [
            ("query", r#"up{a="ü&b=c"}"#),
            ("time", "1700000000.123"),
            ("partial_response", "false"),
            ("dedup", "true"),
            ("max_source_resolution", "0s"),
            ("nocache", "1"),
            ("latency_offset", "1ms"),
        ] {
            assert_eq!(request.parameter(name).as_deref(), Some(value), "{name}");
        }
        let timeout: f64 = request
            .parameter("timeout")
            .expect("a timeout")
            .parse()
            .expect("seconds");
        assert!(
            timeout > 0.0 && timeout < patient().timeout.as_secs_f64(),
            "{timeout}"
        );
    }
}

#[tokio::test]
async fn asks_for_a_range_with_both_ends_and_the_step() {
    let stub = answers(
        r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"1"},"values":[[1699999700.123,"1"],[1699999703.123,"NaN"]]},{"metric":{"a":"2"},"values":[]}]}}"#,
    );
    let prometheus = client(&stub.url(), &patient());
    let start = noon() - TimeDelta::minutes(5);
    let answer = prometheus
        .range("up", start, noon(), Duration::from_millis(1500))
        .await
        .expect("an answer");
    let request = &stub.requests()[0];
    assert_eq!(request.target, "/api/v1/query_range");
    assert_eq!(
        request.parameter("start").as_deref(),
        Some("1699999700.123")
    );
    assert_eq!(request.parameter("end").as_deref(), Some("1700000000.123"));
    assert_eq!(request.parameter("step").as_deref(), Some("1.500"));
    let [first, second] = &answer.value[..] else {
        panic!("two series");
    };
    assert_eq!(first.points[0].1, 1.0);
    assert!(first.points[1].1.is_nan());
    assert_eq!(first.points[1].0.timestamp_millis(), 1_699_999_703_123);
    assert_eq!(answer.partial, None);
    assert!(second.points.is_empty());
}

#[tokio::test]
async fn reads_the_servers_clock_from_the_time_of_an_answer() {
    // What the server evaluates may lie behind its clock.
    let stub = answers(
        r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{},"value":[1700000000.123,"1699999970"]}]}}"#,
    );
    let prometheus = client(&stub.url(), &patient());
    let time = prometheus.server_time().await.expect("a time");
    assert_eq!(time, noon());
    assert_eq!(stub.requests()[0].parameter("time"), None);
    for none in ["[]", r#"[{"metric":{},"value":[1e300,"1"]}]"#] {
        let stub = answers(&format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":{none}}}}}"#
        ));
        let error = client(&stub.url(), &patient())
            .server_time()
            .await
            .expect_err("no time");
        assert!(
            matches!(error, PrometheusError::Malformed { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_about_other_times_than_asked_for_proves_nothing() {
    let start = noon() - TimeDelta::minutes(5);
    // A grid of 30 s that a cache moved back to multiples of the step, and one with a point after its end.
    for points in [
        r#"[1699999680,"1"],[1699999710,"1"]"#,
        r#"[1699999700.123,"1"],[1700000030.123,"1"]"#,
    ] {
        let stub = answers(&format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[
                {{"metric":{{}},"values":[{points}]}}]}}}}"#
        ));
        let prometheus = client(&stub.url(), &patient());
        let answer = prometheus
            .range("up", start, noon(), Duration::from_secs(30))
            .await
            .expect("an answer");
        let partial = answer.partial.expect("a doubt");
        assert!(partial.contains("none of the times asked for"), "{partial}");
    }
    let stub = answers(&VECTOR_OF_ONE.replace("1700000000.123", "1699999980"));
    let partial = ask(&stub).await.expect("an answer").partial;
    assert!(
        partial.is_some_and(|why| why.contains("2023-11-14T22:13:00.000Z")),
        "the other time is named"
    );
}

#[tokio::test]
async fn keeps_several_series_and_values_that_are_no_numbers() {
    let stub = answers(
        r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"pod":"a"},"value":[1700000000.123,"NaN"]},
            {"metric":{"pod":"b"},"value":[1700000000.123,"+Inf"]}]}}"#,
    );
    let answer = ask(&stub).await.expect("an answer");
    assert_eq!(answer.value.len(), 2);
    assert!(answer.value[0].value.is_nan());
    assert_eq!(answer.value[1].value, f64::INFINITY);
    assert_eq!(
        answer.value[1].labels.get("pod").map(String::as_str),
        Some("b")
    );
    assert_eq!(answer.partial, None);
}

#[tokio::test]
async fn says_when_the_data_may_be_incomplete() {
    for (extra, expected) in [
        (r#""warnings":["store b is down"]"#, "store b is down"),
        (
            r#""warnings":["results truncated due to limit"]"#,
            "results truncated due to limit",
        ),
        (
            r#""warnings":["PromQL warning: encountered a mix of histograms and floats"]"#,
            "PromQL warning: encountered a mix of histograms and floats",
        ),
        (
            r#""isPartial":true"#,
            "the server marks the answer as partial",
        ),
    ] {
        let stub = answers(&VECTOR_OF_ONE.replacen('{', &format!("{{{extra},"), 1));
        let answer = ask(&stub).await.expect("an answer");
        assert_eq!(answer.partial.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_malformed_and_not_asked_again() {
    let cut = &VECTOR_OF_ONE[..VECTOR_OF_ONE.len() - 2];
    for body in [
        "",
        "null",
        "{}",
        cut,
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
    ] {
        let (error, requests) = refusal([Reply::json(200, body)]).await;
        assert!(
            matches!(error, PrometheusError::Malformed { .. }),
            "{body}: {error:?}"
        );
        assert!(!error.is_transient());
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn several_questions_can_be_asked_at_once_from_any_thread() {
    fn is_send<T: Send>(question: T) -> T {
        question
    }
    let stub = Stub::http(|_| Some(Reply::json(200, VECTOR_OF_ONE)));
    let prometheus = client(&stub.url(), &patient());
    let (first, second) = tokio::join!(
        is_send(prometheus.instant("a", noon())),
        is_send(prometheus.instant("b", noon()))
    );
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(prometheus.requests(), 2);
}
