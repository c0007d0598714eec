//! The Prometheus client against a scripted server and against a real one.

mod answers;
mod limits;
mod proxy;
mod real;
mod secrets;
mod statuses;
mod tls;

use std::time::Duration;

use chrono::{DateTime, Utc};
use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::prometheus::{
    InstantSample, Prometheus, PrometheusError, QueryAnswer,
};
use testkit::stub::{Reply, Stub};
use url::Url;

const VECTOR_OF_ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000.123,"1"]}]}}"#;

fn client(base: &str, settings: &HttpSettings) -> Prometheus {
    Prometheus::new(Url::parse(base).expect("a URL"), settings).expect("usable settings")
}

fn patient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(20),
        ..HttpSettings::default()
    }
}

fn impatient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_millis(300),
        ..HttpSettings::default()
    }
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_123).expect("a time")
}

async fn ask(stub: &Stub) -> Result<QueryAnswer<Vec<InstantSample>>, PrometheusError> {
    client(&stub.url(), &patient()).instant("up", noon()).await
}

/// Asks a server that gives these replies in turn and returns the error with the number of requests that came.
async fn refusal(replies: impl IntoIterator<Item = Reply>) -> (PrometheusError, usize) {
    let stub = Stub::sequence(replies);
    let error = ask(&stub).await.expect_err("no answer");
    (error, stub.requests().len())
}

/// Returns the message with all its sources, as a person reads it.
fn told(error: &PrometheusError) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
