//! The reason codes of the contract.

use serde::Serialize;

/// Why something is done or not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// All is well.
    Healthy,
    /// The level is below what triggers a rollback.
    WarningLevel,
    /// Rollbacks, or those of this level, are switched off.
    Disabled,
    /// A reading is missing, stale, partial or contradictory.
    UnknownData,
    /// The budget may be spent, but nothing burns now.
    NotBurning,
    /// Too few events to tell a bad release from chance.
    InsufficientTraffic,
    /// No deployment can be blamed.
    NotAttributable,
    /// No good revision to go back to is known.
    NoTarget,
    /// The good revision lies too many deployments back.
    TooManyRevisions,
    /// Somebody changed after the suspect what would have to go back, or a secret would come back.
    Conflict,
    /// This pair of revisions was rolled back before.
    AlreadyRolledBack,
    /// The newest deployment is itself a rollback.
    IsARollback,
    /// A deployment or an unverified rollback is under way.
    DeploymentInProgress,
    /// The last rollback is too recent.
    Cooldown,
    /// Too many rollbacks in an hour.
    HourlyLimit,
    /// Too many rollbacks in a day.
    DailyLimit,
    /// A blackout window is open.
    Blackout,
    /// A person has to agree first.
    AwaitingApproval,
    /// Nobody agreed in time.
    ApprovalExpired,
    /// A person said no.
    Rejected,
    /// The burn was over before a person had agreed, or before anything was done.
    RecoveredMeanwhile,
    /// The branch moved on meanwhile.
    Superseded,
    /// The last rollback failed or did not help: a person has to look first.
    BreakerOpen,
    /// A person asked for it.
    Manual,
    /// Every gate passed.
    Trigger,
    /// An earlier run began it.
    Resumed,
}

impl Reason {
    /// Returns the code used in the decision record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::WarningLevel => "warning_level",
            Self::Disabled => "disabled",
            Self::UnknownData => "unknown_data",
            Self::NotBurning => "not_burning",
            Self::InsufficientTraffic => "insufficient_traffic",
            Self::NotAttributable => "not_attributable",
            Self::NoTarget => "no_target",
            Self::TooManyRevisions => "too_many_revisions",
            Self::Conflict => "conflict",
            Self::AlreadyRolledBack => "already_rolled_back",
            Self::IsARollback => "is_a_rollback",
            Self::DeploymentInProgress => "deployment_in_progress",
            Self::Cooldown => "cooldown",
            Self::HourlyLimit => "hourly_limit",
            Self::DailyLimit => "daily_limit",
            Self::Blackout => "blackout",
            Self::AwaitingApproval => "awaiting_approval",
            Self::ApprovalExpired => "approval_expired",
            Self::Rejected => "rejected",
            Self::RecoveredMeanwhile => "recovered_meanwhile",
            Self::Superseded => "superseded",
            Self::BreakerOpen => "breaker_open",
            Self::Manual => "manual",
            Self::Trigger => "trigger",
            Self::Resumed => "resumed",
        }
    }
}
