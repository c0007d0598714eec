//! What the measurement says of a deploy.

use super::answer::Answer;
use crate::config::{Config, GateConfig, OnUnknown};
use crate::exit::Exit;
use crate::policy::GateName;
use crate::record::Record;
use crate::slo::{Assessment, Level, ViolationState, Weight, told_once};

/// Returns the answer: what cannot be known first, then the worse of level and violation. The record says what burns
/// without being enough to block.
pub(super) fn answer(assessment: &Assessment, config: &Config, record: &Record) -> Answer {
    let gate = &config.gate;
    let exit = exit(assessment, gate);
    if exit == Exit::Complete {
        return Answer::may_deploy(goes_ahead(assessment, gate, record));
    }
    if exit == Exit::BlockedUnknown {
        return Answer::blocked(
            exit,
            format!("the budget cannot be measured: {}", unknown(assessment)),
            "it can be; with GATE_ON_UNKNOWN=allow nobody waits for that",
        );
    }
    let violated = violated(assessment);
    let consumed = consumed(assessment);
    let way = "the commit that fixes it goes ahead with `--commit COMMIT --fixes REVISION`";
    if violated.is_empty() {
        let until = format!(
            "consumption falls below {:.1} % as old errors leave the SLO window; {way}",
            config.objective.levels.from(gate.block_at) * 100.0
        );
        Answer::blocked(
            exit,
            format!("{consumed} of the error budget is consumed"),
            until,
        )
    } else {
        Answer::blocked(
            exit,
            format!("{violated} violated, {consumed} of the error budget consumed"),
            format!("no SLO is violated any more; {way}"),
        )
    }
}

fn exit(assessment: &Assessment, gate: &GateConfig) -> Exit {
    if gate.on_unknown == OnUnknown::Block && is_unknown(assessment) {
        return Exit::BlockedUnknown;
    }
    let level = assessment.budget.acting_level.unwrap_or(Level::Ok);
    if level >= gate.block_at {
        match level {
            Level::Emergency => return Exit::BlockedEmergency,
            Level::Critical => return Exit::BlockedCritical,
            Level::Warning if !assessment.is_violated() => return Exit::BlockedWarning,
            Level::Warning | Level::Ok => {}
        }
    }
    if assessment.is_violated() && gate.block_at != Level::Emergency {
        return Exit::BlockedCritical;
    }
    Exit::Complete
}

fn is_unknown(assessment: &Assessment) -> bool {
    let mut unknowns = assessment.unknowns.iter();
    assessment.budget.level.is_none()
        || unknowns.any(|unknown| unknown.weight == Weight::Everything)
}

/// Says why a deploy may go ahead, with what is not well.
fn goes_ahead(assessment: &Assessment, gate: &GateConfig, record: &Record) -> String {
    if is_unknown(assessment) {
        let why = unknown(assessment);
        return format!("GATE_ON_UNKNOWN is allow, and the budget cannot be measured: {why}");
    }
    let consumed = consumed(assessment);
    let violated = violated(assessment);
    if !violated.is_empty() {
        return format!(
            "{violated} violated, {consumed} of the error budget consumed, and GATE_BLOCK_AT is {}",
            gate.block_at.as_str()
        );
    }
    if assessment.burning == Some(true) {
        let mut gates = record.decision.gates.iter();
        let burning = gates.find(|gate| gate.gate == GateName::Burning);
        let what = burning.map_or("it burns", |gate| gate.detail.as_str());
        return format!(
            "{consumed} of the error budget consumed and no SLO violated, though it burns: {what}"
        );
    }
    format!("nothing burns, {consumed} of the error budget consumed")
}

fn unknown(assessment: &Assessment) -> String {
    let unknowns = assessment.unknowns.iter();
    let unknowns = unknowns.filter(|unknown| unknown.weight == Weight::Everything);
    let told = told_once(unknowns.map(|it| (it.source.as_str(), it.why.as_str()))).into_iter();
    let told: Vec<String> = told
        .map(|(why, sources)| format!("{}: {why}", sources.join(", ")))
        .collect();
    told.join("; ")
}

fn violated(assessment: &Assessment) -> String {
    let violations = assessment.violations.iter();
    let violated = violations.filter(|violation| violation.state == ViolationState::Violated);
    let told: Vec<String> = violated
        .map(|violation| match &violation.detail {
            Some(detail) => format!("{}: {detail}", violation.slo.as_str()),
            None => violation.slo.as_str().to_owned(),
        })
        .collect();
    told.join(" and ")
}

fn consumed(assessment: &Assessment) -> String {
    match assessment.budget.consumed {
        Some(consumed) => format!("{:.1} %", consumed * 100.0),
        None => "an unknown share".to_owned(),
    }
}
