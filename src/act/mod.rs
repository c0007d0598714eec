//! Carries out a plan, step by step. Each step looks first whether it is already done.

mod gitops;

pub use gitops::{Restoration, Restored, Way, restore};
