//! Links lead somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use super::{at, documents, read};

/// Returns the places in a document that a link can name: its headings, and marks of its own.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|character| character.is_alphanumeric() || " -_".contains(*character))
                .collect::<String>()
                .replace(' ', "-")
        });
    let marks = text
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned);
    headings.chain(marks).collect()
}

/// Returns the targets of a document's links.
fn targets(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.contains(' '))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut followed = 0;
    for (path, text) in documents() {
        let folder = Path::new(&path).parent().expect("it lies in a folder");
        for target in targets(&text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file).to_str().expect("text").to_owned()
            };
            assert!(at(&file).exists(), "{path}: {target}");
            if !anchor.is_empty() {
                let found = anchors(&read(&file)).contains(anchor);
                assert!(found, "{path}: {target} names no heading");
            }
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn every_alert_has_its_place_in_the_runbook() {
    let rules = read("k8s/monitoring/prometheus-rules.yaml");
    let anchors = anchors(&read("docs/runbook.md"));
    let alerts: Vec<String> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_lowercase)
        .collect();
    assert!(alerts.len() >= 9, "{alerts:?}");
    for alert in alerts {
        assert!(anchors.contains(&alert), "docs/runbook.md#{alert}");
        assert!(
            rules.contains(&format!("docs/runbook.md#{alert}")),
            "{alert}"
        );
    }
}

#[test]
fn every_document_is_named_in_the_readme() {
    let readme = read("README.md");
    for (path, _) in documents() {
        assert!(path == "README.md" || readme.contains(&path), "{path}");
    }
}
