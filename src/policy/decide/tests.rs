//! Every gate alone, their order, and what no combination may do.

use chrono::Duration;
use proptest::prelude::*;

use super::super::fixture::{Case, ago, case, change, gate, gates_that, now, past, timeline};
use super::super::{
    Action, Blame, BranchReading, Decision, End, GateName, GateState, History, PastOutcome,
    PastRollback, Plan, Reason, Wanted, decide_manual, needs_branch,
};
use crate::slo::Reading;
use crate::slo::fixture::world;

const MINUTE: Duration = Duration::minutes(1);
const HOUR: Duration = Duration::hours(1);
const DAY: Duration = Duration::days(1);

fn minutes(count: i64) -> Duration {
    Duration::minutes(count)
}

fn hours(count: i64) -> Duration {
    Duration::hours(count)
}

fn days(count: i64) -> Duration {
    Duration::days(count)
}

fn plan(decision: &Decision) -> Option<&Plan> {
    match &decision.action {
        Action::RollBack(plan) => Some(plan),
        Action::Nothing | Action::Hold => None,
    }
}

fn target(case: &Case) -> Option<String> {
    plan(&case.decide()).map(|plan| plan.to.clone())
}

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
    let recovered = |before| past("x", "y", before, PastOutcome::Recovered);
    let table = [
        (Reason::UnknownData, G::Data, unmeasured_coverage(case())),
        (Reason::NotBurning, G::Burning, spent_but_calm(case())),
        (
            Reason::WarningLevel,
            G::Severity,
            case().world(|world| world.errors(0.0)),
        ),
        (
            Reason::Disabled,
            G::Severity,
            case().settings(|s| s.auto_rollback_critical = false),
        ),
        (
            Reason::InsufficientTraffic,
            G::Significance,
            case().settings(|s| s.min_events = 1_000_000),
        ),
        (
            Reason::NotAttributable,
            G::Attribution,
            case().settings(|s| s.attribution_window = minutes(10)),
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
            case().past(past("bad", "good", days(10), PastOutcome::Recovered)),
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
            case().past(early(PastOutcome::Unverified)),
        ),
        (
            Reason::BreakerOpen,
            G::NotALoop,
            case().past(early(PastOutcome::Ineffective)),
        ),
        (
            Reason::BreakerOpen,
            G::NotALoop,
            case().past(early(PastOutcome::Failed)),
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
            Reason::AwaitingApproval,
            G::Approval,
            case().settings(|s| s.require_approval = true),
        ),
        (
            Reason::Disabled,
            G::Enabled,
            case().settings(|s| s.rollback_enabled = false),
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

fn spent_but_calm(case: Case) -> Case {
    case.world(|_| world().consumed(0.9))
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
            case.settings(|s| s.min_events = 1_000_000)
        }),
        (Reason::NotAttributable, |case| {
            case.settings(|s| s.attribution_window = MINUTE)
        }),
        (Reason::TooManyRevisions, |case| {
            case.settings(|s| s.max_revisions_back = 0)
        }),
        (Reason::BreakerOpen, |case| {
            let failed = past("x", "y", minutes(10), PastOutcome::Failed);
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
            case.settings(|s| s.rollback_enabled = false)
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
        assert_eq!(failed.len(), blocks.len() - first, "{failed:?}");
    }
    let unlit = spent_but_calm(case()).settings(|s| s.auto_rollback_critical = false);
    assert_eq!(unlit.decide().reason, Reason::NotBurning);
}

#[test]
fn a_healthy_service_needs_nothing_and_asks_no_repository() {
    let mut healthy = case().world(|_| world());
    assert!(!needs_branch(&healthy.world.assess(), &healthy.settings));
    healthy.branch = BranchReading::NotAsked;
    let decision = healthy.decide();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Nothing, Reason::Healthy)
    );
    assert_eq!(decision.attribution, None);
}

#[test]
fn a_warning_that_does_not_burn_is_held_not_healthy() {
    let decision = case().world(|_| world().consumed(0.6)).decide();
    assert_eq!(
        (decision.action, decision.reason),
        (Action::Hold, Reason::NotBurning)
    );
}

#[test]
fn nothing_is_done_without_a_repository() {
    let mut blind = case();
    for (branch, reason) in [
        (BranchReading::NotConfigured, Reason::NotAttributable),
        (BranchReading::NotAsked, Reason::UnknownData),
    ] {
        blind.branch = branch;
        let decision = blind.decide();
        assert_eq!((decision.action, decision.reason), (Action::Hold, reason));
    }
    blind.branch = BranchReading::NotConfigured;
    blind.settings.require_attribution = false;
    assert_eq!(blind.decide().action, Action::Hold);
}

#[test]
fn a_gate_that_is_switched_off_passes_and_says_so() {
    let off = |decision: &Decision, name| {
        let gate = gate(decision, name);
        (gate.state, gate.detail.clone()) == (GateState::Pass, "off".to_owned())
    };
    assert!(off(&case().decide(), GateName::Approval));

    let blamed = case()
        .deployed(hours(9))
        .settings(|s| s.require_attribution = false);
    let decision = blamed.decide();
    assert!(off(&decision, GateName::Attribution));
    assert_eq!(plan(&decision).map(|plan| plan.from.as_str()), Some("bad"));
    let found = decision.attribution.as_ref().map(|found| found.verdict);
    assert_eq!(found, Some(Blame::NotDeployment));

    let level = spent_but_calm(case()).settings(|s| s.require_active_burn = false);
    let decision = level.decide();
    assert!(off(&decision, GateName::Burning));
    assert_eq!(decision.reason, Reason::Trigger);
}

#[test]
fn without_a_burn_the_level_alone_decides_only_from_critical_on_and_with_coverage() {
    let at = |consumed: f64, coverage: f64| {
        let calm = case().world(|_| world().consumed(consumed).covered(coverage));
        calm.settings(|s| s.require_active_burn = false)
            .decide()
            .reason
    };
    assert_eq!(at(0.79, 1.0), Reason::NotBurning);
    assert_eq!(at(0.8, 1.0), Reason::Trigger);
    assert_eq!(at(0.8, 0.89), Reason::NotBurning);
    assert_eq!(at(0.2, 1.0), Reason::Healthy);
}

#[test]
fn each_level_has_its_own_switch() {
    let table = [
        // consumed, critical, emergency, reason
        (0.6, true, false, Reason::Trigger),
        (0.6, false, true, Reason::Disabled),
        (0.9, true, false, Reason::Trigger),
        (0.9, false, true, Reason::Disabled),
        (0.96, false, true, Reason::Trigger),
        (0.96, true, false, Reason::Disabled),
    ];
    for (consumed, critical, emergency, reason) in table {
        let decision = case()
            .world(|world| world.consumed(consumed))
            .settings(|s| {
                (s.auto_rollback_critical, s.auto_rollback_emergency) = (critical, emergency);
            })
            .decide();
        assert_eq!(decision.reason, reason, "{consumed} {critical} {emergency}");
    }
}

#[test]
fn below_the_critical_level_only_the_violation_is_proof() {
    // The errors of the windows prove a fast burn, but what makes it severe are 20 slow requests.
    let slow =
        crate::slo::Histogram::from_cumulative([(1.0, 9.0), (2.0, 10.0), (f64::INFINITY, 10.0)]);
    let flimsy = |consumed: f64| {
        case()
            .world(|world| {
                world.errors(0.0).consumed(consumed).but(|measurement| {
                    measurement.latency = Reading::Measured(vec![slow.clone(); 11])
                })
            })
            .decide()
    };
    assert_eq!(flimsy(0.6).reason, Reason::InsufficientTraffic);
    assert_eq!(flimsy(0.9).reason, Reason::Trigger);
}

#[test]
fn too_few_bad_events_are_no_proof() {
    // 6 of 60 requests in the slices, 4 of 50 in the windows.
    let few = |measurement: &mut crate::slo::Measurement| {
        let minute = crate::slo::Events::new(1.0, 10.0);
        measurement.slices = Reading::Measured(vec![minute; 11]);
        measurement.m5 = Reading::Measured(crate::slo::Events::new(4.0, 50.0).expect("events"));
        measurement.m30 = measurement.m5.clone();
    };
    let decision = case()
        .world(|world| world.but(few))
        .settings(|s| s.min_bad_events = 7)
        .decide();
    assert_eq!(
        gate(&decision, GateName::Significance).reason,
        Some(Reason::InsufficientTraffic)
    );
}

#[test]
fn a_deployment_is_blamed_only_within_the_window() {
    let at = |before: Duration| gate(&recently(before).decide(), GateName::Attribution).state;
    // 20 % errors for as long as the deployment is old.
    fn recently(before: Duration) -> Case {
        let share = |minutes: f64| {
            let minutes_bad = before.num_seconds().max(0) as f64 / 60.0;
            0.0002 + 0.2 * (minutes_bad / minutes).min(1.0)
        };
        case().deployed(before).world(|world| {
            world
                .errors(0.0)
                .windows([share(5.0), share(30.0), share(60.0), share(360.0)])
        })
    }
    for (before, state) in [
        (Duration::seconds(-61), GateState::Fail),
        (Duration::seconds(90), GateState::Pass),
        (minutes(3), GateState::Pass),
        (minutes(5), GateState::Pass),
        (minutes(17), GateState::Pass),
        (minutes(30), GateState::Pass),
        (minutes(45), GateState::Pass),
        (minutes(60), GateState::Pass),
        (minutes(60) + Duration::seconds(1), GateState::Fail),
    ] {
        assert_eq!(at(before), state, "{before}");
    }
}

#[test]
fn a_burn_that_began_before_the_deployment_is_not_its_fault() {
    let verdict = |case: Case| {
        let attribution = case.decide().attribution.expect("asked");
        (attribution.verdict, attribution.why)
    };
    let bad = Some(0.2);
    let good = Some(0.0);
    let table = [
        (
            "violated for longer",
            case().deployed(minutes(2)),
            Blame::NotDeployment,
        ),
        (
            "violated for as long, within a minute",
            case()
                .deployed(minutes(4))
                .world(|w| w.windows([0.16, 0.027, 0.0136, 0.0025])),
            Blame::Deployment,
        ),
        (
            "seen to begin before",
            case()
                .deployed(minutes(8))
                .world(|w| w.slices(&[vec![good; 5], vec![bad; 20]].concat())),
            Blame::NotDeployment,
        ),
        (
            "bad for hours",
            case().world(|w| w.windows([0.2; 4])),
            Blame::NotDeployment,
        ),
        (
            "bad for 50 minutes, deployed 20 minutes ago",
            case().world(|w| w.windows([0.2, 0.2, 0.167, 0.028])),
            Blame::NotDeployment,
        ),
        (
            "bad for 29 minutes, deployed 6 minutes ago",
            case()
                .deployed(minutes(6))
                .world(|w| w.windows([0.2, 0.193, 0.097, 0.0163])),
            Blame::NotDeployment,
        ),
        (
            "bad for an hour, deployed 10 seconds ago",
            case()
                .deployed(Duration::seconds(10))
                .world(|w| w.errors(0.0).windows([0.2, 0.004, 0.03, 0.006])),
            Blame::NotDeployment,
        ),
        (
            "not doubled",
            case().world(|w| w.windows([0.02, 0.02, 0.0155, 0.01]).errors(0.02)),
            Blame::NotDeployment,
        ),
    ];
    for (name, case, expected) in table {
        let (verdict, why) = verdict(case);
        assert_eq!(verdict, expected, "{name}: {why}");
    }
}

#[test]
fn what_was_before_must_have_been_measured() {
    // The service counts its first events after the deployment.
    let newborn = |slices: &[Option<f64>]| {
        let first = |measurement: &mut crate::slo::Measurement| {
            measurement.m30 = measurement.m5.clone();
            measurement.h1 = measurement.m5.clone();
            measurement.h6 = measurement.m5.clone();
        };
        let case = case().world(|world| world.slices(slices).but(first));
        case.decide().attribution.map(|found| found.verdict)
    };
    assert_eq!(newborn(&[Some(0.2); 11]), Some(Blame::Unknown));
    let began = [vec![Some(0.0); 3], vec![Some(0.2); 11]].concat();
    assert_eq!(newborn(&began), Some(Blame::Deployment));
}

#[test]
fn slow_requests_are_blamed_only_when_they_were_seen_to_begin() {
    let slow = |shares: &[Option<f64>]| {
        let case = case().world(|_| world().consumed(0.6).slow(shares));
        let decision = case.decide();
        (
            decision.reason,
            decision.attribution.map(|found| found.verdict),
        )
    };
    let blind = slow(&[Some(0.1); 11]);
    assert_eq!(blind, (Reason::NotAttributable, Some(Blame::Unknown)));
    let began = slow(&[vec![Some(0.0); 9], vec![Some(0.1); 31]].concat());
    assert_eq!(began, (Reason::Trigger, Some(Blame::Deployment)));
    let earlier = slow(&[vec![Some(0.0); 9], vec![Some(0.1); 45]].concat());
    assert_eq!(
        earlier,
        (Reason::NotAttributable, Some(Blame::NotDeployment))
    );
}

#[test]
fn goes_back_to_the_newest_revision_that_is_not_on_hold() {
    let changes = |names: &[&str]| {
        let mut before = minutes(20);
        names
            .iter()
            .map(|name| {
                before += DAY;
                change(name, before - DAY)
            })
            .collect::<Vec<_>>()
    };
    let recovered = |from: &str, to: &str| past(from, to, days(10), PastOutcome::Recovered);
    let table = [
        (
            "the one before",
            case().changes(changes(&["c", "b", "a"])),
            Some("b"),
        ),
        (
            "skips one that was rolled back",
            case()
                .changes(changes(&["c", "b", "a"]))
                .past(recovered("b", "z")),
            // `z` is not in sight, so all below `b` may lie between them.
            None,
        ),
        (
            "skips one that was rolled back to a known one",
            case()
                .changes(changes(&["c", "b", "a"]))
                .past(recovered("b", "a")),
            Some("a"),
        ),
        (
            "skips what lies between",
            case()
                .changes(changes(&["d", "c", "b", "a"]))
                .past(recovered("c", "a")),
            Some("a"),
        ),
        (
            "skips equal content",
            case().changes(vec![
                change("c", minutes(20)),
                change("b", DAY).with_state_of("c"),
                change("a", days(2)),
            ]),
            Some("a"),
        ),
        (
            "skips content that was rolled back under another name",
            case()
                .changes(vec![
                    change("d", minutes(20)),
                    change("c", DAY).with_state_of("b"),
                    change("a", days(2)),
                ])
                .past(recovered("b", "a")),
            Some("a"),
        ),
        (
            "a superseded rollback holds nothing",
            case().changes(changes(&["c", "b", "a"])).past(past(
                "b",
                "a",
                days(10),
                PastOutcome::Superseded,
            )),
            Some("b"),
        ),
        (
            "restores what a rollback restored",
            case().changes(vec![
                change("c", minutes(20)),
                change("revert", days(2)).rolling_back("b", "a"),
                change("b", days(3)),
                change("a", days(4)),
            ]),
            Some("revert"),
        ),
    ];
    for (name, case, expected) in table {
        assert_eq!(target(&case).as_deref(), expected, "{name}");
    }
}

#[test]
fn counts_deployments_back_with_those_it_skips() {
    let back = |max: u32| {
        let held = past("b", "a", days(10), PastOutcome::Recovered);
        let case = case()
            .changes(vec![
                change("c", minutes(20)),
                change("b", DAY),
                change("a", days(2)),
            ])
            .past(held)
            .settings(|s| s.max_revisions_back = max);
        case.decide().reason
    };
    assert_eq!(back(1), Reason::TooManyRevisions);
    assert_eq!(back(2), Reason::Trigger);
}

#[test]
fn says_why_the_history_holds_no_target() {
    let table = [
        (End::Root, "the branch holds no earlier state"),
        (End::Enough, "none of the last 1 changes"),
        (End::DepthLimit, "the history that may be fetched ends"),
    ];
    for (end, why) in table {
        let mut lonely = case();
        let mut known = timeline(vec![change("bad", minutes(20))]);
        known.end = end;
        lonely.branch = BranchReading::Known(known);
        let decision = lonely.decide();
        assert_eq!(decision.reason, Reason::NoTarget);
        assert!(decision.detail.starts_with(why), "{}", decision.detail);
        assert_eq!(
            gate(&decision, GateName::NotALoop).state,
            GateState::NotChecked
        );
    }
}

#[test]
fn a_branch_that_contradicts_itself_has_no_target() {
    let mut torn = case();
    let mut known = torn.timeline().clone();
    known.tip_state = "something else".to_owned();
    torn.branch = BranchReading::Known(known);
    assert_eq!(torn.decide().reason, Reason::NoTarget);
}

#[test]
fn the_same_content_is_not_rolled_back_twice_under_new_commits() {
    // `bad` was rolled back to `good`; a robot committed it again as `again`.
    let again = case().changes(vec![
        change("again", minutes(20)).with_state_of("bad"),
        change("revert", days(2)).rolling_back("bad", "good"),
        change("bad", days(3)),
        change("good", days(4)),
    ]);
    assert_eq!(again.decide().reason, Reason::AlreadyRolledBack);
    let superseded = case().past(past("bad", "good", days(10), PastOutcome::Superseded));
    assert_eq!(superseded.decide().reason, Reason::Trigger);
    // What lies between is on hold, so going there again would be the same pair.
    let elsewhere = case().past(past("bad", "older", days(10), PastOutcome::Recovered));
    assert_eq!(elsewhere.decide().reason, Reason::AlreadyRolledBack);
}

#[test]
fn the_breaker_closes_with_a_new_deployment_or_after_a_day() {
    let state = |case: Case| {
        let decision = case
            .settings(|s| (s.cooldown, s.max_per_hour) = (Duration::zero(), 9))
            .decide();
        gate(&decision, GateName::NotALoop).reason
    };
    let broken = |before| past("x", "y", before, PastOutcome::Ineffective);
    let open = Some(Reason::BreakerOpen);
    let old = |case: Case| case.deployed(days(2));
    assert_eq!(state(case().past(broken(minutes(21)))), None);
    assert_eq!(state(case().past(broken(minutes(19)))), open);
    assert_eq!(state(old(case()).past(broken(DAY - MINUTE))), open);
    assert_eq!(state(old(case()).past(broken(DAY))), None);
    // A clock that went back keeps it open.
    assert_eq!(state(case().past(broken(-HOUR))), open);
    // One that changed nothing does not close it.
    let nothing = past("v", "w", minutes(18), PastOutcome::Superseded);
    assert_eq!(state(case().past(broken(minutes(19))).past(nothing)), open);
    // A rollback is not a deployment.
    let reverted = case()
        .past(PastRollback {
            id: "r-revert".to_owned(),
            ..broken(minutes(21))
        })
        .changes(vec![
            change("revert", minutes(20)).rolling_back("bad", "good"),
            change("bad", HOUR),
            change("good", DAY),
        ]);
    assert_eq!(state(reverted), open);
    // A committer's clock that runs ahead does not make the revision that failed, or its content, a new one.
    let failed = past("bad", "good", minutes(21), PastOutcome::Failed);
    assert_eq!(state(case().past(failed.clone())), open);
    let renamed = case().past(failed).changes(vec![
        change("again", minutes(20)).with_state_of("bad"),
        change("good", days(2)),
    ]);
    assert_eq!(state(renamed), open);
}

#[test]
fn limits_end_on_time_and_no_clock_frees_them() {
    let at = |before: Duration| past("x", "y", before, PastOutcome::Recovered);
    let hourly = |case: Case| case.settings(|s| s.cooldown = Duration::zero());
    let daily = |last: Duration| case().past(at(hours(2))).past(at(hours(3))).past(at(last));
    let table = [
        ("cooldown", case().past(at(minutes(59))), Reason::Cooldown),
        (
            "cooldown over",
            case().past(at(minutes(60))),
            Reason::Trigger,
        ),
        ("cooldown ahead", case().past(at(-HOUR)), Reason::Cooldown),
        (
            "hour",
            hourly(case()).past(at(minutes(59))),
            Reason::HourlyLimit,
        ),
        (
            "hour over",
            hourly(case()).past(at(minutes(60))),
            Reason::Trigger,
        ),
        (
            "hour ahead",
            hourly(case()).past(at(-days(9))),
            Reason::HourlyLimit,
        ),
        ("day", daily(DAY - MINUTE), Reason::DailyLimit),
        ("day over", daily(DAY), Reason::Trigger),
        (
            "none allowed",
            case().settings(|s| s.max_per_day = 0),
            Reason::DailyLimit,
        ),
        (
            "one that never pushed",
            case().past(PastRollback {
                attempted: false,
                ..at(MINUTE)
            }),
            Reason::Trigger,
        ),
    ];
    for (name, case, reason) in table {
        assert_eq!(case.decide().reason, reason, "{name}");
    }
}

#[test]
fn the_branch_remembers_what_the_journal_lost() {
    let reverted = |before: Duration| {
        case().changes(vec![
            change("bad", minutes(20)),
            change("revert", before).rolling_back("worse", "good"),
            change("worse", days(2)),
            change("good", days(3)),
        ])
    };
    assert_eq!(reverted(minutes(50)).decide().reason, Reason::Cooldown);
    assert_eq!(reverted(hours(2)).decide().reason, Reason::Trigger);
    let unproven = reverted(minutes(21)).settings(|s| s.verify_deadline = minutes(30));
    assert_eq!(unproven.decide().reason, Reason::DeploymentInProgress);

    // The journal knows it, but died before it noted the push, or took it for superseded.
    let known = |outcome| PastRollback {
        id: "r-revert".to_owned(),
        attempted: false,
        ..past("worse", "good", minutes(50), outcome)
    };
    for outcome in [PastOutcome::Recovered, PastOutcome::Superseded] {
        let case = reverted(minutes(50)).past(known(outcome));
        assert_eq!(case.decide().reason, Reason::Cooldown, "{outcome:?}");
    }
    // The same rollback in both is one.
    let both = reverted(hours(2))
        .past(PastRollback {
            begun_at: ago(hours(2)),
            ..known(PastOutcome::Recovered)
        })
        .settings(|s| s.max_per_day = 2);
    assert_eq!(both.decide().reason, Reason::Trigger);
}

#[test]
fn an_emergency_overrides_the_blackout_only_where_that_is_allowed() {
    let at = |consumed: f64, coverage: f64, overrides: bool| {
        case()
            .blackout("Wed 12:00-13:00 UTC")
            .settings(|s| s.emergency_overrides_blackout = overrides)
            .world(|world| world.consumed(consumed).covered(coverage))
            .decide()
            .reason
    };
    assert_eq!(at(0.96, 1.0, false), Reason::Blackout);
    assert_eq!(at(0.96, 1.0, true), Reason::Trigger);
    assert_eq!(at(0.9, 1.0, true), Reason::Blackout);
    assert_eq!(at(0.96, 0.89, true), Reason::Blackout);
}

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
            case().settings(|s| s.rollback_enabled = false),
            Reason::Manual,
        ),
        (
            "cooldown",
            case().past(at(MINUTE, PastOutcome::Recovered)),
            Reason::Cooldown,
        ),
        (
            "blackout",
            case().blackout("Wed 00:00-24:00 UTC"),
            Reason::Blackout,
        ),
        (
            "breaker",
            case().past(at(MINUTE, PastOutcome::Ineffective)),
            Reason::BreakerOpen,
        ),
        (
            "unverified",
            case().past(at(days(9), PastOutcome::Unverified)),
            Reason::DeploymentInProgress,
        ),
        (
            "nothing older",
            case().changes(vec![change("bad", DAY)]),
            Reason::NoTarget,
        ),
        (
            "the same pair again",
            case().past(past("bad", "good", days(10), PastOutcome::Recovered)),
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

/// Anything that may happen to a case, one in a few at a time.
fn cases() -> impl Strategy<Value = Case> {
    let outcomes = prop::sample::select(vec![
        PastOutcome::Unverified,
        PastOutcome::Recovered,
        PastOutcome::Ineffective,
        PastOutcome::Failed,
        PastOutcome::Superseded,
    ]);
    let names = || prop::sample::select(vec!["e", "d", "c", "b", "a"]);
    let times = || prop_oneof![-70_i64..90, 0_i64..5000];
    let pasts = prop::collection::vec((names(), names(), times(), outcomes, any::<bool>()), 0..3);
    let changes = prop::collection::vec(
        (
            names(),
            times(),
            prop::option::weighted(0.1, (names(), names())),
        ),
        0..6,
    );
    let readings = (
        prop::option::weighted(0.2, 0_u8..6),
        0.0..1.5_f64,
        0.0..0.3_f64,
        0.8..1.0_f64,
    );
    let switches = prop::collection::vec(prop::bool::weighted(0.85), 8);
    (pasts, changes, readings, switches).prop_map(
        |(pasts, changes, (lost, consumed, errors, coverage), on)| {
            let mut built = case()
                .world(|world| world.consumed(consumed).covered(coverage).errors(errors))
                .settings(|s| {
                    s.rollback_enabled = on[0];
                    s.auto_rollback_critical = on[1];
                    s.auto_rollback_emergency = on[2];
                    s.require_approval = !on[3];
                    s.require_active_burn = on[4];
                    s.require_attribution = !on[5];
                    s.cooldown = if on[6] { Duration::zero() } else { HOUR };
                    s.max_per_hour = 2;
                });
            if on[7] {
                built = built.changes(
                    changes
                        .into_iter()
                        .map(|(name, before, mark)| {
                            let change = change(name, minutes(before));
                            match mark {
                                Some((from, to)) => change.rolling_back(from, to),
                                None => change,
                            }
                        })
                        .collect(),
                );
            }
            for (from, to, before, outcome, attempted) in pasts {
                built = built.past(PastRollback {
                    attempted,
                    ..past(from, to, minutes(before), outcome)
                });
            }
            built.world(|world| {
                world.but(|measurement| match lost {
                    Some(0) => measurement.m5 = Reading::NoTraffic,
                    Some(1) => {
                        measurement.h1 = Reading::Partial {
                            why: "a store is away".to_owned(),
                        }
                    }
                    Some(2) => measurement.freshness = Reading::NoSeries,
                    Some(3) => measurement.slices = Reading::NoSeries,
                    Some(4) => measurement.clock_skew = std::time::Duration::from_secs(121),
                    Some(_) => {
                        measurement.budget = Reading::Invalid {
                            why: "not a number".to_owned(),
                        }
                    }
                    None => {}
                })
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rolls_back_only_when_every_gate_passes_to_other_content_that_is_not_held(case in cases()) {
        let decision = case.decide();
        if let Some(plan) = plan(&decision) {
            prop_assert_eq!(gates_that(&decision, GateState::Pass).len(), decision.gates.len());
            prop_assert_eq!(decision.reason, Reason::Trigger);
            prop_assert!(case.world.assess().blocking_unknowns().next().is_none());
            let known = case.timeline();
            prop_assert_ne!(&plan.to_state, &known.tip_state);
            prop_assert_eq!(&plan.from_state, &known.tip_state);
            let history = History::new(case.past.clone()).joined_with(known, now(), case.settings.verify_deadline);
            prop_assert!(!history.is_rolled_back(&plan.to, &plan.to_state));
        } else {
            prop_assert_ne!(gates_that(&decision, GateState::Pass).len(), decision.gates.len());
        }
    }

    #[test]
    fn deciding_twice_is_the_same(case in cases()) {
        prop_assert_eq!(case.decide(), case.decide());
    }

    #[test]
    fn a_failing_gate_never_lets_a_later_one_decide(case in cases()) {
        let decision = case.decide();
        let first = decision.gates.iter().find(|gate| gate.state == GateState::Fail);
        if let Some(first) = first {
            prop_assert_eq!(Some(decision.reason), first.reason);
            prop_assert!(plan(&decision).is_none());
        }
    }

    #[test]
    fn one_more_rollback_behind_it_never_frees_a_decision(case in cases(), before in 0_i64..1440) {
        let more = case.clone().past(past("p", "q", minutes(before), PastOutcome::Recovered));
        let limited = |case: &Case| gate(&case.decide(), GateName::Limits).state == GateState::Fail;
        prop_assert!(limited(&more) || !limited(&case));
    }
}
