//! What is logged, by the variable that Rust programs share. It is no setting of ours, so it is not part of the
//! contract's table.

use std::env;

use tracing_subscriber::filter::Targets;

/// What is logged.
#[derive(Debug, Clone, Default)]
pub struct LogConfig {
    /// `RUST_LOG`: a level, or levels by target, such as `debug` or `error_budget_monitor::clients=debug,info`; nothing
    /// where it is not set or cannot be read.
    pub filter: Option<Targets>,
}

impl LogConfig {
    /// Reads the process environment. An empty value counts as not set.
    pub fn from_env() -> Self {
        let text = env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
        Self {
            filter: text.and_then(|text| text.parse().ok()),
        }
    }
}
