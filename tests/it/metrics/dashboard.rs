//! The dashboard: every question it asks has an answer in what the program really emits.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use error_budget_monitor::metrics::Numbers;
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
        // Another service's numbers are not shown, but in what lists all of them.
        let other = filled.replace("checkout", "another");
        let data = prometheus.query(&other);
        let is_list = ["namespace", "service", "All services"].contains(&place.as_str());
        assert!(
            is_list || data["result"] == Value::Array(Vec::new()),
            "{place}: {other}"
        );
    }
}

/// A Prometheus that has scraped the same numbers of checkout and of cart twice.
async fn with_two_services() -> Prometheus {
    let gateway = Pushgateway::start();
    let mut checkout = numbers();
    checkout.memory.as_mut().expect("a memory").in_progress = true;
    let cart = Numbers {
        service: "cart".to_owned(),
        ..checkout.clone()
    };
    push(&gateway.url(), &checkout).await.expect("pushed");
    push(&gateway.url(), &cart).await.expect("pushed");
    let every = Duration::from_millis(100);
    let prometheus = Prometheus::start_honoring_labels(&[gateway.target()], every);
    scraped_twice(&prometheus).await;
    prometheus
}

/// Returns the series of an expression for these services, as Grafana fills the variables in.
fn series(prometheus: &Prometheus, expression: &str, services: &str) -> Vec<Value> {
    let filled = expression
        .replace("$namespace", "shop")
        .replace("$service", services);
    let data = prometheus.query(&filled);
    data["result"].as_array().expect("a list of series").clone()
}

/// Returns a legend with the labels of a series in it.
fn legend(format: &str, series: &Value) -> String {
    let labels = series["metric"].as_object().expect("labels");
    labels
        .iter()
        .fold(format.to_owned(), |legend, (name, value)| {
            legend.replace(&format!("{{{{{name}}}}}"), value.as_str().expect("a text"))
        })
}

#[tokio::test]
async fn every_panel_tells_two_services_apart() {
    let prometheus = with_two_services().await;
    let dashboard = dashboard();
    for panel in panels(&dashboard)
        .into_iter()
        .filter(|panel| panel["type"] != "table")
    {
        let title = text(panel, "title");
        let mut legends = BTreeSet::new();
        for target in list(panel, "/targets") {
            let both = series(&prometheus, text(target, "expr"), "(checkout|cart)");
            let mut of = [0, 0];
            for one in &both {
                let legend = legend(text(target, "legendFormat"), one);
                assert!(!legend.contains("{{"), "{title}: no label for {legend}");
                of[0] += usize::from(legend.starts_with("shop/checkout"));
                of[1] += usize::from(legend.starts_with("shop/cart"));
                assert!(legends.insert(legend.clone()), "{title}: {legend} twice");
            }
            let each = both.len() / 2;
            assert_eq!(of, [each, each], "{title}: {legends:?}");
        }
        if panel["type"] == "stat" {
            let mode = text(&panel["options"], "textMode");
            assert!(mode.contains("name"), "{title} does not show its legend");
        }
        for matcher in list(panel, "/fieldConfig/overrides") {
            assert_eq!(matcher["matcher"]["id"], "byFrameRefID", "{title}");
            let query = &matcher["matcher"]["options"];
            let targets = list(panel, "/targets");
            assert!(targets.iter().any(|one| one["refId"] == *query), "{title}");
        }
    }
}

#[tokio::test]
async fn the_table_has_one_line_for_each_service() {
    let prometheus = with_two_services().await;
    let dashboard = dashboard();
    let tables = panels(&dashboard).into_iter();
    let tables: Vec<&Value> = tables.filter(|panel| panel["type"] == "table").collect();
    let [table] = tables[..] else {
        panic!("one table: {tables:?}")
    };
    assert_eq!(table["transformations"][0]["id"], "merge");
    // Whatever is chosen: the queries do not ask for one service.
    let mut columns = BTreeSet::new();
    for target in list(table, "/targets") {
        let expression = text(target, "expr");
        assert_eq!(target["format"], "table", "{expression}");
        let found = series(&prometheus, expression, "nothing");
        let mut services: Vec<&str> = found
            .iter()
            .map(|one| text(&one["metric"], "service"))
            .collect();
        services.sort_unstable();
        assert_eq!(
            services,
            ["cart", "checkout"],
            "one line each: {expression}"
        );
        let labels = found[0]["metric"].as_object().expect("labels");
        // What merging lays side by side; the name of a metric would keep the lines apart.
        assert!(!labels.contains_key("__name__"), "{expression}");
        columns.extend(labels.keys().cloned());
        columns.insert(format!("Value #{}", text(target, "refId")));
    }
    // What is hidden, placed or named anew is there.
    let organized = &table["transformations"][1]["options"];
    for what in ["excludeByName", "indexByName", "renameByName"] {
        for column in organized[what].as_object().expect(what).keys() {
            assert!(
                column == "Time" || columns.contains(column),
                "{what}: {column}"
            );
        }
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

#[test]
fn the_picture_shows_the_panels_of_the_first_screen() {
    let picture = fs::read_to_string(file("docs/pictures/dashboard.svg")).expect("a picture");
    let dashboard = dashboard();
    let mut shown = 0;
    for panel in panels(&dashboard) {
        let place = &panel["gridPos"];
        if place["y"].as_u64().expect("a place") >= FIRST_SCREEN {
            continue;
        }
        let title = panel["title"].as_str().expect("a title");
        assert!(picture.contains(&format!(">{title}</text>")), "{title}");
        shown += 1;
    }
    assert!(shown > 5, "{shown} panels");
}

/// Where the first screen ends (rows of the grid).
const FIRST_SCREEN: u64 = 26;
