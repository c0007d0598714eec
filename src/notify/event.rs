//! The events for the webhook: CloudEvents 1.0 in structured mode.
//!
//! | change | type |
//! |---|---|
//! | a rollback was begun | `dev.cdevents.incident.detected.0.3.0` |
//! | its end, once something of it took effect | `dev.cdevents.service.rolledback.0.3.0`, before the next one |
//! | the burn stopped | `dev.cdevents.incident.resolved.0.3.0` |
//! | every other kind | `error-budget-monitor.KIND.v1`, such as `error-budget-monitor.held.v1` |
//!
//! `data` of the CDEvents types is an event of CDEvents 0.5.0 whose `customData` is what `data` of ours is: the news
//! as they are kept, with long texts shortened.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::pagerduty::bounded;
use super::piece::clean;
use super::story::headline;
use crate::journal::{News, NewsKind, NewsRollback, Step, StepState};

/// The version of CDEvents that is spoken. Source: the specification of CDEvents.
const CDEVENTS: &str = "0.5.0";

const DETECTED: &str = "dev.cdevents.incident.detected.0.3.0";
const ROLLED_BACK: &str = "dev.cdevents.service.rolledback.0.3.0";
const RESOLVED: &str = "dev.cdevents.incident.resolved.0.3.0";

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CloudEvent {
    /// The same for every repeat.
    pub(super) id: String,
    /// The envelope with everything in it.
    pub(super) envelope: Value,
}

/// Writes the events about a change, in the order in which they are sent.
pub(super) fn events(news: &News) -> Vec<CloudEvent> {
    let Some(rollback) = &news.rollback else {
        return vec![ours(news)];
    };
    let last = match news.kind {
        NewsKind::Started => incident(news, rollback, DETECTED),
        NewsKind::Recovered => incident(news, rollback, RESOLVED),
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::Ineffective
        | NewsKind::Failed
        | NewsKind::Superseded
        | NewsKind::ApprovalNeeded
        | NewsKind::ApprovalHalfTime
        | NewsKind::ApprovalExpired
        | NewsKind::Rejected
        | NewsKind::HoldViolated
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::Seeing
        | NewsKind::MemoryRebuilt
        | NewsKind::BurnOver => ours(news),
    };
    let is_end = matches!(
        news.kind,
        NewsKind::Recovered | NewsKind::Ineffective | NewsKind::Failed
    );
    if is_end && took_effect(rollback) {
        vec![rolled_back(news, rollback), last]
    } else {
        vec![last]
    }
}

/// Tells whether anything of a rollback was carried out.
fn took_effect(rollback: &NewsRollback) -> bool {
    let is_done = |step: &Step| step.state == StepState::Done && step.step.puts_back();
    rollback.commit.is_some() || rollback.steps.iter().any(is_done)
}

fn ours(news: &News) -> CloudEvent {
    let kind = format!("error-budget-monitor.{}.v1", news.kind.as_str());
    envelope(news, clean(&news.id), &kind, told(news))
}

fn incident(news: &News, rollback: &NewsRollback, kind: &str) -> CloudEvent {
    let content = json!({
        "description": headline(news),
        "environment": { "id": clean(&news.namespace) },
        "service": { "id": clean(&news.service) },
    });
    cdevent(
        news,
        clean(&news.id),
        kind,
        rollback,
        (&rollback.id, content),
    )
}

fn rolled_back(news: &News, rollback: &NewsRollback) -> CloudEvent {
    let content = json!({
        "environment": { "id": clean(&news.namespace) },
        "artifactId": format!("pkg:generic/{}@{}", encoded(&news.service), encoded(&rollback.to)),
    });
    let id = format!("{}/rolledback", clean(&rollback.id));
    cdevent(news, id, ROLLED_BACK, rollback, (&news.service, content))
}

fn cdevent(
    news: &News,
    id: String,
    kind: &str,
    rollback: &NewsRollback,
    (subject, content): (&str, Value),
) -> CloudEvent {
    let data = json!({
        "context": {
            "specversion": CDEVENTS,
            "id": id,
            "chainId": clean(&rollback.id),
            "source": source(news),
            "type": kind,
            "timestamp": time(news),
        },
        "subject": {
            "id": clean(subject),
            "source": source(news),
            "content": content,
        },
        "customDataContentType": "application/json",
        "customData": told(news),
    });
    envelope(news, id, kind, data)
}

fn envelope(news: &News, id: String, kind: &str, data: Value) -> CloudEvent {
    let subject = match &news.rollback {
        Some(rollback) => clean(&rollback.id),
        None => clean(&news.service),
    };
    let envelope = json!({
        "specversion": "1.0",
        "id": id,
        "source": source(news),
        "type": kind,
        "subject": subject,
        "time": time(news),
        "datacontenttype": "application/json",
        "data": data,
    });
    CloudEvent { id, envelope }
}

fn told(news: &News) -> Value {
    bounded(serde_json::to_value(news).expect("plain data is JSON"))
}

/// Returns where events about a service come from, as a reference.
fn source(news: &News) -> String {
    format!(
        "/error-budget-monitor/{}/{}",
        encoded(&news.namespace),
        encoded(&news.service)
    )
}

fn time(news: &News) -> String {
    news.at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
