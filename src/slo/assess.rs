//! From readings to a verdict.

use std::time::Duration;

use super::budget::{self, LevelThresholds};
use super::burn;
use super::events::Events;
use super::latency::{Histogram, LatencyState};
use super::reading::Reading;
use super::sustained::{self, min_points};
use super::{ErrorBudget, Level};

/// Oldest sample that still speaks of now: twice a one-minute scrape. Older data make every reading unknown.
/// Source: our rule, `max(2 min, 3 scrapes)`.
pub const MAX_SAMPLE_AGE: Duration = Duration::from_secs(120);

/// Difference between the back end's clock and ours above which nothing is done: deployment times come from other
/// clocks, and a lag measured across them would mean nothing. Source: our rule.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Share of the SLO window that must hold data before a level may trigger anything (0..1). Below it the level is shown
/// and can only warn. Source: our rule.
const MIN_COVERAGE: f64 = 0.9;

/// Tolerance of every comparison with a configured ratio: `1 − 0.99` is 0.010000000000000009 in binary.
const RATIO_TOLERANCE: f64 = 1e-9;

/// Burn rate that is enough at emergency level, for the 1 h and 5 m windows (unitless): the budget is nearly gone, so
/// the slower page factor of the Google SRE workbook is used on the faster windows. Source: DESIGN, section 3.5.
const EMERGENCY_FACTOR: f64 = 6.0;

/// What the service promises, and when that counts as broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// `SLO_WINDOW`.
    pub window: Duration,
    /// `ERROR_BUDGET`.
    pub budget: ErrorBudget,
    /// `BUDGET_WARNING`, `BUDGET_CRITICAL`, `BUDGET_EMERGENCY`.
    pub levels: LevelThresholds,
    /// `MIN_AVAILABILITY` (ratio).
    pub min_availability: f64,
    /// `MAX_ERROR_RATE` (ratio).
    pub max_error_rate: f64,
    /// `MAX_LATENCY_P95`.
    pub max_latency_p95: Duration,
    /// `MAX_LATENCY_P99`.
    pub max_latency_p99: Duration,
    /// `VIOLATION_FOR`.
    pub violation_for: Duration,
    /// `BURN_RATE_FAST`.
    pub burn_rate_fast: f64,
    /// `BURN_RATE_SLOW`.
    pub burn_rate_slow: f64,
}

/// Everything that was read about one service at one evaluation time.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Events over the SLO window.
    pub budget: Reading<Events>,
    /// Share of the SLO window that holds data (0..1).
    pub coverage: Reading<f64>,
    /// Events of the last 5 minutes.
    pub m5: Reading<Events>,
    /// Events of the last 30 minutes.
    pub m30: Reading<Events>,
    /// Events of the last hour.
    pub h1: Reading<Events>,
    /// Events of the last 6 hours.
    pub h6: Reading<Events>,
    /// Age of the newest sample.
    pub freshness: Reading<Duration>,
    /// One slice per step over the violation window, oldest first; nothing where a slice is missing or idle.
    pub slices: Reading<Vec<Option<Events>>>,
    /// The latency histogram of each slice, as `slices`.
    pub latency: Reading<Vec<Option<Histogram>>>,
    /// Distance between the back end's clock and ours, either way.
    pub clock_skew: Duration,
}

/// A value that could not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Which value.
    pub source: String,
    /// Why, as a fragment for people.
    pub why: String,
    /// How much it matters.
    pub weight: Weight,
}

/// What an unknown value stands in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing: the other readings suffice (a service without a latency histogram).
    Note,
    /// Acting, but not the gate: the service is idle and its budget is known.
    Acting,
    /// Acting and the gate.
    Everything,
}

/// The four SLOs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slo {
    /// Share of good events.
    Availability,
    /// Share of bad events.
    ErrorRate,
    /// 95th percentile of the latency.
    LatencyP95,
    /// 99th percentile of the latency.
    LatencyP99,
}

impl Slo {
    /// Returns the name used in the decision record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::ErrorRate => "error_rate",
            Self::LatencyP95 => "latency_p95",
            Self::LatencyP99 => "latency_p99",
        }
    }
}

/// Whether an SLO is broken for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViolationState {
    /// Not violated over the whole violation window.
    Ok,
    /// Violated over the whole violation window.
    Violated,
    /// The buckets cannot decide it.
    Uncertain,
    /// Too little was measured.
    Unknown,
}

/// One SLO and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Which SLO.
    pub slo: Slo,
    /// How it stands.
    pub state: ViolationState,
    /// Ratio for availability and error rate, seconds (interpolated quantile) for latency; over the violation window.
    pub value: Option<f64>,
    /// The threshold, in the unit of `value`.
    pub threshold: f64,
    /// For how long the newest slices have been over the threshold.
    pub lasting: Duration,
    /// Slices present.
    pub points: usize,
    /// Slices asked for.
    pub points_expected: usize,
}

/// Something that shows that the budget is being burnt now, with the counts that prove or disprove it.
#[derive(Debug, Clone, PartialEq)]
pub struct Burn {
    /// What fired.
    pub cause: Cause,
    /// Events to test, over the window of the cause.
    pub events: Option<Events>,
    /// The ratio that these events must exceed (0..1).
    pub ratio: f64,
}

/// What shows that the budget is being burnt now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// 1 h and 5 m above `BURN_RATE_FAST`.
    FastBurn,
    /// 6 h and 30 m above `BURN_RATE_SLOW`.
    SlowBurn,
    /// 1 h and 5 m above 6 while the level is emergency.
    EmergencyBurn,
    /// An SLO violated over the whole violation window.
    Violation(Slo),
}

/// The state of the budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetReport {
    /// Events over the SLO window.
    pub events: Option<Events>,
    /// Consumption (0 = untouched, 1 = all of it; may exceed 1).
    pub consumed: Option<f64>,
    /// 1 − consumption; negative when overspent.
    pub remaining: Option<f64>,
    /// Share of the SLO window that holds data (0..1).
    pub coverage: Option<f64>,
    /// Time until the budget is gone at the burn rate of the last hour, nothing when it is never.
    pub to_exhaustion: Option<Duration>,
    /// The highest level reached, as measured.
    pub level: Option<Level>,
    /// The level that may trigger: as `level`, at most warning where coverage is low.
    pub acting_level: Option<Level>,
}

/// Burn rates of the four windows; nothing where one is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnRates {
    /// 5 minutes.
    pub m5: Option<f64>,
    /// 30 minutes.
    pub m30: Option<f64>,
    /// 1 hour.
    pub h1: Option<f64>,
    /// 6 hours.
    pub h6: Option<f64>,
}

/// How the service stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not burning, budget left.
    Healthy,
    /// Burning now.
    Burning,
    /// Nothing burns, but the budget is gone.
    Exhausted,
    /// Not known.
    Unknown,
}

/// What the readings mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The budget.
    pub budget: BudgetReport,
    /// The burn rates.
    pub burn_rates: BurnRates,
    /// The four SLOs, in the order of the record.
    pub violations: Vec<Violation>,
    /// All that shows that the budget is being burnt now; empty when nothing does.
    pub burns: Vec<Burn>,
    /// Whether it is being burnt now; nothing when that cannot be known.
    pub burning: Option<bool>,
    /// In one word.
    pub verdict: Verdict,
    /// What could not be known.
    pub unknowns: Vec<Unknown>,
}

impl Objective {
    /// Returns the distance between two slices: 30 s, less where `VIOLATION_FOR` is short, so that at least 11 slices
    /// cover it. Source: facts measured on Prometheus 2.42 (11 points over 5 minutes).
    pub fn slice_step(&self) -> Duration {
        (self.violation_for / 10).clamp(Duration::from_secs(1), Duration::from_secs(30))
    }

    /// Returns what one slice covers: one minute, less where `VIOLATION_FOR` is short. It must hold at least four
    /// scrapes.
    pub fn slice_window(&self) -> Duration {
        (self.violation_for / 5).clamp(Duration::from_secs(4), Duration::from_secs(60))
    }

    /// Returns how many slices cover a span, both ends included.
    pub fn slices_in(&self, span: Duration) -> usize {
        usize::try_from(span.as_millis() / self.slice_step().as_millis()).unwrap_or(usize::MAX - 1)
            + 1
    }

    /// Returns how many slices may be asked for at once without a gap between non-overlapping ones.
    fn stride(&self) -> usize {
        let step = self.slice_step().as_millis().max(1);
        usize::try_from(self.slice_window().as_millis().div_ceil(step))
            .unwrap_or(1)
            .max(1)
    }

    /// Returns the error ratio that availability and error rate allow together: the smaller of the two.
    pub fn max_bad_ratio(&self) -> f64 {
        self.max_error_rate.min(1.0 - self.min_availability)
    }
}

impl Assessment {
    /// Returns the unknowns that stand in the way of acting.
    pub fn blocking_unknowns(&self) -> impl Iterator<Item = &Unknown> {
        self.unknowns
            .iter()
            .filter(|unknown| unknown.weight >= Weight::Acting)
    }

    /// Tells whether an SLO is violated.
    pub fn is_violated(&self) -> bool {
        self.violations
            .iter()
            .any(|violation| violation.state == ViolationState::Violated)
    }
}

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

fn violations(measurement: &Measurement, objective: &Objective) -> Vec<Violation> {
    let expected = objective.slices_in(objective.violation_for);
    let ratios: Option<Vec<Option<f64>>> = measurement.slices.value().map(|slices| {
        slices
            .iter()
            .map(|slice| slice.map(Events::error_ratio))
            .collect()
    });
    let total = measurement.slices.value().and_then(|slices| sum(slices));
    let by_errors = |slo: Slo, allowed_bad: f64, value: Option<f64>, threshold: f64| {
        let (state, lasting, points) = match &ratios {
            None => (ViolationState::Unknown, Duration::ZERO, 0),
            Some(ratios) => {
                let state = match sustained::sustained(
                    ratios,
                    allowed_bad + RATIO_TOLERANCE,
                    min_points(expected),
                ) {
                    Some(true) => ViolationState::Violated,
                    Some(false) => ViolationState::Ok,
                    None => ViolationState::Unknown,
                };
                let over = |ratio: &Option<f64>| {
                    ratio.is_some_and(|ratio| ratio > allowed_bad + RATIO_TOLERANCE)
                };
                (state, trailing(ratios, over, objective), present(ratios))
            }
        };
        Violation {
            slo,
            state,
            value,
            threshold,
            lasting,
            points,
            points_expected: expected,
        }
    };
    let error_ratio = total.map(Events::error_ratio);
    vec![
        by_errors(
            Slo::Availability,
            1.0 - objective.min_availability,
            error_ratio.map(|ratio| 1.0 - ratio),
            objective.min_availability,
        ),
        by_errors(
            Slo::ErrorRate,
            objective.max_error_rate,
            error_ratio,
            objective.max_error_rate,
        ),
        latency_violation(Slo::LatencyP95, measurement, objective),
        latency_violation(Slo::LatencyP99, measurement, objective),
    ]
}

/// The quantile, its threshold, and the share of events that may be slower than it.
fn latency_rule(slo: Slo, objective: &Objective) -> Option<(f64, Duration, f64)> {
    match slo {
        Slo::LatencyP95 => Some((0.95, objective.max_latency_p95, 0.05)),
        Slo::LatencyP99 => Some((0.99, objective.max_latency_p99, 0.01)),
        Slo::Availability | Slo::ErrorRate => None,
    }
}

fn latency_violation(slo: Slo, measurement: &Measurement, objective: &Objective) -> Violation {
    let expected = objective.slices_in(objective.violation_for);
    let (quantile, threshold, allowed) =
        latency_rule(slo, objective).expect("only called with the two latency SLOs");
    let threshold_seconds = threshold.as_secs_f64();
    let mut violation = Violation {
        slo,
        state: ViolationState::Unknown,
        value: None,
        threshold: threshold_seconds,
        lasting: Duration::ZERO,
        points: 0,
        points_expected: expected,
    };
    let Some(slices) = measurement.latency.value() else {
        return violation;
    };
    let states: Vec<Option<LatencyState>> = slices
        .iter()
        .map(|slice| slice.as_ref()?.judge(threshold_seconds, allowed))
        .collect();
    violation.points = present(&states);
    violation.value = slices
        .iter()
        .rev()
        .flatten()
        .next()
        .and_then(|slice| slice.quantile(quantile));
    violation.lasting = trailing(
        &states,
        |state| matches!(state, Some(LatencyState::Exceeded)),
        objective,
    );
    let newest_is_present = states.last().is_some_and(Option::is_some);
    violation.state = if !newest_is_present || violation.points < min_points(expected) {
        ViolationState::Unknown
    } else if states
        .iter()
        .flatten()
        .all(|state| *state == LatencyState::Exceeded)
    {
        ViolationState::Violated
    } else if states
        .iter()
        .flatten()
        .any(|state| *state == LatencyState::Within)
    {
        ViolationState::Ok
    } else {
        ViolationState::Uncertain
    };
    violation
}

/// Tells whether the service was calm in every one of these slices: the newest is there, so are enough of the expected
/// ones, and none is over the ratio. Nothing when too little was measured to tell; `Some(false)` when any slice is over.
pub fn is_calm(slices: &[Option<Events>], max_ratio: f64, expected: usize) -> Option<bool> {
    let is_over = |events: &Events| events.error_ratio() > max_ratio + RATIO_TOLERANCE;
    if slices.iter().flatten().any(is_over) {
        return Some(false);
    }
    let newest_is_present = slices.last().is_some_and(Option::is_some);
    (newest_is_present && present(slices) >= min_points(expected)).then_some(true)
}

/// Counts the slices that are there.
fn present<T>(slices: &[Option<T>]) -> usize {
    slices.iter().filter(|slice| slice.is_some()).count()
}

/// Returns for how long the newest slices have been over, without a break: 0 for none or one of them.
fn trailing<T>(slices: &[T], is_over: impl Fn(&T) -> bool, objective: &Objective) -> Duration {
    let run = slices
        .iter()
        .rev()
        .take_while(|slice| is_over(slice))
        .count();
    objective.slice_step() * u32::try_from(run.saturating_sub(1)).unwrap_or(u32::MAX)
}

fn sum(slices: &[Option<Events>]) -> Option<Events> {
    slices
        .iter()
        .flatten()
        .copied()
        .reduce(|left, right| left + right)
}

fn unknowns(measurement: &Measurement, violations: &[Violation]) -> Vec<Unknown> {
    let mut unknowns = Vec::new();
    let mut note = |source: &str, why: Option<String>, weight: Weight| {
        if let Some(why) = why {
            unknowns.push(Unknown {
                source: source.to_owned(),
                why,
                weight,
            });
        }
    };
    if measurement.clock_skew > MAX_CLOCK_SKEW {
        note(
            "clock",
            Some(format!(
                "the clocks of Prometheus and of this machine differ by {} s (at most {} s); synchronise them",
                measurement.clock_skew.as_secs(),
                MAX_CLOCK_SKEW.as_secs()
            )),
            Weight::Everything,
        );
    }
    note(
        "freshness",
        measurement.freshness.why_unknown(),
        Weight::Everything,
    );
    note(
        "budget",
        measurement.budget.why_unknown(),
        Weight::Everything,
    );
    note(
        "coverage",
        measurement.coverage.why_unknown(),
        Weight::Everything,
    );
    for (source, window) in [
        ("burn_rate_5m", &measurement.m5),
        ("burn_rate_30m", &measurement.m30),
        ("burn_rate_1h", &measurement.h1),
        ("burn_rate_6h", &measurement.h6),
    ] {
        note(source, window.why_unknown(), weight_of(window));
    }
    match &measurement.slices {
        Reading::Measured(_) => {
            let errors = &violations[0];
            if errors.state == ViolationState::Unknown {
                note(
                    "violations",
                    Some(format!(
                        "only {} of {} slices of the violation window hold data, or the newest does not",
                        errors.points, errors.points_expected
                    )),
                    weight_of(&measurement.m5).max(Weight::Acting),
                );
            }
        }
        other @ (Reading::NoTraffic
        | Reading::NoSeries
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. }) => note("violations", other.why_unknown(), weight_of(other)),
    }
    match &measurement.latency {
        Reading::Measured(_) => {}
        other @ (Reading::NoSeries | Reading::NoTraffic) => {
            note("latency", other.why_unknown(), Weight::Note)
        }
        other @ (Reading::Stale { .. } | Reading::Partial { .. } | Reading::Invalid { .. }) => {
            note("latency", other.why_unknown(), Weight::Everything);
        }
    }
    unknowns
}

/// An idle window stands in the way of acting only; everything else that is unknown also blocks the gate.
fn weight_of<T>(reading: &Reading<T>) -> Weight {
    match reading {
        Reading::Measured(_) => Weight::Note,
        Reading::NoTraffic => Weight::Acting,
        Reading::NoSeries
        | Reading::Stale { .. }
        | Reading::Partial { .. }
        | Reading::Invalid { .. } => Weight::Everything,
    }
}

fn burns(
    measurement: &Measurement,
    objective: &Objective,
    budget: &BudgetReport,
    violations: &[Violation],
) -> (Vec<Burn>, Option<bool>) {
    let ratio = |window: &Reading<Events>| window.value().map(|events| events.error_ratio());
    let pair = |long: &Reading<Events>, short: &Reading<Events>, factor: f64| {
        burn::multiwindow_fires(ratio(long), ratio(short), factor, objective.budget)
    };
    let mut burns = Vec::new();
    let mut unknown = false;
    let mut consider =
        |fires: Option<bool>, cause: Cause, events: Option<Events>, ratio: f64| match fires {
            Some(true) => burns.push(Burn {
                cause,
                events,
                ratio,
            }),
            Some(false) => {}
            None => unknown = true,
        };
    let share = |factor: f64| factor * objective.budget.ratio();
    consider(
        pair(&measurement.h1, &measurement.m5, objective.burn_rate_fast),
        Cause::FastBurn,
        measurement.m5.value().copied(),
        share(objective.burn_rate_fast),
    );
    consider(
        pair(&measurement.h6, &measurement.m30, objective.burn_rate_slow),
        Cause::SlowBurn,
        measurement.m30.value().copied(),
        share(objective.burn_rate_slow),
    );
    if budget.acting_level == Some(Level::Emergency) {
        consider(
            pair(&measurement.h1, &measurement.m5, EMERGENCY_FACTOR),
            Cause::EmergencyBurn,
            measurement.m5.value().copied(),
            share(EMERGENCY_FACTOR),
        );
    }
    for violation in violations {
        let (events, allowed) = match violation.slo {
            Slo::Availability => (
                disjoint_events(measurement, objective),
                1.0 - objective.min_availability,
            ),
            Slo::ErrorRate => (
                disjoint_events(measurement, objective),
                objective.max_error_rate,
            ),
            Slo::LatencyP95 | Slo::LatencyP99 => slow_events(violation.slo, measurement, objective),
        };
        let fires = match violation.state {
            ViolationState::Violated => Some(true),
            ViolationState::Ok | ViolationState::Uncertain => Some(false),
            // A service without a latency histogram is judged by its errors alone.
            ViolationState::Unknown => match violation.slo {
                Slo::Availability | Slo::ErrorRate => None,
                Slo::LatencyP95 | Slo::LatencyP99 => Some(false),
            },
        };
        consider(fires, Cause::Violation(violation.slo), events, allowed);
    }
    let burning = if measurement.freshness.value().is_none() {
        // Old samples speak of the past: nothing is known of now.
        burns.clear();
        None
    } else if !burns.is_empty() {
        Some(true)
    } else if unknown {
        None
    } else {
        Some(false)
    };
    (burns, burning)
}

/// Adds up slices that do not overlap, newest first, so that no event counts twice.
fn disjoint_events(measurement: &Measurement, objective: &Objective) -> Option<Events> {
    let slices = measurement.slices.value()?;
    let disjoint: Vec<Option<Events>> = slices
        .iter()
        .rev()
        .step_by(objective.stride())
        .copied()
        .collect();
    sum(&disjoint)
}

/// Counts provably slow events in slices that do not overlap, with the share that may be slow.
fn slow_events(
    slo: Slo,
    measurement: &Measurement,
    objective: &Objective,
) -> (Option<Events>, f64) {
    let Some((_, threshold, allowed)) = latency_rule(slo, objective) else {
        return (None, 0.0);
    };
    let events = measurement.latency.value().and_then(|slices| {
        let disjoint: Vec<Option<Events>> = slices
            .iter()
            .rev()
            .step_by(objective.stride())
            .map(|slice| slice.as_ref()?.provably_slow(threshold.as_secs_f64()))
            .collect();
        sum(&disjoint)
    });
    (events, allowed)
}
