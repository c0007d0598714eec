//! One file for each kind of step. Each looks first whether it is already done.

mod argocd;
mod argocd_operation;
mod gitops_revert;
mod live;
mod next_move;
mod proposal;
mod pull_request;
mod restore;
mod verify;

pub use restore::{PushWay, Restoration, Restored, restore};
