//! What the decision may do, how often, and how it is proven.

use std::time::Duration;

use crate::policy::BlackoutWindows;

use super::{
    duration::{DAY, HOUR, SECOND, display},
    problems::{Checked, Invalid},
    reader::Reader,
    variables::{
        APPROVAL_TIMEOUT, ATTRIBUTION_WINDOW, AUTO_ROLLBACK_CRITICAL, AUTO_ROLLBACK_EMERGENCY,
        BLACKOUT_WINDOWS, COOLDOWN, DRY_RUN, EMERGENCY_OVERRIDES_BLACKOUT, MAX_REVISIONS_BACK,
        MAX_ROLLBACKS_PER_DAY, MAX_ROLLBACKS_PER_HOUR, MIN_BAD_EVENTS, MIN_EVENTS,
        OUTAGE_DETECTION, REQUIRE_ACTIVE_BURN, REQUIRE_APPROVAL, REQUIRE_ATTRIBUTION,
        REQUIRE_SEEN_LIVE, RESUME_MAX_AGE, ROLLBACK_ENABLED, STABILIZATION, VERIFY_DEADLINE,
        VERIFY_TIMEOUT,
    },
};

/// What the decision may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    /// `ROLLBACK_ENABLED` (false): whether anything is rolled back at all.
    pub rollback_enabled: bool,
    /// `AUTO_ROLLBACK_CRITICAL` (true): whether the critical level rolls back without a person.
    pub auto_rollback_critical: bool,
    /// `AUTO_ROLLBACK_EMERGENCY` (true): whether the emergency level rolls back without a person.
    pub auto_rollback_emergency: bool,
    /// `REQUIRE_APPROVAL` (false): whether a person must approve each rollback.
    pub require_approval: bool,
    /// `APPROVAL_TIMEOUT` (30m), up to 7d: how long an approval may be given.
    pub approval_timeout: Duration,
    /// `DRY_RUN` (false): decide as if enabled, act on nothing, tell nobody, remember nothing.
    pub dry_run: bool,
    /// `REQUIRE_ACTIVE_BURN` (true): whether the budget must be burning now.
    pub require_active_burn: bool,
    /// `REQUIRE_ATTRIBUTION` (true): whether the burn must follow a deployment.
    pub require_attribution: bool,
    /// `REQUIRE_SEEN_LIVE` (false): whether a rollback waits until the program has seen for an hour what is live.
    pub require_seen_live: bool,
    /// `ATTRIBUTION_WINDOW` (60m), from 1s to 30d: how long after a deployment a burn is blamed on it.
    pub attribution_window: Duration,
    /// `OUTAGE_DETECTION` (true): whether a service counts as gone where its traffic ended and no pod is ready.
    pub outage_detection: bool,
    /// `MAX_REVISIONS_BACK` (3), from 1 to 100 deployments.
    pub max_revisions_back: u32,
    /// `MIN_EVENTS` (50): fewest events in the decision window.
    pub min_events: u64,
    /// `MIN_BAD_EVENTS` (5): fewest bad events in the decision window.
    pub min_bad_events: u64,
    /// `RESUME_MAX_AGE` (30m), up to 7d: how old an interrupted rollback may be to be resumed.
    pub resume_max_age: Duration,
}

/// How often and when anything is rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `COOLDOWN` (60m), up to 30d: shortest time between two rollbacks.
    pub cooldown: Duration,
    /// `MAX_ROLLBACKS_PER_HOUR` (1), up to 1000.
    pub max_per_hour: u32,
    /// `MAX_ROLLBACKS_PER_DAY` (3), up to 1000.
    pub max_per_day: u32,
    /// `BLACKOUT_WINDOWS` (`Sat,Sun 00:00-06:00 UTC`; `none` switches them off).
    pub blackout: BlackoutWindows,
    /// `EMERGENCY_OVERRIDES_BLACKOUT` (false): whether the emergency level rolls back even in a blackout.
    pub emergency_overrides_blackout: bool,
}

/// How long the proof may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyConfig {
    /// `VERIFY_TIMEOUT` (4m), up to 1h: how long one run waits.
    pub timeout: Duration,
    /// `VERIFY_DEADLINE` (15m), up to 1d: how long all runs together wait.
    pub deadline: Duration,
    /// `STABILIZATION` (2m), up to `VERIFY_DEADLINE`: how long the error ratio must stay low.
    pub stabilization: Duration,
}

pub(super) fn read_policy(reader: &mut Reader) -> Checked<PolicyConfig> {
    let rollback_enabled = reader.flag(&ROLLBACK_ENABLED);
    let auto_rollback_critical = reader.flag(&AUTO_ROLLBACK_CRITICAL);
    let auto_rollback_emergency = reader.flag(&AUTO_ROLLBACK_EMERGENCY);
    let require_approval = reader.flag(&REQUIRE_APPROVAL);
    let approval_timeout = reader.duration(&APPROVAL_TIMEOUT, Duration::ZERO..=7 * DAY);
    let dry_run = reader.flag(&DRY_RUN);
    let require_active_burn = reader.flag(&REQUIRE_ACTIVE_BURN);
    let require_attribution = reader.flag(&REQUIRE_ATTRIBUTION);
    let require_seen_live = reader.flag(&REQUIRE_SEEN_LIVE);
    let attribution_window = reader.duration(&ATTRIBUTION_WINDOW, SECOND..=30 * DAY);
    let outage_detection = reader.flag(&OUTAGE_DETECTION);
    let max_revisions_back = reader.count(&MAX_REVISIONS_BACK, 1..=100);
    let min_events = reader.count(&MIN_EVENTS, 0..=1_000_000_000);
    let min_bad_events = reader.count(&MIN_BAD_EVENTS, 0..=1_000_000_000);
    let resume_max_age = reader.duration(&RESUME_MAX_AGE, Duration::ZERO..=7 * DAY);
    Ok(PolicyConfig {
        rollback_enabled: rollback_enabled?,
        auto_rollback_critical: auto_rollback_critical?,
        auto_rollback_emergency: auto_rollback_emergency?,
        require_approval: require_approval?,
        approval_timeout: approval_timeout?,
        dry_run: dry_run?,
        require_active_burn: require_active_burn?,
        require_attribution: require_attribution?,
        require_seen_live: require_seen_live?,
        attribution_window: attribution_window?,
        outage_detection: outage_detection?,
        max_revisions_back: max_revisions_back?,
        min_events: min_events?,
        min_bad_events: min_bad_events?,
        resume_max_age: resume_max_age?,
    })
}

pub(super) fn read_limits(reader: &mut Reader) -> Checked<LimitsConfig> {
    let cooldown = reader.duration(&COOLDOWN, Duration::ZERO..=30 * DAY);
    let max_per_hour = reader.count(&MAX_ROLLBACKS_PER_HOUR, 0..=1000);
    let max_per_day = reader.count(&MAX_ROLLBACKS_PER_DAY, 0..=1000);
    let blackout = reader.required(&BLACKOUT_WINDOWS, |text| {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Default::default());
        }
        text.parse::<BlackoutWindows>().map_err(|error| {
            Invalid::because(format!(
                "cannot be understood ({error}); write it like Sat,Sun 00:00-06:00 UTC, several separated by a \
                 semicolon, or none"
            ))
        })
    });
    let emergency_overrides_blackout = reader.flag(&EMERGENCY_OVERRIDES_BLACKOUT);
    Ok(LimitsConfig {
        cooldown: cooldown?,
        max_per_hour: max_per_hour?,
        max_per_day: max_per_day?,
        blackout: blackout?,
        emergency_overrides_blackout: emergency_overrides_blackout?,
    })
}

pub(super) fn read_verify(reader: &mut Reader) -> Checked<VerifyConfig> {
    let timeout = reader.duration(&VERIFY_TIMEOUT, Duration::ZERO..=HOUR);
    let deadline = reader.duration(&VERIFY_DEADLINE, Duration::ZERO..=DAY);
    let stabilization = reader.duration(&STABILIZATION, Duration::ZERO..=DAY);
    let (timeout, deadline, stabilization) = (timeout?, deadline?, stabilization?);
    if stabilization > deadline {
        return Err(reader.report(format!(
            "STABILIZATION ({}) is longer than VERIFY_DEADLINE ({}), so no rollback could ever count as recovered; \
             shorten the first or lengthen the second",
            display(stabilization),
            display(deadline)
        )));
    }
    Ok(VerifyConfig {
        timeout,
        deadline,
        stabilization,
    })
}
