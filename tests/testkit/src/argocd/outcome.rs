//! What a sync does with objects, hooks and the history.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::application::{Application, PostSync};
use super::manifest::{Done, Identity};
use super::operation::{Operation, OperationState, SyncResult};
use super::repository::Targets;
use super::status::HistoryEntry;

impl Application {
    /// Returns the names of the objects that an operation is about.
    pub(super) fn meant(&self, operation: &Operation, targets: &Targets) -> BTreeSet<String> {
        let wanted = targets.iter().map(|(name, target)| (name, &target.text));
        let live = self.live.iter().map(|(name, object)| (name, &object.text));
        live.chain(wanted)
            .filter(|(name, text)| {
                operation.is_full() || Identity::of(name, text).is_among(&operation.sync.resources)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Returns what a sync does with each object that it is about.
    pub(super) fn results(
        &self,
        operation: &Operation,
        targets: &Targets,
        names: &BTreeSet<String>,
        phase: &str,
    ) -> Vec<Value> {
        let result = |name: &String| {
            let live = self.live_text(name);
            let (text, done) = match (targets.get(name), live) {
                (Some(target), None) => (target.text.as_str(), Done::Created),
                (Some(target), Some(live)) if live == target.text => (live, Done::Unchanged),
                (Some(target), Some(_)) => (target.text.as_str(), Done::Configured),
                (None, live) if operation.sync.prune => (live.unwrap_or_default(), Done::Pruned),
                (None, live) => (live.unwrap_or_default(), Done::PruneSkipped),
            };
            Identity::of(name, text).result(text, done, phase)
        };
        names.iter().map(result).collect()
    }

    pub(super) fn post_sync(&self, operation: &Operation, revision: &str) -> Option<PostSync> {
        let wrong = self.trouble.post_sync.get(revision).copied();
        wrong.filter(|_| operation.runs_hooks())
    }

    pub(super) fn waiting_for(&self, operation: &Operation) -> String {
        let hook = self
            .trouble
            .hooks
            .first()
            .filter(|_| operation.runs_hooks());
        match (hook, &self.trouble.waits_for) {
            (Some(hook), _) if self.hook_runs.iter().any(|(ran, _)| ran == hook) => {
                format!("waiting for deletion of hook {hook}")
            }
            (Some(hook), _) => format!("waiting for completion of hook {hook}"),
            (None, Some(object)) => format!("waiting for healthy state of {object}"),
            (None, None) => String::new(),
        }
    }

    pub(super) fn run_hooks(&mut self, operation: &Operation, revision: &str) {
        if operation.runs_hooks() {
            let runs = self.trouble.hooks.iter();
            self.hook_runs
                .extend(runs.map(|hook| (hook.clone(), revision.to_owned())));
        }
    }

    /// Writes the history of a full sync.
    pub(super) fn remember(&mut self, state: &OperationState, now: DateTime<Utc>) {
        let result = state.sync_result.clone().unwrap_or_default();
        if !state.operation.is_full() {
            return;
        }
        let entry = HistoryEntry {
            id: 0,
            revision: result.revision,
            revisions: result.revisions,
            source: result.source,
            sources: result.sources,
            deployed_at: now,
            deploy_started_at: Some(state.started_at),
            initiated_by: state.operation.initiated_by.clone(),
        };
        self.status
            .deployed(entry, self.spec.revision_history_limit);
    }
}

/// Returns what an operation means to deploy, before its revisions are known.
pub(super) fn result_of(app: &Application, operation: &Operation) -> SyncResult {
    let sync = &operation.sync;
    let (source, sources) = if sync.source.is_some() || !sync.sources.is_empty() {
        (
            sync.source.clone().unwrap_or_default(),
            sync.sources.clone(),
        )
    } else {
        (app.spec.only_source(), app.spec.sources.clone())
    };
    SyncResult {
        resources: Vec::new(),
        revision: sync.revision.clone(),
        revisions: sync.revisions.clone(),
        source,
        sources,
    }
}
