//! Reading an answer field by field. Unknown fields are passed over; what is missing or of another type than expected
//! is nothing, so that it cannot be taken for a value. Argo CD leaves out what is empty, and writes `null` for a time
//! that is not set.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// Returns what a JSON pointer leads to; `null` counts as absent.
pub(super) fn present<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    value.pointer(pointer).filter(|found| !found.is_null())
}

/// Returns a text that is not empty.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    let found = present(value, pointer)?.as_str()?;
    (!found.is_empty()).then(|| found.to_owned())
}

/// Returns a text that may be of any length as one short line.
pub(super) fn line(value: &Value, pointer: &str) -> String {
    let said = text(value, pointer).unwrap_or_default();
    crate::clients::http::quote(said.as_bytes())
}

/// Returns a time as RFC 3339 has it.
pub(super) fn time(value: &Value, pointer: &str) -> Option<DateTime<Utc>> {
    let said = present(value, pointer)?.as_str()?;
    let time = DateTime::parse_from_rfc3339(said).ok()?;
    Some(time.with_timezone(&Utc))
}

/// Returns a whole number.
pub(super) fn integer(value: &Value, pointer: &str) -> Option<i64> {
    present(value, pointer)?.as_i64()
}

/// Returns a flag, which is off where it is left out.
pub(super) fn flag(value: &Value, pointer: &str) -> Option<bool> {
    present(value, pointer).map_or(Some(false), Value::as_bool)
}

/// Returns a list, which is empty where it is left out; nothing if it is no list or one of its parts cannot be read.
pub(super) fn list<T>(
    value: &Value,
    pointer: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Vec<T>> {
    match present(value, pointer) {
        None => Some(Vec::new()),
        Some(found) => found.as_array()?.iter().map(read).collect(),
    }
}

/// Returns the revisions of something that has one source or several: empty where none is said or one cannot be read.
pub(super) fn revisions(value: &Value, within: &str) -> Vec<String> {
    let several = list(value, &format!("{within}/revisions"), |revision| {
        revision.as_str().map(str::to_owned)
    });
    match several {
        None => Vec::new(),
        Some(several) if !several.is_empty() => several,
        Some(_) => Vec::from_iter(text(value, &format!("{within}/revision"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_what_is_left_out_from_what_cannot_be_read() {
        let value =
            json!({"null": null, "wrong": "yes", "on": true, "list": [1], "odd": [1, "two"]});
        assert_eq!(flag(&value, "/null"), Some(false));
        assert_eq!(flag(&value, "/absent"), Some(false));
        assert_eq!(flag(&value, "/on"), Some(true));
        assert_eq!(flag(&value, "/wrong"), None);
        assert_eq!(list(&value, "/absent", Value::as_i64), Some(vec![]));
        assert_eq!(list(&value, "/null", Value::as_i64), Some(vec![]));
        assert_eq!(list(&value, "/list", Value::as_i64), Some(vec![1]));
        assert_eq!(list(&value, "/odd", Value::as_i64), None);
        assert_eq!(list(&value, "/wrong", Value::as_i64), None);
    }

    #[test]
    fn reads_times_with_any_offset_and_nothing_that_is_no_time() {
        let value = json!({"utc": "2026-08-01T10:00:00Z", "far": "2026-08-01T12:00:00+02:00", "day": "2026-08-01",
            "number": 1});
        assert_eq!(time(&value, "/utc"), time(&value, "/far"));
        assert!(time(&value, "/utc").is_some());
        assert_eq!(time(&value, "/day"), None);
        assert_eq!(time(&value, "/number"), None);
    }

    #[test]
    fn prefers_several_revisions_and_takes_none_that_is_empty() {
        for (value, expected) in [
            (json!({"revision": "a"}), vec!["a"]),
            (
                json!({"revision": "", "revisions": ["a", "b"]}),
                vec!["a", "b"],
            ),
            (json!({"revision": "a", "revisions": []}), vec!["a"]),
            (json!({"revision": ""}), vec![]),
            (json!({"revision": "a", "revisions": [1]}), vec![]),
            (json!({}), vec![]),
        ] {
            assert_eq!(revisions(&value, ""), expected, "{value}");
        }
    }
}
