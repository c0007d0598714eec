//! What a service went through, as counters over time.

use chrono::{DateTime, Utc};

use super::counters::Counters;
use super::layout::Layout;

/// The labels that name a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLabels {
    /// Value of the label `namespace`.
    pub namespace: String,
    /// Value of the label `service`.
    pub service: String,
}

impl ServiceLabels {
    /// Names a service.
    pub fn new(namespace: &str, service: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
        }
    }
}

/// The requests a service gets and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// Requests per second.
    pub requests_per_second: f64,
    /// Share of requests answered with status 500, from 0 to 1.
    pub error_ratio: f64,
    /// Share of requests slower than 1 s, from 0 to 1; those beyond [`very_slow_ratio`](Self::very_slow_ratio)
    /// fall between 1 s and 2.5 s.
    pub slow_ratio: f64,
    /// Share of requests slower than 2.5 s, from 0 to [`slow_ratio`](Self::slow_ratio); they fall between 2.5 s and 5
    /// s.
    pub very_slow_ratio: f64,
}

impl Traffic {
    /// Returns traffic with 0.02 % errors and 0.2 % slow requests: well inside an error budget of 0.1 %.
    pub fn healthy(requests_per_second: f64) -> Self {
        Self {
            requests_per_second,
            error_ratio: 0.0002,
            slow_ratio: 0.002,
            very_slow_ratio: 0.0,
        }
    }

    /// Returns a service that is up and gets no requests: the counters are there and stand still.
    pub fn idle() -> Self {
        Self {
            requests_per_second: 0.0,
            error_ratio: 0.0,
            slow_ratio: 0.0,
            very_slow_ratio: 0.0,
        }
    }

    /// Sets the share of requests that fail, from 0 to 1.
    pub fn errors(self, error_ratio: f64) -> Self {
        Self {
            error_ratio,
            ..self
        }
    }

    /// Sets the share of requests slower than 1 s, from 0 to 1.
    pub fn slow(self, slow_ratio: f64) -> Self {
        Self { slow_ratio, ..self }
    }

    /// Sets the share of requests slower than 2.5 s, from 0 to 1, and raises the share slower than 1 s to it.
    pub fn very_slow(self, very_slow_ratio: f64) -> Self {
        Self {
            very_slow_ratio,
            slow_ratio: self.slow_ratio.max(very_slow_ratio),
            ..self
        }
    }
}

/// The history of one service: segments of steady traffic.
///
/// Time outside every segment has no samples. The counters keep their value over such a gap.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) layout: Layout,
    pub(super) extra_labels: Vec<(String, String)>,
    pub(super) segments: Vec<Segment>,
    pub(super) restarts: Vec<i64>,
    hidden: Vec<(i64, i64)>,
    scraped_every_secs: i64,
    closely: Vec<(i64, i64)>,
    pub(super) error_series: bool,
    pub(super) histogram: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) from: i64,
    pub(super) to: i64,
    traffic: Traffic,
}

impl History {
    /// Starts the history of a service that counts as most client libraries do.
    pub fn new(labels: ServiceLabels) -> Self {
        Self::laid_out(Layout::http(&labels))
    }

    /// Starts the history of a service whose series are named otherwise.
    pub fn laid_out(layout: Layout) -> Self {
        Self {
            layout,
            extra_labels: Vec::new(),
            segments: Vec::new(),
            restarts: Vec::new(),
            hidden: Vec::new(),
            scraped_every_secs: 0,
            closely: Vec::new(),
            error_series: true,
            histogram: true,
        }
    }

    /// Adds steady traffic between two times; whole seconds count.
    ///
    /// # Panics
    /// If the segment ends before it begins, or begins before the previous one ends.
    pub fn segment(mut self, from: DateTime<Utc>, to: DateTime<Utc>, traffic: Traffic) -> Self {
        assert!(
            from <= to,
            "a segment ends at {to}, before it begins at {from}"
        );
        let (from, to) = (from.timestamp(), to.timestamp());
        let previous_end = self.segments.last().map_or(i64::MIN, |segment| segment.to);
        assert!(
            previous_end <= from,
            "a segment begins before the previous one ends"
        );
        self.segments.push(Segment { from, to, traffic });
        self
    }

    /// Sets all counters back to zero at a time, as a restart of the service does.
    pub fn restart(mut self, at: DateTime<Utc>) -> Self {
        self.restarts.push(at.timestamp());
        self
    }

    /// Leaves out the samples after one time and before another, while the service goes on serving and counting.
    pub fn hidden(mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        self.hidden.push((from.timestamp(), to.timestamp()));
        self
    }

    /// Takes samples no more often than this, in seconds; older ones stay as far apart as the backfill says.
    pub fn scraped_every(mut self, seconds: i64) -> Self {
        self.scraped_every_secs = seconds;
        self
    }

    /// Takes samples between two times as often as the backfill takes recent ones, however old they are.
    pub fn scraped_closely(mut self, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        self.closely.push((from.timestamp(), to.timestamp()));
        self
    }

    /// Returns how far the next sample lies from one at a time, where the backfill says `step`, and `closely` for recent
    /// times.
    pub(super) fn step_at(&self, time: i64, step: i64, closely: i64) -> i64 {
        let is_close = |(from, to): &(i64, i64)| (*from..=*to).contains(&time);
        let step = match self.closely.iter().any(is_close) {
            true => closely,
            false => step,
        };
        step.max(self.scraped_every_secs)
    }

    /// Returns how many requests failed between two times, and how many there were: what a measurement should find.
    pub fn events(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> (f64, f64) {
        let (from, to) = (from.timestamp_millis(), to.timestamp_millis());
        let events = self.segments.iter().map(|segment| {
            let (begin, end) = (segment.from * 1000, segment.to * 1000);
            let seconds = (end.min(to) - begin.max(from)).max(0) as f64 / 1000.0;
            let requests = segment.traffic.requests_per_second * seconds;
            (requests * segment.traffic.error_ratio, requests)
        });
        events.fold((0.0, 0.0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
    }

    /// Adds a label to every series, such as `pod`; two histories of one service then add up.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.extra_labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves out the series with status 500, as a service does that never failed; failed requests are not counted.
    pub fn without_error_series(mut self) -> Self {
        self.error_series = false;
        self
    }

    /// Leaves out the latency histogram.
    pub fn without_histogram(mut self) -> Self {
        self.histogram = false;
        self
    }

    pub(super) fn has_samples_at(&self, time: i64) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.from <= time && time <= segment.to)
            && !self
                .hidden
                .iter()
                .any(|(from, to)| *from < time && time < *to)
    }

    /// Adds to `counters` what happens after `from` up to `to`, in unix seconds.
    pub(super) fn advance(&self, counters: &mut Counters, from: i64, to: i64) {
        let restarted = self
            .restarts
            .iter()
            .copied()
            .filter(|at| from < *at && *at <= to)
            .max();
        if restarted.is_some() {
            *counters = Counters::default();
        }
        let from = restarted.unwrap_or(from);
        for segment in &self.segments {
            let seconds = (segment.to.min(to) - segment.from.max(from)).max(0);
            if seconds > 0 {
                counters.add(segment.traffic, seconds as f64);
            }
        }
    }
}
