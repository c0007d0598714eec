//! When the burn that goes on now began.
//!
//! The moment is the one since which the most bad events beyond the limit have piled up (the maximum of a cumulative
//! sum), looked for no further back than the newest stretch that was calm as a whole. One noisy slice moves it by one
//! slice; an earlier incident that was over for long enough does not move it at all. A slice weighs by its events,
//! and none counts as worse than the burn is now or than three times the limit, so that a short outage does not
//! outweigh the calm after it.

use std::time::Duration;

use super::assessment::Sli;
use super::events::Events;
use super::measurement::Objective;
use super::reading::Reading;
use super::slice_history::SliceHistory;
use super::{binomial_tail, conditional_binomial};

/// How many violation windows a service must be calm as a whole for what came before to be another burn: 30 minutes by
/// default, the short window of the slow burn. Source: our rule.
const CALM_WINDOWS: u32 = 6;

/// Span beyond `ATTRIBUTION_WINDOW` that is looked at first: the time in which to be calm, twice.
const MARGIN_WINDOWS: u32 = 2 * CALM_WINDOWS;

/// Largest chance (p-value) at which errors count as proof here. Source: our rule, the same as for every decision.
const MAX_P_VALUE: f64 = 0.001;

/// How many times as bad as what came before a burn must be for that to be no part of it (unitless). Source: our
/// rule, as for the error ratios before and after a deployment.
const AT_LEAST: f64 = 2.0;

/// Most slices of one look. Prometheus refuses more than 11,000 points.
const MAX_SLICES: usize = 10_000;

/// Most slices of the look over everything: an hour each would be 1,440 in 60 days.
const MAX_COARSE_SLICES: u32 = 1_500;

/// How bad a slice may count at least and at most, as multiples of the limit (unitless): a short outage is forgotten
/// after at most twice its length of calm, however bad it and the burn were. Source: our rule.
const LEAST_CAP: f64 = 2.0;
const MOST_CAP: f64 = 3.0;

/// Most bad events that may be one burst, as many as clustered errors are worth. Source: our rule, the same number
/// that is too few for a proof by default.
const ONE_BURST: f64 = 5.0;

/// When a burn began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// So long before the evaluation time, to within a slice.
    Seen {
        /// How long ago.
        ago: Duration,
    },
    /// Further back than was looked.
    Earlier {
        /// How far was looked.
        than: Duration,
    },
    /// It cannot be told.
    NotMeasured {
        /// Why, as a fragment.
        why: String,
    },
}

/// Slices of the past that have to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRequest {
    /// How long before the evaluation time the newest slice ends.
    pub ends_ago: Duration,
    /// Distance between the ends of two slices.
    pub step: Duration,
    /// How many slices.
    pub slices: usize,
    /// What each covers: one minute or what slow scrapes need if `None`, else this long.
    pub covering: Option<Duration>,
    /// Whether latency is asked for too.
    pub latency: bool,
}

/// What burns and how far back that matters.
#[derive(Debug, Clone, PartialEq)]
pub struct BurnSearch<'a> {
    /// What the service promises.
    pub objective: &'a Objective,
    /// The SLIs that burn, each with the ratio of bad events that it exceeds.
    pub burning: &'a [(Sli, f64)],
    /// Fewest events that can be calm (`MIN_EVENTS`).
    pub min_events: u64,
    /// How far back the first, fine look goes beyond the time in which to be calm (`ATTRIBUTION_WINDOW`).
    pub near: Duration,
    /// How far back anything is looked for.
    pub reach: Duration,
}

impl BurnSearch<'_> {
    /// Returns the look that is still missing among the ones taken, in order, or nothing when the beginning is known
    /// as well as it can be: first the recent past, then, where the burn is older, everything in long slices, then
    /// the neighbourhood of the beginning.
    pub fn next_look(&self, taken: &[SliceHistory]) -> Option<RangeRequest> {
        let latency = self
            .burning
            .iter()
            .any(|(sli, _)| matches!(sli, Sli::SlowerThan { .. }));
        let fine = |ends_ago: Duration, span: Duration| {
            let step = self.objective.slice_step();
            RangeRequest {
                ends_ago,
                step,
                slices: self.objective.slices_in(span).clamp(1, MAX_SLICES),
                covering: None,
                latency,
            }
        };
        let [recent, rest @ ..] = taken else {
            return Some(fine(
                Duration::ZERO,
                self.near + self.windows(MARGIN_WINDOWS),
            ));
        };
        let is_settled = |(sli, limit): &(Sli, f64)| {
            self.trace(recent, *sli, *limit)
                .is_none_or(|found| found.after_calm)
        };
        if self.burning.iter().all(is_settled) || self.reach <= recent.reach() {
            return None;
        }
        let [everything, rest @ ..] = rest else {
            let step = self
                .windows(CALM_WINDOWS)
                .max(self.reach / MAX_COARSE_SLICES);
            let step = Duration::from_secs(step.as_secs().max(1));
            let slices = self.reach.as_secs().div_ceil(step.as_secs());
            return Some(RangeRequest {
                ends_ago: Duration::ZERO,
                step,
                slices: usize::try_from(slices).unwrap_or(MAX_SLICES),
                covering: Some(step),
                latency,
            });
        };
        if !rest.is_empty() {
            return None;
        }
        let oldest = self
            .burning
            .iter()
            .filter_map(|(sli, limit)| self.trace(everything, *sli, *limit))
            .filter(|found| found.was_measured_before)
            .map(|found| found.ago)
            .max()?;
        let is_near = oldest + everything.step <= recent.reach();
        let after = oldest.saturating_sub(2 * everything.step);
        (!is_near).then(|| fine(after, 3 * everything.step))
    }

    /// Returns when one SLI began to burn, as far as the looks taken tell.
    pub fn beginning(&self, taken: &[SliceHistory], sli: Sli, limit: f64) -> Beginning {
        let unknown = |course: &SliceHistory| Beginning::NotMeasured {
            why: course.of(sli).why_unknown().unwrap_or_else(|| {
                "no slice of the time that was looked at is over the limit".to_owned()
            }),
        };
        let [recent, rest @ ..] = taken else {
            return Beginning::NotMeasured {
                why: "the past was not looked at".to_owned(),
            };
        };
        let Some(near) = self.trace(recent, sli, limit) else {
            return unknown(recent);
        };
        if near.after_calm {
            return Beginning::Seen { ago: near.ago };
        }
        let [everything, rest @ ..] = rest else {
            return near.or_earlier(recent);
        };
        let Some(far) = self.trace(everything, sli, limit) else {
            return unknown(everything);
        };
        if !far.was_measured_before {
            return far.or_earlier(everything);
        }
        // The long slice is right to within its length; a look at short ones around it says more.
        let agrees = |found: &Traced| {
            found.was_measured_before
                && found.ago <= far.ago + everything.step
                && far.ago <= found.ago + 2 * everything.step
        };
        let finer = rest
            .first()
            .and_then(|course| self.trace(course, sli, limit))
            .filter(agrees)
            .or(Some(near).filter(agrees));
        Beginning::Seen {
            ago: finer.map_or(far.ago, |found| found.ago),
        }
    }

    /// Returns since when one SLI burns at least half as much as in the newest half hour: what came before may have
    /// been another, smaller trouble.
    pub fn in_earnest(&self, taken: &[SliceHistory], sli: Sli, limit: f64) -> Beginning {
        let newest = taken.first().and_then(|course| {
            let slices = course.of(sli);
            let recent = self.objective.slices_in(self.windows(CALM_WINDOWS));
            newest(slices.value()?, recent)
        });
        let half = newest.map_or(0.0, |events| events.error_ratio() / 2.0);
        self.beginning(taken, sli, limit.max(half))
    }

    fn windows(&self, count: u32) -> Duration {
        self.objective.violation_for * count
    }

    fn trace(&self, course: &SliceHistory, sli: Sli, limit: f64) -> Option<Traced> {
        let slices = course.of(sli);
        let slices = slices.value()?;
        let step = course.step.as_secs_f64().max(1.0);
        let in_span = |span: Duration| (span.as_secs_f64() / step).ceil().max(1.0) as usize;
        let calm_at = newest_calm(
            slices,
            limit,
            in_span(self.windows(CALM_WINDOWS)),
            self.min_events as f64,
        );
        let begin = worst_since(
            slices,
            limit,
            in_span(self.objective.violation_for),
            calm_at.unwrap_or(0),
        )?;
        let stride = course
            .covering
            .as_millis()
            .div_ceil(course.step.as_millis().max(1));
        let stride = usize::try_from(stride).unwrap_or(1).max(1);
        let proof = BurnProof {
            limit,
            stride,
            recent: in_span(self.objective.violation_for),
            dispersion: calm_dispersion(course, &slices[calm_at.unwrap_or(0).min(begin)..begin]),
        };
        let begin = proof.since(slices, begin);
        Some(Traced {
            // The slice before it was still within the limit, so it began after that one ended.
            ago: ago_of(course, slices.len() - begin),
            after_calm: calm_at.is_some(),
            was_measured_before: slices[..begin].iter().any(Option::is_some),
        })
    }
}

/// The beginning as one course shows it.
struct Traced {
    ago: Duration,
    /// Whether a calm stretch was seen before it, so that nothing older belongs to the same burn.
    after_calm: bool,
    /// Whether anything was counted before it.
    was_measured_before: bool,
}

impl Traced {
    fn or_earlier(&self, course: &SliceHistory) -> Beginning {
        if self.was_measured_before {
            Beginning::Seen { ago: self.ago }
        } else if self.ago >= course.reach() {
            Beginning::Earlier {
                than: course.reach(),
            }
        } else {
            Beginning::NotMeasured {
                why: format!(
                    "it burns since the first events were counted, {} s ago",
                    self.ago.as_secs()
                ),
            }
        }
    }
}

/// Returns where the newest stretch begins that covers at least so many slices, holds at least so many events, and is
/// within the limit as a whole.
fn newest_calm(
    slices: &[Option<Events>],
    limit: f64,
    length: usize,
    min_events: f64,
) -> Option<usize> {
    let (bad, total) = sums(slices);
    let mut begin = slices.len();
    for end in (length..=slices.len()).rev() {
        begin = begin.min(end - length);
        while begin > 0 && total[end] - total[begin] < min_events {
            begin -= 1;
        }
        let events = total[end] - total[begin];
        if events < min_events.max(1.0) {
            return None;
        }
        if bad[end] - bad[begin] <= limit * events {
            return Some(begin);
        }
    }
    None
}

/// Returns how clustered the bad events of the calm slices before a burn are (1..=3). An earlier incident is no habit.
fn calm_dispersion(course: &SliceHistory, calm: &[Option<Events>]) -> f64 {
    let alone = SliceHistory {
        step: course.step,
        covering: course.covering,
        ends_ago: Duration::ZERO,
        events: Reading::Measured(calm.to_vec()),
        latency: Reading::NoSeries,
    };
    alone.dispersion(Sli::Errors, Duration::ZERO)
}

/// Returns how long before the evaluation time so many of the newest slices began.
fn ago_of(course: &SliceHistory, slices: usize) -> Duration {
    course.ends_ago + course.step * u32::try_from(slices).unwrap_or(u32::MAX)
}

/// What counts as proof that it burns.
struct BurnProof {
    /// Ratio of bad events above which it burns.
    limit: f64,
    /// How many steps a slice covers.
    stride: usize,
    /// How many slices just before a moment are looked at by themselves.
    recent: usize,
    /// How many bad events of a cluster count as one (1..=3), as they came before the burn: one burst of a client's
    /// retries is no beginning.
    dispersion: f64,
}

impl BurnProof {
    /// Returns the slice, not before `begin`, since which it provably burns. What lies between may be chance: neither
    /// as a whole nor in its last slices does it prove more than the limit, and it is provably less than half as bad
    /// as what follows. A few errors before a deployment that fails are then no part of its burn, while errors that
    /// are as bad before it as after it are.
    fn since(&self, slices: &[Option<Events>], begin: usize) -> usize {
        let (bad, total) = sums(slices);
        let last = slices.len();
        // Slices overlap, and no event may count twice as evidence.
        let events = |from: usize, to: usize| {
            let weight = self.stride as f64;
            Events::new(
                (bad[to] - bad[from]) / weight,
                (total[to] - total[from]) / weight,
            )
        };
        let is_chance = |split: &usize| {
            let recent = split.saturating_sub(self.recent);
            let alone = events(begin, *split);
            let is_burst =
                alone.is_some_and(|alone| alone.worth(self.dispersion).bad() <= ONE_BURST);
            // A burst that stands alone in a calm minute is no more than it is among the calm around it.
            let (before, lately) = if is_burst {
                (events(begin.min(recent), *split), events(recent, *split))
            } else {
                (alone, events(begin.max(recent), *split))
            };
            let (Some(before), Some(after)) = (before, events(*split, last)) else {
                return false;
            };
            after.error_ratio() > AT_LEAST * before.error_ratio()
                && !self.is_given_by(before)
                && conditional_binomial(after, before, AT_LEAST) <= MAX_P_VALUE
                && !lately.is_some_and(|lately| self.is_given_by(lately))
        };
        (begin + 1..last).rev().find(is_chance).unwrap_or(begin)
    }

    fn is_given_by(&self, events: Events) -> bool {
        let events = events.worth(self.dispersion);
        let (bad, total) = (events.bad().floor() as u64, events.total().ceil() as u64);
        // Up to the mean the tail is above a quarter, so most slices need no sum.
        bad as f64 > self.limit * total as f64
            && binomial_tail(bad, total, self.limit) <= MAX_P_VALUE
    }
}

/// Returns the bad and the total events before each slice, and before the end.
fn sums(slices: &[Option<Events>]) -> (Vec<f64>, Vec<f64>) {
    let (mut bad, mut total) = (vec![0.0], vec![0.0]);
    for slice in slices {
        let (b, t) = slice.map_or((0.0, 0.0), |events| (events.bad(), events.total()));
        bad.push(bad[bad.len() - 1] + b);
        total.push(total[total.len() - 1] + t);
    }
    (bad, total)
}

/// Adds up the newest slices.
fn newest(slices: &[Option<Events>], count: usize) -> Option<Events> {
    slices[slices.len().saturating_sub(count)..]
        .iter()
        .flatten()
        .copied()
        .reduce(|left, right| left + right)
}

/// Returns the slice, not before `floor`, since which the most bad events beyond the limit have piled up; the newest of
/// several. No slice counts as worse than the newest `recent` ones together, or than a few times the limit.
fn worst_since(
    slices: &[Option<Events>],
    limit: f64,
    recent: usize,
    floor: usize,
) -> Option<usize> {
    let cap = newest(slices, recent)
        .map_or(0.0, Events::error_ratio)
        .clamp(LEAST_CAP * limit, MOST_CAP * limit);
    let (mut piled, mut most, mut begin) = (0.0, 0.0, None);
    for (index, slice) in slices.iter().enumerate().skip(floor).rev() {
        let Some(events) = slice else { continue };
        piled += events.bad().min(cap * events.total()) - limit * events.total();
        if piled > most {
            (most, begin) = (piled, Some(index));
        }
    }
    begin
}

#[cfg(test)]
mod tests;
