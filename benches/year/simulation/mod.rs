//! Years of services whose truth is known: traffic, errors, deployments, incidents; judged by the core as it is
//! shipped.

mod branch;
mod contract;
mod counts;
mod random;
mod schedule;
mod service;
mod tally;

pub(crate) use service::{Subject, simulate};
pub(crate) use tally::Tally;
