//! Whether counts prove what a ratio suggests.
//!
//! The program looks thousands of times a month, so a bar that is fine once is crossed every day. The tests are
//! exact; a confidence bound (Wilson) would accept 1 error in 10 requests as proof of "more than 1 %". Errors come in
//! clusters, so p-values are optimistic: bars are low (0.001) and stand beside floors on the counts.

use super::{Events, binomial_tail};

/// What counts must show before they are evidence (`MIN_EVENTS`, `MIN_BAD_EVENTS`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignificanceRule {
    /// The largest chance at which a healthy service may look this bad (probability).
    pub max_p_value: f64,
    /// Fewer bad events than this are never significant.
    pub min_bad_events: u64,
    /// Fewer events than this say nothing at all.
    pub min_events: u64,
}

/// What counts say about "the true error ratio is above the threshold".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Significance {
    /// A service at the threshold would almost never look this bad.
    Significant,
    /// The counts are explained by chance, or too few of them are bad.
    NotSignificant,
    /// Too few events to say anything: look at a longer window, or tell a person.
    InsufficientTraffic,
}

/// Returns whether these events prove an error ratio above the threshold (ratio, 0..1).
///
/// The floors come first: too few events are [`Significance::InsufficientTraffic`], even in a full outage; then too
/// few bad ones are never significant. Then the absolute test: P(X ≥ bad) for X ~ Binomial(total, threshold) is at
/// most the rule's p-value. Slow events are judged alike, with the allowed slow share as the threshold.
pub fn significant(events: Events, threshold: f64, rule: &SignificanceRule) -> Significance {
    let (bad, total) = (whole_down(events.bad()), whole_up(events.total()));
    if whole_down(events.total()) < rule.min_events {
        Significance::InsufficientTraffic
    } else if bad >= rule.min_bad_events && binomial_tail(bad, total, threshold) <= rule.max_p_value
    {
        Significance::Significant
    } else {
        Significance::NotSignificant
    }
}

/// Returns the chance (p-value, 0..=1) of at least so many of the bad events falling into `after`, when the error
/// ratio there is `rate_multiple` times the one of `before`. A small value proves that it is more than that; 2 asks
/// for "at least doubled".
///
/// P(X ≥ bad after) for X ~ Binomial(bad after + bad before, q) with q = r·n_after ÷ (r·n_after + n_before):
/// one-sided, with the number of bad events held fixed. It needs no bad event before, but a before window with enough
/// events: with none bad before, five bad after need six times as many events before. Without any bad event it is 1.
/// It assumes that bad events are rare; near 100 % errors it is conservative. A multiple that is not above 0 gives 1,
/// which proves nothing.
pub fn conditional_binomial(after: Events, before: Events, rate_multiple: f64) -> f64 {
    if rate_multiple.is_nan() || rate_multiple <= 0.0 {
        return 1.0;
    }
    // Rounded against the claim on both sides.
    let bad_after = whole_down(after.bad());
    let bad = bad_after.saturating_add(whole_up(before.bad()));
    let weight = rate_multiple * after.total();
    binomial_tail(bad_after, bad, weight / (weight + before.total()))
}

/// Returns a count as whole events, rounded down. Counts are finite and never negative; beyond `u64` it stays at the
/// end.
fn whole_down(count: f64) -> u64 {
    count.floor() as u64
}

/// Returns a count as whole events, rounded up.
fn whole_up(count: f64) -> u64 {
    count.ceil() as u64
}
