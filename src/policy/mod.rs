//! Verdict, history and guards in; a decision out: pure values and functions.
//!
//! In reading order: what is given (`settings`, `timeline`, `history`), the nine `gates` with the switch at
//! their end, the `target` they agree on, and `decide`, which puts them in order. Nothing here reads a clock, a
//! socket, a file or the environment.

mod blackout;
mod decide;
#[cfg(test)]
mod fixture;
mod gates;
mod history;
mod plan;
mod reason;
mod settings;
mod target;
mod timeline;

pub use blackout::{ActiveBlackout, BlackoutError, BlackoutWindows};
pub use decide::{Inputs, decide, decide_manual, needs_branch};
pub use gates::limits;
pub use history::{History, PastOutcome, PastRollback};
pub use plan::{Action, Attribution, Blame, Decision, Gate, GateName, GateState, Plan};
pub use reason::Reason;
pub use settings::Settings;
pub use target::Wanted;
pub(crate) use target::short;
pub use timeline::{BranchReading, Change, End, RollbackMark, Timeline};
