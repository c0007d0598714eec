//! What the program remembers between runs. A [`StateStore`] keeps it: a file, or objects in Kubernetes
//! (`crate::state`).
//!
//! Files on disk, all written by this module only: `STATE_FILE` (the state), `STATE_FILE.prev` (the generation
//! before), `STATE_FILE.lock` (held for a run), `STATE_FILE.corrupt.<time>` (what was damaged and had to be rebuilt),
//! and for moments temporary files beside them, whose names begin with a dot and hold `.new-` and a number.

mod approval;
mod backing;
mod disk;
mod error;
mod file_store;
mod holder;
mod load;
mod memory;
mod migrations;
mod named;
mod news;
mod outbox;
mod paths;
mod periods;
mod probe;
mod record;
mod step;
mod store;
mod watch;
mod words;

pub use crate::policy::{Event, IllegalEvent, Order, Phase, StepKind, next};
pub use approval::{Approval, ApprovalAnswer, Signature};
pub use backing::StateStore;
pub use error::JournalError;
pub use holder::host_name;
pub use load::{SCHEMA, Unreadable, decode_service, encode_service};
pub use memory::Memory;
pub use named::{is_meant, short_id};
pub use news::{LimitsLeft, News, NewsGate, NewsKind, NewsRollback, ServiceStanding};
pub use outbox::{Counters, LastTold, Notifications, OutboxItem, count};
pub use periods::{KeptPeriod, KeptPeriods};
pub use probe::{FolderState, LockState, probe_folder, probe_lock, state_folder};
pub use record::{
    ArgoOperation, ClosingReason, GoesBack, HistoryTarget, Proposal, RecoveredHistory, Rollback,
    SeriesSeen, ServiceState, State,
};
pub use step::{Origin, Step, StepState};
pub use store::{Journal, StateView, read};
pub use watch::{SeenTip, Watch};
pub use words::{CommitWords, MAX_DIFF, RollbackWords};

/// The time in whole seconds: what a commit can carry.
pub fn now() -> chrono::DateTime<chrono::Utc> {
    let now = chrono::Utc::now();
    chrono::DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}
