//! Who has to agree.

use chrono::{DateTime, Duration, Utc};

use super::super::history::{History, PastRollback};
use super::super::lifecycle::Phase;
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
    if !settings.require_approval {
        return Gate::off(name);
    }
    let asked = plan.and_then(|plan| history.all().iter().rev().find(|past| is_of(past, plan)));
    match asked {
        Some(past) if past.is_approved => {
            Gate::pass(name, format!("a person agreed to {}", past.id))
        }
        Some(PastRollback { id, .. }) => Gate::fail(
            name,
            Reason::AwaitingApproval,
            format!("`approve {id}` lets it happen, `reject {id}` stops it"),
        ),
        None => Gate::fail(
            name,
            Reason::AwaitingApproval,
            "REQUIRE_APPROVAL is true, and nobody was asked yet",
        ),
    }
}

/// Tells whether somebody was asked about this very plan, and the question is open or answered with yes.
fn is_of(past: &PastRollback, plan: &Plan) -> bool {
    let is_same = past.from_state.as_ref() == Some(&plan.from_state);
    past.phase == Phase::Awaiting && is_same && past.from == plan.from && past.to == plan.to
}

/// A person's no to a revision lasts; a silence lasts for `COOLDOWN`.
fn declined(
    settings: &Settings,
    history: &History,
    plan: &Plan,
    now: DateTime<Utc>,
) -> Option<Gate> {
    let is_same = |past: &&PastRollback| {
        let is_same = past.from == plan.from || past.from_state.as_ref() == Some(&plan.from_state);
        is_same && !past.is_released
    };
    history.all().iter().rev().filter(is_same).find_map(|past| {
        let age = (now - past.begun_at).max(Duration::zero());
        let (reason, why) = match past.phase {
            Phase::Rejected => (
                Reason::Rejected,
                format!(
                    "rollback {} of the same revision was rejected {} ago; `release {}` lets it be asked again",
                    past.id,
                    span(age),
                    past.id
                ),
            ),
            Phase::Expired if age < settings.cooldown => (
                Reason::ApprovalExpired,
                format!(
                    "nobody agreed to rollback {} of {} ago; it is asked again after COOLDOWN",
                    past.id,
                    span(age)
                ),
            ),
            Phase::Expired
            | Phase::Awaiting
            | Phase::Begun
            | Phase::Proposed
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded => return None,
        };
        Some(Gate::fail(GateName::Approval, reason, why))
    })
}
