//! What is written in runbooks and does something else than it says, as far as the file shows it.

mod argv;
mod kinds;
mod kubectl;
mod nginx;
mod objects;
mod order;

pub use kinds::{StepList, Trap, TrapFound};

use super::format::{CommandStep, FileStep};
use super::step::{Runbook, RunbookStep, StepAction};
use super::words::StepText;

/// Finds the traps that can be seen in the file, in the order of its steps.
pub fn traps(runbook: &Runbook) -> Vec<TrapFound> {
    let lists = [
        (StepList::Rollback, &runbook.rollback),
        (StepList::Return, &runbook.forward),
    ];
    let mut found = Vec::new();
    for (list, steps) in lists {
        for (place, step) in steps.iter().enumerate() {
            let of_step = of_step(step).into_iter().chain(order::look(steps, place));
            found.extend(of_step.map(|(trap, what)| TrapFound {
                list,
                step: place + 1,
                trap,
                what,
            }));
        }
    }
    found
}

/// Returns the traps of one step, whatever stands around it.
fn of_step(step: &RunbookStep) -> Vec<(Trap, String)> {
    match &step.action {
        StepAction::Replace(step) => objects::replace(step),
        StepAction::Patch(step) => objects::patch(step),
        StepAction::Route(step) => objects::route(step),
        StepAction::File(FileStep {
            content,
            check,
            apply,
            ..
        }) => {
            let programs = [check, apply].into_iter().flatten();
            let programs = programs.flat_map(|argv| argv::look(&words(argv)));
            nginx::look(content).into_iter().chain(programs).collect()
        }
        StepAction::Command(CommandStep {
            argv, probe, undo, ..
        }) => [Some(argv), probe.as_ref(), undo.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|argv| argv::look(&words(argv)))
            .collect(),
        StepAction::Undo(_)
        | StepAction::Scale(_)
        | StepAction::Flagger(_)
        | StepAction::Http(_)
        | StepAction::Prometheus(_)
        | StepAction::Wait(_) => Vec::new(),
    }
}

fn words(argv: &[StepText]) -> Vec<&str> {
    argv.iter().map(StepText::as_str).collect()
}
