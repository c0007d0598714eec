//! Whether a service fails more since a rollback than it did at the worst of the burn: what was put back may not fit
//! what changed since (a database that was migrated).

use super::events::Events;
use super::significance::{Significance, SignificanceRule, conditional_binomial, significant};

/// How many times as many events must fail, or how many times fewer succeed (unitless). Source: our rule, the same as
/// for a deployment that is to blame.
const AT_LEAST: f64 = 2.0;

/// The share of events that must have succeeded before, for "half as many succeed" to mean anything (ratio). Source:
/// our rule.
const SOME_SUCCEEDED: f64 = 0.1;

/// How many events of a cluster count as one (unitless): the most that is ever believed, because nobody measures how
/// clustered errors are while something burns. Source: our rule, as in
/// [`Course::dispersion`](super::Course::dispersion).
const CLUSTER: f64 = 3.0;

/// Returns the end of these slices (oldest first, `stride` apart where they do not overlap) that fails most, among
/// those that hold at least so many events; nothing where too few were counted. A burn that is young, or still
/// growing, is as bad as its end and not as its mean.
pub fn worst_end(slices: &[Option<Events>], stride: usize, min_events: u64) -> Option<Events> {
    let mut all: Option<Events> = None;
    let mut worst: Option<Events> = None;
    for slice in slices.iter().rev().step_by(stride.max(1)).flatten() {
        let sum = all.map_or(*slice, |sum| sum + *slice);
        all = Some(sum);
        let is_worse = worst.is_none_or(|worst| sum.error_ratio() > worst.error_ratio());
        if sum.total() >= min_events as f64 && is_worse {
            worst = Some(sum);
        }
    }
    worst
}

/// Tells whether it is proven that a service fails more than `limit` (ratio) and got worse: at least twice as many of
/// its events fail as before, or, where at least a tenth succeeded, at most half as many succeed. Both are tested
/// exactly, at the rule's p-value; a cluster of three errors counts as one.
pub fn got_worse(since: Events, before: Events, limit: f64, rule: &SignificanceRule) -> bool {
    if before.total() < rule.min_events as f64
        || significant(since, limit, rule) != Significance::Significant
        || since.error_ratio() <= before.error_ratio()
    {
        return false;
    }
    let (since, before) = (since.worth(CLUSTER), before.worth(CLUSTER));
    let proves =
        |more: Events, less: Events| conditional_binomial(more, less, AT_LEAST) <= rule.max_p_value;
    if proves(since, before) {
        return true;
    }
    let good = |events: Events| Events::new(events.total() - events.bad(), events.total());
    good(before)
        .zip(good(since))
        .is_some_and(|(before, since)| {
            before.error_ratio() >= SOME_SUCCEEDED && proves(before, since)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: SignificanceRule = SignificanceRule {
        max_p_value: 0.001,
        min_bad_events: 5,
        min_events: 50,
    };

    fn events(bad: f64, total: f64) -> Events {
        Events::new(bad, total).expect("counts")
    }

    #[test]
    fn worse_is_twice_the_failures_or_half_the_successes_and_proven() {
        for (before, since, expected) in [
            // A migrated schema: 20 % before, 95 % since.
            ((240.0, 1200.0), (1140.0, 1200.0), true),
            // From bad to nothing at all: failures cannot double any more, successes are gone.
            ((720.0, 1200.0), (1200.0, 1200.0), true),
            ((960.0, 1200.0), (1200.0, 1200.0), true),
            // As bad as before, a little worse, or better.
            ((240.0, 1200.0), (240.0, 1200.0), false),
            ((240.0, 1200.0), (360.0, 1200.0), false),
            ((240.0, 1200.0), (60.0, 1200.0), false),
            ((1200.0, 1200.0), (1200.0, 1200.0), false),
            // Hardly anything worked before, so nothing was lost.
            ((1150.0, 1200.0), (1200.0, 1200.0), false),
            // Doubled, and within the limit.
            ((1.0, 1200.0), (11.0, 1200.0), false),
            // Too few events, before or since.
            ((10.0, 49.0), (1140.0, 1200.0), false),
            ((240.0, 1200.0), (40.0, 42.0), false),
            // So few that a cluster or two explain them.
            ((10.0, 50.0), (24.0, 50.0), false),
            ((5.0, 200.0), (45.0, 200.0), false),
        ] {
            let (before, since) = (events(before.0, before.1), events(since.0, since.1));
            assert_eq!(
                got_worse(since, before, 0.01, &RULE),
                expected,
                "{before:?} {since:?}"
            );
        }
    }

    #[test]
    fn more_failures_never_make_it_less_worse() {
        let before = events(240.0, 1200.0);
        let mut was_worse = false;
        for bad in 0..=1200 {
            let is_worse = got_worse(events(f64::from(bad), 1200.0), before, 0.01, &RULE);
            assert!(is_worse || !was_worse, "{bad}");
            was_worse = is_worse;
        }
        assert!(was_worse);
    }

    #[test]
    fn a_young_burn_is_as_bad_as_its_end() {
        let slice = |bad: f64| Events::new(bad, 100.0);
        let young = [
            slice(0.0),
            slice(0.0),
            slice(0.0),
            slice(90.0),
            slice(100.0),
        ];
        assert_eq!(worst_end(&young, 1, 50), slice(100.0));
        assert_eq!(worst_end(&young, 1, 150), Some(events(190.0, 200.0)));
        // Overlapping slices count once.
        assert_eq!(worst_end(&young, 2, 150), Some(events(100.0, 200.0)));
        assert_eq!(worst_end(&young, 1, 501), None);
        assert_eq!(worst_end(&[None, None], 1, 1), None);
        assert_eq!(worst_end(&[slice(7.0), None], 1, 50), slice(7.0));
    }
}
