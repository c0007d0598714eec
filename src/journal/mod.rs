//! What the program remembers between runs, in one file.
//!
//! Files on disk, all written by this module only: `STATE_FILE` (the state), `STATE_FILE.prev` (the generation before),
//! `STATE_FILE.lock` (held for a run), and for moments a temporary file beside them.

mod news;
mod probe;
mod record;
mod store;
mod transition;

pub use news::{LimitsLeft, News, NewsGate, NewsKind, NewsRollback, NewsStep, Standing};
pub use probe::{FolderState, LockState, probe_folder, probe_lock, state_folder};
pub use record::{
    Entry, Errand, Order, Origin, Proposal, Rollback, ServiceState, State, Step, StepName,
    StepState,
};
pub use store::{Journal, JournalError, read};
pub use transition::{Event, IllegalEvent, Phase, next};
