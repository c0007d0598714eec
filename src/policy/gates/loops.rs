//! Whether there is somewhere to go back to, and whether going there would be a loop.

use chrono::{DateTime, Duration, Utc};

use super::super::decide::Inputs;
use super::super::history::{History, PastRollback};
use super::super::lifecycle::Phase;
use super::super::plan::{Gate, GateName, Plan};
use super::super::reason::Reason;
use super::super::suspicion::cure;
use super::super::target::{NoTarget, Target, short};
use super::super::text::span;
use super::super::timeline::{Change, Timeline};
use super::{NOT_LOOKED_BACK, has_burned};

/// How long a failed or ineffective rollback stops every automatic one, unless something new is deployed.
const BREAKER_OPEN_FOR: Duration = Duration::hours(24);

pub(in crate::policy) fn target(
    timeline: Option<&Timeline>,
    blamed: usize,
    history: &History,
    chosen: Option<&Result<Target, NoTarget>>,
) -> Gate {
    let name = GateName::Target;
    if timeline.is_some_and(|timeline| rolls_back_already(timeline, blamed, history).is_some()) {
        return Gate::not_checked(name, "what is blamed is itself a rollback");
    }
    match chosen {
        Some(Ok(Target { plan, why })) => {
            let mut detail = vec![format!(
                "{} goes back to {}",
                short(&plan.from),
                short(&plan.to)
            )];
            detail.extend_from_slice(why);
            Gate::pass(name, detail.join("; "))
        }
        Some(Err(no_target)) => Gate::fail(name, no_target.reason, no_target.why.clone()),
        None => Gate::not_checked(name, NOT_LOOKED_BACK),
    }
}

/// Looks whether a rollback would undo a rollback, repeat one, or come upon one that is not proven; `blamed` is the
/// place of the oldest change that is to blame.
pub(in crate::policy) fn not_a_loop(
    inputs: &Inputs<'_>,
    blamed: usize,
    plan: Option<&Plan>,
    history: &History,
) -> Gate {
    let name = GateName::NotALoop;
    let now = inputs.now;
    let Some(timeline) = inputs.branch.timeline() else {
        return Gate::not_checked(name, "the repository was not read");
    };
    if let Some(open) = breaker(timeline, history, now) {
        return open;
    }
    if let Some(why) = rolls_back_already(timeline, blamed, history) {
        return Gate::fail(name, Reason::IsARollback, why);
    }
    if let Some(unsettled) = &timeline.unsettled {
        return Gate::fail(name, unsettled.reason(), unsettled.why());
    }
    if let Some(settling) = settling(inputs, timeline, blamed) {
        return settling;
    }
    if let Some(unverified) = unverified(history) {
        return unverified;
    }
    let Some(plan) = plan else {
        return Gate::not_checked(name, "there is no target to compare with earlier rollbacks");
    };
    if let Some(past) = again(timeline, plan, history) {
        return Gate::fail(
            name,
            Reason::AlreadyRolledBack,
            format!(
                "rollback {} went back from the same revision to the same revision; `release {}` allows it once more",
                past.id, past.id
            ),
        );
    }
    if let Some(violated) = came_back(timeline, blamed, history) {
        return violated;
    }
    Gate::pass(
        name,
        format!(
            "none of {} remembered rollbacks went from {} to {}",
            history.all().len(),
            short(&plan.from),
            short(&plan.to)
        ),
    )
}

/// Stops where what burns is what a rollback took away: somebody, or a robot, undoes what this program does, and it
/// must not answer back.
fn came_back(timeline: &Timeline, blamed: usize, history: &History) -> Option<Gate> {
    let mut suspects = timeline.changes.get(..=blamed)?.iter();
    let (suspect, past) = suspects.find_map(|suspect| {
        let past = history.holding(&suspect.revision, &suspect.state)?;
        Some((suspect, past))
    })?;
    Some(Gate::fail(
        GateName::NotALoop,
        Reason::BreakerOpen,
        format!(
            "{} brings back what rollback {} took away: a person has to look; `release {}` lifts the hold",
            short(&suspect.revision),
            past.id,
            past.id
        ),
    ))
}

/// Returns the rollback that went from the same content back to the same content. A bad revision that somebody, or a
/// robot, commits again is the same pair, whatever its commits are called; where the old target cannot be looked up
/// any more, it is taken for the same.
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
        same_from && same_to && !past.is_released && !past.phase.changed_nothing()
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
    let all = history.all();
    all.iter().rev().find_map(|past| {
        // One that changed nothing proves nothing of what came before it, and one that carries a later time than now
        // may have come before it in truth: a clock that went backwards closes no breaker.
        let is_overtaken = all.iter().any(|other| {
            let is_later = past.begun_at < other.begun_at && other.begun_at <= now;
            is_later && !other.phase.changed_nothing()
        });
        if past.is_released || is_overtaken {
            return None;
        }
        opened_by(past, timeline, now)
    })
}

/// Stops where a rollback failed or did not help, until something new is deployed.
fn opened_by(past: &PastRollback, timeline: &Timeline, now: DateTime<Utc>) -> Option<Gate> {
    let broken = past.phase.trouble(past.made_it_worse)?;
    // A committer's clock may run ahead, so a later time alone does not make the revision that failed a new one.
    let newly_deployed = timeline.changes.first().is_some_and(|newest| {
        newest.rollback.is_none()
            && newest.not_before.is_some_and(|from| from > past.begun_at)
            && newest.revision != past.from
            && past.from_state.as_ref() != Some(&newest.state)
    });
    (!newly_deployed && now - past.begun_at < BREAKER_OPEN_FOR).then(|| {
        Gate::fail(
            GateName::NotALoop,
            Reason::BreakerOpen,
            format!(
                "rollback {} {broken} {} ago: a person has to look; the breaker closes with `release {}`, the next deployment or \
                 after 24 h",
                past.id,
                span(now - past.begun_at),
                past.id
            ),
        )
    })
}

fn unverified(history: &History) -> Option<Gate> {
    history.all().iter().find_map(|past| {
        let (reason, how) = match past.phase {
            Phase::Begun | Phase::Verifying => {
                (Reason::DeploymentInProgress, "is not verified yet")
            }
            Phase::Proposed => (Reason::AwaitingApproval, "waits to be merged"),
            // The gate of approval speaks of it.
            Phase::Awaiting
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded
            | Phase::Rejected
            | Phase::Expired => return None,
        };
        let why = format!("rollback {} {how}", past.id);
        Some(Gate::fail(GateName::NotALoop, reason, why))
    })
}

/// Says which of the changes that are to blame is itself a rollback: one of ours, or a person's, who put back content
/// that was live before. Content that we rolled back and that came back again is a bad release, not a rollback.
fn rolls_back_already(timeline: &Timeline, blamed: usize, history: &History) -> Option<String> {
    let suspects = timeline.changes.get(..=blamed)?;
    if let Some(mark) = suspects.iter().find_map(|change| change.rollback.as_ref()) {
        return Some(format!("the rollback {} is among what is blamed", mark.id));
    }
    suspects.iter().enumerate().find_map(|(index, suspect)| {
        if history.is_rolled_back(&suspect.revision, &suspect.state) {
            return None;
        }
        // Content that equals the change right before it is no change; the one before that may have been put back.
        let same = |change: &&Change| change.state == suspect.state;
        let earlier = timeline
            .changes
            .iter()
            .skip(index + 1)
            .skip_while(same)
            .find(same)?;
        Some(format!(
            "{} puts back what {} had deployed before",
            short(&suspect.revision),
            short(&earlier.revision)
        ))
    })
}

/// A deployment that came after the one that is to blame may be the cure: until its pods have served for long enough,
/// and what they served proves that it burns on, nobody can tell.
fn settling(inputs: &Inputs<'_>, timeline: &Timeline, blamed: usize) -> Option<Gate> {
    let newest = timeline.changes.first().filter(|_| blamed > 0)?;
    let shown = cure(inputs, newest).and_then(|span| inputs.evidence.stretch(span));
    let burns_on = shown.is_some_and(|stretch| {
        inputs.assessment.burning_slis().iter().any(|(sli, limit)| {
            let since = stretch.at_least(*sli);
            since
                .value()
                .is_some_and(|events| has_burned(*events, *limit))
        })
    });
    (!burns_on).then(|| {
        Gate::fail(
            GateName::NotALoop,
            Reason::DeploymentInProgress,
            format!(
                "{} was deployed {} ago, after the one that is to blame; nothing proves yet that it does not end the burn",
                short(&newest.revision),
                span(inputs.now - newest.deployed_at)
            ),
        )
    })
}
