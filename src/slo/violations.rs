//! Which SLOs are violated, and the events that prove it.

use std::time::Duration;

use super::assessment::{Slo, Spread, Violation, ViolationState};
use super::events::Events;
use super::latency::LatencyState;
use super::measurement::RATIO_TOLERANCE;
use super::measurement::{Measurement, Objective};
use super::reading::Reading;
use super::sustained::{self, min_points};

/// Judges the four SLOs, in the order of the record.
pub(super) fn violations(
    measurement: &Measurement,
    objective: &Objective,
    stride: usize,
) -> Vec<Violation> {
    let ratio = disjoint_events(measurement, objective, stride).map(Events::error_ratio);
    let judged = [
        error_violation(
            Slo::Availability,
            1.0 - objective.min_availability,
            objective.min_availability,
            ratio.map(|ratio| 1.0 - ratio),
            measurement,
            objective,
        ),
        error_violation(
            Slo::ErrorRate,
            objective.max_error_rate,
            objective.max_error_rate,
            ratio,
            measurement,
            objective,
        ),
        latency_violation(Slo::LatencyP95, measurement, objective),
        latency_violation(Slo::LatencyP99, measurement, objective),
    ];
    judged
        .into_iter()
        .map(|mut violation| {
            if !measurement.is_fresh() {
                // Old samples speak of the past: the value may be shown, a state would be a guess.
                violation.state = ViolationState::Unknown;
            }
            violation
        })
        .collect()
}

fn error_violation(
    slo: Slo,
    allowed_bad: f64,
    threshold: f64,
    value: Option<f64>,
    measurement: &Measurement,
    objective: &Objective,
) -> Violation {
    let expected = objective.slices_in(objective.violation_for);
    let ratios: Vec<Option<f64>> = measurement
        .slices
        .value()
        .into_iter()
        .flatten()
        .map(|slice| slice.map(Events::error_ratio))
        .collect();
    let newest = newest(&ratios, expected);
    let limit = allowed_bad + RATIO_TOLERANCE;
    let state = match sustained::sustained(newest, limit, min_points(expected)) {
        Some(true) => ViolationState::Violated,
        Some(false) => ViolationState::Ok,
        None => ViolationState::Unknown,
    };
    let over = ratios
        .iter()
        .rev()
        .take_while(|ratio| ratio.is_some_and(|ratio| ratio > limit));
    Violation {
        slo,
        state,
        value,
        threshold,
        lasting: lasting(over.count(), objective),
        points: present(newest),
        points_expected: expected,
        detail: None,
    }
}

/// Returns the quantile of a latency SLO, its threshold, and the share of events that may be slower; nothing for the
/// others.
pub fn latency_rule(slo: Slo, objective: &Objective) -> Option<(f64, Duration, f64)> {
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
    let threshold = threshold.as_secs_f64();
    let slices = measurement.latency.value().map_or(&[][..], Vec::as_slice);
    let states: Vec<Option<LatencyState>> = slices
        .iter()
        .map(|slice| slice.as_ref()?.judge(threshold, allowed))
        .collect();
    let over = states
        .iter()
        .rev()
        .take_while(|state| **state == Some(LatencyState::Exceeded));
    let newest = newest(&states, expected);
    let points = present(newest);
    let newest_is_present = newest.last().is_some_and(Option::is_some);
    let mut seen = newest.iter().flatten();
    let state = if !newest_is_present || points < min_points(expected) {
        ViolationState::Unknown
    } else if seen.clone().all(|state| *state == LatencyState::Exceeded) {
        ViolationState::Violated
    } else if seen.any(|state| *state == LatencyState::Within) {
        ViolationState::Ok
    } else {
        ViolationState::Uncertain
    };
    Violation {
        slo,
        state,
        value: slices
            .iter()
            .rev()
            .flatten()
            .next()
            .and_then(|slice| slice.quantile(quantile)),
        threshold,
        lasting: lasting(over.count(), objective),
        points,
        points_expected: expected,
        detail: None,
    }
}

/// Returns for how long so many slices in a row last: 0 for none or one.
fn lasting(slices: usize, objective: &Objective) -> Duration {
    objective.slice_step() * u32::try_from(slices.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// Returns the slices of the violation window: as many of the newest as were expected.
fn newest<T>(slices: &[T], expected: usize) -> &[T] {
    &slices[slices.len().saturating_sub(expected)..]
}

/// Tells whether the service was calm in every one of these slices: the newest is there, so are enough of the
/// expected ones, and none is over the ratio. Nothing when too little was measured to tell; `Some(false)` when any
/// slice is over.
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

fn sum(slices: &[Option<Events>]) -> Option<Events> {
    slices
        .iter()
        .flatten()
        .copied()
        .reduce(|left, right| left + right)
}

/// Adds up the slices of the violation window that do not overlap, newest first, so that no event counts twice.
pub(super) fn disjoint_events(
    measurement: &Measurement,
    objective: &Objective,
    stride: usize,
) -> Option<Events> {
    let slices = measurement.slices.value()?;
    let expected = objective.slices_in(objective.violation_for);
    let disjoint: Vec<Option<Events>> = newest(slices, expected)
        .iter()
        .rev()
        .step_by(stride)
        .copied()
        .collect();
    sum(&disjoint)
}

/// How many slices, which do not overlap, are looked at for the spread. Source: facts, section 8.
const SPREAD_SLICES: usize = 5;

/// Fewest bad events of a slice that counts for the spread: in a slice of few requests a single error is over any
/// ratio. Source: our rule.
const SPREAD_EVENTS: f64 = 2.0;

/// Tells how many of the newest slices, which do not overlap, exceed a ratio; `events` names the bad ones of a slice.
pub(super) fn spread<T>(
    slices: &Reading<Vec<Option<T>>>,
    expected: usize,
    stride: usize,
    ratio: f64,
    events: impl Fn(&T) -> Option<Events>,
) -> Spread {
    let slices = slices.value().map_or(&[][..], Vec::as_slice);
    let looked_at = newest(slices, expected)
        .iter()
        .rev()
        .step_by(stride)
        .take(SPREAD_SLICES);
    let over = looked_at.clone().filter(|slice| {
        let events = slice.as_ref().and_then(&events);
        events.is_some_and(|events| {
            events.bad() >= SPREAD_EVENTS && events.error_ratio() > ratio + RATIO_TOLERANCE
        })
    });
    Spread {
        over: over.count(),
        of: looked_at.count(),
    }
}

/// Counts provably slow events in slices that do not overlap, with the share that may be slow.
pub(super) fn slow_events(
    slo: Slo,
    measurement: &Measurement,
    objective: &Objective,
    stride: usize,
) -> (Option<Events>, f64) {
    let Some((_, threshold, allowed)) = latency_rule(slo, objective) else {
        return (None, 0.0);
    };
    let events = measurement.latency.value().and_then(|slices| {
        let expected = objective.slices_in(objective.violation_for);
        let disjoint: Vec<Option<Events>> = newest(slices, expected)
            .iter()
            .rev()
            .step_by(stride)
            .map(|slice| slice.as_ref()?.provably_slow(threshold.as_secs_f64()))
            .collect();
        sum(&disjoint)
    });
    (events, allowed)
}
