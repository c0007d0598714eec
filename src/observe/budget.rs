//! The events of the SLO window, and how much of it holds data.
//!
//! Asked at once where the server lets us. A server with a limit on the samples, the time or the length of one query
//! gets the same question in chunks, one after the other, so that it never reads more than one of them for us.
//! `increase()` counts between samples only, so what happened between the last sample of a chunk and the first one of
//! the next would be in neither. Each chunk therefore reaches back into the one before it, as far as there are
//! samples, and what had been counted there is taken off.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};
use tokio::try_join;

use super::metrics::Metrics;
use super::parts::{Parts, Quantity, count, events};
use super::periods::{self, PeriodsPlan};
use super::queries::Queries;
use crate::clients::prometheus::{PrometheusError, QueryFault};
use crate::journal::KeptPeriods;
use crate::slo::{self, Events, Reading};

/// Length of the first chunk that is tried. A day of a window of 30 days is 3 % of its samples.
const LONGEST_CHUNK: Duration = Duration::from_secs(86_400);

/// Length of the shortest chunk that is tried: where not even an hour may be read, the short windows may not either.
const SHORTEST_CHUNK: Duration = Duration::from_secs(3600);

/// How far a chunk reaches back into the one before it, where that one has samples until its end. Long against the
/// distance of two samples, so that what `increase()` extrapolates to the ends of its range is little of what it
/// counted there: at most as many events as an outage in that hour has between two samples.
pub(super) const OVERLAP: Duration = Duration::from_secs(3600);

/// How long all chunks together may take. Protects the rest of the pass: beyond it the SLO window stays unknown.
const CHUNKS_LIMIT: Duration = Duration::from_secs(60);

/// What was read about the SLO window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SloWindow {
    /// Its events.
    pub(super) events: Reading<Events>,
    /// The share of it that holds data (0..1).
    pub(super) coverage: Reading<f64>,
}

impl Metrics<'_> {
    /// Reads the SLO window that ends at `now`, from the periods that are kept of it where they are of use.
    ///
    /// # Errors
    /// Fails when Prometheus cannot be asked or refuses us.
    pub(super) async fn slo_window(
        &self,
        window: Duration,
        now: DateTime<Utc>,
        periods: Option<&KeptPeriods>,
    ) -> Result<SloWindow, PrometheusError> {
        let Some(plan) = self.periods_plan(window, now, periods) else {
            return self.whole_window(window, now).await;
        };
        let head = async {
            let Some(head) = plan.head else {
                return Ok(None);
            };
            let parts = head.counts(self.queries, window);
            self.parts(parts, head.end).await.map(Some)
        };
        let tail = self.parts(plan.tail.counts(self.queries, window), now);
        let (head, tail) = try_join!(head, tail)?;
        if head.as_ref().is_some_and(|head| head.refusal().is_some()) || tail.refusal().is_some() {
            return self.whole_window(window, now).await;
        }
        Ok(plan.window(head.as_ref(), &tail, self.queries.coverage(window).1))
    }

    /// Plans how the window is read from kept periods; nothing where it has to be read as a whole.
    pub(super) fn periods_plan(
        &self,
        window: Duration,
        now: DateTime<Utc>,
        periods: Option<&KeptPeriods>,
    ) -> Option<PeriodsPlan> {
        let question = || periods::question(&self.prometheus.data_source(), self.queries, window);
        periods::plan(periods, question, window, now)
    }

    async fn whole_window(
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
        let at_once = SloWindow::at_once(&total, &bad, &found, slots);
        let mut refusals = [&total, &bad, &found]
            .into_iter()
            .filter_map(Parts::refusal);
        let is_too_much = refusals
            .clone()
            .all(|refusal| refusal.fault == QueryFault::TooMuch);
        match refusals.next() {
            Some(refusal) if is_too_much && window > SHORTEST_CHUNK => {
                tracing::warn!(why = refusal.why, "the SLO window is asked for in chunks");
                Ok(at_once.or(self.in_chunks(window, now).await?))
            }
            Some(_) | None => Ok(at_once),
        }
    }

    async fn in_chunks(
        &self,
        window: Duration,
        now: DateTime<Utc>,
    ) -> Result<SloWindow, PrometheusError> {
        let deadline = Instant::now() + CHUNKS_LIMIT;
        let mut chunks = Chunks::new(window, now);
        while let Some(chunk) = chunks.next_chunk() {
            let Ok(answer) = timeout_at(deadline, self.chunk(chunk, window)).await else {
                return Ok(SloWindow::unknown(Reading::Refused {
                    why: format!(
                        "the chunks of the SLO window were not all read within {} s; raise the server's limits, or \
                         shorten SLO_WINDOW",
                        CHUNKS_LIMIT.as_secs()
                    ),
                }));
            };
            let parts = answer?;
            match parts.refusal() {
                Some(refusal) if refusal.fault == QueryFault::TooMuch && chunks.shrink() => {}
                Some(_) | None => {
                    if let Err(reading) = chunks.take(chunk, &parts) {
                        return Ok(SloWindow::unknown(reading));
                    }
                }
            }
        }
        tracing::debug!(chunks = chunks.taken, "the SLO window was read in chunks");
        Ok(chunks.window(self.queries.coverage(window).1))
    }

    async fn chunk(&self, chunk: Chunk, window: Duration) -> Result<Parts, PrometheusError> {
        self.parts(chunk.parts(self.queries, window), chunk.end)
            .await
    }
}

impl SloWindow {
    /// Reads a window that was asked for at once.
    pub(super) fn at_once(total: &Parts, bad: &Parts, found: &Parts, slots: u32) -> Self {
        Self {
            events: events(bad, "bad", total, "total"),
            coverage: covered(found.number("slots"), slots),
        }
    }

    /// Fills in what was refused. Of two coverages the smaller one holds.
    fn or(self, chunked: Self) -> Self {
        let events = match self.events.refusal() {
            Some(_) => chunked.events,
            None => self.events,
        };
        let coverage = match (self.coverage.refusal(), chunked.coverage) {
            (Some(_), chunked) => chunked,
            (None, chunked) => match chunked.value() {
                Some(chunked) => self.coverage.map(|found| found.min(*chunked)),
                None => self.coverage,
            },
        };
        Self { events, coverage }
    }

    /// A window of which one chunk is not known.
    pub(super) fn unknown(chunk: Reading<f64>) -> Self {
        Self {
            events: chunk.clone().and_then(|_| Reading::NoSeries),
            coverage: chunk,
        }
    }
}

/// One chunk of the SLO window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chunk {
    /// Where it ends.
    pub(super) end: DateTime<Utc>,
    /// How long it is.
    pub(super) length: Duration,
    /// How long the range is that is asked for: the chunk, and what it reaches back into the one before.
    pub(super) reach: Duration,
}

impl Chunk {
    /// What is asked about it where nothing follows: its counts, and its slots with data.
    pub(super) fn counts(
        &self,
        queries: &Queries,
        window: Duration,
    ) -> Vec<(&'static str, String)> {
        vec![
            ("total", queries.total(self.reach)),
            ("bad", queries.bad(self.reach)),
            ("slots", queries.covered_slots(self.length, window)),
        ]
    }

    /// What is asked about the last hour of it, into which the next one reaches back.
    pub(super) fn end_parts(queries: &Queries) -> [(&'static str, String); 2] {
        [
            ("end_total", queries.total(OVERLAP)),
            ("end_bad", queries.bad(OVERLAP)),
        ]
    }

    /// What is asked about it where another one follows.
    pub(super) fn parts(&self, queries: &Queries, window: Duration) -> Vec<(&'static str, String)> {
        let mut parts = self.counts(queries, window);
        parts.extend(Self::end_parts(queries));
        parts
    }
}

/// Counts of a range; nothing where no series answered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) total: Option<f64>,
    pub(super) bad: Option<f64>,
}

/// The SLO window as it is read chunk by chunk, the oldest first.
#[derive(Debug)]
struct Chunks {
    /// Where begins what has not been read.
    at: DateTime<Utc>,
    /// Where the window ends.
    end: DateTime<Utc>,
    /// How long the next chunk is.
    length: Duration,
    /// How far the next chunk reaches back.
    overlap: Duration,
    /// What had been counted there.
    before: Counts,
    /// What the chunks so far add up to; not rounded.
    sum: Counts,
    slots: f64,
    taken: u32,
}

impl Chunks {
    fn new(window: Duration, now: DateTime<Utc>) -> Self {
        Self {
            at: now - window,
            end: now,
            length: LONGEST_CHUNK.min(window),
            overlap: Duration::ZERO,
            before: Counts::default(),
            sum: Counts::default(),
            slots: 0.0,
            taken: 0,
        }
    }

    /// Returns what to ask for next; nothing where all is read.
    fn next_chunk(&self) -> Option<Chunk> {
        let left = (self.end - self.at)
            .to_std()
            .ok()
            .filter(|left| !left.is_zero())?;
        let length = self.length.min(left);
        Some(Chunk {
            end: self.at + length,
            length,
            reach: length + self.overlap,
        })
    }

    /// Makes the next question smaller after it was refused; says whether that was possible.
    fn shrink(&mut self) -> bool {
        if self.length > SHORTEST_CHUNK {
            self.length = (self.length / 2).max(SHORTEST_CHUNK);
        } else if self.overlap > OVERLAP {
            // It reaches back across a long gap. What was counted in it is given up rather than all.
            self.overlap = OVERLAP;
            self.before = Counts::default();
        } else {
            return false;
        }
        true
    }

    /// Adds what was answered about a chunk. A chunk without a total holds no data: it counts against the coverage,
    /// and is not a chunk without events.
    ///
    /// # Errors
    /// Returns what makes the whole window unknown.
    fn take(&mut self, chunk: Chunk, parts: &Parts) -> Result<(), Reading<f64>> {
        let (counts, slots) = read(parts)?;
        let at_end = Counts::at_end(parts)?;
        self.slots += slots;
        self.sum.total = gained(self.sum.total, counts.total, self.before.total);
        self.sum.bad = gained(self.sum.bad, counts.bad, self.before.bad);
        (self.overlap, self.before) = if at_end.total.is_some() {
            (OVERLAP, at_end)
        } else {
            // No samples before the end: what comes after the gap is counted from the last ones before it.
            (chunk.reach, counts)
        };
        self.at = chunk.end;
        self.taken += 1;
        Ok(())
    }

    /// Returns what all chunks say together, rounded once.
    fn window(&self, slots: u32) -> SloWindow {
        window_of(self.sum, self.slots, slots)
    }
}

impl Counts {
    /// Reads what was counted in the last hour of a piece.
    ///
    /// # Errors
    /// Returns why it is not known.
    pub(super) fn at_end(parts: &Parts) -> Result<Self, Reading<f64>> {
        Ok(Self {
            total: there(parts, "end_total")?,
            bad: there(parts, "end_bad")?,
        })
    }
}

/// Reads the counts of a piece of the window, and its slots with data. A piece without a total holds no data: it counts
/// against the coverage, and is not a piece without events.
///
/// # Errors
/// Returns what makes the whole window unknown.
pub(super) fn read(parts: &Parts) -> Result<(Counts, f64), Reading<f64>> {
    let counts = Counts {
        total: there(parts, "total")?,
        bad: there(parts, "bad")?,
    };
    if counts.total.is_none() && counts.bad.is_some_and(|bad| bad > 0.0) {
        return Err(Reading::Invalid {
            why: "bad events were counted in a part of the SLO window that has no total; see whether both queries speak of the \
                  same series"
                .to_owned(),
        });
    }
    Ok((counts, there(parts, "slots")?.unwrap_or_default()))
}

/// Returns a number of an answer; nothing where no series answered.
///
/// # Errors
/// Returns why it is not known.
fn there(parts: &Parts, name: &str) -> Result<Option<f64>, Reading<f64>> {
    match parts.number(name) {
        Reading::Measured(value) => Ok(Some(value)),
        Reading::NoSeries => Ok(None),
        unknown @ (Reading::NoTraffic
        | Reading::Gone { .. }
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }
        | Reading::Refused { .. }) => Err(unknown),
    }
}

/// Makes a window of what its pieces add up to, rounded once.
pub(super) fn window_of(sum: Counts, found: f64, slots: u32) -> SloWindow {
    // What is taken off may have been extrapolated a little more than what it is taken from.
    let quantity =
        |sum: Option<f64>| sum.map_or(Quantity::Absent, |sum| Quantity::Number(sum.max(0.0)));
    SloWindow {
        events: count(quantity(sum.bad), quantity(sum.total)),
        coverage: match sum.total {
            Some(_) => covered(Reading::Measured(found), slots),
            None => Reading::NoSeries,
        },
    }
}

pub(super) fn gained(sum: Option<f64>, counted: Option<f64>, before: Option<f64>) -> Option<f64> {
    match counted {
        Some(counted) => Some(sum.unwrap_or_default() + counted - before.unwrap_or_default()),
        None => sum,
    }
}

pub(super) fn covered(found: Reading<f64>, slots: u32) -> Reading<f64> {
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
    use crate::clients::prometheus::{InstantSample, QueryAnswer};
    use crate::observe::combined::PART;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn secs(secs: i64) -> Duration {
        Duration::from_secs(u64::try_from(secs).expect("a positive time"))
    }

    fn at(time: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + secs(time)
    }

    fn exactly(bad: f64, total: f64) -> Reading<Events> {
        Reading::Measured(Events::new(bad, total).expect("a count"))
    }

    fn refused<T>() -> Reading<T> {
        Reading::Refused {
            why: "too many samples".to_owned(),
        }
    }

    fn parts(found: &[(&str, Option<f64>)]) -> Parts {
        let value = found.iter().filter_map(|(name, value)| {
            Some(InstantSample {
                labels: [(PART.to_owned(), (*name).to_owned())].into(),
                at: DateTime::UNIX_EPOCH,
                value: (*value)?,
            })
        });
        Parts::of(QueryAnswer {
            value: value.collect(),
            partial: None,
            notes: Vec::new(),
        })
    }

    /// `increase()` of a counter that never begins again, as Prometheus extrapolates it from its samples (time, value).
    fn increase(samples: &[(i64, f64)], from: i64, to: i64) -> Option<f64> {
        let inside: Vec<&(i64, f64)> = samples
            .iter()
            .filter(|(time, _)| from < *time && *time <= to)
            .collect();
        let (first, last) = (inside.first()?, inside.last()?);
        if inside.len() < 2 {
            return None;
        }
        let sampled = (last.0 - first.0) as f64;
        let spacing = sampled / (inside.len() - 1) as f64;
        let to_end = |distance: i64| {
            if distance as f64 >= spacing * 1.1 {
                spacing / 2.0
            } else {
                distance as f64
            }
        };
        let covered = sampled + to_end(first.0 - from) + to_end(to - last.0);
        Some((last.1 - first.1) * covered / sampled)
    }

    /// Reads a window in chunks, as a server with these samples of all and of bad events answers.
    fn read(window: i64, now: i64, total: &[(i64, f64)], bad: &[(i64, f64)]) -> (f64, f64, u32) {
        let mut chunks = Chunks::new(secs(window), at(now));
        while let Some(chunk) = chunks.next_chunk() {
            let end = chunk.end.timestamp();
            let of = |samples, length: Duration| {
                increase(
                    samples,
                    end - i64::try_from(length.as_secs()).expect("short"),
                    end,
                )
            };
            let answer = parts(&[
                ("total", of(total, chunk.reach)),
                ("bad", of(bad, chunk.reach)),
                ("end_total", of(total, OVERLAP)),
                ("end_bad", of(bad, OVERLAP)),
                ("slots", Some(1.0)),
            ]);
            chunks.take(chunk, &answer).expect("an answer");
        }
        let taken = chunks.taken;
        let SloWindow { events, coverage } = chunks.window(taken);
        assert_eq!(coverage, Reading::Measured(1.0));
        let events = *events.value().expect("events");
        (events.bad(), events.total(), taken)
    }

    #[test]
    fn what_lies_across_the_edge_of_two_chunks_is_counted_once() {
        const EDGE: i64 = 20 * DAY;
        let now = 30 * DAY;
        let steady = |time: i64| time as f64 * 10.0;
        let step = |time: i64| if time > EDGE { 5000.0 } else { 0.0 };
        // How long there is no sample before and after the edge.
        for (before, after) in [
            (0, 0),
            (30, 29),
            (20 * MINUTE, 20 * MINUTE),
            (0, 3 * HOUR),
            (3 * HOUR, 0),
            (5 * HOUR, 40 * HOUR),
            (60 * HOUR, 10 * MINUTE),
        ] {
            for phase in [0, 1, 37] {
                let times: Vec<i64> = (0..=now / MINUTE)
                    .map(|minute| minute * MINUTE + phase)
                    .filter(|time| *time <= EDGE - before || *time > EDGE + after)
                    .collect();
                let sampled = |value: &dyn Fn(i64) -> f64| -> Vec<(i64, f64)> {
                    times.iter().map(|time| (*time, value(*time))).collect()
                };
                let (bad, total, _) = read(30 * DAY, now, &sampled(&steady), &sampled(&step));
                let found = format!("{before} s, {after} s, phase {phase}: {bad} of {total}");
                assert!((total / steady(30 * DAY) - 1.0).abs() < 0.0002, "{found}");
                assert!((bad / 5000.0 - 1.0).abs() < 0.02, "{found}");
            }
        }
    }

    #[test]
    fn a_window_is_read_in_days_or_in_less_where_that_is_too_much() {
        let mut chunks = Chunks::new(secs(30 * DAY), at(90 * DAY));
        let first = chunks.next_chunk().expect("a chunk");
        assert_eq!(first.end, at(61 * DAY));
        assert_eq!(first.reach, secs(DAY), "nothing lies before the window");
        let nothing = parts(&[("total", Some(1.0)), ("end_total", Some(1.0))]);
        chunks.take(first, &nothing).expect("an answer");
        let second = chunks.next_chunk().expect("a chunk");
        assert_eq!((second.length, second.reach), (secs(DAY), secs(DAY + HOUR)));
        for hours in [12, 6, 3] {
            assert!(chunks.shrink());
            assert_eq!(
                chunks.next_chunk().expect("a chunk").length,
                secs(hours * HOUR)
            );
        }
        assert!(chunks.shrink() && chunks.shrink());
        assert_eq!(chunks.next_chunk().expect("a chunk").length, SHORTEST_CHUNK);
        assert!(!chunks.shrink(), "an hour is the least");

        let odd = Chunks::new(secs(DAY + 1), at(90 * DAY));
        let mut odd = odd;
        let mut lengths = Vec::new();
        while let Some(chunk) = odd.next_chunk() {
            lengths.push(chunk.length.as_secs());
            odd.take(chunk, &nothing).expect("an answer");
        }
        assert_eq!(lengths, [86_400, 1]);
    }

    #[test]
    fn a_gap_that_is_too_long_to_reach_across_is_given_up() {
        let mut chunks = Chunks::new(secs(3 * HOUR), at(3 * HOUR));
        chunks.length = SHORTEST_CHUNK;
        let first = chunks.next_chunk().expect("a chunk");
        // Events, but none of them in the last hour.
        let answer = parts(&[("total", Some(100.0)), ("bad", Some(5.0))]);
        chunks.take(first, &answer).expect("an answer");
        assert_eq!(
            chunks.next_chunk().expect("a chunk").reach,
            2 * SHORTEST_CHUNK
        );
        chunks.overlap = 2 * OVERLAP;
        assert!(chunks.shrink());
        assert_eq!(
            chunks.next_chunk().expect("a chunk").reach,
            SHORTEST_CHUNK + OVERLAP
        );
        assert_eq!(chunks.before, Counts::default());
    }

    #[test]
    fn nothing_and_contradictions_are_no_count() {
        let of = |found: &[(&str, Option<f64>)]| {
            let mut chunks = Chunks::new(secs(2 * HOUR), at(2 * HOUR));
            while let Some(chunk) = chunks.next_chunk() {
                chunks.take(chunk, &parts(found))?;
            }
            Ok(chunks.window(2).events)
        };
        assert_eq!(of(&[]), Ok(Reading::NoSeries));
        assert_eq!(of(&[("total", Some(0.0))]), Ok(Reading::NoTraffic));
        assert_eq!(
            of(&[("total", Some(10.4)), ("bad", Some(0.6))]),
            Ok(exactly(0.0, 11.0)),
            "bad is rounded down and total up"
        );
        for contradiction in [&[("bad", Some(1.0))][..], &[("total", Some(f64::NAN))]] {
            let reading = of(contradiction);
            assert!(
                matches!(reading, Err(Reading::Invalid { .. })),
                "{reading:?}"
            );
        }
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
        let unknown = SloWindow::unknown(refused());
        assert_eq!(unknown.events, refused());
        assert_eq!(unknown.coverage, refused());
    }
}
