//! Counted events of one window.

use std::ops::Add;

/// How far a count may lie from a whole number and still mean that number (events). `increase()` extrapolates, so whole
/// counts come back with float noise.
const WHOLE_TOLERANCE: f64 = 1e-6;

/// How far two counts of the same events may lie apart and still agree (ratio). `increase()` extends each count by at
/// most 1.1 of the distance between two scrapes at either end of its range, and in five minutes there are twenty of
/// them at the usual 15 s: two counters of one outage, read at different moments, differ by at most 11 %.
const EXTRAPOLATED: f64 = 1.11;

/// How many events two counts of the same events may lie apart, whatever their size (events): one that was counted as
/// bad and not yet as a request when the counters were read.
const IN_FLIGHT: f64 = 1.0;

/// The bad and the total events of one window; there was traffic, so their ratio exists.
///
/// Invariant: both are finite, `0 ≤ bad ≤ total` and `total > 0`. A window without traffic or with a missing total
/// has no `Events`: its value is `None`, which is neither healthy nor bad.
///
/// Windows are joined by adding counts. Ratios are never averaged: with seasonal traffic the mean of five-minute ratios
/// was wrong by a factor of up to 50.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Events {
    bad: f64,
    total: f64,
}

impl Events {
    /// Returns the events behind two answers of `increase()`, or nothing when they prove no traffic.
    ///
    /// `bad` is `None` when no bad series exists, which counts as 0 because the total decides. A count within 1e-6 of
    /// a whole number becomes that number; otherwise the bad count is rounded down and the total up, so that
    /// extrapolation never invents evidence. Rounding costs less than one event per call: to join many chunks, sum
    /// the raw answers first.
    ///
    /// A bad count that is above the total by no more than extrapolation explains (11 % and one event) is the total.
    /// Nothing is returned for one that is further above: one of the counts is wrong, and which one cannot be known.
    /// Nor for a count that is negative or not finite, nor for a total of 0.
    pub fn from_increase(bad: Option<f64>, total: f64) -> Option<Self> {
        let bad = bad.unwrap_or(0.0);
        if !is_count(bad) || !is_count(total) {
            return None;
        }
        if contradicts(bad, total) {
            return None;
        }
        let total = whole(total).unwrap_or_else(|| total.ceil());
        let bad = whole(bad).unwrap_or_else(|| bad.floor()).min(total);
        // A total of 0 has no ratio, with bad events it contradicts itself as well.
        (total > 0.0).then_some(Self { bad, total })
    }

    /// Returns exactly these events, without rounding, or nothing when a count is negative or not finite, the total
    /// is 0, or more events are bad than there were.
    pub fn new(bad: f64, total: f64) -> Option<Self> {
        let is_valid = is_count(bad) && is_count(total) && total > 0.0 && bad <= total;
        is_valid.then_some(Self { bad, total })
    }

    /// Returns the bad events (0..=total).
    pub fn bad(self) -> f64 {
        self.bad
    }

    /// Returns all events (above 0).
    pub fn total(self) -> f64 {
        self.total
    }

    /// Returns as many events as these are worth when each stands for several: the same ratio of fewer. What is not
    /// above 0 changes nothing.
    pub fn worth(self, each: f64) -> Self {
        let events = Self::new(self.bad / each, self.total / each);
        events.filter(|_| each > 0.0).unwrap_or(self)
    }

    /// Returns bad ÷ total (ratio, 0..=1).
    pub fn error_ratio(self) -> f64 {
        self.bad / self.total
    }
}

impl Add for Events {
    type Output = Self;

    /// Joins two windows that do not overlap.
    fn add(self, other: Self) -> Self {
        Self {
            bad: self.bad + other.bad,
            total: self.total + other.total,
        }
    }
}

/// Whether a number can be a count of events.
fn is_count(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// Tells whether more events are bad than there were, by more than extrapolation explains.
fn contradicts(bad: f64, total: f64) -> bool {
    bad > total * EXTRAPOLATED + IN_FLIGHT
}

/// Returns the whole number that a count means, if it is close to one.
fn whole(count: f64) -> Option<f64> {
    let rounded = count.round();
    ((count - rounded).abs() <= WHOLE_TOLERANCE).then_some(rounded)
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn rounds_so_that_extrapolation_invents_no_evidence() {
        let table = [
            (Some(5.0), 50.0, Some((5.0, 50.0))),
            (Some(5.000_000_9), 49.999_999_1, Some((5.0, 50.0))),
            (Some(4.999_999_1), 50.000_000_9, Some((5.0, 50.0))),
            (Some(5.9), 50.1, Some((5.0, 51.0))),
            (Some(5.000_01), 50.000_01, Some((5.0, 51.0))),
            (Some(0.4), 0.4, Some((0.0, 1.0))),
            (Some(12.0), 10.0, Some((10.0, 10.0))),
            (Some(111.0), 100.0, Some((100.0, 100.0))),
            (Some(112.1), 100.0, None),
            (Some(14.0), 10.0, None),
            (Some(60.0), 50.0, None),
            (Some(3.0), 1.0, None),
            (None, 10.0, Some((0.0, 10.0))),
            (Some(-0.0), 10.0, Some((0.0, 10.0))),
            (Some(0.0), 0.0, None),
            (Some(5.0), 0.0, None),
            (None, 0.0, None),
            (Some(0.0), 1e-9, None),
            (Some(-1.0), 10.0, None),
            (Some(1.0), -10.0, None),
            (Some(f64::NAN), 10.0, None),
            (Some(1.0), f64::NAN, None),
            (Some(f64::INFINITY), 10.0, None),
            (Some(1.0), f64::INFINITY, None),
        ];
        for (bad, total, expected) in table {
            let got = Events::from_increase(bad, total).map(|e| (e.bad(), e.total()));
            assert_eq!(got, expected, "bad {bad:?} of {total}");
        }
    }

    #[test]
    fn keeps_exact_counts_and_refuses_contradictions() {
        let exact = Events::new(0.25, 10.5).map(|e| (e.bad(), e.total()));
        assert_eq!(exact, Some((0.25, 10.5)));
        for (bad, total) in [
            (0.0, 0.0),
            (11.0, 10.0),
            (-1.0, 10.0),
            (f64::NAN, 10.0),
            (1.0, f64::INFINITY),
        ] {
            assert_eq!(Events::new(bad, total), None, "bad {bad} of {total}");
        }
    }
}
