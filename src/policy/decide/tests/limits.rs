//! Loops, breaker, limits, blackout.

use super::*;

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
    let superseded = case().past(past("bad", "good", days(10), Phase::Superseded));
    assert_eq!(superseded.decide().reason, Reason::Trigger);
    // What lies between is on hold, so going there again would be the same pair.
    let elsewhere = case().past(past("bad", "older", days(10), Phase::Recovered));
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
    let broken = |before| past("x", "y", before, Phase::Ineffective);
    let open = Some(Reason::BreakerOpen);
    let old = |case: Case| case.deployed(days(2));
    assert_eq!(state(case().past(broken(minutes(21)))), None);
    assert_eq!(state(case().past(broken(minutes(19)))), open);
    assert_eq!(state(old(case()).past(broken(DAY - MINUTE))), open);
    assert_eq!(state(old(case()).past(broken(DAY))), None);
    // A clock that went back keeps it open.
    assert_eq!(state(case().past(broken(-HOUR))), open);
    // One that changed nothing does not close it.
    let nothing = past("v", "w", minutes(18), Phase::Superseded);
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
    let failed = past("bad", "good", minutes(21), Phase::Failed);
    assert_eq!(state(case().past(failed.clone())), open);
    let renamed = case().past(failed).changes(vec![
        change("again", minutes(20)).with_state_of("bad"),
        change("good", days(2)),
    ]);
    assert_eq!(state(renamed), open);
}

#[test]
fn limits_end_on_time_and_no_clock_frees_them() {
    let at = |before: Duration| past("x", "y", before, Phase::Recovered);
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
    for outcome in [Phase::Recovered, Phase::Superseded] {
        let case = reverted(minutes(50)).past(known(outcome));
        assert_eq!(case.decide().reason, Reason::Cooldown, "{outcome:?}");
    }
    // The same rollback in both is one.
    let both = reverted(hours(2))
        .past(PastRollback {
            begun_at: ago(hours(2)),
            ..known(Phase::Recovered)
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

#[test]
fn a_no_is_about_one_revision_and_a_silence_lasts_for_the_cooldown() {
    let no = |from: &str| case().past(past(from, "good", days(10), Phase::Rejected));
    assert_eq!(no("bad").decide().reason, Reason::Rejected);
    assert_eq!(no("older").decide().reason, Reason::Trigger);
    // The same content under another commit.
    let mut again = past("picked", "good", days(10), Phase::Rejected);
    again.from_state = Some(case().timeline().changes[0].state.clone());
    assert_eq!(case().past(again).decide().reason, Reason::Rejected);

    let silence = |before| {
        case().past(PastRollback {
            attempted: false,
            ..past("bad", "good", before, Phase::Expired)
        })
    };
    assert_eq!(
        silence(minutes(59)).decide().reason,
        Reason::ApprovalExpired
    );
    assert_eq!(silence(minutes(61)).decide().reason, Reason::Trigger);
    // A clock that went backwards does not end it.
    assert_eq!(
        silence(minutes(-30)).decide().reason,
        Reason::ApprovalExpired
    );
}

#[test]
fn who_merges_approves() {
    let asked = case().settings(|s| s.require_approval = true);
    assert_eq!(asked.decide().reason, Reason::AwaitingApproval);
    let merged = asked.settings(|s| s.by_pull_request = true);
    assert_eq!(merged.decide().reason, Reason::Trigger);
}

#[test]
fn a_pull_request_counts_from_its_merge() {
    let merged = PastRollback {
        landed_at: Some(ago(minutes(15))),
        ..past("x", "y", minutes(130), Phase::Recovered)
    };
    assert_eq!(
        case().past(merged.clone()).decide().reason,
        Reason::Cooldown
    );
    let long_ago = PastRollback {
        landed_at: None,
        ..merged
    };
    assert_eq!(case().past(long_ago).decide().reason, Reason::Trigger);
}
