//! What holds for every measurement.

use proptest::prelude::*;

use super::*;

/// How bad a verdict is; nothing for one that is not known, which is neither better nor worse.
fn badness(verdict: Verdict) -> Option<u8> {
    match verdict {
        Verdict::Healthy => Some(0),
        Verdict::Exhausted => Some(1),
        Verdict::Burning => Some(2),
        Verdict::Unknown => None,
    }
}

/// Services that err alike in all windows, so that none contradicts another.
fn worlds() -> impl Strategy<Value = World> {
    let ratio = || 0.0..0.05_f64;
    (
        ratio(),
        0.5..1.0,
        0.0..2.0,
        prop::collection::vec(prop::option::weighted(0.9, ratio()), 11),
    )
        .prop_map(|(errors, coverage, consumed, slices)| {
            world()
                .windows([errors; 4])
                .consumed(consumed + errors * 10.0)
                .covered(coverage)
                .slices(&slices)
        })
}

fn worse(world: World, more: f64) -> World {
    each_count(world, |events| {
        let bad = (events.bad() + (more * events.total()).round()).min(events.total());
        Events::new(bad, events.total()).expect("still among the total")
    })
}

/// Adds so many times the events, all of them good.
fn busier(world: World, more: f64) -> World {
    each_count(world, |events| {
        let total = events.total() + (more * events.total()).round();
        Events::new(events.bad(), total).expect("still among the total")
    })
}

fn each_count(mut world: World, change: impl Fn(Events) -> Events) -> World {
    let measurement = &mut world.measurement;
    for window in [
        &mut measurement.m5,
        &mut measurement.m30,
        &mut measurement.h1,
        &mut measurement.h6,
        &mut measurement.budget,
    ] {
        *window = window.clone().map(&change);
    }
    let slices = measurement.slices.clone();
    measurement.slices = slices.map(|slices| {
        let slices = slices.into_iter();
        slices.map(|slice| slice.map(&change)).collect()
    });
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_errors_never_make_the_verdict_better(world in worlds(), more in 0.0..0.5) {
        let before = world.assess();
        let after = worse(world, more).assess();
        prop_assert!(after.budget.level >= before.budget.level);
        prop_assert!(after.burning >= before.burning || before.burning.is_none());
        if let (Some(before), Some(after)) = (badness(before.verdict), badness(after.verdict)) {
            prop_assert!(after >= before);
        }
        prop_assert!(badness(after.verdict).is_some() || badness(before.verdict).is_none());
        for (before, after) in before.violations.iter().zip(&after.violations) {
            prop_assert!(before.state != ViolationState::Violated || after.state == ViolationState::Violated);
        }
    }

    #[test]
    fn good_traffic_never_creates_a_violation_or_a_burn(world in worlds(), more in 0.0..5.0_f64) {
        let before = world.assess();
        let after = busier(world, more).assess();
        prop_assert!(after.burning != Some(true) || before.burning == Some(true));
        prop_assert!(after.budget.level <= before.budget.level);
        for (before, after) in before.violations.iter().zip(&after.violations) {
            prop_assert!(after.state != ViolationState::Violated || before.state == ViolationState::Violated);
        }
        for burn in &after.burns {
            prop_assert!(before.burns.iter().any(|known| known.cause == burn.cause));
        }
    }

    #[test]
    fn assessing_twice_is_the_same(world in worlds()) {
        prop_assert_eq!(world.assess(), world.assess());
    }

    #[test]
    fn a_lost_reading_never_starts_a_burn(world in worlds(), lost in 0_usize..7) {
        let before = world.assess();
        let blind = world.but(|measurement| match lost {
            0 => measurement.m5 = Reading::NoSeries,
            1 => measurement.m30 = Reading::NoTraffic,
            2 => measurement.h1 = Reading::Partial { why: "a store is away".to_owned() },
            3 => measurement.h6 = Reading::Stale { age: 600 * SECOND },
            4 => measurement.freshness = Reading::NoSeries,
            5 => measurement.slices = Reading::Invalid { why: "not a number".to_owned() },
            _ => measurement.budget = Reading::NoSeries,
        });
        let after = blind.assess();
        prop_assert!(after.burning != Some(true) || before.burning == Some(true));
        prop_assert!(after.blocking_unknowns().next().is_some());
        prop_assert!(!matches!(after.verdict, Verdict::Healthy | Verdict::Exhausted));
    }
}
