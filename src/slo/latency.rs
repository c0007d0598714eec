//! Latency verdicts from cumulative buckets.
//!
//! "P95 above 1 s" is "more than 5 % slower than 1 s", which is exact only where a bucket ends at 1 s. Between two
//! bounds the share can only be enclosed, so the verdict has a third value. An interpolated quantile is for display
//! and never decides.

use super::Events;

/// How far bucket counts may fall from one bound to the next and still be float noise, as a share of all events.
/// Anything larger means that the buckets come from different layouts, for instance old and new pods with other
/// bounds.
const MONOTONE_TOLERANCE: f64 = 1e-6;

/// How far two bounds may lie apart and still be the same (relative). It absorbs the conversion from milliseconds.
const BOUND_TOLERANCE: f64 = 1e-9;

/// A verdict on "at most this share of the events is slower than the threshold".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LatencyState {
    /// The slow share is proven to be allowed.
    Within,
    /// The slow share is proven to be too large.
    Exceeded,
    /// The buckets around the threshold allow both: show the quantile, do not act.
    Uncertain,
}

/// The cumulative buckets of a latency histogram, summed over a window.
///
/// Invariant: bounds are at least 0 and strictly rising, the last one is +∞, counts are finite and never fall.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Finite upper bounds (seconds) with the events at or below each.
    finite: Vec<(f64, f64)>,
    /// All events: the count of the +∞ bucket.
    total: f64,
}

impl Histogram {
    /// Returns the histogram of pairs (upper bound in seconds, events at or below it), in any order, or nothing when
    /// they do not make one.
    ///
    /// Counts of equal bounds are added, because the text of a bound (`1`, `1.0`) splits one bucket into two series.
    /// Refused are: no +∞ bound, a bound that is negative or not a number, a count that is negative or not finite, and
    /// counts that fall as the bound rises by more than 1e-6 of all events (less is evened out).
    pub fn from_cumulative(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let mut pairs: Vec<(f64, f64)> = pairs.into_iter().collect();
        let is_valid =
            |&(bound, count): &(f64, f64)| bound >= 0.0 && count.is_finite() && count >= 0.0;
        if !pairs.iter().all(is_valid) {
            return None;
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs.dedup_by(|next, kept| {
            let is_same = is_same_bound(next.0, kept.0);
            if is_same {
                kept.1 += next.1;
            }
            is_same
        });
        let (last, total) = pairs.pop()?;
        if last != f64::INFINITY {
            return None;
        }
        let mut below = total;
        for (_, count) in pairs.iter_mut().rev() {
            if *count > below + MONOTONE_TOLERANCE * total {
                return None;
            }
            *count = count.min(below);
            below = *count;
        }
        Some(Self {
            finite: pairs,
            total,
        })
    }

    /// Returns all events.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Returns the latency below which a share `q` of the events lies (seconds), interpolated as PromQL's
    /// `histogram_quantile` does: for display only.
    ///
    /// The lowest bucket starts at 0, and a rank beyond the highest finite bound gives that bound. Nothing is returned
    /// without events, without a finite bound, or when `q` is not above 0 and at most 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let &(highest, _) = self.finite.last()?;
        if self.total <= 0.0 || !(q > 0.0 && q <= 1.0) {
            return None;
        }
        let rank = q * self.total;
        let mut lower = (0.0, 0.0);
        for &(bound, count) in &self.finite {
            if count >= rank {
                // The rank is above the count below, so this bucket is not empty.
                let (start, below) = lower;
                return Some(start + (bound - start) * (rank - below) / (count - below));
            }
            lower = (bound, count);
        }
        Some(highest)
    }

    /// Returns the events with those that are proven to be slower than the threshold (seconds) as the bad ones, or
    /// nothing without events: what lies above the threshold's own bound, else above the next higher one, else none.
    pub fn provably_slow(&self, threshold: f64) -> Option<Events> {
        let slow = self
            .finite
            .iter()
            .find(|(bound, _)| is_same_bound(*bound, threshold) || *bound > threshold)
            .map_or(0.0, |&(_, count)| self.total - count);
        Events::from_increase(Some(slow), self.total)
    }

    /// Returns the events with those that are not proven to be fast enough as the bad ones, or nothing without
    /// events: what lies above the threshold's own bound, else above the next lower one, else all.
    pub fn possibly_slow(&self, threshold: f64) -> Option<Events> {
        let slow = self
            .finite
            .iter()
            .rev()
            .find(|(bound, _)| is_same_bound(*bound, threshold) || *bound < threshold)
            .map_or(self.total, |&(_, count)| self.total - count);
        Events::from_increase(Some(slow), self.total)
    }

    /// Returns the share of events slower than the threshold in seconds (ratio, 0..=1), or nothing when no bucket ends
    /// there or there are no events.
    pub fn share_above(&self, threshold: f64) -> Option<f64> {
        let is_there = |&&(bound, _): &&(f64, f64)| is_same_bound(bound, threshold);
        let &(_, count) = self.finite.iter().find(is_there)?;
        (self.total > 0.0).then(|| self.slower_than(count))
    }

    /// Returns whether more than `allowed_slow_ratio` of the events (0.05 for P95, 0.01 for P99) are slower than the
    /// threshold in seconds, or nothing when there are no events.
    ///
    /// A bound equal to the threshold decides exactly. Otherwise the share above the next lower bound (all events, if
    /// there is none) proves `Within`, the share above the next higher finite bound proves `Exceeded`, and nothing
    /// else does.
    pub fn judge(&self, threshold: f64, allowed_slow_ratio: f64) -> Option<LatencyState> {
        if self.total <= 0.0 || !threshold.is_finite() {
            return None;
        }
        let exact = self.share_above(threshold);
        let at_most = exact.unwrap_or_else(|| {
            let lower = self
                .finite
                .iter()
                .rev()
                .find(|(bound, _)| *bound < threshold);
            lower.map_or(1.0, |&(_, count)| self.slower_than(count))
        });
        let at_least = exact.or_else(|| {
            let upper = self.finite.iter().find(|(bound, _)| *bound > threshold);
            upper.map(|&(_, count)| self.slower_than(count))
        });
        Some(if at_most <= allowed_slow_ratio {
            LatencyState::Within
        } else if at_least.is_some_and(|share| share > allowed_slow_ratio) {
            LatencyState::Exceeded
        } else {
            LatencyState::Uncertain
        })
    }

    /// Returns the share of events above a cumulative count. Subtracted before dividing, so that 50 of 1000 is
    /// exactly 0.05.
    fn slower_than(&self, count: f64) -> f64 {
        (self.total - count) / self.total
    }
}

/// Whether two bounds are the same number (two infinities are).
fn is_same_bound(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= BOUND_TOLERANCE * a.abs().min(b.abs())
}

#[cfg(test)]
mod tests {
    use super::{Histogram, LatencyState};

    const INF: f64 = f64::INFINITY;

    #[test]
    fn refuses_what_is_not_a_histogram() {
        let refused: [&[(f64, f64)]; 8] = [
            &[],
            &[(1.0, 5.0)],
            &[(1.0, 5.0), (2.0, 4.0), (INF, 6.0)],
            &[(1.0, 7.0), (INF, 6.0)],
            &[(-1.0, 0.0), (INF, 6.0)],
            &[(f64::NAN, 0.0), (INF, 6.0)],
            &[(1.0, f64::NAN), (INF, 6.0)],
            &[(1.0, -1.0), (INF, 6.0)],
        ];
        for pairs in refused {
            assert_eq!(Histogram::from_cumulative(pairs.iter().copied()), None);
        }
    }

    #[test]
    fn joins_one_bound_written_in_two_ways() {
        let split = [(INF, 10.0), (1.0, 4.0), (2.5, 9.0), (1.0, 3.0)];
        let joined = [(1.0, 7.0), (2.5, 9.0), (INF, 10.0)];
        assert_eq!(
            Histogram::from_cumulative(split),
            Histogram::from_cumulative(joined)
        );
    }

    #[test]
    fn evens_out_float_noise() {
        let noisy = [(1.0, 7.000_000_1), (2.5, 7.0), (INF, 7.0)];
        let histogram = Histogram::from_cumulative(noisy).expect("noise is no contradiction");
        assert_eq!(histogram.share_above(1.0), Some(0.0));
        assert_eq!(histogram.share_above(2.5), Some(0.0));
    }

    #[test]
    fn only_the_infinite_bucket_proves_nothing() {
        let histogram = Histogram::from_cumulative([(INF, 10.0)]).expect("a histogram");
        assert_eq!(histogram.quantile(0.95), None);
        assert_eq!(histogram.judge(1.0, 0.05), Some(LatencyState::Uncertain));
    }

    #[test]
    fn judges_the_share_exactly_at_a_bound() {
        let at_limit = Histogram::from_cumulative([(1.0, 950.0), (INF, 1000.0)]);
        let state = at_limit.and_then(|histogram| histogram.judge(1.0, 0.05));
        assert_eq!(state, Some(LatencyState::Within));
        let above = Histogram::from_cumulative([(1.0, 949.0), (INF, 1000.0)]);
        let state = above.and_then(|histogram| histogram.judge(1.0, 0.05));
        assert_eq!(state, Some(LatencyState::Exceeded));
    }

    #[test]
    fn proves_nothing_bad_above_the_highest_bound() {
        let slow = Histogram::from_cumulative([(1.0, 0.0), (5.0, 0.0), (INF, 1000.0)]);
        let slow = slow.expect("a histogram");
        assert_eq!(slow.judge(10.0, 0.05), Some(LatencyState::Uncertain));
        assert_eq!(slow.quantile(0.95), Some(5.0));
    }

    #[test]
    fn has_no_quantile_outside_its_range() {
        let histogram = Histogram::from_cumulative([(0.0, 0.0), (1.0, 10.0), (INF, 10.0)]);
        let histogram = histogram.expect("a histogram");
        for q in [0.0, -0.5, 1.5, f64::NAN] {
            assert_eq!(histogram.quantile(q), None, "q {q}");
        }
        assert_eq!(histogram.quantile(1.0), Some(1.0));
        assert_eq!(histogram.judge(f64::NAN, 0.05), None);
    }
}
