//! An application: what is stored of it, what runs of it, and what goes wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::clock::{Pace, delta, whole_seconds};
use super::comparison::Found;
use super::hydrator::Hydrator;
use super::manifest::Identity;
use super::operation::Operation;
use super::owner::Owner;
use super::repository::Targets;
use super::spec::Spec;
use super::status::{HealthCode, Status};

/// The annotation that asks for a comparison.
pub(super) const REFRESH: &str = "argocd.argoproj.io/refresh";

/// The annotation that a refresh leaves behind where no hydrator runs.
pub(super) const HYDRATE: &str = "argocd.argoproj.io/hydrate";

/// An application.
#[derive(Debug)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Where it is stored.
    pub namespace: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when it is being deleted.
    pub deleting_since: Option<DateTime<Utc>>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What owns it, as Kubernetes sees it.
    pub owner_references: Vec<Value>,
    /// What a person wants.
    pub spec: Spec,
    /// What is asked of the controller.
    pub operation: Option<Operation>,
    /// What the controller says.
    pub status: Status,
    /// What runs, by the path of the file it comes from.
    pub live: BTreeMap<String, LiveObject>,
    /// What goes wrong.
    pub trouble: Trouble,
    /// Hooks that ran, each with the revision it ran for.
    pub hook_runs: Vec<(String, String)>,
    /// What puts the spec back.
    pub owner: Option<Owner>,
    /// What makes what it deploys.
    pub hydrator: Option<Hydrator>,
    pub(super) memory: Memory,
    version: u64,
}

/// An object that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveObject {
    /// Its manifest.
    pub text: String,
    /// The revision that changed it last.
    pub revision: String,
    /// When that was.
    pub changed_at: DateTime<Utc>,
}

/// What goes wrong with an application.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// Revisions that cannot be applied, and why.
    pub fails_to_apply: BTreeMap<String, String>,
    /// Revisions whose objects never become healthy.
    pub degrades: BTreeSet<String>,
    /// Hooks that a sync runs, such as `batch/Job/migrate`.
    pub hooks: Vec<String>,
    /// Revisions whose PostSync hook, the job `migrate`, goes wrong: their objects run, and no history says so.
    pub post_sync: BTreeMap<String, PostSync>,
    /// The object that the first wave waits for, such as `apps/Deployment/web`.
    pub waits_for: Option<String>,
    /// Whether operations never end by themselves.
    pub never_finishes: bool,
    /// Whether operations that are to be ended do not end.
    pub ignores_termination: bool,
    /// How many of the next tries cannot be applied, whatever their revision.
    pub failing_tries: usize,
    /// Whether nothing is compared with git.
    pub is_never_compared: bool,
    /// A copy of the spec that the controller takes for the true one, once.
    pub stale_spec: Option<Spec>,
}

/// What a PostSync hook does in place of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostSync {
    /// It fails, each time it is tried.
    Fails,
    /// It never ends.
    Hangs,
}

/// What the controller remembers of an application.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) work: Work,
    /// Whether a comparison that asks git is due whatever the time.
    pub(super) is_compare_due: bool,
    /// Whether one that does not ask git is due.
    pub(super) is_look_due: bool,
    /// When auto-sync wants to look again.
    pub(super) look_again_at: Option<DateTime<Utc>>,
    pub(super) next_comparison: Option<DateTime<Utc>>,
    /// The spec of the last comparison.
    pub(super) compared_spec: Option<Spec>,
    /// Since when git cannot be read.
    pub(super) git_fails_since: Option<DateTime<Utc>>,
    /// What the last comparison found and has not written yet.
    pub(super) unwritten: Option<Box<Found>>,
    /// The entry of the operation in the log.
    pub(super) record: Option<usize>,
}

/// How far the controller is with an operation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) stage: Stage,
    /// When the objects began to be applied.
    pub(super) since: Option<DateTime<Utc>>,
    /// When the next try is due.
    pub(super) retry_at: Option<DateTime<Utc>>,
    pub(super) is_timed_out: bool,
    /// Whether the objects run although the operation is not over.
    pub(super) is_applied: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Seen for the first time: windows judge it as automated.
    #[default]
    New,
    /// To be resolved.
    Picked,
    /// Its revision is known.
    Resolved,
    /// Its objects are there and its history is written.
    Applied,
}

impl Application {
    /// Returns an application in Argo CD's own namespace.
    pub fn new(name: &str, spec: Spec) -> Self {
        Self {
            name: name.to_owned(),
            namespace: super::world::NAMESPACE.to_owned(),
            created_at: DateTime::UNIX_EPOCH,
            deleting_since: None,
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            owner_references: Vec::new(),
            spec,
            operation: None,
            status: Status::default(),
            live: BTreeMap::new(),
            trouble: Trouble::default(),
            hook_runs: Vec::new(),
            owner: None,
            hydrator: None,
            memory: Memory::default(),
            version: 0,
        }
    }

    /// Returns one that deploys what a hydrator makes.
    pub fn hydrated(name: &str, project: &str, hydrator: Hydrator) -> Self {
        Self {
            hydrator: Some(hydrator.clone()),
            ..Self::new(name, Spec::of(project, hydrator.sync_source()))
        }
    }

    /// Puts it into another namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Returns the text of an object that runs.
    pub fn live_text(&self, name: &str) -> Option<&str> {
        self.live.get(name).map(|object| object.text.as_str())
    }

    /// Changes an object that runs behind Argo CD's back; `None` removes it.
    pub fn drift(&mut self, name: &str, text: Option<&str>) {
        match (text, self.live.get_mut(name)) {
            (Some(text), Some(object)) => text.clone_into(&mut object.text),
            (Some(text), None) => {
                let object = LiveObject {
                    text: text.to_owned(),
                    revision: String::new(),
                    changed_at: DateTime::UNIX_EPOCH,
                };
                self.live.insert(name.to_owned(), object);
            }
            (None, _) => {
                self.live.remove(name);
            }
        }
        self.memory.is_look_due = true;
    }

    /// Asks for a comparison with git, as a webhook would.
    pub fn compare_soon(&mut self) {
        self.memory.is_compare_due = true;
    }

    /// Tells whether a comparison was asked for and has not been made.
    pub fn is_refresh_requested(&self) -> bool {
        self.annotations.contains_key(REFRESH)
    }

    /// Returns when the last operation ended.
    pub(super) fn last_finish(&self) -> Option<DateTime<Utc>> {
        self.status.operation_state.as_ref()?.finished_at
    }

    /// Tells whether what runs is on its way, as far as the status says.
    pub(super) fn is_progressing(&self) -> bool {
        self.status.health.status == HealthCode::Progressing
    }

    /// Tells how what runs is at a time: as bad as its worst object.
    pub(super) fn actual_health(&self, now: DateTime<Utc>, pace: &Pace) -> HealthCode {
        if self.live.is_empty() {
            return HealthCode::Missing;
        }
        let healths = self.live.values();
        healths
            .map(|object| self.object_health(object, now, pace))
            .max()
            .expect("it is not empty")
    }

    fn object_health(&self, object: &LiveObject, now: DateTime<Utc>, pace: &Pace) -> HealthCode {
        let age = now - object.changed_at;
        let is_bad = self.trouble.degrades.contains(&object.revision);
        match is_bad {
            true if age >= delta(pace.progress_deadline) => HealthCode::Degraded,
            false if age >= delta(pace.rollout) => HealthCode::Healthy,
            true | false => HealthCode::Progressing,
        }
    }

    /// Makes the objects run that are wanted. `part` limits how many are applied; `only` names the ones that are meant.
    pub(super) fn apply(
        &mut self,
        targets: &Targets,
        prune: bool,
        only: impl Fn(&str) -> bool,
        part: usize,
        now: DateTime<Utc>,
    ) {
        for (name, target) in targets.iter().filter(|(name, _)| only(name)).take(part) {
            let is_new = self.live_text(name) != Some(&target.text);
            if is_new {
                let object = LiveObject {
                    text: target.text.clone(),
                    revision: target.revision.clone(),
                    changed_at: now,
                };
                self.live.insert(name.clone(), object);
            }
        }
        if prune {
            self.live
                .retain(|name, _| targets.contains_key(name) || !only(name));
        }
    }

    /// Counts a change of what is stored.
    pub(super) fn touch(&mut self) {
        self.version += 1;
    }

    /// Returns it as the API shows it to who reads it: each object says how it is, which is not stored.
    pub(super) fn shown(&self, now: DateTime<Utc>, pace: &Pace) -> Value {
        let mut whole = self.to_json();
        let resources = whole["status"]["resources"].as_array_mut();
        for resource in resources.into_iter().flatten() {
            let live = self.live.iter().find_map(|(name, object)| {
                let identity = Identity::of(name, &object.text);
                identity.is(resource).then_some((identity, object))
            });
            if let Some((identity, object)) = live {
                identity.tell_health(resource, self.object_health(object, now, pace));
            }
        }
        whole
    }

    /// Returns it as it is stored, which is what the API answers to who changes it.
    pub fn to_json(&self) -> Value {
        let mut metadata = Map::from_iter([
            ("name".to_owned(), json!(self.name)),
            ("namespace".to_owned(), json!(self.namespace)),
            (
                "uid".to_owned(),
                json!(format!("uid-{}-{}", self.namespace, self.name)),
            ),
            (
                "resourceVersion".to_owned(),
                json!((1000 + self.version).to_string()),
            ),
            ("generation".to_owned(), json!(1 + self.version)),
            (
                "creationTimestamp".to_owned(),
                json!(whole_seconds::text(&self.created_at)),
            ),
        ]);
        if let Some(since) = &self.deleting_since {
            let since = whole_seconds::text(since);
            metadata.insert("deletionTimestamp".to_owned(), json!(since));
        }
        let lists = [
            (
                "annotations",
                json!(self.annotations),
                self.annotations.is_empty(),
            ),
            ("labels", json!(self.labels), self.labels.is_empty()),
            (
                "ownerReferences",
                json!(self.owner_references),
                self.owner_references.is_empty(),
            ),
        ];
        for (name, value, is_empty) in lists {
            if !is_empty {
                metadata.insert(name.to_owned(), value);
            }
        }
        let mut whole = json!({ "metadata": metadata, "spec": self.spec, "status": self.status });
        if self.status.reconciled_at.is_some() {
            let status = &mut whole["status"];
            status["resourceHealthSource"] = json!("appTree");
            status["controllerNamespace"] = json!(super::world::NAMESPACE);
            let hydrator = self.hydrator.as_ref();
            status["sourceHydrator"] = hydrator.map_or(json!({}), Hydrator::status);
            // It holds what pods show, and nothing runs any.
            status["summary"] = json!({});
        }
        // The source follows from the hydrator's, and the spec does not name it.
        if let Some(hydrator) = &self.hydrator {
            whole["spec"]["sourceHydrator"] = hydrator.spec();
            if let Some(spec) = whole["spec"].as_object_mut() {
                spec.remove("source");
            }
        }
        if let Some(operation) = &self.operation {
            whole["operation"] = json!(operation);
        }
        whole
    }
}
