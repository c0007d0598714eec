//! Properties that hold for every input, not only for known answers.

use proptest::prelude::*;

use super::{
    ErrorBudget, Events, Histogram, LatencyState, LevelThresholds, Significance, SignificanceRule,
    binomial_tail, burn_rate, conditional_binomial, consumption, consumption_of_part, level,
    multiwindow_fires, remaining, significant, sustained,
};

/// Float noise of a few operations (relative).
const NOISE: f64 = 1e-12;

const RULE: SignificanceRule = SignificanceRule {
    max_p_value: 0.001,
    min_bad_events: 5,
    min_events: 50,
};

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= NOISE * a.abs().max(b.abs())
}

fn budgets() -> impl Strategy<Value = ErrorBudget> {
    (1e-6..0.5).prop_map(|ratio| ErrorBudget::new(ratio).expect("between 0 and 1"))
}

/// Whole counts with the bad ones among the total.
fn events(max: u32) -> impl Strategy<Value = Events> {
    (1..=max).prop_flat_map(|total| (0..=total).prop_map(move |bad| counted(bad, total)))
}

fn counted(bad: u32, total: u32) -> Events {
    Events::new(f64::from(bad), f64::from(total)).expect("bad among a total above 0")
}

fn ratios() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![Just(None), Just(Some(f64::NAN)), (0.0..=1.0).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn consumption_does_not_depend_on_scale(window in events(1_000_000), budget in budgets(), scale in 0.001..1000.0) {
        let scaled = Events::new(window.bad() * scale, window.total() * scale).expect("still counts");
        prop_assert!(is_close(consumption(window, budget), consumption(scaled, budget)));
    }

    #[test]
    fn consumption_rises_with_bad_and_falls_with_good(window in events(1_000_000), budget in budgets(), more in 1.0..1000.0) {
        let before = consumption(window, budget);
        let worse = Events::new(window.bad() + more, window.total() + more).expect("counts");
        let better = Events::new(window.bad(), window.total() + more).expect("counts");
        prop_assert!(consumption(worse, budget) >= before);
        prop_assert!(consumption(better, budget) <= before);
    }

    #[test]
    fn chunks_of_a_window_add_up(chunks in prop::collection::vec(events(100_000), 1..50), budget in budgets()) {
        let bad = chunks.iter().map(|chunk| chunk.bad()).sum();
        let total = chunks.iter().map(|chunk| chunk.total()).sum();
        let whole = Events::new(bad, total).expect("counts");
        let joined = chunks.iter().copied().reduce(|a, b| a + b).expect("at least one chunk");
        prop_assert_eq!(joined, whole);
        let parts: f64 = chunks.iter().map(|chunk| consumption_of_part(*chunk, whole, budget)).sum();
        prop_assert!((parts - consumption(whole, budget)).abs() <= 1e-9 * parts);
    }

    #[test]
    fn nothing_burns_faster_than_everything(window in events(1_000_000), budget in budgets()) {
        let rate = burn_rate(window.error_ratio(), budget);
        prop_assert!((0.0..=1.0 / budget.ratio()).contains(&rate));
        prop_assert!(is_close(rate, consumption(window, budget)));
    }

    #[test]
    fn remaining_and_consumed_are_one(consumed in 0.0..1000.0) {
        prop_assert!((remaining(consumed) + consumed - 1.0).abs() < 1e-9);
    }

    #[test]
    fn level_never_falls_as_consumption_rises(low in 0.0..2.0, more in 0.0..2.0) {
        let thresholds = LevelThresholds::new(0.5, 0.8, 0.95).expect("in order");
        prop_assert!(level(low, &thresholds) <= level(low + more, &thresholds));
    }

    #[test]
    fn rounding_never_makes_it_worse(bad in 0.0..1000.0, good in 0.001..1000.0) {
        let exact = Events::new(bad, bad + good).expect("counts");
        let rounded = Events::from_increase(Some(bad), bad + good).expect("counts");
        prop_assert!(rounded.error_ratio() <= exact.error_ratio() + 1e-5);
    }

    #[test]
    fn a_pair_is_unknown_exactly_when_a_window_is(long in ratios(), short in ratios(), factor in 0.1..20.0, budget in budgets()) {
        let is_blind = |ratio: Option<f64>| ratio.is_none_or(f64::is_nan);
        let fires = multiwindow_fires(long, short, factor, budget);
        prop_assert_eq!(fires.is_none(), is_blind(long) || is_blind(short));
    }

    #[test]
    fn a_missing_point_never_makes_a_violation(points in prop::collection::vec(ratios(), 11), gone in 0_usize..11) {
        let mut fewer = points.clone();
        fewer[gone] = None;
        if sustained(&points, 0.5, 9).is_none() {
            prop_assert_eq!(sustained(&fewer, 0.5, 9), None);
        }
    }

    #[test]
    fn good_traffic_never_creates_a_violation(window in events(10_000), more in 1_u32..10_000, threshold in 0.001..0.2) {
        let better = Events::new(window.bad(), window.total() + f64::from(more)).expect("counts");
        // The traffic floor is the exception by design: below it nothing is said at all.
        let before = significant(window, threshold, &RULE);
        if before == Significance::NotSignificant {
            prop_assert_eq!(significant(better, threshold, &RULE), Significance::NotSignificant);
        }
    }

    #[test]
    fn fast_requests_never_create_a_latency_violation(
        counts in prop::collection::vec(0_u32..1000, 4), more in 1_u32..1000, threshold in 0.1..6.0,
    ) {
        let histogram = |fast: u32| {
            let mut sum = f64::from(fast);
            let cumulative = counts.iter().map(move |count| { sum += f64::from(*count); sum });
            Histogram::from_cumulative([0.05, 1.0, 5.0, f64::INFINITY].into_iter().zip(cumulative)).expect("a histogram")
        };
        let before = histogram(0).judge(threshold, 0.05);
        let after = histogram(more).judge(threshold, 0.05);
        if before != Some(LatencyState::Exceeded) {
            prop_assert_ne!(after, Some(LatencyState::Exceeded));
        }
        if before == Some(LatencyState::Within) {
            prop_assert_eq!(after, Some(LatencyState::Within));
        }
    }

    #[test]
    fn the_tail_falls_with_bad_and_rises_with_the_threshold(window in events(100_000), p in 0.0001..0.9) {
        let (bad, total) = (window.bad() as u64, window.total() as u64);
        let tail = binomial_tail(bad, total, p);
        prop_assert!((0.0..=1.0).contains(&tail));
        prop_assert!(binomial_tail(bad + 1, total, p) <= tail * (1.0 + NOISE));
        prop_assert!(binomial_tail(bad, total, p * 1.1) * (1.0 + NOISE) >= tail);
    }

    #[test]
    fn at_or_below_the_threshold_is_never_significant(total in 50_u32..1_000_000, threshold in 0.001..0.2) {
        let bad = f64::floor(f64::from(total) * threshold) as u32;
        prop_assert_ne!(significant(counted(bad, total), threshold, &RULE), Significance::Significant);
    }

    #[test]
    fn a_worse_before_excuses_more(after in events(10_000), before in events(10_000), multiple in 0.5..4.0) {
        let chance = conditional_binomial(after, before, multiple);
        prop_assert!((0.0..=1.0).contains(&chance));
        if let Some(worse) = Events::new(before.bad() + 1.0, before.total()) {
            prop_assert!(conditional_binomial(after, worse, multiple) * (1.0 + NOISE) >= chance);
        }
    }
}
