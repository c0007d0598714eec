//! Whether there is somewhere to go back to, and whether going there would be a loop.

use chrono::{DateTime, Duration, Utc};

use super::super::history::{History, PastOutcome};
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
    let again = plan.and_then(|plan| {
        history.all().iter().find(|past| {
            past.from == plan.from && past.to == plan.to && past.outcome != PastOutcome::Superseded
        })
    });
    match again {
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
    let last = history.newest()?;
    let broken = match last.outcome {
        PastOutcome::Failed => "failed",
        PastOutcome::Ineffective => "did not help",
        PastOutcome::Unverified | PastOutcome::Recovered | PastOutcome::Superseded => return None,
    };
    let newly_deployed = timeline
        .changes
        .first()
        .is_some_and(|newest| newest.rollback.is_none() && newest.committed_at > last.begun_at);
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
