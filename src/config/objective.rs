//! What the service promises, and what counts as too much.

use std::time::Duration;

use crate::slo::{ErrorBudget, LevelThresholds, Objective, can_fire};

use super::{
    duration::{DAY, HOUR, SECOND},
    problems::{Checked, Invalid, quoted},
    reader::{Reader, number},
    variables::{
        BUDGET_CRITICAL, BUDGET_EMERGENCY, BUDGET_WARNING, BURN_RATE_FAST, BURN_RATE_SLOW,
        ERROR_BUDGET, Key, MAX_ERROR_RATE, MAX_LATENCY_P95, MAX_LATENCY_P99, MIN_AVAILABILITY,
        SLO_WINDOW, VIOLATION_FOR,
    },
};

/// Smallest error budget (ratio): one bad event in a billion. Below it no counter has enough events to tell, and the
/// division by the budget would leave the range of floating-point numbers.
const SMALLEST_BUDGET: f64 = 1e-9;

/// Reads the SLO window (`SLO_WINDOW`: 30d, from 1h to 366d) and the error budget (`ERROR_BUDGET`: 0.001).
pub(super) fn read_slo(reader: &mut Reader) -> Checked<(Duration, ErrorBudget)> {
    let window = reader.duration(&SLO_WINDOW, HOUR..=366 * DAY);
    let error_budget = reader.required(&ERROR_BUDGET, |text| {
        number(text).filter(|ratio| *ratio >= SMALLEST_BUDGET).and_then(ErrorBudget::new).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write it as a fraction from {SMALLEST_BUDGET:e} and below 1, so 0.1 % is 0.001",
                quoted(text)
            ))
        })
    });
    Ok((window?, error_budget?))
}

/// Reads what counts as too much: the levels as shares of the budget (0.5, 0.8, 0.95), `MIN_AVAILABILITY` (0.99),
/// `MAX_ERROR_RATE` (0.01), `MAX_LATENCY_P95` (1s) and `MAX_LATENCY_P99` (2s), from 1ms to 1h, `VIOLATION_FOR` (5m),
/// from 1s to 1d, `BURN_RATE_FAST` (14.4), reachable with the error budget, and `BURN_RATE_SLOW` (6), not above the
/// fast one.
pub(super) fn read(
    reader: &mut Reader,
    slo: &Checked<(Duration, ErrorBudget)>,
) -> Checked<Objective> {
    let warning = ratio(reader, &BUDGET_WARNING, ShareOf::Consumed);
    let critical = ratio(reader, &BUDGET_CRITICAL, ShareOf::Consumed);
    let emergency = ratio(reader, &BUDGET_EMERGENCY, ShareOf::Consumed);
    let min_availability = ratio(reader, &MIN_AVAILABILITY, ShareOf::Good);
    let max_error_rate = ratio(reader, &MAX_ERROR_RATE, ShareOf::Bad);
    let latency = Duration::from_millis(1)..=HOUR;
    let max_latency_p95 = reader.duration(&MAX_LATENCY_P95, latency.clone());
    let max_latency_p99 = reader.duration(&MAX_LATENCY_P99, latency);
    let violation_for = reader.duration(&VIOLATION_FOR, SECOND..=DAY);
    let burn_rate_fast = burn_rate(reader, &BURN_RATE_FAST);
    let burn_rate_slow = burn_rate(reader, &BURN_RATE_SLOW);
    let levels = check_levels(reader, [warning, critical, emergency]);
    if let (Ok(fast), Ok(slow)) = (burn_rate_fast, burn_rate_slow)
        && slow > fast
    {
        reader.report(format!(
            "BURN_RATE_SLOW ({slow}) is above BURN_RATE_FAST ({fast}); the longer windows take the smaller factor"
        ));
    }
    let (window, budget) = (*slo)?;
    if let Ok(fast) = burn_rate_fast {
        check_reachable(reader, fast, budget);
    }
    Ok(Objective {
        window,
        budget,
        levels: levels?,
        min_availability: min_availability?,
        max_error_rate: max_error_rate?,
        max_latency_p95: max_latency_p95?,
        max_latency_p99: max_latency_p99?,
        violation_for: violation_for?,
        burn_rate_fast: burn_rate_fast?,
        burn_rate_slow: burn_rate_slow?,
    })
}

fn check_levels(reader: &mut Reader, levels: [Checked<f64>; 3]) -> Checked<LevelThresholds> {
    let [warning, critical, emergency] = levels;
    let (warning, critical, emergency) = (warning?, critical?, emergency?);
    LevelThresholds::new(warning, critical, emergency)
        .filter(|_| warning < critical && critical < emergency)
        .ok_or_else(|| {
            reader.report(format!(
                "BUDGET_WARNING ({warning}), BUDGET_CRITICAL ({critical}) and BUDGET_EMERGENCY ({emergency}) are not in \
                 ascending order; make each larger than the one before"
            ))
        })
}

/// Reports a burn rate that even a service without one good event could not exceed.
fn check_reachable(reader: &mut Reader, fast: f64, budget: ErrorBudget) {
    if !can_fire(fast, budget) {
        let budget = budget.ratio();
        reader.report(format!(
            "BURN_RATE_FAST ({fast}) times ERROR_BUDGET ({budget}) is not below 1, so not even a complete outage would \
             count as burning; lower one of them"
        ));
    }
}

/// What a ratio is a share of, and so which ends of 0..1 make sense.
#[derive(Debug, Clone, Copy)]
enum ShareOf {
    /// Of the budget.
    Consumed,
    /// Of events that may be bad; 1 switches the check off.
    Bad,
    /// Of events that must be good; 0 switches the check off.
    Good,
}

fn ratio(reader: &mut Reader, key: &Key, share: ShareOf) -> Checked<f64> {
    reader.required(key, |text| {
        let (is_in_range, form): (fn(&f64) -> bool, &str) = match share {
            ShareOf::Consumed => (
                |ratio| *ratio > 0.0 && *ratio <= 1.0,
                "above 0 and at most 1, so 80 % is 0.8",
            ),
            ShareOf::Bad => (
                |ratio| *ratio > 0.0 && *ratio <= 1.0,
                "above 0 and at most 1, so 0.1 % is 0.001",
            ),
            ShareOf::Good => (
                |ratio| *ratio >= 0.0 && *ratio < 1.0,
                "from 0 and below 1, so 99.9 % is 0.999",
            ),
        };
        number(text).filter(is_in_range).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write it as a fraction {form}",
                quoted(text)
            ))
        })
    })
}

fn burn_rate(reader: &mut Reader, key: &Key) -> Checked<f64> {
    reader.required(key, |text| {
        number(text).filter(|rate| *rate > 0.0).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write a number above 0, such as 14.4",
                quoted(text)
            ))
        })
    })
}
