//! Pushes to a real Pushgateway that a real Prometheus scrapes, and to servers that misbehave.

use std::error::Error;
use std::time::{Duration, Instant};

use error_budget_monitor::clients::http::HttpSettings;
use error_budget_monitor::clients::pushgateway::{Group, Pushgateway, PushgatewayError};
use error_budget_monitor::metrics::{Numbers, exposition};
use testkit::prometheus::Prometheus;
use testkit::pushgateway as server;
use testkit::stub::{ClosedPort, Reply, Stub};
use url::Url;

use super::numbers;

const JOB: &str = "error-budget-monitor";

fn client(url: &str) -> Pushgateway {
    let settings = HttpSettings {
        timeout: Duration::from_secs(20),
        max_body: 100_000,
        ..HttpSettings::default()
    };
    Pushgateway::new(Url::parse(url).expect("a URL"), &settings).expect("usable settings")
}

pub(super) async fn push(url: &str, numbers: &Numbers) -> Result<(), PushgatewayError> {
    let labels = [
        ("namespace", numbers.namespace.as_str()),
        ("service", numbers.service.as_str()),
    ];
    let group = Group {
        job: JOB,
        labels: &labels,
    };
    let text = exposition(std::slice::from_ref(numbers));
    client(url).put(&group, text).await
}

/// Pushes to a server that gives this reply, and returns what came of it.
async fn answered_with(reply: Reply) -> Result<(), PushgatewayError> {
    let stub = Stub::sequence([reply]);
    push(&stub.url(), &numbers()).await
}

#[tokio::test]
async fn prometheus_scrapes_what_was_pushed() {
    let gateway = server::Pushgateway::start();
    let cart = Numbers {
        service: "cart".to_owned(),
        ..numbers()
    };
    push(&gateway.url(), &numbers()).await.expect("pushed");
    push(&gateway.url(), &cart).await.expect("pushed");

    let every = Duration::from_millis(100);
    let prometheus = Prometheus::start_honoring_labels(&[gateway.target()], every);
    let of_checkout = r#"error_budget_consumed_ratio{job="error-budget-monitor",namespace="shop",service="checkout"}"#;
    seen(&prometheus, of_checkout, 1.25).await;
    seen(&prometheus, "count(error_budget_monitor_build_info)", 2.0).await;
    let runs = r#"error_budget_monitor_runs_total{service="cart",result="complete"}"#;
    seen(&prometheus, runs, 8_640.0).await;
    // The labels of the scrape itself do not get in between.
    seen(
        &prometheus,
        r#"count({exported_job!=""}) or vector(0)"#,
        0.0,
    )
    .await;
}

#[tokio::test]
async fn a_push_replaces_the_whole_group_and_no_other() {
    let gateway = server::Pushgateway::start();
    let cart = Numbers {
        service: "cart".to_owned(),
        ..numbers()
    };
    push(&gateway.url(), &numbers()).await.expect("pushed");
    push(&gateway.url(), &cart).await.expect("pushed");
    let mut blind = numbers();
    blind.standing.consumed = None;
    push(&gateway.url(), &blind).await.expect("pushed");
    let metrics = gateway.metrics();
    let consumed: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("error_budget_consumed_ratio{"))
        .collect();
    let [line] = consumed[..] else {
        panic!("one service has the number: {consumed:?}")
    };
    assert!(line.contains("service=\"cart\""), "{line}");
}

#[tokio::test]
async fn every_name_reaches_its_own_group() {
    let gateway = server::Pushgateway::start();
    let strange = ["a/b", "..", "ünï", "50%", "a b", "=", ".hidden"];
    for name in strange {
        let service = Numbers {
            service: name.to_owned(),
            ..numbers()
        };
        push(&gateway.url(), &service).await.expect("pushed");
    }
    let mut named: Vec<String> = gateway
        .groups()
        .iter()
        .map(|labels| {
            assert_eq!(labels["job"], JOB);
            assert_eq!(labels["namespace"], "shop");
            labels["service"].as_str().expect("a text").to_owned()
        })
        .collect();
    named.sort();
    let mut strange = strange.map(str::to_owned);
    strange.sort();
    assert_eq!(named, strange);
}

#[tokio::test]
async fn a_pushgateway_below_a_path_is_reached() {
    let stub = Stub::sequence([Reply::text(200, "")]);
    push(&format!("{}/gateway/", stub.url()), &numbers())
        .await
        .expect("pushed");
    let requests = stub.requests();
    assert_eq!(
        requests[0].path(),
        "/gateway/metrics/job/error-budget-monitor/namespace/shop/service/checkout"
    );
}

#[tokio::test]
async fn a_server_that_does_not_compare_takes_the_push_too() {
    let gateway = server::Pushgateway::start_unchecked();
    push(&gateway.url(), &numbers())
        .await
        .expect("202 is a yes");
    assert_eq!(gateway.groups().len(), 1);
}

#[tokio::test]
async fn metrics_that_contradict_others_are_refused() {
    let gateway = server::Pushgateway::start();
    let group = Group {
        job: "somebody-else",
        labels: &[],
    };
    let clash = "# TYPE error_budget_consumed_ratio counter\nerror_budget_consumed_ratio 1\n";
    let client = client(&gateway.url());
    client.put(&group, clash.to_owned()).await.expect("pushed");
    let error = push(&gateway.url(), &numbers()).await.expect_err("a clash");
    assert!(
        matches!(error, PushgatewayError::Refused { .. }),
        "{error:?}"
    );
    assert!(!error.is_transient());
    assert!(error.to_string().contains("inconsistent"), "{error}");
}

#[tokio::test]
async fn malformed_metrics_are_refused() {
    let gateway = server::Pushgateway::start();
    let group = Group {
        job: JOB,
        labels: &[],
    };
    for text in ["no metric at all\n", "up 1 1700000000000\n", "up 1"] {
        let refused = client(&gateway.url()).put(&group, text.to_owned()).await;
        let error = refused.expect_err("malformed");
        assert!(
            matches!(error, PushgatewayError::Refused { .. }),
            "{text:?}: {error:?}"
        );
    }
    assert!(!gateway.metrics().contains("\nup"), "nothing was taken");
}

#[tokio::test]
async fn answers_are_told_apart() {
    let table = [
        (200, None),
        (202, None),
        (204, Some("no Pushgateway answers there (HTTP 204)")),
        (400, Some("refused (HTTP 400: oh no)")),
        (401, Some("access refused (HTTP 401)")),
        (403, Some("access refused (HTTP 403)")),
        (404, Some("no Pushgateway answers there (HTTP 404)")),
        (405, Some("no Pushgateway answers there (HTTP 405)")),
        (429, Some("not available (HTTP 429: oh no)")),
        (500, Some("not available (HTTP 500: oh no)")),
        (503, Some("not available (HTTP 503: oh no)")),
    ];
    for (status, told) in table {
        let ended = answered_with(Reply::text(status, "oh\nno")).await;
        match (ended, told) {
            (Ok(()), None) => {}
            (Err(error), Some(told)) => {
                assert!(error.to_string().contains(told), "{status}: {error}");
                assert_eq!(error.is_transient(), status == 429 || status >= 500);
            }
            (ended, _) => panic!("{status}: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let port = ClosedPort::reserve();
    let error = push(&port.url(), &numbers()).await.expect_err("refused");
    assert!(
        matches!(error, PushgatewayError::NoAnswer { .. }),
        "{error:?}"
    );
    assert!(error.is_transient());
    assert!(error.to_string().contains("PUSHGATEWAY_URL"), "{error}");
    assert!(error.source().is_some(), "why is told");

    let stub = Stub::http(|_| Some(Reply::silence()));
    let settings = HttpSettings {
        timeout: Duration::from_millis(300),
        ..HttpSettings::default()
    };
    let url = Url::parse(&stub.url()).expect("a URL");
    let impatient = Pushgateway::new(url, &settings).expect("usable settings");
    let group = Group {
        job: JOB,
        labels: &[],
    };
    let error = impatient
        .put(&group, "up 1\n".to_owned())
        .await
        .expect_err("silence");
    assert!(
        matches!(error, PushgatewayError::NoAnswer { .. }),
        "{error:?}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_endless_or_redirected_answer_is_given_up() {
    let error = answered_with(Reply::endless()).await.expect_err("too much");
    assert!(!error.is_transient(), "{error:?}");
    let redirect = Reply::redirect(302, "http://elsewhere.example/login?token=x");
    let error = answered_with(redirect).await.expect_err("redirected");
    assert!(!error.is_transient(), "{error:?}");
    let why = error.source().expect("why is told").to_string();
    assert!(why.contains("http://elsewhere.example"), "{why}");
    assert!(!why.contains("token"), "{why}");
}

/// Waits until Prometheus has scraped what makes an expression this number.
async fn seen(prometheus: &Prometheus, expression: &str, wanted: f64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while prometheus.number(expression) != Some(wanted) {
        let now = prometheus.number(expression);
        assert!(Instant::now() < deadline, "{expression} is {now:?}");
        // A scrape can only be awaited by looking.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
