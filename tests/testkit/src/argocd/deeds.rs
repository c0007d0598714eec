//! Reading an application, rolling it back, syncing it, and ending its operation.

use serde::Deserialize;
use serde_json::{Value, json};

use super::application::{Application, HYDRATE, REFRESH};
use super::auth::Claims;
use super::operation::{Info, Initiator, Operation, OperationKind, Phase, SyncOperation};
use super::rbac::Key;
use super::refusal::Refusal;
use super::requests::ApiRequest;
use super::routes::{Answer, Outcome};
use super::spec::Retry;
use super::status::HistoryEntry;
use super::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RollbackRequest {
    id: Option<i64>,
    prune: bool,
    dry_run: bool,
    app_namespace: String,
    project: String,
}

const ROLLBACK_FIELDS: &[&str] = &["id", "prune", "dryRun", "appNamespace", "project", "name"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SyncRequest {
    revision: String,
    prune: bool,
    dry_run: bool,
    strategy: Option<Value>,
    resources: Vec<Value>,
    infos: Vec<Info>,
    retry_strategy: Option<Retry>,
    sync_options: Option<SyncOptions>,
    app_namespace: String,
    project: String,
}

const SYNC_FIELDS: &[&str] = &[
    "revision",
    "prune",
    "dryRun",
    "strategy",
    "resources",
    "infos",
    "retryStrategy",
    "syncOptions",
    "appNamespace",
    "project",
    "name",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SyncOptions {
    items: Vec<String>,
}

impl World {
    pub(super) fn read_application(&mut self, request: &ApiRequest<'_>, name: &str) -> Outcome {
        let key = match self.key_of(request, "get", name) {
            Ok(key) => key,
            Err(refusal) => return Outcome::Answer(refusal.answer()),
        };
        let (now, pace) = (self.now(), self.pace);
        let app = self.apps.get_mut(&key).expect("found a moment ago");
        let kind = match request.parameter("refresh") {
            "" => return Outcome::Answer(Answer::json(200, &app.shown(now, &pace))),
            "hard" => "hard",
            _ => "normal",
        };
        for annotation in [REFRESH, HYDRATE] {
            let asked = (annotation.to_owned(), kind.to_owned());
            app.annotations.extend([asked]);
        }
        app.touch();
        Outcome::Awaited(key)
    }

    pub(super) fn read_windows(
        &mut self,
        request: &ApiRequest<'_>,
        name: &str,
    ) -> Result<Value, Refusal> {
        let key = self.key_of(request, "get", name)?;
        Ok(self.project_of(&self.apps[&key]).windows_json())
    }

    pub(super) fn roll_back(
        &mut self,
        request: &ApiRequest<'_>,
        name: &str,
    ) -> Result<Value, Refusal> {
        let asked: RollbackRequest = self.decode(request.json()?, ROLLBACK_FIELDS)?;
        let id = asked.id.ok_or_else(|| Refusal::missing("id"))?;
        let claims = self.claims(request)?;
        let right = if self.enforces_rollback_right {
            "rollback"
        } else {
            "sync"
        };
        let key = self.find(
            claims.as_ref(),
            right,
            &asked.project,
            &asked.app_namespace,
            name,
        )?;
        let app = &self.apps[&key];
        if app.deleting_since.is_some() {
            return Err(Refusal::precondition("application is deleting"));
        }
        if app.spec.auto_sync().is_some() {
            let message = "rollback cannot be initiated when auto-sync is enabled";
            return Err(Refusal::precondition(message));
        }
        let entry = app.status.history.iter().find(|entry| entry.id == id);
        let entry = entry.cloned().ok_or_else(|| {
            let (namespace, name) = &key;
            Refusal::invalid(format!(
                "application {namespace}/{name} does not have deployment with id {id}"
            ))
        })?;
        let mut operation = app.rollback_to(entry, initiator(claims.as_ref()));
        operation.sync.prune = asked.prune;
        operation.sync.dry_run = asked.dry_run;
        self.accept(&key, operation, OperationKind::Rollback)
    }

    pub(super) fn sync(&mut self, request: &ApiRequest<'_>, name: &str) -> Result<Value, Refusal> {
        let asked: SyncRequest = self.decode(request.json()?, SYNC_FIELDS)?;
        let claims = self.claims(request)?;
        let key = self.find(
            claims.as_ref(),
            "get",
            &asked.project,
            &asked.app_namespace,
            name,
        )?;
        let app = &self.apps[&key];
        if !self.project_of(app).can_sync(true) {
            let message = "cannot sync: blocked by sync window";
            return Err(Refusal::new(
                super::refusal::Code::PermissionDenied,
                message,
            ));
        }
        self.auth.demand(claims.as_ref(), "sync", &app.object())?;
        if app.deleting_since.is_some() {
            return Err(Refusal::precondition("application is deleting"));
        }
        let revisions = self.revisions_for(app, &asked)?;
        let policy = app.spec.sync_policy.clone().unwrap_or_default();
        let is_multi = app.spec.is_multi_source();
        let operation = Operation {
            sync: SyncOperation {
                revision: if is_multi {
                    String::new()
                } else {
                    revisions[0].clone()
                },
                revisions: if is_multi { revisions } else { Vec::new() },
                prune: asked.prune,
                dry_run: asked.dry_run,
                sync_strategy: asked.strategy,
                resources: asked.resources,
                source: (!is_multi).then(|| app.spec.only_source()),
                sources: app.spec.sources.clone(),
                sync_options: asked
                    .sync_options
                    .map_or(policy.sync_options, |options| options.items),
                ..SyncOperation::default()
            },
            initiated_by: initiator(claims.as_ref()),
            info: asked.infos,
            retry: asked.retry_strategy.or(policy.retry).unwrap_or_default(),
        };
        self.accept(&key, operation, OperationKind::Sync)
    }

    /// Returns what is to be deployed, in the order of the sources; of several, each is where its spec wants it.
    fn revisions_for(
        &self,
        app: &Application,
        asked: &SyncRequest,
    ) -> Result<Vec<String>, Refusal> {
        let revision = asked.revision.as_str();
        let target = app.spec.only_source();
        let is_foreign = !revision.is_empty() && revision != target.wanted();
        if is_foreign && app.spec.auto_sync().is_some() && !asked.dry_run {
            let target = target.target_revision;
            let message = format!("Cannot sync to {revision}: auto-sync currently set to {target}");
            return Err(Refusal::precondition(message));
        }
        let sources = app.spec.all_sources();
        let commits = sources
            .iter()
            .map(|source| self.repository.resolve(source, revision));
        commits
            .collect::<Result<_, _>>()
            .map_err(Refusal::precondition)
    }

    pub(super) fn terminate_operation(
        &mut self,
        request: &ApiRequest<'_>,
        name: &str,
    ) -> Result<Value, Refusal> {
        let key = self.key_of(request, "sync", name)?;
        let app = self.apps.get_mut(&key).expect("found a moment ago");
        let (Some(_), Some(state)) = (&app.operation, &mut app.status.operation_state) else {
            let message = "Unable to terminate operation. No operation is in progress";
            return Err(Refusal::invalid(message));
        };
        state.phase = Phase::Terminating;
        app.touch();
        Ok(json!({}))
    }

    /// Queues an operation unless there is one.
    fn accept(
        &mut self,
        key: &Key,
        operation: Operation,
        kind: OperationKind,
    ) -> Result<Value, Refusal> {
        let mut app = self.apps.remove(key).expect("found a moment ago");
        let is_free = app.operation.is_none();
        if is_free {
            self.queue(&mut app, operation, kind);
            app.touch();
        }
        let answer = app.to_json();
        self.apps.insert(key.clone(), app);
        is_free
            .then_some(answer)
            .ok_or_else(|| Refusal::precondition("another operation is already in progress"))
    }

    /// Finds the application of a request whose query names project and namespace.
    pub(super) fn key_of(
        &mut self,
        request: &ApiRequest<'_>,
        action: &str,
        name: &str,
    ) -> Result<Key, Refusal> {
        let claims = self.claims(request)?;
        self.find(
            claims.as_ref(),
            action,
            request.parameter("project"),
            request.parameter("appNamespace"),
            name,
        )
    }
}

impl Application {
    /// Returns the operation of a rollback: the sources of that time, today's options, no hooks and no retry.
    fn rollback_to(&self, entry: HistoryEntry, initiated_by: Initiator) -> Operation {
        let policy = self.spec.sync_policy.clone().unwrap_or_default();
        Operation {
            sync: SyncOperation {
                revision: entry.revision,
                revisions: entry.revisions,
                source: Some(entry.source),
                sources: entry.sources,
                sync_strategy: Some(json!({ "apply": {} })),
                sync_options: policy.sync_options,
                ..SyncOperation::default()
            },
            initiated_by,
            ..Operation::default()
        }
    }
}

fn initiator(claims: Option<&Claims>) -> Initiator {
    Initiator {
        username: claims.map_or_else(String::new, |claims| claims.username.clone()),
        automated: false,
    }
}
