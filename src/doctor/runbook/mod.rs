//! What of a runbook would fail, or would do something else than it says: first the file, then what the API server says
//! of its objects. Nothing is changed.

mod asking;
mod changes;
mod endpoints;
mod keda;
mod mirrors;
mod owners;
mod report;
mod revisions;
mod rights;
mod routes;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use rights::roles;

pub use report::{RunbookDiagnosis, StepFinding, runbook_diagnosis};

use self::asking::{ClusterLook, StepPlace};
use self::report::NOT_ASKED;
use self::steps::asks_the_cluster;
use super::finding::{Finding, FindingState};
use crate::clients::kubernetes::Cluster;
use crate::config::RunbookConfig;
use crate::record::Heading;
use crate::redact::Scanner;
use crate::runbook::{self, Replicas, Runbook, StepAction, StepList, TrapFound};

const FILE: &str = "file";
const TRAP: &str = "trap";
const CLUSTER: &str = "cluster";

/// Looks at the file and at the objects that it names.
pub(crate) fn check(
    config: &RunbookConfig,
    heading: &Heading,
    secrets: &Scanner,
) -> RunbookDiagnosis {
    let runbook = &config.runbook;
    let mut findings = in_the_file(runbook);
    findings.extend(in_the_cluster(config, &heading.namespace, secrets));
    findings.extend(not_asked(runbook));
    for StepFinding { name, finding, .. } in &mut findings {
        *name = name.as_deref().map(|name| secrets.redact(name));
        finding.tried = secrets.redact(&finding.tried);
        // What a dry run changes was looked at value by value.
        if finding.state != FindingState::Ok {
            finding.found = secrets.redact(&finding.found);
        }
    }
    RunbookDiagnosis::new(config, heading, findings, secrets)
}

/// Names the steps of which only the file was looked at, with what would show whether they work.
fn not_asked(runbook: &Runbook) -> Vec<StepFinding> {
    let lists = [
        (StepList::Rollback, &runbook.rollback),
        (StepList::Return, &runbook.forward),
    ];
    let steps = lists.into_iter().flat_map(|(list, steps)| {
        let numbered = (1..).zip(steps);
        numbered.map(move |(number, step)| (list, number, step))
    });
    let left = steps.filter_map(|(list, number, step)| {
        let what = match &step.action {
            StepAction::File(_) => "its path, and the programs that check and apply it",
            StepAction::Command(_) => "its programs and their environment",
            StepAction::Http(_) => "whether the address answers",
            StepAction::Prometheus(_) => "whether the query gives a value",
            StepAction::Scale(scale) if scale.replicas == Replicas::Previous => {
                "the number, which is read when it is taken away"
            }
            StepAction::Undo(_)
            | StepAction::Scale(_)
            | StepAction::Replace(_)
            | StepAction::Patch(_)
            | StepAction::Route(_)
            | StepAction::Flagger(_)
            | StepAction::Wait(_) => return None,
        };
        Some(StepFinding {
            list: Some(list),
            step: Some(number),
            name: Some(step.name.to_string()),
            finding: Finding::ok(
                NOT_ASKED,
                "look at the step itself",
                format!("not looked at: {what}"),
            ),
        })
    });
    left.collect()
}

/// Returns what can be known without asking anybody.
fn in_the_file(runbook: &Runbook) -> Vec<StepFinding> {
    let trapped: Vec<StepFinding> = runbook::traps(runbook)
        .into_iter()
        .map(|found| trap(runbook, &found))
        .collect();
    if !trapped.is_empty() {
        return trapped;
    }
    let steps = runbook.rollback.len() + runbook.forward.len();
    let found = match steps {
        1 => "one step, and none of the known traps in it".to_owned(),
        _ => format!("{steps} steps, and none of the known traps in them"),
    };
    vec![StepFinding::of_the_file(Finding::ok(
        FILE,
        "read the runbook",
        found,
    ))]
}

/// Returns what the API server says of the objects that the steps name; it is not asked where they name none.
fn in_the_cluster(config: &RunbookConfig, namespace: &str, secrets: &Scanner) -> Vec<StepFinding> {
    let runbook = &config.runbook;
    let lists = [
        (StepList::Rollback, &runbook.rollback),
        (StepList::Return, &runbook.forward),
    ];
    let places: Vec<StepPlace<'_>> = lists
        .into_iter()
        .flat_map(|(list, steps)| {
            (0..steps.len()).map(move |place| StepPlace { list, place, steps })
        })
        .filter(|at| asks_the_cluster(&at.steps[at.place]))
        .collect();
    if places.is_empty() {
        return Vec::new();
    }
    let cluster = match Cluster::connect(&config.cluster) {
        Ok(cluster) => cluster,
        Err(error) => {
            return vec![StepFinding::of_the_file(Finding::failed(
                CLUSTER,
                "reach the API server",
                &error.fault.to_string(),
                "set KUBECONFIG, or run it in the cluster",
            ))];
        }
    };
    let mut look = ClusterLook::new(cluster, namespace, secrets);
    for place in places {
        look.step(place);
    }
    look.into_findings()
}

fn trap(runbook: &Runbook, found: &TrapFound) -> StepFinding {
    let steps = match found.list {
        StepList::Rollback => &runbook.rollback,
        StepList::Return => &runbook.forward,
    };
    let name = steps
        .get(found.step - 1)
        .map_or_else(String::new, |step| step.name.to_string());
    StepFinding {
        list: Some(found.list),
        step: Some(found.step),
        name: Some(name),
        finding: Finding::problem(
            TRAP,
            found.what.clone(),
            found.trap.happens(),
            found.trap.instead(),
        ),
    }
}

impl RunbookDiagnosis {
    /// Says what would fail, where something would.
    pub fn complaint(&self) -> Option<String> {
        let problems = self.findings.iter();
        let problems = problems.filter(|found| found.finding.state == FindingState::Problem);
        let mut steps: Vec<String> = problems.map(StepFinding::place).collect();
        steps.dedup();
        (!steps.is_empty()).then(|| {
            format!(
                "the runbook would fail today, or do something else than it says: {}",
                steps.join(", ")
            )
        })
    }
}
