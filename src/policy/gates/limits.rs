//! How often and when a rollback may happen.

use chrono::{DateTime, Duration, Utc};

use crate::slo::Level;

use super::super::history::History;
use super::super::plan::{Gate, GateName};
use super::super::reason::Reason;
use super::super::settings::{ByItself, Settings};
use super::super::text::span;

/// Evaluates cooldown, hourly and daily limit and blackout. `level` is the one that may override a blackout.
pub fn limits(
    history: &History,
    settings: &Settings,
    level: Option<Level>,
    now: DateTime<Utc>,
) -> Gate {
    let name = GateName::Limits;
    let hour = history.attempted_within(Duration::hours(1), now).len();
    let day = history.attempted_within(Duration::hours(24), now).len();
    let recent = history.attempted_within(settings.cooldown, now);
    if let Some(last) = recent.iter().max_by_key(|past| past.counted_from()) {
        let since = now - last.counted_from();
        let left = settings.cooldown - since.max(Duration::zero());
        return Gate::fail(
            name,
            Reason::Cooldown,
            format!(
                "rollback {} was {} ago; {} of COOLDOWN are left",
                last.id,
                span(since),
                span(left)
            ),
        );
    }
    if at_limit(hour, settings.max_per_hour) {
        return Gate::fail(
            name,
            Reason::HourlyLimit,
            format!(
                "{hour} in the last hour (MAX_ROLLBACKS_PER_HOUR is {})",
                settings.max_per_hour
            ),
        );
    }
    if at_limit(day, settings.max_per_day) {
        return Gate::fail(
            name,
            Reason::DailyLimit,
            format!(
                "{day} in the last 24 hours (MAX_ROLLBACKS_PER_DAY is {})",
                settings.max_per_day
            ),
        );
    }
    let mut overridden = "";
    if let Some(active) = settings.blackout.covers(now) {
        if !(settings.emergency_overrides_blackout && level == Some(Level::Emergency)) {
            return Gate::fail(
                name,
                Reason::Blackout,
                format!(
                    "{} is open until {}",
                    active.window,
                    active.until.format("%Y-%m-%d %H:%M UTC")
                ),
            );
        }
        overridden = "; the emergency overrides the blackout";
    }
    Gate::pass(
        name,
        format!(
            "{hour} of {} in the last hour, {day} of {} in the last 24 hours{overridden}",
            settings.max_per_hour, settings.max_per_day
        ),
    )
}

fn at_limit(count: usize, limit: u32) -> bool {
    u32::try_from(count).map_or(true, |count| count >= limit)
}

pub(in crate::policy) fn enabled(settings: &Settings) -> Gate {
    match settings.by_itself {
        ByItself::Yes => Gate::pass(GateName::Enabled, "ROLLBACK_ENABLED is true"),
        ByItself::AsIf => Gate::pass(
            GateName::Enabled,
            "ROLLBACK_ENABLED is false; a dry run decides as if it were true",
        ),
        ByItself::No => Gate::fail(
            GateName::Enabled,
            Reason::Disabled,
            "ROLLBACK_ENABLED is false",
        ),
    }
}
