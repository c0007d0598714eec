//! The reason codes of the contract.

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

/// Why something is done or not done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr, Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    /// So many services burn at once that it is not a release.
    FleetWide,
    /// It burns over the windows, and not steadily in the newest minutes: it just began, is over, or comes and goes.
    NotSustained,
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
    /// The application does not deploy what the branch holds.
    BranchNotFollowed,
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

/// How a reason holds a rollback back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldKind {
    /// It passes by itself, or by a setting.
    Passing,
    /// Only a person can go on.
    Lasting,
}

impl Reason {
    /// Returns the code used in the decision record.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Tells how it holds a rollback back; nothing where there is nothing to hold back, or people hear of it by the
    /// rollback that it is about.
    pub fn hold(self) -> Option<HoldKind> {
        match self {
            Self::Healthy
            | Self::NotBurning
            | Self::AwaitingApproval
            | Self::ApprovalExpired
            | Self::Rejected
            | Self::RecoveredMeanwhile
            | Self::Superseded => None,
            Self::NotAttributable
            | Self::NoTarget
            | Self::TooManyRevisions
            | Self::Conflict
            | Self::AlreadyRolledBack
            | Self::IsARollback
            | Self::BranchNotFollowed
            | Self::FleetWide
            | Self::BreakerOpen => Some(HoldKind::Lasting),
            // What burns in bursts, each shorter than a slice, may stay here for long.
            Self::WarningLevel
            | Self::Disabled
            | Self::UnknownData
            | Self::InsufficientTraffic
            | Self::NotSustained
            | Self::DeploymentInProgress
            | Self::Cooldown
            | Self::HourlyLimit
            | Self::DailyLimit
            | Self::Blackout
            | Self::Manual
            | Self::Trigger
            | Self::Resumed => Some(HoldKind::Passing),
        }
    }
}
