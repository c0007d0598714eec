//! Asks Prometheus for everything at one evaluation time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::try_join;

use super::budget::SloWindow;
use super::combined::combine;
use super::count_doubt::CountDoubt;
use super::grid::Grid;
use super::moment::{Answers, Clock, CountedForm, Plan, slice_window};
use super::newest::WIDE_SLICE;
use super::parts::{Parts, Quantity, asked, contradiction};
use super::queries::{Queries, SCRAPE_RANGE};
use super::series::SeenForm;
use super::sighting::Recall;
use super::unjudged::{self, unjudged};
use crate::clients::prometheus::{Prometheus, PrometheusError};
use crate::journal::{KeptPeriods, SeriesSeen};
use crate::slo::{
    Events, Histogram, MAX_SAMPLE_AGE, Measurement, NOTED_CLOCK_SKEW, Objective, Reading,
};

/// The parts of the answer about the last hour that speak of events that cannot be judged.
const HOUR: unjudged::PartNames = unjudged::PartNames {
    strange: "h1_strange",
    strangest: "h1_strangest",
    total: "h1_total",
};

const M5: Duration = Duration::from_secs(300);
const M30: Duration = Duration::from_secs(1800);
const H1: Duration = Duration::from_secs(3600);
const H6: Duration = Duration::from_secs(21_600);

/// The short windows, by the names of their parts.
const RECENT: [(&str, &str, Duration); 4] = [
    ("m5_bad", "m5_total", M5),
    ("m30_bad", "m30_total", M30),
    ("h1_bad", "h1_total", H1),
    ("h6_bad", "h6_total", H6),
];

/// How far back own queries are asked for the newest events. Two scrapes lie in it. Where scrapes are rare enough for
/// wide slices, more than 30 s apart, the newer of the two is at most [`MAX_SAMPLE_AGE`] old.
const NEWEST_RANGE: Duration = Duration::from_secs(150);

/// Where the metrics of a service come from.
#[derive(Debug, Clone, Copy)]
pub struct Metrics<'a> {
    /// The server.
    pub prometheus: &'a Prometheus,
    /// The queries of the service.
    pub queries: &'a Queries,
}

/// What earlier passes remember of a service; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Remembered<'a> {
    /// What the back end held.
    pub series: Option<&'a SeriesSeen>,
    /// What was counted in periods that are over.
    pub periods: Option<&'a KeptPeriods>,
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
    /// In which form the service is counted.
    pub(super) seen: SeenForm,
    /// What the back end holds of the service, for later passes; nothing where something is known to be missing.
    pub sighting: Option<SeriesSeen>,
    /// The periods of the SLO window that were counted for this, for later passes; nothing where none were.
    pub counted_periods: Option<KeptPeriods>,
    /// Whether the SLO window was read from the periods that are kept, as far as is known.
    pub(super) is_from_periods: bool,
}

impl Observation {
    /// Returns in which form its events are counted, where that is known without a doubt: then periods may be kept.
    pub fn counted_form(&self) -> Option<CountedForm> {
        let is_whole = !matches!(self.measurement.freshness, Reading::Partial { .. });
        let is_counted = is_whole && self.measurement.budget.value().is_some();
        is_counted.then_some(CountedForm {
            seen: self.seen,
            is_from_periods: self.is_from_periods,
        })
    }
}

impl Metrics<'_> {
    /// Reads the whole state of a service: one request for the time, then all others together.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses us. Whatever it answers is a reading, not an error, and so is
    /// its refusal of one question.
    pub async fn observe(&self, objective: &Objective) -> Result<Observation, PrometheusError> {
        self.observe_since(objective, Remembered::default()).await
    }

    /// Reads the whole state of a service like [`observe`](Self::observe), with what earlier passes remember of it:
    /// the periods that they counted are not read again, and what the back end held then and lost since makes the newest
    /// samples a partial reading.
    ///
    /// # Errors
    /// As for [`observe`](Self::observe).
    pub async fn observe_since(
        &self,
        objective: &Objective,
        remembered: Remembered<'_>,
    ) -> Result<Observation, PrometheusError> {
        let clock = self.clock().await?;
        self.observe_at(clock, objective, remembered).await
    }

    /// Reads the state of a service for the moment of another observation, in the form in which it was seen then.
    ///
    /// # Errors
    /// As for [`observe`](Self::observe).
    pub async fn observe_again(
        &self,
        objective: &Objective,
        remembered: Remembered<'_>,
        before: &Observation,
    ) -> Result<Observation, PrometheusError> {
        let clock = Clock {
            now: before.evaluated_at,
            ..self.clock().await?
        };
        self.observe_at(clock, objective, remembered).await
    }

    async fn observe_at(
        &self,
        clock: Clock,
        objective: &Objective,
        remembered: Remembered<'_>,
    ) -> Result<Observation, PrometheusError> {
        let queries = self.queries.seen(clock.seen);
        let counted = Metrics {
            queries: &queries,
            ..*self
        };
        counted.observe_in_form(clock, objective, remembered).await
    }

    async fn observe_in_form(
        &self,
        clock: Clock,
        objective: &Objective,
        remembered: Remembered<'_>,
    ) -> Result<Observation, PrometheusError> {
        let recall = self.recall(remembered.series, clock.now);
        let plan = Plan::of(&clock, objective);
        let (recent, budget, slices, latency) = try_join!(
            self.recent(clock.now, &recall),
            self.slo_window(objective.window, clock.now, remembered.periods),
            self.slices(plan.slice, plan.grid),
            self.latency(plan.slice, plan.grid),
        )?;
        let answers = Answers {
            recent,
            budget,
            slices,
            latency,
        };
        let periods = self.periods_plan(objective.window, clock.now, remembered.periods);
        let observation = self.conclude(clock, plan, answers, &recall).await?;
        Ok(Observation {
            is_from_periods: periods.is_some(),
            ..observation
        })
    }

    /// Makes an observation of the answers of one moment.
    pub(super) async fn conclude(
        &self,
        clock: Clock,
        Plan { slice, grid }: Plan,
        answers: Answers,
        recall: &Recall<'_>,
    ) -> Result<Observation, PrometheusError> {
        let now = clock.now;
        if clock.skew > NOTED_CLOCK_SKEW {
            tracing::warn!(
                skew_secs = clock.skew.as_secs(),
                "the clocks of Prometheus and of this machine differ; synchronise them"
            );
        }
        let Answers {
            recent,
            budget: SloWindow { events, coverage },
            slices,
            latency,
        } = answers;
        let has_events =
            || matches!(recent.quantity("m5_total"), Quantity::Number(total) if total > 0.0);
        let (slices, slice) = if has_events() {
            self.widened(slices, slice, grid).await?
        } else {
            (slices, slice)
        };
        let doubt = CountDoubt {
            rare: self.too_rare(&recent, &events),
            trouble: self.trouble(&recent),
            gone: self.gone(&recent, &events),
        };
        let has_budget = events.value().is_some();
        let counted = |bad, total| doubt.about_counts(recent.events(bad, total));
        let measurement = Measurement {
            m5: counted("m5_bad", "m5_total"),
            m30: counted("m30_bad", "m30_total"),
            h1: counted("h1_bad", "h1_total"),
            h6: counted("h6_bad", "h6_total"),
            budget: doubt.about_counts(events),
            coverage: doubt.of_coverage(coverage, has_budget),
            // What a slice must cover was learned from the clock's answer, in which samples may be missing.
            freshness: match clock.partial.or_else(|| recall.lost(&recent)) {
                Some(why) => Reading::Partial { why },
                None => doubt.absent(self.freshness(&recent, &slices, slice)),
            },
            slices: doubt.about_counts(slices),
            latency: doubt.about(latency),
            clock_skew: clock.skew,
        };
        Ok(Observation {
            evaluated_at: now,
            measurement,
            slice_window: slice,
            seen: clock.seen,
            sighting: recall.sighting(&recent, now),
            counted_periods: None,
            is_from_periods: false,
        })
    }

    /// Says why the counts of all windows are numbers of nothing, where something shows it.
    fn trouble(&self, recent: &Parts) -> Option<String> {
        let mixed = || self.queries.identity()?.trouble(recent);
        // Series that have ended have another reason.
        let unjudged = || {
            let series = self.queries.series().filter(|_| is_alive(recent))?;
            unjudged(series, recent, &HOUR)
        };
        mixed()
            .or_else(unjudged)
            .or_else(|| recent_contradiction(recent))
    }

    /// Says that own queries have nothing for a short window and something for a longer one, where that is so.
    fn too_rare(&self, recent: &Parts, budget: &Reading<Events>) -> Option<String> {
        if !self.queries.are_own() {
            return None;
        }
        let is_there = |part| recent.quantity(part) != Quantity::Absent;
        let is_counted = budget.value().is_some();
        let (silent, heard) = [
            ("newest", NEWEST_RANGE, "m5_total"),
            ("m5_total", M5, "m30_total"),
            ("m30_total", M30, "h1_total"),
            ("h1_total", H1, "h6_total"),
        ]
        .into_iter()
        .filter(|(short, _, _)| !is_there(short))
        .map(|(_, window, long)| (window, is_there(long)))
        .fold(
            (Duration::ZERO, is_counted),
            |(_, heard), (window, longer)| (window, heard || longer),
        );
        let is_rare =
            heard && !silent.is_zero() && recent.refusal().is_none() && recent.partial().is_none();
        is_rare.then(|| {
            format!(
                "SLI_TOTAL_QUERY gives nothing for {} s although it gives events for longer windows: its series have ended, or \
                 are scraped less often than once a minute, and a window needs two scrapes",
                silent.as_secs()
            )
        })
    }

    /// Returns how old the newest sample is at least, where series were there before and are not any more.
    fn gone(&self, recent: &Parts, budget: &Reading<Events>) -> Option<Duration> {
        self.queries.age()?;
        let is_known = recent.refusal().is_none() && recent.partial().is_none();
        if !is_known || is_alive(recent) {
            return None;
        }
        match recent.quantity("age") {
            Quantity::Number(age) => Some(Duration::try_from_secs_f64(age).unwrap_or_default())
                .filter(|age| *age > MAX_SAMPLE_AGE),
            Quantity::Invalid(_) => None,
            Quantity::Absent if recent.quantity("h6_total") != Quantity::Absent => Some(H1),
            Quantity::Absent => match budget {
                Reading::Measured(_) | Reading::NoTraffic => Some(H6),
                Reading::NoSeries
                | Reading::Gone { .. }
                | Reading::Stale { .. }
                | Reading::Partial { .. }
                | Reading::Invalid { .. }
                | Reading::Refused { .. } => None,
            },
        }
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
        let queries = self.queries.seen(clock.seen);
        let seen = Metrics {
            queries: &queries,
            ..*self
        };
        let (slices, latency) = try_join!(seen.slices(slice, grid), seen.latency(slice, grid))?;
        let (slices, slice) = seen.widened(slices, slice, grid).await?;
        Ok(RecentSlices {
            seen: clock.seen,
            evaluated_at: clock.now,
            slice_window: slice,
            slices,
            latency,
        })
    }

    /// Says why no number of the service may be believed at the time of a look at its slices, where something shows
    /// it: the same that would make a pass hold. One request, for what a proof rests on.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses.
    pub async fn doubt(
        &self,
        recent: &RecentSlices,
        seen: Option<&SeriesSeen>,
    ) -> Result<Option<String>, PrometheusError> {
        let queries = self.queries.seen(recent.seen);
        let counted = Metrics {
            queries: &queries,
            ..*self
        };
        let recall = counted.recall(seen, recent.evaluated_at);
        let found = counted.recent(recent.evaluated_at, &recall).await?;
        Ok(found
            .why_doubtful()
            .or_else(|| recall.lost(&found))
            .or_else(|| counted.trouble(&found)))
    }

    /// Reads the slices of a span of the past, as long as those of a look at the present.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses.
    pub async fn slices_until(
        &self,
        objective: &Objective,
        slice_window: Duration,
        end: DateTime<Utc>,
        span: Duration,
    ) -> Result<Reading<Vec<Option<Events>>>, PrometheusError> {
        let grid = Grid::ending_at(end, objective.slice_step(), objective.slices_in(span));
        self.slices(slice_window, grid).await
    }

    pub(super) async fn clock(&self) -> Result<Clock, PrometheusError> {
        let asked_at = Utc::now();
        let mut parts = vec![("there".to_owned(), "vector(1)".to_owned())];
        parts.extend(self.queries.sought());
        let answer = self.prometheus.instant_now(&combine(parts)).await?;
        let here = asked_at + (Utc::now() - asked_at) / 2;
        // The time of which the answer speaks; the value of `time()` lies behind it on some servers.
        let now = match answer.value.first() {
            Some(sample) => sample.at,
            None => self.prometheus.server_time().await?,
        };
        let skew = (now - here).abs().to_std().unwrap_or(Duration::MAX);
        Ok(self.clock_of(now, skew, &Parts::of(answer)))
    }

    /// Reads what the first answer of a pass says of the service.
    pub(super) fn clock_of(&self, now: DateTime<Utc>, skew: Duration, parts: &Parts) -> Clock {
        let (seen, samples) = self.queries.sighting(parts);
        Clock {
            now,
            partial: parts.partial().map(str::to_owned),
            skew,
            scrape_interval: (samples >= 1.0).then(|| SCRAPE_RANGE.div_f64(samples)),
            seen,
        }
    }

    async fn recent(
        &self,
        now: DateTime<Utc>,
        recall: &Recall<'_>,
    ) -> Result<Parts, PrometheusError> {
        self.parts(self.recent_parts(recall), now).await
    }

    /// What is asked of the last hours.
    pub(super) fn recent_parts(&self, recall: &Recall<'_>) -> Vec<(&'static str, String)> {
        let mut parts = Vec::new();
        for (bad, total, window) in RECENT {
            parts.push((bad, self.queries.bad(window)));
            parts.push((total, self.queries.total(window)));
        }
        parts.extend(self.queries.strange(H1).map(|query| ("h1_strange", query)));
        parts.extend(
            self.queries
                .strangest(H1)
                .map(|query| ("h1_strangest", query)),
        );
        parts.extend(
            self.queries
                .identity()
                .map(|identity| identity.queries())
                .into_iter()
                .flatten(),
        );
        parts.extend(self.queries.age().map(|query| ("age", query)));
        if self.queries.are_own() {
            parts.push(("newest", self.queries.total(NEWEST_RANGE)));
        }
        parts.extend(self.recalled(recall));
        parts
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
        if slice >= WIDE_SLICE {
            return match recent.number("newest") {
                Reading::Measured(events) if events > 0.0 => aged(MAX_SAMPLE_AGE),
                Reading::Measured(_) => Reading::NoTraffic,
                unknown @ (Reading::NoTraffic
                | Reading::NoSeries
                | Reading::Gone { .. }
                | Reading::Stale { .. }
                | Reading::Partial { .. }
                | Reading::Invalid { .. }
                | Reading::Refused { .. }) => unknown.and_then(|_| Reading::NoTraffic),
            };
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

/// Says which of the short windows holds more bad events than events. A counter that is wrong in one window is wrong
/// in all, also where the other one still hides it.
fn recent_contradiction(recent: &Parts) -> Option<String> {
    RECENT.into_iter().find_map(|(bad, total, _)| {
        let counted = (recent.quantity(bad), recent.quantity(total));
        let (Quantity::Number(bad), Quantity::Number(total)) = counted else {
            return None;
        };
        contradiction(bad, total)
    })
}

/// Whether any series of the service has a sample now.
fn is_alive(recent: &Parts) -> bool {
    recent.quantity("copies") != Quantity::Absent
}

/// The newest slices of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentSlices {
    /// In which form the service is counted.
    pub seen: SeenForm,
    /// The back end's time.
    pub evaluated_at: DateTime<Utc>,
    /// What each slice covers.
    pub slice_window: Duration,
    /// The slices, oldest first.
    pub slices: Reading<Vec<Option<Events>>>,
    /// Their latency.
    pub latency: Reading<Vec<Option<Histogram>>>,
}

fn aged(age: Duration) -> Reading<Duration> {
    if age > MAX_SAMPLE_AGE {
        Reading::Stale { age }
    } else {
        Reading::Measured(age)
    }
}
