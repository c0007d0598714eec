//! What the controller writes about an application.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::clock::whole_seconds;
use super::operation::{Initiator, OperationState};
use super::spec::Source;

/// The `status` of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Every object with its own status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Value>,
    /// What git was compared to.
    pub sync: SyncStatus,
    /// How what runs is.
    pub health: Health,
    /// What was deployed, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When the last comparison that asked git began.
    #[serde(
        serialize_with = "whole_seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub reconciled_at: Option<DateTime<Utc>>,
    /// How far the last operation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    /// Which kind of tool renders it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub source_type: &'static str,
    /// The same for several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_types: Vec<&'static str>,
}

/// What git was compared to, which is not what is deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// Whether they are equal.
    pub status: SyncCode,
    /// The sources of the comparison.
    pub compared_to: Value,
    /// The revision of the only source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The revisions of several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
}

/// Whether git and what runs are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum SyncCode {
    /// Nobody knows.
    #[default]
    Unknown,
    /// They are.
    Synced,
    /// They are not.
    OutOfSync,
}

/// How what runs is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// In a word.
    pub status: HealthCode,
    /// Since when it is so.
    #[serde(
        serialize_with = "whole_seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_transition_time: Option<DateTime<Utc>>,
}

/// How what runs is, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum HealthCode {
    /// It runs.
    Healthy,
    /// It waits for a person.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is not there.
    Missing,
    /// It does not get there.
    Degraded,
    /// Nobody looked yet.
    #[default]
    Unknown,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `ComparisonError`, `InvalidSpecError` or `SyncError`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// In words.
    pub message: String,
    /// Since when.
    #[serde(serialize_with = "whole_seconds::always")]
    pub last_transition_time: DateTime<Utc>,
}

/// One deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The revision of the only source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// When the sync had finished.
    #[serde(serialize_with = "whole_seconds::always")]
    pub deployed_at: DateTime<Utc>,
    /// Stays when older entries are cut off.
    pub id: i64,
    /// The only source; shown empty where there are several, and in entries from before version 0.12.
    pub source: Source,
    /// When the sync had begun.
    #[serde(
        serialize_with = "whole_seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub deploy_started_at: Option<DateTime<Utc>>,
    /// Several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Their revisions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// Who deployed.
    pub initiated_by: Initiator,
}

impl Status {
    /// Appends a deployment and cuts the history at `limit` from its old end; no limit means 10, one below 1 empties
    /// it.
    pub(super) fn deployed(&mut self, entry: HistoryEntry, limit: Option<i64>) {
        let id = self.history.last().map_or(0, |last| last.id + 1);
        self.history.push(HistoryEntry { id, ..entry });
        let limit = usize::try_from(limit.unwrap_or(10)).unwrap_or(0);
        let too_many = self.history.len().saturating_sub(limit);
        self.history.drain(..too_many);
    }

    /// Replaces the conditions of one kind.
    pub(super) fn set_condition(
        &mut self,
        kind: &'static str,
        message: Option<String>,
        now: DateTime<Utc>,
    ) {
        let is_known =
            |known: &Condition| known.kind == kind && Some(&known.message) == message.as_ref();
        if self.conditions.iter().any(is_known) {
            return;
        }
        self.conditions.retain(|known| known.kind != kind);
        if let Some(message) = message {
            self.conditions.push(Condition {
                kind,
                message,
                last_transition_time: now,
            });
        }
    }

    /// Notes the health; the time changes only when the word does.
    pub(super) fn set_health(&mut self, status: HealthCode, now: DateTime<Utc>) {
        if self.health.status != status || self.health.last_transition_time.is_none() {
            self.health = Health {
                status,
                last_transition_time: Some(now),
            };
        }
    }
}

impl SyncStatus {
    /// Returns the revisions in the order of the sources.
    pub fn all_revisions(&self) -> Vec<String> {
        if self.revisions.is_empty() {
            vec![self.revision.clone()]
        } else {
            self.revisions.clone()
        }
    }
}
