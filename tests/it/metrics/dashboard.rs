//! The dashboard: every question it asks has an answer in what the program really emits.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;

use super::pushgateway::push;
use super::{emitted, file, numbers, ours};

fn dashboard() -> Value {
    let text = fs::read_to_string(file("k8s/monitoring/grafana-dashboard.json"));
    serde_json::from_str(&text.expect("the dashboard")).expect("the dashboard is JSON")
}

fn list<'a>(value: &'a Value, pointer: &str) -> Vec<&'a Value> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Returns the panels that show something.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = list(dashboard, "/panels").into_iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// Returns every expression with where it stands: of panels, annotations and variables.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in list(panel, "/targets") {
            found.push((
                text(panel, "title").to_owned(),
                text(target, "expr").to_owned(),
            ));
        }
    }
    for annotation in list(dashboard, "/annotations/list") {
        found.push((
            text(annotation, "name").to_owned(),
            text(annotation, "expr").to_owned(),
        ));
    }
    for variable in list(dashboard, "/templating/list") {
        if variable["type"] == "query" {
            let query = text(&variable["query"], "query");
            let series = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.rsplit_once(", "))
                .map(|(series, _)| series)
                .expect("a variable lists the values of a label");
            found.push((text(variable, "name").to_owned(), series.to_owned()));
        }
    }
    found
}

#[tokio::test]
async fn every_question_has_an_answer() {
    let gateway = Pushgateway::start();
    let mut all = numbers();
    all.memory.as_mut().expect("a memory").in_progress = true;
    push(&gateway.url(), &all).await.expect("pushed");
    let every = Duration::from_millis(100);
    let prometheus = Prometheus::start_honoring_labels(&[gateway.target()], every);
    // An increase needs two samples.
    scraped_twice(&prometheus).await;
    let dashboard = dashboard();
    for (place, expression) in expressions(&dashboard) {
        let filled = expression
            .replace("$namespace", "shop")
            .replace("$service", "checkout");
        assert!(!filled.contains('$'), "{place}: {filled}");
        let data = prometheus.query(&filled);
        let series = data["result"].as_array().expect("a list of series");
        assert!(!series.is_empty(), "{place} shows nothing: {filled}");
        // Another service's numbers are not shown.
        let other = filled.replace("checkout", "another");
        let data = prometheus.query(&other);
        let is_list = place == "namespace" || place == "service";
        assert!(
            is_list || data["result"] == Value::Array(Vec::new()),
            "{place}: {other}"
        );
    }
}

async fn scraped_twice(prometheus: &Prometheus) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let scrapes = "max(count_over_time(error_budget_monitor_build_info[1h]))";
    while prometheus
        .number(scrapes)
        .is_none_or(|scrapes| scrapes < 2.0)
    {
        assert!(Instant::now() < deadline, "nothing is scraped");
        // A scrape can only be awaited by looking.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn it_asks_for_nothing_that_is_not_emitted_and_leaves_little_out() {
    let dashboard = dashboard();
    let asked: BTreeSet<String> = expressions(&dashboard)
        .iter()
        .flat_map(|(_, expression)| ours(expression))
        .collect();
    let emitted = emitted();
    assert!(asked.is_subset(&emitted), "{asked:?}");
    let unasked: Vec<&String> = emitted.difference(&asked).collect();
    assert_eq!(
        unasked,
        ["error_budget_monitor_last_success_timestamp_seconds"]
    );
}

#[test]
fn panels_stand_side_by_side_and_say_what_they_show() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard, "/panels") {
        let title = text(panel, "title");
        assert!(!title.is_empty(), "{panel}");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{title} is too wide");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
    }
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(text(panel, "description").ends_with('.'), "{title}");
        assert!(!list(panel, "/targets").is_empty(), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    }
    let annotations = list(&dashboard, "/annotations/list");
    let annotations: Vec<&str> = annotations.iter().map(|one| text(one, "name")).collect();
    assert_eq!(annotations, ["Rollback", "Recovered", "Failed"]);
}
