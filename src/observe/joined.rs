//! Questions about several services: one answer, of which each gets its share.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::combined::combine;
use super::grid::Grid;
use super::parts::{Parts, asked};
use super::queries::Queries;
use super::series::{Apart, SeenForm};
use crate::clients::prometheus::{
    InstantSample, LabelSet, Prometheus, PrometheusError, QueryAnswer, RangeSeries,
};

/// Most services in one question. The latency of so many has some 5 MB; an answer may have 8 MiB.
pub(super) const MOST: usize = 500;

/// How long dividing what is too much may go on. Past it the services that are left ask alone, in their turn.
const DIVIDING_LIMIT: Duration = Duration::from_secs(60);

/// How one of several services asks.
pub(super) struct Voice<'a> {
    pub(super) prometheus: &'a Prometheus,
    /// Its queries, in the form in which it was seen.
    pub(super) queries: Queries,
    pub(super) seen: SeenForm,
}

/// Asks for several quantities of several services at one time. Where there is one, it asks as it does alone.
pub(super) async fn at_one_time(
    voices: &[&Voice<'_>],
    text: impl Fn(&Queries) -> Vec<(&'static str, String)>,
    at: DateTime<Utc>,
) -> Result<Vec<Parts>, PrometheusError> {
    if let [voice] = voices {
        let answer = voice
            .prometheus
            .instant(&combine(text(&voice.queries)), at)
            .await;
        return Ok(vec![Parts::of_asked(asked(answer)?)]);
    }
    let Some(Joined {
        server,
        queries,
        apart,
    }) = Joined::of(voices)
    else {
        return Ok(Vec::new());
    };
    let answer = server
        .instant_of(voices.len(), &combine(text(&queries)), at)
        .await?;
    let all: Vec<&Queries> = voices.iter().map(|voice| &voice.queries).collect();
    Ok(shared_samples(answer, &all, |_| Some(apart)))
}

/// Asks for something of several services at each point of a grid.
pub(super) async fn over_time<T>(
    voices: &[&Voice<'_>],
    text: impl Fn(&Queries) -> Option<String>,
    grid: Grid,
    read: impl Fn(QueryAnswer<Vec<RangeSeries>>) -> T,
) -> Result<Vec<T>, PrometheusError> {
    let Some(Joined {
        server,
        queries,
        apart,
    }) = Joined::of(voices)
    else {
        return Ok(Vec::new());
    };
    let Some(query) = text(&queries) else {
        return Ok(Vec::new());
    };
    let answer = server
        .range_for(voices.len(), &query, grid.start, grid.end(), grid.step)
        .await?;
    let all: Vec<&Queries> = voices.iter().map(|voice| &voice.queries).collect();
    let shares = shared_series(answer, &all, apart);
    Ok(shares.into_iter().map(read).collect())
}

/// The queries of several services in one.
struct Joined {
    server: Prometheus,
    queries: Queries,
    apart: Apart,
}

impl Joined {
    /// Joins the queries of services that were seen in the same form.
    fn of(voices: &[&Voice<'_>]) -> Option<Self> {
        let all: Vec<&Queries> = voices.iter().map(|voice| &voice.queries).collect();
        let first = voices.first()?;
        let queries = Queries::of_several(&all, first.seen)?;
        let apart = queries.series()?.apart()?;
        Some(Self {
            server: first.prometheus.whole(),
            queries,
            apart,
        })
    }
}

/// Where the share of a service is, by its namespace and its name.
struct Places<'q>(BTreeMap<(&'q str, &'q str), usize>);

impl<'q> Places<'q> {
    fn of(all: &[&'q Queries]) -> Self {
        let named = all.iter().enumerate().map(|(index, queries)| {
            let workload = queries.workload();
            (
                (workload.namespace.as_str(), workload.service.as_str()),
                index,
            )
        });
        Self(named.collect())
    }

    /// Takes the labels that name a service off, so that what is left is what it alone would have been answered.
    /// Nothing for a service that nobody asked about.
    fn take(&self, labels: &mut LabelSet, apart: Apart) -> Option<usize> {
        let (namespace, service) = (labels.remove(apart.0)?, labels.remove(apart.1)?);
        self.0.get(&(namespace.as_str(), service.as_str())).copied()
    }
}

/// Gives each service its share of an answer.
pub(super) fn shared_samples(
    answer: QueryAnswer<Vec<InstantSample>>,
    all: &[&Queries],
    apart: impl Fn(&LabelSet) -> Option<Apart>,
) -> Vec<Parts> {
    let places = Places::of(all);
    let mut shares: Vec<Vec<InstantSample>> = all.iter().map(|_| Vec::new()).collect();
    for mut sample in answer.value {
        let place = apart(&sample.labels).and_then(|apart| places.take(&mut sample.labels, apart));
        if let Some(place) = place {
            shares[place].push(sample);
        }
    }
    let of = |value| QueryAnswer {
        value,
        partial: answer.partial.clone(),
        notes: Vec::new(),
    };
    shares
        .into_iter()
        .map(|share| Parts::of(of(share)))
        .collect()
}

/// The same for an answer over time.
fn shared_series(
    answer: QueryAnswer<Vec<RangeSeries>>,
    all: &[&Queries],
    apart: Apart,
) -> Vec<QueryAnswer<Vec<RangeSeries>>> {
    let places = Places::of(all);
    let mut shares: Vec<Vec<RangeSeries>> = all.iter().map(|_| Vec::new()).collect();
    for mut series in answer.value {
        if let Some(place) = places.take(&mut series.labels, apart) {
            shares[place].push(series);
        }
    }
    let of = |value| QueryAnswer {
        value,
        partial: answer.partial.clone(),
        notes: Vec::new(),
    };
    shares.into_iter().map(of).collect()
}

/// Asks about services in as few questions as are answered: what is too much, too slow or refused is asked for in
/// pieces, down to single services. Nothing for those that are left when the time for that is over.
pub(super) async fn divided<T>(
    all: &[usize],
    most: usize,
    ask: impl AsyncFn(&[usize]) -> Result<Vec<(usize, T)>, PrometheusError>,
) -> Vec<(usize, Result<T, Arc<PrometheusError>>)> {
    let until = Instant::now() + DIVIDING_LIMIT;
    let smallest_refused = Cell::new(usize::MAX);
    let ask = &ask;
    let piece = async |first: &[usize]| {
        let mut answered = Vec::new();
        let mut waiting = VecDeque::from([first]);
        while let Some(some) = waiting.pop_front() {
            // What was too much for others is too much for these.
            let mut pieces = 2;
            let is_too_much = some.len() > 1 && some.len() >= smallest_refused.get();
            let answer = match is_too_much {
                true => None,
                false => Some(ask(some).await),
            };
            match answer {
                Some(Ok(answers)) => {
                    answered.extend(
                        answers
                            .into_iter()
                            .map(|(place, answer)| (place, Ok(answer))),
                    );
                    continue;
                }
                Some(Err(error)) if some.len() == 1 || !is_divided_by(&error) => {
                    let error = Arc::new(error);
                    answered.extend(some.iter().map(|place| (*place, Err(error.clone()))));
                    if some.len() > 1 {
                        // Nobody answers: the others would wait for nothing.
                        let left = waiting.drain(..).flatten();
                        answered.extend(left.map(|place| (*place, Err(error.clone()))));
                    }
                    continue;
                }
                Some(Err(error)) => {
                    tracing::debug!(services = some.len(), %error, "a joined question is divided");
                    if is_slow(&error) {
                        // One of them may be slow, and each further try takes as long.
                        pieces = 8;
                    } else {
                        smallest_refused.set(smallest_refused.get().min(some.len()));
                    }
                }
                None => {}
            }
            if Instant::now() >= until {
                continue;
            }
            for piece in some.chunks(some.len().div_ceil(pieces)).rev() {
                waiting.push_front(piece);
            }
        }
        answered
    };
    let pieces: Vec<_> = all.chunks(most).map(piece).collect();
    join_all(pieces).await.into_iter().flatten().collect()
}

/// Tells whether the time was over before there was an answer.
fn is_slow(error: &PrometheusError) -> bool {
    matches!(
        error,
        PrometheusError::TooSlow { .. } | PrometheusError::Timeout { .. }
    )
}

/// Tells whether a smaller question may be answered.
fn is_divided_by(error: &PrometheusError) -> bool {
    error.query_fault().is_some()
        || is_slow(error)
        || matches!(error, PrometheusError::TooLarge { .. })
}
