//! Where to go back to.

use super::*;

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
    let recovered = |from: &str, to: &str| past(from, to, days(10), Phase::Recovered);
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
                Phase::Superseded,
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
        let held = past("b", "a", days(10), Phase::Recovered);
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
fn goes_past_revisions_that_cannot_be_shown_to_have_been_healthy() {
    // 20 % errors since 20 minutes ago; the one before was live from 200 minutes ago.
    let with = |errors: &[(Duration, f64)], second: Duration| {
        case()
            .changes(vec![
                change("c", minutes(20)),
                change("b", second),
                change("a", days(3)),
            ])
            .errors_since(errors)
    };
    let calm = [(days(40), 0.0002), (minutes(20), 0.2)];
    let relapse = [
        (days(40), 0.0002),
        (minutes(190), 0.05),
        (minutes(100), 0.0002),
        (minutes(20), 0.2),
    ];
    let table = [
        (
            "the one before was healthy",
            with(&calm, minutes(200)),
            Some("b"),
            "",
        ),
        (
            "it was not",
            with(&relapse, minutes(200)),
            Some("a"),
            "b was not healthy: errors 2.",
        ),
        (
            "only chance would say that it was",
            {
                let mut case = with(
                    &[
                        (days(40), 0.0002),
                        (minutes(190), 0.008),
                        (minutes(20), 0.2),
                    ],
                    minutes(200),
                );
                case.story.rate = 0.2;
                case
            },
            Some("a"),
            "b was not healthy: errors 0.",
        ),
        (
            "it was live for too short a time",
            with(&calm, minutes(29)),
            Some("a"),
            "b was live for less than 30 min",
        ),
        (
            "nothing was counted in the life of the oldest",
            with(
                &[
                    (minutes(190), 0.05),
                    (minutes(100), 0.0002),
                    (minutes(20), 0.2),
                ],
                minutes(200),
            ),
            None,
            "a cannot be shown to have been healthy",
        ),
    ];
    for (name, case, expected, why) in table {
        let decision = case.decide();
        assert_eq!(target(&case).as_deref(), expected, "{name}: {decision:#?}");
        let detail = &gate(&decision, GateName::Target).detail;
        assert!(detail.contains(why), "{name}: {detail}");
        if expected.is_none() {
            assert_eq!(decision.reason, Reason::NoTarget);
        }
    }
}
