//! Whether there is somewhere to go back to, and whether going there would be a loop.

use chrono::{DateTime, Duration, Utc};

use super::super::history::{History, PastOutcome, PastRollback};
use super::super::plan::{Gate, GateName, Plan};
use super::super::reason::Reason;
use super::super::target::{NoTarget, short};
use super::super::timeline::Timeline;
use super::text::span;

/// How long a failed or ineffective rollback stops every automatic one, unless something new is deployed.
const BREAKER_OPEN_FOR: Duration = Duration::hours(24);

pub(in crate::policy) fn target(
    timeline: Option<&Timeline>,
    chosen: Option<&Result<Plan, NoTarget>>,
) -> Gate {
    let name = GateName::Target;
    match (timeline, chosen) {
        (Some(timeline), _) if newest_is_a_rollback(timeline) => {
            Gate::not_checked(name, "the newest change is itself a rollback")
        }
        (_, Some(Ok(plan))) => Gate::pass(
            name,
            format!("{} goes back to {}", short(&plan.from), short(&plan.to)),
        ),
        (_, Some(Err(no_target))) => Gate::fail(name, no_target.reason, no_target.why.clone()),
        (_, None) => Gate::not_checked(name, "the repository was not read"),
    }
}

pub(in crate::policy) fn not_a_loop(
    timeline: Option<&Timeline>,
    plan: Option<&Plan>,
    history: &History,
    now: DateTime<Utc>,
) -> Gate {
    let name = GateName::NotALoop;
    let Some(timeline) = timeline else {
        return Gate::not_checked(name, "the repository was not read");
    };
    if let Some(open) = breaker(timeline, history, now) {
        return open;
    }
    if let Some(mark) = timeline
        .changes
        .first()
        .and_then(|newest| newest.rollback.as_ref())
    {
        return Gate::fail(
            name,
            Reason::IsARollback,
            format!("the newest change is the rollback {}", mark.id),
        );
    }
    if let Some(unverified) = unverified(history) {
        return unverified;
    }
    let Some(plan) = plan else {
        return Gate::not_checked(name, "there is no target to compare with earlier rollbacks");
    };
    match again(timeline, plan, history) {
        Some(past) => Gate::fail(
            name,
            Reason::AlreadyRolledBack,
            format!(
                "rollback {} went back from the same revision to the same revision",
                past.id
            ),
        ),
        None => Gate::pass(name, "nothing here was rolled back before"),
    }
}

/// Returns the rollback that went from the same content back to the same content. A bad revision that somebody, or a robot,
/// commits again is the same pair, whatever its commits are called; where the old target cannot be looked up any more, it
/// is taken for the same.
fn again<'a>(timeline: &Timeline, plan: &Plan, history: &'a History) -> Option<&'a PastRollback> {
    let state_of = |revision: &str| {
        let change = timeline
            .changes
            .iter()
            .find(|change| change.revision == revision);
        change.map(|change| &change.state)
    };
    history.all().iter().find(|past| {
        let same_from =
            past.from == plan.from || past.from_state.as_ref() == Some(&plan.from_state);
        let same_to =
            past.to == plan.to || state_of(&past.to).is_none_or(|state| *state == plan.to_state);
        same_from && same_to && past.outcome != PastOutcome::Superseded
    })
}

/// The gate for a person: the breaker and an unverified rollback stop them too, their own judgement replaces the rest.
pub(in crate::policy) fn not_a_loop_manual(
    timeline: &Timeline,
    history: &History,
    now: DateTime<Utc>,
) -> Gate {
    breaker(timeline, history, now)
        .or_else(|| unverified(history))
        .unwrap_or_else(|| {
            Gate::pass(
                GateName::NotALoop,
                "no rollback is unverified, and the breaker is closed",
            )
        })
}

fn breaker(timeline: &Timeline, history: &History, now: DateTime<Utc>) -> Option<Gate> {
    // One that was superseded changed nothing, so it proves nothing of what came before it.
    let is_ours = |past: &&PastRollback| past.outcome != PastOutcome::Superseded;
    let last = history.all().iter().rev().find(is_ours)?;
    let broken = match last.outcome {
        PastOutcome::Failed => "failed",
        PastOutcome::Ineffective => "did not help",
        PastOutcome::Unverified | PastOutcome::Recovered | PastOutcome::Superseded => return None,
    };
    // A committer's clock may run ahead, so a later time alone does not make the revision that failed a new one.
    let newly_deployed = timeline.changes.first().is_some_and(|newest| {
        newest.rollback.is_none()
            && newest.committed_at > last.begun_at
            && newest.revision != last.from
            && last.from_state.as_ref() != Some(&newest.state)
    });
    (!newly_deployed && now - last.begun_at < BREAKER_OPEN_FOR).then(|| {
        Gate::fail(
            GateName::NotALoop,
            Reason::BreakerOpen,
            format!(
                "rollback {} {broken} {} ago: a person has to look; the breaker closes with the next deployment or after 24 h",
                last.id,
                span(now - last.begun_at)
            ),
        )
    })
}

fn unverified(history: &History) -> Option<Gate> {
    let past = history
        .all()
        .iter()
        .find(|past| past.outcome == PastOutcome::Unverified)?;
    Some(Gate::fail(
        GateName::NotALoop,
        Reason::DeploymentInProgress,
        format!("rollback {} is not verified yet", past.id),
    ))
}

fn newest_is_a_rollback(timeline: &Timeline) -> bool {
    timeline
        .changes
        .first()
        .is_some_and(|newest| newest.rollback.is_some())
}
