//! The newest slices of a service and their latency.

use std::time::Duration;

use super::grid::{Grid, histograms, native_histograms, slices};
use super::metrics::Metrics;
use super::parts::asked;
use super::queries::LatencyQuery;
use crate::clients::prometheus::{PrometheusError, QueryAnswer, RangeSeries};
use crate::slo::{Events, Histogram, Reading};

/// What a slice covers where the operator's own queries say nothing in shorter ones: four scrapes a minute apart.
pub(super) const WIDE_SLICE: Duration = Duration::from_secs(240);

/// Most native histograms in one answer. Each may have 160 buckets (the usual limit of a scrape), some 40 bytes each:
/// 500 of them stay well below the client's cap on an answer.
const NATIVE_POINTS: usize = 500;

/// Slices, oldest first; nothing where one is missing or idle.
pub(super) type Slices = Reading<Vec<Option<Events>>>;

impl Metrics<'_> {
    pub(super) async fn slices(
        &self,
        slice: Duration,
        grid: Grid,
    ) -> Result<Reading<Vec<Option<Events>>>, PrometheusError> {
        let query = self.queries.slices(slice);
        self.over(&query, grid, |answer| slices(answer, grid)).await
    }

    /// Asks own queries again in wide slices where the usual ones hold next to nothing: they do not say how often
    /// their series are scraped, and a slice without two scrapes is empty.
    pub(super) async fn widened(
        &self,
        slices: Slices,
        slice: Duration,
        grid: Grid,
    ) -> Result<(Slices, Duration), PrometheusError> {
        let is_sparse = match &slices {
            Reading::Measured(slices) => 2 * slices.iter().flatten().count() < slices.len(),
            Reading::NoSeries => true,
            Reading::NoTraffic
            | Reading::Gone { .. }
            | Reading::Stale { .. }
            | Reading::Partial { .. }
            | Reading::Invalid { .. }
            | Reading::Refused { .. } => false,
        };
        if !self.queries.are_own() || !is_sparse || slice >= WIDE_SLICE {
            return Ok((slices, slice));
        }
        Ok((self.slices(WIDE_SLICE, grid).await?, WIDE_SLICE))
    }

    pub(super) async fn latency(
        &self,
        slice: Duration,
        grid: Grid,
    ) -> Result<Reading<Vec<Option<Histogram>>>, PrometheusError> {
        match self.queries.latency(slice) {
            None => Ok(Reading::NoSeries),
            Some(query) if query.is_native => self.native_latency(&query, grid).await,
            Some(query) => {
                self.over(&query.text, grid, |answer| {
                    histograms(answer, grid, query.unit_seconds)
                })
                .await
            }
        }
    }

    /// Asks for native histograms, which are large, in as few questions as their size allows.
    async fn native_latency(
        &self,
        query: &LatencyQuery,
        grid: Grid,
    ) -> Result<Reading<Vec<Option<Histogram>>>, PrometheusError> {
        let mut slices = Vec::with_capacity(grid.points);
        for piece in grid.pieces(NATIVE_POINTS) {
            let asked_for =
                self.prometheus
                    .range_histograms(&query.text, piece.start, piece.end(), piece.step);
            let read = match asked(asked_for.await)? {
                Ok(answer) => native_histograms(answer, piece, query.unit_seconds),
                Err(refusal) => refusal.reading(),
            };
            match read {
                Reading::Measured(found) => slices.extend(found),
                unknown @ (Reading::NoTraffic
                | Reading::NoSeries
                | Reading::Gone { .. }
                | Reading::Stale { .. }
                | Reading::Partial { .. }
                | Reading::Invalid { .. }
                | Reading::Refused { .. }) => return Ok(unknown),
            }
        }
        Ok(if slices.iter().any(Option::is_some) {
            Reading::Measured(slices)
        } else {
            Reading::NoSeries
        })
    }

    /// Asks for something at each point of a grid.
    pub(super) async fn over<T>(
        &self,
        query: &str,
        grid: Grid,
        read: impl FnOnce(QueryAnswer<Vec<RangeSeries>>) -> Reading<T>,
    ) -> Result<Reading<T>, PrometheusError> {
        let answer = self
            .prometheus
            .range(query, grid.start, grid.end(), grid.step)
            .await;
        Ok(match asked(answer)? {
            Ok(answer) => read(answer),
            Err(refusal) => refusal.reading(),
        })
    }
}
