//! Puts the gates in order and lets the first failure speak.

use chrono::{DateTime, Utc};

use super::evidence::{Evidence, Question};
use super::fleet::Fleet;
use super::gates;
use super::history::History;
use super::plan::{Action, Decision, Gate, GateName, GateState, Plan};
use super::reason::Reason;
use super::settings::Settings;
use super::suspicion;
use super::target::{self, Wanted};
use super::timeline::{BranchReading, Timeline};
use super::undo::Doings;
use crate::slo::{Assessment, Objective};

/// All that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The evaluation time.
    pub now: DateTime<Utc>,
    /// What the service promises.
    pub objective: &'a Objective,
    /// How it stands.
    pub assessment: &'a Assessment,
    /// What was deployed when.
    pub branch: &'a BranchReading,
    /// What is known of the past, as far as [`questions`] asked for it.
    pub evidence: &'a Evidence,
    /// What was done before, as the journal remembers it.
    pub history: &'a History,
    /// The guards.
    pub settings: &'a Settings,
    /// What it has in common with the other services of the run, where there are any.
    pub fleet: Option<&'a Fleet>,
}

/// Tells whether a decision needs the branch: something burns, and the data are good enough to act on it. A healthy
/// pass asks no repository.
pub fn needs_branch(assessment: &Assessment, settings: &Settings) -> bool {
    gates::data(assessment, &Evidence::default()).state == GateState::Pass
        && gates::burning(assessment, settings).state == GateState::Pass
}

/// Returns what else a decision wants to know of the past, in rounds: ask, add the answers to the evidence, and call
/// it again until it returns nothing. A service that does not burn raises no question.
pub fn questions(inputs: &Inputs<'_>) -> Vec<Question> {
    let Some(timeline) = inputs.branch.timeline() else {
        return Vec::new();
    };
    if !needs_branch(inputs.assessment, inputs.settings) {
        return Vec::new();
    }
    suspicion::questions(inputs, timeline)
}

/// Returns the suspect and the target of which a decision wants to know what was done between them and since; nothing
/// where nothing would be rolled back.
pub fn wants_doings(inputs: &Inputs<'_>) -> Option<(String, String)> {
    let timeline = inputs
        .branch
        .timeline()
        .filter(|_| needs_branch(inputs.assessment, inputs.settings))?;
    let history = ledger(inputs.history, Some(timeline), inputs.settings, inputs.now);
    let suspect = suspicion::suspicion(inputs, timeline)?.blamed(inputs);
    let target = target::choose(inputs, timeline, &history, suspect).ok()?;
    let suspect = timeline.changes.get(suspect)?.revision.clone();
    Some((suspect, target.plan.to))
}

/// Decides what to do. Every gate is evaluated where its inputs exist; the first that fails gives the reason, and a
/// gate that could not be checked never lets a rollback through.
pub fn decide(inputs: &Inputs<'_>) -> Decision {
    let Inputs {
        now,
        assessment,
        branch,
        settings,
        ..
    } = *inputs;
    let timeline = branch.timeline();
    let history = ledger(inputs.history, timeline, settings, now);
    // Where nothing burns, or too little is known to act, nobody looked back: there is nothing to blame or to choose
    // by.
    let looked_back = timeline.filter(|_| needs_branch(assessment, settings));
    let suspicion = looked_back.and_then(|timeline| suspicion::suspicion(inputs, timeline));
    let blamed = suspicion
        .as_ref()
        .map_or(0, |suspicion| suspicion.blamed(inputs));
    let chosen = looked_back.map(|timeline| {
        target::choose(inputs, timeline, &history, blamed)
            .and_then(|target| target::shared(inputs, timeline, blamed, target))
    });
    let target = chosen.as_ref().and_then(|chosen| chosen.as_ref().ok());
    let plan = target.map(|target| &target.plan);
    let (attribution_gate, attribution) = gates::attribution(inputs, suspicion.as_ref());
    let mut gates = vec![
        gates::data(assessment, inputs.evidence),
        gates::burning(assessment, settings),
    ];
    gates.extend(inputs.fleet.map(gates::fleet_wide));
    gates.extend([
        gates::severity(assessment, settings),
        gates::significance(assessment, settings),
        attribution_gate,
        gates::target(timeline, blamed, &history, chosen.as_ref()),
        gates::not_a_loop(inputs, blamed, plan, &history),
        gates::fleet_limit(
            gates::limits(&history, settings, assessment.budget.acting_level, now),
            inputs.fleet,
            plan,
        ),
        gates::approval(settings, &history, plan, now),
        gates::enabled(settings),
    ]);
    let mut decision = conclude(gates, plan, Reason::Trigger);
    decision.attribution = attribution;
    let shown = looked_back.zip(suspicion.as_ref());
    decision.signals = shown.map_or_else(Vec::new, |(timeline, suspicion)| {
        suspicion::latency_signals(inputs, &timeline.changes[suspicion.index])
    });
    decision
}

/// Decides on a person's rollback: their judgement replaces data, burn and attribution, while target, breaker and
/// limits hold for them too. `doings` is what was done since the target, where somebody looked.
pub fn decide_manual(
    now: DateTime<Utc>,
    timeline: &Timeline,
    history: &History,
    settings: &Settings,
    wanted: Option<&Wanted>,
    doings: Option<&Doings>,
) -> Decision {
    let history = ledger(history, Some(timeline), settings, now);
    let chosen = match wanted {
        Some(wanted) => target::wanted(timeline, wanted),
        None => target::newest(timeline, &history, settings.max_revisions_back),
    };
    let chosen =
        chosen.and_then(|target| target::whole(target, timeline, doings, wanted.is_some()));
    let gates = vec![
        // A person may roll back a rollback, so the newest change is not looked at.
        gates::target(None, 0, &history, Some(&chosen)),
        gates::not_a_loop_manual(timeline, &history, now),
        gates::limits(&history, settings, None, now),
    ];
    let plan = chosen.as_ref().ok().map(|target| &target.plan);
    conclude(gates, plan, Reason::Manual)
}

fn ledger(
    history: &History,
    timeline: Option<&Timeline>,
    settings: &Settings,
    now: DateTime<Utc>,
) -> History {
    timeline.map_or_else(
        || history.clone(),
        |timeline| history.joined_with(timeline, now, settings.verify_deadline),
    )
}

fn conclude(gates: Vec<Gate>, plan: Option<&Plan>, reason: Reason) -> Decision {
    let stopper = gates
        .iter()
        .find(|gate| gate.state == GateState::Fail)
        .or_else(|| {
            gates
                .iter()
                .find(|gate| gate.state == GateState::NotChecked)
        });
    // A person is asked only where their word is all that is missing.
    let others_pass = gates
        .iter()
        .all(|gate| gate.name == GateName::Approval || gate.state == GateState::Pass);
    let (action, reason, detail) = match (stopper, plan) {
        (Some(gate), Some(plan))
            if gate.reason == Some(Reason::AwaitingApproval)
                && gate.name == GateName::Approval
                && others_pass =>
        {
            (
                Action::AwaitApproval(plan.clone()),
                Reason::AwaitingApproval,
                gate.detail.clone(),
            )
        }
        (Some(gate), _) => {
            let reason = gate.reason.unwrap_or(Reason::UnknownData);
            let action = if reason == Reason::Healthy {
                Action::Nothing
            } else {
                Action::Hold
            };
            (action, reason, gate.detail.clone())
        }
        (None, Some(plan)) => (
            Action::RollBack(plan.clone()),
            reason,
            "every gate passed".to_owned(),
        ),
        (None, None) => (
            Action::Hold,
            Reason::NoTarget,
            "there is nothing to go back to".to_owned(),
        ),
    };
    Decision {
        action,
        reason,
        detail,
        gates,
        plan: plan.cloned(),
        attribution: None,
        signals: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
