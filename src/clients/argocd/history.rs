//! What was deployed, as far as Argo CD remembers.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::application::Application;
use super::json::{integer, revisions, time};
use super::operation::Initiator;
use super::source::Sources;

/// One full sync that succeeded, which means applied: bad releases are entries as well. Self-heal, selective syncs and dry
/// runs leave none.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Its id, which stays while entries before it are dropped. 0 is the first.
    pub id: i64,
    /// The revision, or one for each source; empty where it is not known.
    pub revisions: Vec<String>,
    /// Where the manifests came from.
    pub sources: Sources,
    /// When the sync began, in whole seconds.
    pub deploy_started_at: Option<DateTime<Utc>>,
    /// When the sync ended, in whole seconds.
    pub deployed_at: Option<DateTime<Utc>>,
    /// Who asked for it.
    pub by: Initiator,
}

/// A revision that went live, with every sync of the same that followed at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The ids of its history entries, oldest first; there is at least one.
    pub ids: Vec<i64>,
    /// The revision, or one for each source; empty where it is not known.
    pub revisions: Vec<String>,
    /// Where the manifests came from.
    pub sources: Sources,
    /// When its first sync began.
    pub deploy_started_at: Option<DateTime<Utc>>,
    /// When its first sync ended: from then on it was live.
    pub deployed_at: Option<DateTime<Utc>>,
    /// Who asked for its first sync.
    pub by: Initiator,
}

impl HistoryEntry {
    /// Reads an entry; nothing without an id, because then the list cannot be trusted.
    pub(super) fn read(value: &Value) -> Option<Self> {
        Some(Self {
            id: integer(value, "/id")?,
            revisions: revisions(value, ""),
            sources: Sources::read(value),
            deploy_started_at: time(value, "/deployStartedAt"),
            deployed_at: time(value, "/deployedAt"),
            by: Initiator::read(value),
        })
    }
}

impl Deployment {
    fn new(entry: &HistoryEntry) -> Self {
        Self {
            ids: vec![entry.id],
            revisions: entry.revisions.clone(),
            sources: entry.sources.clone(),
            deploy_started_at: entry.deploy_started_at,
            deployed_at: entry.deployed_at,
            by: entry.by.clone(),
        }
    }

    /// Returns the id of its newest entry: the one that stays in the history for longest.
    pub fn newest_id(&self) -> Option<i64> {
        self.ids.last().copied()
    }

    /// Tells whether an entry is the same once more. Helm values and images live in the sources, so the revision alone
    /// does not say that; what is not known is never the same.
    fn is_repeated_by(&self, entry: &HistoryEntry) -> bool {
        !entry.revisions.is_empty()
            && entry.revisions == self.revisions
            && entry.sources.is_known()
            && entry.sources == self.sources
    }
}

impl Application {
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
        Some(deployments)
    }
}
