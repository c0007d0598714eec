//! Periods of the SLO window that are over: counted once and kept, so that a pass reads only what is still going on.
//!
//! Periods are halves of a day and begin at midnight and at noon, UTC. A window of kept periods is read in two pieces:
//! what lies before the first kept one, and what came after the last one. Each period counts from the last sample before
//! it, like a chunk of a window that is read in chunks, so that what happened between the samples around its beginning is
//! in exactly one of the two.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::budget::{Chunk, Counts, OVERLAP, SloWindow, covered, gained, read, window_of};
use super::parts::Parts;
use super::queries::Queries;
use crate::journal::{KeptPeriod, KeptPeriods};
use crate::slo::Reading;

/// The length of a period (seconds): both pieces together are as long, and are read in every pass. Shorter ones would
/// make the state larger and the first passes longer.
const PERIOD_SECS: u32 = 12 * 3600;

/// The length of a period.
const PERIOD: Duration = Duration::from_secs(PERIOD_SECS as u64);

/// How long after its end a period is counted for good: late samples have come by then. Source: the two hours that
/// Prometheus itself keeps open for writing, and remote write catches up with them.
const MARGIN: Duration = Duration::from_secs(2 * 3600);

/// How much may lie behind the last kept period, so that a window is still read from it: some that were missed, and the
/// running one. A gap that is longer is not reached across.
const LONGEST_TAIL: Duration = Duration::from_secs(3 * 86_400);

/// The shortest window of which periods are kept: less is read at once as cheaply.
const SHORTEST_WINDOW: Duration = Duration::from_secs(4 * 86_400);

/// One pass in so many reads a kept period again: one an hour where a pass begins every five minutes.
const CHECKED_ONCE_IN: u64 = 12;

/// Largest share by which a period that is read again may differ: what rounding explains.
const TOLERANCE: f64 = 1e-6;

/// How the SLO window of a service is read from its kept periods.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PeriodsPlan {
    /// What lies in the window before the first kept period; nothing where the window begins with it.
    pub(super) head: Option<Chunk>,
    /// What came after the last kept period.
    pub(super) tail: Chunk,
    /// What the tail reaches back into.
    before: Counts,
    /// What the kept periods add up to.
    kept: Counts,
    slots: f64,
}

/// What is to be read of a service to keep one period more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NextPeriod {
    /// The period.
    pub(super) chunk: Chunk,
    /// Whether it is the first one: then what its chunk reaches back into is asked for too.
    pub(super) is_first: bool,
}

/// Returns what tells the counts of one question from those of another.
pub(super) fn question(data_source: &str, queries: &Queries, window: Duration) -> String {
    let texts = [
        data_source.to_owned(),
        queries.total(PERIOD),
        queries.bad(PERIOD),
        queries.covered_slots(PERIOD, window),
    ];
    let digest = Sha256::digest(texts.join("\n"));
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns the beginning of the first period that begins in a window.
fn first_period(window: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let begin = now - window;
    let over = begin.timestamp().rem_euclid(PERIOD_SECS.into());
    match begin - Duration::from_secs(over.unsigned_abs()) - subsecond(begin) {
        at if at == begin => at,
        at => at + PERIOD,
    }
}

fn subsecond(at: DateTime<Utc>) -> Duration {
    Duration::from_nanos(at.timestamp_subsec_nanos().into())
}

/// Returns how many whole periods lie between two moments; none where the second one is earlier.
fn periods_between(from: DateTime<Utc>, to: DateTime<Utc>) -> usize {
    usize::try_from((to - from).num_seconds() / i64::from(PERIOD_SECS)).unwrap_or_default()
}

fn begin_of(periods: &KeptPeriods) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + PERIOD * periods.first
}

fn end_of(periods: &KeptPeriods) -> DateTime<Utc> {
    begin_of(periods) + PERIOD * u32::try_from(periods.periods.len()).unwrap_or(u32::MAX)
}

/// Plans how a window is read from kept periods; nothing where they do not reach from its beginning close to its end.
pub(super) fn plan(
    periods: Option<&KeptPeriods>,
    question: impl Fn() -> String,
    window: Duration,
    now: DateTime<Utc>,
) -> Option<PeriodsPlan> {
    let periods = periods.filter(|periods| !periods.periods.is_empty())?;
    let (first, end) = (first_period(window, now), end_of(periods));
    let is_near = end <= now && now - end <= chrono::TimeDelta::from_std(LONGEST_TAIL).ok()?;
    if begin_of(periods) > first || !is_near || periods.question != question() {
        return None;
    }
    let head = (first - (now - window)).to_std().ok()?;
    let length = (now - end).to_std().ok()?;
    let past = periods_between(begin_of(periods), first);
    let kept = periods.periods.get(past..)?;
    let sum = |number: fn(&KeptPeriod) -> Option<f64>| {
        kept.iter()
            .filter_map(number)
            .fold(None, |sum: Option<f64>, period| {
                Some(sum.unwrap_or_default() + period)
            })
    };
    Some(PeriodsPlan {
        head: (!head.is_zero()).then_some(Chunk {
            end: first,
            length: head,
            reach: head,
        }),
        tail: Chunk {
            end: now,
            length,
            reach: length + Duration::from_secs(periods.overlap_seconds),
        },
        before: Counts {
            total: periods.before_total,
            bad: periods.before_bad,
        },
        kept: Counts {
            total: sum(|period| period.total),
            bad: sum(|period| period.bad),
        },
        slots: kept.iter().map(|period| period.slots).sum(),
    })
}

impl PeriodsPlan {
    /// Returns the window that the kept periods and the answers about the two pieces make; the refusal where one was
    /// refused.
    pub(super) fn window(&self, head: Option<&Parts>, tail: &Parts, slots: u32) -> SloWindow {
        let read = || {
            let mut sum = self.kept;
            let mut found = self.slots;
            if let Some(head) = head {
                let (counts, slots) = read(head)?;
                sum.total = gained(sum.total, counts.total, None);
                sum.bad = gained(sum.bad, counts.bad, None);
                found += slots;
            }
            let (counts, slots) = read(tail)?;
            sum.total = gained(sum.total, counts.total, self.before.total);
            sum.bad = gained(sum.bad, counts.bad, self.before.bad);
            Ok((sum, found + slots))
        };
        match read() {
            Ok((sum, found)) => window_of(sum, found, slots),
            Err(unknown) => SloWindow::unknown(unknown),
        }
    }
}

/// Tells whether the periods of a window are kept at all.
pub(super) fn are_kept(window: Duration) -> bool {
    window >= SHORTEST_WINDOW
}

/// Returns what is known of a window of which not all periods are counted yet: how much of it is.
pub(super) fn unfinished(
    periods: &KeptPeriods,
    window: Duration,
    now: DateTime<Utc>,
    slots: u32,
) -> SloWindow {
    let counted = periods.periods.len();
    let all = periods_between(first_period(window, now), now);
    let found: f64 = periods.periods.iter().map(|period| period.slots).sum();
    SloWindow {
        events: Reading::Partial {
            why: format!(
                "{counted} of {all} half days of the SLO window are counted so far, because many services are new at once; the \
                 next runs count the rest"
            ),
        },
        coverage: covered(Reading::Measured(found), slots),
    }
}

/// Returns which period of a service is to be kept next; nothing where all that are over are kept, or none is to be.
pub(super) fn next_period(
    periods: &KeptPeriods,
    window: Duration,
    now: DateTime<Utc>,
) -> Option<NextPeriod> {
    if !are_kept(window) {
        return None;
    }
    let is_first = periods.periods.is_empty();
    let begin = match is_first {
        true => first_period(window, now),
        false => end_of(periods),
    };
    let over = begin + PERIOD + MARGIN <= now;
    over.then(|| NextPeriod {
        chunk: Chunk {
            end: begin + PERIOD,
            length: PERIOD,
            reach: PERIOD
                + match is_first {
                    true => OVERLAP,
                    false => Duration::from_secs(periods.overlap_seconds),
                },
        },
        is_first,
    })
}

/// Returns the kept periods as far as they are of use for a question: none of another question, and none from before the
/// window.
pub(super) fn useful(
    periods: Option<&KeptPeriods>,
    question: String,
    window: Duration,
    now: DateTime<Utc>,
) -> KeptPeriods {
    let first = first_period(window, now);
    let fits = |periods: &&KeptPeriods| {
        periods.question == question
            && begin_of(periods) <= first
            && end_of(periods) > first
            && end_of(periods) <= now
    };
    let Some(mut periods) = periods.filter(fits).cloned() else {
        return KeptPeriods {
            question,
            ..KeptPeriods::default()
        };
    };
    let past = periods_between(begin_of(&periods), first);
    periods.periods.drain(..past);
    periods.first += u32::try_from(past).unwrap_or_default();
    periods
}

/// Adds a period that was read: `at_begin` is what was asked about its beginning where it is the first one. Says whether
/// it could be kept: only what was answered in full is.
pub(super) fn keep(
    periods: &mut KeptPeriods,
    next: &NextPeriod,
    at_begin: Option<&Parts>,
    found: &Parts,
) -> bool {
    let Some((period, carried)) = period_of(periods, next, at_begin, found) else {
        return false;
    };
    if next.is_first {
        let begin = next.chunk.end - PERIOD;
        periods.first =
            u32::try_from(begin.timestamp() / i64::from(PERIOD_SECS)).unwrap_or_default();
    }
    periods.periods.push(period);
    (
        periods.overlap_seconds,
        periods.before_total,
        periods.before_bad,
    ) = carried;
    true
}

/// What a period leaves to the next one: how far that reaches back, and what was counted there.
type Carried = (u64, Option<f64>, Option<f64>);

fn period_of(
    periods: &KeptPeriods,
    next: &NextPeriod,
    at_begin: Option<&Parts>,
    found: &Parts,
) -> Option<(KeptPeriod, Carried)> {
    let before = match at_begin {
        Some(begin) => Counts::at_end(begin).ok()?,
        None => Counts {
            total: periods.before_total,
            bad: periods.before_bad,
        },
    };
    let (counts, slots) = read(found).ok()?;
    let at_end = Counts::at_end(found).ok()?;
    let period = KeptPeriod {
        total: rounded(gained(None, counts.total, before.total)),
        bad: rounded(gained(None, counts.bad, before.bad)),
        slots,
    };
    let carried = match at_end.total {
        Some(_) => (
            OVERLAP.as_secs(),
            rounded(at_end.total),
            rounded(at_end.bad),
        ),
        // What lies before a gap so long is given up: a server may have deleted it by the time it is asked again, and what is
        // deleted would be taken off what came since.
        None if next.chunk.reach > LONGEST_TAIL => (OVERLAP.as_secs(), None, None),
        // No samples before the end: what comes after the gap is counted from the last ones before it.
        None => (
            next.chunk.reach.as_secs(),
            rounded(counts.total),
            rounded(counts.bad),
        ),
    };
    Some((period, carried))
}

/// Keeps four decimals: counts are extrapolated, and rounded to whole events in the end.
fn rounded(count: Option<f64>) -> Option<f64> {
    count.map(|count| (count * 1e4).round() / 1e4)
}

/// Returns which kept period is read again in a pass at this time, if any: another one each time, as chance has it.
pub(super) fn checked(periods: &KeptPeriods, now: DateTime<Utc>) -> Option<(usize, Chunk)> {
    let mut hasher = DefaultHasher::new();
    (now.timestamp() / 60).hash(&mut hasher);
    let chance = hasher.finish();
    let count = u64::try_from(periods.periods.len()).ok()?;
    if !chance.is_multiple_of(CHECKED_ONCE_IN) || count == 0 {
        return None;
    }
    let place = usize::try_from(chance / CHECKED_ONCE_IN % count).ok()?;
    let end = begin_of(periods) + PERIOD * u32::try_from(place + 1).ok()?;
    Some((
        place,
        Chunk {
            end,
            length: PERIOD,
            reach: PERIOD + OVERLAP,
        },
    ))
}

/// Says how a kept period differs from what is read of it now; nothing where it does not, or where the answers do not say.
pub(super) fn difference(kept: &KeptPeriod, at_begin: &Parts, found: &Parts) -> Option<String> {
    // What reaches across a gap was counted another way.
    let before = Counts::at_end(at_begin).ok()?;
    let (counts, _) = read(found).ok()?;
    let total = counts.total? - before.total?;
    let bad = gained(None, counts.bad, before.bad);
    let differs = |kept: Option<f64>, now: Option<f64>| {
        let (kept, now) = (kept.unwrap_or_default(), now.unwrap_or_default());
        (kept - now).abs() > 0.5 + TOLERANCE * kept.abs().max(now.abs())
    };
    let is_other = differs(kept.total, Some(total)) || differs(kept.bad, bad);
    is_other.then(|| {
        format!(
            "{:.0} bad of {:.0} events were counted when the period was over, and {:.0} of {total:.0} are there now",
            kept.bad.unwrap_or_default(),
            kept.total.unwrap_or_default(),
            bad.unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::prometheus::{InstantSample, QueryAnswer};
    use crate::observe::combined::PART;
    use crate::slo::Events;

    const WINDOW: Duration = Duration::from_secs(30 * 86_400);

    const HOUR: Duration = Duration::from_secs(3600);

    /// A moment on a day, by the hour.
    fn at(day: u32, hour: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + HOUR * (24 * day + hour)
    }

    fn parts(found: &[(&str, f64)]) -> Parts {
        let sample = |(name, value): &(&str, f64)| InstantSample {
            labels: [(PART.to_owned(), (*name).to_owned())].into(),
            at: DateTime::UNIX_EPOCH,
            value: *value,
        };
        Parts::of(QueryAnswer {
            value: found.iter().map(sample).collect(),
            partial: None,
            notes: Vec::new(),
        })
    }

    /// A period with 100 events an hour, one of them bad, as a server answers with the hour before it.
    fn steady() -> Parts {
        parts(&[
            ("total", 1300.0),
            ("bad", 13.0),
            ("slots", 12.0),
            ("end_total", 100.0),
            ("end_bad", 1.0),
        ])
    }

    /// Keeps all periods that are over at a moment, each steady.
    fn kept(now: DateTime<Utc>) -> KeptPeriods {
        let mut periods = useful(None, "q".to_owned(), WINDOW, now);
        while let Some(next) = next_period(&periods, WINDOW, now) {
            let begin = parts(&[("end_total", 100.0), ("end_bad", 1.0)]);
            let begin = next.is_first.then_some(&begin);
            assert!(keep(&mut periods, &next, begin, &steady()));
        }
        periods
    }

    fn planned(periods: &KeptPeriods, now: DateTime<Utc>) -> Option<PeriodsPlan> {
        plan(Some(periods), || "q".to_owned(), WINDOW, now)
    }

    #[test]
    fn a_window_is_its_first_piece_the_periods_and_the_running_one() {
        let now = at(100, 18);
        let periods = kept(now);
        assert_eq!((periods.first, periods.periods.len()), (142, 59));
        let plan = planned(&periods, now).expect("periods");
        let head = plan.head.expect("a piece");
        assert_eq!((head.end, head.length), (at(71, 0), 6 * HOUR));
        assert_eq!(plan.tail.length, 6 * HOUR);
        assert_eq!(plan.tail.reach, 6 * HOUR + OVERLAP);
        let head = parts(&[("total", 600.0), ("bad", 6.0), ("slots", 6.0)]);
        let tail = parts(&[("total", 700.0), ("bad", 7.0), ("slots", 6.0)]);
        let window = plan.window(Some(&head), &tail, 720);
        let all = Events::new(720.0, 72_000.0).expect("a count");
        assert_eq!(window.events, Reading::Measured(all));
        assert_eq!(window.coverage, Reading::Measured(1.0));
    }

    #[test]
    fn a_period_is_kept_once_late_samples_had_their_time() {
        for (hour, end) in [
            (0, at(99, 12)),
            (1, at(99, 12)),
            (2, at(100, 0)),
            (13, at(100, 0)),
            (14, at(100, 12)),
            (23, at(100, 12)),
        ] {
            let now = at(100, hour);
            let periods = kept(now);
            assert_eq!(end_of(&periods), end, "{hour}");
            assert!(planned(&periods, now).is_some(), "{hour}");
        }
    }

    #[test]
    fn periods_of_another_question_or_with_a_gap_are_of_no_use() {
        let now = at(100, 12);
        let periods = kept(now);
        assert!(plan(Some(&periods), || "other".to_owned(), WINDOW, now).is_none());
        assert_eq!(
            useful(Some(&periods), "other".to_owned(), WINDOW, now).periods,
            []
        );
        // Two weeks without a pass: what came since is more than is read again in each pass.
        assert!(planned(&periods, at(114, 12)).is_none());
        // It begins too late for a longer window.
        assert!(plan(Some(&periods), || "q".to_owned(), WINDOW + PERIOD, now).is_none());
        // A clock that went back knows nothing of periods to come.
        assert!(planned(&periods, at(99, 12)).is_none());
        assert!(plan(None, || "q".to_owned(), WINDOW, now).is_none());
    }

    #[test]
    fn periods_that_left_the_window_are_dropped_and_the_next_one_is_counted() {
        let periods = kept(at(100, 12));
        let later = at(101, 12);
        let periods = useful(Some(&periods), "q".to_owned(), WINDOW, later);
        assert_eq!((periods.first, periods.periods.len()), (143, 57));
        let next = next_period(&periods, WINDOW, later).expect("a period more");
        assert_eq!((next.chunk.end, next.is_first), (at(100, 12), false));
        assert!(planned(&periods, later).is_some());
    }

    #[test]
    fn what_follows_a_gap_is_counted_from_the_last_samples_before_it() {
        let mut periods = kept(at(100, 12));
        let next = next_period(&periods, WINDOW, at(101, 12)).expect("a period more");
        let without_end = parts(&[("total", 700.0), ("bad", 7.0), ("slots", 6.0)]);
        assert!(keep(&mut periods, &next, None, &without_end));
        let next = next_period(&periods, WINDOW, at(102, 12)).expect("a period more");
        assert_eq!(next.chunk.reach, 2 * PERIOD + OVERLAP);
        let after = parts(&[
            ("total", 1700.0),
            ("bad", 8.0),
            ("slots", 12.0),
            ("end_total", 100.0),
        ]);
        assert!(keep(&mut periods, &next, None, &after));
        let [.., before, after] = periods.periods.as_slice() else {
            panic!("two periods");
        };
        assert_eq!((before.total, before.bad), (Some(600.0), Some(6.0)));
        assert_eq!((after.total, after.bad), (Some(1000.0), Some(1.0)));
    }

    #[test]
    fn a_gap_of_more_than_three_days_is_not_reached_across() {
        let begin = at(100, 12);
        let mut periods = kept(begin);
        let gone = parts(&[("total", 50.0), ("bad", 50.0)]);
        for half_day in 1..=10 {
            let now = begin + PERIOD * half_day;
            let next = next_period(&periods, WINDOW, now).expect("a period more");
            assert!(next.chunk.reach <= LONGEST_TAIL + PERIOD, "{half_day}");
            assert!(keep(&mut periods, &next, None, &gone));
        }
        let [.., before, last] = periods.periods.as_slice() else {
            panic!("two periods");
        };
        // As long as it is reached across, nothing came since; then all that is found is new.
        assert_eq!((before.total, last.total), (Some(0.0), Some(0.0)));
        let negative = periods.periods.iter().any(|one| one.bad < Some(0.0));
        assert!(!negative, "{:?}", periods.periods);
        assert!(periods.overlap_seconds <= LONGEST_TAIL.as_secs());
    }

    #[test]
    fn only_what_was_answered_in_full_is_kept() {
        let mut periods = kept(at(100, 12));
        let before = periods.clone();
        let next = next_period(&periods, WINDOW, at(101, 12)).expect("a period more");
        let partial = Parts::of(QueryAnswer {
            value: Vec::new(),
            partial: Some("a store did not answer".to_owned()),
            notes: Vec::new(),
        });
        let contradiction = parts(&[("bad", 3.0), ("slots", 1.0)]);
        let no_number = parts(&[("total", f64::NAN)]);
        for answer in [partial, contradiction, no_number] {
            assert!(!keep(&mut periods, &next, None, &answer));
            assert_eq!(periods, before);
        }
        // A period without the service is a period all the same.
        assert!(keep(&mut periods, &next, None, &parts(&[])));
        assert_eq!(periods.periods.last(), Some(&KeptPeriod::default()));
    }

    #[test]
    fn a_period_that_changed_is_told_and_rounding_is_no_change() {
        let periods = kept(at(100, 12));
        let begin = parts(&[("end_total", 100.0), ("end_bad", 1.0)]);
        assert_eq!(difference(&periods.periods[3], &begin, &steady()), None);
        let more = parts(&[("total", 1300.3), ("bad", 13.0), ("slots", 12.0)]);
        assert_eq!(difference(&periods.periods[3], &begin, &more), None);
        let late = parts(&[("total", 1400.0), ("bad", 17.0), ("slots", 12.0)]);
        let told = difference(&periods.periods[3], &begin, &late).expect("it changed");
        assert!(
            told.contains("12 bad of 1200") && told.contains("16 of 1300"),
            "{told}"
        );
        // What reaches across a gap was counted another way.
        assert_eq!(difference(&periods.periods[3], &parts(&[]), &late), None);
    }

    #[test]
    fn every_kept_period_is_read_again_now_and_then() {
        let periods = kept(at(100, 12));
        let passes = (0..20_000u32).filter_map(|pass| {
            checked(
                &periods,
                at(100, 12) + Duration::from_secs(u64::from(pass) * 300),
            )
        });
        let places: Vec<usize> = passes.map(|(place, _)| place).collect();
        for place in 0..periods.periods.len() {
            assert!(places.contains(&place), "{place}");
        }
        let share = places.len() as f64 / 20_000.0;
        assert!(
            (share * CHECKED_ONCE_IN as f64 - 1.0).abs() < 0.2,
            "{share}"
        );
    }
}
