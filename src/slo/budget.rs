//! How much of the error budget is gone.
//!
//! Consumption looks back over the whole SLO window. It is sticky (one long outage stays in it for a month), so it
//! says how careful to be, never what to undo. All its inputs are event counts.

use std::time::Duration;

use super::{ErrorBudget, Events, Level};

/// How far below a threshold consumption may lie and still count as reaching it (ratio). It absorbs float noise such as
/// `1 - 0.999 = 0.00099999999999994` in generated rules and is far below anything a person could mean.
const LEVEL_TOLERANCE: f64 = 1e-9;

/// Returns the share of the budget spent over the SLO window: bad ÷ (budget × total) (ratio, 0..=1/budget; above 1 when
/// overspent). It equals the burn rate of the whole window.
pub fn consumption(window: Events, budget: ErrorBudget) -> f64 {
    consumption_of_part(window, window, budget)
}

/// Returns the share of the budget that one part of the SLO window spent, for example the time since a deployment:
/// bad of the part ÷ (budget × total of the whole window) (ratio). The shares of parts that do not overlap add up to
/// [`consumption`].
pub fn consumption_of_part(part: Events, window: Events, budget: ErrorBudget) -> f64 {
    part.bad() / allowed_errors(window, budget)
}

/// Returns how many events of this window may be bad: budget × total (events, not rounded; whole events are the floor).
pub fn allowed_errors(window: Events, budget: ErrorBudget) -> f64 {
    budget.ratio() * window.total()
}

/// Returns the share of the budget that is left: 1 − consumed (ratio, negative when overspent).
pub fn remaining(consumed: f64) -> f64 {
    1.0 - consumed
}

/// The consumption at which each level begins (ratios, `BUDGET_WARNING`, `BUDGET_CRITICAL`, `BUDGET_EMERGENCY`).
///
/// Invariant: finite, above 0, and `warning ≤ critical ≤ emergency`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelThresholds {
    warning: f64,
    critical: f64,
    emergency: f64,
}

impl LevelThresholds {
    /// Returns the consumption (1 = the whole budget) from which a level is reached.
    pub fn from(&self, level: Level) -> f64 {
        match level {
            Level::Ok => 0.0,
            Level::Warning => self.warning,
            Level::Critical => self.critical,
            Level::Emergency => self.emergency,
        }
    }

    /// Returns the thresholds, or nothing when one is not above 0 or not finite, or when they are out of order.
    pub fn new(warning: f64, critical: f64, emergency: f64) -> Option<Self> {
        let is_ordered = 0.0 < warning && warning <= critical && critical <= emergency;
        (is_ordered && emergency.is_finite()).then_some(Self {
            warning,
            critical,
            emergency,
        })
    }

    /// Returns where [`Level::Warning`] begins.
    pub fn warning(&self) -> f64 {
        self.warning
    }

    /// Returns where [`Level::Critical`] begins.
    pub fn critical(&self) -> f64 {
        self.critical
    }

    /// Returns where [`Level::Emergency`] begins.
    pub fn emergency(&self) -> f64 {
        self.emergency
    }
}

/// Returns the highest level whose threshold the consumption has reached (`consumed ≥ threshold − 1e-9`), or nothing
/// when the consumption is not a number: an unknown level is never [`Level::Ok`].
pub fn level(consumed: f64, thresholds: &LevelThresholds) -> Option<Level> {
    let has_reached = |threshold: f64| consumed >= threshold - LEVEL_TOLERANCE;
    if consumed.is_nan() {
        None
    } else if has_reached(thresholds.emergency) {
        Some(Level::Emergency)
    } else if has_reached(thresholds.critical) {
        Some(Level::Critical)
    } else if has_reached(thresholds.warning) {
        Some(Level::Warning)
    } else {
        Some(Level::Ok)
    }
}

/// Returns how long the rest of the budget lasts at this burn rate: (1 − consumed) × window ÷ burn rate.
///
/// Zero when the budget is spent already, whatever the burn rate. Nothing means never: the burn rate is 0 or below,
/// not a number, or so low that no [`Duration`] holds the answer. In a rolling window old errors also fall out, so
/// the answer is pessimistic while an old burst is about to leave.
pub fn time_to_exhaustion(consumed: f64, burn_rate: f64, slo_window: Duration) -> Option<Duration> {
    if consumed >= 1.0 {
        return Some(Duration::ZERO);
    }
    if burn_rate.is_nan() || burn_rate <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(remaining(consumed) * slo_window.as_secs_f64() / burn_rate).ok()
}

/// Returns the share of the SLO window for which there is data (ratio, 0..=1), or nothing when no slot was expected
/// or the count of slots is negative or not finite. "No answer" from the server is not 0 slots: pass that on as
/// unknown.
///
/// Servers that include both ends of a range answer one slot more than expected; that is still 1. Below 0.9 a level is
/// shown but proves nothing.
pub fn coverage(slots_with_data: f64, slots_expected: u32) -> Option<f64> {
    let is_known = slots_with_data.is_finite() && slots_with_data >= 0.0 && slots_expected > 0;
    is_known.then(|| (slots_with_data / f64::from(slots_expected)).min(1.0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LevelThresholds, coverage, level, time_to_exhaustion};

    #[test]
    fn refuses_thresholds_out_of_order() {
        assert!(LevelThresholds::new(0.5, 0.8, 0.95).is_some());
        assert!(LevelThresholds::new(0.5, 0.5, 0.5).is_some());
        for (warning, critical, emergency) in [
            (0.8, 0.5, 0.95),
            (0.5, 0.95, 0.8),
            (0.0, 0.5, 0.8),
            (-0.1, 0.5, 0.8),
            (f64::NAN, 0.5, 0.8),
            (0.5, f64::NAN, 0.8),
            (0.5, 0.8, f64::NAN),
            (0.5, 0.8, f64::INFINITY),
        ] {
            assert_eq!(LevelThresholds::new(warning, critical, emergency), None);
        }
    }

    #[test]
    fn gives_no_level_to_what_is_not_a_number() {
        let thresholds = LevelThresholds::new(0.5, 0.8, 0.95).expect("in order");
        assert_eq!(level(f64::NAN, &thresholds), None);
    }

    #[test]
    fn never_exhausts_when_the_time_cannot_be_told() {
        let month = Duration::from_secs(30 * 86_400);
        for burn_rate in [0.0, -1.0, f64::NAN, f64::MIN_POSITIVE] {
            assert_eq!(time_to_exhaustion(0.5, burn_rate, month), None);
        }
        assert_eq!(time_to_exhaustion(f64::NAN, 1.0, month), None);
    }

    #[test]
    fn knows_no_coverage_of_nothing() {
        assert_eq!(coverage(1.0, 0), None);
        assert_eq!(coverage(f64::NAN, 720), None);
        assert_eq!(coverage(-1.0, 720), None);
    }
}
