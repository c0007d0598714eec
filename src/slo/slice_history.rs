//! What was counted in the past: a history of slices, or one window of time.

use std::time::Duration;

use super::assessment::Sli;
use super::events::Events;
use super::latency::Histogram;
use super::reading::Reading;

/// Fewest slices that show how much errors vary. Source: our rule.
const FEWEST_SLICES: usize = 20;

/// Largest dispersion that is believed: beyond it one incident, not a habit, makes the errors vary. Source: our rule.
const MOST_DISPERSED: f64 = 3.0;

/// How a service went: slices of time, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceHistory {
    /// Distance between the ends of two slices.
    pub step: Duration,
    /// What each slice covers; slices overlap where it is longer than the step.
    pub covering: Duration,
    /// How long before the evaluation time the newest slice ends.
    pub ends_ago: Duration,
    /// The events of each slice; nothing where a slice is missing or idle.
    pub events: Reading<Vec<Option<Events>>>,
    /// The latency histogram of each slice; no series where nobody asked for it.
    pub latency: Reading<Vec<Option<Histogram>>>,
}

impl SliceHistory {
    /// Returns the slices of one SLI: its bad events are failed ones, or those that are proven to be too slow.
    pub(super) fn of(&self, sli: Sli) -> Reading<Vec<Option<Events>>> {
        match sli {
            Sli::Errors => self.events.clone(),
            Sli::SlowerThan { seconds, .. } => self.latency.clone().map(|slices| {
                slices
                    .iter()
                    .map(|slice| slice.as_ref()?.provably_slow(seconds))
                    .collect()
            }),
            Sli::Lost { usual } => self.events.clone().map(|slices| {
                let counted = |slice: &Option<Events>| slice.map_or(0.0, Events::total);
                slices
                    .iter()
                    .map(|slice| lost(counted(slice), usual, self.covering))
                    .collect()
            }),
        }
    }

    /// Returns how much more the bad events of one SLI vary from slice to slice than chance alone would have it,
    /// among the slices that ended at least so long ago (unitless, 1 to 3). Errors come in clusters: one client, one
    /// retry. A count of such errors is worth its number divided by this. 1 where too few slices hold events, or none
    /// of them is bad.
    ///
    /// Pearson's statistic of overdispersion: Σ (bad − expected)² ÷ variance, divided by the slices less one.
    pub fn dispersion(&self, sli: Sli, ended_ago: Duration) -> f64 {
        let calm: Vec<Events> = self.apart(sli, ended_ago).into_iter().flatten().collect();
        let all = calm.iter().copied().reduce(|left, right| left + right);
        let ratio = all.map_or(0.0, Events::error_ratio);
        if calm.len() < FEWEST_SLICES || ratio <= 0.0 || ratio >= 1.0 {
            return 1.0;
        }
        let surprise = |events: &Events| {
            let expected = ratio * events.total();
            (events.bad() - expected).powi(2) / (expected * (1.0 - ratio))
        };
        let sum: f64 = calm.iter().map(surprise).sum();
        (sum / (calm.len() - 1) as f64).clamp(1.0, MOST_DISPERSED)
    }

    /// Returns the events of one SLI in so long a time that ended at least so long ago, as whole slices and at least
    /// one; nothing where none of them holds any.
    pub fn within(&self, sli: Sli, ended_ago: Duration, span: Duration) -> Option<Events> {
        let count = span.as_millis().div_ceil(self.covering.as_millis().max(1));
        self.apart(sli, ended_ago)
            .into_iter()
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .flatten()
            .reduce(|left, right| left + right)
    }

    /// Returns the slices of one SLI that ended at least so long ago and hold no event twice, newest first.
    fn apart(&self, sli: Sli, ended_ago: Duration) -> Vec<Option<Events>> {
        let slices = self.of(sli);
        let slices = slices.value().map_or(&[][..], Vec::as_slice);
        let steps = |span: Duration| {
            let steps = span.as_millis().div_ceil(self.step.as_millis().max(1));
            usize::try_from(steps).unwrap_or(usize::MAX)
        };
        slices
            .iter()
            .rev()
            .skip(steps(ended_ago.saturating_sub(self.ends_ago)))
            .step_by(steps(self.covering).max(1))
            .copied()
            .collect()
    }

    /// Returns how long before the evaluation time the oldest slice begins, if it is as long as the step.
    pub(super) fn reach(&self) -> Duration {
        let count = |slices: &Vec<Option<Events>>| slices.len();
        let slices = self.events.value().map_or(0, count);
        self.ends_ago + self.step * u32::try_from(slices).unwrap_or(u32::MAX)
    }
}

/// What was counted in one stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowCounts {
    /// How long it is.
    pub covering: Duration,
    /// All events and those that failed.
    pub events: Reading<Events>,
    /// How long they took.
    pub latency: Reading<Histogram>,
}

impl WindowCounts {
    /// Returns the events of one SLI; of those that may or may not be too slow none counts as bad.
    pub fn at_least(&self, sli: Sli) -> Reading<Events> {
        match sli {
            Sli::Errors => self.events.clone(),
            Sli::SlowerThan { seconds, .. } => {
                self.slow(|histogram| histogram.provably_slow(seconds))
            }
            Sli::Lost { usual } => self.lost(usual),
        }
    }

    /// Returns the events of one SLI; of those that may or may not be too slow each counts as bad.
    pub fn at_most(&self, sli: Sli) -> Reading<Events> {
        match sli {
            Sli::Errors => self.events.clone(),
            Sli::SlowerThan { seconds, .. } => {
                self.slow(|histogram| histogram.possibly_slow(seconds))
            }
            Sli::Lost { usual } => self.lost(usual),
        }
    }

    /// Returns the events that are missing of those that are usual. That nothing was counted is an answer: all of
    /// them are.
    fn lost(&self, usual: f64) -> Reading<Events> {
        let counted = match &self.events {
            Reading::Measured(events) => events.total(),
            Reading::NoTraffic | Reading::NoSeries | Reading::Gone { .. } => 0.0,
            Reading::Stale { .. }
            | Reading::Partial { .. }
            | Reading::Invalid { .. }
            | Reading::Refused { .. } => return self.events.clone(),
        };
        lost(counted, usual, self.covering).map_or(Reading::NoTraffic, Reading::Measured)
    }

    fn slow(&self, count: impl Fn(&Histogram) -> Option<Events>) -> Reading<Events> {
        self.latency
            .clone()
            .and_then(|histogram| match count(&histogram) {
                Some(events) => Reading::Measured(events),
                None => Reading::NoTraffic,
            })
    }
}

/// Returns the events that are missing in so long a time at a usual rate (events per second); nothing where less than
/// one is usual.
fn lost(counted: f64, usual: f64, covering: Duration) -> Option<Events> {
    let expected = (usual * covering.as_secs_f64()).round();
    Events::new((expected - counted).max(0.0).floor(), expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn course(bad: &[f64]) -> SliceHistory {
        SliceHistory {
            step: MINUTE,
            covering: MINUTE,
            ends_ago: Duration::ZERO,
            events: Reading::Measured(bad.iter().map(|bad| Events::new(*bad, 200.0)).collect()),
            latency: Reading::NoSeries,
        }
    }

    fn dispersion(bad: &[f64], ended_ago: Duration) -> f64 {
        course(bad).dispersion(Sli::Errors, ended_ago)
    }

    #[test]
    fn errors_that_come_in_clusters_vary_more_than_chance() {
        let even = [1.0; 60];
        assert_eq!(dispersion(&even, Duration::ZERO), 1.0);
        // Sixty errors again, three at a time: a third of the slices is off by two, the rest by one.
        let mut clusters = [0.0; 60];
        for slice in clusters.iter_mut().step_by(3) {
            *slice = 3.0;
        }
        let found = dispersion(&clusters, Duration::ZERO);
        assert!((2.0..2.1).contains(&found), "{found}");
    }

    #[test]
    fn what_is_too_little_or_too_new_says_nothing_of_clusters() {
        let mut burning = [0.0; 60];
        burning[50..].fill(100.0);
        assert_eq!(dispersion(&burning, Duration::ZERO), MOST_DISPERSED);
        assert_eq!(dispersion(&burning, 10 * MINUTE), 1.0, "none is bad");
        assert_eq!(dispersion(&[10.0, 0.0, 10.0], Duration::ZERO), 1.0);
        assert_eq!(dispersion(&[], Duration::ZERO), 1.0);
        let mut early = [0.0; 60];
        early[5] = 10.0;
        assert!(
            dispersion(&early, 54 * MINUTE) == 1.0,
            "six slices are too few"
        );
        assert_eq!(dispersion(&early, 30 * MINUTE), MOST_DISPERSED);
    }

    #[test]
    fn overlapping_slices_count_once() {
        let mut bad = [0.0; 120];
        for (index, slice) in bad.iter_mut().enumerate() {
            // Every minute holds one error; the slices between two minutes hold a part of both.
            *slice = if index % 2 == 1 { 1.0 } else { 5.0 };
        }
        let overlapping = SliceHistory {
            step: MINUTE / 2,
            ..course(&bad)
        };
        assert_eq!(overlapping.dispersion(Sli::Errors, Duration::ZERO), 1.0);
    }

    #[test]
    fn counts_the_last_slices_before_a_moment() {
        let course = course(&[1.0, 2.0, 4.0, 8.0]);
        let within = |ago: u32, span: u32| {
            let events = course.within(Sli::Errors, ago * MINUTE, span * MINUTE)?;
            Some((events.bad(), events.total()))
        };
        assert_eq!(within(0, 1), Some((8.0, 200.0)));
        assert_eq!(within(1, 2), Some((6.0, 400.0)));
        assert_eq!(within(2, 9), Some((3.0, 400.0)));
        assert_eq!(within(4, 1), None);
    }
}
