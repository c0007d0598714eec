//! How much of the budget is gone, in the words of the contract.

use serde::Serialize;

/// The highest consumption threshold that has been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Below every threshold.
    Ok,
    /// At or above `BUDGET_WARNING`.
    Warning,
    /// At or above `BUDGET_CRITICAL`.
    Critical,
    /// At or above `BUDGET_EMERGENCY`.
    Emergency,
}
