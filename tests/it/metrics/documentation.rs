//! The tables of docs/metrics.md are those of the program and of the alerts.

use std::fmt::Write;
use std::fs;

use error_budget_monitor::metrics::FAMILIES;
use testkit::prometheus::Prometheus;

use super::{file, rules};

/// Returns what stands between the marks of a table.
fn shown(table: &str) -> String {
    let text = fs::read_to_string(file("docs/metrics.md")).expect("the document");
    let (_, rest) = text
        .split_once(&format!("<!-- {table} -->\n"))
        .expect("where the table begins");
    let (shown, _) = rest
        .split_once(&format!("<!-- end of {table} -->"))
        .expect("where the table ends");
    shown.to_owned()
}

#[test]
fn every_metric_is_listed_with_its_labels_and_meaning() {
    let mut table = "| metric | kind | further labels | meaning |\n|---|---|---|---|\n".to_owned();
    for family in FAMILIES {
        let labels: Vec<String> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            family.name,
            family.kind.as_str(),
            labels.join(", "),
            family.help
        );
    }
    assert_eq!(
        shown("metrics"),
        table,
        "put the right side into docs/metrics.md"
    );
}

#[test]
fn every_alert_is_listed_with_what_it_says() {
    let (_folder, rules) = rules::rules();
    let prometheus = Prometheus::start_with_rules(&rules);
    let mut table = "| alert | severity | after | says |\n|---|---|---|---|\n".to_owned();
    for rule in prometheus.rules() {
        let text = |pointer: &str| {
            let value = rule.pointer(pointer).and_then(serde_json::Value::as_str);
            value.expect("a text").to_owned()
        };
        let minutes = rule["duration"].as_f64().expect("seconds") / 60.0;
        let after = if minutes > 0.0 {
            format!("{minutes} min")
        } else {
            String::new()
        };
        let summary = text("/annotations/summary").replace(
            "{{ $labels.namespace }}/{{ $labels.service }}",
            "the service",
        );
        let _ = writeln!(
            table,
            "| `{}` | {} | {after} | {summary} |",
            text("/name"),
            text("/labels/severity"),
        );
    }
    assert_eq!(
        shown("alerts"),
        table,
        "put the right side into docs/metrics.md"
    );
}
