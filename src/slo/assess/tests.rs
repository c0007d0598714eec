//! What each combination of readings means, written out.

mod properties;

use std::time::Duration;

use super::super::fixture::{World, counted, slice, world};
use super::super::{
    Assessment, Cause, Events, Histogram, Level, Reading, Slo, Verdict, ViolationState, Weight,
    assess_slices, is_calm,
};

const SECOND: Duration = Duration::from_secs(1);

/// The share of bad events of a slice that is over every threshold.
const BAD: Option<f64> = Some(0.05);
const GOOD: Option<f64> = Some(0.0);

fn causes(assessment: &Assessment) -> Vec<Cause> {
    assessment.burns.iter().map(|burn| burn.cause).collect()
}

fn states(assessment: &Assessment) -> [ViolationState; 4] {
    [0, 1, 2, 3].map(|at| assessment.violations[at].state)
}

fn blocking(assessment: &Assessment) -> Vec<(&str, Weight)> {
    assessment
        .blocking_unknowns()
        .map(|unknown| (unknown.source.as_str(), unknown.weight))
        .collect()
}

/// Eleven slices over their threshold, but for some that are replaced.
fn bad_but(replaced: &[(usize, Option<f64>)]) -> Vec<Option<f64>> {
    let mut slices = vec![BAD; 11];
    for (at, ratio) in replaced {
        slices[*at] = *ratio;
    }
    slices
}

#[test]
fn a_healthy_service_is_healthy_and_everything_is_known() {
    let healthy = world().assess();
    assert_eq!(healthy.verdict, Verdict::Healthy);
    assert_eq!(healthy.burning, Some(false));
    assert_eq!(healthy.burns, []);
    assert_eq!(healthy.unknowns, []);
    assert_eq!(states(&healthy), [ViolationState::Ok; 4]);
    assert_eq!(healthy.budget.level, Some(Level::Ok));
    assert_eq!(healthy.budget.consumed, Some(0.2));
    assert_eq!(healthy.budget.remaining, Some(0.8));
    // 80 % of 30 days at a fifth of the speed that spends them, as the last five minutes tell.
    assert_eq!(days_left(&healthy), Some(144));
}

/// Returns how many days the budget lasts, where it ends.
fn days_left(assessment: &Assessment) -> Option<i64> {
    let left = assessment.budget.to_exhaustion?;
    Some((left.as_secs_f64() / 86_400.0).round() as i64)
}

#[test]
fn the_time_left_goes_by_the_shortest_window_that_tells_the_pace() {
    // The burn is over: the hour still looks back at it, the last five minutes do not.
    let over = world().windows([0.0005, 0.01, 0.02, 0.004]).assess();
    assert_eq!(days_left(&over), Some(48));
    let burning = world().windows([0.2, 0.1, 0.02, 0.004]).assess();
    assert_eq!(days_left(&burning), Some(0));
    // Ten events a minute say nothing of one in a thousand, unless five of them fail.
    let idle = |bad: f64| {
        world()
            .windows([0.0, 0.0, 0.0, 0.002])
            .but(|measurement| {
                let few = |bad, total| Reading::Measured(Events::new(bad, total).expect("events"));
                measurement.m5 = few(bad, 50.0);
                measurement.m30 = few(bad, 300.0);
                measurement.h1 = few(bad, 600.0);
            })
            .assess()
    };
    assert_eq!(days_left(&idle(0.0)), Some(12));
    assert_eq!(days_left(&idle(4.0)), Some(12));
    assert_eq!(days_left(&idle(5.0)), Some(0));
}

#[test]
fn each_pair_of_windows_fires_alone() {
    let table = [
        ("fast", [0.02, 0.02, 0.02, 0.005], vec![Cause::FastBurn]),
        ("slow", [0.007, 0.007, 0.007, 0.007], vec![Cause::SlowBurn]),
        ("long windows only", [0.0002, 0.0002, 0.02, 0.02], vec![]),
        ("short windows only", [0.02, 0.01, 0.008, 0.002], vec![]),
        (
            "both",
            [0.02, 0.02, 0.02, 0.02],
            vec![Cause::FastBurn, Cause::SlowBurn],
        ),
    ];
    for (name, windows, expected) in table {
        let assessment = world().consumed(0.6).windows(windows).assess();
        assert_eq!(causes(&assessment), expected, "{name}");
        assert_eq!(assessment.burning, Some(!expected.is_empty()), "{name}");
        assert_eq!(blocking(&assessment), [], "{name}");
    }
}

#[test]
fn a_pair_at_its_factor_is_not_above_it() {
    let exactly = |bad: f64| Reading::Measured(Events::new(bad, 100_000.0).expect("events"));
    let at = |bad: f64| {
        let change = |measurement: &mut super::Measurement| {
            measurement.m5 = exactly(bad);
            measurement.h1 = exactly(bad);
            measurement.m30 = exactly(bad);
            measurement.h6 = exactly(1.0 + bad / 3.0);
        };
        causes(&world().consumed(0.6).but(change).assess())
    };
    assert_eq!(at(1440.0), []);
    assert_eq!(at(1441.0), [Cause::FastBurn]);
}

#[test]
fn six_is_enough_only_at_a_covered_emergency() {
    let table = [
        (0.95, 0.9, vec![Cause::EmergencyBurn]),
        (0.95 - 5e-10, 0.9, vec![Cause::EmergencyBurn]),
        (0.94, 1.0, vec![]),
        (0.95, 0.89, vec![]),
    ];
    for (consumed, coverage, expected) in table {
        let assessment = world()
            .consumed(consumed)
            .covered(coverage)
            .windows([0.007, 0.005, 0.007, 0.005])
            .assess();
        assert_eq!(causes(&assessment), expected, "{consumed} of {coverage}");
    }
}

#[test]
fn a_level_begins_at_its_threshold_and_needs_coverage_to_act() {
    use Level::{Critical, Emergency, Ok, Warning};
    let table = [
        (0.499, 1.0, Ok, Ok),
        (0.5, 1.0, Warning, Warning),
        (0.8, 1.0, Critical, Critical),
        (0.8, 0.9, Critical, Critical),
        (0.8, 0.89, Critical, Warning),
        (2.0, 0.89, Emergency, Warning),
        (0.2, 0.1, Ok, Ok),
    ];
    for (consumed, coverage, level, acting) in table {
        let budget = world().consumed(consumed).covered(coverage).assess().budget;
        assert_eq!(budget.level, Some(level), "{consumed} of {coverage}");
        assert_eq!(
            budget.acting_level,
            Some(acting),
            "{consumed} of {coverage}"
        );
    }
}

#[test]
fn a_violation_holds_in_every_slice_of_which_nine_are_there() {
    use ViolationState::{Ok, Unknown, Violated};
    let gaps = |count: usize| bad_but(&(0..count).map(|at| (at, None)).collect::<Vec<_>>());
    let table = [
        ("11 of 11", bad_but(&[]), Violated, 11),
        ("9 of 11", gaps(2), Violated, 9),
        ("8 of 11", gaps(3), Unknown, 8),
        ("the newest missing", bad_but(&[(10, None)]), Unknown, 10),
        ("one below", bad_but(&[(4, GOOD)]), Ok, 11),
        ("one at the threshold", bad_but(&[(4, Some(0.01))]), Ok, 11),
        (
            "one just above",
            bad_but(&[(4, Some(0.0109))]),
            Violated,
            11,
        ),
        ("fewer slices than asked for", vec![BAD; 8], Unknown, 8),
        ("none", vec![], Unknown, 0),
    ];
    for (name, slices, expected, points) in table {
        let assessment = world().slices(&slices).assess();
        for slo in [0, 1] {
            let violation = &assessment.violations[slo];
            assert_eq!(violation.state, expected, "{name}");
            assert_eq!(
                (violation.points, violation.points_expected),
                (points, 11),
                "{name}"
            );
        }
        let burning = match expected {
            Violated => Some(true),
            Ok => Some(false),
            Unknown => None,
            ViolationState::Uncertain => unreachable!("buckets decide nothing here"),
        };
        assert_eq!(assessment.burning, burning, "{name}");
        let is_blocking = blocking(&assessment) == [("violations", Weight::Acting)];
        assert_eq!(is_blocking, expected == Unknown, "{name}");
    }
}

#[test]
fn only_the_newest_slices_are_the_violation_window() {
    let mut slices = vec![BAD; 20];
    slices.extend(vec![None; 3]);
    slices.extend(vec![BAD; 8]);
    let sparse = world().slices(&slices).assess();
    assert_eq!(sparse.violations[1].state, ViolationState::Unknown);

    let recovered = world().slices(&[vec![BAD; 5], vec![GOOD; 11]].concat());
    assert_eq!(recovered.assess().violations[1].value, Some(0.0));
}

#[test]
fn a_violation_lasts_as_long_as_the_newest_slices_are_over() {
    let table = [
        ("from the first slice on", vec![BAD; 11], 300),
        (
            "after a good one",
            [vec![GOOD; 8], vec![BAD; 12]].concat(),
            330,
        ),
        (
            "after a gap",
            [vec![GOOD; 8], vec![None], vec![BAD; 11]].concat(),
            300,
        ),
        ("over", [vec![BAD; 11], vec![GOOD]].concat(), 0),
    ];
    for (name, slices, lasting) in table {
        let assessment = world().slices(&slices).assess();
        assert_eq!(assessment.violations[1].lasting, lasting * SECOND, "{name}");
    }
}

#[test]
fn availability_and_error_rate_are_judged_by_their_own_threshold() {
    use ViolationState::{Ok, Violated};
    let mut strict = world().errors(0.02);
    strict.objective.min_availability = 0.97;
    assert_eq!(states(&strict.assess())[..2], [Ok, Violated]);
    assert_eq!(strict.objective.max_bad_ratio(), 0.01);

    let mut lenient = world().errors(0.02);
    lenient.objective.max_error_rate = 0.03;
    let assessment = lenient.assess();
    assert_eq!(states(&assessment)[..2], [Violated, Ok]);
    let availability = &assessment.violations[0];
    assert_eq!(
        (availability.value, availability.threshold),
        (Some(0.98), 0.99)
    );
    assert_eq!(causes(&assessment), [Cause::Violation(Slo::Availability)]);
}

#[test]
fn latency_is_violated_by_proof_and_unknown_without_slices() {
    use ViolationState::{Ok, Unknown, Violated};
    let table = [
        ("6 % above both", vec![Some(0.06); 11], [Violated, Violated]),
        ("2 % above both", vec![Some(0.02); 11], [Ok, Violated]),
        ("1 % is allowed", vec![Some(0.01); 11], [Ok, Ok]),
        (
            "newest missing",
            [vec![Some(0.06); 10], vec![None]].concat(),
            [Unknown; 2],
        ),
        (
            "8 of 11",
            [vec![None; 3], vec![Some(0.06); 8]].concat(),
            [Unknown; 2],
        ),
        (
            "one within",
            [vec![Some(0.06); 10], vec![Some(0.0)]].concat(),
            [Ok, Ok],
        ),
    ];
    for (name, slices, expected) in table {
        let assessment = world().slow(&slices).assess();
        assert_eq!(states(&assessment)[2..], expected, "{name}");
        let is_violated = expected.contains(&Violated);
        assert_eq!(assessment.burning, Some(is_violated), "{name}");
        assert_eq!(blocking(&assessment), [], "{name}");
    }
}

#[test]
fn buckets_that_cannot_decide_make_latency_uncertain_and_never_burning() {
    // All slow requests lie between 0.5 s and 2.5 s, and no bucket ends at 1 s or 2 s.
    let undecided =
        Histogram::from_cumulative([(0.5, 1000.0), (2.5, 1200.0), (f64::INFINITY, 1200.0)]);
    let assessment = world()
        .but(|measurement| measurement.latency = Reading::Measured(vec![undecided; 11]))
        .assess();
    assert_eq!(states(&assessment)[2..], [ViolationState::Uncertain; 2]);
    assert_eq!(assessment.burning, Some(false));
    assert_eq!(assessment.verdict, Verdict::Healthy);
}

#[test]
fn a_service_without_a_histogram_is_judged_by_its_errors() {
    for latency in [Reading::NoSeries, Reading::NoTraffic] {
        let assessment = world()
            .but(|measurement| measurement.latency = latency)
            .assess();
        assert_eq!(assessment.verdict, Verdict::Healthy);
        assert_eq!(assessment.unknowns.len(), 1);
        assert_eq!(assessment.unknowns[0].weight, Weight::Note);
    }
}

#[test]
fn latency_that_was_read_badly_leaves_burning_open() {
    for latency in [
        Reading::Stale { age: 300 * SECOND },
        Reading::Partial {
            why: "a store is away".to_owned(),
        },
        Reading::Invalid {
            why: "buckets fall".to_owned(),
        },
    ] {
        let assessment = world()
            .but(|measurement| measurement.latency = latency)
            .assess();
        assert_eq!(assessment.burning, None);
        assert_eq!(assessment.verdict, Verdict::Unknown);
        assert_eq!(blocking(&assessment), [("latency", Weight::Everything)]);
    }
}

#[test]
fn refused_latency_leaves_errors_to_be_acted_on_and_is_no_health() {
    let refused = |world: World| {
        world.but(|measurement| {
            measurement.latency = Reading::Refused {
                why: "too many samples".to_owned(),
            };
        })
    };
    let burning = refused(world().fast_burn()).assess();
    assert_eq!(burning.burning, Some(true));
    assert_eq!(burning.verdict, Verdict::Burning);
    assert_eq!(blocking(&burning), []);
    assert!(
        burning
            .unknowns
            .iter()
            .any(|unknown| unknown.why == "too many samples")
    );
    assert_eq!(states(&burning)[2..], [ViolationState::Unknown; 2]);

    let calm = refused(world()).assess();
    assert_eq!(calm.burning, None);
    assert_eq!(calm.verdict, Verdict::Unknown);
    assert_eq!(blocking(&calm), [("latency", Weight::Everything)]);
}

#[test]
fn an_idle_service_may_not_be_acted_on_and_an_absent_one_blocks_everything() {
    let idle = world()
        .but(|measurement| {
            measurement.m5 = Reading::NoTraffic;
            measurement.m30 = Reading::NoTraffic;
            measurement.h1 = Reading::NoTraffic;
            measurement.slices = Reading::NoTraffic;
        })
        .assess();
    assert_eq!(idle.verdict, Verdict::Unknown);
    assert_eq!(idle.burning, None);
    assert_eq!(idle.burn_rates.m5, None);
    assert!(
        blocking(&idle)
            .iter()
            .all(|(_, weight)| *weight == Weight::Acting)
    );
    assert_eq!(idle.budget.level, Some(Level::Ok));

    for reading in [
        Reading::NoSeries,
        Reading::Partial {
            why: "a store is away".to_owned(),
        },
        Reading::Stale { age: 121 * SECOND },
        Reading::Invalid {
            why: "bad without total".to_owned(),
        },
    ] {
        let absent = world().but(|measurement| measurement.m5 = reading).assess();
        assert_eq!(absent.verdict, Verdict::Unknown);
        assert_eq!(blocking(&absent), [("burn_rate_5m", Weight::Everything)]);
    }
}

#[test]
fn old_samples_say_nothing_of_now() {
    let aged = |freshness: Reading<Duration>| {
        world()
            .fast_burn()
            .errors(0.05)
            .but(|measurement| measurement.freshness = freshness)
            .assess()
    };
    assert_eq!(aged(Reading::Measured(120 * SECOND)).burning, Some(true));
    for freshness in [
        Reading::Measured(121 * SECOND),
        Reading::Stale { age: 121 * SECOND },
        Reading::NoSeries,
        Reading::NoTraffic,
    ] {
        let stale = aged(freshness);
        assert_eq!(stale.burning, None);
        assert_eq!(stale.verdict, Verdict::Unknown);
        assert_eq!(stale.burns, []);
        assert_eq!(stale.burn_rates.m5, None);
        assert!(!stale.is_violated());
        assert_eq!(blocking(&stale), [("freshness", Weight::Everything)]);
    }
}

#[test]
fn clocks_that_differ_by_more_than_two_minutes_block_everything() {
    let skewed = |seconds: u32| {
        let world = world().but(|measurement| measurement.clock_skew = seconds * SECOND);
        blocking(&world.assess())
            .iter()
            .map(|(source, weight)| ((*source).to_owned(), *weight))
            .collect::<Vec<_>>()
    };
    assert_eq!(skewed(120), []);
    assert_eq!(skewed(121), [("clock".to_owned(), Weight::Everything)]);
}

#[test]
fn a_window_cannot_hold_more_than_the_longer_one_around_it() {
    let table = [
        (
            "all at once",
            counted(0.05, 300.0),
            counted(0.05, 300.0),
            true,
        ),
        (
            "extrapolated",
            counted(0.05, 300.0),
            counted(0.05, 160.0),
            true,
        ),
        (
            "more events",
            counted(0.05, 300.0),
            counted(0.05, 100.0),
            false,
        ),
        (
            "more bad events",
            counted(0.05, 300.0),
            counted(0.001, 1800.0),
            false,
        ),
    ];
    for (name, m5, m30, agrees) in table {
        let assessment = world()
            .consumed(0.9)
            .windows([0.05; 4])
            .but(|measurement| (measurement.m5, measurement.m30) = (m5, m30))
            .assess();
        let expected: &[_] = if agrees {
            &[]
        } else {
            &[("windows", Weight::Everything)]
        };
        assert_eq!(blocking(&assessment), expected, "{name}");
    }
}

#[test]
fn a_spent_budget_is_exhausted_unless_it_still_burns() {
    let spent = world().consumed(1.0).assess();
    assert_eq!(spent.verdict, Verdict::Exhausted);
    assert_eq!(spent.budget.to_exhaustion, Some(Duration::ZERO));
    assert_eq!(world().consumed(0.999).assess().verdict, Verdict::Healthy);
    let burning = world().consumed(1.2).fast_burn().assess();
    assert_eq!(burning.verdict, Verdict::Burning);
    let blind = world()
        .consumed(1.2)
        .but(|measurement| measurement.h1 = Reading::NoTraffic)
        .assess();
    assert_eq!(blind.budget.to_exhaustion, Some(Duration::ZERO));
    assert_eq!(blind.verdict, Verdict::Unknown);
}

#[test]
fn an_unknown_budget_is_no_level() {
    let assessment = world()
        .errors(0.05)
        .but(|measurement| measurement.budget = Reading::NoSeries)
        .assess();
    assert_eq!(assessment.budget.level, None);
    assert_eq!(assessment.budget.acting_level, None);
    assert_eq!(assessment.verdict, Verdict::Burning);
    assert_eq!(blocking(&assessment), [("budget", Weight::Everything)]);
}

#[test]
fn no_event_counts_twice_as_evidence() {
    let evidence = |assessment: Assessment| {
        let of = |burn: &super::super::Burn| burn.cause == Cause::Violation(Slo::ErrorRate);
        let burn = assessment.burns.into_iter().find(of);
        burn.and_then(|burn| burn.events)
            .map(|events| (events.bad(), events.total()))
    };
    // One-minute slices every 30 s: six of eleven do not overlap.
    let minutes = world().errors(0.05);
    assert_eq!(evidence(minutes.assess()), Some((360.0, 7200.0)));
    // Two-minute slices every 30 s: three do not overlap.
    let wide = assess_slices(&minutes.measurement, &minutes.objective, 120 * SECOND);
    assert_eq!(evidence(wide), Some((180.0, 3600.0)));
    // Slices before the violation window are no evidence of it.
    let long = world().slices(&[BAD; 41]);
    assert_eq!(evidence(long.assess()), Some((360.0, 7200.0)));
    // Of 6 % slow requests in the same six slices.
    let slow = world().slow(&[Some(0.06); 11]).assess();
    assert_eq!(slow.burns[0].cause, Cause::Violation(Slo::LatencyP95));
    let events = slow.burns[0].events.expect("counted");
    assert_eq!((events.bad(), events.total()), (432.0, 7200.0));
}

#[test]
fn slices_follow_the_length_of_a_violation() {
    let table = [
        (300, 30, 60, 11),
        (3600, 30, 60, 121),
        (60, 6, 12, 11),
        (3, 1, 4, 4),
    ];
    for (violation_for, step, window, slices) in table {
        let mut objective = world().objective;
        objective.violation_for = violation_for * SECOND;
        assert_eq!(objective.slice_step(), step * SECOND, "{violation_for} s");
        assert_eq!(
            objective.slice_window(),
            window * SECOND,
            "{violation_for} s"
        );
        assert_eq!(
            objective.slices_in(objective.violation_for),
            slices,
            "{violation_for} s"
        );
    }
}

#[test]
fn calm_means_enough_slices_the_newest_among_them_and_none_over() {
    let table = [
        ("all good", vec![GOOD; 5], Some(true)),
        ("at the ratio", vec![Some(0.01); 5], Some(true)),
        ("one over", vec![GOOD, GOOD, BAD, GOOD, GOOD], Some(false)),
        (
            "one over, the rest missing",
            vec![None, None, BAD, None, None],
            Some(false),
        ),
        ("4 of 5", vec![None, GOOD, GOOD, GOOD, GOOD], Some(true)),
        ("3 of 5", vec![None, None, GOOD, GOOD, GOOD], None),
        (
            "the newest missing",
            vec![GOOD, GOOD, GOOD, GOOD, None],
            None,
        ),
        ("nothing", vec![], None),
    ];
    for (name, ratios, expected) in table {
        let slices: Vec<_> = ratios.iter().map(|ratio| ratio.and_then(slice)).collect();
        assert_eq!(is_calm(&slices, 0.01, 5), expected, "{name}");
    }
}

#[test]
fn slices_longer_than_the_violation_window_show_no_sustained_violation() {
    let bad = world().errors(0.2).windows([0.2; 4]);
    let by_slices_of = |seconds: u64| {
        let assessment = assess_slices(
            &bad.measurement,
            &bad.objective,
            Duration::from_secs(seconds),
        );
        let is_held = assessment.blocking_unknowns().any(|unknown| {
            unknown.source == "violations" && unknown.why.contains("scrape more often")
        });
        (assessment.violations[1].state, is_held)
    };
    assert_eq!(by_slices_of(300), (ViolationState::Violated, false));
    assert_eq!(by_slices_of(301), (ViolationState::Unknown, true));
}
