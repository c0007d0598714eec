//! The counters of one service.

use super::history::Traffic;

/// A latency in seconds inside each bucket: no request lies anywhere else.
pub(crate) const TYPICAL_SECONDS: [f64; 7] = [0.05, 0.15, 0.35, 0.7, 1.5, 3.5, 7.0];

/// How the requests faster than one second spread over the first four buckets; the shares add up to 1.
const FAST_SHARES: [f64; 4] = [0.7, 0.2, 0.08, 0.02];

/// Requests by latency, one number for each of [`TYPICAL_SECONDS`].
pub(crate) type Latencies = [f64; 7];

/// The true, unrounded state of all counters; samples round down, so that no series ever falls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) good: f64,
    pub(crate) bad: f64,
    pub(crate) good_latencies: Latencies,
    pub(crate) bad_latencies: Latencies,
}

impl Counters {
    /// Adds the requests of a stretch of time. Good and bad ones are equally slow.
    pub(crate) fn add(&mut self, traffic: Traffic, seconds: f64) {
        let requests = traffic.requests_per_second * seconds;
        let bad = requests * traffic.error_ratio;
        let good = requests * (1.0 - traffic.error_ratio);
        self.bad += bad;
        self.good += good;
        spread(&mut self.good_latencies, traffic, good);
        spread(&mut self.bad_latencies, traffic, bad);
    }

    /// Returns the latencies of all requests.
    pub(crate) fn latencies(&self) -> Latencies {
        let mut all = self.good_latencies;
        for (sum, bad) in all.iter_mut().zip(self.bad_latencies) {
            *sum += bad;
        }
        all
    }
}

fn spread(latencies: &mut Latencies, traffic: Traffic, requests: f64) {
    for (bucket, share) in latencies.iter_mut().zip(FAST_SHARES) {
        *bucket += requests * (1.0 - traffic.slow_ratio) * share;
    }
    latencies[4] += requests * (traffic.slow_ratio - traffic.very_slow_ratio);
    latencies[5] += requests * traffic.very_slow_ratio;
}

/// Returns how many whole requests took at most `seconds`.
pub(crate) fn at_most(latencies: &Latencies, seconds: f64) -> u64 {
    latencies
        .iter()
        .zip(TYPICAL_SECONDS)
        .filter(|(_, typical)| *typical <= seconds)
        .map(|(requests, _)| *requests as u64)
        .sum()
}

/// Returns the seconds that all requests took together.
pub(crate) fn total_seconds(latencies: &Latencies) -> f64 {
    latencies
        .iter()
        .zip(TYPICAL_SECONDS)
        .map(|(requests, typical)| requests.floor() * typical)
        .sum()
}
