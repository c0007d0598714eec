//! What was counted in the past: a course of slices, or one stretch of time.

use std::time::Duration;

use super::assessment::Sli;
use super::events::Events;
use super::latency::Histogram;
use super::reading::Reading;

/// How a service went: slices of time, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
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

impl Course {
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
        }
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
pub struct Stretch {
    /// All events and those that failed.
    pub events: Reading<Events>,
    /// How long they took.
    pub latency: Reading<Histogram>,
}

impl Stretch {
    /// Returns the events of one SLI; of those that may or may not be too slow none counts as bad.
    pub fn at_least(&self, sli: Sli) -> Reading<Events> {
        match sli {
            Sli::Errors => self.events.clone(),
            Sli::SlowerThan { seconds, .. } => {
                self.slow(|histogram| histogram.provably_slow(seconds))
            }
        }
    }

    /// Returns the events of one SLI; of those that may or may not be too slow each counts as bad.
    pub fn at_most(&self, sli: Sli) -> Reading<Events> {
        match sli {
            Sli::Errors => self.events.clone(),
            Sli::SlowerThan { seconds, .. } => {
                self.slow(|histogram| histogram.possibly_slow(seconds))
            }
        }
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
