//! A runbook that was read: its lists of steps, and what each step does.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;

use super::format::{
    CommandStep, Expectation, FileStep, FlaggerStep, HttpStep, OnFailure, PatchStep,
    PrometheusStep, ReplaceStep, ScaleStep, StepGate, UndoStep,
};
use super::mapping::mapping;
use super::object::{ObjectKind, ObjectTarget};
use super::route::{RouteStep, TrafficChange};
use super::words::{ShortLine, TimeSpan};

/// A runbook: the steps of a rollback, and those of the way forward again.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "Runbook of error-budget-monitor", extend("anyOf" = [
    {"required": ["rollback"]}, {"required": ["return"]}
])))]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// Its name, as records and messages say it.
    pub name: ShortLine,
    /// What a rollback does, in this order: at most 100 steps.
    #[serde(default)]
    #[cfg_attr(test, schemars(length(min = 1, max = 100)))]
    #[cfg_attr(test, schemars(with = "Vec<StepMembers>"))]
    pub rollback: Vec<RunbookStep>,
    /// How the service comes back, step by step, or how a new version is rolled out: at most 100 steps.
    #[serde(default, rename = "return")]
    #[cfg_attr(test, schemars(length(min = 1, max = 100)))]
    #[cfg_attr(test, schemars(with = "Vec<StepMembers>"))]
    pub forward: Vec<RunbookStep>,
}

/// One step: its name, exactly one kind of step, and what it waits for.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Step", transform = super::schema::exactly_one_kind_of_step))]
#[serde(deny_unknown_fields)]
struct StepMembers {
    /// What it does, in words for people; no other step of the list has the same name.
    name: ShortLine,
    /// Puts workloads back to an earlier revision.
    undo: Option<UndoStep>,
    /// Sets how many pods workloads have.
    scale: Option<ScaleStep>,
    /// Replaces one field of an object as a whole.
    #[cfg_attr(test, schemars(with = "Option<super::format::ReplaceMembers>"))]
    replace: Option<ReplaceStep>,
    /// Changes an object by a JSON patch with a `test`.
    #[cfg_attr(test, schemars(with = "Option<super::format::PatchMembers>"))]
    patch: Option<PatchStep>,
    /// Moves traffic by weights, or mirrors it.
    #[cfg_attr(test, schemars(with = "Option<super::route::RouteMembers>"))]
    route: Option<RouteStep>,
    /// Waits until Flagger is not in the middle of an analysis, and lets the step after it through without a new one.
    flagger: Option<FlaggerStep>,
    /// Writes a file, checks it, and applies it; a failed check restores the old content.
    file: Option<FileStep>,
    /// Runs a program, without a shell.
    command: Option<CommandStep>,
    /// Asks an address until it answers as wanted.
    http: Option<HttpStep>,
    /// Asks Prometheus until the answer is as wanted.
    #[cfg_attr(test, schemars(with = "Option<super::format::PrometheusMembers>"))]
    prometheus: Option<PrometheusStep>,
    /// Waits for so long.
    wait: Option<TimeSpan>,
    /// What must be so before the step, and after it.
    expect: Option<Expectation>,
    /// How long the step is looked at until it is done; `http`, `prometheus` and `scale` have a limit of their own.
    within: Option<TimeSpan>,
    /// How long the step must have been done before the next one is taken.
    hold: Option<TimeSpan>,
    /// What must be so at the end of `hold`, and of each rung.
    #[cfg_attr(test, schemars(with = "Option<super::format::GateMembers>"))]
    gate: Option<StepGate>,
    /// What happens where the step fails.
    #[serde(default)]
    on_failure: OnFailure,
}

/// One step of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunbookStep {
    /// What it does, in words for people.
    pub name: ShortLine,
    /// What it does.
    pub action: StepAction,
    /// What must be so before it, and after it.
    pub expect: Option<Expectation>,
    /// How long it is looked at until it is done.
    pub within: Option<TimeSpan>,
    /// How long it must have been done before the next one is taken.
    pub hold: Option<TimeSpan>,
    /// What must be so at the end of `hold`.
    pub gate: Option<StepGate>,
    /// What happens where it fails.
    pub on_failure: OnFailure,
}

/// Fields that a step changes, by their paths, with their new values; a field that is removed has none.
pub type ChangedFields<'a> = Vec<(&'a str, Option<&'a Value>)>;

/// What a step does.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum StepAction {
    /// Puts workloads back to an earlier revision.
    Undo(UndoStep),
    /// Sets how many pods workloads have.
    Scale(ScaleStep),
    /// Replaces one field of an object as a whole.
    Replace(ReplaceStep),
    /// Changes an object by a JSON patch.
    Patch(PatchStep),
    /// Moves traffic by weights, or mirrors it.
    Route(RouteStep),
    /// Waits until Flagger is not in the middle of an analysis.
    Flagger(FlaggerStep),
    /// Writes a file, checks it, and applies it.
    File(FileStep),
    /// Runs a program.
    Command(CommandStep),
    /// Asks an address.
    Http(HttpStep),
    /// Asks Prometheus.
    Prometheus(PrometheusStep),
    /// Waits.
    Wait(TimeSpan),
}

impl StepAction {
    /// Returns the name of its kind, as the file has it.
    pub fn kind(&self) -> &'static str {
        self.into()
    }
}

impl<'de> Deserialize<'de> for RunbookStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping(deserializer, Self::of)
    }
}

impl RunbookStep {
    fn of(members: StepMembers) -> Result<Self, String> {
        let all = [
            members.undo.map(StepAction::Undo),
            members.scale.map(StepAction::Scale),
            members.replace.map(StepAction::Replace),
            members.patch.map(StepAction::Patch),
            members.route.map(StepAction::Route),
            members.flagger.map(StepAction::Flagger),
            members.file.map(StepAction::File),
            members.command.map(StepAction::Command),
            members.http.map(StepAction::Http),
            members.prometheus.map(StepAction::Prometheus),
            members.wait.map(StepAction::Wait),
        ];
        let mut all = all.into_iter().flatten();
        let name = members.name;
        let action = match (all.next(), all.next()) {
            (Some(action), None) => action,
            (None, _) => {
                return Err(format!(
                    "step \"{name}\" does nothing; give it one of undo, scale, replace, patch, route, flagger, file, \
                     command, http, prometheus and wait"
                ));
            }
            (Some(one), Some(other)) => {
                return Err(format!(
                    "step \"{name}\" does two things, {} and {}; make two steps of it",
                    one.kind(),
                    other.kind()
                ));
            }
        };
        let step = Self {
            name,
            action,
            expect: members.expect,
            within: members.within,
            hold: members.hold,
            gate: members.gate,
            on_failure: members.on_failure,
        };
        match step.misplaced() {
            Some(why) => Err(format!("step \"{}\": {why}", step.name)),
            None => Ok(step),
        }
    }

    /// Says which member does not go with what the step does.
    fn misplaced(&self) -> Option<&'static str> {
        let limits_itself = match &self.action {
            StepAction::Http(_) | StepAction::Prometheus(_) => Some("write within inside of it"),
            StepAction::Scale(_) => Some("scale has ready instead of within"),
            StepAction::Wait(_) => Some("a pause has no within"),
            StepAction::Undo(_)
            | StepAction::Replace(_)
            | StepAction::Patch(_)
            | StepAction::Route(_)
            | StepAction::Flagger(_)
            | StepAction::File(_)
            | StepAction::Command(_) => None,
        };
        let service = self
            .fields()
            .is_some_and(|(target, _)| target.kind == ObjectKind::Service);
        if self.expect.is_some() && !service {
            return Some("only a step that changes a Service can expect endpoints");
        }
        if self.gate.is_some() && self.hold.is_none() {
            return Some("a gate is looked at at the end of hold; write hold, too");
        }
        let is_ladder = matches!(
            &self.action,
            StepAction::Route(RouteStep { traffic: TrafficChange::Weights { rungs, .. }, .. }) if rungs.len() > 1
        );
        if is_ladder && self.hold.is_none() {
            return Some("a rung that is not held judges nothing; write hold, too");
        }
        limits_itself.filter(|_| self.within.is_some())
    }

    /// Returns the object whose fields it changes by their paths, and these. Nothing where it changes no field by its path.
    pub fn fields(&self) -> Option<(&ObjectTarget, ChangedFields<'_>)> {
        match &self.action {
            StepAction::Replace(step) => {
                let field = (step.field.as_str(), Some(&step.value));
                Some((&step.target, vec![field]))
            }
            StepAction::Patch(step) => {
                let changing = step.operations.iter().filter(|one| one.changes());
                let fields = changing.map(|one| (one.path(), one.value()));
                Some((&step.target, fields.collect()))
            }
            StepAction::Undo(_)
            | StepAction::Scale(_)
            | StepAction::Route(_)
            | StepAction::Flagger(_)
            | StepAction::File(_)
            | StepAction::Command(_)
            | StepAction::Http(_)
            | StepAction::Prometheus(_)
            | StepAction::Wait(_) => None,
        }
    }

    /// Tells whether it decides where requests go.
    pub(super) fn moves_traffic(&self) -> bool {
        let carries = |kind: &ObjectKind, paths: &[&str]| {
            let fields: &[&str] = match kind {
                ObjectKind::Service => &["/spec/selector"],
                ObjectKind::HttpRoute => &["/spec/rules"],
                ObjectKind::VirtualService => &["/spec/http", "/spec/tcp", "/spec/tls"],
                ObjectKind::Ingress => &[
                    "/spec/rules",
                    "/spec/defaultBackend",
                    "/metadata/annotations/nginx.ingress.kubernetes.io~1canary",
                ],
                ObjectKind::Deployment
                | ObjectKind::StatefulSet
                | ObjectKind::DaemonSet
                | ObjectKind::ConfigMap
                | ObjectKind::Canary
                | ObjectKind::Other { .. } => return false,
            };
            paths
                .iter()
                .any(|path| *path == "/spec" || fields.iter().any(|field| path.starts_with(field)))
        };
        if let StepAction::Route(step) = &self.action {
            return matches!(step.traffic, TrafficChange::Weights { .. });
        }
        self.fields().is_some_and(|(target, fields)| {
            let paths: Vec<&str> = fields.into_iter().map(|(path, _)| path).collect();
            carries(&target.kind, &paths)
        })
    }
}
