//! The steps of a rollback as they are written down, and who wanted it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use crate::policy::StepKind;

/// Who wanted a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Origin {
    /// The program.
    Automatic,
    /// A person.
    Manual,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepState {
    /// Still to be taken.
    Planned,
    /// Recorded before it is done.
    Intended,
    /// Done, and seen to be done.
    Done,
    /// Not possible.
    Failed,
    /// Under way, or its result is not known: the next run looks.
    Pending,
}

impl StepState {
    /// Returns the name used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One step and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Which step.
    pub step: StepKind,
    /// How it stands.
    pub state: StepState,
    /// Since when; a step that is still to be taken, since the rollback was begun.
    pub at: DateTime<Utc>,
    /// What was found or done.
    pub detail: String,
}
