//! What people are to be told: plain data, as it was when it happened. The words are `notify`'s.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::step::{Origin, Step};
use super::words::RollbackWords;
use crate::policy::{GateName, GateState, Reason};
use crate::slo::{Level, Verdict};

/// One change that people are told, once. It holds all that every message about it needs, because it may be delivered
/// by a later run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// The same for every attempt to deliver it, so that receivers can drop repeats: the rollback's id or the
    /// service's key, and the kind.
    pub id: String,
    /// What changed.
    pub kind: NewsKind,
    /// When.
    pub at: DateTime<Utc>,
    /// The run that saw it.
    pub run_id: String,
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// How the service stood.
    pub standing: ServiceStanding,
    /// Reason of the decision.
    pub reason: Reason,
    /// The reason in a sentence fragment.
    pub detail: String,
    /// Whether only a person can go on.
    pub needs_a_person: bool,
    /// The gates of the decision, in order; empty where nothing was decided.
    pub gates: Vec<NewsGate>,
    /// How often a rollback may still happen, where that is known.
    pub limits: Option<LimitsLeft>,
    /// The rollback, or the plan that waits for approval.
    pub rollback: Option<NewsRollback>,
    /// The key of the alert that all news about this burn share; nothing where none is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What stands before a command that a person pastes; empty where an older version wrote the news.
    #[serde(default)]
    pub command: String,
    /// The dashboard of the service, and what to do about it, where there are such pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard_url: Option<String>,
    /// As above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
}

/// What changed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NewsKind {
    /// The budget's consumption crossed a level upwards.
    LevelCrossed,
    /// The service burns, and a rollback is held back.
    Held,
    /// A rollback was begun.
    Started,
    /// The burn stopped.
    Recovered,
    /// The rollback did not help, or that could not be shown.
    Ineffective,
    /// The rollback could not be carried out.
    Failed,
    /// The branch moved on first, or the plan was overtaken; nothing of ours is there.
    Superseded,
    /// A person has to agree.
    ApprovalNeeded,
    /// Half of the time to agree is over.
    ApprovalHalfTime,
    /// Nobody agreed in time.
    ApprovalExpired,
    /// A person said no.
    Rejected,
    /// A revision that was rolled back is on the branch again.
    HoldViolated,
    /// A commit carries our trailers and is not believed.
    SuspiciousCommit,
    /// The service cannot be measured.
    Blind,
    /// It can be measured again.
    Seeing,
    /// The memory was lost or damaged, and was rebuilt.
    MemoryRebuilt,
    /// What people were woken for burns no more, and no rollback is known to have ended it.
    BurnOver,
}

impl NewsKind {
    /// Returns what is told of one rollback in the course of its life.
    pub fn of_a_life() -> [Self; 9] {
        [
            Self::ApprovalNeeded,
            Self::ApprovalHalfTime,
            Self::ApprovalExpired,
            Self::Rejected,
            Self::Started,
            Self::Recovered,
            Self::Ineffective,
            Self::Failed,
            Self::Superseded,
        ]
    }

    /// Returns the name used in ids and in the messages for programs.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a service stood. A number that cannot be known is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceStanding {
    /// In one word.
    pub verdict: Verdict,
    /// The level; nothing where it is not known.
    pub level: Option<Level>,
    /// `SLO_WINDOW` (seconds).
    pub window_seconds: u64,
    /// `ERROR_BUDGET` (0..1).
    pub error_budget: f64,
    /// Bad events in the window.
    pub bad_events: Option<f64>,
    /// All events in the window.
    pub total_events: Option<f64>,
    /// Share of the budget that is consumed (0.., may exceed 1).
    pub consumed: Option<f64>,
    /// Time until the budget is gone at the present pace (seconds).
    pub seconds_to_exhaustion: Option<f64>,
    /// Burn rates by window, shortest first (unitless).
    pub burn_rates: Vec<(String, Option<f64>)>,
    /// SLOs that are violated.
    pub violated: Vec<String>,
    /// Error ratio in slices of the last hour, oldest first (0..1); none where a slice has no data.
    pub course: Vec<Option<f64>>,
    /// What fails most, the worst of each label first, as label, value, bad and all events.
    pub offenders: Vec<(String, String, f64, Option<f64>)>,
}

/// One gate of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewsGate {
    /// Which one.
    pub gate: GateName,
    /// How it stands.
    pub state: GateState,
    /// With its numbers.
    pub detail: String,
}

/// How often a rollback may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsLeft {
    /// Of `MAX_ROLLBACKS_PER_HOUR`.
    pub hour: u32,
    /// Of `MAX_ROLLBACKS_PER_DAY`.
    pub day: u32,
}

/// A rollback, as far as people are told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewsRollback {
    /// Its id.
    pub id: String,
    /// Who wanted it.
    pub origin: Origin,
    /// Why it was begun.
    pub why: String,
    /// The bad revision.
    pub from: String,
    /// First line of its commit's message, as its author wrote it; not to be trusted.
    pub from_subject: String,
    /// What else goes back: other commits with their titles, as their authors wrote them; not to be trusted.
    pub also: Vec<String>,
    /// The restored revision.
    pub to: String,
    /// When it was begun.
    pub begun_at: DateTime<Utc>,
    /// The commit, once it is on the branch.
    pub commit: Option<String>,
    /// Where the branch is: repository, branch and paths, for people.
    pub place: String,
    /// Web pages of the bad revision, the restored one and the commit, where the repository has such.
    pub from_url: Option<String>,
    /// As above.
    pub to_url: Option<String>,
    /// As above.
    pub commit_url: Option<String>,
    /// Web page of what the bad revision changed since the restored one, where the repository has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_url: Option<String>,
    /// The pull request, where there is one.
    pub pull_request_url: Option<String>,
    /// The Argo CD application, where there is one.
    pub application: Option<String>,
    /// Its web page.
    pub application_url: Option<String>,
    /// Until when a person may agree.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether the service is proven to fail more since.
    pub worse: bool,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What there is to tell of its commits, with the beginning of its diff while somebody is asked about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<RollbackWords>,
}
