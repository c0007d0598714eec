//! The series of one service in one family, and the queries that are made of them.
//!
//! Names from outside get into a query only through the functions of
//! [`promql`](crate::clients::prometheus::promql).

use std::time::Duration;

use super::families::{Counter, Family, Pod, table};
use super::queries::Workload;
use crate::clients::prometheus::promql::{range_seconds, regex_escape, string_literal};
use crate::config::MetricsFamily;

/// Factor (unitless) between a latency threshold and the bounds that are asked of a native histogram on both sides of it.
/// A native histogram whose buckets grow by at most this factor has no bucket that reaches from the threshold to a bound,
/// so that interpolation within a bucket cannot turn the verdict.
const NATIVE_MARGIN: f64 = 1.1;

/// Which bounds of the latency histogram are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Buckets {
    /// All that a classic histogram has.
    #[default]
    All,
    /// These upper bounds (seconds) of a classic histogram, and `+Inf`. A bound that does not exist is not answered.
    Named(Vec<f64>),
    /// A native histogram, which is asked for the share around each of these latency thresholds.
    Native([Duration; 2]),
}

/// The series of one service in one family.
#[derive(Clone)]
pub(super) struct Series {
    family: &'static Family,
    /// Matchers that every query carries.
    matchers: String,
    buckets: Buckets,
}

impl std::fmt::Debug for Series {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Series")
            .field("events", &self.events(&[]))
            .field("buckets", &self.buckets)
            .finish()
    }
}

impl Series {
    /// `selector` takes the place of the family's own matchers for the service; the matchers of its side stay.
    pub(super) fn new(
        family: MetricsFamily,
        workload: &Workload,
        selector: Option<&str>,
        buckets: Buckets,
    ) -> Self {
        let family = table(family);
        let named = selector.map_or_else(
            || (family.named)(&workload.namespace, &workload.service),
            str::to_owned,
        );
        Self {
            family,
            matchers: joined([named.as_str(), family.side]),
            buckets,
        }
    }

    /// The metric that counts the events.
    pub(super) fn metric(&self) -> String {
        match (self.family.events, &self.buckets) {
            (Counter::Named(name), _) => name.to_owned(),
            (Counter::Latency, Buckets::Native(_)) => self.family.latency.to_owned(),
            (Counter::Latency, Buckets::All | Buckets::Named(_)) => {
                format!("{}_count", self.family.latency)
            }
        }
    }

    /// The series that count the events, with further matchers.
    pub(super) fn events(&self, more: &[&str]) -> String {
        let matchers = joined([self.matchers.as_str()].iter().chain(more).copied());
        format!("{}{{{matchers}}}", self.metric())
    }

    /// The events of each series in a window that ends now.
    pub(super) fn all(&self, window: Duration) -> String {
        self.increase(&[], window)
    }

    /// The bad events of each series in a window that ends now.
    pub(super) fn bad(&self, window: Duration) -> String {
        // `or` keeps one of two equal label sets, so a series that matches twice counts once.
        let alternatives: Vec<String> = self
            .family
            .bad
            .iter()
            .map(|matcher| self.increase(&[matcher], window))
            .collect();
        alternatives.join(" or ")
    }

    fn increase(&self, more: &[&str], window: Duration) -> String {
        let increase = format!("increase({}[{}])", self.events(more), range_seconds(window));
        match (self.family.events, &self.buckets) {
            (Counter::Latency, Buckets::Native(_)) => format!("histogram_count({increase})"),
            (Counter::Latency, Buckets::All | Buckets::Named(_)) | (Counter::Named(_), _) => {
                increase
            }
        }
    }

    /// The series that say how a request ended.
    pub(super) fn labelled(&self) -> String {
        let alternatives: Vec<String> = self
            .family
            .outcome
            .iter()
            .map(|label| self.events(&[&format!(r#"{label}=~".+""#)]))
            .collect();
        alternatives.join(" or ")
    }

    /// What is wrong when no series says how a request ended.
    pub(super) fn unlabelled(&self) -> String {
        format!(
            "no series of {} carries the label {}, so no request can be told to be bad",
            self.metric(),
            self.family.outcome.join(" or ")
        )
    }

    /// The matchers that every query carries.
    pub(super) fn matchers(&self) -> &str {
        &self.matchers
    }

    /// Tells whether the label `pod` names a pod of the service.
    pub(super) fn has_own_pods(&self) -> bool {
        self.family.pod == Pod::OfTheService
    }

    /// Seconds in one unit of the latency histogram's bounds.
    pub(super) fn latency_unit(&self) -> f64 {
        self.family.unit.per_second().recip()
    }

    /// Cumulative latency buckets of a window that ends now, by `le` in the family's unit.
    pub(super) fn latency(&self, window: Duration) -> String {
        let range = range_seconds(window);
        let per_second = self.family.unit.per_second();
        let increase = |suffix: &str, more: &str| {
            let matchers = joined([self.matchers.as_str(), self.family.latency_side, more]);
            format!(
                "increase({}{suffix}{{{matchers}}}[{range}])",
                self.family.latency
            )
        };
        match &self.buckets {
            Buckets::All => format!("sum by (le) ({})", increase("_bucket", "")),
            Buckets::Named(bounds) => {
                let mut texts: Vec<String> = bounds
                    .iter()
                    .map(|bound| spellings(tidy(bound * per_second)))
                    .collect();
                texts.push(regex_escape("+Inf"));
                let wanted = format!("le=~{}", string_literal(&texts.join("|")));
                format!("sum by (le) ({})", increase("_bucket", &wanted))
            }
            Buckets::Native(thresholds) => {
                let histogram = format!("sum({})", increase("", ""));
                let count = format!("histogram_count({histogram})");
                let marked = |value: &str, bound: &str| {
                    let bound = string_literal(bound);
                    format!("label_replace({value}, \"le\", {bound}, \"\", \"\")")
                };
                let mut parts = vec![marked(&count, "+Inf")];
                for bound in around(thresholds) {
                    let bound = tidy(bound * per_second);
                    let below = format!("histogram_fraction(0, {bound}, {histogram}) * {count}");
                    parts.push(marked(&below, &bound.to_string()));
                }
                parts.join(" or ")
            }
        }
    }
}

fn joined<'a>(matchers: impl IntoIterator<Item = &'a str>) -> String {
    let there: Vec<&str> = matchers
        .into_iter()
        .filter(|matcher| !matcher.is_empty())
        .collect();
    there.join(",")
}

/// Removes what the conversion of units adds beyond the ninth decimal.
fn tidy(bound: f64) -> f64 {
    (bound * 1e9).round() / 1e9
}

/// Returns an expression for the ways in which client libraries write a bound: `1` and `1.0`, `1e+06` and `1.0E6`.
fn spellings(bound: f64) -> String {
    let dot_zero = regex_escape(".0");
    let plain = bound.to_string();
    let mut pattern = regex_escape(&plain);
    if !plain.contains('.') {
        pattern.push_str(&format!("({dot_zero})?"));
    }
    let scientific = format!("{bound:e}");
    if let Some((digits, exponent)) = scientific.split_once('e')
        && exponent
            .parse::<i32>()
            .is_ok_and(|exponent| !(-3..6).contains(&exponent))
    {
        let (sign, power) = match exponent.strip_prefix('-') {
            Some(power) => ("-", power),
            None => ("[+]?", exponent),
        };
        let digits = regex_escape(digits);
        pattern.push_str(&format!("|{digits}({dot_zero})?[eE]{sign}0*{power}"));
    }
    pattern
}

/// Returns the bounds (seconds, ascending) on both sides of each threshold. One that lies too near to the other threshold
/// is left out, because the histogram may interpolate there.
fn around(thresholds: &[Duration; 2]) -> Vec<f64> {
    let thresholds = thresholds.map(|threshold| threshold.as_secs_f64());
    let is_clear = |bound: &f64| {
        thresholds.iter().all(|threshold| {
            *bound <= tidy(threshold / NATIVE_MARGIN) || *bound >= tidy(threshold * NATIVE_MARGIN)
        })
    };
    let mut bounds: Vec<f64> = thresholds
        .iter()
        .flat_map(|threshold| [threshold / NATIVE_MARGIN, threshold * NATIVE_MARGIN])
        .map(tidy)
        .filter(is_clear)
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_asked_for_in_every_spelling() {
        for (bound, expected) in [
            (1.0, r"1(\.0)?"),
            (0.25, r"0\.25"),
            (2500.0, r"2500(\.0)?"),
            (1e6, r"1000000(\.0)?|1(\.0)?[eE][+]?0*6"),
            (0.000_5, r"0\.0005|5(\.0)?[eE]-0*4"),
            (2.5e-5, r"0\.000025|2\.5(\.0)?[eE]-0*5"),
        ] {
            assert_eq!(spellings(bound), expected, "{bound}");
        }
    }

    #[test]
    fn no_bound_lies_where_another_threshold_could_be_interpolated() {
        let bounds =
            |p95: u64, p99: u64| around(&[Duration::from_millis(p95), Duration::from_millis(p99)]);
        assert_eq!(bounds(1000, 2000), [0.909_090_909, 1.1, 1.818_181_818, 2.2]);
        assert_eq!(bounds(1000, 1000), [0.909_090_909, 1.1]);
        assert_eq!(bounds(1000, 1150), [0.909_090_909, 1.265]);
    }
}
