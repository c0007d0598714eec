//! What was counted in periods that are over: halves of a day.

use serde::{Deserialize, Serialize};

/// What was counted in halves of days that are over, in a row: their counts do not change any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPeriods {
    /// Which back end was asked, and what, as a checksum. The counts of another question are of no use.
    pub question: String,
    /// The first period: how many halves of a day lie between it and 1 January 1970, UTC.
    pub first: u32,
    /// The periods, oldest first.
    pub periods: Vec<KeptPeriod>,
    /// How far the next period reaches back into the last one (seconds).
    pub overlap_seconds: u64,
    /// All events that were counted there; nothing where no series answered.
    pub before_total: Option<f64>,
    /// The bad ones.
    pub before_bad: Option<f64>,
}

/// What was counted in one period. Written as a list of three, because there may be a month of them for each of
/// thousands of services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Numbers", into = "Numbers")]
pub struct KeptPeriod {
    /// All events, not rounded; nothing where no series answered.
    pub total: Option<f64>,
    /// The bad ones; nothing where none was ever counted.
    pub bad: Option<f64>,
    /// In how many slots of the SLO window that lie in it there were data.
    pub slots: f64,
}

type Numbers = (Option<f64>, Option<f64>, f64);

impl From<Numbers> for KeptPeriod {
    fn from((total, bad, slots): Numbers) -> Self {
        Self { total, bad, slots }
    }
}

impl From<KeptPeriod> for Numbers {
    fn from(period: KeptPeriod) -> Self {
        (period.total, period.bad, period.slots)
    }
}
