//! What waits for a person's word, and what a release lets through.

use super::*;
use crate::policy::reason::Reason;
use crate::policy::{PastRollback, Phase};

fn asking() -> Case {
    case().settings(|settings| settings.require_approval = true)
}

/// What the plan of [`case`] looks like in the memory.
fn of_this_plan(outcome: Phase) -> PastRollback {
    let plan = plan(&case().decide()).expect("a rollback").clone();
    PastRollback {
        id: "asked".to_owned(),
        from: plan.from,
        from_state: Some(plan.from_state),
        to: plan.to,
        attempted: false,
        ..past("x", "y", minutes(5), outcome)
    }
}

/// The same, once a person agreed to it.
fn approved() -> PastRollback {
    PastRollback {
        is_approved: true,
        ..of_this_plan(Phase::Awaiting)
    }
}

#[test]
fn asks_where_a_persons_word_is_all_that_is_missing() {
    let decision = asking().decide();
    assert_eq!(decision.reason, Reason::AwaitingApproval);
    let wanted = plan(&case().decide()).cloned();
    assert_eq!(
        Action::AwaitApproval(wanted.clone().expect("a plan")),
        decision.action
    );
    assert_eq!(decision.plan, wanted);
}

#[test]
fn asks_nobody_where_something_else_holds_too() {
    for (reason, held) in [
        (
            Reason::AwaitingApproval,
            asking().settings(|s| s.by_itself = ByItself::No),
        ),
        (Reason::Blackout, asking().blackout("Wed 00:00-24:00 UTC")),
        (
            Reason::Cooldown,
            asking().past(past("x", "y", minutes(10), Phase::Recovered)),
        ),
    ] {
        let decision = held.decide();
        assert_eq!((decision.action, decision.reason), (Action::Hold, reason));
    }
}

#[test]
fn goes_once_a_person_agreed_to_this_very_plan() {
    let decision = asking().past(approved()).decide();
    assert_eq!(decision.reason, Reason::Trigger, "{:#?}", decision.gates);
    assert!(matches!(decision.action, Action::RollBack(_)));

    let waiting = asking().past(of_this_plan(Phase::Awaiting)).decide();
    assert!(matches!(waiting.action, Action::AwaitApproval(_)));

    let another = PastRollback {
        to: "another".to_owned(),
        ..approved()
    };
    let decision = asking().past(another).decide();
    assert!(matches!(decision.action, Action::AwaitApproval(_)));
}

#[test]
fn an_agreement_overrides_no_other_gate() {
    let agreed = asking().past(approved());
    let decision = agreed.blackout("Wed 00:00-24:00 UTC").decide();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Hold, Reason::Blackout)
    );
}

#[test]
fn what_waits_does_not_count_for_the_limits_and_holds_no_revision() {
    let waiting = of_this_plan(Phase::Awaiting);
    let decision = case().past(waiting).decide();
    assert!(
        matches!(decision.action, Action::RollBack(_)),
        "{:#?}",
        decision.gates
    );
}

#[test]
fn what_came_back_is_not_taken_away_again_before_its_release() {
    let once = PastRollback {
        // It went back to another revision: it is another pair, and the same robot that undoes what this program does.
        from: "an earlier commit of the same content".to_owned(),
        to: "older".to_owned(),
        begun_at: ago(hours(30)),
        ..of_this_plan(Phase::Recovered)
    };
    let released = PastRollback {
        is_released: true,
        ..once.clone()
    };
    let held = case().past(once).decide();
    let found = (held.action, held.reason);
    assert_eq!(
        found,
        (Action::Hold, Reason::BreakerOpen),
        "{:#?}",
        held.gates
    );
    assert!(held.detail.contains("`release asked`"), "{}", held.detail);
    let free = case().past(released).decide();
    assert_eq!(free.reason, Reason::Trigger, "{:#?}", free.gates);
}

#[test]
fn a_release_closes_the_breaker_and_lets_a_refused_plan_be_asked_again() {
    let broken = past("x", "y", minutes(15), Phase::Ineffective);
    let refused = of_this_plan(Phase::Rejected);
    for (reason, held) in [(Reason::BreakerOpen, broken), (Reason::Rejected, refused)] {
        let released = PastRollback {
            is_released: true,
            ..held.clone()
        };
        let unlimited = || {
            case().settings(|settings| {
                settings.cooldown = minutes(1);
                settings.max_per_hour = 9;
            })
        };
        assert_eq!(unlimited().past(held).decide().reason, reason);
        assert_eq!(unlimited().past(released).decide().reason, Reason::Trigger);
    }
}
