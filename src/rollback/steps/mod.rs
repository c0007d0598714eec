//! Carries out a plan, step by step. Each step looks first whether it is already done.

mod argocd;
mod gitops;
mod live;
mod proposal;

pub use argocd::{Goal, Operated, Operation};
pub use gitops::{Restoration, Restored, Way, restore};
pub use live::{Unlike, compared, healthy};
pub use proposal::{Proposed, Standing, is_gone, propose, stands, withdraw};
