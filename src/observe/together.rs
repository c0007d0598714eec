//! Several services in the same questions.
//!
//! Services that ask the same server in the same shape are asked about together, told apart by the labels that name
//! them. Each gets its own part of every answer and is judged by it as if it had asked alone. A question that is too
//! much is divided, down to single services; what is missing for one of them is missing for nobody else.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::Instant;
use tokio::try_join;

use super::budget::{Chunk, SloWindow};
use super::days::{self, DaysPlan};
use super::grid::{Grid, histograms, slices};
use super::keeping::{Keeping, count_days};
use super::metrics::{Answers, Clock, Metrics, Observation, Plan, Remembered};
use super::parts::{Parts, asked};
use super::queries::{PART, Queries, combine};
use super::series::{Apart, SeenForm};
use super::sighting::Recall;
use crate::clients::prometheus::{
    InstantSample, Prometheus, PrometheusError, QueryAnswer, RangeSeries,
};
use crate::journal::KeptDays;
use crate::slo::{Objective, Reading};

/// Most services in one question. The latency of so many has some 5 MB; an answer may have 8 MiB.
pub(super) const MOST: usize = 500;

/// Most services in one question about a whole SLO window. Source: a month of two counters of 64 services takes a
/// Prometheus of two cores about a second.
const MOST_WHOLE_WINDOWS: usize = 64;

/// How long counting days that many services lack may take. What is left is counted by the next passes.
const COUNTING_LIMIT: Duration = Duration::from_secs(30);

/// How long dividing what is too much may go on. Past it the services that are left ask alone, in their turn.
const DIVIDING_LIMIT: Duration = Duration::from_secs(60);

/// One of several services that are asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Where its metrics come from.
    pub metrics: Metrics<'a>,
    /// What is promised of it.
    pub objective: &'a Objective,
    /// What earlier passes remember of it.
    pub remembered: Remembered<'a>,
}

/// What came of asking about a service together with others.
pub type Observed = Result<Observation, Arc<PrometheusError>>;

/// Reads the state of several services at one moment. Nothing for a service that has to ask alone: it counts in a way
/// of its own, or nobody else counts as it does.
pub async fn observe_together(asking: &[Asking<'_>]) -> Vec<Option<Observed>> {
    let mut observed: Vec<Option<Observed>> = asking.iter().map(|_| None).collect();
    let mut batches = Vec::new();
    for alike in alike(asking) {
        // Neighbours by namespace, so that a question names few of them.
        let mut places = alike;
        places.sort_by_key(|place| {
            let workload = asking[*place].metrics.queries.workload();
            (&workload.namespace, &workload.service)
        });
        if places.len() > 1 {
            batches.extend(places.chunks(MOST).map(<[usize]>::to_vec));
        }
    }
    let answers = join_all(batches.into_iter().map(|batch| of_batch(asking, batch))).await;
    for (place, answer) in answers.into_iter().flatten() {
        observed[place] = Some(answer);
    }
    observed
}

/// Finds the services that can be asked about in the same questions.
fn alike(asking: &[Asking<'_>]) -> Vec<Vec<usize>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    for (place, one) in asking.iter().enumerate() {
        let is_like = |kind: &&mut Vec<usize>| {
            let first = &asking[kind[0]].metrics;
            first.prometheus.is_same(one.metrics.prometheus)
                && one.metrics.queries.counts_like(first.queries)
        };
        match kinds.iter_mut().find(is_like) {
            Some(kind) => kind.push(place),
            None => kinds.push(vec![place]),
        }
    }
    kinds
}

/// How one of several services asks.
pub(super) struct Voice<'a> {
    pub(super) prometheus: &'a Prometheus,
    /// Its queries, in the form in which it was seen.
    pub(super) queries: Queries,
    pub(super) seen: SeenForm,
}

/// One service on the way through the questions of a batch.
struct Member<'a> {
    place: usize,
    asking: Asking<'a>,
    voice: Voice<'a>,
    clock: Clock,
    plan: Plan,
    days: Option<DaysPlan>,
    /// The days that were counted just now.
    counted: Option<&'a KeptDays>,
    recall: Recall<'a>,
}

impl Member<'_> {
    fn metrics(&self) -> Metrics<'_> {
        Metrics {
            queries: &self.voice.queries,
            ..self.asking.metrics
        }
    }

    /// Tells whether all that is asked about another one is asked about this one too.
    fn asks_like(&self, other: &Self) -> bool {
        let pieces = |member: &Self| {
            let days = member.days.as_ref();
            days.map(|days| (days.head, days.tail))
        };
        self.counted.is_some() == other.counted.is_some()
            && self.clock.now == other.clock.now
            && self.clock.seen == other.clock.seen
            && self.plan == other.plan
            && self.recall.ago() == other.recall.ago()
            && self.asking.objective.window == other.asking.objective.window
            && pieces(self) == pieces(other)
    }
}

async fn of_batch(asking: &[Asking<'_>], batch: Vec<usize>) -> Vec<(usize, Observed)> {
    let mut clocks_read = clocks(asking, &batch).await;
    let counted = days_first(asking, &clocks_read).await;
    if !counted.is_empty() {
        // That took its time.
        clocks_read = clocks(asking, &batch).await;
    }
    let counted = by_place(counted);
    let mut observed = Vec::new();
    let mut shapes: Vec<Vec<Member<'_>>> = Vec::new();
    for (place, clock) in clocks_read {
        let clock = match clock {
            Ok(clock) => clock,
            Err(error) => {
                observed.push((place, Err(error)));
                continue;
            }
        };
        let one = asking[place];
        let queries = one.metrics.queries.seen(clock.seen);
        let metrics = Metrics {
            queries: &queries,
            ..one.metrics
        };
        let recall = metrics.recall(one.remembered.series, clock.now);
        let counted = counted.get(&place);
        let known = counted.or(one.remembered.days);
        let days = metrics.days_plan(one.objective.window, clock.now, known);
        let voice = Voice {
            prometheus: one.metrics.prometheus,
            queries: queries.clone(),
            seen: clock.seen,
        };
        let member = Member {
            voice,
            place,
            asking: one,
            plan: Plan::of(&clock, one.objective),
            clock,
            days,
            counted,
            recall,
        };
        match shapes.iter_mut().find(|shape| shape[0].asks_like(&member)) {
            Some(shape) => shape.push(member),
            None => shapes.push(vec![member]),
        }
    }
    let answers = join_all(shapes.into_iter().map(of_shape)).await;
    observed.extend(answers.into_iter().flatten());
    observed
}

/// Counts the days of the SLO window first where many services have none that are of use: reading each day once is
/// less than reading all windows at once. Returns the days of these services, of which a part may be missing where
/// that takes long.
async fn days_first(
    asking: &[Asking<'_>],
    clocks: &[(usize, Result<Clock, Arc<PrometheusError>>)],
) -> Vec<(usize, KeptDays)> {
    let lacking = clocks.iter().filter_map(|(place, clock)| {
        let (one, clock) = (asking[*place], clock.as_ref().ok()?);
        let queries = one.metrics.queries.seen(clock.seen);
        let metrics = Metrics {
            queries: &queries,
            ..one.metrics
        };
        let (window, days) = (one.objective.window, one.remembered.days);
        let plan = metrics.days_plan(window, clock.now, days);
        let keeping = Keeping {
            metrics: one.metrics,
            seen: clock.seen,
            window,
            days,
        };
        (plan.is_none() && days::are_kept(window)).then_some((*place, clock.now, keeping))
    });
    let lacking: Vec<(usize, DateTime<Utc>, Keeping<'_>)> = lacking.collect();
    let Some((_, now, _)) = lacking
        .first()
        .filter(|_| lacking.len() > MOST_WHOLE_WINDOWS)
    else {
        return Vec::new();
    };
    let keeping: Vec<Keeping<'_>> = lacking.iter().map(|(_, _, keeping)| *keeping).collect();
    let counted = count_days(&keeping, *now, COUNTING_LIMIT).await;
    lacking
        .iter()
        .map(|(place, ..)| *place)
        .zip(counted)
        .collect()
}

/// The part of a joined answer that says which services Flagger serves.
const FLAGGER: &str = "flagger";

/// Asks in which form each service is counted, and when that is. Nothing of those that have to ask alone.
async fn clocks(
    asking: &[Asking<'_>],
    batch: &[usize],
) -> Vec<(usize, Result<Clock, Arc<PrometheusError>>)> {
    divided(batch, MOST, async |places| {
        if let [place] = places {
            return Ok(vec![(*place, asking[*place].metrics.clock().await?)]);
        }
        let all: Vec<&Queries> = places
            .iter()
            .map(|place| asking[*place].metrics.queries)
            .collect();
        let (Some(first), Some(sought)) = (places.first(), Queries::sought_of_several(&all)) else {
            return Ok(Vec::new());
        };
        let labels: BTreeMap<&str, Apart> = sought
            .iter()
            .map(|(name, _, apart)| (name.as_str(), *apart))
            .collect();
        let mut parts = vec![("there", "vector(1)".to_owned())];
        parts.extend(
            sought
                .iter()
                .map(|(name, query, _)| (name.as_str(), query.clone())),
        );
        parts.push((FLAGGER, Queries::flagger_of_several(&all)));
        let prometheus = asking[*first].metrics.prometheus.whole();
        let asked_at = Utc::now();
        let answer = prometheus
            .instant_now_of(places.len(), &combine(parts))
            .await?;
        let here = asked_at + (Utc::now() - asked_at) / 2;
        // The time of which the answer speaks, as for one service.
        let Some(now) = answer.value.first().map(|sample| sample.at) else {
            return Ok(Vec::new());
        };
        let skew = (now - here).abs().to_std().unwrap_or(Duration::MAX);
        let flagger = served_by_flagger(&answer.value);
        let apart = |labels_of: &BTreeMap<String, String>| {
            labels.get(labels_of.get(PART)?.as_str()).copied()
        };
        let shares = shared_samples(answer, &all, apart);
        let clocks = places.iter().zip(shares).filter_map(|(place, parts)| {
            let metrics = &asking[*place].metrics;
            let workload = metrics.queries.workload();
            let names = (workload.namespace.clone(), workload.service.clone());
            (!flagger.contains(&names)).then(|| (*place, metrics.clock_of(now, skew, &parts)))
        });
        Ok(clocks.collect())
    })
    .await
}

/// Returns namespace and name of each service that Flagger serves: it then runs under further names, by which the
/// joined questions do not ask.
fn served_by_flagger(samples: &[InstantSample]) -> BTreeSet<(String, String)> {
    let canaries = samples
        .iter()
        .filter(|sample| sample.labels.get(PART).is_some_and(|part| part == FLAGGER));
    canaries
        .flat_map(|sample| {
            let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
            ["namespace", "exported_namespace"].map(|namespace| (label(namespace), label("name")))
        })
        .collect()
}

/// Asks all further questions about services that ask alike, and makes their observations.
async fn of_shape(members: Vec<Member<'_>>) -> Vec<(usize, Observed)> {
    let all: Vec<usize> = (0..members.len()).collect();
    let (recent, budget, slices, latency) = tokio::join!(
        divided(&all, MOST, async |some| recent(&members, some).await),
        budgets(&members, &all),
        divided(&all, MOST, async |some| sliced(&members, some).await),
        divided(&all, MOST, async |some| latencies(&members, some).await),
    );
    let (mut recent, mut budget) = (by_place(recent), by_place(budget));
    let (mut slices, mut latency) = (by_place(slices), by_place(latency));
    let mut observed = Vec::new();
    for (index, member) in members.into_iter().enumerate() {
        let found = (
            recent.remove(&index),
            budget.remove(&index),
            slices.remove(&index),
            latency.remove(&index),
        );
        // What was not answered in time is asked for alone, in its turn.
        let (Some(recent), Some(budget), Some(slices), Some(latency)) = found else {
            continue;
        };
        let answers = (|| {
            Ok(Answers {
                recent: recent?,
                budget: budget?,
                slices: slices?,
                latency: latency?,
            })
        })();
        let concluded = match answers {
            Ok(answers) => member
                .metrics()
                .conclude(member.clock.clone(), member.plan, answers, &member.recall)
                .await
                .map_err(Arc::new),
            Err(error) => Err(error),
        };
        let concluded = concluded.map(|observation| Observation {
            counted_days: member.counted.cloned(),
            ..observation
        });
        observed.push((member.place, concluded));
    }
    observed
}

fn by_place<T>(answers: Vec<(usize, T)>) -> BTreeMap<usize, T> {
    answers.into_iter().collect()
}

/// Asks what is asked of the last hours.
async fn recent(
    members: &[Member<'_>],
    some: &[usize],
) -> Result<Vec<(usize, Parts)>, PrometheusError> {
    let first = &members[some[0]];
    let text = |queries: &Queries| {
        let metrics = Metrics {
            queries,
            ..first.asking.metrics
        };
        metrics.recent_parts(&first.recall)
    };
    let answers = at_one_time(&voices(members, some), text, first.clock.now).await?;
    Ok(numbered(some, answers))
}

/// Asks for the SLO windows: from kept days where there are any, else at once.
async fn budgets(
    members: &[Member<'_>],
    all: &[usize],
) -> Vec<(usize, Result<SloWindow, Arc<PrometheusError>>)> {
    let (now, window) = (members[0].clock.now, members[0].asking.objective.window);
    let slots = members[0].voice.queries.coverage(window).1;
    let most = match &members[0].days {
        Some(_) => MOST,
        None => MOST_WHOLE_WINDOWS,
    };
    if let (Some(_), None) = (members[0].counted, &members[0].days) {
        let unfinished = members.iter().enumerate().filter_map(|(index, member)| {
            Some((
                index,
                Ok(days::unfinished(member.counted?, window, now, slots)),
            ))
        });
        return unfinished.collect();
    }
    divided(all, most, async |some| {
        if let [index] = some {
            let member = &members[*index];
            let days = member.counted.or(member.asking.remembered.days);
            let read = member.metrics().slo_window(window, now, days).await?;
            return Ok(vec![(*index, read)]);
        }
        let voices = voices(members, some);
        let piece = async |chunk: Chunk| {
            let text = |queries: &Queries| chunk.counts(queries, window);
            at_one_time(&voices, text, chunk.end).await
        };
        if let Some(DaysPlan { head, tail, .. }) = &members[0].days {
            let head = async {
                match head {
                    Some(head) => piece(*head).await.map(Some),
                    None => Ok(None),
                }
            };
            let (head, tail) = try_join!(head, piece(*tail))?;
            let heads = head.map_or_else(Vec::new, |heads| heads.into_iter().map(Some).collect());
            let heads = heads.into_iter().chain(std::iter::repeat(None));
            let pieces = some.iter().zip(tail.into_iter().zip(heads));
            let read = pieces.filter_map(|(index, (tail, head))| {
                let days = members[*index].days.as_ref()?;
                Some((*index, days.window(head.as_ref(), &tail, slots)))
            });
            return Ok(read.collect());
        }
        let one = async |name: &'static str, text: fn(&Queries, Duration) -> String| {
            at_one_time(&voices, |queries| vec![(name, text(queries, window))], now).await
        };
        let (total, bad, found) = try_join!(
            one("total", Queries::total),
            one("bad", Queries::bad),
            one("slots", |queries, window| queries.coverage(window).0),
        )?;
        let answers = total.iter().zip(&bad).zip(&found);
        let read =
            answers.map(|((total, bad), found)| SloWindow::at_once(total, bad, found, slots));
        Ok(numbered(some, read.collect()))
    })
    .await
}

/// Asks for the newest slices.
async fn sliced(
    members: &[Member<'_>],
    some: &[usize],
) -> Result<Vec<(usize, super::metrics::Slices)>, PrometheusError> {
    let Plan { slice, grid } = members[0].plan;
    if let [index] = some {
        return Ok(vec![(
            *index,
            members[*index].metrics().slices(slice, grid).await?,
        )]);
    }
    let text = |queries: &Queries| Some(queries.slices(slice));
    let read = |answer| slices(answer, grid);
    let answers = over_time(&voices(members, some), text, grid, read).await?;
    Ok(numbered(some, answers))
}

/// Asks for the latency of each of them.
async fn latencies(
    members: &[Member<'_>],
    some: &[usize],
) -> Result<Vec<(usize, Reading<Vec<Option<crate::slo::Histogram>>>)>, PrometheusError> {
    let Plan { slice, grid } = members[0].plan;
    if let [index] = some {
        return Ok(vec![(
            *index,
            members[*index].metrics().latency(slice, grid).await?,
        )]);
    }
    let text = |queries: &Queries| queries.latency(slice).map(|query| query.text);
    let unit = members[some[0]]
        .voice
        .queries
        .latency(slice)
        .map(|query| query.unit_seconds);
    let read = |answer| match unit {
        Some(unit) => histograms(answer, grid, unit),
        None => Reading::NoSeries,
    };
    let answers = over_time(&voices(members, some), text, grid, read).await?;
    Ok(numbered(some, answers))
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
async fn over_time<T>(
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

/// Numbers the answers of some members.
fn numbered<T>(some: &[usize], answers: Vec<T>) -> Vec<(usize, T)> {
    some.iter().copied().zip(answers).collect()
}

fn voices<'m, 'a>(members: &'m [Member<'a>], some: &[usize]) -> Vec<&'m Voice<'a>> {
    some.iter().map(|index| &members[*index].voice).collect()
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

    /// Takes the labels that name a service off, so that what is left is what it alone would have been answered. Nothing
    /// for a service that nobody asked about.
    fn take(&self, labels: &mut BTreeMap<String, String>, apart: Apart) -> Option<usize> {
        let (namespace, service) = (labels.remove(apart.0)?, labels.remove(apart.1)?);
        self.0.get(&(namespace.as_str(), service.as_str())).copied()
    }
}

/// Gives each service its share of an answer.
fn shared_samples(
    answer: QueryAnswer<Vec<InstantSample>>,
    all: &[&Queries],
    apart: impl Fn(&BTreeMap<String, String>) -> Option<Apart>,
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

/// Asks about services in as few questions as are answered: what is too much, too slow or refused is asked for in pieces,
/// down to single services. Nothing for those that are left when the time for that is over.
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
