//! Every wait ends and every answer has an end. The tests name no duration but the limit itself: they would hang
//! without it.

use std::time::Duration;

use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::PrometheusError;
use testkit::stub::{Reply, Stub};

use super::{VECTOR_OF_ONE, client, impatient, noon, patient};

#[tokio::test]
async fn a_silent_server_ends_in_a_timeout() {
    let stub = Stub::http(|_| Some(Reply::silence()));
    let error = client(&stub.url(), &impatient())
        .instant("up", noon())
        .await
        .expect_err("no answer");
    assert!(
        matches!(error, PrometheusError::Timeout { .. }),
        "{error:?}"
    );
    assert!(error.is_transient());
    assert!(error.to_string().contains("within 0.3 s"), "{error}");
}

#[tokio::test]
async fn a_server_that_drips_does_not_extend_its_time() {
    let reply = Reply::json(200, VECTOR_OF_ONE.repeat(10)).dripping(Duration::from_millis(10));
    let stub = Stub::http(move |_| Some(reply.clone()));
    let error = client(&stub.url(), &impatient())
        .instant("up", noon())
        .await
        .expect_err("no answer");
    assert!(
        matches!(error, PrometheusError::Timeout { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn repeated_tries_share_one_time() {
    let stub = Stub::http(|_| Some(Reply::text(503, "starting")));
    let error = client(&stub.url(), &impatient())
        .instant("up", noon())
        .await
        .expect_err("no answer");
    assert!(
        matches!(error, PrometheusError::Starting { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn stops_reading_at_the_cap() {
    let settings = HttpSettings {
        max_body: 100_000,
        ..patient()
    };
    let padded = format!("{}{VECTOR_OF_ONE}", " ".repeat(settings.max_body));
    for reply in [Reply::endless(), Reply::json(200, padded)] {
        let stub = Stub::sequence([reply]);
        let error = client(&stub.url(), &settings)
            .instant("up", noon())
            .await
            .expect_err("too much");
        assert!(
            matches!(error, PrometheusError::TooLarge { .. }),
            "{error:?}"
        );
        assert!(!error.is_transient());
        assert_eq!(stub.requests().len(), 1);
    }
    let fitting = format!(
        "{}{VECTOR_OF_ONE}",
        " ".repeat(settings.max_body - VECTOR_OF_ONE.len())
    );
    let stub = Stub::sequence([Reply::json(200, fitting)]);
    client(&stub.url(), &settings)
        .instant("up", noon())
        .await
        .expect("an answer of just the cap");
}

#[tokio::test]
async fn refuses_more_series_than_anyone_needs() {
    let series = vec![r#"{"metric":{},"value":[1,"1"]}"#; 10_001].join(",");
    let body =
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#);
    let stub = Stub::sequence([Reply::json(200, body)]);
    let error = client(&stub.url(), &patient())
        .instant("up", noon())
        .await
        .expect_err("too many");
    assert!(
        matches!(error, PrometheusError::TooLarge { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("10001 series"), "{error}");
}
