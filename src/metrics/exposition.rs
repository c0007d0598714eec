//! The text format of Prometheus, version 0.0.4. It has no line for the unit: the unit is in the name.

use std::fmt::Write;

use super::Numbers;
use super::families::{FAMILIES, MetricFamily, MetricSample};

/// Writes the numbers of all services as one text: each metric once, with a sample for each service. Lines end with
/// LF, the last one too; there are no time stamps, which a Pushgateway refuses. A number that is not known or not
/// finite has no line, and a metric without a line is not named.
pub fn exposition(services: &[Numbers]) -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let mut is_named = false;
        for numbers in services {
            for sample in (family.samples)(numbers) {
                if !sample.value.is_finite() {
                    continue;
                }
                if !std::mem::replace(&mut is_named, true) {
                    name(&mut text, family);
                }
                line(&mut text, family, numbers, &sample);
            }
        }
    }
    text
}

fn name(text: &mut String, family: &MetricFamily) {
    let MetricFamily {
        name, kind, help, ..
    } = family;
    let _ = writeln!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {}",
        kind.as_str()
    );
}

fn line(text: &mut String, family: &MetricFamily, numbers: &Numbers, sample: &MetricSample) {
    let service = [
        ("namespace", numbers.namespace.as_str()),
        ("service", numbers.service.as_str()),
    ];
    let own = family.labels.iter().copied();
    let own = own.zip(sample.labels.iter().map(String::as_str));
    let labels: Vec<String> = service
        .into_iter()
        .chain(own)
        .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
        .collect();
    let _ = writeln!(
        text,
        "{}{{{}}} {}",
        family.name,
        labels.join(","),
        sample.value
    );
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
