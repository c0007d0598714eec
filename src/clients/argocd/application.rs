//! An application as Argo CD shows it.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::auto_sync::AutoSync;
use super::history::{Deployment, HistoryEntry};
use super::hydration::Hydration;
use super::json::{flag, integer, line, list, present, revisions, text, time};
use super::operation::{OperationPhase, OperationState, Requested};
use super::owner::{Owner, image_updater};
use super::source::Sources;
use crate::redact::Scanner;

/// How many entries Argo CD keeps where the application does not say. Source: Argo CD's documentation, the field
/// `revisionHistoryLimit`.
const DEFAULT_HISTORY_LIMIT: i64 = 10;

/// An application at one moment. What the answer leaves out, or has in a shape that is not known, is nothing or
/// `Unknown` here, never a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Its name.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its project.
    pub project: Option<String>,
    /// That it is being deleted.
    pub deletion: Option<Deletion>,
    /// Who writes it.
    pub owner: Owner,
    /// The names of the image updater's annotations: it changes images besides git. Nothing where they cannot be read.
    pub image_updater: Option<Vec<String>>,
    /// Whether it follows its repository by itself.
    pub auto_sync: AutoSync,
    /// Where its manifests come from today.
    pub sources: Sources,
    /// From where a hydrator writes what it deploys, where one does (`spec.sourceHydrator`).
    pub hydration: Option<Hydration>,
    /// How many history entries are kept, 10 where it does not say; 0 means none, and so no rollback.
    pub history_limit: Option<i64>,
    /// An operation that is asked for or under way.
    pub operation: Option<Requested>,
    /// The operation that is under way or was the last; nothing while one is queued, and before the first.
    pub operation_state: Option<OperationState>,
    /// What was deployed, oldest first, empty before the first time; nothing where it cannot be read.
    pub history: Option<Vec<HistoryEntry>>,
    /// How what runs compares with git.
    pub sync: SyncComparison,
    /// How what runs is.
    pub health: Health,
    /// When the latest comparison that asked git began. If that is long ago, `sync` and `health` are as old.
    pub reconciled_at: Option<DateTime<Utc>>,
    /// What Argo CD complains of; nothing where it cannot be read.
    pub conditions: Option<Vec<Condition>>,
    /// What differs from git, as kind and name, and whether it is there only to be pruned; nothing where it cannot be
    /// read.
    pub out_of_sync: Option<Vec<String>>,
    /// The Argo Rollouts among the application's resources; nothing where they cannot be read.
    pub rollouts: Option<Vec<ArgoRollout>>,
}

/// That an application is being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Since when; nothing where it cannot be read.
    pub since: Option<DateTime<Utc>>,
}

/// How what runs compares with git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncComparison {
    /// The comparison's result.
    pub status: SyncStatus,
    /// What was compared with, one for each source. This is not what is deployed.
    pub revisions: Vec<String>,
}

/// The result of a comparison with git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncStatus {
    /// They are the same.
    Synced,
    /// They differ.
    OutOfSync,
    /// It is not known; as it is said, empty where nothing is said.
    Unknown(String),
}

/// How what runs is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The worst of its resources.
    pub status: HealthStatus,
    /// Since when; older versions do not say.
    pub since: Option<DateTime<Utc>>,
}

/// How resources are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthStatus {
    /// As they should be, in the view of Kubernetes.
    Healthy,
    /// On the way.
    Progressing,
    /// Not there in time, or failed.
    Degraded,
    /// Paused.
    Suspended,
    /// Not in the cluster.
    Missing,
    /// It is not known; as it is said, empty where nothing is said.
    Unknown(String),
}

/// Something that Argo CD complains of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its kind, such as `ComparisonError`.
    pub kind: String,
    /// What it says, as one short line.
    pub message: String,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
}

/// An Argo Rollout, which goes forward and back by its own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgoRollout {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: HealthStatus,
}

impl Application {
    /// Reads the answer to a question for an application.
    pub(super) fn read(value: &Value) -> Self {
        let nothing = Value::Null;
        let metadata = present(value, "/metadata").unwrap_or(&nothing);
        let spec = present(value, "/spec").unwrap_or(&nothing);
        let status = present(value, "/status").unwrap_or(&nothing);
        Self {
            name: text(metadata, "/name"),
            namespace: text(metadata, "/namespace"),
            project: text(spec, "/project"),
            deletion: present(metadata, "/deletionTimestamp").map(|_| Deletion {
                since: time(metadata, "/deletionTimestamp"),
            }),
            owner: Owner::read(metadata),
            image_updater: image_updater(metadata),
            auto_sync: if spec.is_object() {
                AutoSync::read(spec)
            } else {
                AutoSync::Unknown
            },
            sources: Sources::read(spec),
            hydration: present(spec, "/sourceHydrator").map(|_| Hydration::read(spec, status)),
            history_limit: match present(spec, "/revisionHistoryLimit") {
                None => Some(DEFAULT_HISTORY_LIMIT),
                Some(_) => integer(spec, "/revisionHistoryLimit"),
            },
            operation: present(value, "/operation").map(Requested::read),
            operation_state: present(status, "/operationState").map(OperationState::read),
            history: list(status, "/history", HistoryEntry::read),
            sync: SyncComparison {
                status: SyncStatus::read(&line(status, "/sync/status")),
                revisions: revisions(status, "/sync"),
            },
            health: Health {
                status: HealthStatus::read(&line(status, "/health/status")),
                since: time(status, "/health/lastTransitionTime"),
            },
            reconciled_at: time(status, "/reconciledAt"),
            conditions: list(status, "/conditions", Condition::read),
            out_of_sync: out_of_sync(status),
            rollouts: rollouts(status),
        }
    }

    /// Takes secrets out of everything that is said in words.
    pub(super) fn leave_out(&mut self, secrets: &Scanner) {
        let state = self.operation_state.iter_mut();
        let conditions = self.conditions.iter_mut().flatten();
        let hydration = self.hydration.iter_mut();
        let messages = state
            .map(|state| &mut state.message)
            .chain(conditions.map(|condition| &mut condition.message))
            .chain(hydration.filter_map(|it| Some(&mut it.current.as_mut()?.message)));
        for message in messages {
            *message = secrets.redact(message);
        }
    }

    /// Tells whether an operation is asked for or under way, or has ended without a comparison since: until then health
    /// and sync status are those of before. What cannot be read counts as in progress.
    pub fn is_in_progress(&self) -> bool {
        if self.operation.is_some() {
            return true;
        }
        let Some(state) = &self.operation_state else {
            return false;
        };
        let Some(finished_at) = state.finished_at else {
            return true;
        };
        let is_compared = self.reconciled_at.is_some_and(|at| at >= finished_at);
        state.request.is_dry_run != Some(true) && !is_compared
    }

    /// Tells whether the operation waits for a sync window; see [`OperationState::is_parked_by_window`].
    pub fn is_parked_by_window(&self) -> bool {
        self.operation_state
            .as_ref()
            .is_some_and(OperationState::is_parked_by_window)
    }

    /// Returns the operation that made a revision live and left no history entry: one that failed, hangs or is to be
    /// tried again after its workloads were applied, as with a smoke test that fails after the sync.
    pub fn unrecorded(&self) -> Option<&OperationState> {
        let state = self.operation_state.as_ref()?;
        let is_whole =
            state.request.is_dry_run == Some(false) && state.request.is_selective == Some(false);
        let recorded = self.history.as_ref()?.last();
        let recorded_at = recorded.and_then(|entry| entry.deployed_at.or(entry.deploy_started_at));
        let is_newer = recorded.is_none() || recorded_at? <= state.started_at?;
        let has_succeeded = state.phase == OperationPhase::Succeeded;
        // The entry of one that is about to succeed is written before its phase.
        let is_recorded = recorded.is_some_and(|entry| {
            entry.deploy_started_at == state.started_at && entry.revisions == state.resolved
        });
        let is_live = state.has_applied_workload && !state.resolved.is_empty();
        (is_whole && is_newer && is_live && !has_succeeded && !is_recorded).then_some(state)
    }

    /// Returns what was live one after the other, newest last. Syncs of the same revision from the same sources that
    /// follow one another are one deployment; one that came back later is another. Nothing where the history cannot be
    /// read.
    pub fn deployments(&self) -> Option<Vec<Deployment>> {
        let mut deployments: Vec<Deployment> = Vec::new();
        for entry in self.history.as_ref()? {
            match deployments.last_mut() {
                Some(last) if last.is_repeated_by(entry) => last.ids.push(entry.id),
                Some(_) | None => deployments.push(Deployment::new(entry)),
            }
        }
        deployments.extend(self.unrecorded().map(Deployment::of_operation));
        Some(deployments)
    }
}

impl SyncStatus {
    fn read(said: &str) -> Self {
        match said {
            "Synced" => Self::Synced,
            "OutOfSync" => Self::OutOfSync,
            _ => Self::Unknown(said.to_owned()),
        }
    }
}

impl HealthStatus {
    fn read(said: &str) -> Self {
        match said {
            "Healthy" => Self::Healthy,
            "Progressing" => Self::Progressing,
            "Degraded" => Self::Degraded,
            "Suspended" => Self::Suspended,
            "Missing" => Self::Missing,
            _ => Self::Unknown(said.to_owned()),
        }
    }
}

impl Condition {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            kind: text(value, "/type")?,
            message: line(value, "/message"),
            since: time(value, "/lastTransitionTime"),
        })
    }
}

/// Returns the names of what differs from git; hooks come and go.
fn out_of_sync(status: &Value) -> Option<Vec<String>> {
    let resources = list(status, "/resources", |resource| {
        let differs = text(resource, "/status").as_deref() == Some("OutOfSync");
        if !differs || flag(resource, "/hook") == Some(true) {
            return Some(None);
        }
        let (kind, name) = (text(resource, "/kind")?, text(resource, "/name")?);
        let is_pruned = flag(resource, "/requiresPruning") == Some(true);
        let remark = if is_pruned { " (to be pruned)" } else { "" };
        Some(Some(format!("{kind} {name}{remark}")))
    })?;
    Some(resources.into_iter().flatten().collect())
}

fn rollouts(status: &Value) -> Option<Vec<ArgoRollout>> {
    let resources = list(status, "/resources", |resource| {
        let is_rollout = text(resource, "/kind")? == "Rollout"
            && text(resource, "/group").as_deref() == Some("argoproj.io");
        Some(if is_rollout {
            Some(ArgoRollout {
                namespace: text(resource, "/namespace"),
                name: text(resource, "/name")?,
                health: HealthStatus::read(&line(resource, "/health/status")),
            })
        } else {
            None
        })
    })?;
    Some(resources.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
