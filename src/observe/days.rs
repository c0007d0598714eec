//! Days of the SLO window that are over: counted once and kept, so that a pass reads only what is still going on.
//!
//! Days begin at midnight UTC. A window of kept days is read in two pieces: what lies before the first kept day, and what
//! came after the last one. Each day counts from the last sample before it, like a chunk of a window that is read in
//! chunks, so that what happened between the samples around midnight is in exactly one of the two.

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

/// Adds a day that was read: `at_begin` is what was asked about its beginning where it is the first one. Says whether it
/// could be kept: only what was answered in full is.
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
