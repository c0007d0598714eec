//! Traps of the order of steps.

use std::collections::BTreeSet;

use super::kinds::Trap;
use crate::runbook::step::{RunbookStep, StepAction};
use crate::runbook::words::{ObjectName, Replicas, WorkloadName};

/// A workload with its namespace, where the step writes one.
type Placed<'a> = (&'a WorkloadName, Option<&'a ObjectName>);

/// Looks at the step at a place of its list.
///
/// It is told only where nothing before it may have moved the traffic, and what it stopped is still down when a later
/// step does: which of several workloads the traffic is moved from cannot be seen in the file.
pub(super) fn look(steps: &[RunbookStep], place: usize) -> Option<(Trap, String)> {
    let (earlier, rest) = steps.split_at_checked(place)?;
    let (step, later) = rest.split_first()?;
    let mut down = match scaled(step) {
        Some((workloads, Replicas::Count(0))) => workloads,
        Some((_, Replicas::Count(_) | Replicas::Previous)) | None => return None,
    };
    if earlier.iter().any(may_have_moved) {
        return None;
    }
    for later in later {
        if later.moves_traffic() {
            let what = format!("replicas: 0 comes before \"{}\"", later.name);
            return Some((Trap::ScaledBeforeTraffic, what));
        }
        match scaled(later) {
            Some((started, Replicas::Count(1..) | Replicas::Previous)) => {
                down.retain(|workload| !started.contains(workload));
            }
            Some((_, Replicas::Count(0))) | None => {}
        }
        if down.is_empty() {
            return None;
        }
    }
    None
}

/// Tells whether it moves traffic, or writes what a proxy reads.
fn may_have_moved(step: &RunbookStep) -> bool {
    step.moves_traffic() || matches!(step.action, StepAction::File(_))
}

fn scaled(step: &RunbookStep) -> Option<(BTreeSet<Placed<'_>>, Replicas)> {
    match &step.action {
        StepAction::Scale(scale) => {
            let workloads = scale.workloads.iter();
            let placed = workloads.map(|one| (one, scale.namespace.as_ref()));
            Some((placed.collect(), scale.replicas))
        }
        StepAction::Undo(_)
        | StepAction::Replace(_)
        | StepAction::Patch(_)
        | StepAction::Route(_)
        | StepAction::Flagger(_)
        | StepAction::File(_)
        | StepAction::Command(_)
        | StepAction::Http(_)
        | StepAction::Prometheus(_)
        | StepAction::Wait(_) => None,
    }
}
