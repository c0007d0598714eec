//! Answers that are not what was asked for, as faults.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::error::ForgeFault;
use crate::clients::http::Response;

/// How long to stay away when a forge asks to slow down and does not say for how long. Source: GitHub's documentation,
/// "Rate limits for the REST API": at least one minute.
const UNSAID_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Reads the words that a forge puts into an answer that is no success: `message` and `errors` of GitHub, `message` of
/// Gitea, which is a text, and of GitLab, which may be a list or an object of lists; `error` and `error_description`.
/// What is none of these is returned as it came.
pub(in crate::clients) fn said_in(body: &[u8]) -> String {
    let Ok(Value::Object(said)) = serde_json::from_slice(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    let mut texts = Vec::new();
    for name in ["message", "errors", "error", "error_description"] {
        if let Some(value) = said.get(name) {
            collect(value, &mut texts);
        }
    }
    texts.join(": ")
}

/// Collects the texts of a value. Objects in GitHub's list of errors have a message of their own, and then only that
/// counts; GitLab names the field that a list of words is about.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => match fields.get("message").or_else(|| fields.get("error")) {
            Some(message) => collect(message, texts),
            None => {
                for (name, words) in fields.iter().filter(|(_, words)| words.is_array()) {
                    let mut said = Vec::new();
                    collect(words, &mut said);
                    texts.extend(said.into_iter().map(|words| match name.as_str() {
                        "base" => words,
                        field => format!("{field} {words}"),
                    }));
                }
            }
        },
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Makes a fault of an answer that is no success. `needs` is what a missing permission is known to be.
pub(in crate::clients) fn refusal(
    answer: &Response,
    words: String,
    needs: Option<String>,
) -> ForgeFault {
    match answer.status.as_u16() {
        401 => ForgeFault::Unauthorized { words },
        status @ (403 | 429) => match limited_until(status, answer, Utc::now()) {
            Some(until) => ForgeFault::RateLimited { until },
            None => ForgeFault::Forbidden { needs, words },
        },
        404 => ForgeFault::NotFound { words },
        status @ (408 | 500..=599) => ForgeFault::Server { status, words },
        status => ForgeFault::Rejected { status, words },
    }
}

/// Returns until when a forge asks to stay away. A 403 without any such word is a missing permission.
fn limited_until(status: u16, answer: &Response, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(pause) = answer.retry_after() {
        return now.checked_add_signed(TimeDelta::from_std(pause).ok()?);
    }
    if answer.header("x-ratelimit-remaining") == Some("0") {
        let reset = answer
            .header("x-ratelimit-reset")
            .and_then(|seconds| DateTime::from_timestamp(seconds.parse().ok()?, 0));
        return Some(reset.unwrap_or(now + UNSAID_PAUSE));
    }
    (status == 429).then_some(now + UNSAID_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_every_forge_are_found() {
        for (body, words) in [
            (
                r#"{"message":"Not Found","documentation_url":"https://x"}"#,
                "Not Found",
            ),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","message":"No commits"},"x"]}"#,
                "Validation Failed: No commits: x",
            ),
            (
                r#"{"message":{"source_branch":["does not exist"],"base":["is odd"]}}"#,
                "is odd: source_branch does not exist",
            ),
            (
                r#"{"message":["Another one exists: !1"]}"#,
                "Another one exists: !1",
            ),
            (
                r#"{"message":{"error":"too many times"}}"#,
                "too many times",
            ),
            (
                r#"{"error":"insufficient_scope","error_description":"more is needed","scope":"api"}"#,
                "insufficient_scope: more is needed",
            ),
            ("Retry later", "Retry later"),
            ("[1]", "[1]"),
        ] {
            assert_eq!(said_in(body.as_bytes()), words);
        }
    }
}
