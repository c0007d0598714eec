//! What could not be known, and how much it matters.

use std::time::Duration;

use super::assessment::{Slo, Unknown, Violation, ViolationState, Weight};
use super::events::Events;
use super::measurement::{MAX_SAMPLE_AGE, MIN_COVERAGE, Measurement, Objective};
use super::outage::Silence;
use super::reading::Reading;

/// Difference between the back end's clock and ours that is worth a word. Source: our rule.
pub const NOTED_CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Difference between the back end's clock and ours above which nothing is done: deployment times come from other
/// clocks, and a lag measured across them would mean nothing. Source: our rule.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(120);

/// The source of what is not known of the latency of all slices.
const LATENCY: &str = "latency";

/// How much a count may be inflated against the same events in a longer window (ratio): `increase()` extrapolates from
/// its first and last sample to the ends of its range, which at worst, with samples half a range apart, doubles it.
const EXTRAPOLATION: f64 = 2.0;

/// How many events of difference between two nested windows mean nothing (events): counts that small are rounding.
const EXTRAPOLATED_EVENTS: f64 = 10.0;

pub(super) fn unknowns(
    measurement: &Measurement,
    objective: &Objective,
    violations: &[Violation],
    blurred: Option<Duration>,
    silence: Option<&Silence>,
) -> Vec<Unknown> {
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
    if measurement.clock_skew > NOTED_CLOCK_SKEW {
        note(
            "clock",
            Some(format!(
                "the clocks of Prometheus and of this machine differ by {} s (at most {} s); synchronise them",
                measurement.clock_skew.as_secs(),
                MAX_CLOCK_SKEW.as_secs()
            )),
            if measurement.clock_skew > MAX_CLOCK_SKEW {
                Weight::Everything
            } else {
                Weight::Note
            },
        );
    }
    note(
        "freshness",
        measurement
            .freshness
            .value()
            .filter(|age| **age > MAX_SAMPLE_AGE)
            .and_then(|age| Reading::<Duration>::Stale { age: *age }.why_unknown())
            .or_else(|| measurement.freshness.why_unknown()),
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
    note(
        "coverage",
        too_little_history(measurement, objective),
        Weight::Note,
    );
    for (source, window) in [
        ("burn_rate_5m", &measurement.m5),
        ("burn_rate_30m", &measurement.m30),
        ("burn_rate_1h", &measurement.h1),
        ("burn_rate_6h", &measurement.h6),
    ] {
        note(source, window.why_unknown(), weight_of(window));
    }
    note(
        "windows",
        contradiction(measurement, objective),
        Weight::Everything,
    );
    match &measurement.slices {
        Reading::Measured(_) if !measurement.is_fresh() => {}
        Reading::Measured(_) => {
            let errors = &violations[0];
            if errors.state == ViolationState::Unknown {
                note(
                    "violations",
                    Some(blurred.map_or_else(|| too_few(errors, measurement, objective), too_long)),
                    weight_of(&measurement.m5).max(Weight::Acting),
                );
            }
        }
        other @ (Reading::NoTraffic
        | Reading::NoSeries
        | Reading::Gone { .. }
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. }) => note("violations", other.why_unknown(), weight_of(other)),
    }
    match &measurement.latency {
        Reading::Measured(_) => {
            let incomplete = violations.iter().find(|violation| {
                matches!(violation.slo, Slo::LatencyP95 | Slo::LatencyP99)
                    && violation.state == ViolationState::Unknown
            });
            if let Some(latency) = incomplete.filter(|_| measurement.is_fresh()) {
                let why = too_few(latency, measurement, objective);
                note(LATENCY, Some(why), Weight::Note);
            }
        }
        Reading::NoSeries => note(
            LATENCY,
            Some(
                "no latency histogram matches the service, so its latency is not judged".to_owned(),
            ),
            Weight::Note,
        ),
        Reading::NoTraffic | Reading::Gone { .. } => {
            note(LATENCY, measurement.latency.why_unknown(), Weight::Note);
        }
        other @ (Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. }) => {
            note(LATENCY, other.why_unknown(), Weight::Everything);
        }
    }
    for violation in violations {
        note(violation.slo.as_str(), undecided(violation), Weight::Note);
    }
    match silence {
        Some(Silence::Outage(_)) => explained(&mut unknowns, measurement),
        Some(Silence::Unexplained { why }) => unknowns.push(Unknown {
            source: "traffic".to_owned(),
            why: format!(
                "it fell to less than a tenth of what is usual, and {why}; nothing is done about it"
            ),
            weight: Weight::Note,
        }),
        None => {}
    }
    unknowns
}

/// Takes the weight from what an outage explains: that nothing was counted. Whatever else is not known keeps it.
fn explained(unknowns: &mut [Unknown], measurement: &Measurement) {
    fn is_silent<T>(reading: &Reading<T>) -> bool {
        match reading {
            Reading::Measured(_)
            | Reading::NoTraffic
            | Reading::NoSeries
            | Reading::Gone { .. }
            | Reading::Stale { .. } => true,
            Reading::Partial { .. } | Reading::Invalid { .. } | Reading::Refused { .. } => false,
        }
    }
    for unknown in unknowns {
        let is_explained = match unknown.source.as_str() {
            "freshness" => is_silent(&measurement.freshness),
            "burn_rate_5m" => is_silent(&measurement.m5),
            "burn_rate_30m" => is_silent(&measurement.m30),
            "burn_rate_1h" => is_silent(&measurement.h1),
            "burn_rate_6h" => is_silent(&measurement.h6),
            "violations" => is_silent(&measurement.slices),
            LATENCY => is_silent(&measurement.latency),
            _ => false,
        };
        if is_explained {
            unknown.weight = Weight::Note;
        }
    }
}

/// Takes the weight from latency that the back end refuses to tell, where errors burn: it could only be one reason
/// more. Where nothing is seen to burn it keeps its weight, because what was not measured is not well.
pub(super) fn outweighed(unknowns: &mut [Unknown], measurement: &Measurement) {
    if measurement.latency.refusal().is_none() {
        return;
    }
    for unknown in unknowns {
        if unknown.source == LATENCY {
            unknown.weight = Weight::Note;
        }
    }
}

/// Says what would decide a latency between two bounds of the histogram.
fn undecided(violation: &Violation) -> Option<String> {
    (violation.state == ViolationState::Uncertain).then(|| {
        format!(
            "no bucket ends at {} s, and those around it do not decide; add a bucket that ends there, or move the \
             threshold to a bound of the histogram",
            violation.threshold
        )
    })
}

/// Says why the level can only warn, where too little of the SLO window holds data.
fn too_little_history(measurement: &Measurement, objective: &Objective) -> Option<String> {
    const HOUR: f64 = 3600.0;
    let coverage = *measurement.coverage.value()?;
    let window = objective.window.as_secs_f64();
    let (unit, name) = if window < 24.0 * HOUR {
        (HOUR, "hours")
    } else {
        (24.0 * HOUR, "days")
    };
    (coverage < MIN_COVERAGE).then(|| {
        format!(
            "partial: the data cover {:.1} of {:.1} {name}, so the level can only warn; the server keeps too little \
             history or the service is young",
            coverage * window / unit,
            window / unit
        )
    })
}

fn too_long(slice: Duration) -> String {
    format!(
        "four scrapes take {} s, longer than VIOLATION_FOR, so nothing shows that a violation lasts; scrape more often, or \
         raise VIOLATION_FOR",
        slice.as_secs()
    )
}

fn too_few(violation: &Violation, measurement: &Measurement, objective: &Objective) -> String {
    let (points, expected) = (violation.points, violation.points_expected);
    match measurement.freshness.value() {
        Some(age) if *age > objective.slice_window() => format!(
            "only {points} of {expected} slices of the violation window hold data: the newest sample is {} s old, and a slice is \
             {} s; samples reach the server late or have just ended, so see how they get there (remote write, a sidecar, a \
             collector) and whether the pods run",
            age.as_secs(),
            objective.slice_window().as_secs()
        ),
        Some(_) | None => format!(
            "only {points} of {expected} slices of the violation window hold data, or the newest does not; check the traffic \
             and the scrapes"
        ),
    }
}

/// Says which window holds far more events than a longer one that contains it, if any does.
fn contradiction(measurement: &Measurement, objective: &Objective) -> Option<String> {
    const MINUTE: u64 = 60;
    let mut windows: Vec<(Duration, Events)> = [
        (Duration::from_secs(5 * MINUTE), &measurement.m5),
        (Duration::from_secs(30 * MINUTE), &measurement.m30),
        (Duration::from_secs(60 * MINUTE), &measurement.h1),
        (Duration::from_secs(360 * MINUTE), &measurement.h6),
        (objective.window, &measurement.budget),
    ]
    .into_iter()
    .filter_map(|(length, events)| Some((length, *events.value()?)))
    .collect();
    windows.sort_by_key(|(length, _)| *length);
    let exceeds = |short: f64, long: f64| short > EXTRAPOLATION * long + EXTRAPOLATED_EVENTS;
    windows.windows(2).find_map(|pair| {
        let [(short, inner), (long, outer)] = pair else {
            return None;
        };
        let contradicts = short < long
            && (exceeds(inner.total(), outer.total()) || exceeds(inner.bad(), outer.bad()));
        contradicts.then(|| {
            format!(
                "{} bad of {} events in {} s contradict {} bad of {} in {} s, which contain them; see whether all answers \
                 come from the same data",
                inner.bad(),
                inner.total(),
                short.as_secs(),
                outer.bad(),
                outer.total(),
                long.as_secs()
            )
        })
    })
}

/// Tells whether the counts of now can be believed: each short window is measured or idle, none contradicts another,
/// and the SLO window does not contradict itself. What a limit keeps from being read says nothing against the rest.
pub(super) fn believable(measurement: &Measurement, objective: &Objective) -> bool {
    let is_doubtful = |reading: &Reading<Events>| match reading {
        Reading::Measured(_) | Reading::NoTraffic => false,
        Reading::NoSeries
        | Reading::Gone { .. }
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. } => true,
    };
    let windows = [
        &measurement.m5,
        &measurement.m30,
        &measurement.h1,
        &measurement.h6,
    ];
    !windows.into_iter().any(is_doubtful)
        && !matches!(measurement.budget, Reading::Invalid { .. })
        && contradiction(measurement, objective).is_none()
}

/// An idle window stands in the way of acting only; everything else that is unknown also blocks the gate.
fn weight_of<T>(reading: &Reading<T>) -> Weight {
    match reading {
        Reading::Measured(_) => Weight::Note,
        Reading::NoTraffic => Weight::Acting,
        Reading::NoSeries
        | Reading::Gone { .. }
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. } => Weight::Everything,
    }
}

/// Gathers what is said of several readings in the same words: each why once, with all sources, in the order in which
/// they came. `unknowns` are pairs of source and why.
pub fn told_once<'a>(
    unknowns: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    for (source, why) in unknowns {
        match told.iter_mut().find(|(known, _)| *known == why) {
            Some((_, sources)) => sources.push(source),
            None => told.push((why, vec![source])),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::Verdict;
    use crate::slo::fixture::{World, world};

    fn unknowns_of(world: &World) -> Vec<(String, Weight, String)> {
        let unknowns = world.assess().unknowns.into_iter();
        unknowns
            .map(|unknown| (unknown.source, unknown.weight, unknown.why))
            .collect()
    }

    #[test]
    fn clocks_are_mentioned_above_thirty_seconds_and_hold_above_two_minutes() {
        for (seconds, expected) in [
            (30, None),
            (31, Some(Weight::Note)),
            (120, Some(Weight::Note)),
            (121, Some(Weight::Everything)),
        ] {
            let skewed =
                world().but(|measurement| measurement.clock_skew = Duration::from_secs(seconds));
            let unknowns = unknowns_of(&skewed);
            let found = unknowns.first().map(|(_, weight, _)| *weight);
            assert_eq!(found, expected, "{seconds} s");
        }
    }

    #[test]
    fn a_window_that_is_not_covered_says_how_much_is_there() {
        assert_eq!(unknowns_of(&world().covered(0.9)), []);
        let unknowns = unknowns_of(&world().covered(8.0 / 30.0));
        let [(source, Weight::Note, why)] = &unknowns[..] else {
            panic!("one note is expected, not {unknowns:#?}");
        };
        assert_eq!(source, "coverage");
        insta::assert_snapshot!(why, @"partial: the data cover 8.0 of 30.0 days, so the level can only warn; the server keeps too little history or the service is young");

        let mut short = world().covered(0.25);
        short.objective.window = Duration::from_secs(4 * 3600);
        let unknowns = unknowns_of(&short);
        let why = unknowns.iter().find(|(source, ..)| source == "coverage");
        assert!(why.is_some_and(|(.., why)| why.contains("1.0 of 4.0 hours")));
    }

    #[test]
    fn samples_that_arrive_late_are_no_rare_scrapes() {
        let mut slices = vec![Some(0.0); 8];
        slices.extend([None; 3]);
        let late = world().slices(&slices);
        let late = late.but(|measurement| {
            measurement.freshness = Reading::Measured(Duration::from_secs(100));
        });
        let unknowns = unknowns_of(&late);
        let why = unknowns.iter().find(|(source, ..)| source == "violations");
        let (_, _, why) = why.expect("the newest slices are empty");
        insta::assert_snapshot!(why, @"only 8 of 11 slices of the violation window hold data: the newest sample is 100 s old, and a slice is 60 s; samples reach the server late or have just ended, so see how they get there (remote write, a sidecar, a collector) and whether the pods run");
        assert!(!why.contains("more often"), "{why}");
    }

    #[test]
    fn nothing_is_well_while_the_counts_cannot_be_believed() {
        fn invalid<T>() -> Reading<T> {
            Reading::Invalid {
                why: "12 bad of 10".to_owned(),
            }
        }
        let states = |world: &World| {
            let violations = world.assess().violations.into_iter();
            violations.map(|found| found.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&world())[0], ViolationState::Ok);
        let doubts: [fn(&mut Measurement); 4] = [
            |measurement| measurement.budget = invalid(),
            |measurement| measurement.m5 = invalid(),
            |measurement| measurement.h6 = Reading::NoSeries,
            |measurement| {
                measurement.h1 = Reading::Partial {
                    why: "a store did not answer".to_owned(),
                }
            },
        ];
        for doubt in doubts {
            let doubtful = world().but(doubt);
            let states = states(&doubtful);
            assert!(!states.contains(&ViolationState::Ok), "{states:?}");
            assert_eq!(doubtful.assess().verdict, Verdict::Unknown);
        }
        // A limit that keeps the month from being read says nothing of the last minutes.
        let limited = world().but(|measurement| {
            measurement.budget = Reading::Refused {
                why: "too many samples".to_owned(),
            };
        });
        assert_eq!(states(&limited)[0], ViolationState::Ok);
    }

    #[test]
    fn whatever_is_refused_stands_in_the_way_of_everything() {
        const WHY: &str = "too many samples";
        fn refuse<T>(reading: &mut Reading<T>) {
            *reading = Reading::Refused {
                why: WHY.to_owned(),
            };
        }
        let refusals: [fn(&mut Measurement); 9] = [
            |measurement| refuse(&mut measurement.budget),
            |measurement| refuse(&mut measurement.coverage),
            |measurement| refuse(&mut measurement.m5),
            |measurement| refuse(&mut measurement.m30),
            |measurement| refuse(&mut measurement.h1),
            |measurement| refuse(&mut measurement.h6),
            |measurement| refuse(&mut measurement.freshness),
            |measurement| refuse(&mut measurement.slices),
            |measurement| refuse(&mut measurement.latency),
        ];
        for (number, refusal) in refusals.into_iter().enumerate() {
            let refused = world().but(refusal);
            assert_eq!(refused.measurement.refusal(), Some(WHY), "{number}");
            let unknowns = unknowns_of(&refused);
            let told = unknowns
                .iter()
                .any(|(_, weight, why)| *weight == Weight::Everything && why == WHY);
            assert!(told, "{number}: {unknowns:#?}");
        }
        assert_eq!(world().measurement.refusal(), None);
    }
}
