//! What a service promises, and what was read about it.

use std::time::Duration;

use super::ErrorBudget;
use super::budget::LevelThresholds;
use super::events::Events;
use super::latency::Histogram;
use super::reading::Reading;

/// Oldest sample that still speaks of now: twice a one-minute scrape. Older data make every reading unknown.
/// Source: our rule, `max(2 min, 3 scrapes)`.
pub const MAX_SAMPLE_AGE: Duration = Duration::from_secs(120);

/// Share of the SLO window that must hold data before a level may trigger anything (0..1). Below it the level is shown
/// and can only warn. Source: our rule.
pub(super) const MIN_COVERAGE: f64 = 0.9;

/// Tolerance of every comparison with a configured ratio: `1 − 0.99` is 0.010000000000000009 in binary.
pub(super) const RATIO_TOLERANCE: f64 = 1e-9;

/// What the service promises, and when that counts as broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// `SLO_WINDOW`.
    pub window: Duration,
    /// `ERROR_BUDGET`.
    pub budget: ErrorBudget,
    /// `BUDGET_WARNING`, `BUDGET_CRITICAL`, `BUDGET_EMERGENCY`.
    pub levels: LevelThresholds,
    /// `MIN_AVAILABILITY` (ratio).
    pub min_availability: f64,
    /// `MAX_ERROR_RATE` (ratio).
    pub max_error_rate: f64,
    /// `MAX_LATENCY_P95`.
    pub max_latency_p95: Duration,
    /// `MAX_LATENCY_P99`.
    pub max_latency_p99: Duration,
    /// `VIOLATION_FOR`.
    pub violation_for: Duration,
    /// `BURN_RATE_FAST`.
    pub burn_rate_fast: f64,
    /// `BURN_RATE_SLOW`.
    pub burn_rate_slow: f64,
}

impl Objective {
    /// Returns the distance between two slices: 30 s, less where `VIOLATION_FOR` is short, so that at least 11 slices
    /// cover it. Source: facts measured on Prometheus 2.42 (11 points over 5 minutes).
    pub fn slice_step(&self) -> Duration {
        (self.violation_for / 10).clamp(Duration::from_secs(1), Duration::from_secs(30))
    }

    /// Returns what one slice covers: one minute, less where `VIOLATION_FOR` is short. It must hold at least four
    /// scrapes.
    pub fn slice_window(&self) -> Duration {
        (self.violation_for / 5).clamp(Duration::from_secs(4), Duration::from_secs(60))
    }

    /// Returns how many slices cover a span, both ends included.
    pub fn slices_in(&self, span: Duration) -> usize {
        usize::try_from(span.as_millis() / self.slice_step().as_millis()).unwrap_or(usize::MAX - 1)
            + 1
    }

    /// Returns how many steps lie between two slices of this length that do not overlap, so that no event counts twice.
    pub fn stride(&self, slice_window: Duration) -> usize {
        let step = self.slice_step().as_millis().max(1);
        usize::try_from(slice_window.as_millis().div_ceil(step))
            .unwrap_or(1)
            .max(1)
    }

    /// Returns the error ratio that availability and error rate allow together: the smaller of the two.
    pub fn max_bad_ratio(&self) -> f64 {
        self.max_error_rate.min(1.0 - self.min_availability)
    }
}

/// Everything that was read about one service at one evaluation time.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Events over the SLO window.
    pub budget: Reading<Events>,
    /// Share of the SLO window that holds data (0..1).
    pub coverage: Reading<f64>,
    /// Events of the last 5 minutes.
    pub m5: Reading<Events>,
    /// Events of the last 30 minutes.
    pub m30: Reading<Events>,
    /// Events of the last hour.
    pub h1: Reading<Events>,
    /// Events of the last 6 hours.
    pub h6: Reading<Events>,
    /// Age of the newest sample.
    pub freshness: Reading<Duration>,
    /// One slice per step, oldest first, the newest at the evaluation time; nothing where a slice is missing or idle.
    /// The newest ones cover the violation window; older ones may precede them and show how it began.
    pub slices: Reading<Vec<Option<Events>>>,
    /// The latency histogram of each slice, as `slices`.
    pub latency: Reading<Vec<Option<Histogram>>>,
    /// Distance between the back end's clock and ours, either way.
    pub clock_skew: Duration,
}

impl Measurement {
    /// Returns why the first refused question was refused, if any was.
    pub fn refusal(&self) -> Option<&str> {
        [&self.budget, &self.m5, &self.m30, &self.h1, &self.h6]
            .into_iter()
            .find_map(Reading::refusal)
            .or_else(|| self.coverage.refusal())
            .or_else(|| self.freshness.refusal())
            .or_else(|| self.slices.refusal())
            .or_else(|| self.latency.refusal())
    }

    /// Tells whether the newest sample is young enough to speak of now.
    pub(super) fn is_fresh(&self) -> bool {
        self.freshness
            .value()
            .is_some_and(|age| *age <= MAX_SAMPLE_AGE)
    }
}
