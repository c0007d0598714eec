//! Each gate and their order.

use super::*;
use crate::policy::Undone;

#[test]
fn rolls_back_to_the_last_good_revision_when_every_gate_passes() {
    let decision = case().decide();
    assert_eq!(decision.reason, Reason::Trigger, "{:#?}", decision.gates);
    assert_eq!(gates_that(&decision, GateState::Pass).len(), 10);
    assert_eq!(
        decision.action,
        Action::RollBack(Plan {
            from: "bad".to_owned(),
            from_state: "state of bad".to_owned(),
            to: "good".to_owned(),
            to_state: "state of good".to_owned(),
            tip: "tip".to_owned(),
            deployed_at: ago(minutes(20)),
            suspect: "bad".to_owned(),
            tip_state: "state of bad".to_owned(),
            keeps: Vec::new(),
            undone: vec![Undone {
                revision: "bad".to_owned(),
                title: change("bad", minutes(20)).subject,
                author: String::new(),
                files: Vec::new(),
            }],
        })
    );
    let attribution = decision.attribution.expect("asked");
    assert_eq!(
        (attribution.suspect.as_str(), attribution.verdict),
        ("bad", Blame::Deployment)
    );
}

#[test]
fn each_gate_alone_holds_with_its_own_reason() {
    use GateName as G;
    let early = |outcome| PastRollback {
        attempted: false,
        ..past("x", "y", minutes(10), outcome)
    };
    let declined = |before, outcome| PastRollback {
        attempted: false,
        ..past("bad", "good", before, outcome)
    };
    let recovered = |before| past("x", "y", before, Phase::Recovered);
    let table = [
        (Reason::UnknownData, G::Data, unmeasured_coverage(case())),
        (Reason::NotBurning, G::Burning, spent_but_calm(case())),
        (
            Reason::WarningLevel,
            G::Severity,
            case().world(|world| {
                let mut slices = vec![Some(0.2); 11];
                slices[5] = Some(0.0);
                world.slices(&slices)
            }),
        ),
        (
            Reason::Disabled,
            G::Severity,
            case().settings(|s| s.auto_rollback_critical = false),
        ),
        (
            Reason::InsufficientTraffic,
            G::Significance,
            case().settings(|s| s.min_events = 30_000),
        ),
        (
            Reason::NotAttributable,
            G::Attribution,
            began_before_the_deployment(case()),
        ),
        (
            Reason::NoTarget,
            G::Target,
            case().changes(vec![change("bad", minutes(20))]),
        ),
        (
            Reason::TooManyRevisions,
            G::Target,
            case().settings(|s| s.max_revisions_back = 0),
        ),
        (
            Reason::AlreadyRolledBack,
            G::NotALoop,
            case().past(past("bad", "good", days(10), Phase::Recovered)),
        ),
        (
            Reason::IsARollback,
            G::NotALoop,
            case()
                .settings(|s| (s.cooldown, s.max_per_hour) = (Duration::zero(), 9))
                .changes(vec![
                    change("revert", minutes(20)).rolling_back("bad", "good"),
                    change("bad", hours(2)),
                    change("good", days(2)),
                    change("older", days(3)),
                ]),
        ),
        (
            Reason::DeploymentInProgress,
            G::NotALoop,
            case().past(early(Phase::Verifying)),
        ),
        (
            Reason::AwaitingApproval,
            G::NotALoop,
            case().past(early(Phase::Proposed)),
        ),
        (
            Reason::Rejected,
            G::Approval,
            case().past(declined(days(10), Phase::Rejected)),
        ),
        (
            Reason::ApprovalExpired,
            G::Approval,
            case().past(declined(minutes(59), Phase::Expired)),
        ),
        (
            Reason::BreakerOpen,
            G::NotALoop,
            case().past(early(Phase::Ineffective)),
        ),
        (
            Reason::BreakerOpen,
            G::NotALoop,
            case().past(early(Phase::Failed)),
        ),
        (
            Reason::Cooldown,
            G::Limits,
            case().past(recovered(minutes(59))),
        ),
        (
            Reason::HourlyLimit,
            G::Limits,
            case()
                .settings(|s| s.cooldown = Duration::zero())
                .past(recovered(minutes(59))),
        ),
        (
            Reason::DailyLimit,
            G::Limits,
            case()
                .past(recovered(hours(2)))
                .past(recovered(hours(12)))
                .past(recovered(hours(23))),
        ),
        (
            Reason::Blackout,
            G::Limits,
            case().blackout("Wed 11:00-12:01 UTC"),
        ),
        (
            Reason::Disabled,
            G::Enabled,
            case().settings(|s| s.by_itself = ByItself::No),
        ),
    ];
    for (reason, name, case) in table {
        let decision = case.decide();
        assert_eq!(decision.reason, reason, "{:#?}", decision.gates);
        assert_eq!(decision.action, Action::Hold, "{reason:?}");
        assert_eq!(gates_that(&decision, GateState::Fail), [name], "{reason:?}");
        assert_eq!(gate(&decision, name).detail, decision.detail, "{reason:?}");
    }
}

fn unmeasured_coverage(case: Case) -> Case {
    case.world(|world| world.but(|measurement| measurement.coverage = Reading::NoSeries))
}

fn began_before_the_deployment(case: Case) -> Case {
    case.errors_since(&[(days(40), 0.0002), (minutes(40), 0.2)])
}

#[test]
fn the_first_gate_that_fails_gives_the_reason_and_all_others_are_evaluated() {
    type Block = (Reason, fn(Case) -> Case);
    let blocks: [Block; 9] = [
        (Reason::UnknownData, unmeasured_coverage),
        (Reason::Disabled, |case| {
            case.settings(|s| s.auto_rollback_critical = false)
        }),
        (Reason::InsufficientTraffic, |case| {
            case.settings(|s| s.min_events = 30_000)
        }),
        (Reason::NotAttributable, began_before_the_deployment),
        (Reason::TooManyRevisions, |case| {
            case.settings(|s| s.max_revisions_back = 0)
        }),
        (Reason::BreakerOpen, |case| {
            let failed = past("x", "y", minutes(10), Phase::Failed);
            case.past(PastRollback {
                attempted: false,
                ..failed
            })
        }),
        (Reason::Blackout, |case| {
            case.blackout("Wed 00:00-24:00 UTC")
        }),
        (Reason::AwaitingApproval, |case| {
            case.settings(|s| s.require_approval = true)
        }),
        (Reason::Disabled, |case| {
            case.settings(|s| s.by_itself = ByItself::No)
        }),
    ];
    for first in 0..blocks.len() {
        let blocked = blocks[first..]
            .iter()
            .fold(case(), |case, (_, block)| block(case));
        let decision = blocked.decide();
        assert_eq!(decision.reason, blocks[first].0);
        assert_eq!(decision.action, Action::Hold);
        let failed = gates_that(&decision, GateState::Fail);
        // Where the data are not known nobody looks back, so two gates have no inputs.
        let blind = if first == 0 { 2 } else { 0 };
        assert_eq!(failed.len(), blocks.len() - first - blind, "{failed:?}");
    }
    let unlit = spent_but_calm(case()).settings(|s| s.auto_rollback_critical = false);
    assert_eq!(unlit.decide().reason, Reason::NotBurning);
}
