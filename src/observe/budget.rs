//! The events of the SLO window, and how much of it holds data.
//!
//! Asked at once where the server lets us. A server with a limit on the samples, the time or the length of one query gets
//! the same question in chunks: few samples are then in its memory at a time. Their sum is the same up to what happens
//! between the last sample of one chunk and the first of the next: that is extrapolated from the chunk, not counted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::try_join;

use super::metrics::Metrics;
use super::parts::{Grid, Parts, Quantity, column, count, events};
use super::queries::combine;
use crate::clients::prometheus::{PrometheusError, QueryFault};
use crate::slo::{self, Events, Reading};

/// Longest chunk of the SLO window. Source: facts, section 13: 120 of them are 30 days.
const MAX_CHUNK: Duration = Duration::from_secs(6 * 3600);

/// What was read about the SLO window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SloWindow {
    /// Its events.
    pub(super) events: Reading<Events>,
    /// The share of it that holds data (0..1).
    pub(super) coverage: Reading<f64>,
}

/// Counts at the ends of the chunks, oldest first; nothing where one is missing.
type Column = Reading<Vec<Option<f64>>>;

impl Metrics<'_> {
    /// Reads the SLO window that ends at `now`.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses us.
    pub(super) async fn slo_window(
        &self,
        window: Duration,
        now: DateTime<Utc>,
    ) -> Result<SloWindow, PrometheusError> {
        let (slots_query, slots) = self.queries.coverage(window);
        let (total, bad, found) = try_join!(
            self.parts([("total", self.queries.total(window))], now),
            self.parts([("bad", self.queries.bad(window))], now),
            self.parts([("slots", slots_query)], now),
        )?;
        let at_once = SloWindow {
            events: events(&bad, "bad", &total, "total"),
            coverage: covered(found.number("slots"), slots),
        };
        let mut refusals = [&total, &bad, &found]
            .into_iter()
            .filter_map(Parts::refusal);
        let is_too_much = refusals
            .clone()
            .all(|refusal| refusal.fault == QueryFault::TooMuch);
        match (refusals.next(), chunks(window, now)) {
            (Some(refusal), Some(grid)) if is_too_much => {
                tracing::warn!(
                    why = refusal.why,
                    chunks = grid.points,
                    "the SLO window is asked for in chunks"
                );
                Ok(at_once.or(self.in_chunks(grid).await?))
            }
            (Some(_) | None, _) => Ok(at_once),
        }
    }

    async fn in_chunks(&self, grid: Grid) -> Result<SloWindow, PrometheusError> {
        let (total, bad) = try_join!(
            self.chunked("total", self.queries.total(grid.step), grid),
            self.chunked("bad", self.queries.bad(grid.step), grid),
        )?;
        Ok(SloWindow::of_chunks(total, bad))
    }

    async fn chunked(
        &self,
        name: &'static str,
        query: String,
        grid: Grid,
    ) -> Result<Column, PrometheusError> {
        let query = combine([(name, query)]);
        self.over(&query, grid, |answer| column(answer, name, grid))
            .await
    }
}

impl SloWindow {
    /// Joins chunks that lie end to end. The raw answers are added and rounded once. A chunk without a total holds no data:
    /// it counts against the coverage, and is not a chunk without events.
    fn of_chunks(total: Column, bad: Column) -> Self {
        let coverage = total.clone().and_then(|totals| {
            let present = totals.iter().flatten().count();
            let expected = u32::try_from(totals.len()).unwrap_or(u32::MAX);
            covered(Reading::Measured(present as f64), expected)
        });
        let events = total.and_then(|totals| bad.and_then(|bads| sum(&totals, &bads)));
        Self { events, coverage }
    }

    /// Fills in what was refused. Of two coverages the smaller one holds.
    fn or(self, chunked: Self) -> Self {
        let events = match self.events.refusal() {
            Some(_) => chunked.events,
            None => self.events,
        };
        let coverage = match (self.coverage.refusal(), chunked.coverage) {
            (Some(_), chunked) => chunked,
            (None, Reading::Measured(chunked)) => self.coverage.map(|found| found.min(chunked)),
            (
                None,
                Reading::NoTraffic
                | Reading::NoSeries
                | Reading::Gone { .. }
                | Reading::Stale { .. }
                | Reading::Partial { .. }
                | Reading::Invalid { .. }
                | Reading::Refused { .. },
            ) => self.coverage,
        };
        Self { events, coverage }
    }
}

/// Divides a window that ends at `end` into equal chunks of whole seconds, which together may begin some seconds before it;
/// nothing where it is a single chunk already.
fn chunks(window: Duration, end: DateTime<Utc>) -> Option<Grid> {
    let count = window.as_secs().div_ceil(MAX_CHUNK.as_secs());
    let length = Duration::from_secs(window.as_secs().div_ceil(count.max(1)));
    (count > 1).then(|| Grid::ending_at(end, length, usize::try_from(count).unwrap_or(usize::MAX)))
}

fn sum(totals: &[Option<f64>], bads: &[Option<f64>]) -> Reading<Events> {
    let mut total = None;
    let mut bad = None;
    for chunk in totals.iter().zip(bads) {
        match chunk {
            (Some(all), failed) => {
                total = Some(total.unwrap_or(0.0) + all);
                bad = failed.map(|failed| bad.unwrap_or(0.0) + failed).or(bad);
            }
            (None, Some(failed)) if *failed > 0.0 => {
                return Reading::Invalid {
                    why: "bad events were counted in a part of the SLO window that has no total; see whether both \
                          queries speak of the same series"
                        .to_owned(),
                };
            }
            (None, Some(_) | None) => {}
        }
    }
    let quantity = |sum: Option<f64>| sum.map_or(Quantity::Absent, Quantity::Number);
    count(quantity(bad), quantity(total))
}

fn covered(found: Reading<f64>, slots: u32) -> Reading<f64> {
    found.and_then(|found| match slo::coverage(found, slots) {
        Some(coverage) => Reading::Measured(coverage),
        None => Reading::Invalid {
            why: format!("{found} of {slots} slots make no coverage"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn all(values: &[Option<f64>]) -> Column {
        Reading::Measured(values.to_vec())
    }

    fn refused<T>() -> Reading<T> {
        Reading::Refused {
            why: "too many samples".to_owned(),
        }
    }

    fn exactly(bad: f64, total: f64) -> Reading<Events> {
        Reading::Measured(Events::new(bad, total).expect("a count"))
    }

    #[test]
    fn a_window_is_divided_into_equal_chunks_of_at_most_six_hours() {
        for (window, expected) in [
            (30 * DAY, Some((120, 21_600))),
            (7 * DAY, Some((28, 21_600))),
            (MAX_CHUNK, None),
            (DAY / 24, None),
            (MAX_CHUNK + Duration::from_secs(1), Some((2, 10_801))),
            (Duration::from_secs(100_001), Some((5, 20_001))),
        ] {
            let grid = chunks(window, DateTime::UNIX_EPOCH + 90 * DAY);
            let found = grid.map(|grid| (grid.points, grid.step.as_secs()));
            assert_eq!(found, expected, "{window:?}");
            if let Some(grid) = grid {
                assert_eq!(grid.end(), DateTime::UNIX_EPOCH + 90 * DAY);
            }
        }
    }

    #[test]
    fn raw_increases_are_added_before_they_are_rounded() {
        let window = SloWindow::of_chunks(all(&[Some(10.4); 10]), all(&[Some(0.6); 10]));
        assert_eq!(window.events, exactly(6.0, 104.0));
        assert_eq!(window.coverage, Reading::Measured(1.0));
    }

    #[test]
    fn a_missing_chunk_is_missing_coverage_and_an_idle_one_is_not() {
        let total = [None, None, Some(0.0), Some(50.0), Some(50.0)];
        let window = SloWindow::of_chunks(all(&total), all(&[None, None, None, Some(2.0), None]));
        assert_eq!(window.events, exactly(2.0, 100.0));
        assert_eq!(window.coverage, Reading::Measured(0.6));
    }

    #[test]
    fn nothing_and_contradictions_are_no_count() {
        let of = |total: &[Option<f64>], bad: &[Option<f64>]| {
            SloWindow::of_chunks(all(total), all(bad)).events
        };
        assert_eq!(of(&[None; 2], &[None; 2]), Reading::NoSeries);
        assert_eq!(of(&[Some(0.0); 2], &[None; 2]), Reading::NoTraffic);
        for (total, bad) in [
            ([None, Some(9.0)], [Some(1.0), None]),
            ([Some(0.0), Some(0.0)], [Some(1.0), None]),
        ] {
            let reading = of(&total, &bad);
            assert!(matches!(reading, Reading::Invalid { .. }), "{reading:?}");
        }
        assert_eq!(SloWindow::of_chunks(refused(), all(&[])).events, refused());
    }

    #[test]
    fn chunks_fill_in_what_was_refused_and_never_raise_the_coverage() {
        let chunked = || SloWindow {
            events: exactly(1.0, 100.0),
            coverage: Reading::Measured(0.5),
        };
        let merged = |events, coverage| SloWindow { events, coverage }.or(chunked());
        assert_eq!(merged(refused(), refused()), chunked());
        for (found, expected) in [(0.4, 0.4), (0.6, 0.5)] {
            let merged = merged(refused(), Reading::Measured(found));
            assert_eq!(merged.coverage, Reading::Measured(expected));
        }
        let measured = merged(exactly(2.0, 200.0), refused());
        assert_eq!(measured.events, exactly(2.0, 200.0));
        assert_eq!(measured.coverage, Reading::Measured(0.5));
        let silent = merged(refused(), Reading::NoSeries);
        assert_eq!(silent.coverage, Reading::NoSeries);
    }
}
