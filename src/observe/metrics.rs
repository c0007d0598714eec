//! Asks Prometheus for everything at one evaluation time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::try_join;

use super::budget::SloWindow;
use super::parts::{Grid, Parts, Quantity, asked, histograms, slices};
use super::queries::{Queries, SCRAPE_RANGE, combine};
use crate::clients::prometheus::{Answer, Prometheus, PrometheusError, Series};
use crate::slo::{
    Events, Histogram, MAX_SAMPLE_AGE, Measurement, NOTED_CLOCK_SKEW, Objective, Reading,
};

const MINUTE: Duration = Duration::from_secs(60);
const M5: Duration = Duration::from_secs(300);
const M30: Duration = Duration::from_secs(1800);
const H1: Duration = Duration::from_secs(3600);
const H6: Duration = Duration::from_secs(21_600);

/// How many scrapes a slice must hold, so that a missed one leaves it measurable. Source: facts, section 6.
const SCRAPES_PER_SLICE: u32 = 4;

/// Where the metrics of a service come from.
#[derive(Debug)]
pub struct Metrics<'a> {
    /// The server.
    pub prometheus: &'a Prometheus,
    /// The queries of the service.
    pub queries: &'a Queries,
}

/// One service as it was at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The back end's time for which everything was asked.
    pub evaluated_at: DateTime<Utc>,
    /// What was read.
    pub measurement: Measurement,
    /// What each slice covers: at least [`Objective::slice_window`], more where scrapes are slow.
    pub slice_window: Duration,
}

impl Metrics<'_> {
    /// Reads the whole state of a service: one request for the time, then all others together.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses us. Whatever it answers is a reading, not an error, and so is its
    /// refusal of one question.
    pub async fn observe(&self, objective: &Objective) -> Result<Observation, PrometheusError> {
        let clock = self.clock().await?;
        let now = clock.now;
        if clock.skew > NOTED_CLOCK_SKEW {
            tracing::warn!(
                skew_secs = clock.skew.as_secs(),
                "the clocks of Prometheus and of this machine differ; synchronise them"
            );
        }
        let slice = slice_window(objective, clock.scrape_interval);
        let grid = Grid::ending_at(
            now,
            objective.slice_step(),
            objective.slices_in(objective.violation_for),
        );
        let (recent, SloWindow { events, coverage }, slices, latency) = try_join!(
            self.recent(now),
            self.slo_window(objective.window, now),
            self.slices(slice, grid),
            self.latency(slice, grid),
        )?;
        let is_unlabelled = recent.quantity("labelled") == Quantity::Absent
            && recent.quantity("h6_total") != Quantity::Absent;
        let unlabelled = self.queries.unlabelled().filter(|_| is_unlabelled);
        let checked = |reading: Reading<Events>| {
            reading.and_then(|events| match &unlabelled {
                Some(why) => Reading::Invalid { why: why.clone() },
                None => Reading::Measured(events),
            })
        };
        let measurement = Measurement {
            budget: checked(events),
            coverage,
            m5: checked(recent.events("m5_bad", "m5_total")),
            m30: checked(recent.events("m30_bad", "m30_total")),
            h1: checked(recent.events("h1_bad", "h1_total")),
            h6: checked(recent.events("h6_bad", "h6_total")),
            freshness: match clock.partial {
                // What a slice must cover was learned from an answer in which samples may be missing.
                Some(why) => Reading::Partial { why },
                None => self.freshness(&recent, &slices, slice),
            },
            slices,
            latency,
            clock_skew: clock.skew,
        };
        Ok(Observation {
            evaluated_at: now,
            measurement,
            slice_window: slice,
        })
    }

    /// Reads the slices of the span that ends now, and the latency of each: what the proof of recovery needs.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses.
    pub async fn recent_slices(
        &self,
        objective: &Objective,
        span: Duration,
    ) -> Result<RecentSlices, PrometheusError> {
        let clock = self.clock().await?;
        let slice = slice_window(objective, clock.scrape_interval);
        let grid = Grid::ending_at(clock.now, objective.slice_step(), objective.slices_in(span));
        let (slices, latency) = try_join!(self.slices(slice, grid), self.latency(slice, grid))?;
        Ok(RecentSlices {
            evaluated_at: clock.now,
            slice_window: slice,
            slices,
            latency,
        })
    }

    async fn clock(&self) -> Result<Clock, PrometheusError> {
        let asked_at = Utc::now();
        let mut parts = vec![("time", "vector(time())".to_owned())];
        parts.extend(self.queries.samples().map(|query| ("samples", query)));
        let answer = self.prometheus.instant_now(&combine(parts)).await?;
        let here = asked_at + (Utc::now() - asked_at) / 2;
        let parts = Parts::of(answer);
        let now = match parts.quantity("time") {
            Quantity::Number(seconds) => {
                DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64)
            }
            Quantity::Absent | Quantity::Invalid(_) => None,
        };
        let now = match now {
            Some(now) => now,
            None => self.prometheus.server_time().await?,
        };
        let scrape_interval = match parts.quantity("samples") {
            Quantity::Number(samples) if samples >= 1.0 => Some(SCRAPE_RANGE.div_f64(samples)),
            Quantity::Number(_) | Quantity::Absent | Quantity::Invalid(_) => None,
        };
        Ok(Clock {
            now,
            partial: parts.partial().map(str::to_owned),
            skew: (now - here).abs().to_std().unwrap_or(Duration::MAX),
            scrape_interval,
        })
    }

    async fn recent(&self, now: DateTime<Utc>) -> Result<Parts, PrometheusError> {
        let mut parts = Vec::new();
        for (bad, total, window) in [
            ("m5_bad", "m5_total", M5),
            ("m30_bad", "m30_total", M30),
            ("h1_bad", "h1_total", H1),
            ("h6_bad", "h6_total", H6),
        ] {
            parts.push((bad, self.queries.bad(window)));
            parts.push((total, self.queries.total(window)));
        }
        parts.extend(self.queries.labelled().map(|query| ("labelled", query)));
        parts.extend(self.queries.age().map(|query| ("age", query)));
        self.parts(parts, now).await
    }

    /// Asks for several quantities at one time.
    pub(super) async fn parts<'a>(
        &self,
        parts: impl IntoIterator<Item = (&'a str, String)>,
        now: DateTime<Utc>,
    ) -> Result<Parts, PrometheusError> {
        let answer = self.prometheus.instant(&combine(parts), now).await;
        Ok(Parts::of_asked(asked(answer)?))
    }

    pub(super) async fn slices(
        &self,
        slice: Duration,
        grid: Grid,
    ) -> Result<Reading<Vec<Option<Events>>>, PrometheusError> {
        let query = combine([
            ("bad", self.queries.bad(slice)),
            ("total", self.queries.total(slice)),
        ]);
        self.over(&query, grid, |answer| slices(answer, grid)).await
    }

    pub(super) async fn latency(
        &self,
        slice: Duration,
        grid: Grid,
    ) -> Result<Reading<Vec<Option<Histogram>>>, PrometheusError> {
        match self.queries.latency(slice) {
            None => Ok(Reading::NoSeries),
            Some(query) => {
                self.over(&query.text, grid, |answer| {
                    histograms(answer, grid, query.unit_seconds)
                })
                .await
            }
        }
    }

    /// Asks for something at each point of a grid.
    pub(super) async fn over<T>(
        &self,
        query: &str,
        grid: Grid,
        read: impl FnOnce(Answer<Vec<Series>>) -> Reading<T>,
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

    fn freshness(
        &self,
        recent: &Parts,
        slices: &Reading<Vec<Option<Events>>>,
        slice: Duration,
    ) -> Reading<Duration> {
        if self.queries.age().is_some() {
            return recent.number("age").and_then(|age| {
                aged(Duration::try_from_secs_f64(age.max(0.0)).unwrap_or(Duration::MAX))
            });
        }
        // A slice needs two samples, so the newest one being there bounds the age of the newest sample.
        slices.clone().and_then(|slices| {
            if slices.last().is_some_and(Option::is_some) {
                aged(slice)
            } else {
                Reading::NoTraffic
            }
        })
    }
}

/// The newest slices of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentSlices {
    /// The back end's time.
    pub evaluated_at: DateTime<Utc>,
    /// What each slice covers.
    pub slice_window: Duration,
    /// The slices, oldest first.
    pub slices: Reading<Vec<Option<Events>>>,
    /// Their latency.
    pub latency: Reading<Vec<Option<Histogram>>>,
}

struct Clock {
    now: DateTime<Utc>,
    skew: Duration,
    scrape_interval: Option<Duration>,
    /// Why the scrape interval may be wrong.
    partial: Option<String>,
}

fn slice_window(objective: &Objective, scrape_interval: Option<Duration>) -> Duration {
    let needed = scrape_interval.unwrap_or_default() * SCRAPES_PER_SLICE;
    let whole = Duration::from_secs(needed.as_secs_f64().ceil() as u64);
    // Samples are counted with both ends, so a 15 s scrape looks like 13 s or 15 s; a minute holds four of either.
    objective.slice_window().max(if whole <= MINUTE {
        whole.min(MINUTE)
    } else {
        whole
    })
}

fn aged(age: Duration) -> Reading<Duration> {
    if age > MAX_SAMPLE_AGE {
        Reading::Stale { age }
    } else {
        Reading::Measured(age)
    }
}
