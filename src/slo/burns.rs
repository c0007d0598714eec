//! What shows that the budget is being burnt now.

use super::Level;
use super::assessment::{BudgetReport, Burn, Cause, Sli, Slo, Spread, Violation, ViolationState};
use super::burn;
use super::events::Events;
use super::latency::Histogram;
use super::measurement::{Measurement, Objective};
use super::outage::{LOST_SHARE, ServiceOutage};
use super::reading::Reading;
use super::violations::{disjoint_events, latency_rule, slow_events, spread};

/// Burn rate that is enough at emergency level, for the 1 h and 5 m windows (unitless): the budget is nearly gone, so
/// the slower page factor of the Google SRE workbook is used on the faster windows. Source: DESIGN, section 3.5.
const EMERGENCY_FACTOR: f64 = 6.0;

pub(super) fn burns(
    measurement: &Measurement,
    objective: &Objective,
    stride: usize,
    budget: &BudgetReport,
    violations: &[Violation],
    outage: Option<&ServiceOutage>,
) -> (Vec<Burn>, Option<bool>) {
    let ratio = |window: &Reading<Events>| window.value().map(|events| events.error_ratio());
    let pair = |long: &Reading<Events>, short: &Reading<Events>, factor: f64| {
        burn::multiwindow_fires(ratio(long), ratio(short), factor, objective.budget)
    };
    let mut burns = Vec::new();
    let mut unknown = false;
    let expected = objective.slices_in(objective.violation_for);
    let mut consider =
        |fires: Option<bool>, cause: Cause, events: Option<Events>, ratio: f64| match fires {
            Some(true) => {
                let sli = sli(cause, objective);
                let spread = match sli {
                    Sli::Errors => {
                        let all = |events: &Events| Some(*events);
                        spread(&measurement.slices, expected, stride, ratio, all)
                    }
                    Sli::SlowerThan { seconds, .. } => {
                        let slow = |histogram: &Histogram| histogram.provably_slow(seconds);
                        spread(&measurement.latency, expected, stride, ratio, slow)
                    }
                    Sli::Lost { .. } => Spread { over: 0, of: 0 },
                };
                burns.push(Burn {
                    cause,
                    sli,
                    events,
                    ratio,
                    spread,
                });
            }
            Some(false) => {}
            None => unknown = true,
        };
    let share = |factor: f64| factor * objective.budget.ratio();
    consider(
        pair(&measurement.h1, &measurement.m5, objective.burn_rate_fast),
        Cause::FastBurn,
        measurement.m5.value().copied(),
        share(objective.burn_rate_fast),
    );
    consider(
        pair(&measurement.h6, &measurement.m30, objective.burn_rate_slow),
        Cause::SlowBurn,
        measurement.m30.value().copied(),
        share(objective.burn_rate_slow),
    );
    if budget.acting_level == Some(Level::Emergency) {
        consider(
            pair(&measurement.h1, &measurement.m5, EMERGENCY_FACTOR),
            Cause::EmergencyBurn,
            measurement.m5.value().copied(),
            share(EMERGENCY_FACTOR),
        );
    }
    let latency_is_absent = match &measurement.latency {
        Reading::Measured(_) | Reading::NoTraffic | Reading::NoSeries | Reading::Gone { .. } => {
            true
        }
        Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. } => false,
    };
    // What an outage shows is no ratio of the few events that were counted.
    let of_slices = |violation: &&Violation| violation.detail.is_none();
    for violation in violations.iter().filter(of_slices) {
        let (events, allowed) = match violation.slo {
            Slo::Availability => (
                disjoint_events(measurement, objective, stride),
                1.0 - objective.min_availability,
            ),
            Slo::ErrorRate => (
                disjoint_events(measurement, objective, stride),
                objective.max_error_rate,
            ),
            Slo::LatencyP95 | Slo::LatencyP99 => {
                slow_events(violation.slo, measurement, objective, stride)
            }
        };
        let fires = match violation.state {
            ViolationState::Violated => Some(true),
            ViolationState::Ok | ViolationState::Uncertain => Some(false),
            // A service without a latency histogram, or with one that is idle, is judged by its errors alone.
            ViolationState::Unknown => match violation.slo {
                Slo::Availability | Slo::ErrorRate => None,
                Slo::LatencyP95 | Slo::LatencyP99 => latency_is_absent.then_some(false),
            },
        };
        consider(fires, Cause::Violation(violation.slo), events, allowed);
    }
    if !measurement.is_fresh() {
        // Old samples speak of the past: nothing is known of now.
        burns.clear();
        unknown = true;
    }
    if let Some(ServiceOutage { fall, .. }) = outage {
        burns.push(Burn {
            cause: Cause::Outage,
            sli: Sli::Lost { usual: fall.usual },
            events: Some(fall.lost),
            ratio: LOST_SHARE,
            // It lies over the whole of the time, or it would not be one.
            spread: Spread { over: 1, of: 1 },
        });
    }
    let burning = if !burns.is_empty() {
        Some(true)
    } else if unknown {
        None
    } else {
        Some(false)
    };
    (burns, burning)
}

/// Returns what counts as bad for a cause.
fn sli(cause: Cause, objective: &Objective) -> Sli {
    match cause {
        Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn | Cause::Outage => Sli::Errors,
        Cause::Violation(slo) => latency_rule(slo, objective).map_or(Sli::Errors, |rule| {
            let (_, threshold, _) = rule;
            Sli::SlowerThan {
                slo,
                seconds: threshold.as_secs_f64(),
            }
        }),
    }
}
