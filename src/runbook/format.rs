//! What each kind of step is told: its members, from which the JSON Schema is made, too.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

use super::mapping::{from_one, http_status, mapping, no_merge, not_empty, some_arguments};
use super::object::{ObjectKind, ObjectTarget};
use super::words::{
    ApiVersion, FilePath, GateQuery, JsonPointer, KindName, ObjectName, Replicas, StepText,
    StepUrl, TimeSpan, UndoTo, VariableName, WorkloadKind, WorkloadName,
};

/// What happens where a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The list stops, and a person is told what was done and what not.
    #[default]
    Stop,
    /// What was done is undone, the last step first; then the list stops.
    Undo,
}

/// What must be so before the step, and after it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Fewest pods that are ready and that the Service's new selector finds, with the Service's port.
    #[cfg_attr(test, schemars(range(min = 1)))]
    #[serde(deserialize_with = "from_one")]
    pub endpoints: u32,
}

/// Compares the new side with the stable one.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Gate", extend("dependentRequired" = {"bad": ["total"], "total": ["bad"]})))]
#[serde(deny_unknown_fields)]
pub(super) struct GateMembers {
    /// Query for the bad events; the service's own SLO without it.
    bad: Option<GateQuery>,
    /// Query for all events.
    total: Option<GateQuery>,
    /// Fewest events before the next rung is taken.
    #[cfg_attr(test, schemars(range(min = 1)))]
    #[serde(default = "fewest_events", deserialize_with = "from_one")]
    min_events: u32,
}

/// Compares the new side with the stable one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepGate {
    /// Queries for bad events and all events; the service's own SLO without them.
    pub queries: Option<(GateQuery, GateQuery)>,
    /// Fewest events before the next rung is taken.
    pub min_events: u32,
}

impl<'de> Deserialize<'de> for StepGate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping(deserializer, |gate: GateMembers| {
            let queries = match (gate.bad, gate.total) {
                (Some(bad), Some(total)) => Some((bad, total)),
                (None, None) => None,
                (Some(_), None) | (None, Some(_)) => {
                    return Err("bad and total go together; write both or neither".to_owned());
                }
            };
            Ok(Self {
                queries,
                min_events: gate.min_events,
            })
        })
    }
}

/// Puts workloads back to an earlier revision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Undo"))]
#[serde(deny_unknown_fields)]
pub struct UndoStep {
    /// The workloads, one after the other.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(deserialize_with = "not_empty")]
    pub workloads: Vec<WorkloadName>,
    /// Their namespace; that of the service without it.
    pub namespace: Option<ObjectName>,
    /// What they go back to.
    #[serde(default)]
    pub to: UndoTo,
}

/// Sets how many pods workloads have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Scale"))]
#[serde(deny_unknown_fields)]
pub struct ScaleStep {
    /// The workloads, all at once; a DaemonSet has no scale.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(deserialize_with = "scalable")]
    pub workloads: Vec<WorkloadName>,
    /// Their namespace; that of the service without it.
    pub namespace: Option<ObjectName>,
    /// How many pods each is to have.
    pub replicas: Replicas,
    /// How long it may take until they are ready.
    pub ready: Option<TimeSpan>,
}

/// Makes a type of a step that names an object by its kind, and the parts that both have.
macro_rules! members_of_an_object {
    ($(#[$about:meta])* $name:ident $title:tt { $($(#[$of:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[cfg_attr(test, schemars(rename = $title, transform = super::schema::exactly_one_object))]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            /// A Service.
            service: Option<ObjectName>,
            /// A Deployment.
            deployment: Option<ObjectName>,
            /// A StatefulSet.
            statefulset: Option<ObjectName>,
            /// A DaemonSet.
            daemonset: Option<ObjectName>,
            /// A ConfigMap.
            configmap: Option<ObjectName>,
            /// An Ingress.
            ingress: Option<ObjectName>,
            /// An HTTPRoute of the Gateway API.
            httproute: Option<ObjectName>,
            /// A VirtualService of Istio.
            virtualservice: Option<ObjectName>,
            /// A Canary of Flagger.
            canary: Option<ObjectName>,
            /// An object of another kind.
            object: Option<OtherObject>,
            /// Its namespace; that of the service without it.
            namespace: Option<ObjectName>,
            $($(#[$of])* $field: $kind,)*
        }

        impl $name {
            fn target(&self) -> Result<ObjectTarget, String> {
                let named = [
                    (ObjectKind::Service, &self.service),
                    (ObjectKind::Deployment, &self.deployment),
                    (ObjectKind::StatefulSet, &self.statefulset),
                    (ObjectKind::DaemonSet, &self.daemonset),
                    (ObjectKind::ConfigMap, &self.configmap),
                    (ObjectKind::Ingress, &self.ingress),
                    (ObjectKind::HttpRoute, &self.httproute),
                    (ObjectKind::VirtualService, &self.virtualservice),
                    (ObjectKind::Canary, &self.canary),
                ];
                let mut found: Vec<ObjectTarget> = named
                    .into_iter()
                    .filter_map(|(kind, name)| {
                        Some(ObjectTarget::new(kind, name.as_ref()?, self.namespace.as_ref()))
                    })
                    .collect();
                found.extend(self.object.as_ref().map(|object| {
                    let kind = ObjectKind::of_manifest(object.api_version.as_str(), object.kind.as_str());
                    ObjectTarget {
                        api_version: object.api_version.to_string(),
                        ..ObjectTarget::new(kind, &object.name, self.namespace.as_ref())
                    }
                }));
                match (found.pop(), found.is_empty()) {
                    (Some(target), true) => Ok(target),
                    (None, _) => Err(
                        "it names no object; name one by its kind, such as service: NAME, or by object".to_owned(),
                    ),
                    (Some(_), false) => Err("it names several objects; write a step for each".to_owned()),
                }
            }
        }
    };
}

/// An object of another kind.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(deny_unknown_fields)]
struct OtherObject {
    /// Its group and version.
    #[serde(rename = "apiVersion")]
    api_version: ApiVersion,
    /// Its kind.
    kind: KindName,
    /// Its name.
    name: ObjectName,
}

members_of_an_object! {
    /// Replaces one field of an object as a whole.
    ReplaceMembers "Replace" {
        /// The field.
        field: JsonPointer,
        /// Its new value.
        value: Value,
    }
}

members_of_an_object! {
    /// Changes an object by a JSON patch with a `test`.
    PatchMembers "Patch" {
        /// The operations, all or none of which are done.
        #[cfg_attr(test, schemars(length(min = 1)))]
        #[serde(deserialize_with = "not_empty")]
        operations: Vec<PatchOperation>,
        /// It is refused wherever it stands: a merge replaces whole lists and joins maps.
        #[cfg_attr(test, schemars(skip))]
        #[serde(default, deserialize_with = "no_merge")]
        merge: (),
    }
}

/// One operation of a JSON patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum PatchOperation {
    /// Goes on only where the field has the value.
    Test {
        /// The field.
        path: JsonPointer,
        /// The value that it must have.
        value: Value,
    },
    /// Adds a field, or an element before the one with the index.
    Add {
        /// The field.
        path: JsonPointer,
        /// Its value.
        value: Value,
    },
    /// Replaces a field.
    Replace {
        /// The field.
        path: JsonPointer,
        /// Its new value.
        value: Value,
    },
    /// Removes a field.
    Remove {
        /// The field.
        path: JsonPointer,
    },
}

/// Replaces one field of an object as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaceStep {
    /// The object.
    pub target: ObjectTarget,
    /// The field.
    pub field: JsonPointer,
    /// Its new value.
    pub value: Value,
}

impl<'de> Deserialize<'de> for ReplaceStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping(deserializer, |members: ReplaceMembers| {
            Ok(Self {
                target: members.target()?,
                field: members.field,
                value: members.value,
            })
        })
    }
}

/// Changes an object by a JSON patch.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchStep {
    /// The object.
    pub target: ObjectTarget,
    /// The operations.
    pub operations: Vec<PatchOperation>,
}

impl<'de> Deserialize<'de> for PatchStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping(deserializer, |members: PatchMembers| {
            let target = members.target()?;
            let PatchMembers {
                operations,
                merge: (),
                ..
            } = members;
            Ok(Self { target, operations })
        })
    }
}

/// Waits until Flagger is not in the middle of an analysis.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Flagger"))]
#[serde(deny_unknown_fields)]
pub struct FlaggerStep {
    /// The Canary.
    pub canary: ObjectName,
    /// Its namespace; that of the service without it.
    pub namespace: Option<ObjectName>,
}

/// Writes a file, checks it, and applies it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "File"))]
#[serde(deny_unknown_fields)]
pub struct FileStep {
    /// The file; it must be there, so that there is an old content to go back to.
    pub path: FilePath,
    /// Its new content; `$${NAME}` stands for `${NAME}`.
    pub content: String,
    /// Program and arguments that say by exit code 0 that the file is good, such as `[nginx, -t]`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(default, deserialize_with = "some_arguments")]
    pub check: Option<Vec<StepText>>,
    /// Program and arguments that have it read, such as `[nginx, -s, reload]`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(default, deserialize_with = "some_arguments")]
    pub apply: Option<Vec<StepText>>,
}

/// Runs a program, without a shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Command"))]
#[serde(deny_unknown_fields)]
pub struct CommandStep {
    /// The program and its arguments.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(deserialize_with = "not_empty")]
    pub argv: Vec<StepText>,
    /// Program and arguments that say whether it is done: exit code 0 done, 1 not done, any other unknown.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(default, deserialize_with = "some_arguments")]
    pub probe: Option<Vec<StepText>>,
    /// Program and arguments that undo it.
    #[cfg_attr(test, schemars(length(min = 1)))]
    #[serde(default, deserialize_with = "some_arguments")]
    pub undo: Option<Vec<StepText>>,
    /// Variables of the run's own environment that the programs get; all others are left out.
    #[serde(default)]
    pub environment: Vec<VariableName>,
    /// How long each of the programs may take; 60 s without it.
    pub timeout: Option<TimeSpan>,
}

/// Asks an address until it answers as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Http"))]
#[serde(deny_unknown_fields)]
pub struct HttpStep {
    /// The address, which is asked by GET.
    pub url: StepUrl,
    /// The status code that it must answer with; 200 without it.
    #[cfg_attr(test, schemars(range(min = 100, max = 599)))]
    #[serde(default = "ok_status", deserialize_with = "http_status")]
    pub status: u16,
    /// How long it is asked again; once without it.
    pub within: Option<TimeSpan>,
}

/// Asks Prometheus until the answer is as wanted.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Prometheus", extend("anyOf" = [
    {"required": ["above"]}, {"required": ["below"]}
])))]
#[serde(deny_unknown_fields)]
pub(super) struct PrometheusMembers {
    /// A query with one value as its answer; no data is not done.
    query: StepText,
    /// The value must be above this.
    above: Option<f64>,
    /// The value must be below this.
    below: Option<f64>,
    /// How long it is asked again; once without it.
    within: Option<TimeSpan>,
}

/// Asks Prometheus until the answer is as wanted: above, below, or between both.
#[derive(Debug, Clone, PartialEq)]
pub struct PrometheusStep {
    /// The query.
    pub query: StepText,
    /// The value must be above this.
    pub above: Option<f64>,
    /// The value must be below this.
    pub below: Option<f64>,
    /// How long it is asked again; once without it.
    pub within: Option<TimeSpan>,
}

impl<'de> Deserialize<'de> for PrometheusStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping(deserializer, |members: PrometheusMembers| {
            let PrometheusMembers {
                query,
                above,
                below,
                within,
            } = members;
            match (above, below) {
                (None, None) => return Err("write above, below or both".to_owned()),
                (Some(above), Some(below)) if above >= below => {
                    return Err("no value is above the one and below the other".to_owned());
                }
                (Some(_), _) | (_, Some(_)) => {}
            }
            Ok(Self {
                query,
                above,
                below,
                within,
            })
        })
    }
}

fn fewest_events() -> u32 {
    // As many as MIN_EVENTS of a decision.
    50
}

fn ok_status() -> u16 {
    200
}

/// Reads workloads that have a scale.
fn scalable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WorkloadName>, D::Error> {
    let workloads: Vec<WorkloadName> = not_empty(deserializer)?;
    match workloads
        .iter()
        .find(|workload| workload.kind == WorkloadKind::DaemonSet)
    {
        Some(workload) => Err(serde::de::Error::custom(format!(
            "{workload} has no scale: a DaemonSet runs a pod on every node that its selector finds"
        ))),
        None => Ok(workloads),
    }
}

impl PatchOperation {
    /// Returns the field that it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Test { path, .. }
            | Self::Add { path, .. }
            | Self::Replace { path, .. }
            | Self::Remove { path } => path.as_str(),
        }
    }

    /// Returns the value that it tests or writes; nothing where it removes.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Test { value, .. } | Self::Add { value, .. } | Self::Replace { value, .. } => {
                Some(value)
            }
            Self::Remove { .. } => None,
        }
    }

    /// Tells whether it changes anything.
    pub fn changes(&self) -> bool {
        match self {
            Self::Test { .. } => false,
            Self::Add { .. } | Self::Replace { .. } | Self::Remove { .. } => true,
        }
    }

    /// Returns it as JSON, as an API server takes it.
    pub fn to_json(&self) -> Value {
        let op = match self {
            Self::Test { .. } => "test",
            Self::Add { .. } => "add",
            Self::Replace { .. } => "replace",
            Self::Remove { .. } => "remove",
        };
        match self.value() {
            Some(value) => serde_json::json!({"op": op, "path": self.path(), "value": value}),
            None => serde_json::json!({"op": op, "path": self.path()}),
        }
    }
}
