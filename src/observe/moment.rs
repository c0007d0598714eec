//! One moment at which a service is looked at: what is known before it is asked about, and what was answered.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::budget::SloWindow;
use super::grid::Grid;
use super::newest::Slices;
use super::parts::Parts;
use super::series::SeenForm;
use crate::slo::{Histogram, Objective, Reading};

const MINUTE: Duration = Duration::from_secs(60);

/// How many scrapes a slice must hold, so that a missed one leaves it measurable. Source: facts, section 6.
const SCRAPES_PER_SLICE: u32 = 4;

/// What the first answer of a pass says.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    pub(super) now: DateTime<Utc>,
    pub(super) skew: Duration,
    pub(super) scrape_interval: Option<Duration>,
    /// Why the scrape interval may be wrong.
    pub(super) partial: Option<String>,
    pub(super) seen: SeenForm,
}

/// For which slices a pass asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    /// What each covers.
    pub(super) slice: Duration,
    /// Where they lie.
    pub(super) grid: Grid,
}

impl Plan {
    pub(super) fn of(clock: &Clock, objective: &Objective) -> Self {
        Self {
            slice: slice_window(objective, clock.scrape_interval),
            grid: Grid::ending_at(
                clock.now,
                objective.slice_step(),
                objective.slices_in(objective.violation_for),
            ),
        }
    }
}

/// What was answered about one moment.
pub(super) struct Answers {
    pub(super) recent: Parts,
    pub(super) budget: SloWindow,
    pub(super) slices: Slices,
    pub(super) latency: Reading<Vec<Option<Histogram>>>,
}

/// Returns what each slice covers where a service is scraped so often.
pub(super) fn slice_window(objective: &Objective, scrape_interval: Option<Duration>) -> Duration {
    let needed = scrape_interval.unwrap_or_default() * SCRAPES_PER_SLICE;
    let whole = Duration::from_secs(needed.as_secs_f64().ceil() as u64);
    // Samples are counted with both ends, so a 15 s scrape looks like 13 s or 15 s; a minute holds four of either.
    objective.slice_window().max(if whole <= MINUTE {
        whole.min(MINUTE)
    } else {
        whole
    })
}

/// How the events of a service were counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountedForm {
    /// In which form it was seen.
    pub(super) seen: SeenForm,
    /// Whether the periods that are kept of it were of use.
    pub(super) is_from_periods: bool,
}

impl CountedForm {
    /// Of no use were any periods.
    pub(super) fn anew(seen: SeenForm) -> Self {
        Self {
            seen,
            is_from_periods: false,
        }
    }
}
