//! What the API server says of the objects that the steps name.

use serde_json::{Value, json};

use super::asking::{
    AUTOSCALER, CHANGING, ClusterLook, OBJECT, OWNER, RIGHTS, StepPlace, WantedVersion,
};
use super::changes::{failing_test, guards, replacing};
use super::endpoints;
use super::keda;
use super::revisions::{choose, holders, labels, revisions};
use super::routes;
use crate::clients::kubernetes::{ObjectCollection, ObjectRight};
use crate::runbook::{
    ObjectKind, ObjectTarget, PatchStep, ReplaceStep, Replicas, RunbookStep, ScaleStep, StepAction,
    UndoStep, WorkloadKind, WorkloadName,
};

const REVISIONS: &str = "revisions";
const TRAFFIC: &str = "traffic";
const TEST: &str = "test";

/// Tells whether the API server has to be asked about a step.
pub(super) fn asks_the_cluster(step: &RunbookStep) -> bool {
    match &step.action {
        StepAction::Undo(_)
        | StepAction::Scale(_)
        | StepAction::Replace(_)
        | StepAction::Patch(_)
        | StepAction::Route(_)
        | StepAction::Flagger(_) => true,
        StepAction::File(_)
        | StepAction::Command(_)
        | StepAction::Http(_)
        | StepAction::Prometheus(_)
        | StepAction::Wait(_) => false,
    }
}

/// Tells whether a selector finds pods with the labels; one without labels finds none.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(name, value)| labels[name] == *value)
    })
}

/// What a workload is asked about beside its own fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WorkloadChange {
    Template,
    Replicas(Replicas),
}

impl<'a> ClusterLook<'a> {
    /// Looks at everything that a step names.
    pub(super) fn step(&mut self, place: StepPlace<'a>) {
        self.place = Some(place);
        if !self.is_asked() {
            return;
        }
        let step = &place.steps[place.place];
        match &step.action {
            StepAction::Undo(undo) => self.undo(undo),
            StepAction::Scale(scale) => self.scale(scale),
            StepAction::Replace(replace) => self.replace(replace, step),
            StepAction::Patch(patch) => self.patch(patch, step),
            StepAction::Route(route) => routes::look(self, route),
            StepAction::Flagger(flagger) => {
                let namespace = flagger.namespace.as_ref().map(ToString::to_string);
                self.canary(flagger.canary.as_str(), namespace);
            }
            StepAction::File(_)
            | StepAction::Command(_)
            | StepAction::Http(_)
            | StepAction::Prometheus(_)
            | StepAction::Wait(_) => {}
        }
    }

    fn undo(&mut self, step: &UndoStep) {
        for workload in &step.workloads {
            let namespace = self.namespace_of(step.namespace.as_ref().map(ToString::to_string));
            let revisions_of = self.collection("apps/v1", holders(workload.kind), &namespace);
            let more = [("list", revisions_of.clone())];
            let Some((collection, object)) = self.workload(workload, &namespace, &more) else {
                continue;
            };
            self.owned(&object, "/spec/template");
            self.autoscaled(workload, &namespace, WorkloadChange::Template);
            self.paused(workload, &object);
            if object["spec"]["updateStrategy"]["type"] == "OnDelete" {
                self.warning(
                    OBJECT,
                    format!("look how {workload} replaces its pods"),
                    "OnDelete: the pods stay as they are until somebody deletes them",
                    "delete the pods after the step, or set RollingUpdate",
                );
            }
            if workload.kind != WorkloadKind::DaemonSet && object["spec"]["replicas"] == 0 {
                self.warning(
                    OBJECT,
                    format!("look how many pods {workload} has"),
                    "none: going back is done at once, without a pod that shows whether it helped",
                    "know it, or scale it before",
                );
            }
            let labels = labels(&object);
            let held = match self.cluster.objects(&revisions_of, &labels) {
                Ok(held) => held,
                Err(error) => {
                    self.failed(REVISIONS, &error);
                    continue;
                }
            };
            let known = revisions(workload.kind, &object, &held);
            let tried = format!("look for a revision of {workload} to go back to");
            match choose(&object, &known, step.to) {
                Ok(revision) => {
                    self.ok(
                        REVISIONS,
                        tried,
                        format!(
                            "{} are kept; it could be revision {}",
                            known.len(),
                            revision.number
                        ),
                    );
                    let patch = replacing(&object, "/spec/template", &revision.template);
                    self.dry_run(&collection, &workload.name, &object, &patch);
                }
                Err((found, remedy)) => self.problem(REVISIONS, tried, found, remedy),
            }
            if workload.kind == WorkloadKind::StatefulSet
                && object["spec"]["podManagementPolicy"] != "Parallel"
            {
                let pods = self.collection("v1", "pods", &namespace);
                let right = ObjectRight {
                    verb: "delete",
                    collection: pods,
                    name: None,
                };
                let answer = match self.cluster.has_right(&right) {
                    Ok(true) => None,
                    Ok(false) => Some("no".to_owned()),
                    Err(error) => Some(format!("not checked ({})", error.fault)),
                };
                if let Some(answer) = answer {
                    self.warning(
                        RIGHTS,
                        format!("ask for the right to delete pods of {workload}"),
                        format!(
                            "{answer}: with ordered pods a pod that never gets ready stays after going back, until somebody \
                             deletes it"
                        ),
                        "grant delete of pods, or be ready to delete that pod by hand",
                    );
                }
            }
        }
    }

    fn scale(&mut self, step: &ScaleStep) {
        for workload in &step.workloads {
            let namespace = self.namespace_of(step.namespace.as_ref().map(ToString::to_string));
            let Some((collection, object)) = self.workload(workload, &namespace, &[]) else {
                continue;
            };
            self.owned(&object, "/spec/replicas");
            self.autoscaled(
                workload,
                &namespace,
                WorkloadChange::Replicas(step.replicas),
            );
            if step.replicas == Replicas::Count(0) {
                self.still_asked(&object, &namespace);
            }
            if let Replicas::Count(count) = step.replicas {
                let patch = replacing(&object, "/spec/replicas", &json!(count));
                self.dry_run(&collection, &workload.name, &object, &patch);
            }
        }
    }

    /// Names the Services that find pods of a workload, and that no earlier step moved.
    fn still_asked(&mut self, workload: &Value, namespace: &str) {
        let services = self.collection("v1", "services", namespace);
        let tried = "look for Services that find its pods";
        let all = match self.all(&services) {
            Ok(all) => all,
            Err(error) => {
                let found = format!("not checked ({})", error.fault);
                let remedy = format!("grant list of services in {namespace}");
                self.warning(TRAFFIC, tried, found, remedy);
                return;
            }
        };
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        let finds = |service: &&Value| selects(&service["spec"]["selector"], labels);
        let names: Vec<String> = all
            .iter()
            .filter(finds)
            .filter_map(|service| service["metadata"]["name"].as_str())
            .filter(|name| !self.is_moved(name, namespace, labels))
            .map(str::to_owned)
            .collect();
        match names.is_empty() {
            true => self.ok(TRAFFIC, tried, "none does, or it was moved before"),
            false => self.warning(
                TRAFFIC,
                tried,
                format!(
                    "{}: whoever asks there gets no answer any more",
                    names.join(", ")
                ),
                "move them by a step before it, or know that nobody asks there",
            ),
        }
    }

    /// Tells whether an earlier step of the list has a Service find other pods than those with the labels.
    fn is_moved(&self, service: &str, namespace: &str, labels: &Value) -> bool {
        let Some(StepPlace { place, steps, .. }) = self.place else {
            return false;
        };
        steps[..place].iter().any(|step| {
            let Some((target, fields)) = step.fields() else {
                return false;
            };
            let mut selectors = fields.iter().filter(|(path, _)| *path == "/spec/selector");
            let Some(selector) = selectors.find_map(|(_, value)| *value) else {
                return false;
            };
            target.kind == ObjectKind::Service
                && target.name == service
                && self.namespace_of(target.namespace.clone()) == namespace
                && !selects(selector, labels)
        })
    }

    /// Looks at what a change of a workload's field would meet, as `undo` and `scale` do.
    fn changed_workload(
        &mut self,
        target: &ObjectTarget,
        object: &Value,
        path: &str,
        value: Option<&Value>,
    ) {
        let kind = match target.kind {
            ObjectKind::Deployment => WorkloadKind::Deployment,
            ObjectKind::StatefulSet => WorkloadKind::StatefulSet,
            ObjectKind::DaemonSet => WorkloadKind::DaemonSet,
            ObjectKind::Service
            | ObjectKind::ConfigMap
            | ObjectKind::Ingress
            | ObjectKind::HttpRoute
            | ObjectKind::VirtualService
            | ObjectKind::Canary
            | ObjectKind::Other { .. } => return,
        };
        let workload = WorkloadName {
            kind,
            name: target.name.clone(),
        };
        let namespace = self.namespace_of(target.namespace.clone());
        let is_of_pods = path == "/spec" || path.starts_with("/spec/template");
        if is_of_pods {
            self.autoscaled(&workload, &namespace, WorkloadChange::Template);
            self.paused(&workload, object);
        }
        if path == "/spec" || path == "/spec/replicas" {
            let count = match path {
                "/spec" => value.map(|value| &value["replicas"]),
                _ => value,
            };
            let count = count
                .and_then(Value::as_u64)
                .and_then(|count| u32::try_from(count).ok());
            if let Some(count) = count {
                self.autoscaled(
                    &workload,
                    &namespace,
                    WorkloadChange::Replicas(Replicas::Count(count)),
                );
                if count == 0 {
                    self.still_asked(object, &namespace);
                }
            }
        }
    }

    /// Says that a Deployment is paused, where no earlier step lets it go on.
    fn paused(&mut self, workload: &WorkloadName, object: &Value) {
        let goes_on = |step: &RunbookStep| {
            matches!(&step.action, StepAction::Replace(step)
                if step.target.kind == ObjectKind::Deployment
                    && step.target.name == workload.name
                    && step.field.as_str() == "/spec/paused"
                    && step.value == false)
        };
        let is_resumed = self
            .place
            .is_some_and(|StepPlace { place, steps, .. }| steps[..place].iter().any(goes_on));
        if object["spec"]["paused"] == true && !is_resumed {
            self.problem(
                OBJECT,
                format!("look whether {workload} is paused"),
                "it is paused: the patch is answered with 200, and nothing happens",
                "resume it first (`kubectl rollout resume`), or add a step before that replaces /spec/paused with false",
            );
        }
    }

    fn replace(&mut self, step: &ReplaceStep, whole: &RunbookStep) {
        let path = step.field.as_str();
        let Some((collection, object)) = self.target(&step.target) else {
            return;
        };
        self.owned(&object, path);
        self.changed_workload(&step.target, &object, path, Some(&step.value));
        let patch = replacing(&object, path, &step.value);
        let after = self.dry_run(&collection, &step.target.name, &object, &patch);
        self.endpoints(&step.target, &object, after.as_ref(), whole);
    }

    fn patch(&mut self, step: &PatchStep, whole: &RunbookStep) {
        let Some((collection, object)) = self.target(&step.target) else {
            return;
        };
        if let Some(found) = failing_test(&object, &step.operations, self.secrets) {
            self.problem(
                TEST,
                format!("compare the tests with {}", step.target),
                found,
                "correct the test, or look why the object is another one than the runbook was written for",
            );
            return;
        }
        let mut patch = guards(&object);
        for operation in &step.operations {
            if operation.changes() {
                self.owned(&object, operation.path());
                self.changed_workload(&step.target, &object, operation.path(), operation.value());
            }
            patch.push(operation.to_json());
        }
        let after = self.dry_run(&collection, &step.target.name, &object, &patch);
        self.endpoints(&step.target, &object, after.as_ref(), whole);
    }

    /// Looks at a Canary of Flagger.
    fn canary(&mut self, name: &str, namespace: Option<String>) {
        let namespace = self.namespace_of(namespace);
        let Some((_, canary)) = self.found(
            WantedVersion::Usually("flagger.app/v1beta1"),
            "Canary",
            name,
            &namespace,
            (CHANGING, &[]),
        ) else {
            return;
        };
        let phase = canary["status"]["phase"].as_str().unwrap_or_default();
        let tried = format!("look at the phase of Canary {namespace}/{name}");
        let moves = [
            "Waiting",
            "Progressing",
            "WaitingPromotion",
            "Promoting",
            "Finalising",
        ];
        match moves.contains(&phase) {
            true => self.warning(
                OBJECT,
                tried,
                format!(
                    "{phase}: Flagger is judging a release now, and the step would wait for it"
                ),
                "let Flagger finish: it goes back itself where the analysis fails",
            ),
            false => self.ok(OBJECT, tried, phase),
        }
    }

    /// Counts the pods that a Service would find with its new selector and ports, where it gets any.
    fn endpoints(
        &mut self,
        target: &ObjectTarget,
        before: &Value,
        after: Option<&Value>,
        step: &RunbookStep,
    ) {
        let Some(after) = after.filter(|_| target.kind == ObjectKind::Service) else {
            return;
        };
        let wanted = step
            .expect
            .as_ref()
            .map(|expected| expected.endpoints as usize);
        let (old, new) = (&before["spec"], &after["spec"]);
        let has_one = !old["selector"].is_null() || !new["selector"].is_null();
        let others = old["selector"] != new["selector"] || old["ports"] != new["ports"];
        if wanted.is_some() || (has_one && others) {
            let namespace = self.namespace_of(target.namespace.clone());
            let wanted = wanted.unwrap_or(1);
            endpoints::look(self, &namespace, after, &new["selector"], wanted);
        }
    }

    /// Looks at a workload, its rights and those that come with it.
    fn workload(
        &mut self,
        workload: &WorkloadName,
        namespace: &str,
        more: &[(&'static str, ObjectCollection)],
    ) -> Option<(ObjectCollection, Value)> {
        let kind = match workload.kind {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
        };
        let version = WantedVersion::Usually("apps/v1");
        self.found(version, kind, &workload.name, namespace, (CHANGING, more))
    }

    fn target(&mut self, target: &ObjectTarget) -> Option<(ObjectCollection, Value)> {
        let namespace = self.namespace_of(target.namespace.clone());
        let kind = target.kind.name().to_owned();
        let more = match target.kind == ObjectKind::Service {
            true => vec![("list", self.collection("v1", "pods", &namespace))],
            false => Vec::new(),
        };
        let version = match target.is_of_usual_version() {
            true => WantedVersion::Usually(&target.api_version),
            false => WantedVersion::Exactly(&target.api_version),
        };
        self.found(version, &kind, &target.name, &namespace, (CHANGING, &more))
    }

    /// Says what scales a workload, or analyses its releases, by its name.
    fn autoscaled(&mut self, workload: &WorkloadName, namespace: &str, change: WorkloadChange) {
        let watchers: [(&str, &str, &str); 3] = [
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "scaleTargetRef",
            ),
            ("keda.sh/v1alpha1", "ScaledObject", "scaleTargetRef"),
            ("flagger.app/v1beta1", "Canary", "targetRef"),
        ];
        for (api_version, kind, reference) in watchers {
            let version = WantedVersion::Usually(api_version);
            let Some(Some(collection)) = self.served(version, kind, namespace) else {
                continue;
            };
            let tried = format!("look whether a {kind} names {workload}");
            let watchers = match self.all(&collection) {
                Ok(watchers) => watchers,
                Err(error) => {
                    self.warning(
                        AUTOSCALER,
                        tried,
                        format!("not checked ({})", error.fault),
                        format!("grant list of {} in {namespace}", collection.plural),
                    );
                    continue;
                }
            };
            let names_it = |watcher: &&Value| {
                let target = &watcher["spec"][reference];
                let target_kind = target["kind"].as_str().unwrap_or("Deployment");
                target["name"] == workload.name.as_str()
                    && target_kind.eq_ignore_ascii_case(&workload.kind.to_string())
            };
            let Some(by) = watchers.iter().find(names_it) else {
                continue;
            };
            let name = by["metadata"]["name"].as_str().unwrap_or_default();
            match (kind, change) {
                ("ScaledObject", WorkloadChange::Replicas(replicas)) => {
                    keda::say(self, by, namespace, tried, replicas);
                }
                _ => self.watched(kind, (name, namespace), tried, change),
            }
        }
    }

    fn watched(
        &mut self,
        kind: &str,
        (name, namespace): (&str, &str),
        tried: String,
        change: WorkloadChange,
    ) {
        match (kind, change) {
            ("Canary", _) if self.leaves_to_flagger(name, namespace) => {
                self.ok(OWNER, tried, format!("{name} does, and a flagger step comes before"));
            }
            ("Canary", _) => self.problem(
                OWNER,
                tried,
                format!("Canary {name} does: its -primary serves, and a change of this one starts a new analysis"),
                format!("write a flagger step with canary: {name} before it"),
            ),
            (_, WorkloadChange::Template) => {}
            ("HorizontalPodAutoscaler", WorkloadChange::Replicas(Replicas::Count(0 | 1))) => {
                self.ok(
                    AUTOSCALER,
                    tried,
                    format!("{name} does: 0 stays, and from 1 on it decides"),
                );
            }
            (_, WorkloadChange::Replicas(_)) => self.problem(
                AUTOSCALER,
                tried,
                format!("{name} does: within seconds the autoscaler decides (1 became 3, 10 became 5), and only 0 stays"),
                "write replicas: 1, which wakes the workload, and leave the number to the autoscaler",
            ),
        }
    }

    /// Tells whether an earlier step of the list waits for a Canary.
    fn leaves_to_flagger(&self, canary: &str, namespace: &str) -> bool {
        let Some(StepPlace { place, steps, .. }) = self.place else {
            return false;
        };
        steps[..place].iter().any(|step| {
            matches!(&step.action, StepAction::Flagger(flagger)
                if flagger.canary.as_str() == canary
                    && self.namespace_of(flagger.namespace.as_ref().map(ToString::to_string)) == namespace)
        })
    }
}
