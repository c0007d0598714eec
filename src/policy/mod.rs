//! Verdict, history and guards in; a decision out: pure values and functions.
//!
//! In reading order: what is given (`settings`, `timeline`, `history`, `evidence`), the deployment under `suspicion`,
//! the nine `gates` with the switch at their end, the `target` they agree on, and `decide`, which puts them in order.
//! Nothing here reads a clock, a socket, a file or the environment: what a decision wants to know it says in
//! `questions`, and gets as evidence.

mod blackout;
mod decide;
mod evidence;
#[cfg(test)]
mod fixture;
mod fleet;
mod gates;
mod history;
mod lifecycle;
mod plan;
mod reason;
mod rollout;
mod settings;
mod steps;
mod suspicion;
mod target;
mod text;
mod timeline;
pub mod trailer;
mod undo;

pub use blackout::{ActiveBlackout, BlackoutError, BlackoutWindows};
pub use decide::{Inputs, decide, decide_manual, needs_branch, questions, wants_doings};
pub use evidence::{Answer, Evidence, PodEvents, Question, Span};
pub use fleet::Fleet;
pub use gates::limits;
pub use history::{History, PastRollback};
pub use lifecycle::{Event, IllegalEvent, Phase, next};
pub use plan::{Action, Attribution, Blame, Decision, Gate, GateName, GateState, Plan};
pub use reason::{HoldKind, Reason};
pub use settings::{ByItself, Settings};
pub use steps::{Order, StepKind, may_roll_back_first, order, steps};
pub(crate) use target::short;
pub use target::{Candidate, Wanted, candidates};
pub use timeline::{
    Beside, BranchReading, Change, End, Lived, Source, Suspicious, Timeline, TipSighting,
    Unsettled, Witness,
};
pub use trailer::RollbackMark;
pub use undo::{CommitDone, Doings, FileEdit, Undone};
