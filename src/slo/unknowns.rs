//! What could not be known, and how much it matters.

use std::time::Duration;

use super::assessment::{Unknown, Violation, ViolationState, Weight};
use super::measurement::Measurement;
use super::reading::Reading;

/// Difference between the back end's clock and ours above which nothing is done: deployment times come from other
/// clocks, and a lag measured across them would mean nothing. Source: our rule.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(120);

pub(super) fn unknowns(measurement: &Measurement, violations: &[Violation]) -> Vec<Unknown> {
    let mut unknowns = Vec::new();
    let mut note = |source: &str, why: Option<String>, weight: Weight| {
        if let Some(why) = why {
            unknowns.push(Unknown {
                source: source.to_owned(),
                why,
                weight,
            });
        }
    };
    if measurement.clock_skew > MAX_CLOCK_SKEW {
        note(
            "clock",
            Some(format!(
                "the clocks of Prometheus and of this machine differ by {} s (at most {} s); synchronise them",
                measurement.clock_skew.as_secs(),
                MAX_CLOCK_SKEW.as_secs()
            )),
            Weight::Everything,
        );
    }
    note(
        "freshness",
        measurement.freshness.why_unknown(),
        Weight::Everything,
    );
    note(
        "budget",
        measurement.budget.why_unknown(),
        Weight::Everything,
    );
    note(
        "coverage",
        measurement.coverage.why_unknown(),
        Weight::Everything,
    );
    for (source, window) in [
        ("burn_rate_5m", &measurement.m5),
        ("burn_rate_30m", &measurement.m30),
        ("burn_rate_1h", &measurement.h1),
        ("burn_rate_6h", &measurement.h6),
    ] {
        note(source, window.why_unknown(), weight_of(window));
    }
    match &measurement.slices {
        Reading::Measured(_) => {
            let errors = &violations[0];
            if errors.state == ViolationState::Unknown {
                note(
                    "violations",
                    Some(format!(
                        "only {} of {} slices of the violation window hold data, or the newest does not",
                        errors.points, errors.points_expected
                    )),
                    weight_of(&measurement.m5).max(Weight::Acting),
                );
            }
        }
        other @ (Reading::NoTraffic
        | Reading::NoSeries
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }) => note("violations", other.why_unknown(), weight_of(other)),
    }
    match &measurement.latency {
        Reading::Measured(_) => {}
        other @ (Reading::NoSeries | Reading::NoTraffic) => {
            note("latency", other.why_unknown(), Weight::Note)
        }
        other @ (Reading::Stale { .. } | Reading::Partial { .. } | Reading::Invalid { .. }) => {
            note("latency", other.why_unknown(), Weight::Everything);
        }
    }
    unknowns
}

/// An idle window stands in the way of acting only; everything else that is unknown also blocks the gate.
fn weight_of<T>(reading: &Reading<T>) -> Weight {
    match reading {
        Reading::Measured(_) => Weight::Note,
        Reading::NoTraffic => Weight::Acting,
        Reading::NoSeries
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. } => Weight::Everything,
    }
}
