//! The objective of a service.

/// The share of events that may be bad within the SLO window: 1 − objective (ratio, above 0 and below 1).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct ErrorBudget(f64);

impl ErrorBudget {
    /// Returns the budget for a ratio, or nothing when the ratio is not strictly between 0 and 1.
    pub fn new(ratio: f64) -> Option<Self> {
        (ratio > 0.0 && ratio < 1.0).then_some(Self(ratio))
    }

    /// Returns the allowed error ratio (0..1).
    pub fn ratio(self) -> f64 {
        self.0
    }
}
