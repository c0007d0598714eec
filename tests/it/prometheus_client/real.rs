//! The same client against a real Prometheus with an empty database.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use error_budget_monitor::clients::prometheus::promql::{
    range_seconds, regex_escape, string_literal,
};
use error_budget_monitor::clients::prometheus::{LabelSet, Prometheus, PrometheusError};
use tempfile::TempDir;

use super::{client, noon, patient};

/// Names that try to leave their quotes or their expression.
const EVIL_NAMES: [&str; 7] = [
    r#"x"}[5m])) or vector(1) or sum(rate(y{a=""#,
    "nope|.*",
    r"back\slash\",
    "new\nline\r\ttab",
    r#"\"#,
    "^(.+)$[a]{1}?*",
    "ünïcödé \u{1}\u{7f} `raw` 'single' #comment",
];

struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "global: {}\n").expect("a writable folder");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let log = File::create(folder.path().join("log")).expect("a writable folder");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is installed");
        let server = Self {
            child,
            folder,
            port,
        };
        // The client itself waits until a starting server answers.
        let started = client(&server.url(), &patient()).server_time().await;
        let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        assert!(started.is_ok(), "{started:?}\n{log}");
        server
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> Prometheus {
        client(&self.url(), &patient())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn a_real_server_answers_every_kind_of_question() {
    let server = Server::start().await;
    let prometheus = server.client();

    let time = prometheus.server_time().await.expect("a time");
    assert!((Utc::now() - time).abs() < TimeDelta::minutes(1), "{time}");
    let clock = prometheus
        .instant("time()", noon())
        .await
        .expect("an answer");
    assert_eq!(clock.value[0].value, 1_700_000_000.123);

    let one = prometheus
        .instant("vector(1)", noon())
        .await
        .expect("an answer");
    assert_eq!(one.value.len(), 1);
    assert_eq!(one.value[0].value, 1.0);
    assert_eq!(one.value[0].labels, LabelSet::default());
    assert_eq!((one.partial, one.notes), (None, Vec::new()));

    let none = prometheus
        .instant("sum(absent_metric)", noon())
        .await
        .expect("an answer");
    assert!(none.value.is_empty());

    let start = noon() - TimeDelta::minutes(5);
    let minute = Duration::from_secs(60);
    let range = prometheus
        .range("time()", start, noon(), minute)
        .await
        .expect("an answer");
    let [series] = &range.value[..] else {
        panic!("one series");
    };
    assert_eq!(series.points.len(), 6);
    assert_eq!((series.points[0].0, series.points[5].0), (start, noon()));

    for wrong in [
        "sum(",
        &format!("rate(x[{}])", range_seconds(Duration::ZERO)),
    ] {
        let error = prometheus
            .instant(wrong, noon())
            .await
            .expect_err("a wrong query");
        assert!(
            matches!(error, PrometheusError::BadQuery { status: 400, .. }),
            "{error:?}"
        );
    }
    let many = prometheus
        .range("time()", start, noon(), Duration::from_millis(1))
        .await;
    let error = many.expect_err("too many points");
    assert!(
        matches!(error, PrometheusError::BadQuery { .. }),
        "{error:?}"
    );
    let matrix = prometheus
        .instant("vector(1)[5m:1m]", noon())
        .await
        .expect_err("a matrix");
    assert!(
        matches!(matrix, PrometheusError::Malformed { .. }),
        "{matrix:?}"
    );
    let ambiguous = r#"vector(1) + on() (vector(1) or label_replace(vector(1), "a", "b", "", ""))"#;
    let error = prometheus
        .instant(ambiguous, noon())
        .await
        .expect_err("an ambiguous match");
    assert!(
        matches!(error, PrometheusError::NotExecuted { status: 422, .. }),
        "{error:?}"
    );

    let lost = client(&format!("{}/elsewhere", server.url()), &patient());
    let error = lost
        .instant("vector(1)", noon())
        .await
        .expect_err("no such path");
    assert!(
        matches!(error, PrometheusError::NotFound { status: 404, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_no_passing_trouble() {
    let server = Server::start().await;
    let url = server.url().replace("http:", "https:");
    let error = client(&url, &patient())
        .instant("vector(1)", noon())
        .await
        .expect_err("no TLS");
    assert!(
        matches!(error, PrometheusError::Untrusted { .. }),
        "{error:?}"
    );
    assert!(!error.is_transient());
}

#[tokio::test]
async fn no_name_leaves_its_place_in_a_query() {
    let server = Server::start().await;
    let prometheus = server.client();
    let window = range_seconds(Duration::from_secs(300));
    for name in EVIL_NAMES {
        let (equal, regex) = (string_literal(name), string_literal(&regex_escape(name)));
        for matcher in [format!("={equal}"), format!("=~{regex}")] {
            let query = format!("sum(rate(m{{job{matcher}}}[{window}]))");
            let answer = prometheus.instant(&query, noon()).await.expect(&query);
            assert!(answer.value.is_empty(), "{query}");
        }
        // What the server understands is the name itself, and the expression matches it whole and nothing else.
        let replacement = string_literal(&name.replace('$', "$$"));
        let named = format!(r#"label_replace(vector(1), "name", {replacement}, "", "")"#);
        let matched = format!(r#"label_replace({named}, "matched", "yes", "name", {regex})"#);
        let answer = prometheus.instant(&matched, noon()).await.expect(&matched);
        assert_eq!(
            answer.value[0].labels.get("name").map(String::as_str),
            Some(name)
        );
        assert_eq!(
            answer.value[0].labels.get("matched").map(String::as_str),
            Some("yes"),
            "{matched}"
        );
        let other = format!(r#"label_replace(vector(1), "matched", "yes", "none", {regex})"#);
        let answer = prometheus.instant(&other, noon()).await.expect(&other);
        assert_eq!(answer.value[0].labels, LabelSet::default(), "{other}");
    }
}
