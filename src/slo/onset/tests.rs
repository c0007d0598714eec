//! Courses with a known beginning.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::slo::Reading;
use crate::slo::fixture::world;

const MINUTE: Duration = Duration::from_secs(60);
const LIMIT: f64 = 0.01;

/// Slices of half a minute, oldest first: so many of each error ratio among so many requests.
fn course(parts: &[(usize, f64, f64)]) -> SliceHistory {
    let slices = parts.iter().flat_map(|(count, ratio, total)| {
        vec![Events::new((ratio * total).round(), *total); *count]
    });
    of(slices.collect())
}

fn of(slices: Vec<Option<Events>>) -> SliceHistory {
    SliceHistory {
        step: MINUTE / 2,
        covering: MINUTE,
        ends_ago: Duration::ZERO,
        events: Reading::Measured(slices),
        latency: Reading::NoSeries,
    }
}

fn began(taken: &[SliceHistory]) -> Beginning {
    let objective = world().objective;
    let burning = [(Sli::Errors, LIMIT)];
    let trail = BurnSearch {
        objective: &objective,
        burning: &burning,
        min_events: 50,
        near: 60 * MINUTE,
        reach: 30 * 24 * 60 * MINUTE,
    };
    trail.beginning(taken, Sli::Errors, LIMIT)
}

fn seen(minutes: u32) -> Beginning {
    Beginning::Seen {
        ago: minutes * MINUTE,
    }
}

#[test]
fn sees_where_a_burn_began() {
    let table = [
        (
            "after calm",
            course(&[(200, 0.0, 600.0), (20, 0.2, 600.0)]),
            seen(10),
        ),
        (
            "with one calm slice in it",
            course(&[
                (200, 0.0, 600.0),
                (10, 0.2, 600.0),
                (1, 0.0, 600.0),
                (9, 0.2, 600.0),
            ]),
            seen(10),
        ),
        (
            "after an incident that was long over",
            course(&[(100, 1.0, 600.0), (100, 0.0, 600.0), (20, 0.2, 600.0)]),
            seen(10),
        ),
        (
            "by day, after an incident that was over at night",
            course(&[(100, 1.0, 60_000.0), (100, 0.0, 60.0), (20, 0.2, 60.0)]),
            seen(10),
        ),
        (
            "after an incident that was hardly over",
            course(&[
                (160, 0.0, 600.0),
                (20, 1.0, 600.0),
                (20, 0.0, 600.0),
                (20, 0.2, 600.0),
            ]),
            seen(30),
        ),
        (
            "after a lull",
            of([
                vec![Events::new(0.0, 600.0); 160],
                vec![None; 30],
                vec![Events::new(120.0, 600.0); 20],
            ]
            .concat()),
            seen(10),
        ),
        (
            "never calm",
            course(&[(240, 0.2, 600.0)]),
            Beginning::Earlier { than: 120 * MINUTE },
        ),
    ];
    for (name, course, expected) in table {
        assert_eq!(began(&[course]), expected, "{name}");
    }
}

#[test]
fn a_few_errors_before_a_burn_are_no_part_of_it() {
    // 60 requests in half a minute; four errors shortly before, which 1 % of so few does not exclude.
    let few = |before: usize, ratio: f64| {
        course(&[
            (200 - before, 0.0, 60.0),
            (2, ratio, 60.0),
            (before - 2, 0.0, 60.0),
            (20, 0.5, 60.0),
        ])
    };
    for before in [2, 4, 8, 16] {
        assert_eq!(
            began(&[few(before, 0.04)]),
            seen(10),
            "{before} slices before"
        );
    }
    // As bad as what follows, or proven by themselves: the burn began with them.
    assert_eq!(began(&[few(2, 0.5)]), seen(11));
    let steady = course(&[(180, 0.0, 6.0), (40, 0.2, 6.0)]);
    assert_eq!(began(&[steady]), seen(20));
}

#[test]
fn a_burst_right_before_a_burn_is_judged_by_the_calm_around_it() {
    // Five of sixty requests in a minute prove much, and nothing among the 300 of five minutes.
    let once = course(&[(218, 0.0, 60.0), (2, 0.08, 60.0), (20, 0.5, 60.0)]);
    assert_eq!(began(&[once]), seen(10));
    // Twelve prove it where errors come alone, and not where they always come like this.
    let burst = |before: f64| {
        course(&[
            (188, 0.0, 60.0),
            (2, before, 60.0),
            (28, 0.0, 60.0),
            (2, 0.2, 60.0),
            (20, 0.5, 60.0),
        ])
    };
    assert_eq!(began(&[burst(0.0)]), seen(11));
    assert_eq!(began(&[burst(0.2)]), seen(10));
}

#[test]
fn what_was_not_counted_is_not_known() {
    let lately = of([vec![None; 220], vec![Events::new(120.0, 600.0); 20]].concat());
    assert!(matches!(began(&[lately]), Beginning::NotMeasured { .. }));
    assert!(matches!(began(&[]), Beginning::NotMeasured { .. }));
    let calm = course(&[(240, 0.0, 600.0)]);
    assert!(matches!(began(&[calm]), Beginning::NotMeasured { .. }));
    let refused = SliceHistory {
        events: Reading::Partial {
            why: "a store is away".to_owned(),
        },
        ..course(&[])
    };
    let Beginning::NotMeasured { why } = began(&[refused]) else {
        panic!("half an answer shows no beginning");
    };
    assert!(why.contains("a store is away"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_clear_beginning_is_found_to_the_slice(
        calm in 61_usize..150,
        burning in 8_usize..60,
        noise in prop::collection::vec(0.0..0.006, 150),
        errors in prop::collection::vec(0.03..0.9, 60),
        // Noise of any size looks like clusters, which are worth less.
        total in 5000_u32..100_000,
    ) {
        let total = f64::from(total);
        let slice = |ratio: &f64| Events::new((ratio * total).floor(), total);
        let slices = noise[..calm].iter().chain(&errors[..burning]).map(slice).collect();
        let back = u32::try_from(burning).expect("few");
        prop_assert_eq!(began(&[of(slices)]), Beginning::Seen { ago: MINUTE / 2 * back });
    }

    #[test]
    fn more_errors_never_make_it_begin_after_them(
        mut ratios in prop::collection::vec(0.0..0.1, 100..240),
        at in 0_usize..99,
        more in 0.0..0.9,
    ) {
        let course = |ratios: &[f64]| {
            of(ratios.iter().map(|ratio| Events::new((ratio * 1000.0).round(), 1000.0)).collect())
        };
        let newest = ratios.len() - 10;
        // What burns now stays as it is, so that it caps both alike.
        ratios[newest..].fill(0.1);
        let ago = |beginning: Beginning| match beginning {
            Beginning::Seen { ago } => Some(ago),
            Beginning::Earlier { than } => Some(than),
            Beginning::NotMeasured { .. } => None,
        };
        let before = ago(began(&[course(&ratios)]));
        // The errors may show that what came before them was chance, but not that they are.
        let back = u32::try_from(ratios.len() - at).expect("few");
        if at < newest {
            ratios[at] += more;
        }
        prop_assert!(ago(began(&[course(&ratios)])) >= before.min(Some(MINUTE / 2 * back)));
    }
}
