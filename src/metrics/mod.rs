//! The numbers of a service for Prometheus: one exposition, for a Pushgateway and for a file.
//!
//! Counters live in the state file, because the program ends after each run. A number that is not known is left out,
//! never zero.

mod exposition;
mod families;
mod publish;
mod textfile;

pub use exposition::exposition;
pub use families::{FAMILIES, MetricFamily, MetricKind};
pub use publish::{Unpublished, publish};
pub use textfile::{TextfileError, write_textfile};

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::policy::Reason;
use crate::record::{ActionKind, Record};
use crate::slo::{Level, Slo, Verdict, ViolationState};

/// All that is told about one service in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// How it stands.
    pub standing: BudgetNumbers,
    /// From which values on it counts as burning or as in danger; the settings of the run.
    pub thresholds: Option<Thresholds>,
    /// What was decided; nothing where no decision was made.
    pub decision: Option<Decided>,
    /// What is remembered; nothing where the memory cannot be read.
    pub memory: Option<Remembered>,
    /// The run that ends now, and those before it.
    pub run: RunNumbers,
    /// How telling people goes.
    pub telling: DeliveryNumbers,
}

/// How a service stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetNumbers {
    /// Share of the budget that is consumed (0.., may exceed 1).
    pub consumed: Option<f64>,
    /// Share of the budget that is left (up to 1, negative when overspent).
    pub remaining: Option<f64>,
    /// Burn rates by window, as in `1h` (unitless; 1 spends the budget in exactly its window).
    pub burn_rates: Vec<(&'static str, Option<f64>)>,
    /// `healthy`, `burning`, `exhausted` or `unknown`.
    pub verdict: Verdict,
    /// `ok`, `warning`, `critical`, `emergency` or `unknown`.
    pub level: Option<Level>,
    /// Whether each SLO is violated; one that is uncertain or unknown is none.
    pub violated: Vec<(Slo, Option<bool>)>,
}

/// The settings a reading is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// `BUDGET_WARNING` (0..1).
    pub warning: f64,
    /// `BUDGET_CRITICAL` (0..1).
    pub critical: f64,
    /// `BUDGET_EMERGENCY` (0..1).
    pub emergency: f64,
    /// `BURN_RATE_FAST` (unitless).
    pub burn_rate_fast: f64,
    /// `BURN_RATE_SLOW` (unitless).
    pub burn_rate_slow: f64,
}

/// A decision in the codes of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The action.
    pub action: ActionKind,
    /// The reason.
    pub reason: Reason,
}

/// What the state file knows of a service's rollbacks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remembered {
    /// Whether a rollback is begun and not proven yet.
    pub in_progress: bool,
    /// Whether a person has to agree to one.
    pub approval_pending: bool,
    /// How many revisions are on hold.
    pub holds: usize,
    /// Whether a revision on hold is on the branch again; nothing where the branch was not read.
    pub hold_violated: Option<bool>,
    /// How many rollbacks the limit of the hour leaves; nothing where it is not known.
    pub left_this_hour: Option<u32>,
    /// How many rollbacks the limit of the day leaves; nothing where it is not known.
    pub left_this_day: Option<u32>,
    /// When a rollback was last proven to have stopped the burn.
    pub last_success: Option<DateTime<Utc>>,
    /// When a rollback last failed or did not help.
    pub last_failure: Option<DateTime<Utc>>,
    /// Ended rollbacks by outcome, as in the record.
    pub ended: BTreeMap<String, u64>,
    /// Runs in which a burning service was not rolled back, by reason code.
    pub held_back: BTreeMap<String, u64>,
}

/// How the runs went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunNumbers {
    /// When this run ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How long it took.
    pub took: Option<Duration>,
    /// When a run last measured the service and did all that it decided.
    pub last_success: Option<DateTime<Utc>>,
    /// Runs by result, this one included.
    pub ended: BTreeMap<String, u64>,
}

/// How telling people goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeliveryNumbers {
    /// Failed deliveries by channel, the log file and the metrics among them.
    pub failures: BTreeMap<String, u64>,
    /// Messages that wait for the next run; nothing where that is not known.
    pub undelivered: Option<u64>,
}

impl Numbers {
    /// Takes what a record knows; the settings, the memory, the run and the telling are left to be filled in.
    pub fn of(record: &Record) -> Self {
        let rates = record.burn_rates;
        Self {
            service: record.service.clone(),
            namespace: record.namespace.clone(),
            standing: BudgetNumbers {
                consumed: record.budget.consumed,
                remaining: record.budget.remaining,
                burn_rates: vec![
                    ("5m", rates.m5),
                    ("30m", rates.m30),
                    ("1h", rates.h1),
                    ("6h", rates.h6),
                ],
                verdict: record.verdict,
                level: record.budget.level,
                violated: record
                    .violations
                    .iter()
                    .map(|violation| (violation.name, is_violated(violation.state)))
                    .collect(),
            },
            thresholds: None,
            decision: Some(Decided {
                action: record.decision.action,
                reason: record.decision.reason,
            }),
            memory: None,
            run: RunNumbers::default(),
            telling: DeliveryNumbers::default(),
        }
    }
}

/// Returns nothing for a state that allows both.
fn is_violated(state: ViolationState) -> Option<bool> {
    match state {
        ViolationState::Violated => Some(true),
        ViolationState::Ok => Some(false),
        ViolationState::Uncertain | ViolationState::Unknown => None,
    }
}
