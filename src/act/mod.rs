//! Carries out a plan, step by step. Each step looks first whether it is already done.

mod argocd;
mod gitops;
mod proposal;

pub use argocd::{Goal, Operated, Operation, compared, healthy};
pub use gitops::{Restoration, Restored, Way, restore};
pub use proposal::{Proposed, Standing, is_gone, propose, stands, withdraw};
