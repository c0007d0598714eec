//! The gates: each one named function with its own reason codes.

use chrono::{DateTime, Duration, Utc};

use super::decide::Inputs;
use super::history::{History, PastOutcome};
use super::plan::{Attribution, Blame, Gate, GateName, Plan};
use super::reason::Reason;
use super::settings::Settings;
use super::target::{NoTarget, short};
use super::timeline::{BranchReading, Timeline};
use crate::slo::{
    Assessment, Burn, Cause, Level, Significance, SignificanceRule, Slo, Verdict, binomial_tail,
    significant,
};

/// Largest chance of seeing so many bad events although the service keeps its promise. The program looks 8,640 times in
/// 30 days, so one in twenty would be crossed every day. Source: our rule.
const MAX_P_VALUE: f64 = 0.001;

/// How far a deployment's time may lie in the future of the evaluation time: clocks of committers are not ours.
const CLOCK_GRACE: Duration = Duration::seconds(60);

/// How long a failed or ineffective rollback stops every automatic one, unless something new is deployed.
const BREAKER_OPEN_FOR: Duration = Duration::hours(24);

pub(super) fn data(assessment: &Assessment) -> Gate {
    let blocking: Vec<String> = assessment
        .blocking_unknowns()
        .map(|unknown| format!("{}: {}", unknown.source, unknown.why))
        .collect();
    if blocking.is_empty() {
        Gate::pass(GateName::Data, "every reading is fresh and complete")
    } else {
        Gate::fail(GateName::Data, Reason::UnknownData, blocking.join("; "))
    }
}

pub(super) fn burning(assessment: &Assessment, settings: &Settings) -> Gate {
    match assessment.burning {
        Some(true) => Gate::pass(GateName::Burning, causes(assessment)),
        Some(false) if !settings.require_active_burn && level_triggers(assessment) => {
            Gate::off(GateName::Burning)
        }
        Some(false) => {
            let reason = if assessment.verdict == Verdict::Healthy
                && assessment.budget.level == Some(Level::Ok)
            {
                Reason::Healthy
            } else {
                Reason::NotBurning
            };
            Gate::fail(
                GateName::Burning,
                reason,
                format!(
                    "burn rate 1h {}, 5m {}; no SLO violated throughout the violation window",
                    rate(assessment.burn_rates.h1),
                    rate(assessment.burn_rates.m5)
                ),
            )
        }
        None => Gate::not_checked(GateName::Burning, "the burn rate is not known"),
    }
}

pub(super) fn severity(assessment: &Assessment, settings: &Settings) -> Gate {
    let level = assessment.budget.acting_level;
    let shown = format!(
        "{} of the budget consumed{}",
        percent(assessment.budget.consumed),
        if level == assessment.budget.level {
            ""
        } else {
            ", of a window that is not covered"
        }
    );
    let (enabled, switch) = match level {
        Some(Level::Emergency) => (settings.auto_rollback_emergency, "AUTO_ROLLBACK_EMERGENCY"),
        Some(Level::Critical) => (settings.auto_rollback_critical, "AUTO_ROLLBACK_CRITICAL"),
        Some(Level::Ok | Level::Warning) | None if assessment.is_violated() => {
            (settings.auto_rollback_critical, "AUTO_ROLLBACK_CRITICAL")
        }
        Some(Level::Ok | Level::Warning) => {
            return Gate::fail(
                GateName::Severity,
                Reason::WarningLevel,
                format!("{shown}, and no SLO is violated throughout the violation window"),
            );
        }
        None => {
            return Gate::not_checked(GateName::Severity, "the level of the budget is not known");
        }
    };
    if !enabled {
        return Gate::fail(
            GateName::Severity,
            Reason::Disabled,
            format!("{switch} is false"),
        );
    }
    Gate::pass(
        GateName::Severity,
        if assessment.is_violated() {
            format!("{shown}; an SLO is violated")
        } else {
            shown
        },
    )
}

pub(super) fn significance(assessment: &Assessment, settings: &Settings) -> Gate {
    let name = GateName::Significance;
    let level_decides = !settings.require_active_burn && level_triggers(assessment);
    if assessment.burns.is_empty() {
        return match assessment.budget.events {
            Some(events)
                if level_decides
                    && significant(events, 0.0, &rule(settings)) == Significance::Significant =>
            {
                Gate::pass(
                    name,
                    format!("{} bad events in the SLO window", events.bad()),
                )
            }
            Some(events) if level_decides => Gate::fail(
                name,
                Reason::InsufficientTraffic,
                format!(
                    "{} bad of {} events in the SLO window",
                    events.bad(),
                    events.total()
                ),
            ),
            Some(_) | None => Gate::not_checked(name, "nothing burns"),
        };
    }
    let mut why_not = Vec::new();
    for burn in &assessment.burns {
        match proof(burn, settings) {
            Ok(proof) => return Gate::pass(name, proof),
            Err(why) => why_not.push(why),
        }
    }
    why_not.dedup();
    Gate::fail(name, Reason::InsufficientTraffic, why_not.join("; "))
}

/// Says how sure it is that the events exceed the ratio, or why they do not prove it.
fn proof(burn: &Burn, settings: &Settings) -> Result<String, String> {
    let Some(events) = burn.events else {
        return Err(format!("{}: no events to test", cause(burn.cause)));
    };
    let counted = format!("{} bad of {} events", events.bad(), events.total());
    match significant(events, burn.ratio, &rule(settings)) {
        Significance::InsufficientTraffic => {
            Err(format!("{counted} (MIN_EVENTS is {})", settings.min_events))
        }
        Significance::NotSignificant => Err(format!(
            "{counted} do not prove more than {} (MIN_BAD_EVENTS is {})",
            percent(Some(burn.ratio)),
            settings.min_bad_events
        )),
        Significance::Significant => {
            // Counts are whole and far below 2^53, so the conversion is exact.
            let chance = binomial_tail(events.bad() as u64, events.total() as u64, burn.ratio);
            Ok(format!(
                "{counted} prove more than {} (p = {chance:.0e})",
                percent(Some(burn.ratio))
            ))
        }
    }
}

fn rule(settings: &Settings) -> SignificanceRule {
    SignificanceRule {
        max_p_value: MAX_P_VALUE,
        min_bad_events: settings.min_bad_events,
        min_events: settings.min_events,
    }
}

pub(super) fn attribution(inputs: &Inputs<'_>) -> (Gate, Option<Attribution>) {
    let name = GateName::Attribution;
    let timeline = match inputs.branch {
        BranchReading::Known(timeline) => timeline,
        BranchReading::NotAsked => {
            return (
                Gate::not_checked(name, "the repository was not asked"),
                None,
            );
        }
        BranchReading::NotConfigured => {
            return (
                Gate::fail(
                    name,
                    Reason::NotAttributable,
                    "no deployment is known: GITOPS_REPO and GITOPS_PATH are not set",
                ),
                None,
            );
        }
    };
    let Some(newest) = timeline.changes.first() else {
        return (
            Gate::fail(
                name,
                Reason::NotAttributable,
                "no commit changes the watched paths",
            ),
            None,
        );
    };
    let age = inputs.now - newest.committed_at;
    let window = inputs.settings.attribution_window;
    let fits = age <= window && age >= -CLOCK_GRACE;
    let why = format!(
        "{} was deployed {} ago (at most {})",
        short(&newest.revision),
        span(age),
        span(window)
    );
    let attribution = Attribution {
        suspect: newest.revision.clone(),
        verdict: if fits {
            Blame::Deployment
        } else {
            Blame::NotDeployment
        },
        why: why.clone(),
    };
    let gate = if !inputs.settings.require_attribution {
        Gate::off(name)
    } else if fits {
        Gate::pass(name, why)
    } else {
        Gate::fail(name, Reason::NotAttributable, why)
    };
    (gate, Some(attribution))
}

pub(super) fn target(timeline: Option<&Timeline>, chosen: Option<&Result<Plan, NoTarget>>) -> Gate {
    let name = GateName::Target;
    match (timeline, chosen) {
        (Some(timeline), _) if newest_is_a_rollback(timeline) => {
            Gate::not_checked(name, "the newest change is itself a rollback")
        }
        (_, Some(Ok(plan))) => Gate::pass(
            name,
            format!("{} goes back to {}", short(&plan.from), short(&plan.to)),
        ),
        (_, Some(Err(no_target))) => Gate::fail(name, no_target.reason, no_target.why.clone()),
        (_, None) => Gate::not_checked(name, "the repository was not read"),
    }
}

pub(super) fn not_a_loop(
    timeline: Option<&Timeline>,
    plan: Option<&Plan>,
    history: &History,
    now: DateTime<Utc>,
) -> Gate {
    let name = GateName::NotALoop;
    let Some(timeline) = timeline else {
        return Gate::not_checked(name, "the repository was not read");
    };
    if let Some(open) = breaker(timeline, history, now) {
        return open;
    }
    if let Some(mark) = timeline
        .changes
        .first()
        .and_then(|newest| newest.rollback.as_ref())
    {
        return Gate::fail(
            name,
            Reason::IsARollback,
            format!("the newest change is the rollback {}", mark.id),
        );
    }
    if let Some(unverified) = unverified(history) {
        return unverified;
    }
    let again = plan.and_then(|plan| {
        history.all().iter().find(|past| {
            past.from == plan.from && past.to == plan.to && past.outcome != PastOutcome::Superseded
        })
    });
    match again {
        Some(past) => Gate::fail(
            name,
            Reason::AlreadyRolledBack,
            format!(
                "rollback {} went back from the same revision to the same revision",
                past.id
            ),
        ),
        None => Gate::pass(name, "nothing here was rolled back before"),
    }
}

/// The gate for a person: the breaker and an unverified rollback stop them too, their own judgement replaces the rest.
pub(super) fn not_a_loop_manual(
    timeline: &Timeline,
    history: &History,
    now: DateTime<Utc>,
) -> Gate {
    breaker(timeline, history, now)
        .or_else(|| unverified(history))
        .unwrap_or_else(|| {
            Gate::pass(
                GateName::NotALoop,
                "no rollback is unverified, and the breaker is closed",
            )
        })
}

fn breaker(timeline: &Timeline, history: &History, now: DateTime<Utc>) -> Option<Gate> {
    let last = history.newest()?;
    let broken = match last.outcome {
        PastOutcome::Failed => "failed",
        PastOutcome::Ineffective => "did not help",
        PastOutcome::Unverified | PastOutcome::Recovered | PastOutcome::Superseded => return None,
    };
    let newly_deployed = timeline
        .changes
        .first()
        .is_some_and(|newest| newest.rollback.is_none() && newest.committed_at > last.begun_at);
    (!newly_deployed && now - last.begun_at < BREAKER_OPEN_FOR).then(|| {
        Gate::fail(
            GateName::NotALoop,
            Reason::BreakerOpen,
            format!(
                "rollback {} {broken} {} ago: a person has to look; the breaker closes with the next deployment or after 24 h",
                last.id,
                span(now - last.begun_at)
            ),
        )
    })
}

fn unverified(history: &History) -> Option<Gate> {
    let past = history
        .all()
        .iter()
        .find(|past| past.outcome == PastOutcome::Unverified)?;
    Some(Gate::fail(
        GateName::NotALoop,
        Reason::DeploymentInProgress,
        format!("rollback {} is not verified yet", past.id),
    ))
}

pub(super) fn limits(
    history: &History,
    settings: &Settings,
    level: Option<Level>,
    now: DateTime<Utc>,
) -> Gate {
    let name = GateName::Limits;
    let hour = history.attempted_within(Duration::hours(1), now).len();
    let day = history.attempted_within(Duration::hours(24), now).len();
    if let Some(last) = history.attempted_within(settings.cooldown, now).last() {
        let left = settings.cooldown - (now - last.begun_at).max(Duration::zero());
        return Gate::fail(
            name,
            Reason::Cooldown,
            format!(
                "rollback {} was {} ago; {} of COOLDOWN are left",
                last.id,
                span(now - last.begun_at),
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

pub(super) fn approval(settings: &Settings) -> Gate {
    if settings.require_approval {
        Gate::fail(
            GateName::Approval,
            Reason::AwaitingApproval,
            "REQUIRE_APPROVAL is true; roll back by hand with `rollback gitops`",
        )
    } else {
        Gate::off(GateName::Approval)
    }
}

pub(super) fn enabled(settings: &Settings) -> Gate {
    if settings.rollback_enabled {
        Gate::pass(GateName::Enabled, "rollbacks are switched on")
    } else {
        Gate::fail(
            GateName::Enabled,
            Reason::Disabled,
            "ROLLBACK_ENABLED is false",
        )
    }
}

/// Tells whether the level alone would justify a rollback.
pub(super) fn level_triggers(assessment: &Assessment) -> bool {
    assessment.budget.acting_level >= Some(Level::Critical)
}

pub(super) fn newest_is_a_rollback(timeline: &Timeline) -> bool {
    timeline
        .changes
        .first()
        .is_some_and(|newest| newest.rollback.is_some())
}

fn causes(assessment: &Assessment) -> String {
    let texts: Vec<String> = assessment
        .burns
        .iter()
        .map(|burn| match burn.cause {
            Cause::FastBurn => format!(
                "burn rate 1h {}, 5m {}",
                rate(assessment.burn_rates.h1),
                rate(assessment.burn_rates.m5)
            ),
            Cause::SlowBurn => format!(
                "burn rate 6h {}, 30m {}",
                rate(assessment.burn_rates.h6),
                rate(assessment.burn_rates.m30)
            ),
            Cause::EmergencyBurn | Cause::Violation(_) => cause(burn.cause).to_owned(),
        })
        .collect();
    texts.join("; ")
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::FastBurn => "fast burn",
        Cause::SlowBurn => "slow burn",
        Cause::EmergencyBurn => "burning at emergency level",
        Cause::Violation(Slo::Availability) => "availability violated",
        Cause::Violation(Slo::ErrorRate) => "error rate violated",
        Cause::Violation(Slo::LatencyP95) => "P95 latency violated",
        Cause::Violation(Slo::LatencyP99) => "P99 latency violated",
    }
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.1}"))
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(
        || "an unknown share".to_owned(),
        |ratio| format!("{:.2} %", ratio * 100.0),
    )
}

/// Writes a span for people: the two largest units, `0 s` for one that lies ahead.
fn span(span: Duration) -> String {
    let seconds = span.num_seconds().max(0);
    match (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, _, _) => format!("{days} d"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}
