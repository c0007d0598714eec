//! What a person does next, by the reason of a decision.

/// Returns the next step for a person, or nothing where none is needed.
pub(super) fn next_step(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "unknown_data" => "mend what is unknown below; until then judge by other means",
        "insufficient_traffic" => {
            "too little to be sure: look at the service; `rollback gitops` goes by your word"
        }
        "not_attributable" => {
            "look at dependencies and the platform, and freeze deployments until it is over"
        }
        "no_target" | "too_many_revisions" => {
            "choose a revision yourself: `rollback gitops --to REV`"
        }
        "conflict" => {
            "others changed the same files, or a secret is among them: repair it forward, or `rollback gitops --to REV`"
        }
        "already_rolled_back" => "find out who brought the bad revision back, and fix forward",
        "is_a_rollback" => "the rollback did not end the burn: look for another cause",
        "deployment_in_progress" => "the next run looks again",
        "breaker_open" => {
            "look why the last rollback did not help; the next deployment closes the breaker"
        }
        "cooldown" | "hourly_limit" | "daily_limit" => {
            "find out why so much is rolled back; a person's rollback obeys the same limits"
        }
        "blackout" => "the blackout holds rollbacks back: fix forward, or end it",
        "warning_level" | "not_burning" => {
            "nothing to roll back: keep risky changes back until the budget recovers"
        }
        "disabled" => "ROLLBACK_ENABLED and AUTO_ROLLBACK_* decide whether this is done",
        _ => return None,
    })
}
