//! The PromQL of a service: which series count its events, and what is asked of them.
//!
//! Bad and total are asked as counts, never as a ratio: an empty answer, no traffic and zero errors are then three
//! different things. Several quantities travel in one request, told apart by the label [`PART`].

use std::time::Duration;

use crate::clients::prometheus::promql::{range_seconds, string_literal};

/// Label that tells which quantity of a combined answer a series is.
pub(super) const PART: &str = "error_budget_part";

/// How far back the newest sample is looked for. A service that has been silent for longer has no series.
const FRESHNESS_RANGE: Duration = Duration::from_secs(3600);

/// Range over which samples are counted to learn the scrape interval: short, so that a young pod is judged right.
pub(super) const SCRAPE_RANGE: Duration = Duration::from_secs(120);

/// How far back Prometheus looks for the sample of a moment, unless it is told otherwise. Source: its documentation.
const LOOK_BACK: Duration = Duration::from_secs(300);

/// Largest number of slots in which coverage is counted: one an hour for 30 days. Source: facts, section 5.
const COVERAGE_SLOTS: u32 = 720;

/// The queries of one service. Names in them are escaped; durations are formatted integers.
#[derive(Debug, Clone)]
pub struct Queries {
    events: EventQueries,
}

#[derive(Debug, Clone)]
enum EventQueries {
    /// Counters and a histogram with known names.
    Http { labels: String },
    /// Trusted text with `${WINDOW}`.
    Own { bad: String, total: String },
}

impl Queries {
    /// Returns the queries of the family `http`: `http_requests_total` and `http_request_duration_seconds` with the labels
    /// `namespace`, `service`, and `status` or `code`.
    pub fn http(namespace: &str, service: &str) -> Self {
        Self {
            events: EventQueries::Http {
                labels: format!(
                    "namespace={},service={}",
                    string_literal(namespace),
                    string_literal(service)
                ),
            },
        }
    }

    /// Returns queries written by the operator. Each must give one number of events for `${WINDOW}`.
    pub fn own(bad: &str, total: &str) -> Self {
        Self {
            events: EventQueries::Own {
                bad: bad.to_owned(),
                total: total.to_owned(),
            },
        }
    }

    /// All events of a window that ends now.
    pub(super) fn total(&self, window: Duration) -> String {
        match &self.events {
            EventQueries::Http { labels } => {
                format!(
                    "sum(increase(http_requests_total{{{labels}}}[{}]))",
                    range_seconds(window)
                )
            }
            EventQueries::Own { total, .. } => own(total, window),
        }
    }

    /// The bad events of a window that ends now; nothing where no bad event was ever counted.
    pub(super) fn bad(&self, window: Duration) -> String {
        match &self.events {
            // `or` keeps one of two equal label sets, so a series with both labels counts once.
            EventQueries::Http { labels } => {
                let range = range_seconds(window);
                format!(
                    "sum(increase(http_requests_total{{{labels},status=~\"5..\"}}[{range}]) \
                     or increase(http_requests_total{{{labels},code=~\"5..\"}}[{range}]))"
                )
            }
            EventQueries::Own { bad, .. } => own(bad, window),
        }
    }

    /// How many series say how a request ended. Without that label no event can ever be bad, which must not look healthy.
    pub(super) fn labelled(&self) -> Option<String> {
        match &self.events {
            EventQueries::Http { labels } => Some(format!(
                "count(http_requests_total{{{labels},status=~\".+\"}} or http_requests_total{{{labels},code=~\".+\"}})"
            )),
            EventQueries::Own { .. } => None,
        }
    }

    /// Seconds since the newest sample, measured on the raw series. Own queries have none: their newest slice tells. A
    /// series that has ended is looked for in steps as long as the look-back, which is exact enough for what is stale.
    pub(super) fn age(&self) -> Option<String> {
        match &self.events {
            EventQueries::Http { labels } => Some(format!(
                "time() - (max(timestamp(http_requests_total{{{labels}}})) \
                 or max(max_over_time(timestamp(http_requests_total{{{labels}}})[{}:{}])))",
                range_seconds(FRESHNESS_RANGE),
                range_seconds(LOOK_BACK)
            )),
            EventQueries::Own { .. } => None,
        }
    }

    /// Samples of the best scraped series in [`SCRAPE_RANGE`].
    pub(super) fn samples(&self) -> Option<String> {
        match &self.events {
            EventQueries::Http { labels } => Some(format!(
                "max(count_over_time(http_requests_total{{{labels}}}[{}]))",
                range_seconds(SCRAPE_RANGE)
            )),
            EventQueries::Own { .. } => None,
        }
    }

    /// In how many slots of the SLO window there was any data, and how many slots there are. Known series are only looked
    /// at, because counting their events in every slot would read the whole window once more.
    pub(super) fn coverage(&self, slo_window: Duration) -> (String, u32) {
        let slot = (slo_window / COVERAGE_SLOTS).max(Duration::from_secs(60));
        let slots = u32::try_from(slo_window.as_secs() / slot.as_secs()).unwrap_or(COVERAGE_SLOTS);
        let there = match &self.events {
            EventQueries::Http { labels } => format!("count(http_requests_total{{{labels}}})"),
            EventQueries::Own { total, .. } => own(total, slot.max(LOOK_BACK)),
        };
        let query = format!(
            "count_over_time(({there})[{}:{}])",
            range_seconds(slo_window),
            range_seconds(slot)
        );
        (query, slots)
    }

    /// Bad and total events of a window by the label `pod`, told apart by [`PART`]; nothing where the series are not those of
    /// the service's own pods.
    pub(super) fn pods(&self, window: Duration) -> Option<String> {
        match &self.events {
            EventQueries::Http { labels } => {
                let range = range_seconds(window);
                Some(format!(
                    "label_replace(sum by (pod) (increase(http_requests_total{{{labels},status=~\"5..\"}}[{range}]) \
                     or increase(http_requests_total{{{labels},code=~\"5..\"}}[{range}])),\"{PART}\",\"bad\",\"\",\"\") \
                     or label_replace(sum by (pod) (increase(http_requests_total{{{labels}}}[{range}])),\"{PART}\",\"total\",\"\",\"\")"
                ))
            }
            EventQueries::Own { .. } => None,
        }
    }

    /// Cumulative latency buckets of a window that ends now, by `le` in seconds. Own queries have none.
    pub(super) fn latency(&self, window: Duration) -> Option<String> {
        match &self.events {
            EventQueries::Http { labels } => Some(format!(
                "sum by (le) (increase(http_request_duration_seconds_bucket{{{labels}}}[{}]))",
                range_seconds(window)
            )),
            EventQueries::Own { .. } => None,
        }
    }
}

fn own(query: &str, window: Duration) -> String {
    // On lines of their own, so that a comment at the end of the operator's text ends there.
    format!(
        "(\n{}\n)",
        query.replace("${WINDOW}", &range_seconds(window))
    )
}

/// Joins several queries into one; each of their series carries its name in [`PART`].
pub(super) fn combine<'a>(parts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let marked: Vec<String> = parts
        .into_iter()
        .map(|(name, query)| format!("label_replace({query}, \"{PART}\", \"{name}\", \"\", \"\")"))
        .collect();
    marked.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_query() {
        let evil = Queries::http("shop", "x\"}[5m])) or vector(1) or sum(rate(y{a=\"");
        insta::assert_snapshot!(
            evil.total(Duration::from_secs(60)),
            @r#"sum(increase(http_requests_total{namespace="shop",service="x\"}[5m])) or vector(1) or sum(rate(y{a=\""}[60s]))"#
        );
    }

    #[test]
    fn thirty_days_are_covered_by_hours_and_an_hour_by_minutes() {
        let queries = Queries::http("shop", "checkout");
        let (month, slots) = queries.coverage(Duration::from_secs(30 * 86_400));
        assert_eq!(slots, 720);
        assert!(month.ends_with("[2592000s:3600s])"), "{month}");
        let (hour, slots) = queries.coverage(Duration::from_secs(3600));
        assert_eq!(slots, 60);
        assert!(hour.ends_with("[3600s:60s])"), "{hour}");
    }

    #[test]
    fn own_queries_get_their_window_and_nothing_else() {
        let own = Queries::own(
            "sum(increase(bad[${WINDOW}])) # all",
            "sum(increase(all[${WINDOW}]))",
        );
        assert_eq!(
            own.bad(Duration::from_secs(300)),
            "(\nsum(increase(bad[300s])) # all\n)"
        );
        assert_eq!(own.age(), None);
        assert_eq!(own.latency(Duration::from_secs(60)), None);
    }
}
