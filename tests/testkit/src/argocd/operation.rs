//! What is asked of the controller, and how far it is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::whole_seconds;
use super::spec::{Retry, Source, is_false, is_zero};

/// What is asked for: the `operation` of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What is to be deployed.
    pub sync: SyncOperation,
    /// Who asked.
    pub initiated_by: Initiator,
    /// What the one who asked wanted to be remembered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// How often it is tried again.
    pub retry: Retry,
}

/// What is to be deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncOperation {
    /// The revision of the only source.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The revisions of several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// Whether what is too much is removed.
    #[serde(skip_serializing_if = "is_false")]
    pub prune: bool,
    /// Whether nothing is changed.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// With hooks or without; absent means with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_strategy: Option<Value>,
    /// The objects it is limited to; none means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Value>,
    /// The source in place of the one in the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The sources in place of those in the spec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Such as `CreateNamespace=true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// How often the same drift was repaired in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub auto_heal_attempts_count: i64,
}

/// Who asked for an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Initiator {
    /// The user; empty when it was auto-sync.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Whether it was auto-sync.
    #[serde(skip_serializing_if = "is_false")]
    pub automated: bool,
}

/// A word that an operation carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// At work, parked, or waiting for the next try.
    Running,
    /// To be ended.
    Terminating,
    /// Applied, which is not the same as healthy.
    Succeeded,
    /// Some of it could not be applied.
    Failed,
    /// Nothing could be applied.
    Error,
}

/// The `status.operationState` of an application.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// What was asked for.
    pub operation: Operation,
    /// How far it is.
    pub phase: Phase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it means to deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_result: Option<SyncResult>,
    /// When the controller picked it up.
    #[serde(serialize_with = "whole_seconds::always")]
    pub started_at: DateTime<Utc>,
    /// When it ended, or when the try before the next one did.
    #[serde(
        serialize_with = "whole_seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub finished_at: Option<DateTime<Utc>>,
    /// How many tries failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_count: i64,
}

/// What an operation means to deploy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncResult {
    /// What became of each object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Value>,
    /// The revision of the only source.
    pub revision: String,
    /// The only source; shown empty where there are several.
    pub source: Source,
    /// Several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Their revisions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
}

/// What an operation is in this stand-in's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// `POST …/rollback`.
    Rollback,
    /// `POST …/sync`.
    Sync,
    /// Auto-sync of a new revision.
    AutoSync,
    /// Auto-sync of what was changed by hand.
    SelfHeal,
}

/// One operation that was accepted, from the request to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationRecord {
    /// The application.
    pub app: String,
    /// What it was.
    pub kind: OperationKind,
    /// What was asked for, in the order of the sources.
    pub revisions: Vec<String>,
    /// Whether it was to change nothing.
    pub is_dry_run: bool,
    /// Who asked.
    pub initiated_by: Initiator,
    /// What it carried.
    pub info: Vec<Info>,
    /// When it was accepted.
    pub requested_at: DateTime<Utc>,
    /// When the controller picked it up.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it is, or how it ended; absent while it is queued.
    pub phase: Option<Phase>,
}

impl Operation {
    /// Tells whether every object is meant.
    pub fn is_full(&self) -> bool {
        self.sync.resources.is_empty()
    }

    /// Tells whether hooks run: not when it is limited to some objects or asks for a mere apply.
    pub fn runs_hooks(&self) -> bool {
        let is_apply = self
            .sync
            .sync_strategy
            .as_ref()
            .is_some_and(|strategy| !strategy["apply"].is_null());
        self.is_full() && !is_apply
    }

    /// Returns the revisions asked for, in the order of the sources.
    pub fn revisions(&self) -> Vec<String> {
        if self.sync.revisions.is_empty() {
            vec![self.sync.revision.clone()]
        } else {
            self.sync.revisions.clone()
        }
    }
}

impl SyncResult {
    /// Returns each source with its revision.
    pub fn pairs(&self) -> Vec<(Source, String)> {
        if self.sources.is_empty() {
            return vec![(self.source.clone(), self.revision.clone())];
        }
        let revisions = self
            .revisions
            .iter()
            .cloned()
            .chain(std::iter::repeat(String::new()));
        self.sources.iter().cloned().zip(revisions).collect()
    }

    /// Notes what the revisions asked for turned out to be.
    pub fn resolve(&mut self, revisions: Vec<String>) {
        if self.sources.is_empty() {
            self.revision = revisions.into_iter().next().unwrap_or_default();
        } else {
            self.revisions = revisions;
        }
    }
}

impl Phase {
    /// Tells whether nothing more will happen.
    pub fn is_over(self) -> bool {
        match self {
            Self::Running | Self::Terminating => false,
            Self::Succeeded | Self::Failed | Self::Error => true,
        }
    }
}
