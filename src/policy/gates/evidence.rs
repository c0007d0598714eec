//! Whether there is enough evidence: data, burning, severity, significance.

use crate::slo::{
    Assessment, Burn, Cause, Level, Significance, SignificanceRule, Sli, Slo, Verdict,
    binomial_tail, significant, told_once,
};

use super::super::evidence::Evidence;
use super::super::plan::{Gate, GateName};
use super::super::reason::Reason;
use super::super::settings::Settings;
use super::super::text::{self, percent, rate};
use super::MAX_P_VALUE;

pub(in crate::policy) fn data(assessment: &Assessment, evidence: &Evidence) -> Gate {
    // One refused query is the trouble of many readings; it is told once.
    let unknowns = assessment.blocking_unknowns();
    let doubt = evidence.doubt(assessment);
    let mut troubles = told_once(unknowns.map(|it| (it.source.as_str(), it.why.as_str())));
    if let Some(why) = &doubt {
        troubles.push((why, vec!["the past"]));
    }
    if let (true, Some(outage)) = (troubles.is_empty(), &assessment.outage) {
        return Gate::pass(
            GateName::Data,
            format!(
                "{} of {} usual events are missing, and kube-state-metrics say why: {}",
                outage.fall.lost.bad(),
                outage.fall.lost.total(),
                outage.why
            ),
        );
    }
    if troubles.is_empty() {
        let age = assessment.sample_age.map_or(0, |age| age.as_secs());
        return Gate::pass(
            GateName::Data,
            format!(
                "newest sample {age} s old, {} of the SLO window covered, clocks {} s apart",
                percent(assessment.budget.coverage),
                assessment.clock_skew.as_secs()
            ),
        );
    }
    let told: Vec<String> = troubles
        .iter()
        .map(|(why, sources)| format!("{}: {why}", sources.join(", ")))
        .collect();
    Gate::fail(GateName::Data, Reason::UnknownData, told.join("; "))
}

pub(in crate::policy) fn burning(assessment: &Assessment, settings: &Settings) -> Gate {
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

pub(in crate::policy) fn severity(assessment: &Assessment, settings: &Settings) -> Gate {
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

pub(in crate::policy) fn significance(assessment: &Assessment, settings: &Settings) -> Gate {
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
    // Below the critical level only a violation is severe enough, so only a violation may be the proof.
    let by_violation = !level_triggers(assessment) && assessment.is_violated();
    let mut why_not = Vec::new();
    let mut reason = Reason::InsufficientTraffic;
    for burn in &assessment.burns {
        if by_violation && !is_violation(burn.cause) {
            continue;
        }
        match proof(burn, settings) {
            Ok(proof) => return Gate::pass(name, proof),
            Err((why, what)) => {
                // Where events prove a burn there is traffic enough.
                if what == Reason::NotSustained {
                    reason = what;
                }
                why_not.push(why);
            }
        }
    }
    why_not.dedup();
    Gate::fail(name, reason, why_not.join("; "))
}

/// Tells whether something is a violation of an SLO, rather than of its budget.
fn is_violation(cause: Cause) -> bool {
    match cause {
        Cause::Violation(_) | Cause::Outage => true,
        Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn => false,
    }
}

/// Says how sure it is that the events exceed the ratio, or why they do not prove it.
fn proof(burn: &Burn, settings: &Settings) -> Result<String, (String, Reason)> {
    let few = |why: String| Err((why, Reason::InsufficientTraffic));
    let Some(events) = burn.events else {
        return few(format!("{}: no events to test", cause(burn.cause)));
    };
    let what = match burn.sli {
        Sli::Errors | Sli::SlowerThan { .. } => "bad of",
        Sli::Lost { .. } => "lost of",
    };
    let counted = format!("{} {what} {} events", events.bad(), events.total());
    match significant(events, burn.ratio, &rule(settings)) {
        Significance::InsufficientTraffic => {
            few(format!("{counted} (MIN_EVENTS is {})", settings.min_events))
        }
        Significance::NotSignificant => few(format!(
            "{counted} do not prove more than {} (MIN_BAD_EVENTS is {})",
            percent(Some(burn.ratio)),
            settings.min_bad_events
        )),
        Significance::Significant if !is_spread(burn) => Err((
            format!(
                "{}: only {} of the last {} slices are over {} (at least {})",
                cause(burn.cause),
                burn.spread.over,
                burn.spread.of,
                percent(Some(burn.ratio)),
                spread_needed(burn.spread.of)
            ),
            Reason::NotSustained,
        )),
        Significance::Significant => {
            // Counts are whole and far below 2^53, so the conversion is exact.
            let chance = binomial_tail(events.bad() as u64, events.total() as u64, burn.ratio);
            Ok(format!(
                "{counted} prove more than {} ({})",
                percent(Some(burn.ratio)),
                text::chance(chance)
            ))
        }
    }
}

/// Errors come in clusters, which the test does not know: they must be spread over the newest slices. A sustained
/// violation is over its threshold in every one of them.
fn is_spread(burn: &Burn) -> bool {
    match burn.cause {
        Cause::Violation(_) | Cause::Outage => true,
        Cause::FastBurn | Cause::SlowBurn | Cause::EmergencyBurn => {
            burn.spread.of > 0 && burn.spread.over >= spread_needed(burn.spread.of)
        }
    }
}

/// Returns how many of so many slices must exceed the ratio: 4 of 5, in proportion and rounded up. Source: facts,
/// section 8.
fn spread_needed(slices: usize) -> usize {
    (slices * 4).div_ceil(5)
}

fn rule(settings: &Settings) -> SignificanceRule {
    SignificanceRule {
        max_p_value: MAX_P_VALUE,
        min_bad_events: settings.min_bad_events,
        min_events: settings.min_events,
    }
}

/// Tells whether the level alone would justify a rollback.
fn level_triggers(assessment: &Assessment) -> bool {
    assessment.budget.acting_level >= Some(Level::Critical)
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
            Cause::Outage => outage(assessment),
            Cause::EmergencyBurn | Cause::Violation(_) => cause(burn.cause).to_owned(),
        })
        .collect();
    texts.join("; ")
}

fn outage(assessment: &Assessment) -> String {
    let why = assessment.outage.as_ref().map(|outage| &outage.why);
    why.map_or_else(
        || cause(Cause::Outage).to_owned(),
        |why| format!("availability: {why}"),
    )
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Outage => "outage",
        Cause::FastBurn => "fast burn",
        Cause::SlowBurn => "slow burn",
        Cause::EmergencyBurn => "burning at emergency level",
        Cause::Violation(Slo::Availability) => "availability violated",
        Cause::Violation(Slo::ErrorRate) => "error rate violated",
        Cause::Violation(Slo::LatencyP95) => "P95 latency violated",
        Cause::Violation(Slo::LatencyP99) => "P99 latency violated",
    }
}
