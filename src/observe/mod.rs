//! Reads everything that a decision needs, and judges none of it.

mod branch;
mod metrics;
mod parts;
mod queries;

pub use branch::{branch, timeline};
pub use metrics::{Metrics, Observation};
pub use queries::Queries;
