//! What a person does next, by the reason of a decision.

use crate::policy::Reason;

/// Returns the next step for a person, or nothing where none is needed.
pub(super) fn next_step(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::UnknownData => "repair what is unknown below; until then judge by other means",
        Reason::InsufficientTraffic => {
            "too little to be sure: look at the service; `rollback gitops` goes by your word"
        }
        Reason::NotSustained => {
            "it just began, is over, or comes and goes: the next runs tell; all numbers are in `status`"
        }
        Reason::NotAttributable => {
            "look at dependencies and the platform, and freeze deployments until it is over"
        }
        Reason::FleetWide => {
            "look at what the services share: the network, a database, the cluster, the metrics themselves"
        }
        Reason::NoTarget | Reason::TooManyRevisions => {
            "choose a revision yourself: `rollback gitops --to REV`"
        }
        Reason::Conflict => {
            "others changed the same files, or a secret is among them: repair it forward, or `rollback gitops --to REV`"
        }
        Reason::AlreadyRolledBack => "find out who brought the bad revision back, and fix forward",
        Reason::IsARollback => "the rollback did not end the burn: look for another cause",
        Reason::DeploymentInProgress => "the next run looks again",
        Reason::BranchNotFollowed => {
            "let the application and GITOPS_BRANCH name the same branch; until then roll back by hand"
        }
        Reason::BreakerOpen => {
            "look why the last rollback did not help; the next deployment closes the breaker"
        }
        Reason::Cooldown | Reason::HourlyLimit | Reason::DailyLimit => {
            "find out why so much is rolled back; a person's rollback obeys the same limits"
        }
        Reason::Blackout => "the blackout holds rollbacks back: fix forward, or end it",
        Reason::WarningLevel => {
            "it burns, though too little is spent and no SLO broken for long enough: look at the service"
        }
        Reason::NotBurning => {
            "nothing to roll back: keep risky changes back until the budget recovers"
        }
        Reason::Disabled => "ROLLBACK_ENABLED and AUTO_ROLLBACK_* decide whether this is done",
        Reason::Healthy
        | Reason::AwaitingApproval
        | Reason::ApprovalExpired
        | Reason::Rejected
        | Reason::RecoveredMeanwhile
        | Reason::Superseded
        | Reason::Manual
        | Reason::Trigger
        | Reason::Resumed => return None,
    })
}
