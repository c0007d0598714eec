//! What else seems wrong with a service: context for people.
//!
//! A signal never leads to an action. Saturation is a cause and not what users feel, and it is noisy: a busy service
//! that answers well is not broken.

use super::reading::Reading;
use serde::Serialize;
use strum::{Display, IntoStaticStr};

/// What a signal watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SignalName {
    /// The share of the service's pods that are not ready (ratio, 0..=1).
    PodsNotReady,
    /// Restarts of the service's containers in the last 10 minutes (a count, extrapolated and so rarely whole).
    Restarts,
    /// Memory of the fullest container as a share of its limit (ratio): the least of the last 5 minutes.
    Memory,
    /// Processor time of the busiest container as a share of its limit (ratio): the mean of the last 10 minutes.
    Cpu,
    /// The 95th percentile of the latency since the deployment under suspicion, as a multiple of that of the hour
    /// before it; interpolated within buckets.
    #[serde(rename = "latency_p95_doubled")]
    #[strum(serialize = "latency_p95_doubled")]
    LatencyDoubled,
    /// The same multiple, against a higher bar.
    #[serde(rename = "latency_p95_tripled")]
    #[strum(serialize = "latency_p95_tripled")]
    LatencyTripled,
}

impl SignalName {
    /// The signals of the pods, in the order in which they are told.
    pub const OF_PODS: [Self; 4] = [Self::PodsNotReady, Self::Restarts, Self::Memory, Self::Cpu];

    /// The signals of the latency, in the order in which they are told.
    pub const OF_LATENCY: [Self; 2] = [Self::LatencyDoubled, Self::LatencyTripled];

    /// Returns the name for records and logs.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the value above which the signal is raised, in the unit of its value. Source: our rule. Of pods and
    /// restarts any is worth telling; memory that full is close to an out-of-memory kill, and a processor that busy is
    /// being throttled.
    pub fn threshold(self) -> f64 {
        match self {
            Self::PodsNotReady | Self::Restarts => 0.0,
            Self::Memory => 0.9,
            Self::Cpu => 0.95,
            Self::LatencyDoubled => 2.0,
            Self::LatencyTripled => 3.0,
        }
    }
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SignalState {
    /// The value is above the threshold.
    Raised,
    /// The value is at or below the threshold.
    Quiet,
    /// There is nothing to measure: no limit is set, nobody collects the metric, or no container is old enough for it.
    NotApplicable,
    /// It could not be asked, or the answer is not a number.
    Unknown,
}

impl SignalState {
    /// Returns the word for records and logs.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One signal at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    /// What it watches.
    pub name: SignalName,
    /// What it says.
    pub state: SignalState,
    /// The value, in the unit of its name; nothing when it was not measured.
    pub value: Option<f64>,
    /// The value above which it is raised.
    pub threshold: f64,
}

impl Signal {
    /// Judges a reading. A metric without series is not applicable; every other gap is unknown.
    pub fn of(name: SignalName, reading: &Reading<f64>) -> Self {
        let threshold = name.threshold();
        let value = reading.value().copied().filter(|value| value.is_finite());
        let state = match (value, reading) {
            (Some(value), _) if value > threshold => SignalState::Raised,
            (Some(_), _) => SignalState::Quiet,
            (None, Reading::NoSeries | Reading::Gone { .. } | Reading::NoTraffic) => {
                SignalState::NotApplicable
            }
            (
                None,
                Reading::Measured(_)
                | Reading::Stale { .. }
                | Reading::Partial { .. }
                | Reading::Invalid { .. }
                | Reading::Refused { .. },
            ) => SignalState::Unknown,
        };
        Self {
            name,
            state,
            value,
            threshold,
        }
    }

    /// Returns a signal that could not be asked for.
    pub fn unknown(name: SignalName) -> Self {
        Self {
            name,
            state: SignalState::Unknown,
            value: None,
            threshold: name.threshold(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_signal_is_raised_above_its_threshold_and_not_at_it() {
        for (name, value, expected) in [
            (SignalName::PodsNotReady, 0.0, SignalState::Quiet),
            (SignalName::PodsNotReady, 0.25, SignalState::Raised),
            (SignalName::Restarts, 0.0, SignalState::Quiet),
            (SignalName::Restarts, 1.1, SignalState::Raised),
            (SignalName::Memory, 0.9, SignalState::Quiet),
            (SignalName::Memory, 0.91, SignalState::Raised),
            (SignalName::Cpu, 0.95, SignalState::Quiet),
            (SignalName::Cpu, 0.951, SignalState::Raised),
        ] {
            let signal = Signal::of(name, &Reading::Measured(value));
            assert_eq!((signal.state, signal.value), (expected, Some(value)));
        }
    }

    #[test]
    fn nothing_to_measure_is_neither_quiet_nor_unknown() {
        for (reading, expected) in [
            (Reading::NoSeries, SignalState::NotApplicable),
            (Reading::NoTraffic, SignalState::NotApplicable),
            (Reading::Measured(f64::NAN), SignalState::Unknown),
            (
                Reading::Stale {
                    age: Duration::from_secs(600),
                },
                SignalState::Unknown,
            ),
            (
                Reading::Partial { why: String::new() },
                SignalState::Unknown,
            ),
            (
                Reading::Invalid { why: String::new() },
                SignalState::Unknown,
            ),
        ] {
            let signal = Signal::of(SignalName::Memory, &reading);
            assert_eq!(
                (signal.state, signal.value),
                (expected, None),
                "{reading:?}"
            );
        }
    }
}
