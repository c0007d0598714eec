//! What readings mean: the words of a judgement.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use strum::{Display, IntoStaticStr};

use super::Level;
use super::events::Events;
use super::outage::{Fall, ServiceOutage};

/// What the readings mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The budget.
    pub budget: BudgetReport,
    /// The burn rates.
    pub burn_rates: BurnRates,
    /// The four SLOs, in the order of the record.
    pub violations: Vec<Violation>,
    /// All that shows that the budget is being burnt now; empty when nothing does.
    pub burns: Vec<Burn>,
    /// Whether it is being burnt now; nothing when that cannot be known.
    pub burning: Option<bool>,
    /// In one word.
    pub verdict: Verdict,
    /// What could not be known.
    pub unknowns: Vec<Unknown>,
    /// The fall of the traffic, where it fell to a tenth of what is usual.
    pub fall: Option<Fall>,
    /// The outage, where the pods are known not to be there either.
    pub outage: Option<ServiceOutage>,
    /// Age of the newest sample; nothing where that is not known.
    pub sample_age: Option<Duration>,
    /// Distance between the back end's clock and ours, either way.
    pub clock_skew: Duration,
}

impl Assessment {
    /// Returns the unknowns that stand in the way of acting.
    pub fn blocking_unknowns(&self) -> impl Iterator<Item = &Unknown> {
        self.unknowns
            .iter()
            .filter(|unknown| unknown.weight >= Weight::Acting)
    }

    /// Tells whether an unknown with this reason stands in the way of acting.
    pub fn is_blocked_by(&self, why: &str) -> bool {
        self.blocking_unknowns().any(|unknown| unknown.why == why)
    }

    /// Returns the SLIs that burn now, each with the smallest ratio of bad events that counts as burning.
    pub fn burning_slis(&self) -> Vec<(Sli, f64)> {
        let mut slis: Vec<(Sli, f64)> = Vec::new();
        for burn in &self.burns {
            match slis.iter_mut().find(|(sli, _)| *sli == burn.sli) {
                Some((_, limit)) => *limit = limit.min(burn.ratio),
                None => slis.push((burn.sli, burn.ratio)),
            }
        }
        slis
    }

    /// Tells whether latency is among what burns now.
    pub fn burns_latency(&self) -> bool {
        self.burns
            .iter()
            .any(|burn| matches!(burn.sli, Sli::SlowerThan { .. }))
    }

    /// Tells whether an SLO is violated.
    pub fn is_violated(&self) -> bool {
        self.violations
            .iter()
            .any(|violation| violation.state == ViolationState::Violated)
    }
}

/// How the service stands, in one word.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// Not burning, budget left.
    Healthy,
    /// Burning now.
    Burning,
    /// Nothing burns, but the budget is gone.
    Exhausted,
    /// Not known.
    #[default]
    Unknown,
}

impl Verdict {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The state of the budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetReport {
    /// Events over the SLO window.
    pub events: Option<Events>,
    /// Consumption (0 = untouched, 1 = all of it; may exceed 1).
    pub consumed: Option<f64>,
    /// 1 − consumption; negative when overspent.
    pub remaining: Option<f64>,
    /// Share of the SLO window that holds data (0..1).
    pub coverage: Option<f64>,
    /// Time until the budget is gone at the burn rate of the shortest window with enough events to tell it; nothing
    /// when it is never.
    pub to_exhaustion: Option<Duration>,
    /// The highest level reached, as measured.
    pub level: Option<Level>,
    /// The level that may trigger: as `level`, at most warning where coverage is low.
    pub acting_level: Option<Level>,
}

/// Burn rates of the four windows; nothing where one is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnRates {
    /// 5 minutes.
    pub m5: Option<f64>,
    /// 30 minutes.
    pub m30: Option<f64>,
    /// 1 hour.
    pub h1: Option<f64>,
    /// 6 hours.
    pub h6: Option<f64>,
}

/// The four SLOs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Slo {
    /// Share of good events.
    Availability,
    /// Share of bad events.
    ErrorRate,
    /// 95th percentile of the latency.
    LatencyP95,
    /// 99th percentile of the latency.
    LatencyP99,
}

impl Slo {
    /// Returns the name used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One SLO and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Which SLO.
    pub slo: Slo,
    /// How it stands.
    pub state: ViolationState,
    /// Ratio for availability and error rate, seconds (interpolated quantile) for latency; over the violation window.
    pub value: Option<f64>,
    /// The threshold, in the unit of `value`.
    pub threshold: f64,
    /// For how long the newest slices have been over the threshold.
    pub lasting: Duration,
    /// Slices present.
    pub points: usize,
    /// Slices asked for.
    pub points_expected: usize,
    /// What shows it where no slice does; nothing where slices do.
    pub detail: Option<String>,
}

/// Whether an SLO is broken for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ViolationState {
    /// Not violated over the whole violation window.
    Ok,
    /// Violated over the whole violation window.
    Violated,
    /// The buckets cannot decide it.
    Uncertain,
    /// Too little was measured.
    Unknown,
}

impl ViolationState {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Something that shows that the budget is being burnt now, with the counts that prove or disprove it.
#[derive(Debug, Clone, PartialEq)]
pub struct Burn {
    /// What fired.
    pub cause: Cause,
    /// What counts as bad here.
    pub sli: Sli,
    /// Events to test, over the window of the cause.
    pub events: Option<Events>,
    /// The ratio that these events must exceed (0..1).
    pub ratio: f64,
    /// How steadily the newest slices exceed it.
    pub spread: Spread,
}

/// How many of the newest slices, which do not overlap, exceed a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Slices above the ratio. A slice without data is not above it.
    pub over: usize,
    /// Slices looked at: five minutes by default, fewer where slow scrapes make slices longer.
    pub of: usize,
}

/// What counts as a bad event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sli {
    /// A request that failed.
    Errors,
    /// A request that took longer than an SLO allows.
    SlowerThan {
        /// Which SLO.
        slo: Slo,
        /// Its threshold (seconds).
        seconds: f64,
    },
    /// A request that is usual at this time and was not counted.
    Lost {
        /// The usual rate (events per second).
        usual: f64,
    },
}

impl Sli {
    /// Returns its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::SlowerThan { slo, .. } => slo.as_str(),
            Self::Lost { .. } => "lost events",
        }
    }
}

/// What shows that the budget is being burnt now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// 1 h and 5 m above `BURN_RATE_FAST`.
    FastBurn,
    /// 6 h and 30 m above `BURN_RATE_SLOW`.
    SlowBurn,
    /// 1 h and 5 m above 6 while the level is emergency.
    EmergencyBurn,
    /// An SLO violated over the whole violation window.
    Violation(Slo),
    /// Nobody is served: hardly any event, and no ready pods.
    Outage,
}

/// A value that could not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Which value.
    pub source: String,
    /// Why, as a fragment for people.
    pub why: String,
    /// How much it matters.
    pub weight: Weight,
}

/// What an unknown value stands in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing: the other readings suffice (a service without a latency histogram).
    Note,
    /// Acting, but not the gate: the service is idle and its budget is known.
    Acting,
    /// Acting and the gate.
    Everything,
}
