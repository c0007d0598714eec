//! The parts of the decision record, and how they are written.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use strum::{Display, IntoStaticStr};

use crate::journal::{self, Phase, RollbackWords, StepKind, StepState};
use crate::policy::{
    self, Action, Attribution, Blame, GateName, GateState, Reason, Source, Witness,
};
use crate::slo::{Level, Signal, SignalName, SignalState, Slo, Unknown, ViolationState};

/// What the gate answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateAnswerPart {
    /// The answer.
    pub answer: GateAnswer,
    /// Why, in a fragment for people.
    pub why: String,
    /// What ends it, as a fragment that follows "until", with the time where that is known; nothing where the deploy
    /// may go ahead.
    pub until: Option<String>,
}

/// Whether a deploy may go ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GateAnswer {
    /// It may.
    MayDeploy,
    /// It has to wait.
    Blocked,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct BudgetPart {
    pub window_seconds: u64,
    pub error_budget: f64,
    pub bad_events: Option<f64>,
    pub total_events: Option<f64>,
    pub consumed: Option<f64>,
    pub remaining: Option<f64>,
    pub coverage: Option<f64>,
    pub seconds_to_exhaustion: Option<f64>,
    /// Nothing where it is not known, which is written as `unknown`.
    #[serde(serialize_with = "or_unknown")]
    pub level: Option<Level>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct BurnRatesPart {
    #[serde(rename = "5m")]
    pub m5: Option<f64>,
    #[serde(rename = "30m")]
    pub m30: Option<f64>,
    #[serde(rename = "1h")]
    pub h1: Option<f64>,
    #[serde(rename = "6h")]
    pub h6: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct ViolationPart {
    pub name: Slo,
    pub state: ViolationState,
    pub value: Option<f64>,
    pub threshold: f64,
    pub for_seconds: u64,
    pub points: usize,
    pub points_expected: usize,
    /// What shows it where no slice does: `no ready pods (…)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct DeploymentPart {
    pub revision: String,
    #[serde(serialize_with = "rfc3339")]
    pub deployed_at: DateTime<Utc>,
    pub source: Source,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct LivePart {
    pub revision: String,
    pub source: Witness,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct AttributionPart {
    pub suspect: String,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub onset: Option<DateTime<Utc>>,
    pub lag_seconds: Option<i64>,
    pub bad_before: Option<f64>,
    pub total_before: Option<f64>,
    pub bad_after: Option<f64>,
    pub total_after: Option<f64>,
    pub p_value: Option<f64>,
    pub verdict: Blame,
    pub why: String,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct DecisionPart {
    pub action: ActionKind,
    pub reason: Reason,
    pub detail: String,
    pub gates: Vec<GatePart>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct GatePart {
    pub gate: GateName,
    pub state: GateState,
    pub detail: String,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct RollbackPart {
    pub id: String,
    pub from: String,
    pub to: String,
    pub steps: Vec<StepPart>,
    pub outcome: RollbackOutcome,
    /// True where the service is proven to fail more than before, beside the outcome `ineffective`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub worse: bool,
    /// The commit on the branch, once there is one.
    pub commit: Option<String>,
    /// What the commit changes, in the run that begins the rollback, or would change in a dry run.
    pub diff: Option<String>,
    /// Why it was begun, for people; empty in a dry run. The record's decision says it for machines.
    #[serde(skip)]
    pub why: String,
    /// What people are told of its commits, where that is known.
    #[serde(skip)]
    pub words: Option<RollbackWords>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct StepPart {
    pub step: StepKind,
    pub state: StepState,
    pub detail: String,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct UnknownPart {
    pub source: String,
    pub why: String,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SignalPart {
    pub name: SignalName,
    pub state: SignalState,
    pub value: Option<f64>,
    pub threshold: f64,
}

#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are those of the contract")]
pub struct OffenderPart {
    pub label: String,
    pub value: String,
    pub bad: f64,
    pub total: Option<f64>,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ActionKind {
    /// Nothing: all is well.
    None,
    /// Nothing, although something burns or is not known.
    Hold,
    /// A rollback.
    Rollback,
    /// It waits for a person.
    AwaitApproval,
    /// It goes on with what an earlier run began.
    Resume,
}

/// How a rollback ended, or how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RollbackOutcome {
    /// The burn stopped.
    Recovered,
    /// It is begun, and not proven.
    Verifying,
    /// It did not help.
    Ineffective,
    /// It could not be done.
    Failed,
    /// Nothing of ours is on the branch: others were faster, or the burn was over.
    Superseded,
    /// A person said no: nothing of ours is on the branch.
    Rejected,
    /// Nobody agreed in time: nothing of ours is on the branch.
    Expired,
    /// A person has to agree.
    AwaitingApproval,
    /// A dry run: it would be begun.
    WouldRollBack,
}

impl ActionKind {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl RollbackOutcome {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<&Action> for ActionKind {
    fn from(action: &Action) -> Self {
        match action {
            Action::Nothing => Self::None,
            Action::Hold => Self::Hold,
            Action::AwaitApproval(_) => Self::AwaitApproval,
            Action::RollBack(_) => Self::Rollback,
        }
    }
}

impl From<Phase> for RollbackOutcome {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Begun | Phase::Verifying => Self::Verifying,
            Phase::Recovered => Self::Recovered,
            Phase::Ineffective => Self::Ineffective,
            Phase::Failed => Self::Failed,
            Phase::Superseded => Self::Superseded,
            Phase::Rejected => Self::Rejected,
            Phase::Expired => Self::Expired,
            Phase::Awaiting | Phase::Proposed => Self::AwaitingApproval,
        }
    }
}

impl From<&journal::Rollback> for RollbackPart {
    fn from(rollback: &journal::Rollback) -> Self {
        Self {
            id: rollback.id.clone(),
            from: rollback.from.clone(),
            to: rollback.to.clone(),
            steps: rollback
                .taken()
                .map(|step| StepPart {
                    step: step.step,
                    state: step.state,
                    detail: step.detail.clone(),
                })
                .collect(),
            outcome: rollback.phase.into(),
            worse: rollback.worse,
            commit: rollback.commit.clone(),
            diff: None,
            why: rollback.why.clone(),
            words: rollback.words.clone(),
        }
    }
}

pub(super) fn signal(signal: &Signal) -> SignalPart {
    SignalPart {
        name: signal.name,
        state: signal.state,
        value: signal.value,
        threshold: signal.threshold,
    }
}

pub(super) fn unknown(unknown: &Unknown) -> UnknownPart {
    UnknownPart {
        source: unknown.source.clone(),
        why: unknown.why.clone(),
    }
}

pub(super) fn gate(gate: &policy::Gate) -> GatePart {
    GatePart {
        gate: gate.name,
        state: gate.state,
        detail: gate.detail.clone(),
    }
}

pub(super) fn attribution(attribution: &Attribution) -> AttributionPart {
    AttributionPart {
        suspect: attribution.suspect.clone(),
        onset: attribution.onset,
        lag_seconds: attribution.lag.map(|lag| lag.num_seconds()),
        bad_before: attribution.sides.map(|(before, _)| before.bad()),
        total_before: attribution.sides.map(|(before, _)| before.total()),
        bad_after: attribution.sides.map(|(_, after)| after.bad()),
        total_after: attribution.sides.map(|(_, after)| after.total()),
        p_value: attribution.p_value,
        verdict: attribution.verdict,
        why: attribution.why.clone(),
    }
}

/// Writes a time as RFC 3339 with whole seconds in UTC.
pub(crate) fn rfc3339<S: Serializer>(
    time: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

pub(super) fn rfc3339_or_null<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn or_unknown<S: Serializer>(
    level: &Option<Level>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level_word(*level))
}

/// Returns the level in the words of the contract.
pub(crate) fn level_word(level: Option<Level>) -> &'static str {
    level.map_or("unknown", Level::as_str)
}
