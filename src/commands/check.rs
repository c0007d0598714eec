//! The gate: the same evaluation, no change, and an exit code for the pipeline.

use crate::config::OnUnknown;
use crate::evaluation::{Known, NotEvaluated, evaluate, measure, refused_instead_of, seen};
use crate::exit::Exit;
use crate::journal::{Memory, ServiceState};
use crate::observe;
use crate::outcome::Ended;
use crate::outcome::Unavailable;
use crate::policy::{BranchReading, Reason, decide};
use crate::record::{Heading, Record};
use crate::rollback::{NotWhole, whole};
use crate::service::{Service, history};
use crate::slo::{Assessment, Level, Weight};
use crate::with_sources;

/// Says whether a deploy may go ahead. The state is read without its lock and nothing is written.
pub(super) async fn check(service: &Service<'_>, heading: &Heading, commit: Option<&str>) -> Ended {
    let mut memory = match Memory::looking(&service.config.state.state_file) {
        Ok(memory) => memory,
        Err(error) => return Ended::without_state(&error),
    };
    let state = match whole(service, &mut memory).await {
        Ok(state) => state,
        Err(NotWhole::Unwritten(error)) => return Ended::without_state(&error),
        Err(NotWhole::Unavailable(Unavailable { source, why })) => {
            let not_evaluated = unremembered(service, heading, source, why).await;
            return half_blind(service, &memory.of(&service.key), not_evaluated, commit);
        }
    };
    let mut known = match evaluate(service, heading, &state).await {
        Ok(known) => known,
        Err(not_evaluated) => return half_blind(service, &state, *not_evaluated, commit),
    };
    if let (Some(git), Some(_), None) = (&service.git, commit, &known.snapshot) {
        match observe::branch(git, service.config.policy.max_revisions_back, None).await {
            Ok(snapshot) => {
                known.branch = BranchReading::Known(seen(
                    &snapshot,
                    state.watch.as_ref(),
                    git,
                    service.trust(),
                ));
                known.snapshot = Some(snapshot);
            }
            Err(error) => {
                let record = record_of(service, heading, &known, &state);
                return Ended::unavailable(record, "git", with_sources(&error));
            }
        }
    }
    known.looks_what_was_done(service, &history(&state)).await;
    let record = record_of(service, heading, &known, &state);
    if let Some((reason, why)) = on_hold(service, &state, Some(&known), commit) {
        return Ended::with(Exit::BlockedHold, record.holding(reason, why.clone()))
            .complaining(why);
    }
    let ended = judged(service, &known.assessment, record);
    refused_instead_of(Exit::BlockedUnknown, ended, &known)
}

/// Says how the service stands where what was done to it before cannot be looked up.
async fn unremembered(
    service: &Service<'_>,
    heading: &Heading,
    source: &'static str,
    why: String,
) -> NotEvaluated {
    let (record, assessment) = match measure(service, heading).await {
        Ok((observation, assessment)) => {
            let at = observation.evaluated_at;
            let record = Record::unknown(heading, &service.config.objective, at)
                .with_assessment(&assessment);
            (record, Some(assessment))
        }
        Err(not_evaluated) => return *not_evaluated,
    };
    let record = record
        .holding(Reason::UnknownData, why.clone())
        .not_knowing(source, why.clone());
    NotEvaluated {
        record,
        why,
        assessment,
    }
}

fn judged(service: &Service<'_>, assessment: &Assessment, record: Record) -> Ended {
    let exit = gate(assessment, service);
    let ended = Ended::with(exit, record);
    if exit == Exit::Complete {
        ended
    } else {
        ended.complaining(blocked(assessment, exit))
    }
}

/// The gate when something did not answer. `GATE_ON_UNKNOWN=allow` forgives that the budget is not known, and nothing
/// else: what is remembered or was measured still blocks, and a commit is not judged without a repository that has to
/// be asked.
fn half_blind(
    service: &Service<'_>,
    state: &ServiceState,
    not_evaluated: NotEvaluated,
    commit: Option<&str>,
) -> Ended {
    if service.config.gate.on_unknown == OnUnknown::Block {
        return not_evaluated.ended();
    }
    if let Some((reason, why)) = on_hold(service, state, None, commit) {
        let record = not_evaluated.record.holding(reason, why.clone());
        return Ended::with(Exit::BlockedHold, record).complaining(why);
    }
    match &not_evaluated.assessment {
        Some(_) if commit.is_some() => not_evaluated.ended(),
        Some(assessment) => judged(service, assessment, not_evaluated.record.clone()),
        None => Ended::with(Exit::Complete, not_evaluated.record),
    }
}

fn record_of(
    service: &Service<'_>,
    heading: &Heading,
    known: &Known,
    state: &ServiceState,
) -> Record {
    let decision = decide(&known.inputs(service, &history(state)));
    Record::unknown(
        heading,
        &service.config.objective,
        known.observation.evaluated_at,
    )
    .with_assessment(&known.assessment)
    .with_deployment(known.branch.timeline())
    .with_live(known.branch.timeline(), None)
    .with_decision(&decision)
    .with_signals(&known.signals)
    .with_offenders(&known.offenders)
}

/// Says why a deploy has to wait for a rollback, or why this commit must not come back; from memory alone where nothing
/// else is known.
fn on_hold(
    service: &Service<'_>,
    state: &ServiceState,
    known: Option<&Known>,
    commit: Option<&str>,
) -> Option<(Reason, String)> {
    if let Some(rollback) = state.in_flight() {
        return Some((
            Reason::DeploymentInProgress,
            format!("rollback {} is not finished", rollback.id),
        ));
    }
    let commit = commit?;
    let remembered = history(state);
    let timeline = known.and_then(|known| known.branch.timeline());
    let ledger = match known.zip(timeline) {
        Some((known, timeline)) => remembered.joined_with(
            timeline,
            known.observation.evaluated_at,
            service.config.policy.verify_deadline,
        ),
        None => remembered,
    };
    // A shortened id is looked up among the changes; one of a commit that changes nothing there has to be whole.
    let change = timeline
        .into_iter()
        .flat_map(|timeline| &timeline.changes)
        .find(|change| change.revision.starts_with(commit));
    let revision = change.map_or(commit, |change| &change.revision);
    let state_there = known
        .and_then(|known| known.snapshot.as_ref())
        .and_then(|snapshot| snapshot.state_at(revision));
    let held = ledger.held_by(revision, state_there.as_deref(), timeline)?;
    Some((
        Reason::AlreadyRolledBack,
        format!("{commit} was rolled back by {} and is on hold", held.id),
    ))
}

/// Returns the exit code of the gate: what cannot be known first, then the worse of level and violation.
fn gate(assessment: &Assessment, service: &Service<'_>) -> Exit {
    let config = &service.config.gate;
    let unknown = assessment.budget.level.is_none()
        || assessment
            .unknowns
            .iter()
            .any(|unknown| unknown.weight == Weight::Everything);
    if unknown && config.on_unknown == OnUnknown::Block {
        return Exit::BlockedUnknown;
    }
    let level = assessment.budget.acting_level.unwrap_or(Level::Ok);
    if level >= config.block_at {
        match level {
            Level::Emergency => return Exit::BlockedEmergency,
            Level::Critical => return Exit::BlockedCritical,
            Level::Warning if !assessment.is_violated() => return Exit::BlockedWarning,
            Level::Warning | Level::Ok => {}
        }
    }
    if assessment.is_violated() && config.block_at != Level::Emergency {
        return Exit::BlockedCritical;
    }
    Exit::Complete
}

fn blocked(assessment: &Assessment, exit: Exit) -> String {
    let violated: Vec<String> = assessment
        .violations
        .iter()
        .filter(|violation| violation.state == crate::slo::ViolationState::Violated)
        .map(|violation| match &violation.detail {
            Some(detail) => format!("{}: {detail}", violation.slo.as_str()),
            None => violation.slo.as_str().to_owned(),
        })
        .collect();
    if exit == Exit::BlockedUnknown {
        let unknown: Vec<String> = assessment
            .unknowns
            .iter()
            .filter(|unknown| unknown.weight == Weight::Everything)
            .map(|unknown| format!("{}: {}", unknown.source, unknown.why))
            .collect();
        return format!(
            "blocked: the budget cannot be measured: {}",
            unknown.join("; ")
        );
    }
    let consumed = match assessment.budget.consumed {
        Some(consumed) => format!("{:.1} %", consumed * 100.0),
        None => "an unknown share".to_owned(),
    };
    if violated.is_empty() {
        format!("blocked: {consumed} of the error budget is consumed")
    } else {
        format!(
            "blocked: {} violated, {consumed} of the error budget consumed",
            violated.join(" and ")
        )
    }
}
