//! What asking for a value can give. "No data" is a variant, never a number standing in.

use std::time::Duration;

/// One answer of the metrics back end.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T> {
    /// The value, complete and from the evaluation time of the run.
    Measured(T),
    /// The series exist and counted no event in the window: idle, neither healthy nor bad.
    NoTraffic,
    /// No series matched, and none ever did as far as the back end remembers: the service or its name is unknown.
    NoSeries,
    /// Series matched before and have ended: whatever counted the events is gone, or nobody collects it any more.
    Gone {
        /// Age of the newest sample, or as much of it as is certain.
        at_least: Duration,
    },
    /// The newest sample is too old to speak of now.
    Stale {
        /// Age of the newest sample.
        age: Duration,
    },
    /// The back end answered, but said that something is missing.
    Partial {
        /// The back end's words.
        why: String,
    },
    /// The answer contradicts itself or is not a number.
    Invalid {
        /// What is wrong with it.
        why: String,
    },
    /// The back end answers, but not this question: a wrong query, or one beyond a limit.
    Refused {
        /// One sentence that quotes the back end and says what to do.
        why: String,
    },
}

impl<T> Reading<T> {
    /// Returns the value when it was measured.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Measured(value) => Some(value),
            Self::NoTraffic
            | Self::NoSeries
            | Self::Gone { .. }
            | Self::Stale { .. }
            | Self::Partial { .. }
            | Self::Invalid { .. }
            | Self::Refused { .. } => None,
        }
    }

    /// Returns why there is no value, as a fragment for people; nothing when it was measured.
    pub fn why_unknown(&self) -> Option<String> {
        match self {
            Self::Measured(_) => None,
            Self::NoTraffic => Some("no event was counted in this window".to_owned()),
            Self::NoSeries => Some(
                "no series matches the service; check SERVICE_NAME, NAMESPACE or its SLI queries, and whether it is scraped".to_owned(),
            ),
            Self::Gone { at_least } => Some(format!(
                "the series of the service have ended: the newest sample is at least {} s old; see whether its pods run, \
                 and whether they are scraped once a minute or more often",
                at_least.as_secs()
            )),
            Self::Stale { age } => Some(format!(
                "the newest sample is {} s old; check whether the service is scraped",
                age.as_secs()
            )),
            Self::Partial { why } => Some(format!(
                "the answer is incomplete: {why}; see why Prometheus or a server behind it leaves data out"
            )),
            Self::Invalid { why } | Self::Refused { why } => Some(why.clone()),
        }
    }

    /// Applies a function to a measured value and keeps every other answer as it is.
    pub fn map<U>(self, function: impl FnOnce(T) -> U) -> Reading<U> {
        self.and_then(|value| Reading::Measured(function(value)))
    }

    /// Judges a measured value further and keeps every other answer as it is.
    pub fn and_then<U>(self, function: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Measured(value) => function(value),
            Self::NoTraffic => Reading::NoTraffic,
            Self::NoSeries => Reading::NoSeries,
            Self::Gone { at_least } => Reading::Gone { at_least },
            Self::Stale { age } => Reading::Stale { age },
            Self::Partial { why } => Reading::Partial { why },
            Self::Invalid { why } => Reading::Invalid { why },
            Self::Refused { why } => Reading::Refused { why },
        }
    }

    /// Returns why the question was refused, if it was.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { why } => Some(why),
            Self::Measured(_)
            | Self::NoTraffic
            | Self::NoSeries
            | Self::Gone { .. }
            | Self::Stale { .. }
            | Self::Partial { .. }
            | Self::Invalid { .. } => None,
        }
    }
}
