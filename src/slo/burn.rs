//! Burn rates: how fast the budget is being spent, and the pairs of windows that judge it.
//!
//! A burn rate is an error ratio in units of the budget: 1 spends the budget exactly in the SLO window, and nothing
//! burns faster than 1 ÷ budget. A *factor* is the burn rate above which a window trips. Source of the formulas:
//! Google SRE workbook, "Alerting on SLOs".

use super::ErrorBudget;

/// Returns error ratio ÷ budget (unitless, 0..=1/budget).
pub fn burn_rate(error_ratio: f64, budget: ErrorBudget) -> f64 {
    error_ratio / budget.ratio()
}

/// Returns whether both windows of a pair burn above the factor: the long one proves that it matters, the short one
/// that it still goes on.
///
/// The ratios are error ratios (0..=1), not burn rates; the comparison is strict. Nothing is returned when either
/// ratio is absent or not finite, even if the other one is healthy: a pair with a blind window has said nothing.
pub fn multiwindow_fires(
    long: Option<f64>,
    short: Option<f64>,
    factor: f64,
    budget: ErrorBudget,
) -> Option<bool> {
    let threshold = threshold(factor, budget);
    let long = long.filter(|ratio| ratio.is_finite())?;
    let short = short.filter(|ratio| ratio.is_finite())?;
    Some(long > threshold && short > threshold)
}

/// Returns whether a full outage exceeds the factor at all: factor × budget < 1. At 14.4 a budget above 6.94 % never
/// can.
pub fn can_fire(factor: f64, budget: ErrorBudget) -> bool {
    threshold(factor, budget) < 1.0
}

/// Returns the error ratio at which a factor trips (above 1 it never does).
fn threshold(factor: f64, budget: ErrorBudget) -> f64 {
    factor * budget.ratio()
}

#[cfg(test)]
mod tests {
    use super::{ErrorBudget, multiwindow_fires};

    #[test]
    fn a_pair_with_a_blind_window_says_nothing() {
        let budget = ErrorBudget::new(0.001).expect("a budget");
        for (long, short) in [
            (None, None),
            (Some(0.5), None),
            (None, Some(0.0)),
            (Some(0.0), None),
            (Some(f64::NAN), Some(0.5)),
            (Some(0.5), Some(f64::INFINITY)),
        ] {
            assert_eq!(multiwindow_fires(long, short, 14.4, budget), None);
        }
    }

    #[test]
    fn equal_to_the_threshold_is_not_above_it() {
        let budget = ErrorBudget::new(0.25).expect("a budget");
        assert_eq!(
            multiwindow_fires(Some(0.5), Some(0.5), 2.0, budget),
            Some(false)
        );
    }
}
