//! A person's rollback.

use super::*;

fn by_hand(case: &Case, wanted: Option<&str>) -> Decision {
    let wanted = wanted.map(|revision| Wanted {
        revision: revision.to_owned(),
        state: format!("state of {revision}"),
    });
    let history = History::new(case.past.clone());
    decide_manual(
        now(),
        case.timeline(),
        &history,
        &case.settings,
        wanted.as_ref(),
        None,
    )
}

#[test]
fn a_person_needs_no_trigger_but_limits_and_breaker_hold() {
    let at = |before, outcome| past("x", "y", before, outcome);
    let table = [
        ("free", case(), Reason::Manual),
        ("deployed long ago", case().deployed(DAY), Reason::Manual),
        (
            "switched off",
            case().settings(|s| s.by_itself = ByItself::No),
            Reason::Manual,
        ),
        (
            "cooldown",
            case().past(at(MINUTE, Phase::Recovered)),
            Reason::Cooldown,
        ),
        (
            "blackout",
            case().blackout("Wed 00:00-24:00 UTC"),
            Reason::Blackout,
        ),
        (
            "breaker",
            case().past(at(MINUTE, Phase::Ineffective)),
            Reason::BreakerOpen,
        ),
        (
            "unverified",
            case().past(at(days(9), Phase::Verifying)),
            Reason::DeploymentInProgress,
        ),
        (
            "nothing older",
            case().changes(vec![change("bad", DAY)]),
            Reason::NoTarget,
        ),
        (
            "the same pair again",
            case().past(past("bad", "good", days(10), Phase::Recovered)),
            Reason::Manual,
        ),
    ];
    for (name, case, reason) in table {
        let decision = by_hand(&case, None);
        assert_eq!(decision.reason, reason, "{name}: {:#?}", decision.gates);
        assert_eq!(
            plan(&decision).is_some(),
            reason == Reason::Manual,
            "{name}"
        );
    }
}

#[test]
fn a_person_gets_the_revision_they_want() {
    let decision = by_hand(&case(), Some("older"));
    assert_eq!(plan(&decision).map(|plan| plan.to.as_str()), Some("older"));
    // Also one that is on hold, and from a rollback.
    let held = case()
        .settings(|s| (s.cooldown, s.max_per_hour) = (Duration::zero(), 9))
        .changes(vec![
            change("revert", minutes(20)).rolling_back("bad", "good"),
            change("bad", HOUR),
            change("good", DAY),
        ]);
    let decision = by_hand(&held, Some("bad"));
    assert_eq!(plan(&decision).map(|plan| plan.to.as_str()), Some("bad"));
    // What is there already needs nothing.
    let decision = by_hand(&case(), Some("bad"));
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Hold, Reason::NoTarget)
    );
}
