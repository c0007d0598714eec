//! Who has to agree.

use chrono::{DateTime, Duration, Utc};

use super::super::history::{History, PastOutcome, PastRollback};
use super::super::plan::{Gate, GateName, Plan};
use super::super::reason::Reason;
use super::super::settings::Settings;
use super::super::text::span;

/// Looks whether a person has to agree, and whether one has said no to the same plan already.
pub(in crate::policy) fn approval(
    settings: &Settings,
    history: &History,
    plan: Option<&Plan>,
    now: DateTime<Utc>,
) -> Gate {
    let name = GateName::Approval;
    if let Some(refused) = plan.and_then(|plan| declined(settings, history, plan, now)) {
        return refused;
    }
    if settings.by_pull_request {
        return Gate::pass(name, "merging the pull request is the approval");
    }
    if settings.require_approval {
        return Gate::fail(
            name,
            Reason::AwaitingApproval,
            "REQUIRE_APPROVAL is true; roll back by hand with `rollback gitops`",
        );
    }
    Gate::off(name)
}

/// A person's no to a revision lasts; a silence lasts for `COOLDOWN`.
fn declined(
    settings: &Settings,
    history: &History,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Option<Gate> {
    let is_same = |past: &&PastRollback| {
        past.from == plan.from || past.from_state.as_ref() == Some(&plan.from_state)
    };
    history.all().iter().rev().filter(is_same).find_map(|past| {
        let age = (now - past.begun_at).max(Duration::zero());
        let (reason, why) = match past.outcome {
            PastOutcome::Rejected => (
                Reason::Rejected,
                format!(
                    "rollback {} of the same revision was rejected {} ago; deploy another version, or roll back by hand",
                    past.id,
                    span(age)
                ),
            ),
            PastOutcome::Expired if age < settings.cooldown => (
                Reason::ApprovalExpired,
                format!(
                    "nobody agreed to rollback {} of {} ago; it is asked again after COOLDOWN",
                    past.id,
                    span(age)
                ),
            ),
            PastOutcome::Expired
            | PastOutcome::Unverified
            | PastOutcome::Recovered
            | PastOutcome::Ineffective
            | PastOutcome::Failed
            | PastOutcome::Superseded
            | PastOutcome::Proposed => return None,
        };
        Some(Gate::fail(GateName::Approval, reason, why))
    })
}
