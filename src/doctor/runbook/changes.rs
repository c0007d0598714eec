//! The patch that a step would send, and what the API server would make of it.

use serde_json::{Value, json};

use crate::redact::{Scanner, looks_like_credential};
use crate::runbook::PatchOperation;

/// How many changes are listed.
const LISTED: usize = 8;

/// Longest value of a change (characters).
const LONGEST: usize = 80;

/// Returns the patch that replaces a field of an object as it was read, and nothing where it was changed since.
pub(super) fn replacing(object: &Value, field: &str, value: &Value) -> Vec<Value> {
    let old = object.pointer(field).unwrap_or(&Value::Null);
    let mut patch = guards(object);
    // Where the field is absent, null is what it is.
    patch.push(json!({"op": "test", "path": field, "value": old}));
    patch.push(json!({"op": "replace", "path": field, "value": value}));
    patch
}

/// Returns the tests that keep a patch from another object, and from another version of it.
pub(super) fn guards(object: &Value) -> Vec<Value> {
    ["/metadata/uid", "/metadata/resourceVersion"]
        .iter()
        .map(|path| json!({"op": "test", "path": path, "value": object.pointer(path)}))
        .collect()
}

/// Says which test of a patch does not hold: the API server refuses it and does not say which.
pub(super) fn failing_test(
    object: &Value,
    operations: &[PatchOperation],
    secrets: &Scanner,
) -> Option<String> {
    operations.iter().find_map(|operation| {
        let PatchOperation::Test { path, value } = operation else {
            return None;
        };
        let path = path.as_str();
        let there = object.pointer(path).unwrap_or(&Value::Null);
        (there != value).then(|| {
            let (there, wanted) = (shown(path, there, secrets), shown(path, value, secrets));
            format!("{path} is {there}, and the test wants {wanted}")
        })
    })
}

/// Lists what the API server would change; nothing where it would change nothing. Values that may be secrets are not
/// shown.
pub(super) fn changes(before: &Value, after: &Value, secrets: &Scanner) -> Option<String> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    let by_server = [
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/metadata/generation",
        "/status",
    ];
    found.retain(|(path, _, _)| !by_server.iter().any(|own| path.starts_with(own)));
    let more = found.len().saturating_sub(LISTED);
    let mut lines: Vec<String> = found
        .iter()
        .take(LISTED)
        .map(|(path, old, new)| {
            format!(
                "{path} from {} to {}",
                shown(path, old, secrets),
                shown(path, new, secrets)
            )
        })
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    (!lines.is_empty()).then(|| lines.join(", "))
}

fn compare<'a>(
    path: &str,
    before: &'a Value,
    after: &'a Value,
    found: &mut Vec<(String, &'a Value, &'a Value)>,
) {
    let below = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let names = old
                .keys()
                .chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                compare(&below(name), &before[name], &after[name], found);
            }
        }
        // What is new or gone as a whole is told member by member: one may be shown, and another not.
        (Value::Object(members), Value::Null) | (Value::Null, Value::Object(members))
            if !members.is_empty() =>
        {
            for name in members.keys() {
                compare(&below(name), &before[name], &after[name], found);
            }
        }
        (Value::Array(old), Value::Array(new))
            if old.len() == new.len() || old.starts_with(new) || new.starts_with(old) =>
        {
            for place in 0..old.len().max(new.len()) {
                compare(
                    &below(&place.to_string()),
                    &before[place],
                    &after[place],
                    found,
                );
            }
        }
        (Value::Array(elements), Value::Null) | (Value::Null, Value::Array(elements))
            if !elements.is_empty() =>
        {
            for place in 0..elements.len() {
                compare(
                    &below(&place.to_string()),
                    &before[place],
                    &after[place],
                    found,
                );
            }
        }
        _ => found.push((path.to_owned(), before, after)),
    }
}

/// Members whose values are no secrets: what moves requests, and how many pods of what there are.
const PLAIN: [&str; 16] = [
    "canary-weight",
    "image",
    "maxReplicas",
    "minReplicas",
    "mirrorPercentage",
    "name",
    "paused",
    "percent",
    "port",
    "ports",
    "replicas",
    "selector",
    "skipAnalysis",
    "suspend",
    "targetPort",
    "weight",
];

/// Members whose own values are no secrets, whatever may stand below others of that name.
const PLAIN_ITSELF: [&str; 5] = ["group", "host", "kind", "subset", "type"];

/// Tells whether the value at a path may be shown: numbers and switches may, of texts only those of [`PLAIN`]
/// and [`PLAIN_ITSELF`].
fn is_plain(path: &str, value: &Value) -> bool {
    let is_kept = path.split('/').any(|part| {
        matches!(
            part,
            "env" | "envFrom" | "data" | "binaryData" | "stringData"
        )
    });
    let is_known = path.split('/').any(|part| {
        let (_, last) = part.rsplit_once("~1").unwrap_or(("", part));
        PLAIN.contains(&last)
    });
    let is_itself = path
        .rsplit('/')
        .next()
        .is_some_and(|name| PLAIN_ITSELF.contains(&name));
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => !is_kept,
        Value::String(_) => (is_known || is_itself) && !is_kept,
        Value::Array(_) | Value::Object(_) => is_known && !is_kept,
    }
}

fn shown(path: &str, value: &Value, secrets: &Scanner) -> String {
    if !is_plain(path, value) {
        return "(not shown)".to_owned();
    }
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    // A digest looks like a credential.
    let is_image = path.ends_with("/image");
    if !is_image && looks_like_credential(&text) {
        return "(not shown)".to_owned();
    }
    let text = match is_image {
        true => text,
        false => secrets.redact(&text),
    };
    match text.chars().count() > LONGEST {
        true => format!("{}…", text.chars().take(LONGEST).collect::<String>()),
        false => text,
    }
}
