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
