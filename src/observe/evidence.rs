//! Answers what a decision wants to know of the past of a burning service.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::try_join;

use super::combined::PART;
use super::grid::{Grid, cumulative};
use super::metrics::{Metrics, Observation};
use super::parts::{Refusal, asked};
use super::queries::IMAGE;
use crate::clients::prometheus::{InstantSample, NativeHistogram, PrometheusError, QueryAnswer};
use crate::policy::{Answer, PodEvents, Question, Span};
use crate::slo::{Events, Histogram, RangeRequest, Reading, SliceHistory, WindowCounts};

/// How many questions are asked at the same time: as many as a healthy pass asks. Protects the server from a decision
/// that wants to know much.
const AT_ONCE: usize = 6;

/// Over how long old and new pods are compared: long enough for events, short enough that both served at the same time.
const SIDE_BY_SIDE: std::time::Duration = std::time::Duration::from_secs(300);

impl Metrics<'_> {
    /// Answers questions about the past, several at once, as of the time of an observation.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked. Whatever it does answer is a reading, not an error.
    pub async fn answer(
        &self,
        observation: &Observation,
        questions: &[Question],
    ) -> Result<Vec<Answer>, PrometheusError> {
        let queries = self.queries.seen(observation.seen);
        let seen = Metrics {
            queries: &queries,
            ..*self
        };
        let answers = questions.iter().map(async |question| {
            Ok(match *question {
                Question::SliceHistory(look) => {
                    Answer::SliceHistory(seen.slice_history(observation, look).await?)
                }
                Question::WindowCounts { span, latency } => {
                    Answer::WindowCounts(span, seen.window_counts(span, latency).await?)
                }
                Question::Pods(at) => Answer::Pods(at, seen.pods(at).await?),
            })
        });
        stream::iter(answers).buffered(AT_ONCE).try_collect().await
    }

    async fn slice_history(
        &self,
        observation: &Observation,
        look: RangeRequest,
    ) -> Result<SliceHistory, PrometheusError> {
        let ends_at =
            observation.evaluated_at - TimeDelta::from_std(look.ends_ago).unwrap_or(TimeDelta::MAX);
        let grid = Grid::ending_at(ends_at, look.step, look.slices);
        let slice = look.covering.unwrap_or(observation.slice_window);
        let latency = async {
            match look.latency {
                true => self.latency(slice, grid).await,
                false => Ok(Reading::NoSeries),
            }
        };
        let (events, latency) = try_join!(self.slices(slice, grid), latency)?;
        Ok(SliceHistory {
            step: look.step,
            covering: slice,
            ends_ago: look.ends_ago,
            events,
            latency,
        })
    }

    async fn window_counts(
        &self,
        span: Span,
        latency: bool,
    ) -> Result<WindowCounts, PrometheusError> {
        let window = (span.to - span.from).to_std().unwrap_or_default();
        let counts = [
            ("bad", self.queries.bad(window)),
            ("total", self.queries.total(window)),
        ];
        // Asked apart: a histogram has many times the series, and its refusal must not be that of the counts.
        let (counts, latency) = try_join!(
            self.parts(counts, span.to),
            self.latency_of(window, span.to, latency)
        )?;
        Ok(WindowCounts {
            covering: window,
            events: counts.events("bad", "total"),
            latency,
        })
    }

    async fn latency_of(
        &self,
        window: std::time::Duration,
        at: DateTime<Utc>,
        is_asked: bool,
    ) -> Result<Reading<Histogram>, PrometheusError> {
        let Some(query) = self.queries.latency(window).filter(|_| is_asked) else {
            return Ok(Reading::NoSeries);
        };
        if query.is_native {
            let answer = self.prometheus.instant_histogram(&query.text, at).await;
            return Ok(match asked(answer)? {
                Ok(answer) => native(&answer, query.unit_seconds),
                Err(refusal) => refusal.reading(),
            });
        }
        let answer = self.prometheus.instant(&query.text, at).await;
        Ok(match asked(answer)? {
            Ok(answer) => histogram(&answer, query.unit_seconds),
            Err(refusal) => refusal.reading(),
        })
    }

    async fn pods(&self, at: DateTime<Utc>) -> Result<Reading<Vec<PodEvents>>, PrometheusError> {
        let query = self.queries.pods(SIDE_BY_SIDE);
        let answer = asked(self.prometheus.instant(&query, at).await)?;
        Ok(answer.map_or_else(Refusal::reading, pods))
    }
}

/// Reads latency buckets whose bounds are so many seconds each.
fn histogram(answer: &QueryAnswer<Vec<InstantSample>>, unit_seconds: f64) -> Reading<Histogram> {
    if let Some(why) = &answer.partial {
        return Reading::Partial { why: why.clone() };
    }
    let buckets: Vec<(f64, f64)> = answer
        .value
        .iter()
        .filter_map(|sample| {
            let bound: f64 = sample.labels.get("le")?.trim().parse().ok()?;
            Some((bound * unit_seconds, sample.value))
        })
        .collect();
    if buckets.is_empty() {
        return Reading::NoSeries;
    }
    counted(Histogram::from_cumulative(buckets))
}

/// Reads a native histogram whose bounds are so many seconds each.
fn native(answer: &QueryAnswer<Vec<NativeHistogram>>, unit_seconds: f64) -> Reading<Histogram> {
    if let Some(why) = &answer.partial {
        return Reading::Partial { why: why.clone() };
    }
    match answer.value.first() {
        Some(native) => counted(cumulative(native, unit_seconds)),
        None => Reading::NoSeries,
    }
}

fn counted(histogram: Option<Histogram>) -> Reading<Histogram> {
    match histogram {
        Some(histogram) if histogram.total() > 0.0 => Reading::Measured(histogram),
        Some(_) => Reading::NoTraffic,
        None => Reading::Invalid {
            why: "the latency buckets contradict each other".to_owned(),
        },
    }
}

/// Reads the events and the images of each pod. Series without the label `pod` say nothing of pods.
fn pods(answer: QueryAnswer<Vec<InstantSample>>) -> Reading<Vec<PodEvents>> {
    if let Some(why) = answer.partial {
        return Reading::Partial { why };
    }
    #[derive(Default)]
    struct Counted {
        bad: Option<f64>,
        total: Option<f64>,
        images: BTreeSet<String>,
    }
    let mut pods: BTreeMap<String, Counted> = BTreeMap::new();
    for sample in answer.value {
        let (Some(pod), Some(part)) = (sample.labels.get("pod"), sample.labels.get(PART)) else {
            continue;
        };
        let counted = pods.entry(pod.clone()).or_default();
        match part.as_str() {
            "bad" => counted.bad = Some(sample.value),
            "total" => counted.total = Some(sample.value),
            IMAGE => counted.images.extend(sample.labels.get(IMAGE).cloned()),
            _ => {}
        }
    }
    if pods.is_empty() {
        return Reading::NoSeries;
    }
    let events = |bad, total: Option<f64>| Events::from_increase(bad, total?);
    Reading::Measured(
        pods.into_iter()
            .map(|(pod, counted)| PodEvents {
                pod,
                events: events(counted.bad, counted.total),
                images: counted.images,
            })
            .collect(),
    )
}
