//! What was deployed, as far as Argo CD remembers.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::json::{integer, revisions, time};
use super::operation::{Initiator, OperationState};
use super::source::Sources;

/// One full sync that succeeded, which means applied: bad releases are entries as well. Self-heal, selective syncs
/// and dry runs leave none.
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
    /// The ids of its history entries, oldest first; empty where its operation did not succeed, because that leaves
    /// none.
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
    /// How its operation stands or ended, in words, where it did not succeed and its workloads run all the same.
    pub trouble: Option<String>,
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
    pub(super) fn new(entry: &HistoryEntry) -> Self {
        Self {
            ids: vec![entry.id],
            revisions: entry.revisions.clone(),
            sources: entry.sources.clone(),
            deploy_started_at: entry.deploy_started_at,
            deployed_at: entry.deployed_at,
            by: entry.by.clone(),
            trouble: None,
        }
    }

    /// Returns what an operation made live that left no entry.
    pub(super) fn of_operation(state: &OperationState) -> Self {
        Self {
            ids: Vec::new(),
            revisions: state.resolved.clone(),
            sources: state.applied_sources.clone(),
            deploy_started_at: state.started_at,
            deployed_at: None,
            by: state.request.by.clone(),
            trouble: Some(state.in_words()),
        }
    }

    /// Returns the id of its newest entry: the one that stays in the history for longest; nothing where it left none.
    pub fn newest_id(&self) -> Option<i64> {
        self.ids.last().copied()
    }

    /// Tells whether an entry is the same once more. Helm values and images live in the sources, so the revision alone
    /// does not say that; what is not known is never the same.
    pub(super) fn is_repeated_by(&self, entry: &HistoryEntry) -> bool {
        !entry.revisions.is_empty()
            && entry.revisions == self.revisions
            && entry.sources.is_known()
            && entry.sources == self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::super::application::Application;
    use super::*;
    use serde_json::json;

    /// Reads an application with these history entries, each an id, a revision and an image.
    fn deployed(entries: &[(i64, &str, &str)]) -> Vec<(Vec<i64>, String)> {
        let history: Vec<Value> = entries
            .iter()
            .map(|(id, revision, image)| {
                json!({"id": id, "revision": revision, "deployedAt": format!("2026-08-01T10:00:{id:02}Z"),
                    "source": {"repoURL": "https://git/a", "kustomize": {"images": [image]}}})
            })
            .collect();
        let app = Application::read(&json!({"status": {"history": history}}));
        let deployments = app.deployments().expect("a history");
        deployments
            .iter()
            .map(|deployment| {
                let first = deployment.ids[0];
                assert_eq!(
                    deployment.deployed_at,
                    format!("2026-08-01T10:00:{first:02}Z").parse().ok()
                );
                assert_eq!(deployment.newest_id(), deployment.ids.last().copied());
                (deployment.ids.clone(), deployment.revisions.join(","))
            })
            .collect()
    }

    #[test]
    fn the_same_revision_again_is_no_new_deployment() {
        let found = deployed(&[(3, "a", "1"), (4, "b", "1"), (5, "b", "1"), (6, "b", "1")]);
        assert_eq!(
            found,
            [(vec![3], "a".to_owned()), (vec![4, 5, 6], "b".to_owned())]
        );
    }

    #[test]
    fn a_revision_that_came_back_is_a_deployment_of_its_own() {
        let found = deployed(&[(0, "a", "1"), (1, "b", "1"), (2, "a", "1")]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn the_same_revision_with_another_image_is_another_deployment() {
        assert_eq!(deployed(&[(0, "a", "1"), (1, "a", "2")]).len(), 2);
    }

    #[test]
    fn entries_without_revision_or_source_are_never_the_same() {
        let entry = |id: i64| json!({"id": id, "source": {"repoURL": "https://git/a"}});
        let old = |id: i64| json!({"id": id, "revision": "a", "source": {"repoURL": ""}});
        for history in [[entry(0), entry(1)], [old(0), old(1)]] {
            let app = Application::read(&json!({"status": {"history": history}}));
            assert_eq!(app.deployments().expect("a history").len(), 2);
        }
    }

    #[test]
    fn a_history_that_cannot_be_read_is_no_empty_history() {
        let odd = json!({"status": {"history": [{"revision": "a"}]}});
        assert_eq!(Application::read(&odd).deployments(), None);
        let empty = json!({"status": {}});
        assert_eq!(Application::read(&empty).deployments(), Some(vec![]));
    }
}
