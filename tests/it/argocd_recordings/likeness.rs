//! When an answer of the stand-in is like a recorded one: the same keys at every level, and the same values but for
//! names that somebody gave, times, and what only the real cluster has.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::Value;

/// What must be there and may hold something else, each as the end of a path with the reason.
const FREE: &[(&str, &str)] = &[
    ("/metadata/uid", "Kubernetes makes it up"),
    (
        "/metadata/resourceVersion",
        "it counts every write in the cluster",
    ),
    (
        "/metadata/generation",
        "it counts every write to the application",
    ),
    ("/token", "it is a secret of its own each time"),
    ("/Version", "the stand-in says that it is one"),
    ("/HelmVersion", "it depends on where the server was built"),
    ("/images/0", "the image of a hook has a name of its own"),
    (
        "/health/message",
        "what a rollout waits for depends on the moment",
    ),
];

/// A hook of the recordings is an object that nothing ever ran or deleted, so it stands in lists of later recordings.
/// A hook of the stand-in is no more than a name.
fn is_leftover_hook(path: &str, value: &Value) -> bool {
    let is_list = path == "/status/resources" || path.ends_with("/operation/sync/resources");
    is_list && value["kind"] == "Job"
}

/// Compares a recorded answer with one of the stand-in.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    /// Which revision of the stand-in is which of the recording.
    revisions: BTreeMap<String, String>,
    differences: Vec<String>,
}

impl Likeness {
    /// Returns each difference, as the path with what was recorded and what came.
    pub(super) fn differences(recorded: &Value, came: &Value) -> Vec<String> {
        let mut likeness = Self::default();
        likeness.compare("", Some(recorded), Some(came));
        likeness.differences
    }

    fn compare(&mut self, path: &str, recorded: Option<&Value>, came: Option<&Value>) {
        let is_free = FREE.iter().any(|(end, _)| path.ends_with(end));
        if is_free && recorded.is_some() && came.is_some() {
            return;
        }
        match (recorded, came) {
            (Some(Value::Object(recorded)), Some(Value::Object(came))) => {
                let mut keys: Vec<_> = recorded.keys().chain(came.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    self.compare(&format!("{path}/{key}"), recorded.get(key), came.get(key));
                }
            }
            (Some(Value::Array(recorded)), Some(Value::Array(came))) => {
                let (recorded, came) = (listed(path, recorded), listed(path, came));
                for index in 0..recorded.len().max(came.len()) {
                    let place = format!("{path}/{index}");
                    self.compare(
                        &place,
                        recorded.get(index).copied(),
                        came.get(index).copied(),
                    );
                }
            }
            (Some(Value::String(recorded)), Some(Value::String(came))) => {
                let (meant, is) = (worded(recorded), worded(came));
                let is_like = meant.len() == is.len()
                    && meant
                        .iter()
                        .zip(&is)
                        .all(|(meant, is)| self.is_same_word(meant, is));
                if !is_like {
                    self.differ(path, &recorded, &came);
                }
            }
            (recorded, came) if recorded == came => {}
            (recorded, came) => self.differ(path, &recorded, &came),
        }
    }

    /// Tells whether a word of the recording and one of the stand-in are the same, or stand for the same.
    fn is_same_word(&mut self, recorded: &str, came: &str) -> bool {
        if is_revision(recorded) && is_revision(came) {
            let known = self.revisions.entry(came.to_owned());
            return known.or_insert_with(|| recorded.to_owned()) == recorded;
        }
        let is_time = |word: &str| {
            let word = word.trim_end_matches('.');
            let is_clock = word.ends_with('M') && word.contains(':');
            is_clock || DateTime::parse_from_rfc3339(word).is_ok()
        };
        let is_id = |word: &str| word == "not-there" || word.starts_with("token-");
        recorded == came || (is_time(recorded) && is_time(came)) || (is_id(recorded) && is_id(came))
    }

    fn differ(&mut self, path: &str, recorded: &dyn std::fmt::Debug, came: &dyn std::fmt::Debug) {
        let line = format!("{path}: recorded {recorded:?}, came {came:?}");
        self.differences.push(line);
    }
}

/// Returns what a list holds, objects of the cluster in the order of their names: Argo CD has none for them.
fn listed<'a>(path: &str, list: &'a [Value]) -> Vec<&'a Value> {
    let mut list: Vec<&Value> = list
        .iter()
        .filter(|value| !is_leftover_hook(path, value))
        .collect();
    if path.ends_with("/resources") {
        list.sort_by_key(|value| format!("{}/{}", value["kind"], value["name"]));
    }
    list
}

/// Splits a text into its words; a port after an address is none.
fn worded(text: &str) -> Vec<String> {
    let port = |word: &str| {
        word.strip_prefix("127.0.0.1:")
            .map(|_| "127.0.0.1".to_owned())
    };
    text.split([' ', '/', '`'])
        .map(|word| port(word).unwrap_or_else(|| word.trim_end_matches(':').to_owned()))
        .collect()
}

fn is_revision(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn finds_what_is_missing_too_much_or_another_word() {
    let recorded =
        serde_json::json!({ "status": { "phase": "Running", "at": "2026-01-01T00:00:00Z" } });
    for (came, differs_at) in [
        (
            serde_json::json!({ "status": { "phase": "Running", "at": "2025-01-01T00:00:09Z" } }),
            None,
        ),
        (
            serde_json::json!({ "status": { "phase": "Failed", "at": "2026-01-01T00:00:00Z" } }),
            Some("/status/phase"),
        ),
        (
            serde_json::json!({ "status": { "phase": "Running" } }),
            Some("/status/at"),
        ),
        (
            serde_json::json!({ "status": { "phase": "Running", "at": "later" } }),
            Some("/status/at"),
        ),
        (
            serde_json::json!({ "status": { "phase": "Running", "at": "2026-01-01T00:00:00Z" }, "operation": {} }),
            Some("/operation"),
        ),
    ] {
        let differences = Likeness::differences(&recorded, &came);
        let places: Vec<_> = differences
            .iter()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(places, Vec::from_iter(differs_at), "{came}");
    }
}

#[test]
fn a_revision_stands_for_one_revision_only() {
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let recorded = serde_json::json!([a, b]);
    assert_eq!(
        Likeness::differences(&recorded, &serde_json::json!([b, a])),
        Vec::<String>::new()
    );
    assert_eq!(
        Likeness::differences(&recorded, &serde_json::json!([a, a])).len(),
        1
    );
}
