//! Which SLOs are violated, and the events that prove it.

use std::time::Duration;

use super::assessment::{Slo, Violation, ViolationState};
use super::events::Events;
use super::latency::LatencyState;
use super::measurement::RATIO_TOLERANCE;
use super::measurement::{Measurement, Objective};
use super::sustained::{self, min_points};

pub(super) fn violations(measurement: &Measurement, objective: &Objective) -> Vec<Violation> {
    let expected = objective.slices_in(objective.violation_for);
    let ratios: Option<Vec<Option<f64>>> = measurement.slices.value().map(|slices| {
        slices
            .iter()
            .map(|slice| slice.map(Events::error_ratio))
            .collect()
    });
    let total = measurement.slices.value().and_then(|slices| sum(slices));
    let by_errors = |slo: Slo, allowed_bad: f64, value: Option<f64>, threshold: f64| {
        let (state, lasting, points) = match &ratios {
            None => (ViolationState::Unknown, Duration::ZERO, 0),
            Some(ratios) => {
                let state = match sustained::sustained(
                    ratios,
                    allowed_bad + RATIO_TOLERANCE,
                    min_points(expected),
                ) {
                    Some(true) => ViolationState::Violated,
                    Some(false) => ViolationState::Ok,
                    None => ViolationState::Unknown,
                };
                let over = |ratio: &Option<f64>| {
                    ratio.is_some_and(|ratio| ratio > allowed_bad + RATIO_TOLERANCE)
                };
                (state, trailing(ratios, over, objective), present(ratios))
            }
        };
        Violation {
            slo,
            state,
            value,
            threshold,
            lasting,
            points,
            points_expected: expected,
        }
    };
    let error_ratio = total.map(Events::error_ratio);
    vec![
        by_errors(
            Slo::Availability,
            1.0 - objective.min_availability,
            error_ratio.map(|ratio| 1.0 - ratio),
            objective.min_availability,
        ),
        by_errors(
            Slo::ErrorRate,
            objective.max_error_rate,
            error_ratio,
            objective.max_error_rate,
        ),
        latency_violation(Slo::LatencyP95, measurement, objective),
        latency_violation(Slo::LatencyP99, measurement, objective),
    ]
}

/// The quantile, its threshold, and the share of events that may be slower than it.
fn latency_rule(slo: Slo, objective: &Objective) -> Option<(f64, Duration, f64)> {
    match slo {
        Slo::LatencyP95 => Some((0.95, objective.max_latency_p95, 0.05)),
        Slo::LatencyP99 => Some((0.99, objective.max_latency_p99, 0.01)),
        Slo::Availability | Slo::ErrorRate => None,
    }
}

fn latency_violation(slo: Slo, measurement: &Measurement, objective: &Objective) -> Violation {
    let expected = objective.slices_in(objective.violation_for);
    let (quantile, threshold, allowed) =
        latency_rule(slo, objective).expect("only called with the two latency SLOs");
    let threshold_seconds = threshold.as_secs_f64();
    let mut violation = Violation {
        slo,
        state: ViolationState::Unknown,
        value: None,
        threshold: threshold_seconds,
        lasting: Duration::ZERO,
        points: 0,
        points_expected: expected,
    };
    let Some(slices) = measurement.latency.value() else {
        return violation;
    };
    let states: Vec<Option<LatencyState>> = slices
        .iter()
        .map(|slice| slice.as_ref()?.judge(threshold_seconds, allowed))
        .collect();
    violation.points = present(&states);
    violation.value = slices
        .iter()
        .rev()
        .flatten()
        .next()
        .and_then(|slice| slice.quantile(quantile));
    violation.lasting = trailing(
        &states,
        |state| matches!(state, Some(LatencyState::Exceeded)),
        objective,
    );
    let newest_is_present = states.last().is_some_and(Option::is_some);
    violation.state = if !newest_is_present || violation.points < min_points(expected) {
        ViolationState::Unknown
    } else if states
        .iter()
        .flatten()
        .all(|state| *state == LatencyState::Exceeded)
    {
        ViolationState::Violated
    } else if states
        .iter()
        .flatten()
        .any(|state| *state == LatencyState::Within)
    {
        ViolationState::Ok
    } else {
        ViolationState::Uncertain
    };
    violation
}

/// Tells whether the service was calm in every one of these slices: the newest is there, so are enough of the expected
/// ones, and none is over the ratio. Nothing when too little was measured to tell; `Some(false)` when any slice is over.
pub fn is_calm(slices: &[Option<Events>], max_ratio: f64, expected: usize) -> Option<bool> {
    let is_over = |events: &Events| events.error_ratio() > max_ratio + RATIO_TOLERANCE;
    if slices.iter().flatten().any(is_over) {
        return Some(false);
    }
    let newest_is_present = slices.last().is_some_and(Option::is_some);
    (newest_is_present && present(slices) >= min_points(expected)).then_some(true)
}

/// Counts the slices that are there.
fn present<T>(slices: &[Option<T>]) -> usize {
    slices.iter().filter(|slice| slice.is_some()).count()
}

/// Returns for how long the newest slices have been over, without a break: 0 for none or one of them.
fn trailing<T>(slices: &[T], is_over: impl Fn(&T) -> bool, objective: &Objective) -> Duration {
    let run = slices
        .iter()
        .rev()
        .take_while(|slice| is_over(slice))
        .count();
    objective.slice_step() * u32::try_from(run.saturating_sub(1)).unwrap_or(u32::MAX)
}

fn sum(slices: &[Option<Events>]) -> Option<Events> {
    slices
        .iter()
        .flatten()
        .copied()
        .reduce(|left, right| left + right)
}

/// Adds up slices that do not overlap, newest first, so that no event counts twice.
pub(super) fn disjoint_events(measurement: &Measurement, objective: &Objective) -> Option<Events> {
    let slices = measurement.slices.value()?;
    let disjoint: Vec<Option<Events>> = slices
        .iter()
        .rev()
        .step_by(objective.stride())
        .copied()
        .collect();
    sum(&disjoint)
}

/// Counts provably slow events in slices that do not overlap, with the share that may be slow.
pub(super) fn slow_events(
    slo: Slo,
    measurement: &Measurement,
    objective: &Objective,
) -> (Option<Events>, f64) {
    let Some((_, threshold, allowed)) = latency_rule(slo, objective) else {
        return (None, 0.0);
    };
    let events = measurement.latency.value().and_then(|slices| {
        let disjoint: Vec<Option<Events>> = slices
            .iter()
            .rev()
            .step_by(objective.stride())
            .map(|slice| slice.as_ref()?.provably_slow(threshold.as_secs_f64()))
            .collect();
        sum(&disjoint)
    });
    (events, allowed)
}
