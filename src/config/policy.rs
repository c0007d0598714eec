//! What the decision may do, how often, and how it is proven.

use std::time::Duration;

use chrono::TimeDelta;

use crate::policy::{BlackoutWindows, ByItself, Settings};
use crate::slo::Objective;

use super::{
    duration::{DAY, HOUR, SECOND, display},
    gitops::{GitopsConfig, GitopsMode},
    problems::{Checked, Invalid, quoted},
    reader::Reader,
    variables::{
        APPROVAL_TIMEOUT, ATTRIBUTION_WINDOW, AUTO_ROLLBACK_CRITICAL, AUTO_ROLLBACK_EMERGENCY,
        BLACKOUT_WINDOWS, COOLDOWN, DRY_RUN, EMERGENCY_OVERRIDES_BLACKOUT, MAX_REVISIONS_BACK,
        MAX_ROLLBACKS_PER_DAY, MAX_ROLLBACKS_PER_HOUR, MAX_ROLLBACKS_PER_HOUR_FLEET,
        MIN_BAD_EVENTS, MIN_EVENTS, OUTAGE_DETECTION, REQUIRE_ACTIVE_BURN, REQUIRE_APPROVAL,
        REQUIRE_ATTRIBUTION, REQUIRE_SEEN_LIVE, RESUME_MAX_AGE, ROLLBACK_ENABLED, STABILIZATION,
        VERIFY_DEADLINE, VERIFY_TIMEOUT,
    },
};

/// What goes for every run, beside what the decision weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunConfig {
    /// `ROLLBACK_ENABLED` (false): whether the program rolls back by itself.
    pub rollback_enabled: bool,
    /// `DRY_RUN` (false): decide as if enabled, act on nothing, tell nobody, remember nothing.
    pub dry_run: bool,
    /// `APPROVAL_TIMEOUT` (30m), up to 7d: how long an approval may be given.
    pub approval_timeout: Duration,
    /// `OUTAGE_DETECTION` (true): whether a service counts as gone where its traffic ended and no pod is ready.
    pub outage_detection: bool,
    /// `MAX_ROLLBACKS_PER_HOUR_FLEET` (a tenth of the services, at least 1), up to 10,000: how many releases all services
    /// of a run together may take back within an hour. It counts only where a run serves several.
    pub max_per_hour_fleet: Option<usize>,
    /// `RESUME_MAX_AGE` (30m), up to 7d: how old an interrupted rollback may be to be resumed.
    pub resume_max_age: Duration,
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

/// What the decision weighs, what goes for every run, and the proof.
pub(super) struct Policy {
    pub(super) settings: Settings,
    pub(super) run: RunConfig,
    pub(super) verify: VerifyConfig,
}

pub(super) fn read(
    reader: &mut Reader,
    objective: &Checked<Objective>,
    gitops: &Checked<Option<GitopsConfig>>,
) -> Checked<Policy> {
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
    let cooldown = reader.duration(&COOLDOWN, Duration::ZERO..=30 * DAY);
    let max_per_hour = reader.count(&MAX_ROLLBACKS_PER_HOUR, 0..=1000);
    let max_per_day = reader.count(&MAX_ROLLBACKS_PER_DAY, 0..=1000);
    let max_per_hour_fleet =
        reader.optional(&MAX_ROLLBACKS_PER_HOUR_FLEET, |text| match text.parse() {
            Ok(most @ 0..=10_000) => Ok(most),
            Ok(_) | Err(_) => Err(Invalid::because(format!(
                "is {}; write a whole number from 0 to 10000",
                quoted(text)
            ))),
        });
    let blackout = reader.required(&BLACKOUT_WINDOWS, parse_blackout);
    let emergency_overrides_blackout = reader.flag(&EMERGENCY_OVERRIDES_BLACKOUT);
    let verify = read_verify(reader)?;
    let (rollback_enabled, dry_run) = (rollback_enabled?, dry_run?);
    let objective = objective.as_ref().map_err(|reported| *reported)?;
    let gitops = gitops.as_ref().map_err(|reported| *reported)?.as_ref();
    Ok(Policy {
        settings: Settings {
            by_itself: ByItself::of(rollback_enabled, dry_run),
            auto_rollback_critical: auto_rollback_critical?,
            auto_rollback_emergency: auto_rollback_emergency?,
            require_approval: require_approval?,
            by_pull_request: gitops.is_some_and(|gitops| gitops.mode == GitopsMode::PullRequest),
            require_active_burn: require_active_burn?,
            require_attribution: require_attribution?,
            require_seen_live: require_seen_live?,
            attribution_window: in_calendar(attribution_window?),
            violation_for: in_calendar(objective.violation_for),
            max_revisions_back: max_revisions_back?,
            min_events: min_events?,
            min_bad_events: min_bad_events?,
            cooldown: in_calendar(cooldown?),
            max_per_hour: max_per_hour?,
            max_per_day: max_per_day?,
            blackout: blackout?,
            emergency_overrides_blackout: emergency_overrides_blackout?,
            verify_deadline: in_calendar(verify.deadline),
        },
        run: RunConfig {
            rollback_enabled,
            dry_run,
            approval_timeout: approval_timeout?,
            outage_detection: outage_detection?,
            max_per_hour_fleet: max_per_hour_fleet?,
            resume_max_age: resume_max_age?,
        },
        verify,
    })
}

/// Turns a duration into one that can be added to a time.
fn in_calendar(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("no range reaches beyond a year")
}

fn parse_blackout(text: &str) -> Result<BlackoutWindows, Invalid> {
    text.parse::<BlackoutWindows>().map_err(|error| {
        Invalid::because(format!(
            "cannot be understood ({error}); write it like Sat,Sun 00:00-06:00 UTC, several separated by a semicolon, \
             or none"
        ))
    })
}

fn read_verify(reader: &mut Reader) -> Checked<VerifyConfig> {
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
