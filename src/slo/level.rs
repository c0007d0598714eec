//! How much of the budget is gone, in the words of the contract.

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

/// The highest consumption threshold that has been reached.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    IntoStaticStr,
    Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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

impl Level {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
