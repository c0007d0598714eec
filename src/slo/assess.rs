//! From readings to a verdict.

use super::Level;
use super::assessment::{Assessment, BudgetReport, BurnRates, Verdict, Weight};
use super::budget;
use super::burn;
use super::burns::burns;
use super::events::Events;
use super::measurement::{Measurement, Objective, RATIO_TOLERANCE};
use super::reading::Reading;
use super::unknowns::unknowns;
use super::violations::violations;

/// Share of the SLO window that must hold data before a level may trigger anything (0..1). Below it the level is shown
/// and can only warn. Source: our rule.
const MIN_COVERAGE: f64 = 0.9;

/// Judges one measurement. The same measurement always gives the same assessment; more errors never give a better one.
pub fn assess(measurement: &Measurement, objective: &Objective) -> Assessment {
    let budget = budget_report(measurement, objective);
    let burn_rates = BurnRates {
        m5: burn_rate(&measurement.m5, objective),
        m30: burn_rate(&measurement.m30, objective),
        h1: burn_rate(&measurement.h1, objective),
        h6: burn_rate(&measurement.h6, objective),
    };
    let violations = violations(measurement, objective);
    let unknowns = unknowns(measurement, &violations);
    let (burns, burning) = burns(measurement, objective, &budget, &violations);
    let verdict = match burning {
        Some(true) => Verdict::Burning,
        None => Verdict::Unknown,
        Some(false)
            if unknowns
                .iter()
                .any(|unknown| unknown.weight >= Weight::Acting) =>
        {
            Verdict::Unknown
        }
        Some(false) => match budget.consumed {
            None => Verdict::Unknown,
            Some(consumed) if consumed >= 1.0 - RATIO_TOLERANCE => Verdict::Exhausted,
            Some(_) => Verdict::Healthy,
        },
    };
    Assessment {
        budget,
        burn_rates,
        violations,
        burns,
        burning,
        verdict,
        unknowns,
    }
}

fn budget_report(measurement: &Measurement, objective: &Objective) -> BudgetReport {
    let events = measurement.budget.value().copied();
    let consumed = events.map(|events| budget::consumption(events, objective.budget));
    let coverage = measurement.coverage.value().copied();
    let level = consumed.and_then(|consumed| budget::level(consumed, &objective.levels));
    let acting_level = level.map(|level| {
        if coverage.is_some_and(|coverage| coverage >= MIN_COVERAGE) {
            level
        } else {
            level.min(Level::Warning)
        }
    });
    let to_exhaustion = consumed.and_then(|consumed| {
        let rate = burn_rate(&measurement.h1, objective)?;
        budget::time_to_exhaustion(consumed, rate, objective.window)
    });
    BudgetReport {
        events,
        consumed,
        remaining: consumed.map(budget::remaining),
        coverage,
        to_exhaustion,
        level,
        acting_level,
    }
}

fn burn_rate(events: &Reading<Events>, objective: &Objective) -> Option<f64> {
    let events = events.value()?;
    Some(burn::burn_rate(events.error_ratio(), objective.budget))
}
