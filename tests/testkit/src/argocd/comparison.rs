//! The comparison of git with what runs, and what auto-sync makes of it.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::application::{Application, REFRESH};
use super::clock::delta;
use super::manifest::Identity;
use super::operation::{Initiator, Operation, OperationKind, Phase, SyncOperation};
use super::repository::Targets;
use super::spec::{Retry, Source, Spec};
use super::status::{Status, SyncCode, SyncStatus};
use super::world::World;

/// What a comparison found and has not written yet.
#[derive(Debug)]
pub(super) struct Found {
    status: Status,
    is_answer: bool,
}

/// An object that is not as it should be.
struct Difference {
    identity: Identity,
    requires_pruning: bool,
}

/// What auto-sync wants.
enum Wish {
    Nothing,
    Later(DateTime<Utc>),
    Complain(String),
    Sync(Box<Operation>, OperationKind),
}

impl World {
    pub(super) fn compare_if_due(&mut self, app: &mut Application, now: DateTime<Utc>) -> bool {
        if app.trouble.is_never_compared {
            return false;
        }
        let memory = &mut app.memory;
        let is_requested = app.annotations.contains_key(REFRESH);
        let asks_git = is_requested
            || memory.is_compare_due
            || memory.compared_spec.as_ref() != Some(&app.spec)
            || memory.next_comparison.is_none_or(|at| at <= now);
        let looks = memory.is_look_due || memory.look_again_at.is_some_and(|at| at <= now);
        if !asks_git && !looks {
            return false;
        }
        memory.is_look_due = false;
        memory.look_again_at = None;
        if asks_git {
            memory.is_compare_due = false;
            memory.next_comparison = Some(now + delta(self.pace.comparison));
            memory.compared_spec = Some(app.spec.clone());
        }
        self.compare(app, asks_git, is_requested, now);
        true
    }

    fn compare(
        &mut self,
        app: &mut Application,
        asks_git: bool,
        is_requested: bool,
        now: DateTime<Utc>,
    ) {
        let sources = app.spec.all_sources();
        let known = if asks_git {
            Vec::new()
        } else {
            app.status.sync.all_revisions()
        };
        let wanted = |index: usize| known.get(index).map_or("", String::as_str);
        let pairs: Result<Vec<(Source, String)>, String> = sources
            .into_iter()
            .enumerate()
            .map(|(index, source)| {
                let revision = self.repository.resolve(&source, wanted(index))?;
                Ok((source, revision))
            })
            .collect();
        let rendered = pairs.and_then(|pairs| {
            self.repository
                .render(&pairs)
                .map(|targets| (pairs, targets))
        });
        let mut status = app.status.clone();
        status.set_health(app.actual_health(now, &self.pace), now);
        if asks_git {
            status.reconciled_at = Some(now);
        }
        let mut operation = None;
        match rendered {
            Ok((pairs, targets)) => {
                app.memory.git_fails_since = None;
                status.set_condition("ComparisonError", None, now);
                let mut types: Vec<_> = pairs
                    .iter()
                    .map(|(source, revision)| self.repository.source_type(source, revision))
                    .collect();
                let is_multi = app.spec.is_multi_source();
                status.source_type = if is_multi { "" } else { types.remove(0) };
                status.source_types = types;
                let revisions = pairs.into_iter().map(|(_, revision)| revision).collect();
                let differences = app.differences(&targets, &mut status);
                status.sync = app.sync_status(revisions, differences.is_empty());
                operation = self.auto_sync(app, &mut status, &differences, now);
            }
            Err(why) => {
                let since = *app.memory.git_fails_since.get_or_insert(now);
                if !is_requested && now < since + delta(self.pace.git_grace) {
                    return;
                }
                status.sync = app.sync_status(Vec::new(), false);
                status.sync.status = SyncCode::Unknown;
                let message = format!("Failed to load target state: {why}");
                status.set_condition("ComparisonError", Some(message), now);
            }
        }
        app.memory.unwritten = Some(Box::new(Found {
            status,
            is_answer: is_requested,
        }));
        match operation {
            // The operation is there before the status says why.
            Some((operation, kind)) => self.queue(app, operation, kind),
            None => {
                app.write_comparison();
            }
        }
    }

    fn auto_sync(
        &self,
        app: &mut Application,
        status: &mut Status,
        differences: &[Difference],
        now: DateTime<Utc>,
    ) -> Option<(Operation, OperationKind)> {
        let stale = app.trouble.stale_spec.take();
        let wish = match self.project_of(app).can_sync(false) {
            true => self.wish(
                app,
                stale.as_ref().unwrap_or(&app.spec),
                status,
                differences,
                now,
            ),
            false => Wish::Nothing,
        };
        let (complaint, operation) = match wish {
            Wish::Nothing => (None, None),
            Wish::Later(at) => {
                app.memory.look_again_at = Some(at);
                (None, None)
            }
            Wish::Complain(message) => (Some(message), None),
            Wish::Sync(operation, kind) => (None, Some((*operation, kind))),
        };
        status.set_condition("SyncError", complaint, now);
        operation
    }

    fn wish(
        &self,
        app: &Application,
        spec: &Spec,
        status: &Status,
        differences: &[Difference],
        now: DateTime<Utc>,
    ) -> Wish {
        let Some(automated) = spec.auto_sync() else {
            return Wish::Nothing;
        };
        let is_idle = app.operation.is_none() && app.deleting_since.is_none();
        let is_prune_only = differences
            .iter()
            .all(|difference| difference.requires_pruning);
        if !is_idle
            || status.sync.status != SyncCode::OutOfSync
            || (is_prune_only && !automated.prune)
        {
            return Wish::Nothing;
        }
        let policy = spec.sync_policy.clone().unwrap_or_default();
        let mut operation = Operation {
            sync: SyncOperation {
                revision: status.sync.revision.clone(),
                revisions: status.sync.revisions.clone(),
                prune: automated.prune,
                sync_options: policy.sync_options,
                source: (!spec.is_multi_source()).then(|| spec.only_source()),
                sources: spec.sources.clone(),
                ..SyncOperation::default()
            },
            initiated_by: Initiator {
                username: String::new(),
                automated: true,
            },
            info: Vec::new(),
            retry: policy.retry.unwrap_or(Retry {
                limit: 5,
                ..Retry::default()
            }),
        };
        let last = app.status.operation_state.as_ref();
        let attempted = last.filter(|state| {
            state.sync_result.as_ref().is_some_and(|result| {
                let pairs = result.pairs();
                let now_wanted = spec
                    .all_sources()
                    .into_iter()
                    .zip(status.sync.all_revisions());
                pairs.into_iter().eq(now_wanted)
            })
        });
        let Some(last) = attempted else {
            return Wish::Sync(Box::new(operation), OperationKind::AutoSync);
        };
        if last.phase != Phase::Succeeded {
            let revisions = status.sync.all_revisions().join(" ");
            return Wish::Complain(format!(
                "Failed last sync attempt to [{revisions}]: {}",
                last.message
            ));
        }
        if !automated.self_heal {
            return Wish::Nothing;
        }
        let finished = last.finished_at.unwrap_or(now);
        let is_calm = now >= finished + delta(self.pace.longest_self_heal);
        let repaired = if is_calm {
            0
        } else {
            last.operation.sync.auto_heal_attempts_count
        };
        let due = finished + self.pace.self_heal_wait(repaired);
        if now < due {
            return Wish::Later(due);
        }
        operation.sync.auto_heal_attempts_count = repaired + 1;
        let resources = differences
            .iter()
            .map(|difference| difference.identity.selector());
        operation.sync.resources = resources.collect();
        Wish::Sync(Box::new(operation), OperationKind::SelfHeal)
    }
}

impl Application {
    /// Writes what the last comparison found; tells whether there was anything.
    pub(super) fn write_comparison(&mut self) -> bool {
        let Some(found) = self.memory.unwritten.take() else {
            return false;
        };
        let Found { status, is_answer } = *found;
        self.status = Status {
            history: std::mem::take(&mut self.status.history),
            operation_state: self.status.operation_state.take(),
            ..status
        };
        if is_answer {
            self.annotations.remove(REFRESH);
        }
        true
    }

    fn differences(&self, targets: &Targets, status: &mut Status) -> Vec<Difference> {
        let mut differences = Vec::new();
        status.resources.clear();
        for (name, target) in targets {
            let identity = Identity::of(name, &target.text);
            let is_synced = self.live_text(name) == Some(&target.text);
            status.resources.push(identity.status(is_synced, false));
            if !is_synced {
                differences.push(Difference {
                    identity,
                    requires_pruning: false,
                });
            }
        }
        for (name, object) in &self.live {
            if !targets.contains_key(name) {
                let identity = Identity::of(name, &object.text);
                status.resources.push(identity.status(false, true));
                differences.push(Difference {
                    identity,
                    requires_pruning: true,
                });
            }
        }
        differences
    }

    fn sync_status(&self, revisions: Vec<String>, is_equal: bool) -> SyncStatus {
        let is_multi = self.spec.is_multi_source();
        let mut compared_to =
            json!({ "source": self.spec.only_source(), "destination": self.spec.destination });
        if is_multi {
            compared_to["sources"] = json!(self.spec.sources);
        }
        let (revision, revisions) = match is_multi {
            true => (String::new(), revisions),
            false => (revisions.into_iter().next().unwrap_or_default(), Vec::new()),
        };
        SyncStatus {
            status: if is_equal {
                SyncCode::Synced
            } else {
                SyncCode::OutOfSync
            },
            compared_to,
            revision,
            revisions,
        }
    }
}
