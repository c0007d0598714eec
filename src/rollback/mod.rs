//! The life of one rollback, from a decision to its end.
//!
//! | file | subject |
//! |---|---|
//! | `intent.rs` | who wants it and why; its first record |
//! | `preflight.rs` | whether Argo CD will do its part, before anything is begun |
//! | `begin.rs` | from a decision to the walk: held, shown, asked about, or begun |
//! | `argocd_only.rs` | the same for an application without its branch |
//! | `execution.rs` | a rollback under way; what a step comes to is written down here alone |
//! | `engine.rs` | the walk over the steps |
//! | `steps/` | one file for each kind of step |
//! | `resume.rs` | the walk again, after a run that died |
//! | `pending.rs`, `approval.rs` | what waits for a person, and what a person says |
//! | `holds.rs` | whether what was rolled back stays away |
//! | `recover.rs` | a lost memory, filled from the branch and Argo CD |
//! | `ids.rs` | how rollbacks are named |

mod approval;
mod argocd_only;
mod begin;
mod engine;
mod execution;
mod holds;
mod ids;
mod intent;
#[cfg(test)]
mod model;
mod pending;
mod preflight;
mod recover;
mod resume;
mod steps;

pub use approval::ApprovalCommand;
pub(crate) use approval::answer;
pub(crate) use argocd_only::alone;
pub(crate) use begin::carry_out;
pub(crate) use holds::watched;
pub(crate) use intent::{Judged, Request};
pub(crate) use pending::{Fate, end, fate, waits};
pub(crate) use recover::{NotWhole, not_remembering, whole};
pub(crate) use resume::resume;
pub use steps::{PushWay, Restoration, Restored, restore};
