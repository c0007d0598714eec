//! From readings to a verdict.

use std::time::Duration;

use super::Level;
use super::assessment::{
    Assessment, BudgetReport, BurnRates, Slo, Verdict, Violation, ViolationState, Weight,
};
use super::budget;
use super::burn;
use super::burns::burns;
use super::events::Events;
use super::measurement::{MIN_COVERAGE, Measurement, Objective, RATIO_TOLERANCE};
use super::outage::{self, Pods, ServiceOutage, Silence};
use super::reading::Reading;
use super::unknowns::{believable, outweighed, unknowns};
use super::violations::violations;

/// Judges one measurement whose slices cover `slice_window` each: at least [`Objective::slice_window`], more where
/// scrapes are slow. A length that is too small here counts events of overlapping slices more than once. The same
/// measurement always gives the same assessment; more errors never give a better one.
pub fn assess_slices(
    measurement: &Measurement,
    objective: &Objective,
    slice_window: Duration,
) -> Assessment {
    assess_knowing_pods(measurement, objective, slice_window, None)
}

/// Judges one measurement like [`assess_slices`], with what is known of the service's pods. They matter where its
/// traffic fell ([`Assessment::fall`]): then nothing is asked of them where nothing is given here.
pub fn assess_knowing_pods(
    measurement: &Measurement,
    objective: &Objective,
    slice_window: Duration,
    pods: Option<&Reading<Pods>>,
) -> Assessment {
    let fall = outage::fall(measurement);
    let silence = fall
        .zip(pods)
        .map(|(fall, pods)| outage::silence(fall, pods));
    let outage = match &silence {
        Some(Silence::Outage(outage)) => Some(outage),
        Some(Silence::Unexplained { .. }) | None => None,
    };
    let stride = objective.stride(slice_window);
    let budget = budget_report(measurement, objective);
    let rate = |window: &Reading<Events>| burn_rate(measurement, objective, window);
    let burn_rates = BurnRates {
        m5: rate(&measurement.m5),
        m30: rate(&measurement.m30),
        h1: rate(&measurement.h1),
        h6: rate(&measurement.h6),
    };
    let mut violations = violations(measurement, objective, stride);
    let is_blurred = slice_window > objective.violation_for.max(objective.slice_window());
    if is_blurred {
        // A short burst lies in every one of such slices, so they cannot show that it lasts.
        for violation in &mut violations {
            violation.state = ViolationState::Unknown;
        }
    }
    if let Some(outage) = outage {
        violated_by(outage, &mut violations, objective);
    }
    let mut unknowns = unknowns(
        measurement,
        objective,
        &violations,
        is_blurred.then_some(slice_window),
        silence.as_ref(),
    );
    if !believable(measurement, objective) {
        // Nothing is well while the counts that would show otherwise cannot be believed.
        for violation in &mut violations {
            if violation.state == ViolationState::Ok {
                violation.state = ViolationState::Unknown;
            }
        }
    }
    let (burns, burning) = burns(measurement, objective, stride, &budget, &violations, outage);
    if burning == Some(true) {
        outweighed(&mut unknowns, measurement);
    }
    let verdict = match burning {
        Some(true) => Verdict::Burning,
        None => Verdict::Unknown,
        Some(false)
            if unknowns
                .iter()
                .any(|unknown| unknown.weight >= Weight::Acting) =>
        {
            Verdict::Unknown
        }
        Some(false) => match budget.consumed {
            None => Verdict::Unknown,
            Some(consumed) if consumed >= 1.0 - RATIO_TOLERANCE => Verdict::Exhausted,
            Some(_) => Verdict::Healthy,
        },
    };
    Assessment {
        budget,
        burn_rates,
        violations,
        burns,
        burning,
        verdict,
        unknowns,
        fall,
        outage: outage.cloned(),
        sample_age: measurement.freshness.value().copied(),
        clock_skew: measurement.clock_skew,
    }
}

/// Shows an outage where people look first: nobody is served, whatever was counted of those few who were.
fn violated_by(outage: &ServiceOutage, violations: &mut [Violation], objective: &Objective) {
    for violation in violations {
        if violation.slo == Slo::Availability {
            violation.state = ViolationState::Violated;
            violation.value = None;
            violation.lasting = outage.fall.over.max(objective.violation_for);
            violation.detail = Some(outage.why.clone());
        }
    }
}

fn budget_report(measurement: &Measurement, objective: &Objective) -> BudgetReport {
    let events = measurement.budget.value().copied();
    let consumed = events.map(|events| budget::consumption(events, objective.budget));
    let coverage = measurement.coverage.value().copied();
    let level = consumed.and_then(|consumed| budget::level(consumed, &objective.levels));
    let acting_level = level.map(|level| {
        if coverage.is_some_and(|coverage| coverage >= MIN_COVERAGE) {
            level
        } else {
            level.min(Level::Warning)
        }
    });
    let to_exhaustion = consumed.and_then(|consumed| {
        // A spent budget is spent at any burn rate, also at one that is not known.
        let rate = pace(measurement, objective).unwrap_or(f64::NAN);
        budget::time_to_exhaustion(consumed, rate, objective.window)
    });
    BudgetReport {
        events,
        consumed,
        remaining: consumed.map(budget::remaining),
        coverage,
        to_exhaustion,
        level,
        acting_level,
    }
}

/// Bad events that tell a burn rate: the default of `MIN_BAD_EVENTS`.
const TELLING_BAD_EVENTS: f64 = 5.0;

/// Bad events that the budget allows in a window which tells a burn rate even where hardly any is seen: where none is,
/// a burn rate of 1 is ruled out with 95 % certainty. Source: the rule of three.
const TELLING_ALLOWANCE: f64 = 3.0;

/// Returns the burn rate of the shortest window whose events are enough to tell it, else of the longest that is known;
/// nothing where none is.
fn pace(measurement: &Measurement, objective: &Objective) -> Option<f64> {
    let windows = [
        &measurement.m5,
        &measurement.m30,
        &measurement.h1,
        &measurement.h6,
    ];
    let tells = |window: &&&Reading<Events>| {
        window.value().is_some_and(|events| {
            events.bad() >= TELLING_BAD_EVENTS
                || events.total() * objective.budget.ratio() >= TELLING_ALLOWANCE
        })
    };
    let rate = |window: &&Reading<Events>| burn_rate(measurement, objective, window);
    let shortest = windows.iter().find(tells).and_then(rate);
    shortest.or_else(|| windows.iter().rev().find_map(rate))
}

/// Returns the burn rate of a window, or nothing when it is not known or the newest sample is too old: it would speak
/// of the past.
fn burn_rate(
    measurement: &Measurement,
    objective: &Objective,
    window: &Reading<Events>,
) -> Option<f64> {
    let events = window.value().filter(|_| measurement.is_fresh())?;
    Some(burn::burn_rate(events.error_ratio(), objective.budget))
}

#[cfg(test)]
mod tests;
