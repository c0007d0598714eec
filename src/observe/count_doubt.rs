//! What stands against the counts of an observation, whatever they are.

use std::time::Duration;

use crate::slo::Reading;

/// What stands against all readings of one observation alike.
pub(super) struct CountDoubt {
    /// Why no count may be believed.
    pub(super) trouble: Option<String>,
    /// How old the newest sample is at least, where the series have ended.
    pub(super) gone: Option<Duration>,
    /// Why own queries have no series.
    pub(super) rare: Option<String>,
}

impl CountDoubt {
    /// Returns a count as far as it may be believed.
    pub(super) fn about<T>(&self, reading: Reading<T>) -> Reading<T> {
        let reading = self.absent(reading);
        match &self.trouble {
            Some(why) => reading.and_then(|_| Reading::Invalid { why: why.clone() }),
            None => reading,
        }
    }

    /// The same for counts of events whose outcome is known: that there is none may be what is wrong.
    pub(super) fn about_counts<T>(&self, reading: Reading<T>) -> Reading<T> {
        match (&self.trouble, self.about(reading)) {
            (Some(why), Reading::NoTraffic | Reading::NoSeries) => {
                Reading::Invalid { why: why.clone() }
            }
            (_, reading) => reading,
        }
    }

    /// Says why it is not known how much of the SLO window is covered. Where its events are, the service is there.
    pub(super) fn of_coverage(&self, coverage: Reading<f64>, has_budget: bool) -> Reading<f64> {
        let coverage = self.absent(coverage);
        if has_budget && coverage == Reading::NoSeries {
            return Reading::Invalid {
                why: "events are counted, and for too short a time to say how much of the SLO window they cover; it is known \
                      once the service has been counted for some hours"
                    .to_owned(),
            };
        }
        coverage
    }

    /// Returns a reading with the true reason why there is none.
    pub(super) fn absent<T>(&self, reading: Reading<T>) -> Reading<T> {
        match (reading, self.gone, &self.rare) {
            (Reading::NoSeries | Reading::Stale { .. }, Some(at_least), _) => {
                Reading::Gone { at_least }
            }
            (Reading::NoSeries, None, Some(why)) => Reading::Invalid { why: why.clone() },
            (reading, _, _) => reading,
        }
    }
}
