//! The rights that a runbook's steps need, and no more: those that a look at it asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::asking::CHANGING;
use super::revisions::holders;
use crate::clients::kubernetes::{ObjectCollection, ObjectRight, RoleRule, role_text};
use crate::runbook::{
    ObjectKind, ObjectTarget, Replicas, RouteKind, RouteStep, Runbook, RunbookStep, StepAction,
    StepList, TrafficChange, WorkloadKind, WorkloadName,
};

/// What may name a workload to scale it, or to analyse its releases.
const WATCHERS: [(&str, &str); 3] = [
    ("autoscaling/v2", "horizontalpodautoscalers"),
    ("keda.sh/v1alpha1", "scaledobjects"),
    ("flagger.app/v1beta1", "canaries"),
];

/// What the steps of runbooks need.
#[derive(Debug, Default)]
struct StepRights {
    rights: BTreeSet<ObjectRight>,
    /// Kinds whose plural is only taken to be so.
    guessed: BTreeSet<(String, String)>,
    /// Namespaces in which a StatefulSet goes back.
    ordered: BTreeSet<String>,
}

/// Writes the least Role of each namespace as YAML, for runbooks and the namespaces of their services; nothing where no
/// step names an object. Nobody is asked.
pub(crate) fn roles<'a>(
    runbooks: impl IntoIterator<Item = (&'a Runbook, &'a str)>,
) -> Option<String> {
    let mut all = StepRights::default();
    for (runbook, namespace) in runbooks {
        let mut of = StepsOf {
            all: &mut all,
            namespace,
            list: StepList::Rollback,
        };
        runbook.rollback.iter().for_each(|step| of.step(step));
        of.list = StepList::Return;
        runbook.forward.iter().for_each(|step| of.step(step));
    }
    all.written()
}

/// Collects for the steps of one list.
struct StepsOf<'a> {
    all: &'a mut StepRights,
    namespace: &'a str,
    list: StepList,
}

impl StepsOf<'_> {
    fn step(&mut self, step: &RunbookStep) {
        match &step.action {
            StepAction::Undo(undo) => {
                let namespace = self.namespace_of(undo.namespace.as_ref());
                for workload in &undo.workloads {
                    self.workload(workload, &namespace);
                    self.list_of("apps/v1", holders(workload.kind), &namespace);
                    if workload.kind == WorkloadKind::StatefulSet {
                        self.all.ordered.insert(namespace.clone());
                    }
                }
            }
            StepAction::Scale(scale) => {
                let namespace = self.namespace_of(scale.namespace.as_ref());
                for workload in &scale.workloads {
                    self.workload(workload, &namespace);
                    if scale.replicas == Replicas::Count(0) {
                        self.list_of("v1", "services", &namespace);
                    }
                }
            }
            StepAction::Replace(_) | StepAction::Patch(_) => {
                if let Some((target, fields)) = step.fields() {
                    self.object(target, &fields);
                }
            }
            StepAction::Route(step) => self.route(step),
            StepAction::Flagger(flagger) => {
                let namespace = self.namespace_of(flagger.namespace.as_ref());
                let name = flagger.canary.as_str();
                self.named(
                    CHANGING,
                    "flagger.app/v1beta1",
                    "canaries",
                    &namespace,
                    name,
                );
            }
            StepAction::File(_)
            | StepAction::Command(_)
            | StepAction::Http(_)
            | StepAction::Prometheus(_)
            | StepAction::Wait(_) => {}
        }
    }

    fn workload(&mut self, workload: &WorkloadName, namespace: &str) {
        let plural = match workload.kind {
            WorkloadKind::Deployment => "deployments",
            WorkloadKind::StatefulSet => "statefulsets",
            WorkloadKind::DaemonSet => "daemonsets",
        };
        self.named(CHANGING, "apps/v1", plural, namespace, &workload.name);
        self.watchers(namespace);
    }

    fn watchers(&mut self, namespace: &str) {
        for (api_version, plural) in WATCHERS {
            self.list_of(api_version, plural, namespace);
        }
    }

    /// An object whose fields are changed, by their paths and new values.
    fn object(&mut self, target: &ObjectTarget, changes: &[(&str, Option<&serde_json::Value>)]) {
        let namespace = self.namespace_of(target.namespace.as_ref());
        let kind = target.kind.name();
        let plural = plural_of(kind);
        if matches!(target.kind, ObjectKind::Other { .. }) {
            let guessed = (kind.to_owned(), plural.clone());
            self.all.guessed.insert(guessed);
        }
        let (api_version, name) = (&target.api_version, &target.name);
        self.named(CHANGING, api_version, &plural, &namespace, name);
        match target.kind {
            ObjectKind::Service => self.list_of("v1", "pods", &namespace),
            ObjectKind::Deployment | ObjectKind::StatefulSet | ObjectKind::DaemonSet => {
                for (path, value) in changes {
                    let replicas = match *path {
                        "/spec" => value.map(|value| &value["replicas"]),
                        "/spec/replicas" => *value,
                        _ => None,
                    };
                    if replicas.is_some() || *path == "/spec" || path.starts_with("/spec/template")
                    {
                        self.watchers(&namespace);
                    }
                    if replicas.is_some_and(|count| *count == 0) {
                        self.list_of("v1", "services", &namespace);
                    }
                }
            }
            ObjectKind::ConfigMap
            | ObjectKind::Ingress
            | ObjectKind::HttpRoute
            | ObjectKind::VirtualService
            | ObjectKind::Canary
            | ObjectKind::Other { .. } => {}
        }
    }

    fn route(&mut self, step: &RouteStep) {
        let namespace = self.namespace_of(step.namespace.as_ref());
        let (api_version, plural) = match step.kind {
            RouteKind::HttpRoute => ("gateway.networking.k8s.io/v1", "httproutes"),
            RouteKind::VirtualService => ("networking.istio.io/v1", "virtualservices"),
            RouteKind::TraefikService => ("traefik.io/v1alpha1", "traefikservices"),
            RouteKind::Ingress => ("networking.k8s.io/v1", "ingresses"),
        };
        self.named(CHANGING, api_version, plural, &namespace, &step.name);
        if step.kind == RouteKind::VirtualService {
            return;
        }
        match &step.traffic {
            TrafficChange::Weights { to, stable, rungs } if self.list == StepList::Rollback => {
                let share = rungs.first().map_or(0, |share| share.0);
                let sides = [(to, share), (stable, 100 - share)];
                for (side, _) in sides.iter().filter(|(_, share)| *share > 0) {
                    self.named(&["get"], "v1", "services", &namespace, side.as_str());
                    self.list_of("v1", "pods", &namespace);
                }
            }
            TrafficChange::Mirror { to, .. } => {
                self.named(&["get"], "v1", "services", &namespace, to.as_str());
            }
            TrafficChange::Weights { .. } => {}
        }
    }

    fn namespace_of(&self, own: Option<&impl ToString>) -> String {
        own.map_or_else(|| self.namespace.to_owned(), ToString::to_string)
    }

    fn named(
        &mut self,
        verbs: &[&'static str],
        api_version: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) {
        let collection = collection(api_version, plural, namespace);
        let rights = verbs.iter().map(|verb| ObjectRight {
            verb,
            collection: collection.clone(),
            name: Some(name.to_owned()),
        });
        self.all.rights.extend(rights);
    }

    fn list_of(&mut self, api_version: &str, plural: &str, namespace: &str) {
        self.all.rights.insert(ObjectRight {
            verb: "list",
            collection: collection(api_version, plural, namespace),
            name: None,
        });
    }
}

fn collection(api_version: &str, plural: &str, namespace: &str) -> ObjectCollection {
    ObjectCollection {
        api_version: api_version.to_owned(),
        plural: plural.to_owned(),
        namespace: namespace.to_owned(),
    }
}

/// Returns the plural of a kind as English makes it, which authors of kinds mostly follow.
fn plural_of(kind: &str) -> String {
    let one = kind.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| one.ends_with(ending));
    match one.strip_suffix('y') {
        _ if one == "endpoints" => one,
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{one}es"),
        _ => format!("{one}s"),
    }
}

/// Objects of one kind in one namespace, as a Role has them: its version counts for nothing.
type RuleSubject<'a> = (&'a str, &'a str);

impl StepRights {
    fn written(&self) -> Option<String> {
        let mut namespaces: BTreeMap<&str, Vec<&ObjectRight>> = BTreeMap::new();
        for right in &self.rights {
            let namespace = right.collection.namespace.as_str();
            namespaces.entry(namespace).or_default().push(right);
        }
        let roles: Vec<String> = namespaces
            .into_iter()
            .map(|(namespace, rights)| self.role(namespace, &rights))
            .collect();
        (!roles.is_empty()).then(|| roles.join("---\n"))
    }

    fn role(&self, namespace: &str, rights: &[&ObjectRight]) -> String {
        // First what may be done with each object, then which objects the same may be done with.
        let mut verbs: BTreeMap<(RuleSubject<'_>, Option<&str>), Vec<&str>> = BTreeMap::new();
        for right in rights {
            let subject = (right.collection.group(), right.collection.plural.as_str());
            let of = verbs.entry((subject, right.name.as_deref())).or_default();
            if !of.contains(&right.verb) {
                of.push(right.verb);
            }
        }
        let mut rules: BTreeMap<(RuleSubject<'_>, Vec<&str>), Vec<&str>> = BTreeMap::new();
        for ((subject, name), verbs) in verbs {
            rules.entry((subject, verbs)).or_default().extend(name);
        }
        let mut text = String::new();
        for (kind, plural) in &self.guessed {
            if rules.keys().any(|((_, known), _)| known == plural) {
                text.push_str(&format!(
                    "# {plural} is taken to be the plural of {kind}; `kubectl api-resources` knows.\n"
                ));
            }
        }
        let rules: Vec<RoleRule<'_>> = rules
            .into_iter()
            .map(|(((group, plural), verbs), names)| RoleRule {
                group,
                plural,
                verbs,
                names: names.into_iter().map(str::to_owned).collect(),
            })
            .collect();
        let name = "error-budget-monitor-runbook";
        text.push_str(&role_text(name, Some(namespace), &rules));
        if self.ordered.contains(namespace) {
            text.push_str(
                "  # Where a StatefulSet makes its pods in order, one that never gets ready stays after going back, until it is\n  \
                 # deleted. This lets every pod of the namespace be deleted, so it is left to you:\n  \
                 # - apiGroups: [\"\"]\n  #   resources: [pods]\n  #   verbs: [delete]\n",
            );
        }
        text
    }
}
