//! A look at a cluster: what every step is asked about, and how its answers become findings.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::changes::changes;
use super::owners::{appliers, owners};
use super::report::StepFinding;
use crate::clients::kubernetes::{
    Cluster, KubernetesError, KubernetesFault, ObjectCollection, ObjectRight, ServedKind,
};
use crate::doctor::finding::Finding;
use crate::redact::Scanner;
use crate::runbook::{RunbookStep, StepList};

pub(super) const OBJECT: &str = "object";
pub(super) const RIGHTS: &str = "rights";
pub(super) const OWNER: &str = "owner";
pub(super) const AUTOSCALER: &str = "scaling";
/// What is done with an object that a step changes.
pub(super) const CHANGING: &[&str] = &["get", "patch"];

const DRY_RUN: &str = "dry run";

/// How often a patch is tried over an object that changes meanwhile.
const MOST_TRIES: u32 = 3;

/// The step that is looked at.
#[derive(Clone, Copy)]
pub(super) struct StepPlace<'a> {
    /// Its list.
    pub(super) list: StepList,
    /// Its place in the list, from 0.
    pub(super) place: usize,
    /// The steps of the list.
    pub(super) steps: &'a [RunbookStep],
}

/// The group and version of a kind that is looked for.
#[derive(Clone, Copy)]
pub(super) enum WantedVersion<'a> {
    /// No other one: the file names it.
    Exactly(&'a str),
    /// The one that is usual, or else the one that the API server prefers.
    Usually(&'a str),
}

/// A look at a cluster, step by step.
pub(super) struct ClusterLook<'a> {
    pub(super) cluster: Cluster,
    namespace: &'a str,
    pub(super) secrets: &'a Scanner,
    kinds: BTreeMap<String, Option<Vec<ServedKind>>>,
    /// The versions of groups whose usual one was not there.
    versions: BTreeMap<String, Vec<String>>,
    /// All objects of a kind, as they were listed once.
    lists: BTreeMap<ObjectCollection, Rc<[Value]>>,
    findings: Vec<StepFinding>,
    pub(super) place: Option<StepPlace<'a>>,
    /// The API server did not answer: it is not asked again.
    is_silent: bool,
}

impl<'a> ClusterLook<'a> {
    /// Begins a look. `namespace` is where objects are that have no namespace of their own.
    pub(super) fn new(cluster: Cluster, namespace: &'a str, secrets: &'a Scanner) -> Self {
        Self {
            cluster,
            namespace,
            secrets,
            kinds: BTreeMap::new(),
            versions: BTreeMap::new(),
            lists: BTreeMap::new(),
            findings: Vec::new(),
            place: None,
            is_silent: false,
        }
    }

    /// Returns what was found.
    pub(super) fn into_findings(self) -> Vec<StepFinding> {
        self.findings
    }
}

impl ClusterLook<'_> {
    /// Looks whether a kind is known, the rights are there, and the object is; says what is not. The verbs are for the
    /// object, what comes with them for all objects of other kinds.
    pub(super) fn found(
        &mut self,
        version: WantedVersion<'_>,
        kind: &str,
        name: &str,
        namespace: &str,
        (verbs, more): (&[&'static str], &[(&'static str, ObjectCollection)]),
    ) -> Option<(ObjectCollection, Value)> {
        if self.is_silent {
            return None;
        }
        let Some(collection) = self.served(version, kind, namespace)? else {
            let (WantedVersion::Exactly(wanted) | WantedVersion::Usually(wanted)) = version;
            self.problem(
                OBJECT,
                format!("look whether the API server knows {kind} of {wanted}"),
                "it does not (404 page not found)",
                "install its CustomResourceDefinition, or write the version that is installed with object: {apiVersion: …}",
            );
            return None;
        };
        let one = |verb| ObjectRight {
            verb,
            collection: collection.clone(),
            name: Some(name.to_owned()),
        };
        let mut rights: Vec<ObjectRight> = verbs.iter().map(|verb| one(verb)).collect();
        rights.extend(more.iter().map(|(verb, collection)| ObjectRight {
            verb,
            collection: collection.clone(),
            name: None,
        }));
        if !self.allowed(&rights) {
            return None;
        }
        match self.cluster.object(&collection, name) {
            Ok(object) => {
                let found = match version {
                    WantedVersion::Usually(usual) if usual != collection.api_version => {
                        format!("it is there, in version {}", collection.api_version)
                    }
                    WantedVersion::Usually(_) | WantedVersion::Exactly(_) => {
                        "it is there".to_owned()
                    }
                };
                self.ok(OBJECT, format!("read {kind} {namespace}/{name}"), found);
                Some((collection, object))
            }
            Err(error) => {
                self.failed(OBJECT, &error);
                None
            }
        }
    }

    /// Returns all objects of a kind, which are listed once.
    pub(super) fn all(
        &mut self,
        collection: &ObjectCollection,
    ) -> Result<Rc<[Value]>, KubernetesError> {
        if let Some(known) = self.lists.get(collection) {
            return Ok(Rc::clone(known));
        }
        let listed = self.cluster.objects(collection, "");
        self.is_silent |= listed
            .as_ref()
            .is_err_and(|error| error.fault.is_transient());
        let listed: Rc<[Value]> = listed?.into();
        self.lists.insert(collection.clone(), Rc::clone(&listed));
        Ok(listed)
    }

    /// Tells whether the API server can still be asked; where it did not answer before, the step is not looked at.
    pub(super) fn is_asked(&mut self) -> bool {
        if self.is_silent {
            self.problem(
                OBJECT,
                "look at what the step names",
                "not looked at: the API server did not answer before",
                "look again; raise STATE_TIMEOUT where the API server is only slow",
            );
        }
        !self.is_silent
    }

    /// Asks for rights, and names those that are missing.
    pub(super) fn allowed(&mut self, rights: &[ObjectRight]) -> bool {
        let mut missing = Vec::new();
        for right in rights {
            match self.cluster.has_right(right) {
                Ok(true) => {}
                Ok(false) => missing.push(right),
                Err(error) => {
                    self.failed(RIGHTS, &error);
                    return false;
                }
            }
        }
        let said: Vec<String> = missing
            .iter()
            .map(|right| {
                let ObjectCollection {
                    plural, namespace, ..
                } = &right.collection;
                let group = match right.collection.group() {
                    "" => String::new(),
                    group => format!(".{group}"),
                };
                format!("{} of {plural}{group} in {namespace}", right.verb)
            })
            .collect();
        if said.is_empty() {
            return true;
        }
        self.problem(
            RIGHTS,
            "ask for the rights of the step",
            format!("missing: {}", said.join(", ")),
            "grant them in a Role of that namespace",
        );
        false
    }

    /// Returns where objects of a kind are; nothing inside where the API server does not have it.
    pub(super) fn served(
        &mut self,
        version: WantedVersion<'_>,
        kind: &str,
        namespace: &str,
    ) -> Option<Option<ObjectCollection>> {
        let (WantedVersion::Exactly(wanted) | WantedVersion::Usually(wanted)) = version;
        if let Some(plural) = self.plural(wanted, kind)? {
            return Some(Some(self.collection(wanted, &plural, namespace)));
        }
        let (WantedVersion::Usually(_), Some((group, _))) = (version, wanted.split_once('/'))
        else {
            return Some(None);
        };
        for other in self.versions_of(group)? {
            if let Some(plural) = self.plural(&other, kind)? {
                return Some(Some(self.collection(&other, &plural, namespace)));
            }
        }
        Some(None)
    }

    /// Returns the versions of a group, which are asked for once.
    fn versions_of(&mut self, group: &str) -> Option<Vec<String>> {
        if let Some(known) = self.versions.get(group) {
            return Some(known.clone());
        }
        match self.cluster.versions(group) {
            Ok(versions) => {
                self.versions.insert(group.to_owned(), versions.clone());
                Some(versions)
            }
            Err(error) => {
                self.is_silent = error.fault.is_transient();
                self.failed(OBJECT, &error);
                None
            }
        }
    }

    /// Returns the name of a kind in addresses; nothing inside where the API server does not have it.
    fn plural(&mut self, api_version: &str, kind: &str) -> Option<Option<String>> {
        if !self.kinds.contains_key(api_version) {
            match self.cluster.kinds(api_version) {
                Ok(kinds) => {
                    self.kinds.insert(api_version.to_owned(), kinds);
                }
                Err(error) => {
                    self.is_silent = error.fault.is_transient();
                    self.failed(OBJECT, &error);
                    return None;
                }
            }
        }
        let kinds = self.kinds.get(api_version)?.iter().flatten();
        let mut of_kind = kinds.filter(|served| served.kind == kind);
        Some(of_kind.next().map(|served| served.plural.clone()))
    }

    /// Says who else writes an object, and a field of it.
    pub(super) fn owned(&mut self, object: &Value, path: &str) {
        let metadata = &object["metadata"];
        let tried = format!(
            "look who else writes {} {}",
            object["kind"].as_str().unwrap_or("the object"),
            metadata["name"].as_str().unwrap_or_default()
        );
        for owner in owners(object) {
            let found = format!("{}: {}", owner.who, owner.undoes);
            match owner.lasts {
                true => self.warning(OWNER, tried.clone(), found, owner.remedy),
                false => self.problem(OWNER, tried.clone(), found, owner.remedy),
            }
        }
        for manager in appliers(object, path) {
            self.warning(
                OWNER,
                format!("{tried} at {path}"),
                format!("{manager} applies this field, and its next apply meets a conflict with error-budget-monitor"),
                "know it: whoever applies next decides whose value stays",
            );
        }
    }

    /// Has the API server say what a patch would change, and returns the object as it would be.
    pub(super) fn dry_run(
        &mut self,
        collection: &ObjectCollection,
        name: &str,
        object: &Value,
        patch: &[Value],
    ) -> Option<Value> {
        let tried = format!(
            "have the API server patch {} {}/{name} as a dry run",
            collection.plural, collection.namespace
        );
        let after = match self.tried(collection, name, object, patch) {
            Ok(after) => after,
            Err(error) => {
                self.failed(DRY_RUN, &error);
                return None;
            }
        };
        if after["metadata"]["uid"] != object["metadata"]["uid"] {
            self.problem(
                DRY_RUN,
                tried,
                "the answer is another object",
                "check KUBECONFIG: whoever answers is no API server, or the object was made anew meanwhile",
            );
            return None;
        }
        match changes(object, &after, self.secrets) {
            Some(changes) => self.ok(DRY_RUN, tried, format!("it would change {changes}")),
            // Before a rollback the way forward has nothing to bring back.
            None if self.is_in(StepList::Return) => {
                self.ok(DRY_RUN, tried, "it would change nothing today");
            }
            None => self.warning(
                DRY_RUN,
                tried,
                "it would change nothing",
                "know that it is so already, or correct the field",
            ),
        }
        Some(after)
    }

    /// Tries a patch; again where the object was only written meanwhile, as its status is all the time.
    fn tried(
        &self,
        collection: &ObjectCollection,
        name: &str,
        object: &Value,
        patch: &[Value],
    ) -> Result<Value, KubernetesError> {
        let mut patch = patch.to_vec();
        let mut version = object["metadata"]["resourceVersion"].clone();
        for _ in 0..MOST_TRIES {
            let refused = match self.cluster.dry_run(collection, name, &patch) {
                Err(error) if matches!(error.fault, KubernetesFault::Invalid(_)) => error,
                answer => return answer,
            };
            let now = self.cluster.object(collection, name)?["metadata"]["resourceVersion"].take();
            if now == version {
                return Err(refused);
            }
            for operation in &mut patch {
                if operation["path"] == "/metadata/resourceVersion" {
                    operation["value"] = now.clone();
                }
            }
            version = now;
        }
        self.cluster.dry_run(collection, name, &patch)
    }

    pub(super) fn is_in(&self, list: StepList) -> bool {
        self.place.is_some_and(|place| place.list == list)
    }

    pub(super) fn namespace_of(&self, own: Option<String>) -> String {
        own.unwrap_or_else(|| self.namespace.to_owned())
    }

    pub(super) fn collection(
        &self,
        api_version: &str,
        plural: &str,
        namespace: &str,
    ) -> ObjectCollection {
        ObjectCollection {
            api_version: api_version.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    pub(super) fn ok(
        &mut self,
        subject: &'static str,
        tried: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.add(Finding::ok(subject, tried, found));
    }

    pub(super) fn warning(
        &mut self,
        subject: &'static str,
        tried: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Finding::warning(subject, tried, found, remedy));
    }

    pub(super) fn problem(
        &mut self,
        subject: &'static str,
        tried: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Finding::problem(subject, tried, found, remedy));
    }

    pub(super) fn failed(&mut self, subject: &'static str, error: &KubernetesError) {
        // A dry run may fail for an admission webhook alone.
        self.is_silent |= error.fault.is_transient() && subject != DRY_RUN;
        let remedy = remedy(&error.fault);
        let (tried, found) = (error.tried.clone(), error.fault.to_string());
        self.add(Finding::problem(subject, tried, found, remedy));
    }

    fn add(&mut self, finding: Finding) {
        let place = self.place;
        let step = place.map(|place| &place.steps[place.place]);
        self.findings.push(StepFinding {
            list: place.map(|place| place.list),
            step: place.map(|place| place.place + 1),
            name: step.map(|step| step.name.to_string()),
            finding,
        });
    }
}

/// Says what to do about a refusal of an object that the file names.
fn remedy(fault: &KubernetesFault) -> &'static str {
    match fault {
        KubernetesFault::NotFound => "correct the name or the namespace, or make it",
        KubernetesFault::Forbidden(_) => "grant the right in a Role of that namespace",
        KubernetesFault::NotServed => "install its CustomResourceDefinition",
        KubernetesFault::Invalid(_) | KubernetesFault::Immutable => {
            "correct the field or the value; where it names neither, a test did not hold or a path is not there"
        }
        KubernetesFault::Conflict | KubernetesFault::Exists => {
            "look again: somebody wrote it meanwhile"
        }
        KubernetesFault::Settings(_) | KubernetesFault::Unauthorized => {
            "check the service account's token, or KUBECONFIG and KUBERNETES_CONTEXT"
        }
        KubernetesFault::Busy | KubernetesFault::Unavailable(_) | KubernetesFault::NoAnswer(_) => {
            "look again; raise STATE_TIMEOUT where the API server is only slow"
        }
    }
}
