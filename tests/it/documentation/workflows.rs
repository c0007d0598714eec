//! The workflows of the repository: read, never run by tests.

use std::fs;

use serde::Deserialize;
use serde_json::Value;

use super::at;

fn workflows() -> Vec<(String, Value)> {
    fs::read_dir(at(".github/workflows"))
        .expect("it is there")
        .map(|entry| {
            let path = entry.expect("its entries can be read").path();
            let text = fs::read_to_string(&path).expect("it is text");
            let document = serde_norway::Deserializer::from_str(&text);
            let workflow = Value::deserialize(document).expect("it is YAML");
            (path.display().to_string(), workflow)
        })
        .collect()
}

/// Returns the steps of every job of a workflow.
fn steps(workflow: &Value) -> Vec<&Value> {
    let jobs = workflow["jobs"].as_object().expect("it has jobs");
    jobs.values()
        .flat_map(|job| job["steps"].as_array().expect("it has steps"))
        .collect()
}

#[test]
fn every_action_is_pinned_to_a_commit() {
    let mut pinned = 0;
    for (path, workflow) in workflows() {
        for step in steps(&workflow) {
            let Some(action) = step["uses"].as_str() else {
                continue;
            };
            let (_, commit) = action.split_once('@').expect("an action has a version");
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_commit, "{path}: {action}");
            pinned += 1;
        }
    }
    assert!(pinned > 5, "{pinned}");
}

#[test]
fn every_job_ends_and_begins_with_reading_rights() {
    for (path, workflow) in workflows() {
        assert_eq!(
            workflow["permissions"],
            serde_json::json!({"contents": "read"}),
            "{path}"
        );
        for (name, job) in workflow["jobs"].as_object().expect("it has jobs") {
            assert!(job["timeout-minutes"].is_number(), "{path}: {name}");
        }
        for step in steps(&workflow) {
            let checks_out = step["uses"]
                .as_str()
                .is_some_and(|action| action.starts_with("actions/checkout@"));
            if checks_out {
                assert_eq!(step["with"]["persist-credentials"], false, "{path}");
            }
        }
    }
}

#[test]
fn no_step_puts_what_a_stranger_wrote_into_a_shell() {
    for (path, workflow) in workflows() {
        for step in steps(&workflow) {
            let commands = step["run"].as_str().unwrap_or_default();
            assert!(!commands.contains("${{"), "{path}: {commands}");
        }
    }
}
