//! Traps of the order of steps.

use super::kinds::Trap;
use crate::runbook::step::RunbookStep;

/// Looks at the first of the steps, and at those that follow it.
pub(super) fn look(steps: &[RunbookStep]) -> Option<(Trap, String)> {
    let (first, later) = steps.split_first()?;
    if !first.stops_everything() {
        return None;
    }
    let moving = later.iter().find(|step| step.moves_traffic())?;
    Some((
        Trap::ScaledBeforeTraffic,
        format!("replicas: 0 comes before \"{}\"", moving.name),
    ))
}
