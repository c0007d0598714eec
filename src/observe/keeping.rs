//! Counts the periods of the SLO window that are over, a few in each pass, and looks now and then whether they still hold.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio::try_join;

use super::budget::Chunk;
use super::joined::{MOST, Voice, at_one_time, divided};
use super::metrics::Metrics;
use super::moment::CountedForm;
use super::periods::{self, NextPeriod};
use super::queries::Queries;
use crate::journal::KeptPeriods;

/// How many periods of a service are counted in one pass.
const PERIODS_PER_PASS: usize = 16;

/// How long that may take in one pass: what is left is counted by the next ones.
const TIME_PER_PASS: Duration = Duration::from_secs(20);

/// A service whose periods may be kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// Where its metrics come from.
    pub metrics: Metrics<'a>,
    /// How it was just counted.
    pub counted: CountedForm,
    /// Its SLO window.
    pub window: Duration,
    /// The periods that are kept already.
    pub periods: Option<&'a KeptPeriods>,
}

impl Keeping<'_> {
    /// Tells whether there is anything to do. Periods from which a window was just read are those of the same question.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        match self.periods.filter(|_| self.counted.is_from_periods) {
            Some(periods) => {
                periods::next_period(periods, self.window, now).is_some()
                    || periods::checked(periods, now).is_some()
            }
            None => true,
        }
    }
}

/// One service with the periods that are kept of it so far.
struct Keeper<'a> {
    voice: Voice<'a>,
    window: Duration,
    periods: KeptPeriods,
    /// Whether others that count alike may be asked about in the same question.
    is_joinable: bool,
    /// Whether a period could not be counted in this pass.
    is_stuck: bool,
}

/// Counts what is over and not kept, and returns what is to be kept from now on, for each service in their order;
/// nothing where that is what is kept already. What cannot be asked is left to later passes.
pub async fn keep_periods(keeping: &[Keeping<'_>], now: DateTime<Utc>) -> Vec<Option<KeptPeriods>> {
    let until = Instant::now() + TIME_PER_PASS;
    let due: Vec<usize> = (0..keeping.len())
        .filter(|place| keeping[*place].is_due(now))
        .collect();
    let mut keepers: Vec<Keeper<'_>> = due
        .iter()
        .map(|place| Keeper::of(&keeping[*place], now))
        .collect();
    check(&mut keepers, now).await;
    for _ in 0..PERIODS_PER_PASS {
        if Instant::now() >= until || !count_one_more(&mut keepers, now).await {
            break;
        }
    }
    let mut kept: Vec<Option<KeptPeriods>> = keeping.iter().map(|_| None).collect();
    for (keeper, place) in keepers.into_iter().zip(due) {
        let is_new = match keeping[place].periods {
            Some(periods) => *periods != keeper.periods,
            None => !keeper.periods.periods.is_empty(),
        };
        kept[place] = is_new.then_some(keeper.periods);
    }
    kept
}

/// Counts all periods that are over and not kept, as far as that is done within a time, and returns what is kept then of
/// each service.
pub(super) async fn count_periods(
    keeping: &[Keeping<'_>],
    now: DateTime<Utc>,
    within: Duration,
) -> Vec<KeptPeriods> {
    let until = Instant::now() + within;
    let mut keepers: Vec<Keeper<'_>> = keeping.iter().map(|it| Keeper::of(it, now)).collect();
    while Instant::now() < until && count_one_more(&mut keepers, now).await {}
    keepers.into_iter().map(|keeper| keeper.periods).collect()
}

impl<'a> Keeper<'a> {
    fn of(keeping: &Keeping<'a>, now: DateTime<Utc>) -> Self {
        let seen = keeping.counted.seen;
        let queries = keeping.metrics.queries.seen(seen);
        let prometheus = keeping.metrics.prometheus;
        let question = periods::question(&prometheus.data_source(), &queries, keeping.window);
        Self {
            periods: periods::useful(keeping.periods, question, keeping.window, now),
            is_joinable: Queries::of_several(&[&queries], seen).is_some(),
            voice: Voice {
                prometheus,
                queries,
                seen,
            },
            window: keeping.window,
            is_stuck: false,
        }
    }

    /// Tells whether both may be asked about in one question.
    fn asks_like(&self, other: &Self) -> bool {
        let (one, two) = (&self.voice, &other.voice);
        self.window == other.window
            && one.seen == two.seen
            && one.prometheus.is_same(two.prometheus)
            && one.queries.counts_like(&two.queries)
            && self.is_joinable
    }
}

/// Counts the next period of each service that has one; says whether there was any.
async fn count_one_more(keepers: &mut [Keeper<'_>], now: DateTime<Utc>) -> bool {
    let mut wanted: Vec<(NextPeriod, Vec<usize>)> = Vec::new();
    for (place, keeper) in keepers.iter().enumerate() {
        let next = periods::next_period(&keeper.periods, keeper.window, now);
        let Some(next) = next.filter(|_| !keeper.is_stuck) else {
            continue;
        };
        let is_like = |(other, places): &&mut (NextPeriod, Vec<usize>)| {
            *other == next && keepers[places[0]].asks_like(keeper)
        };
        match wanted.iter_mut().find(is_like) {
            Some((_, places)) => places.push(place),
            None => wanted.push((next, vec![place])),
        }
    }
    let is_any = !wanted.is_empty();
    for (next, places) in wanted {
        let all = &*keepers;
        let counted = divided(&places, MOST, async |some| {
            let voices = voices(all, some);
            let window = all[some[0]].window;
            let found = at_one_time(
                &voices,
                |queries| next.chunk.parts(queries, window),
                next.chunk.end,
            );
            let begin = async {
                match next.is_first {
                    true => {
                        let text = |queries: &Queries| Chunk::end_parts(queries).into();
                        at_one_time(&voices, text, next.chunk.end - next.chunk.length)
                            .await
                            .map(Some)
                    }
                    false => Ok(None),
                }
            };
            let (found, begin) = try_join!(found, begin)?;
            let begins = begin
                .into_iter()
                .flatten()
                .map(Some)
                .chain(std::iter::repeat(None));
            Ok(some
                .iter()
                .copied()
                .zip(found.into_iter().zip(begins))
                .collect())
        })
        .await;
        for place in &places {
            keepers[*place].is_stuck = true;
        }
        for (place, counted) in counted {
            if let Ok((found, begin)) = counted {
                let keeper = &mut keepers[place];
                keeper.is_stuck =
                    !periods::keep(&mut keeper.periods, &next, begin.as_ref(), &found);
            }
        }
    }
    is_any
}

/// Reads a kept period again where chance has it. One that changed is told, and all are counted anew.
async fn check(keepers: &mut [Keeper<'_>], now: DateTime<Utc>) {
    let mut wanted: Vec<((usize, Chunk), Vec<usize>)> = Vec::new();
    for (place, keeper) in keepers.iter().enumerate() {
        let Some(checked) = periods::checked(&keeper.periods, now) else {
            continue;
        };
        let is_like = |(other, places): &&mut ((usize, Chunk), Vec<usize>)| {
            *other == checked && keepers[places[0]].asks_like(keeper)
        };
        match wanted.iter_mut().find(is_like) {
            Some((_, places)) => places.push(place),
            None => wanted.push((checked, vec![place])),
        }
    }
    for ((period, chunk), places) in wanted {
        let all = &*keepers;
        let read = divided(&places, MOST, async |some| {
            let voices = voices(all, some);
            let window = all[some[0]].window;
            let found = at_one_time(&voices, |queries| chunk.counts(queries, window), chunk.end);
            let text = |queries: &Queries| Chunk::end_parts(queries).into();
            let begin = at_one_time(&voices, text, chunk.end - chunk.length);
            let (found, begin) = try_join!(found, begin)?;
            Ok(some
                .iter()
                .copied()
                .zip(begin.into_iter().zip(found))
                .collect())
        })
        .await;
        for (place, read) in read {
            let keeper = &mut keepers[place];
            let Ok((begin, found)) = read else { continue };
            let difference = periods::difference(&keeper.periods.periods[period], &begin, &found);
            let Some(difference) = difference else {
                continue;
            };
            let workload = keeper.voice.queries.workload();
            tracing::warn!(
                namespace = workload.namespace,
                service = workload.service,
                since = %(chunk.end - chunk.length).format("%Y-%m-%dT%H:%MZ"),
                difference,
                "what was counted in half a day that is over has changed; all half days of the SLO window are read again"
            );
            keeper.periods = KeptPeriods {
                question: keeper.periods.question.clone(),
                ..KeptPeriods::default()
            };
        }
    }
}

fn voices<'k, 'a>(keepers: &'k [Keeper<'a>], some: &[usize]) -> Vec<&'k Voice<'a>> {
    some.iter().map(|place| &keepers[*place].voice).collect()
}
