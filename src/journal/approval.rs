//! What a person is asked, and what they answered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A plan that waits for a person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// When they were asked.
    pub asked_at: DateTime<Utc>,
    /// Until when they may agree: `APPROVAL_TIMEOUT` after they were asked, as it was set then.
    pub expires_at: DateTime<Utc>,
    /// SHA-256 of the decision record they were asked with, in hexadecimal digits.
    pub evidence: String,
    /// What they said.
    pub answer: Option<ApprovalAnswer>,
    /// Who said it, and when.
    pub signed: Option<Signature>,
}

/// A person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalAnswer {
    /// Yes. Before anything is done the evidence is taken again.
    Approved,
    /// No.
    Rejected,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The name as it was given.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, where they said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Approval {
    /// Tells whether it is too late to agree.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        now >= self.expires_at
    }

    /// Returns the moment at which half of the time is over.
    pub fn half_time(&self) -> DateTime<Utc> {
        self.asked_at + (self.expires_at - self.asked_at) / 2
    }
}
