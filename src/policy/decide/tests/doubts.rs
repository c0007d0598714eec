//! What is not known, or was counted by somebody else's clock, and what a decision makes of it.

use super::*;

#[test]
fn pods_that_could_not_be_asked_for_acquit_nobody_and_blame_nobody() {
    let why = || "too many samples".to_owned();
    for (reading, reason) in [
        (Reading::Refused { why: why() }, Reason::UnknownData),
        (Reading::Partial { why: why() }, Reason::UnknownData),
        // Nobody can tell the pods apart, which is an answer.
        (Reading::NoSeries, Reason::Trigger),
    ] {
        let mut blind = case();
        blind.story.no_pods = Some(reading);
        let decision = blind.decide();
        assert_eq!(decision.reason, reason, "{}", decision.detail);
    }
}

#[test]
fn a_revert_of_a_person_is_not_undone_together_with_what_came_after_it() {
    // `good` was put back and did not end the burn, so it is no cure; `config` came on top of it.
    let reverted = case().changes(vec![
        change("config", minutes(10)),
        change("revert", minutes(16)).with_state_of("good"),
        change("bad", minutes(21)),
        change("good", days(2)),
        change("older", days(5)),
    ]);
    let decision = reverted.decide();
    assert_eq!(decision.reason, Reason::IsARollback, "{}", decision.detail);
}

#[test]
fn a_committers_clock_that_runs_ahead_charges_nothing_to_the_revision_before() {
    // Deployed and burning for 20 minutes, committed 25 seconds later by the committer's clock.
    let ahead = minutes(20) - Duration::seconds(25);
    let outage = case()
        .deployed(ahead)
        .errors_since(&[(days(40), 0.0002), (minutes(20), 1.0)])
        .world(|world| world.windows([1.0, 0.66, 0.33, 0.06]).errors(1.0));
    let decision = outage.decide();
    assert_eq!(decision.reason, Reason::Trigger, "{}", decision.detail);

    let young = case().changes(vec![
        change("bad", ahead),
        change("good", minutes(55)),
        change("older", days(5)),
    ]);
    assert_eq!(target(&young).as_deref(), Some("good"));
}

#[test]
fn a_deployment_into_an_outage_without_metrics_is_not_blamed_for_what_shows_afterwards() {
    // All pods of `good` were gone for half an hour; `fix` brought some of them back.
    let silent_until = |until: Duration| {
        let mut dark = case().changes(vec![
            change("fix", minutes(22)),
            change("good", days(2)),
            change("older", days(5)),
        ]);
        dark.story.silent = vec![(minutes(50), until)];
        dark.decide()
    };
    let decision = silent_until(minutes(20));
    assert_eq!(
        decision.reason,
        Reason::NotAttributable,
        "{}",
        decision.detail
    );
    let verdict = decision.attribution.map(|found| found.verdict);
    assert_eq!(verdict, Some(Blame::Unknown));
    // It was back long before.
    assert_eq!(silent_until(minutes(40)).reason, Reason::Trigger);
}

#[test]
fn latency_that_cannot_be_read_does_not_stand_in_the_way_of_errors() {
    let why = || "the latency buckets contradict each other".to_owned();
    let unread = |mut case: Case| {
        case.story.no_latency = Some(Reading::Invalid { why: why() });
        case.decide().reason
    };
    assert_eq!(unread(case()), Reason::Trigger);
    let slow = case()
        .errors_since(&[(days(40), 0.0002)])
        .slow_since(&[(days(40), 0.001), (minutes(19), 0.1)])
        .world(|_| world().consumed(0.6).slow(&[Some(0.1); 11]));
    assert_eq!(unread(slow), Reason::UnknownData);
}

#[test]
fn a_budget_that_was_spent_earlier_is_not_the_fault_of_a_release_that_fails_no_more_often() {
    let level_alone = |since: f64| {
        spent_but_calm(case())
            .errors_since(&[(days(40), 0.0009), (minutes(20), since)])
            .settings(|s| s.require_active_burn = false)
            .decide()
            .reason
    };
    assert_eq!(level_alone(0.0), Reason::NotAttributable);
    assert_eq!(level_alone(0.0009), Reason::NotAttributable);
    assert_eq!(level_alone(0.005), Reason::Trigger);
}

#[test]
fn a_minute_of_errors_some_time_before_is_not_the_beginning_of_the_burn() {
    for (minute, ratio) in [(26, 0.1), (30, 0.1), (30, 1.0), (45, 0.3)] {
        let with = |good: Duration| {
            let blip = case()
                .changes(vec![
                    change("bad", minutes(20)),
                    change("good", good),
                    change("older", days(5)),
                ])
                .errors_since(&[
                    (days(40), 0.0002),
                    (minutes(minute), ratio),
                    (minutes(minute - 1), 0.0002),
                    (minutes(20), 0.2),
                ]);
            let suspect = blip.decide().attribution.expect("asked").suspect;
            (suspect, target(&blip))
        };
        let (_, long_ago) = with(days(2));
        // A full minute of outage is too much of the hour before.
        let expected = (ratio < 1.0).then_some("good");
        assert_eq!(long_ago.as_deref(), expected, "{minute} min, {ratio}");
        if minute >= 30 && ratio < 1.0 {
            // The pods of `good` came up with it.
            let (suspect, _) = with(minutes(minute) + Duration::seconds(20));
            assert_eq!(suspect, "bad", "{minute} min, {ratio}");
        }
    }
}

#[test]
fn whichever_answer_is_refused_nothing_is_rolled_back() {
    let without = |lost: usize| {
        let mut refused = case();
        refused.story.lost = Some(lost);
        refused.decide().reason
    };
    // A look, three stretches around the deployment, pods then and now, the life of `good` and of `older`.
    for lost in 0..8 {
        assert_eq!(without(lost), Reason::UnknownData, "answer {lost}");
    }
    assert_eq!(without(20), Reason::Trigger);
}
