//! The guards, as configured.

use chrono::Duration;

use super::BlackoutWindows;

/// Whether the program rolls back by itself. A person's rollback does not ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByItself {
    /// `ROLLBACK_ENABLED` is true.
    Yes,
    /// It is false.
    No,
    /// It is false, and a dry run decides as if it were true.
    AsIf,
}

impl ByItself {
    /// Returns what the two variables say together.
    pub fn of(rollback_enabled: bool, dry_run: bool) -> Self {
        match (rollback_enabled, dry_run) {
            (true, _) => Self::Yes,
            (false, true) => Self::AsIf,
            (false, false) => Self::No,
        }
    }
}

/// What an operator allows; each field names its variable.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the contract"
)]
pub struct Settings {
    /// `ROLLBACK_ENABLED`: whether the program rolls back by itself.
    pub by_itself: ByItself,
    /// `AUTO_ROLLBACK_CRITICAL`.
    pub auto_rollback_critical: bool,
    /// `AUTO_ROLLBACK_EMERGENCY`.
    pub auto_rollback_emergency: bool,
    /// `REQUIRE_APPROVAL`.
    pub require_approval: bool,
    /// Whether a rollback is a pull request (`GITOPS_MODE=pull-request`): who merges it approves it.
    pub by_pull_request: bool,
    /// `REQUIRE_ACTIVE_BURN`.
    pub require_active_burn: bool,
    /// `REQUIRE_ATTRIBUTION`.
    pub require_attribution: bool,
    /// `REQUIRE_SEEN_LIVE`: whether a commit's date is never enough to say what was live.
    pub require_seen_live: bool,
    /// `ATTRIBUTION_WINDOW`.
    pub attribution_window: Duration,
    /// `VIOLATION_FOR`: how long after a deployment its pods may still be those of the revision before it.
    pub violation_for: Duration,
    /// `MAX_REVISIONS_BACK`.
    pub max_revisions_back: u32,
    /// `MIN_EVENTS`.
    pub min_events: u64,
    /// `MIN_BAD_EVENTS`.
    pub min_bad_events: u64,
    /// `COOLDOWN`.
    pub cooldown: Duration,
    /// `MAX_ROLLBACKS_PER_HOUR`.
    pub max_per_hour: u32,
    /// `MAX_ROLLBACKS_PER_DAY`.
    pub max_per_day: u32,
    /// `BLACKOUT_WINDOWS`.
    pub blackout: BlackoutWindows,
    /// `EMERGENCY_OVERRIDES_BLACKOUT`.
    pub emergency_overrides_blackout: bool,
    /// `VERIFY_DEADLINE`: when a rollback that only the branch remembers counts as verified.
    pub verify_deadline: Duration,
}
