//! What Argo CD was asked to do with an application, and how far it is.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::json::{flag, integer, line, list, present, revisions, text, time};
use super::source::Sources;

/// What the message of an operation says that waits for a sync window.
const PARKED: &str = "blocked by sync window";

/// Kinds whose pods serve: once one of them is applied, what it names is live. Source: Kubernetes and Argo Rollouts.
const WORKLOADS: [(&str, &str); 5] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("argoproj.io", "Rollout"),
    ("serving.knative.dev", "Service"),
];

/// Something that Argo CD was asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Requested {
    /// Who asked.
    pub by: Initiator,
    /// The revision that was asked for, or one for each source; empty where it is not known.
    pub revisions: Vec<String>,
    /// The sources that go with it: a rollback brings those of its history entry.
    pub sources: Sources,
    /// What the asker wrote beside it; nothing where it cannot be read.
    pub notes: Option<Vec<Note>>,
    /// Whether it changes nothing; nothing where it cannot be read.
    pub is_dry_run: Option<bool>,
    /// Whether it is limited to some resources, as self-heal is; nothing where it cannot be read.
    pub is_selective: Option<bool>,
}

/// A name and a value that travel with an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Who asked for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Initiator {
    /// An account, under the name that Argo CD gives it.
    User(String),
    /// Auto-sync.
    Automated,
    /// It is not said.
    Unknown,
}

/// The operation that Argo CD works on, or worked on last.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationState {
    /// How far it is.
    pub phase: OperationPhase,
    /// What was asked for.
    pub request: Requested,
    /// What the revisions resolved to; empty until that is known.
    pub resolved: Vec<String>,
    /// The sources of what was applied.
    pub applied_sources: Sources,
    /// Whether a workload was applied, hooks aside: from then on the revision is live, however the operation ends. Also
    /// false where it is not said.
    pub has_applied_workload: bool,
    /// When it began, in whole seconds.
    pub started_at: Option<DateTime<Utc>>,
    /// When it, or its latest try, ended, in whole seconds.
    pub finished_at: Option<DateTime<Utc>>,
    /// Whether a try failed and the next one is to come: it is running still.
    pub is_waiting_for_retry: bool,
    /// How often it was tried again; nothing where it cannot be read.
    pub retry_count: Option<i64>,
    /// What Argo CD says about it, as one short line; empty where it says nothing.
    pub message: String,
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationPhase {
    /// At work, waiting for a retry, or waiting for a sync window.
    Running,
    /// Being ended.
    Terminating,
    /// Everything was applied, which does not mean that it is healthy.
    Succeeded,
    /// Something was not applied. Other parts may have been.
    Failed,
    /// It could not be tried, for example because the manifests cannot be rendered.
    Error,
    /// Anything else, as it is said; empty where nothing is said.
    Unknown(String),
}

impl Requested {
    pub(super) fn read(value: &Value) -> Self {
        Self {
            by: Initiator::read(value),
            revisions: revisions(value, "/sync"),
            sources: present(value, "/sync").map_or(Sources::Unknown, Sources::read),
            notes: list(value, "/info", |note| {
                Some(Note {
                    name: text(note, "/name")?,
                    value: text(note, "/value").unwrap_or_default(),
                })
            }),
            is_dry_run: flag(value, "/sync/dryRun"),
            is_selective: list(value, "/sync/resources", |_| Some(()))
                .map(|resources| !resources.is_empty()),
        }
    }
}

impl Initiator {
    /// Reads the field `initiatedBy`, which may be absent or empty.
    pub(super) fn read(value: &Value) -> Self {
        match (
            text(value, "/initiatedBy/username"),
            flag(value, "/initiatedBy/automated"),
        ) {
            (_, Some(true)) => Self::Automated,
            (Some(name), Some(false)) => Self::User(name),
            (None, Some(false)) | (_, None) => Self::Unknown,
        }
    }
}

impl OperationState {
    pub(super) fn read(value: &Value) -> Self {
        let phase = OperationPhase::read(value);
        let is_waiting_for_retry =
            phase == OperationPhase::Running && present(value, "/finishedAt").is_some();
        let nothing = Value::Null;
        Self {
            phase,
            request: Requested::read(present(value, "/operation").unwrap_or(&nothing)),
            resolved: revisions(value, "/syncResult"),
            applied_sources: present(value, "/syncResult").map_or(Sources::Unknown, Sources::read),
            has_applied_workload: list(value, "/syncResult/resources", |resource| {
                Some(is_applied_workload(resource))
            })
            .is_some_and(|applied| applied.contains(&true)),
            started_at: time(value, "/startedAt"),
            finished_at: time(value, "/finishedAt"),
            is_waiting_for_retry,
            retry_count: match present(value, "/retryCount") {
                None => Some(0),
                Some(_) => integer(value, "/retryCount"),
            },
            message: line(value, "/message"),
        }
    }

    /// Tells whether it came to an end, good or bad.
    pub fn is_over(&self) -> bool {
        match self.phase {
            OperationPhase::Succeeded | OperationPhase::Failed | OperationPhase::Error => true,
            OperationPhase::Running | OperationPhase::Terminating | OperationPhase::Unknown(_) => {
                false
            }
        }
    }

    /// Says how it stands, or how it ended.
    pub fn in_words(&self) -> String {
        let said = match self.message.as_str() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        match &self.phase {
            OperationPhase::Running if self.is_waiting_for_retry => {
                format!("failed and is to be tried again{said}")
            }
            OperationPhase::Running => format!("has not ended{said}"),
            OperationPhase::Terminating => format!("is being ended{said}"),
            OperationPhase::Succeeded => "succeeded".to_owned(),
            OperationPhase::Failed => format!("failed{said}"),
            OperationPhase::Error => format!("ended in an error{said}"),
            OperationPhase::Unknown(phase) => format!("is in the phase {phase:?}{said}"),
        }
    }

    /// Tells whether it waits for a sync window. The first look of Argo CD may say so for a moment where the window
    /// lets it through; only what stays for a minute or so is parked.
    pub fn is_parked_by_window(&self) -> bool {
        self.phase == OperationPhase::Running
            && !self.is_waiting_for_retry
            && self.message.contains(PARKED)
    }
}

/// Tells whether a result of an operation is a workload that was applied.
fn is_applied_workload(resource: &Value) -> bool {
    let is = |pointer: &str, wanted: &str| text(resource, pointer).as_deref() == Some(wanted);
    let mut workloads = WORKLOADS.iter();
    let is_workload = workloads.any(|(group, kind)| is("/group", group) && is("/kind", kind));
    is_workload && is("/status", "Synced") && text(resource, "/hookType").is_none()
}

impl OperationPhase {
    fn read(value: &Value) -> Self {
        let said = line(value, "/phase");
        match said.as_str() {
            "Running" => Self::Running,
            "Terminating" => Self::Terminating,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Error" => Self::Error,
            _ => Self::Unknown(said),
        }
    }
}
