//! What `status`, `approve`, `reject` and `release` print, beside the decision record.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::journal;
use crate::record::{
    BudgetPart, BurnRatesPart, RollbackOutcome, RollbackPart, UnknownPart, ViolationPart, rfc3339,
};
use crate::slo::Verdict;

/// How a service stands and what is remembered of it.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// When it was asked.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// As in the decision record.
    pub verdict: Verdict,
    /// As in the decision record.
    pub budget: BudgetPart,
    /// As in the decision record.
    pub burn_rates: BurnRatesPart,
    /// As in the decision record.
    pub violations: Vec<ViolationPart>,
    /// What is left of the limits.
    pub limits: Limits,
    /// The rollback that is not finished.
    pub in_flight: Option<RollbackPart>,
    /// The plan that waits for approval.
    pub pending: Option<Pending>,
    /// Revisions that were rolled back and must not come back.
    pub holds: Vec<Hold>,
    /// The last rollbacks, newest first.
    pub rollbacks: Vec<PastPart>,
    /// Where the memory comes from.
    pub source: String,
    /// As in the decision record.
    pub unknowns: Vec<UnknownPart>,
}

/// What is left of the limits.
#[derive(Debug, Clone, Serialize)]
pub struct Limits {
    /// Rollbacks begun in the last hour.
    pub hour_used: usize,
    /// `MAX_ROLLBACKS_PER_HOUR`.
    pub hour_max: u32,
    /// Rollbacks begun in the last 24 hours.
    pub day_used: usize,
    /// `MAX_ROLLBACKS_PER_DAY`.
    pub day_max: u32,
    /// Whether a rollback would be let through now.
    pub open: bool,
    /// Which limit holds, or that none does.
    pub detail: String,
}

/// A plan that waits for a person.
#[derive(Debug, Clone, Serialize)]
pub struct Pending {
    /// As in the decision record.
    #[serde(flatten)]
    pub rollback: RollbackPart,
    /// When a person was asked.
    #[serde(serialize_with = "rfc3339")]
    pub asked_at: DateTime<Utc>,
    /// Until when they may agree.
    #[serde(serialize_with = "rfc3339")]
    pub expires_at: DateTime<Utc>,
    /// Who agreed, where somebody did.
    pub approved_by: Option<String>,
    /// The pull request to merge, where there is one.
    pub pull_request: Option<String>,
}

/// A revision on hold.
#[derive(Debug, Clone, Serialize)]
pub struct Hold {
    /// The revision.
    pub revision: String,
    /// The rollback that put it on hold.
    pub rollback: String,
}

/// A rollback that was begun.
#[derive(Debug, Clone, Serialize)]
pub struct PastPart {
    /// Its id.
    pub id: String,
    /// When it was begun.
    #[serde(serialize_with = "rfc3339")]
    pub begun_at: DateTime<Utc>,
    /// The bad revision.
    pub from: String,
    /// The restored revision.
    pub to: String,
    /// How it ended.
    pub outcome: RollbackOutcome,
    /// Why it was begun.
    pub why: String,
}

/// What was rolled back, and what could be gone back to.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryReport {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// When it was asked.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// The revisions of the branch that changed the watched paths, newest first.
    pub revisions: Vec<RevisionPart>,
    /// From whom it is known what was live.
    pub source: String,
    /// Rollbacks that were begun, newest first.
    pub rollbacks: Vec<PastPart>,
}

/// A revision that was or could have been deployed.
#[derive(Debug, Clone, Serialize)]
pub struct RevisionPart {
    /// Full commit id.
    pub revision: String,
    /// First line of its message.
    pub title: String,
    /// Its author's name; empty where it is not known.
    pub author: String,
    /// When it was deployed, as far as that is known.
    #[serde(serialize_with = "rfc3339")]
    pub deployed_at: DateTime<Utc>,
    /// Events in the last 6 hours of its life that failed; nothing where it is not known.
    pub bad_events: Option<f64>,
    /// All of them.
    pub total_events: Option<f64>,
    /// Why it would be passed over whatever its health was.
    pub passed_over: Option<String>,
    /// Whether it is at the tip.
    pub is_at_tip: bool,
}

/// Every question of a pass to Prometheus, ready to be asked again by hand.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainReport {
    /// Version of the layout.
    pub schema: u32,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// When they were asked.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// Scheme, host and port of the server.
    pub server: String,
    /// The questions, in the order in which they were asked.
    pub queries: Vec<ExplainedQuery>,
    /// Why there are no more; nothing where a pass asks no more.
    pub trouble: Option<String>,
}

/// One question.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedQuery {
    /// What it is called in the answer, such as `m5_bad`; empty where it is asked alone.
    pub name: String,
    /// The PromQL.
    pub query: String,
    /// From when; nothing where it is about the server's own present.
    pub start: Option<DateTime<Utc>>,
    /// Until when: the same where it is about one moment.
    pub end: Option<DateTime<Utc>>,
    /// In which steps (seconds), where it is about more than one moment.
    pub step_seconds: Option<u64>,
    /// In which request it travels, counted from 1.
    pub request: usize,
}

impl From<&journal::Rollback> for PastPart {
    fn from(past: &journal::Rollback) -> Self {
        Self {
            id: past.id.clone(),
            begun_at: past.begun_at,
            from: past.from.clone(),
            to: past.to.clone(),
            outcome: past.phase.into(),
            why: past.why.clone(),
        }
    }
}

/// What was written down.
#[derive(Debug, Clone, Serialize)]
pub struct ApprovalReport {
    /// Version of the layout.
    pub schema: u32,
    /// The command.
    pub command: &'static str,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// The rollback's id.
    pub id: String,
    /// The bad revision.
    pub from: String,
    /// The revision that is or would be restored.
    pub to: String,
    /// Who said it.
    pub by: String,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// Whether nothing was written down.
    pub dry_run: bool,
    /// What happens now, in words.
    pub effect: String,
}
