//! The steps of a runbook in plain words: what each does, what it waits for, and how it is undone.

use std::fmt::Write;

use serde::Serialize;

use super::format::{
    CommandStep, FileStep, OnFailure, PatchOperation, PatchStep, PrometheusStep, ReplaceStep,
    ScaleStep, UndoStep,
};
use super::route::{RouteKind, RouteStep, TrafficChange};
use super::step::{Runbook, RunbookStep, StepAction};
use super::words::{ObjectName, Replicas, StepText, TimeSpan, UndoTo, VariableName, WorkloadName};

/// Version of the layout.
const SCHEMA_VERSION: u32 = 1;

/// Longest value that is shown (characters).
const LONGEST: usize = 300;

/// A runbook as `runbook show` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunbookShown {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// The file.
    pub file: String,
    /// The name of the runbook.
    pub runbook: String,
    /// What a rollback does, in this order.
    pub rollback: Vec<StepShown>,
    /// How the service comes back, in this order.
    #[serde(rename = "return")]
    pub forward: Vec<StepShown>,
}

/// A step in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepShown {
    /// Its place in the list, from 1.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// The name of its kind.
    pub kind: &'static str,
    /// What it does.
    pub does: String,
    /// What must be so before it; nothing where nothing must.
    pub needs: Option<String>,
    /// When it is done.
    pub done_when: String,
    /// What is waited for after it; nothing where the next step follows at once.
    pub then: Option<String>,
    /// How it is undone.
    pub undone_by: String,
    /// What happens where it fails.
    pub on_failure: &'static str,
}

impl RunbookShown {
    /// Has every text that comes from the file go through a function, as one that takes secrets out.
    pub fn told_by(mut self, tell: impl Fn(&str) -> String) -> Self {
        let steps = self.rollback.iter_mut().chain(&mut self.forward);
        for step in steps {
            for text in [
                &mut step.name,
                &mut step.does,
                &mut step.done_when,
                &mut step.undone_by,
            ] {
                *text = tell(text);
            }
        }
        self.runbook = tell(&self.runbook);
        self
    }
}

/// Returns a runbook in plain words. `namespace` is where objects are that have no namespace of their own.
pub fn shown(runbook: &Runbook, file: &str, service: &str, namespace: &str) -> RunbookShown {
    let list = |steps: &[RunbookStep]| {
        let steps = steps.iter().enumerate();
        steps
            .map(|(place, step)| step_shown(place + 1, step, namespace))
            .collect()
    };
    RunbookShown {
        schema: SCHEMA_VERSION,
        service: service.to_owned(),
        namespace: namespace.to_owned(),
        file: file.to_owned(),
        runbook: runbook.name.to_string(),
        rollback: list(&runbook.rollback),
        forward: list(&runbook.forward),
    }
}

/// Writes a runbook for people.
pub fn text(shown: &RunbookShown) -> String {
    let mut text = format!(
        "runbook  {}  ({}, for {}/{})\n",
        shown.runbook, shown.file, shown.namespace, shown.service
    );
    let lists = [("rollback", &shown.rollback), ("return", &shown.forward)];
    for (title, steps) in lists {
        if steps.is_empty() {
            let _ = writeln!(text, "\n{title}: no steps");
            continue;
        }
        let _ = writeln!(text, "\n{title}");
        for step in steps {
            let _ = writeln!(text, "{:>3}. {}", step.number, step.name);
            let lines = [
                ("does", Some(step.does.as_str())),
                ("needs", step.needs.as_deref()),
                ("done", Some(step.done_when.as_str())),
                ("then", step.then.as_deref()),
                ("undone", Some(step.undone_by.as_str())),
                ("fails", Some(step.on_failure)),
            ];
            for (label, line) in lines {
                if let Some(line) = line {
                    let _ = writeln!(text, "     {label:<7} {line}");
                }
            }
        }
    }
    text
}

fn step_shown(number: usize, step: &RunbookStep, namespace: &str) -> StepShown {
    let (does, done_when, undone_by) = match &step.action {
        StepAction::Undo(undo) => undo_shown(undo, namespace),
        StepAction::Scale(scale) => scale_shown(scale, namespace),
        StepAction::Replace(replace) => replace_shown(replace, namespace),
        StepAction::Patch(patch) => patch_shown(patch, namespace),
        StepAction::Route(route) => route_shown(route, namespace),
        StepAction::Flagger(flagger) => (
            format!(
                "leaves Canary {} to Flagger while it analyses a release; once that is promoted, lets the next step \
                 through without a new analysis",
                placed(
                    flagger.canary.as_str(),
                    flagger.namespace.as_ref(),
                    namespace
                )
            ),
            "the Canary is in no analysis".to_owned(),
            "the analysis is switched on again after the next step".to_owned(),
        ),
        StepAction::File(file) => file_shown(file),
        StepAction::Command(command) => command_shown(command),
        StepAction::Http(http) => (
            format!("asks {} by GET", http.url),
            format!("it answers with {}{}", http.status, asked(http.within)),
            READS_ONLY.to_owned(),
        ),
        StepAction::Prometheus(question) => prometheus_shown(question),
        StepAction::Wait(span) => (
            format!("waits for {span}"),
            "the time is over".to_owned(),
            READS_ONLY.to_owned(),
        ),
    };
    let done_when = match step.within {
        Some(within) => format!("{done_when}, within {within}"),
        None => done_when,
    };
    StepShown {
        number,
        name: step.name.to_string(),
        kind: step.action.kind(),
        does,
        needs: step.expect.as_ref().map(|expected| {
            format!(
                "{} with the Service's port, before it and after it",
                count(expected.endpoints as usize, "ready pod")
            )
        }),
        done_when,
        then: then(step),
        undone_by,
        on_failure: match step.on_failure {
            OnFailure::Stop => "stop, and tell a person what was done and what not",
            OnFailure::Undo => "undo what was done, the last step first, and tell a person",
        },
    }
}

/// How what only asks is undone.
const READS_ONLY: &str = "nothing to undo: it changes nothing";

fn then(step: &RunbookStep) -> Option<String> {
    let hold = step.hold?;
    let is_ladder = matches!(
        &step.action,
        StepAction::Route(RouteStep { traffic: TrafficChange::Weights { rungs, .. }, .. }) if rungs.len() > 1
    );
    let each = match is_ladder {
        true => "each rung holds",
        false => "holds",
    };
    Some(match &step.gate {
        Some(gate) => {
            let by = match &gate.queries {
                Some(_) => "by the gate's own queries",
                None => "by the service's SLO",
            };
            format!(
                "{each} for {hold}, and until {} on the new side are not worse than on the stable one, {by}",
                count(gate.min_events as usize, "event")
            )
        }
        None => format!("{each} for {hold}"),
    })
}

fn undo_shown(step: &UndoStep, namespace: &str) -> (String, String, String) {
    let to = match step.to {
        UndoTo::Healthy => "to the newest revision that was healthy while it was live".to_owned(),
        UndoTo::Previous => "to the newest revision with other containers".to_owned(),
        UndoTo::Revision(revision) => format!("to revision {revision}"),
    };
    (
        format!(
            "puts {} back {to}",
            workloads(&step.workloads, step.namespace.as_ref(), namespace)
        ),
        "the template is that of the revision, and all pods are of it and ready".to_owned(),
        "the revision that was live before".to_owned(),
    )
}

fn scale_shown(step: &ScaleStep, namespace: &str) -> (String, String, String) {
    let names = workloads(&step.workloads, step.namespace.as_ref(), namespace);
    let within = step
        .ready
        .map_or_else(String::new, |ready| format!(", within {ready}"));
    let (does, done) = match step.replicas {
        Replicas::Count(0) => (
            format!("takes all pods of {names} away"),
            "no pod of them is left".to_owned(),
        ),
        Replicas::Count(replicas) => (
            format!("gives {names} {} each", count(replicas as usize, "pod")),
            "so many are ready".to_owned(),
        ),
        Replicas::Previous => (
            format!("gives {names} as many pods as each had before"),
            "so many are ready".to_owned(),
        ),
    };
    (
        does,
        format!("{done}{within}"),
        "the number of pods that was read before".to_owned(),
    )
}

fn replace_shown(step: &ReplaceStep, namespace: &str) -> (String, String, String) {
    (
        format!(
            "replaces {} of {} {} as a whole with {}",
            step.field,
            step.target.kind.name(),
            at(
                &step.target.name,
                step.target.namespace.as_deref(),
                namespace
            ),
            cut(&step.value.to_string())
        ),
        "the field has the value when it is read again".to_owned(),
        "the value that was read before".to_owned(),
    )
}

fn patch_shown(step: &PatchStep, namespace: &str) -> (String, String, String) {
    let operations: Vec<String> = step
        .operations
        .iter()
        .map(|one| {
            let value = one.value().map(ToString::to_string).unwrap_or_default();
            let value = cut(&value);
            let path = one.path();
            match one {
                PatchOperation::Test { .. } => format!("if {path} is {value}"),
                PatchOperation::Add { .. } => format!("add {path} {value}"),
                PatchOperation::Replace { .. } => format!("replace {path} with {value}"),
                PatchOperation::Remove { .. } => format!("remove {path}"),
            }
        })
        .collect();
    (
        format!(
            "changes {} {}, all or nothing: {}",
            step.target.kind.name(),
            at(
                &step.target.name,
                step.target.namespace.as_deref(),
                namespace
            ),
            operations.join("; ")
        ),
        "the fields have the values when they are read again".to_owned(),
        "the values that were read before".to_owned(),
    )
}

fn route_shown(step: &RouteStep, namespace: &str) -> (String, String, String) {
    let name = placed(&step.name, step.namespace.as_ref(), namespace);
    let kind = match step.kind {
        RouteKind::Ingress => "canary Ingress".to_owned(),
        RouteKind::HttpRoute | RouteKind::VirtualService | RouteKind::TraefikService => {
            step.kind.to_string()
        }
    };
    let (does, mut done) = match &step.traffic {
        TrafficChange::Weights { to, stable, rungs } => {
            let rungs: Vec<String> = rungs.iter().map(|rung| format!("{} %", rung.0)).collect();
            let share = match &rungs[..] {
                [one] => one.clone(),
                _ => format!("{} (one after the other)", rungs.join(", ")),
            };
            (
                format!(
                    "has {kind} {name} send {share} of the requests to {to}, the rest to {stable}"
                ),
                "the weights are those when they are read again".to_owned(),
            )
        }
        TrafficChange::Mirror { to, percent } if percent.0 == 0 => (
            format!("has {kind} {name} mirror nothing to {to} any more"),
            "the mirror is gone when it is read again".to_owned(),
        ),
        TrafficChange::Mirror { to, percent } => (
            format!(
                "has {kind} {name} mirror {} % of the requests to {to}, whose answers nobody reads",
                percent.0
            ),
            "the mirror is there when it is read again".to_owned(),
        ),
    };
    if let Some(requests) = &step.requests {
        let _ = write!(done, ", and {} is above 0", cut(requests.as_str()));
    }
    let undone = match &step.traffic {
        TrafficChange::Weights { .. } => "the weights that were read before",
        TrafficChange::Mirror { .. } => "the mirror that was read before, or none",
    };
    (does, done, undone.to_owned())
}

fn file_shown(step: &FileStep) -> (String, String, String) {
    let mut does = format!(
        "writes {} into {}",
        count(step.content.lines().count(), "line"),
        step.path
    );
    let mut done = "the file has the content".to_owned();
    if let Some(check) = &step.check {
        let _ = write!(
            does,
            ", has `{}` check it, which puts the old content back where it fails",
            spoken(check)
        );
    }
    if let Some(apply) = &step.apply {
        let _ = write!(does, ", then runs `{}`", spoken(apply));
        done.push_str(", and the program ended with 0");
    }
    (does, done, "the content that was read before".to_owned())
}

fn command_shown(step: &CommandStep) -> (String, String, String) {
    let limit = step
        .timeout
        .map_or_else(|| "60 s".to_owned(), |timeout| timeout.to_string());
    let with = match &step.environment[..] {
        [] => "no variables".to_owned(),
        names => {
            let names: Vec<&str> = names.iter().map(VariableName::as_str).collect();
            names.join(", ")
        }
    };
    (
        format!(
            "runs `{}` without a shell, with {with} of the environment, for {limit} at most",
            spoken(&step.argv)
        ),
        match &step.probe {
            Some(probe) => format!("`{}` ends with 0 (1 is not done, any other unknown)", spoken(probe)),
            None => {
                "it ended with 0; without a probe it is run once at most, and after any doubt a person is asked".to_owned()
            }
        },
        match &step.undo {
            Some(undo) => format!("`{}`", spoken(undo)),
            None => "nobody: it has no undo".to_owned(),
        },
    )
}

fn prometheus_shown(step: &PrometheusStep) -> (String, String, String) {
    let wanted = match (step.above, step.below) {
        (Some(above), Some(below)) => format!("between {above} and {below}"),
        (Some(above), None) => format!("above {above}"),
        (None, Some(below)) => format!("below {below}"),
        (None, None) => "there".to_owned(),
    };
    (
        format!("asks Prometheus for {}", cut(step.query.as_str())),
        format!("the answer is {wanted}{}", asked(step.within)),
        READS_ONLY.to_owned(),
    )
}

fn asked(within: Option<TimeSpan>) -> String {
    match within {
        Some(within) => format!(", asked again for {within}"),
        None => ", asked once".to_owned(),
    }
}

fn workloads(all: &[WorkloadName], own: Option<&ObjectName>, namespace: &str) -> String {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let namespace = own.map_or(namespace, ObjectName::as_str);
    format!("{} in {namespace}", names.join(", "))
}

fn placed(name: &str, own: Option<&ObjectName>, namespace: &str) -> String {
    at(name, own.map(ObjectName::as_str), namespace)
}

fn at(name: &str, own: Option<&str>, namespace: &str) -> String {
    format!("{}/{name}", own.unwrap_or(namespace))
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Writes a program and its arguments as they would be typed.
fn spoken(argv: &[StepText]) -> String {
    let words = argv.iter().map(|word| {
        let word = word.as_str();
        match word.chars().any(|c| c.is_whitespace() || c == '"') {
            true => format!("{word:?}"),
            false => word.to_owned(),
        }
    });
    cut(&words.collect::<Vec<String>>().join(" "))
}

fn cut(text: &str) -> String {
    match text.chars().count() > LONGEST {
        true => format!("{}…", text.chars().take(LONGEST).collect::<String>()),
        false => text.to_owned(),
    }
}
