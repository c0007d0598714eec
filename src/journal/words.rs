//! What people are told of a rollback.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What people are told of a rollback, as it was known when it was planned. What others wrote is not to be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackWords {
    /// The bad revision.
    pub from: CommitWords,
    /// The restored revision.
    pub to: CommitWords,
    /// Since when the service burns.
    pub since: Option<DateTime<Utc>>,
    /// How long after the bad revision was deployed it began (s); negative before it.
    pub lag_seconds: Option<i64>,
    /// Share of the events since then that are bad (0..1).
    pub error_ratio: Option<f64>,
    /// What the rollback changes, as a unified diff of at most [`MAX_DIFF`] bytes; nothing once it is over.
    pub diff: Option<String>,
}

/// What people are told of a commit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitWords {
    /// First line of its message.
    pub title: String,
    /// Its author's name.
    pub author: String,
    /// When it was written; nothing where that is impossible.
    pub at: Option<DateTime<Utc>>,
}

/// Longest diff that is kept for a plan that waits (bytes): some 400 lines. The decision record holds all of it.
pub const MAX_DIFF: usize = 16 * 1024;

impl RollbackWords {
    /// Keeps what a rollback changes, at most [`MAX_DIFF`] bytes of it, in whole lines.
    pub fn keep_diff(&mut self, diff: &str) {
        let end = match diff.len() > MAX_DIFF {
            true => diff
                .match_indices('\n')
                .map(|(at, _)| at + 1)
                .take_while(|end| *end <= MAX_DIFF)
                .last()
                .unwrap_or_default(),
            false => diff.len(),
        };
        self.diff = Some(diff[..end].to_owned()).filter(|diff| !diff.is_empty());
    }
}
