//! One case's input and the answer to it.

use std::time::Duration;

use error_budget_monitor::slo::{ErrorBudget, Events, Histogram};
use serde_json::Value;

/// The input of one case. A field that is asked for and not there fails the test.
pub(super) struct Input<'a>(pub(super) &'a Value);

impl Input<'_> {
    pub(super) fn value(&self, field: &str) -> &Value {
        self.0
            .get(field)
            .unwrap_or_else(|| panic!("no field {field} in {}", self.0))
    }

    pub(super) fn maybe(&self, field: &str) -> Option<f64> {
        let value = self.value(field);
        let number = || {
            value
                .as_f64()
                .unwrap_or_else(|| panic!("{field} is no number"))
        };
        (!value.is_null()).then(number)
    }

    pub(super) fn number(&self, field: &str) -> f64 {
        self.maybe(field)
            .unwrap_or_else(|| panic!("{field} is null"))
    }

    pub(super) fn count(&self, field: &str) -> u64 {
        self.value(field)
            .as_u64()
            .unwrap_or_else(|| panic!("{field} is no count"))
    }

    pub(super) fn time(&self, field: &str) -> Duration {
        Duration::from_secs_f64(self.number(field))
    }

    pub(super) fn list(&self, field: &str) -> &Vec<Value> {
        self.value(field)
            .as_array()
            .unwrap_or_else(|| panic!("{field} is no list"))
    }

    pub(super) fn numbers(&self, field: &str) -> Vec<f64> {
        self.list(field)
            .iter()
            .map(|value| value.as_f64().expect("a number"))
            .collect()
    }

    pub(super) fn budget(&self) -> ErrorBudget {
        ErrorBudget::new(self.number("error_budget_ratio")).expect("a budget between 0 and 1")
    }

    pub(super) fn target(&self) -> ErrorBudget {
        ErrorBudget::new(1.0 - self.number("target_ratio")).expect("a target between 0 and 1")
    }

    pub(super) fn window(&self) -> Option<Events> {
        Events::new(self.number("bad_events"), self.number("total_events"))
    }

    pub(super) fn slots(&self) -> Option<Events> {
        let (good, valid) = (
            self.numbers("good_events_per_slot"),
            self.numbers("valid_events_per_slot"),
        );
        let slots = good
            .iter()
            .zip(&valid)
            .map(|(good, valid)| Events::new(valid - good, *valid));
        slots.reduce(|a, b| Some(a? + b?)).flatten()
    }

    pub(super) fn histogram(&self) -> Option<Histogram> {
        let pairs = self
            .list("buckets_upper_seconds_and_cumulative_events")
            .iter()
            .map(|pair| {
                let bound = pair[0].as_f64().unwrap_or(f64::INFINITY);
                (bound, pair[1].as_f64().expect("a number of events"))
            });
        Histogram::from_cumulative(pairs)
    }
}

/// What is said about one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    Number(f64),
    Truth(bool),
    /// Unknown, undecided or never.
    Nothing,
}

impl From<Option<f64>> for Answer {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Nothing, Self::Number)
    }
}

impl From<Option<Duration>> for Answer {
    fn from(time: Option<Duration>) -> Self {
        time.map(|time| time.as_secs_f64()).into()
    }
}

impl From<Option<bool>> for Answer {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Self::Nothing, Self::Truth)
    }
}

impl From<f64> for Answer {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
