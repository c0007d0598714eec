//! The tests of significance against an independent implementation: `statrs` gets the binomial tail from the
//! regularized incomplete beta function, by a continued fraction, where this module adds up its terms.

use proptest::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{Events, binomial_tail, conditional_binomial};

/// How far the two may lie apart (relative). The oracle takes the exponent of a sum of logarithms of factorials, each
/// as large as n·ln n, 10⁵ for the totals here; a few units in the last place of that are 10⁻¹⁰ of the result.
const TOLERANCE: f64 = 1e-9;

/// Most events that the oracle is asked about: its continued fraction ends after 140 steps, enough for about √n of
/// them.
const MOST: u64 = 10_000;

/// Chances below this are not compared: the oracle loses digits where numbers are no longer normal.
const SMALLEST: f64 = 1e-290;

/// Returns P(X ≥ bad). The survival function of the oracle is P(X > bad).
fn oracle(bad: u64, total: u64, p: f64) -> f64 {
    let Some(below) = bad.checked_sub(1) else {
        return 1.0;
    };
    Binomial::new(p, total).expect("a probability").sf(below)
}

fn assert_close(got: f64, expected: f64, what: &str) -> Result<(), TestCaseError> {
    if expected < SMALLEST {
        prop_assert!(got < 2.0 * SMALLEST, "{what}: {got:e}, not {expected:e}");
        return Ok(());
    }
    let off = (got - expected).abs() / expected;
    prop_assert!(off < TOLERANCE, "{what}: {got:e}, not {expected:e}");
    Ok(())
}

/// Counts from well below the mean to far above it.
fn counts() -> impl Strategy<Value = (u64, u64, f64)> {
    (1..=MOST, -6.0..0.0_f64, -6.0..40.0_f64).prop_map(|(total, magnitude, deviations)| {
        let p = 10_f64.powf(magnitude) * 0.999;
        let mean = total as f64 * p;
        let bad = (mean + deviations * (mean * (1.0 - p)).sqrt()).round();
        (bad.clamp(0.0, total as f64) as u64, total, p)
    })
}

fn events() -> impl Strategy<Value = Events> {
    (1_u32..=100_000, 0.0..1.0_f64).prop_map(|(total, share)| {
        // Few bad events are as frequent here as many.
        let bad = (f64::from(total.min(5_000)) * share.powi(4)).floor();
        Events::new(bad, f64::from(total)).expect("bad among a total above 0")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tail_agrees_with_the_incomplete_beta_function((bad, total, p) in counts()) {
        let what = format!("{bad} of {total} at {p}");
        assert_close(binomial_tail(bad, total, p), oracle(bad, total, p), &what)?;
    }

    #[test]
    fn the_conditional_test_agrees_with_the_incomplete_beta_function(
        after in events(), before in events(), multiple in 0.5..4.0_f64,
    ) {
        let weight = multiple * after.total();
        let expected = oracle(
            after.bad() as u64,
            (after.bad() + before.bad()) as u64,
            weight / (weight + before.total()),
        );
        let what = format!("{after:?} against {before:?}, {multiple} times");
        assert_close(conditional_binomial(after, before, multiple), expected, &what)?;
    }
}
