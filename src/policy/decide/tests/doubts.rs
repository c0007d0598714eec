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
