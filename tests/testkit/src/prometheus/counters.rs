//! The counters of one service.

use super::history::Traffic;

/// Upper bounds of the latency buckets, in seconds, as they are written in `le`.
pub(super) const BOUNDS: [&str; 6] = ["0.1", "0.25", "0.5", "1", "2.5", "5"];

/// A latency in seconds inside each bucket and beyond the last: what one request there adds to the sum.
const TYPICAL_SECONDS: [f64; 7] = [0.05, 0.15, 0.35, 0.7, 1.5, 3.5, 7.0];

/// How the requests faster than one second spread over the first four buckets; the shares add up to 1.
const FAST_SHARES: [f64; 4] = [0.7, 0.2, 0.08, 0.02];

/// The true, unrounded state of all counters; samples round down, so that no series ever falls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(super) good: f64,
    pub(super) bad: f64,
    buckets: [f64; 7],
}

impl Counters {
    /// Adds the requests of a stretch of time.
    pub(crate) fn add(&mut self, traffic: Traffic, seconds: f64) {
        let requests = traffic.requests_per_second * seconds;
        self.bad += requests * traffic.error_ratio;
        self.good += requests * (1.0 - traffic.error_ratio);
        for (bucket, share) in self.buckets.iter_mut().zip(FAST_SHARES) {
            *bucket += requests * (1.0 - traffic.slow_ratio) * share;
        }
        self.buckets[4] += requests * (traffic.slow_ratio - traffic.very_slow_ratio);
        self.buckets[5] += requests * traffic.very_slow_ratio;
    }

    /// Returns the cumulative bucket counts, `+Inf` last, and the sum of all latencies in seconds.
    pub(super) fn latency(&self) -> ([u64; 7], f64) {
        let mut cumulative = [0; 7];
        let (mut count, mut sum) = (0, 0.0);
        for ((slot, bucket), seconds) in
            cumulative.iter_mut().zip(self.buckets).zip(TYPICAL_SECONDS)
        {
            count += bucket as u64;
            sum += bucket.floor() * seconds;
            *slot = count;
        }
        (cumulative, sum)
    }
}
