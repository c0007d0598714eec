//! Runbooks: the file, what is wrong with it without asking anybody, and its steps in plain words. It reads text,
//! computes values, and asks nobody.
//!
//! A runbook has two lists of steps, `rollback` and `return`. [`parse`] refuses what is no runbook, with line and
//! column. What is a runbook and does not do what it seems to do is a [`Trap`]: [`traps`] finds those that can be seen
//! in the file.

mod format;
mod mapping;
mod object;
mod parse;
mod plain;
mod route;
mod schema;
mod step;
mod traps;
mod words;

#[cfg(test)]
mod tests;

pub use format::{
    CommandStep, Expectation, FileStep, FlaggerStep, HttpStep, OnFailure, PatchOperation,
    PatchStep, PrometheusStep, ReplaceStep, ScaleStep, StepGate, UndoStep,
};
pub use object::{ObjectKind, ObjectTarget};
pub use parse::{LARGEST, RunbookError, parse};
pub use plain::{RunbookShown, StepShown, shown, text};
pub use route::{Percent, RouteKind, RouteStep, TrafficChange};
pub use schema::SCHEMA;
pub use step::{ChangedFields, Runbook, RunbookStep, StepAction};
pub use traps::{StepList, Trap, TrapFound, traps};
pub use words::{
    ApiVersion, FilePath, GateQuery, JsonPointer, KindName, ObjectName, Replicas, ShortLine,
    StepText, StepUrl, TimeSpan, UndoTo, VariableName, WorkloadKind, WorkloadName,
};
