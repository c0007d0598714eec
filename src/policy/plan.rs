//! What shall be done, and why or why not.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use super::reason::Reason;
use super::timeline::Witness;
use super::undo::Undone;
use crate::slo::{Events, Signal};

/// A rollback that may be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The bad revision: the newest change of the watched paths that is blamed.
    pub from: String,
    /// Content of the watched paths there.
    pub from_state: String,
    /// The oldest deployment that is blamed.
    pub suspect: String,
    /// The revision whose content comes back.
    pub to: String,
    /// Content of the watched paths at that revision.
    pub to_state: String,
    /// Tip of the branch when it was judged.
    pub tip: String,
    /// Content of the watched paths at the tip.
    pub tip_state: String,
    /// When the bad revision was committed.
    pub deployed_at: DateTime<Utc>,
    /// Later changes that stay, newest first. With none the whole content of the target comes back.
    pub keeps: Vec<String>,
    /// Every commit that is taken back, newest first.
    pub undone: Vec<Undone>,
}

/// What the program does with what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// All is well.
    Nothing,
    /// Something is not well, and nothing is done about it.
    Hold,
    /// The plan waits for a person's word.
    AwaitApproval(Plan),
    /// The plan is carried out.
    RollBack(Plan),
}

/// How one gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GateState {
    /// It lets a rollback through.
    Pass,
    /// It stops a rollback.
    Fail,
    /// Its inputs do not exist, so it was not evaluated. It stops a rollback too.
    NotChecked,
}

impl GateState {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One gate, evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its name in the record.
    pub name: GateName,
    /// How it stands.
    pub state: GateState,
    /// The reason it gives when it is the first to fail.
    pub reason: Option<Reason>,
    /// The number or the fact that decided it.
    pub detail: String,
}

impl Gate {
    /// A gate that lets through.
    pub fn pass(name: GateName, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: GateState::Pass,
            reason: None,
            detail: detail.into(),
        }
    }

    /// A gate that is switched off: it lets through and says so.
    pub fn off(name: GateName) -> Self {
        Self::pass(name, "off")
    }

    /// A gate that stops.
    pub fn fail(name: GateName, reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: GateState::Fail,
            reason: Some(reason),
            detail: detail.into(),
        }
    }

    /// A gate whose inputs do not exist.
    pub fn not_checked(name: GateName, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: GateState::NotChecked,
            reason: None,
            detail: detail.into(),
        }
    }
}

/// The gates, in the order in which the first failure gives the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum GateName {
    /// Every reading is fresh, complete and from one evaluation time.
    Data,
    /// The budget is being burnt now.
    Burning,
    /// Not so many services burn at once that it is no release; only where a run serves several.
    Fleet,
    /// It is bad enough.
    Severity,
    /// It is not chance.
    Significance,
    /// A deployment is to blame.
    Attribution,
    /// There is a good revision to go back to.
    Target,
    /// It would not be a rollback of a rollback.
    NotALoop,
    /// Cooldown, hourly and daily limit, blackout.
    Limits,
    /// A person has agreed, where that is required.
    Approval,
    /// Rollbacks are switched on.
    Enabled,
}

impl GateName {
    /// Returns the name used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Which deployment is to blame, as far as that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The deployment in question.
    pub suspect: String,
    /// From whom it is known that it is live.
    pub witness: Witness,
    /// When what burns now went over its threshold, where that was seen.
    pub onset: Option<DateTime<Utc>>,
    /// How long after the deployment that was; negative when it was before.
    pub lag: Option<Duration>,
    /// The bad events in the hour before the deployment, and since; of the first SLI that burns.
    pub sides: Option<(Events, Events)>,
    /// The chance that the error ratio did not at least double (0..=1).
    pub p_value: Option<f64>,
    /// What was found.
    pub verdict: Blame,
    /// Why.
    pub why: String,
}

/// Whether a deployment is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Blame {
    /// It is.
    Deployment,
    /// It is not.
    NotDeployment,
    /// It cannot be told.
    Unknown,
}

impl Blame {
    /// Returns the word used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What was decided, with everything that stands in the way or speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// The first reason against it, or why it is done.
    pub reason: Reason,
    /// The same in a sentence fragment with its number.
    pub detail: String,
    /// Every gate, in order.
    pub gates: Vec<Gate>,
    /// What would be rolled back to what, as far as that is known, whether or not it may be done.
    pub plan: Option<Plan>,
    /// Which deployment is to blame; nothing where nobody asked.
    pub attribution: Option<Attribution>,
    /// What the latency says besides; it decided nothing.
    pub signals: Vec<Signal>,
}
