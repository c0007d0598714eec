//! The exact upper tail of the binomial distribution.

use std::f64::consts::TAU;

/// A term this small against the sum changes nothing any more (relative; a hundredth of the last bit of an `f64`).
const NEGLIGIBLE: f64 = 1e-18;

/// Returns P(X ≥ `bad`) for X ~ Binomial(`total`, `p`): the chance that at least so many of `total` events go bad
/// when each does with probability `p` (probability, 0..=1, one-sided).
///
/// It is 1 for `bad` = 0 and 0 for `bad` > `total`; a chance below about 1e-308 is 0. A `p` that is not a number
/// gives 1, which proves nothing. The sum runs away from the mean and stops when terms vanish, after about
/// 9·√(total·p·(1−p)) steps: 45,000 at worst for 10⁸ events. The relative error is below 1e-10 where the tail is
/// above 1e-300.
pub fn binomial_tail(bad: u64, total: u64, p: f64) -> f64 {
    if bad == 0 || p.is_nan() || p >= 1.0 {
        // More bad events than events stay impossible even when each one is bad.
        return if bad > total { 0.0 } else { 1.0 };
    }
    if bad > total || p <= 0.0 {
        return 0.0;
    }
    let (k, n, q) = (bad as f64, total as f64, 1.0 - p);
    if k > n * p {
        let first = probability(k, n, p);
        sum_of_terms(first, n - k, |i| (n - k - i) / (k + i + 1.0) * (p / q))
    } else {
        // Below the mean the tail is nearly everything; what is missing from 1 has fewer terms.
        let first = probability(k - 1.0, n, p);
        let below = sum_of_terms(first, k - 1.0, |i| {
            (k - 1.0 - i) / (n - k + i + 2.0) * (q / p)
        });
        1.0 - below
    }
    .clamp(0.0, 1.0)
}

/// Returns the sum of a first term and up to `steps` following ones, each made from the one before by its ratio.
///
/// The ratios fall, so the sum ends as soon as a term is negligible.
fn sum_of_terms(first: f64, steps: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut term, mut i) = (first, first, 0.0);
    while i < steps && term > sum * NEGLIGIBLE {
        term *= ratio(i);
        sum += term;
        i += 1.0;
    }
    sum
}

/// Returns P(X = k) for X ~ Binomial(n, p) with 0 < p < 1 and 0 ≤ k ≤ n, both whole.
///
/// Catherine Loader, "Fast and Accurate Computation of Binomial Probabilities" (2000): the large parts of the
/// logarithms cancel on paper instead of in floats, so it is exact to about 1e-13 at any size and takes constant
/// time, where the sum of k logarithms would take seconds for 10⁸ events.
fn probability(k: f64, n: f64, p: f64) -> f64 {
    if k == 0.0 {
        return (n * (-p).ln_1p()).exp();
    }
    if k == n {
        return (n * p.ln()).exp();
    }
    let rest = n - k;
    let log = stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * p)
        - deviance(rest, n * (1.0 - p));
    log.exp() * (n / (TAU * k * rest)).sqrt()
}

/// Returns ln(n!) − ln(√(2πn)·(n/e)ⁿ): what Stirling's formula leaves out (n ≥ 1).
fn stirling_error(n: f64) -> f64 {
    /// Up to here n! is exact in an `f64` and the series below is not yet (18! < 2⁵³).
    const LARGEST_EXACT: f64 = 18.0;
    if n <= LARGEST_EXACT {
        let mut factorial = 1.0;
        let mut i = 2.0;
        while i <= n {
            factorial *= i;
            i += 1.0;
        }
        return f64::ln(factorial) - (0.5 * (TAU * n).ln() + n * n.ln() - n);
    }
    // Stirling's series; the first term left out is below 1e-16 from here on.
    let square = n * n;
    (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square)
            / square)
        / n
}

/// Returns x·ln(x/mean) + mean − x without cancellation near the mean (x > 0, mean > 0).
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - difference;
    }
    // x·ln(x/mean) = 2x·artanh(v), as a series in v.
    let v = difference / (x + mean);
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    let mut odd = 3.0;
    loop {
        power *= v * v;
        let next = sum + power / odd;
        if next == sum {
            return sum;
        }
        sum = next;
        odd += 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::binomial_tail;

    #[test]
    fn stays_a_probability_at_the_edges() {
        let table = [
            (0, 0, 0.5, 1.0),
            (1, 0, 0.5, 0.0),
            (0, 10, f64::NAN, 1.0),
            (3, 10, f64::NAN, 1.0),
            (3, 10, 0.0, 0.0),
            (3, 10, -1.0, 0.0),
            (3, 10, 1.0, 1.0),
            (11, 10, 1.0, 0.0),
            (100_000_000, 100_000_000, 0.01, 0.0),
            (1, 100_000_000, 0.5, 1.0),
        ];
        for (bad, total, p, expected) in table {
            assert_eq!(
                binomial_tail(bad, total, p),
                expected,
                "{bad} of {total} at {p}"
            );
        }
    }

    #[test]
    fn agrees_with_sixty_digit_arithmetic() {
        // Source: computed with 60-digit decimals, log-gamma for the first term, then term by term.
        let table = [
            (50_015_000, 100_000_000, 0.5, 0.001_350_341_194_300_965_8),
            (1_000_000, 100_000_000, 0.01, 0.500_134_987_200_139_3),
            (1_003_500, 100_000_000, 0.01, 0.000_219_656_687_518_488_2),
            (998_000, 100_000_000, 0.01, 0.977_841_395_015_528_8),
            (120, 100_000_000, 1e-6, 0.028_230_330_568_733_96),
            (19, 38, 0.3, 0.007_614_833_395_725_704),
            (20, 40, 0.1, 1.871_857_935_417_400_5e-10),
            (17, 36, 0.02, 7.845_375_447_521_32e-20),
        ];
        for (bad, total, p, expected) in table {
            let got = binomial_tail(bad, total, p);
            let off = (got - expected).abs() / expected;
            assert!(
                off < 1e-10,
                "{bad} of {total} at {p}: {got}, off by {off:e}"
            );
        }
    }

    #[test]
    fn agrees_with_direct_summation() {
        // Exact below 2⁵³ in the coefficients, so small totals need no logarithms.
        let direct = |bad: u64, total: u64, p: f64| -> f64 {
            let coefficient = |k: u64| (1..=k).fold(1_u64, |c, i| c * (total - k + i) / i) as f64;
            let term =
                |k: u64| coefficient(k) * p.powi(k as i32) * (1.0 - p).powi((total - k) as i32);
            (bad..=total).map(term).sum()
        };
        for total in 1..=40 {
            for bad in 1..=total {
                for p in [1e-6, 0.001, 0.01, 0.0144, 0.05, 0.3, 0.5, 0.9, 0.999] {
                    let (got, expected) = (binomial_tail(bad, total, p), direct(bad, total, p));
                    let off = (got - expected).abs() / expected;
                    assert!(
                        off < 1e-11,
                        "{bad} of {total} at {p}: {got}, not {expected}"
                    );
                }
            }
        }
    }
}
