//! Days of the SLO window that are over: counted once and kept, so that a pass reads only what is still going on.
//!
//! Days begin at midnight UTC. A window of kept days is read in two pieces: what lies before the first kept day, and
//! what came after the last one. Each day counts from the last sample before it, like a chunk of a window that is
//! read in chunks, so that what happened between the samples around midnight is in exactly one of the two.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::budget::{Chunk, Counts, OVERLAP, SloWindow, covered, gained, read, window_of};
use super::parts::Parts;
use super::queries::Queries;
use crate::journal::{KeptDay, KeptDays};
use crate::slo::Reading;

/// The length of a day.
const DAY: Duration = Duration::from_secs(86_400);

/// How long after its end a day is counted for good: late samples have come by then. Source: the two hours that
/// Prometheus itself keeps open for writing, and remote write catches up with them.
const MARGIN: Duration = Duration::from_secs(2 * 3600);

/// How much may lie behind the last kept day, so that a window is still read from it: one that was missed, and the
/// running one.
const LONGEST_TAIL: Duration = Duration::from_secs(3 * 86_400);

/// The shortest window of which days are kept: less is read at once as cheaply.
const SHORTEST_WINDOW: Duration = Duration::from_secs(4 * 86_400);

/// One pass in so many reads a kept day again: one an hour where a pass begins every five minutes.
const CHECKED_ONCE_IN: u64 = 12;

/// Largest share by which a day that is read again may differ: what rounding explains.
const TOLERANCE: f64 = 1e-6;

/// How the SLO window of a service is read from its kept days.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DaysPlan {
    /// What lies in the window before the first kept day; nothing where the window begins with it.
    pub(super) head: Option<Chunk>,
    /// What came after the last kept day.
    pub(super) tail: Chunk,
    /// What the tail reaches back into.
    before: Counts,
    /// What the kept days add up to.
    kept: Counts,
    slots: f64,
}

/// What is to be read of a service to keep one day more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NextDay {
    /// The day.
    pub(super) chunk: Chunk,
    /// Whether it is the first one: then what its chunk reaches back into is asked for too.
    pub(super) is_first: bool,
}

/// Returns what tells the counts of one question from those of another.
pub(super) fn question(origin: &str, queries: &Queries, window: Duration) -> String {
    let texts = [
        origin.to_owned(),
        queries.total(DAY),
        queries.bad(DAY),
        queries.covered_slots(DAY, window),
    ];
    let digest = Sha256::digest(texts.join("\n"));
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns the midnight at or before a moment.
fn midnight(at: DateTime<Utc>) -> DateTime<Utc> {
    at - Duration::from_secs(at.timestamp().rem_euclid(86_400).unsigned_abs())
        - Duration::from_nanos(at.timestamp_subsec_nanos().into())
}

/// Returns the first midnight at or after the beginning of a window.
fn first_day(window: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let begin = now - window;
    match midnight(begin) {
        at if at == begin => at,
        at => at + DAY,
    }
}

fn begin_of(days: &KeptDays) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + DAY * days.first
}

fn end_of(days: &KeptDays) -> DateTime<Utc> {
    begin_of(days) + DAY * u32::try_from(days.days.len()).unwrap_or(u32::MAX)
}

/// Plans how a window is read from kept days; nothing where they do not reach from its beginning close to its end.
pub(super) fn plan(
    days: Option<&KeptDays>,
    question: impl Fn() -> String,
    window: Duration,
    now: DateTime<Utc>,
) -> Option<DaysPlan> {
    let days = days.filter(|days| !days.days.is_empty())?;
    let (first, end) = (first_day(window, now), end_of(days));
    let is_near = end <= now && now - end <= chrono::TimeDelta::from_std(LONGEST_TAIL).ok()?;
    if begin_of(days) > first || !is_near || days.question != question() {
        return None;
    }
    let head = (first - (now - window)).to_std().ok()?;
    let length = (now - end).to_std().ok()?;
    let past = usize::try_from((first - begin_of(days)).num_days()).ok()?;
    let kept = days.days.get(past..)?;
    let sum = |number: fn(&KeptDay) -> Option<f64>| {
        kept.iter()
            .filter_map(number)
            .fold(None, |sum: Option<f64>, day| {
                Some(sum.unwrap_or_default() + day)
            })
    };
    Some(DaysPlan {
        head: (!head.is_zero()).then_some(Chunk {
            end: first,
            length: head,
            reach: head,
        }),
        tail: Chunk {
            end: now,
            length,
            reach: length + Duration::from_secs(days.overlap_seconds),
        },
        before: Counts {
            total: days.before_total,
            bad: days.before_bad,
        },
        kept: Counts {
            total: sum(|day| day.total),
            bad: sum(|day| day.bad),
        },
        slots: kept.iter().map(|day| day.slots).sum(),
    })
}

impl DaysPlan {
    /// Returns the window that the kept days and the answers about the two pieces make; the refusal where one was
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

/// Tells whether the days of a window are kept at all.
pub(super) fn are_kept(window: Duration) -> bool {
    window >= SHORTEST_WINDOW
}

/// Returns what is known of a window of which not all days are counted yet: how much of it is.
pub(super) fn unfinished(
    days: &KeptDays,
    window: Duration,
    now: DateTime<Utc>,
    slots: u32,
) -> SloWindow {
    let (counted, all) = (days.days.len(), (now - first_day(window, now)).num_days());
    let found: f64 = days.days.iter().map(|day| day.slots).sum();
    SloWindow {
        events: Reading::Partial {
            why: format!(
                "{counted} of {all} days of the SLO window are counted so far, because many services are new at once; the \
                 next runs count the rest"
            ),
        },
        coverage: covered(Reading::Measured(found), slots),
    }
}

/// Returns which day of a service is to be kept next; nothing where all that are over are kept, or none is to be.
pub(super) fn next_day(days: &KeptDays, window: Duration, now: DateTime<Utc>) -> Option<NextDay> {
    if !are_kept(window) {
        return None;
    }
    let is_first = days.days.is_empty();
    let begin = match is_first {
        true => first_day(window, now),
        false => end_of(days),
    };
    let over = begin + DAY + MARGIN <= now;
    over.then(|| NextDay {
        chunk: Chunk {
            end: begin + DAY,
            length: DAY,
            reach: DAY
                + match is_first {
                    true => OVERLAP,
                    false => Duration::from_secs(days.overlap_seconds),
                },
        },
        is_first,
    })
}

/// Returns the kept days as far as they are of use for a question: none of another question, and none from before the
/// window.
pub(super) fn useful(
    days: Option<&KeptDays>,
    question: String,
    window: Duration,
    now: DateTime<Utc>,
) -> KeptDays {
    let first = first_day(window, now);
    let fits = |days: &&KeptDays| {
        days.question == question
            && begin_of(days) <= first
            && end_of(days) > first
            && end_of(days) <= now
    };
    let Some(mut days) = days.filter(fits).cloned() else {
        return KeptDays {
            question,
            ..KeptDays::default()
        };
    };
    let past = usize::try_from((first - begin_of(&days)).num_days()).unwrap_or_default();
    days.days.drain(..past);
    days.first += u32::try_from(past).unwrap_or_default();
    days
}

/// Adds a day that was read: `at_begin` is what was asked about its beginning where it is the first one. Says whether
/// it could be kept: only what was answered in full is.
pub(super) fn keep(
    days: &mut KeptDays,
    next: &NextDay,
    at_begin: Option<&Parts>,
    found: &Parts,
) -> bool {
    let Some((day, carried)) = day_of(days, next, at_begin, found) else {
        return false;
    };
    if next.is_first {
        let begin = next.chunk.end - DAY;
        days.first = u32::try_from(begin.timestamp() / 86_400).unwrap_or_default();
    }
    days.days.push(day);
    (days.overlap_seconds, days.before_total, days.before_bad) = carried;
    true
}

/// What a day leaves to the next one: how far that reaches back, and what was counted there.
type Carried = (u64, Option<f64>, Option<f64>);

fn day_of(
    days: &KeptDays,
    next: &NextDay,
    at_begin: Option<&Parts>,
    found: &Parts,
) -> Option<(KeptDay, Carried)> {
    let before = match at_begin {
        Some(begin) => Counts::at_end(begin).ok()?,
        None => Counts {
            total: days.before_total,
            bad: days.before_bad,
        },
    };
    let (counts, slots) = read(found).ok()?;
    let at_end = Counts::at_end(found).ok()?;
    let day = KeptDay {
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
        // No samples before the end: what comes after the gap is counted from the last ones before it.
        None => (
            next.chunk.reach.as_secs(),
            rounded(counts.total),
            rounded(counts.bad),
        ),
    };
    Some((day, carried))
}

/// Keeps four decimals: counts are extrapolated, and rounded to whole events in the end.
fn rounded(count: Option<f64>) -> Option<f64> {
    count.map(|count| (count * 1e4).round() / 1e4)
}

/// Returns which kept day is read again in a pass at this time, if any: another one each time, as chance has it.
pub(super) fn checked(days: &KeptDays, now: DateTime<Utc>) -> Option<(usize, Chunk)> {
    let mut hasher = DefaultHasher::new();
    (now.timestamp() / 60).hash(&mut hasher);
    let chance = hasher.finish();
    let count = u64::try_from(days.days.len()).ok()?;
    if !chance.is_multiple_of(CHECKED_ONCE_IN) || count == 0 {
        return None;
    }
    let place = usize::try_from(chance / CHECKED_ONCE_IN % count).ok()?;
    let end = begin_of(days) + DAY * u32::try_from(place + 1).ok()?;
    Some((
        place,
        Chunk {
            end,
            length: DAY,
            reach: DAY + OVERLAP,
        },
    ))
}

/// Says how a kept day differs from what is read of it now; nothing where it does not, or where the answers do not say.
pub(super) fn difference(kept: &KeptDay, at_begin: &Parts, found: &Parts) -> Option<String> {
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
            "{:.0} bad of {:.0} events were counted when the day was over, and {:.0} of {total:.0} are there now",
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
    use crate::observe::queries::PART;
    use crate::slo::Events;

    const WINDOW: Duration = Duration::from_secs(30 * 86_400);

    /// A moment on a day, by the hour.
    fn at(day: u32, hour: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + DAY * day + Duration::from_secs(u64::from(hour) * 3600)
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

    /// A day with 100 events an hour, one of them bad, as a server answers with the hour before it.
    fn steady() -> Parts {
        parts(&[
            ("total", 2500.0),
            ("bad", 25.0),
            ("slots", 24.0),
            ("end_total", 100.0),
            ("end_bad", 1.0),
        ])
    }

    /// Keeps all days that are over at a moment, each steady.
    fn kept(now: DateTime<Utc>) -> KeptDays {
        let mut days = useful(None, "q".to_owned(), WINDOW, now);
        while let Some(next) = next_day(&days, WINDOW, now) {
            let begin = parts(&[("end_total", 100.0), ("end_bad", 1.0)]);
            let begin = next.is_first.then_some(&begin);
            assert!(keep(&mut days, &next, begin, &steady()));
        }
        days
    }

    fn planned(days: &KeptDays, now: DateTime<Utc>) -> Option<DaysPlan> {
        plan(Some(days), || "q".to_owned(), WINDOW, now)
    }

    #[test]
    fn a_window_is_its_first_piece_the_days_and_the_running_one() {
        let now = at(100, 12);
        let days = kept(now);
        assert_eq!((days.first, days.days.len()), (71, 29));
        let plan = planned(&days, now).expect("days");
        let head = plan.head.expect("a piece");
        assert_eq!((head.end, head.length), (at(71, 0), DAY / 2));
        assert_eq!(plan.tail.length, DAY / 2);
        assert_eq!(plan.tail.reach, DAY / 2 + OVERLAP);
        let head = parts(&[("total", 1200.0), ("bad", 12.0), ("slots", 12.0)]);
        let tail = parts(&[("total", 1300.0), ("bad", 13.0), ("slots", 12.0)]);
        let window = plan.window(Some(&head), &tail, 720);
        let all = Events::new(720.0, 72_000.0).expect("a count");
        assert_eq!(window.events, Reading::Measured(all));
        assert_eq!(window.coverage, Reading::Measured(1.0));
    }

    #[test]
    fn a_day_is_kept_once_late_samples_had_their_time() {
        for (hour, kept_days) in [(0, 28), (1, 28), (2, 29), (23, 29)] {
            let now = at(100, hour);
            let days = kept(now);
            assert_eq!(
                end_of(&days),
                at(if kept_days == 28 { 99 } else { 100 }, 0),
                "{hour}"
            );
            assert!(planned(&days, now).is_some(), "{hour}");
        }
    }

    #[test]
    fn days_of_another_question_or_with_a_gap_are_of_no_use() {
        let now = at(100, 12);
        let days = kept(now);
        assert!(plan(Some(&days), || "other".to_owned(), WINDOW, now).is_none());
        assert_eq!(
            useful(Some(&days), "other".to_owned(), WINDOW, now).days,
            []
        );
        // Two weeks without a pass: what came since is more than is read again in each pass.
        assert!(planned(&days, at(114, 12)).is_none());
        // It begins too late for a longer window.
        assert!(plan(Some(&days), || "q".to_owned(), WINDOW + DAY, now).is_none());
        // A clock that went back knows nothing of days to come.
        assert!(planned(&days, at(99, 12)).is_none());
        assert!(plan(None, || "q".to_owned(), WINDOW, now).is_none());
    }

    #[test]
    fn days_that_left_the_window_are_dropped_and_the_next_one_is_counted() {
        let days = kept(at(100, 12));
        let later = at(101, 12);
        let days = useful(Some(&days), "q".to_owned(), WINDOW, later);
        assert_eq!((days.first, days.days.len()), (72, 28));
        let next = next_day(&days, WINDOW, later).expect("a day more");
        assert_eq!((next.chunk.end, next.is_first), (at(101, 0), false));
        assert!(planned(&days, later).is_some());
    }

    #[test]
    fn what_follows_a_gap_is_counted_from_the_last_samples_before_it() {
        let mut days = kept(at(100, 12));
        let next = next_day(&days, WINDOW, at(101, 12)).expect("a day more");
        let without_end = parts(&[("total", 700.0), ("bad", 7.0), ("slots", 6.0)]);
        assert!(keep(&mut days, &next, None, &without_end));
        let next = next_day(&days, WINDOW, at(102, 12)).expect("a day more");
        assert_eq!(next.chunk.reach, 2 * DAY + OVERLAP);
        let after = parts(&[
            ("total", 1700.0),
            ("bad", 8.0),
            ("slots", 12.0),
            ("end_total", 100.0),
        ]);
        assert!(keep(&mut days, &next, None, &after));
        let [.., before, after] = days.days.as_slice() else {
            panic!("two days");
        };
        assert_eq!((before.total, before.bad), (Some(600.0), Some(6.0)));
        assert_eq!((after.total, after.bad), (Some(1000.0), Some(1.0)));
    }

    #[test]
    fn only_what_was_answered_in_full_is_kept() {
        let mut days = kept(at(100, 12));
        let before = days.clone();
        let next = next_day(&days, WINDOW, at(101, 12)).expect("a day more");
        let partial = Parts::of(QueryAnswer {
            value: Vec::new(),
            partial: Some("a store did not answer".to_owned()),
            notes: Vec::new(),
        });
        let contradiction = parts(&[("bad", 3.0), ("slots", 1.0)]);
        let no_number = parts(&[("total", f64::NAN)]);
        for answer in [partial, contradiction, no_number] {
            assert!(!keep(&mut days, &next, None, &answer));
            assert_eq!(days, before);
        }
        // A day without the service is a day all the same.
        assert!(keep(&mut days, &next, None, &parts(&[])));
        assert_eq!(days.days.last(), Some(&KeptDay::default()));
    }

    #[test]
    fn a_day_that_changed_is_told_and_rounding_is_no_change() {
        let days = kept(at(100, 12));
        let begin = parts(&[("end_total", 100.0), ("end_bad", 1.0)]);
        assert_eq!(difference(&days.days[3], &begin, &steady()), None);
        let more = parts(&[("total", 2500.3), ("bad", 25.0), ("slots", 24.0)]);
        assert_eq!(difference(&days.days[3], &begin, &more), None);
        let late = parts(&[("total", 2600.0), ("bad", 29.0), ("slots", 24.0)]);
        let told = difference(&days.days[3], &begin, &late).expect("it changed");
        assert!(
            told.contains("24 bad of 2400") && told.contains("28 of 2500"),
            "{told}"
        );
        // What reaches across a gap was counted another way.
        assert_eq!(difference(&days.days[3], &parts(&[]), &late), None);
    }

    #[test]
    fn every_kept_day_is_read_again_now_and_then() {
        let days = kept(at(100, 12));
        let passes = (0..20_000u32).filter_map(|pass| {
            checked(
                &days,
                at(100, 12) + Duration::from_secs(u64::from(pass) * 300),
            )
        });
        let places: Vec<usize> = passes.map(|(place, _)| place).collect();
        for place in 0..days.days.len() {
            assert!(places.contains(&place), "{place}");
        }
        let share = places.len() as f64 / 20_000.0;
        assert!(
            (share * CHECKED_ONCE_IN as f64 - 1.0).abs() < 0.2,
            "{share}"
        );
    }
}
