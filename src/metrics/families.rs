//! The metrics by name. Names, kinds and labels are public: dashboards and alerts of others rest on them.

use chrono::{DateTime, Utc};

use super::Numbers;
use crate::record::level_word;

/// The verdicts of a record.
const VERDICTS: [&str; 4] = ["healthy", "burning", "exhausted", "unknown"];

/// The levels of a record.
const LEVELS: [&str; 5] = ["ok", "warning", "critical", "emergency", "unknown"];

/// How a rollback ends. They are counted from zero, so that the first one is already an increase.
const OUTCOMES: [&str; 6] = [
    "recovered",
    "ineffective",
    "failed",
    "superseded",
    "rejected",
    "expired",
];

/// One metric.
#[derive(Debug)]
pub struct MetricFamily {
    /// Its name.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// Its labels beside `namespace` and `service`, which every metric has.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
    pub(super) samples: fn(&Numbers) -> Vec<MetricSample>,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It goes up and down.
    Gauge,
    /// It only grows.
    Counter,
}

impl MetricKind {
    /// Returns the name that Prometheus uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// One value, with the values of its family's labels.
#[derive(Debug)]
pub(super) struct MetricSample {
    pub(super) labels: Vec<String>,
    pub(super) value: f64,
}

/// Every metric, in the order in which they are written.
pub const FAMILIES: &[MetricFamily] = &[
    MetricFamily {
        name: "error_budget_consumed_ratio",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Share of the error budget that is consumed; above 1 it is overspent.",
        samples: |numbers| plain(numbers.standing.consumed),
    },
    MetricFamily {
        name: "error_budget_remaining_ratio",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Share of the error budget that is left; negative when it is overspent.",
        samples: |numbers| plain(numbers.standing.remaining),
    },
    MetricFamily {
        name: "error_budget_burn_rate",
        kind: MetricKind::Gauge,
        labels: &["window"],
        help: "Speed at which the budget is spent; 1 spends it in exactly its window.",
        samples: |numbers| {
            let rates = numbers.standing.burn_rates.iter();
            rates
                .filter_map(|(window, rate)| Some(labelled(window, (*rate)?)))
                .collect()
        },
    },
    MetricFamily {
        name: "error_budget_burn_rate_threshold",
        kind: MetricKind::Gauge,
        labels: &["speed"],
        help: "Burn rate above which the service burns: fast over 1h and 5m, slow over 6h and 30m.",
        samples: |numbers| {
            let Some(thresholds) = numbers.thresholds else {
                return Vec::new();
            };
            vec![
                labelled("fast", thresholds.burn_rate_fast),
                labelled("slow", thresholds.burn_rate_slow),
            ]
        },
    },
    MetricFamily {
        name: "error_budget_level_threshold_ratio",
        kind: MetricKind::Gauge,
        labels: &["level"],
        help: "Consumed share of the budget at which a level begins.",
        samples: |numbers| {
            let Some(thresholds) = numbers.thresholds else {
                return Vec::new();
            };
            vec![
                labelled("warning", thresholds.warning),
                labelled("critical", thresholds.critical),
                labelled("emergency", thresholds.emergency),
            ]
        },
    },
    MetricFamily {
        name: "error_budget_verdict",
        kind: MetricKind::Gauge,
        labels: &["verdict"],
        help: "1 for what the last run found (healthy, burning, exhausted, unknown), else 0.",
        samples: |numbers| one_of(&VERDICTS, numbers.standing.verdict.as_str()),
    },
    MetricFamily {
        name: "error_budget_level",
        kind: MetricKind::Gauge,
        labels: &["level"],
        help: "1 for the level of the budget (ok, warning, critical, emergency, unknown), else 0.",
        samples: |numbers| one_of(&LEVELS, level_word(numbers.standing.level)),
    },
    MetricFamily {
        name: "error_budget_slo_violated",
        kind: MetricKind::Gauge,
        labels: &["slo"],
        help: "1 while an SLO is violated, 0 while it is kept.",
        samples: |numbers| {
            let slos = numbers.standing.violated.iter();
            slos.filter_map(|(slo, is_violated)| {
                Some(labelled(slo.as_str(), truth((*is_violated)?)))
            })
            .collect()
        },
    },
    MetricFamily {
        name: "error_budget_decision",
        kind: MetricKind::Gauge,
        labels: &["action", "reason"],
        help: "1 for what the last run decided, with its reason code.",
        samples: |numbers| {
            let decided = numbers.decision.iter();
            decided
                .map(|decided| MetricSample {
                    labels: vec![decided.action.to_string(), decided.reason.to_string()],
                    value: 1.0,
                })
                .collect()
        },
    },
    MetricFamily {
        name: "error_budget_rollback_in_progress",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "1 from the beginning of a rollback to its proof, else 0.",
        samples: |numbers| {
            plain(
                numbers
                    .memory
                    .as_ref()
                    .map(|memory| truth(memory.in_progress)),
            )
        },
    },
    MetricFamily {
        name: "error_budget_rollback_last_success_timestamp_seconds",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "When a rollback was last proven to have stopped the burn.",
        samples: |numbers| {
            time(
                numbers
                    .memory
                    .as_ref()
                    .and_then(|memory| memory.last_success),
            )
        },
    },
    MetricFamily {
        name: "error_budget_rollback_last_failure_timestamp_seconds",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "When a rollback last failed or did not help.",
        samples: |numbers| {
            time(
                numbers
                    .memory
                    .as_ref()
                    .and_then(|memory| memory.last_failure),
            )
        },
    },
    MetricFamily {
        name: "error_budget_rollbacks_total",
        kind: MetricKind::Counter,
        labels: &["outcome"],
        help: "Rollbacks that ended, by outcome.",
        samples: |numbers| {
            let Some(memory) = &numbers.memory else {
                return Vec::new();
            };
            let never = OUTCOMES
                .iter()
                .filter(|outcome| !memory.ended.contains_key(**outcome));
            let never = never.map(|outcome| labelled(outcome, 0.0));
            counts(&memory.ended).into_iter().chain(never).collect()
        },
    },
    MetricFamily {
        name: "error_budget_rollback_blocked_total",
        kind: MetricKind::Counter,
        labels: &["reason"],
        help: "Runs that did not roll a burning service back, by reason code.",
        samples: |numbers| {
            let memory = numbers.memory.as_ref();
            memory.map_or_else(Vec::new, |memory| counts(&memory.held_back))
        },
    },
    MetricFamily {
        name: "error_budget_rollbacks_left",
        kind: MetricKind::Gauge,
        labels: &["limit"],
        help: "Rollbacks that MAX_ROLLBACKS_PER_HOUR and MAX_ROLLBACKS_PER_DAY still allow.",
        samples: |numbers| {
            let Some(memory) = &numbers.memory else {
                return Vec::new();
            };
            let left = [
                ("hour", memory.left_this_hour),
                ("day", memory.left_this_day),
            ];
            left.iter()
                .filter_map(|(limit, left)| Some(labelled(limit, f64::from((*left)?))))
                .collect()
        },
    },
    MetricFamily {
        name: "error_budget_approval_pending",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "1 while a rollback waits for a person to agree, else 0.",
        samples: |numbers| {
            plain(
                numbers
                    .memory
                    .as_ref()
                    .map(|memory| truth(memory.approval_pending)),
            )
        },
    },
    MetricFamily {
        name: "error_budget_holds",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Revisions that were rolled back and must not be deployed again.",
        samples: |numbers| plain(numbers.memory.as_ref().map(|memory| memory.holds as f64)),
    },
    MetricFamily {
        name: "error_budget_hold_violated",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "1 while a revision on hold is on the branch again, else 0.",
        samples: |numbers| {
            let violated = numbers
                .memory
                .as_ref()
                .and_then(|memory| memory.hold_violated);
            plain(violated.map(truth))
        },
    },
    MetricFamily {
        name: "error_budget_monitor_last_run_timestamp_seconds",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "When the last run ended.",
        samples: |numbers| time(numbers.run.ended_at),
    },
    MetricFamily {
        name: "error_budget_monitor_last_success_timestamp_seconds",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "When a run last measured the service and did all that it decided.",
        samples: |numbers| time(numbers.run.last_success),
    },
    MetricFamily {
        name: "error_budget_monitor_last_run_duration_seconds",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "How long the last run took.",
        samples: |numbers| plain(numbers.run.took.map(|took| took.as_secs_f64())),
    },
    MetricFamily {
        name: "error_budget_monitor_runs_total",
        kind: MetricKind::Counter,
        labels: &["result"],
        help: "Runs by result.",
        samples: |numbers| counts(&numbers.run.ended),
    },
    MetricFamily {
        name: "error_budget_monitor_notification_failures_total",
        kind: MetricKind::Counter,
        labels: &["channel"],
        help: "Deliveries that failed, by channel; the metrics count as channels too.",
        samples: |numbers| counts(&numbers.telling.failures),
    },
    MetricFamily {
        name: "error_budget_monitor_undelivered_messages",
        kind: MetricKind::Gauge,
        labels: &[],
        help: "Messages that wait for the next run to deliver them.",
        samples: |numbers| plain(numbers.telling.undelivered.map(|count| count as f64)),
    },
    MetricFamily {
        name: "error_budget_monitor_build_info",
        kind: MetricKind::Gauge,
        labels: &["version"],
        help: "1, with the version of the program.",
        samples: |_| vec![labelled(env!("CARGO_PKG_VERSION"), 1.0)],
    },
];

fn plain(value: Option<f64>) -> Vec<MetricSample> {
    let value = value.into_iter();
    value
        .map(|value| MetricSample {
            labels: Vec::new(),
            value,
        })
        .collect()
}

fn labelled(label: &str, value: f64) -> MetricSample {
    MetricSample {
        labels: vec![label.to_owned()],
        value,
    }
}

fn counts<'a>(counts: impl IntoIterator<Item = (&'a String, &'a u64)>) -> Vec<MetricSample> {
    let counts = counts.into_iter();
    counts
        .map(|(label, count)| labelled(label, *count as f64))
        .collect()
}

/// Shows every state, so that the one that ended goes to zero instead of away.
fn one_of(states: &[&str], now: &str) -> Vec<MetricSample> {
    let states = states.iter();
    states
        .map(|state| labelled(state, truth(*state == now)))
        .collect()
}

fn time(at: Option<DateTime<Utc>>) -> Vec<MetricSample> {
    plain(at.map(|at| at.timestamp_millis() as f64 / 1000.0))
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
