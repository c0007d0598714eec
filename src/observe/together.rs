//! Several services in the same questions.
//!
//! Services that ask the same server in the same shape are asked about together, told apart by the labels that name
//! them. Each gets its own part of every answer and is judged by it as if it had asked alone. A question that is too
//! much is divided, down to single services; what is missing for one of them is missing for nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::future::join_all;
use tokio::try_join;

use super::budget::{Chunk, SloWindow};
use super::combined::{PART, combine};
use super::grid::{histograms, slices};
use super::joined::{MOST, Voice, at_one_time, divided, over_time, shared_samples};
use super::keeping::{Keeping, count_periods};
use super::metrics::{Metrics, Observation, Remembered};
use super::moment::{Answers, Clock, CountedForm, Plan};
use super::newest::Slices;
use super::parts::Parts;
use super::periods::{self, PeriodsPlan};
use super::queries::Queries;
use super::series::Apart;
use super::sighting::Recall;
use crate::clients::prometheus::{InstantSample, LabelSet, PrometheusError};
use crate::journal::KeptPeriods;
use crate::slo::{Objective, Reading};

/// Most services in one question about a whole SLO window. Source: a month of two counters of 64 services takes a
/// Prometheus of two cores about a second.
const MOST_WHOLE_WINDOWS: usize = 64;

/// How long counting periods that many services lack may take. What is left is counted by the next passes.
const COUNTING_LIMIT: Duration = Duration::from_secs(30);

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

/// One service on the way through the questions of a batch.
struct Member<'a> {
    place: usize,
    asking: Asking<'a>,
    voice: Voice<'a>,
    clock: Clock,
    plan: Plan,
    periods: Option<PeriodsPlan>,
    /// The periods that were counted just now.
    counted: Option<&'a KeptPeriods>,
    recall: Recall<'a>,
}

impl<'a> Member<'a> {
    fn of(
        asking: Asking<'a>,
        place: usize,
        clock: Clock,
        counted: Option<&'a KeptPeriods>,
    ) -> Self {
        let queries = asking.metrics.queries.seen(clock.seen);
        let metrics = Metrics {
            queries: &queries,
            ..asking.metrics
        };
        let known = counted.or(asking.remembered.periods);
        Self {
            place,
            plan: Plan::of(&clock, asking.objective),
            periods: metrics.periods_plan(asking.objective.window, clock.now, known),
            counted,
            recall: metrics.recall(asking.remembered.series, clock.now),
            voice: Voice {
                prometheus: asking.metrics.prometheus,
                seen: clock.seen,
                queries,
            },
            clock,
            asking,
        }
    }

    fn metrics(&self) -> Metrics<'_> {
        Metrics {
            queries: &self.voice.queries,
            ..self.asking.metrics
        }
    }

    /// Tells whether all that is asked about another one is asked about this one too.
    fn asks_like(&self, other: &Self) -> bool {
        let pieces = |member: &Self| {
            let periods = member.periods.as_ref();
            periods.map(|periods| (periods.head, periods.tail))
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
    let none = BTreeMap::new();
    let (mut members, mut observed) = members(asking, clocks(asking, &batch).await, &none);
    let counted = by_place(periods_first(&members).await);
    if !counted.is_empty() {
        // That took its time.
        (members, observed) = self::members(asking, clocks(asking, &batch).await, &counted);
    }
    let mut shapes: Vec<Vec<Member<'_>>> = Vec::new();
    for member in members {
        match shapes.iter_mut().find(|shape| shape[0].asks_like(&member)) {
            Some(shape) => shape.push(member),
            None => shapes.push(vec![member]),
        }
    }
    let answers = join_all(shapes.into_iter().map(of_shape)).await;
    observed.extend(answers.into_iter().flatten());
    observed
}

/// Makes members of the services whose clocks were read; the others are observed already, in vain.
fn members<'a>(
    asking: &[Asking<'a>],
    clocks: Vec<(usize, Result<Clock, Arc<PrometheusError>>)>,
    counted: &'a BTreeMap<usize, KeptPeriods>,
) -> (Vec<Member<'a>>, Vec<(usize, Observed)>) {
    let (mut members, mut observed) = (Vec::new(), Vec::new());
    for (place, clock) in clocks {
        match clock {
            Ok(clock) => members.push(Member::of(asking[place], place, clock, counted.get(&place))),
            Err(error) => observed.push((place, Err(error))),
        }
    }
    (members, observed)
}

/// Counts the periods of the SLO window first where many services have none that are of use: reading each period once is
/// less than reading all windows at once. Returns the periods of these services, of which a part may be missing where
/// that takes long.
async fn periods_first(members: &[Member<'_>]) -> Vec<(usize, KeptPeriods)> {
    let lacking: Vec<&Member<'_>> = members
        .iter()
        .filter(|member| {
            member.periods.is_none() && periods::are_kept(member.asking.objective.window)
        })
        .collect();
    let Some(first) = lacking
        .first()
        .filter(|_| lacking.len() > MOST_WHOLE_WINDOWS)
    else {
        return Vec::new();
    };
    let keeping: Vec<Keeping<'_>> = lacking
        .iter()
        .map(|member| Keeping {
            metrics: member.asking.metrics,
            counted: CountedForm::anew(member.clock.seen),
            window: member.asking.objective.window,
            periods: member.asking.remembered.periods,
        })
        .collect();
    let counted = count_periods(&keeping, first.clock.now, COUNTING_LIMIT).await;
    lacking
        .iter()
        .map(|member| member.place)
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
        let apart = |labels_of: &LabelSet| labels.get(labels_of.get(PART)?.as_str()).copied();
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
            counted_periods: member.counted.cloned(),
            is_from_periods: member.periods.is_some(),
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

/// Asks for the SLO windows: from kept periods where there are any, else at once.
async fn budgets(
    members: &[Member<'_>],
    all: &[usize],
) -> Vec<(usize, Result<SloWindow, Arc<PrometheusError>>)> {
    let (now, window) = (members[0].clock.now, members[0].asking.objective.window);
    let slots = members[0].voice.queries.coverage(window).1;
    let most = match &members[0].periods {
        Some(_) => MOST,
        None => MOST_WHOLE_WINDOWS,
    };
    if let (Some(_), None) = (members[0].counted, &members[0].periods) {
        let unfinished = members.iter().enumerate().filter_map(|(index, member)| {
            Some((
                index,
                Ok(periods::unfinished(member.counted?, window, now, slots)),
            ))
        });
        return unfinished.collect();
    }
    divided(all, most, async |some| {
        if let [index] = some {
            let member = &members[*index];
            let periods = member.counted.or(member.asking.remembered.periods);
            let read = member.metrics().slo_window(window, now, periods).await?;
            return Ok(vec![(*index, read)]);
        }
        let voices = voices(members, some);
        let piece = async |chunk: Chunk| {
            let text = |queries: &Queries| chunk.counts(queries, window);
            at_one_time(&voices, text, chunk.end).await
        };
        if let Some(PeriodsPlan { head, tail, .. }) = &members[0].periods {
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
                let periods = members[*index].periods.as_ref()?;
                Some((*index, periods.window(head.as_ref(), &tail, slots)))
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
) -> Result<Vec<(usize, Slices)>, PrometheusError> {
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

/// Numbers the answers of some members.
fn numbered<T>(some: &[usize], answers: Vec<T>) -> Vec<(usize, T)> {
    some.iter().copied().zip(answers).collect()
}

fn voices<'m, 'a>(members: &'m [Member<'a>], some: &[usize]) -> Vec<&'m Voice<'a>> {
    some.iter().map(|index| &members[*index].voice).collect()
}
