//! What was seen live decides, and what nobody saw is not guessed.

use super::super::super::{TipSighting, Witness};
use super::*;

/// Returns the case as passes saw it: each sighting by its change, first and last minute ago.
fn seeing(mut case: Case, seen: &[(&str, i64, i64)]) -> Case {
    let sightings: Vec<TipSighting> = seen
        .iter()
        .map(|(change, first, last)| TipSighting {
            change: Some((*change).to_owned()),
            first_seen: ago(minutes(*first)),
            last_seen: ago(minutes(*last)),
        })
        .collect();
    let known = case.timeline().clone().as_seen(&sightings);
    case.branch = BranchReading::Known(known);
    case
}

/// A bad release with a date of five days ago; the burn began 20 minutes ago.
fn pushed_late() -> Case {
    case().changes(vec![change("bad", days(5)), change("good", days(9))])
}

#[test]
fn an_old_commit_is_blamed_for_what_began_when_it_arrived() {
    let seen = seeing(pushed_late(), &[("good", 300, 22), ("bad", 17, 0)]);
    let decision = seen.decide();
    assert_eq!(decision.reason, Reason::Trigger, "{}", decision.detail);
    assert_eq!(seen.timeline().witness, Witness::Tip);
    assert_eq!(pushed_late().decide().reason, Reason::NotAttributable);
}

#[test]
fn a_burn_that_began_while_nobody_looked_is_nobodys() {
    for (last, first, is_blamed) in [
        (30, 16, true),
        (40, 15, false),
        (40, 21, true),
        (90, 21, false),
    ] {
        let seen = seeing(pushed_late(), &[("good", 300, last), ("bad", first, 0)]);
        let decision = seen.decide();
        let expected = match is_blamed {
            true => Reason::Trigger,
            false => Reason::NotAttributable,
        };
        assert_eq!(
            decision.reason, expected,
            "{last} {first}: {}",
            decision.detail
        );
        assert_eq!(
            decision.detail.contains("nobody looked"),
            !is_blamed,
            "{}",
            decision.detail
        );
    }
}

#[test]
fn what_was_never_live_is_not_blamed_for_what_began_after_its_date() {
    // By its date the older one of two that came together lies right before the burn.
    let together = |dead: i64| {
        case().changes(vec![
            change("late", minutes(15)),
            change("dead", minutes(dead)),
            change("good", days(9)),
        ])
    };
    assert_eq!(together(20).decide().reason, Reason::Trigger);
    let seen = seeing(together(20), &[("good", 300, 16), ("late", 14, 0)]);
    let decision = seen.decide();
    assert_eq!(
        decision.reason,
        Reason::NotAttributable,
        "{}",
        decision.detail
    );
}

#[test]
fn what_was_live_when_the_watch_began_is_not_blamed_after_an_hour() {
    let young = seeing(case(), &[("bad", 15, 0)]);
    assert_eq!(young.decide().reason, Reason::Trigger);
    let decision = seeing(case(), &[("bad", 65, 0)]).decide();
    assert_eq!(decision.reason, Reason::NotAttributable);
    assert!(
        decision.detail.contains("was live already"),
        "{}",
        decision.detail
    );
}

#[test]
fn what_was_pushed_together_with_the_bad_release_is_no_target_and_counts_for_nothing() {
    let changes = vec![
        change("bad", minutes(20)),
        change("part", days(2)),
        change("other part", days(3)),
        change("good", days(9)),
    ];
    let together = case()
        .changes(changes)
        .settings(|s| s.max_revisions_back = 1);
    assert_eq!(target(&together).as_deref(), Some("part"));
    let seen = seeing(together, &[("good", 600, 22), ("bad", 18, 0)]);
    assert_eq!(target(&seen).as_deref(), Some("good"));
}

#[test]
fn dates_are_not_enough_where_seeing_is_required_whatever_else_is_switched_off() {
    let strict = case().settings(|s| {
        s.require_seen_live = true;
        s.require_attribution = false;
    });
    let decision = strict.decide();
    assert_eq!(decision.reason, Reason::NotAttributable);
    assert!(
        decision.detail.contains("REQUIRE_SEEN_LIVE"),
        "{}",
        decision.detail
    );
    let seen = seeing(strict, &[("good", 300, 22), ("bad", 18, 0)]);
    assert_eq!(seen.decide().reason, Reason::Trigger);
}
