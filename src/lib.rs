//! Watches a service's error budget and, when a deployment burns it, puts the GitOps repository back to the last
//! good revision: safely, provably, once.

pub mod clients;
pub mod config;
pub mod journal;
pub mod policy;
pub mod slo;
