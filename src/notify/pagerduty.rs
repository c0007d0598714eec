//! What PagerDuty is told: alerts that wake people, and changes that stand beside incidents.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::piece::{clean, clipped};
use super::sentence::happened;
use super::story::{headline, next, pages};
use crate::clients::pagerduty::{
    Alert, AlertAction, AlertPayload, ChangeEvent, ChangePayload, Link, MAX_EVENT, Severity,
};
use crate::journal::{News, NewsKind};
use crate::record::level_word;
use crate::slo::Level;

/// Longest summary (characters). Source: PagerDuty's documentation of the PD-CEF fields.
const MAX_SUMMARY: usize = 1_024;

/// Longest key (characters). Source: the same.
const MAX_KEY: usize = 255;

/// Longest text of the details (characters). Protects the bound on the whole event.
const MAX_DETAIL: usize = 1_000;

/// Most entries of a list of the details. The same.
const MAX_ENTRIES: usize = 50;

/// What is left of an event for everything but its details (bytes).
const ENVELOPE: usize = 32 * 1024;

const CLIENT: &str = "error-budget-monitor";

/// Writes the alert that a change opens or ends.
pub(super) fn alert(news: &News) -> Alert {
    let event_action = match news.kind {
        NewsKind::Recovered | NewsKind::Seeing | NewsKind::BurnOver => AlertAction::Resolve,
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::Started
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
        | NewsKind::MemoryRebuilt => AlertAction::Trigger,
    };
    let is_trigger = event_action == AlertAction::Trigger;
    Alert {
        event_action,
        dedup_key: key(news),
        payload: is_trigger.then(|| AlertPayload {
            summary: summary(news),
            source: place(news),
            severity: severity(news),
            timestamp: timestamp(news),
            component: clipped(&news.service, MAX_KEY),
            group: clipped(&news.namespace, MAX_KEY),
            class: "error-budget-burn",
            custom_details: details(news),
        }),
        links: if is_trigger { links(news) } else { Vec::new() },
        client: CLIENT,
    }
}

/// Writes the change that a rollback is.
pub(super) fn change(news: &News) -> ChangeEvent {
    ChangeEvent {
        payload: ChangePayload {
            summary: summary(news),
            source: place(news),
            timestamp: timestamp(news),
            custom_details: details(news),
        },
        links: links(news),
    }
}

/// Returns the key of the alert: that of the burn, from the first alert about it to its end, or else the rollback's id
/// or the condition of the service. What begins and what ends a condition have one key.
fn key(news: &News) -> String {
    if let Some(incident) = &news.incident {
        return clipped(incident, MAX_KEY);
    }
    let condition = match (&news.rollback, news.kind) {
        // Long after the rollback's incident is over.
        (_, NewsKind::HoldViolated) => "hold_violated",
        (_, NewsKind::SuspiciousCommit) => "suspicious_commit",
        (_, NewsKind::Blind | NewsKind::Seeing) => "blind",
        (Some(rollback), _) => return clipped(&rollback.id, MAX_KEY),
        (None, kind) => kind.as_str(),
    };
    clipped(&format!("{}/{condition}", place(news)), MAX_KEY)
}

fn severity(news: &News) -> Severity {
    match news.kind {
        NewsKind::Failed | NewsKind::Ineffective => Severity::Critical,
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::Started
        | NewsKind::Recovered
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
        | NewsKind::BurnOver => {
            if news.standing.level == Some(Level::Emergency) {
                Severity::Critical
            } else {
                Severity::Error
            }
        }
    }
}

fn summary(news: &News) -> String {
    let detail = clean(&happened(news).plain());
    let headline = headline(news);
    let whole = if detail.is_empty() {
        headline
    } else {
        format!("{headline}: {detail}")
    };
    clipped(&whole, MAX_SUMMARY)
}

fn place(news: &News) -> String {
    clipped(&format!("{}/{}", news.namespace, news.service), MAX_KEY)
}

fn timestamp(news: &News) -> String {
    news.at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn links(news: &News) -> Vec<Link> {
    let pages = pages(news).into_iter();
    pages
        .map(|(text, href)| Link {
            href,
            text: clipped(&text, MAX_KEY),
        })
        .collect()
}

fn details(news: &News) -> Value {
    let standing = &news.standing;
    let rates: serde_json::Map<String, Value> = standing
        .burn_rates
        .iter()
        .map(|(window, rate)| (window.clone(), json!(rate)))
        .collect();
    let mut details = json!({
        "happened": happened(news).plain(),
        "next": next(news).map(|line| line.plain()),
        "reason": news.reason,
        "detail": news.detail,
        "level": level_word(standing.level),
        "verdict": standing.verdict,
        "budget_consumed": standing.consumed,
        "budget_left": standing.consumed.map(|consumed| 1.0 - consumed),
        "bad_events": standing.bad_events,
        "total_events": standing.total_events,
        "burn_rates": rates,
        "violated": standing.violated,
        "gates": news.gates.iter().map(|gate| format!("{} {}: {}", gate.state, gate.gate, gate.detail)).collect::<Vec<_>>(),
        "run_id": news.run_id,
        "id": news.id,
    });
    if let Some(limits) = news.limits {
        details["rollbacks_left"] = json!({ "hour": limits.hour, "day": limits.day });
    }
    if let Some(rollback) = &news.rollback {
        details["rollback"] = json!({
            "id": rollback.id,
            "origin": rollback.origin,
            "why": rollback.why,
            "from": rollback.from,
            "from_subject": rollback.from_subject,
            "to": rollback.to,
            "commit": rollback.commit,
            "place": rollback.place,
            "application": rollback.application,
            "steps": super::story::steps(rollback),
        });
    }
    let details = bounded(details);
    if details.to_string().len() > MAX_EVENT - ENVELOPE {
        return json!({ "note": "the details are too long to be sent; see the decision record of the run", "run_id": clipped(&news.run_id, MAX_KEY) });
    }
    details
}

/// Cleans and shortens every text, and shortens every list: what others wrote may be of any length.
pub(super) fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clipped(&text, MAX_DETAIL)),
        Value::Array(values) => values.into_iter().take(MAX_ENTRIES).map(bounded).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, bounded(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests;
