//! The times at which nothing is rolled back automatically.

use std::str::FromStr;

/// The configured blackout windows; empty when none are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlackoutWindows;

/// A blackout window that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlackoutError(pub String);

impl FromStr for BlackoutWindows {
    type Err = BlackoutError;

    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        Ok(Self)
    }
}
