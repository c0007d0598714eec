//! Who answers each kind of the table.

use std::time::Duration;

use error_budget_monitor::slo::{
    self, Events, Histogram, LatencyState, Level, LevelThresholds, Significance, SignificanceRule,
};
use serde_json::Value;

use super::input::{Answer, Input};

/// Who answers a kind, and how.
pub(super) type Kind = (&'static str, &'static str, fn(&Input<'_>) -> Answer);

/// Every kind of the table. The second column names the library function that is put to the test. `composed:` is a
/// formula that no product code needs, made here from library functions; `illustration:` is a wrong or foreign way
/// that the product avoids, computed here so that its numbers stay on record.
pub(super) const KINDS: &[Kind] = &[
    (
        "error_ratio",
        "Events::from_increase, Events::error_ratio",
        error_ratio,
    ),
    ("burn_rate", "slo::burn_rate", |case| {
        slo::burn_rate(case.number("error_ratio"), case.budget()).into()
    }),
    (
        "burn_rate_from_events",
        "slo::burn_rate of Events::error_ratio",
        |case| {
            let ratio = case.window().map(Events::error_ratio);
            ratio
                .map(|ratio| slo::burn_rate(ratio, case.budget()))
                .into()
        },
    ),
    ("allowed_errors", "slo::allowed_errors", |case| {
        let window = Events::new(0.0, case.number("total_events"));
        window
            .map(|window| slo::allowed_errors(window, case.budget()))
            .into()
    }),
    (
        "errors_left",
        "composed: slo::allowed_errors − bad events",
        |case| {
            case.window()
                .map(|window| slo::allowed_errors(window, case.budget()) - window.bad())
                .into()
        },
    ),
    (
        "allowed_downtime",
        "composed: ErrorBudget::ratio × SLO window",
        |case| Some(allowed_downtime(case)).into(),
    ),
    (
        "downtime_left",
        "composed: ErrorBudget::ratio × SLO window − outage",
        |case| (allowed_downtime(case).as_secs_f64() - case.number("outage_seconds")).into(),
    ),
    ("consumption", "slo::consumption", |case| {
        case.window()
            .map(|window| slo::consumption(window, case.budget()))
            .into()
    }),
    (
        "consumption_from_good",
        "composed: slo::consumption of total − good",
        |case| {
            let total = case.number("total_events");
            let bad = (total - case.number("good_events")).max(0.0);
            Events::new(bad, total)
                .map(|window| slo::consumption(window, case.budget()))
                .into()
        },
    ),
    ("consumed_by_part", "slo::consumption_of_part", |case| {
        let bad = case.number("bad_events_in_part");
        let part = Events::new(bad, bad).expect("a part with bad events");
        let window = Events::new(bad, case.number("total_events_in_slo_window"));
        window
            .map(|window| slo::consumption_of_part(part, window, case.budget()))
            .into()
    }),
    (
        "consumption_constant_traffic",
        "composed: slo::burn_rate × part ÷ window",
        |case| {
            let rate = slo::burn_rate(case.number("error_ratio"), case.budget());
            (rate * case.number("duration_seconds") / case.number("slo_window_seconds")).into()
        },
    ),
    (
        "consumption_averaged_ratios",
        "illustration: the mean of ratios is wrong",
        |case| {
            let mean =
                case.number("bad_slots") * case.number("ratio_in_bad_slots") / case.number("slots");
            slo::burn_rate(mean, case.budget()).into()
        },
    ),
    (
        "traffic_factor",
        "illustration: what constant traffic gets wrong",
        |case| {
            let part = case.number("events_in_part") / case.number("part_seconds");
            let window = case.number("events_in_slo_window") / case.number("slo_window_seconds");
            (part / window).into()
        },
    ),
    ("remaining", "slo::remaining", |case| {
        slo::remaining(case.number("consumed_ratio")).into()
    }),
    (
        "remaining_displayed",
        "composed: slo::remaining, at least 0",
        |case| {
            slo::remaining(case.number("consumed_ratio"))
                .max(0.0)
                .into()
        },
    ),
    ("level_index", "slo::level", level_index),
    ("coverage", "slo::coverage", |case| {
        let expected = case
            .count("slots_expected")
            .try_into()
            .expect("a small number of slots");
        slo::coverage(case.number("slots_with_data"), expected).into()
    }),
    (
        "factor",
        "composed: budget share × SLO window ÷ long window",
        |case| {
            let windows = case.number("slo_window_seconds") / case.number("long_window_seconds");
            (case.number("budget_share") * windows).into()
        },
    ),
    (
        "budget_share_at_trigger",
        "composed: factor × long window ÷ SLO window",
        |case| {
            let windows = case.number("long_window_seconds") / case.number("slo_window_seconds");
            (case.number("factor") * windows).into()
        },
    ),
    (
        "scaled_window",
        "illustration: others keep the factor and scale the window",
        |case| {
            let scale =
                case.number("slo_window_seconds") / case.number("reference_slo_window_seconds");
            (case.number("reference_alert_window_seconds") * scale).into()
        },
    ),
    ("can_fire", "slo::can_fire", |case| {
        Answer::Truth(slo::can_fire(case.number("factor"), case.budget()))
    }),
    ("multiwindow_fires", "slo::multiwindow_fires", |case| {
        let (long, short) = (
            case.maybe("long_error_ratio"),
            case.maybe("short_error_ratio"),
        );
        slo::multiwindow_fires(long, short, case.number("factor"), case.budget()).into()
    }),
    (
        "time_to_fire",
        "composed: factor × ErrorBudget::ratio × window ÷ error ratio",
        |case| {
            let window = case.time("long_window_seconds");
            time_to_fire(case, case.number("error_ratio"), window).into()
        },
    ),
    (
        "time_to_clear",
        "composed: window − the time to fire, where the burst is longer",
        |case| {
            let (burst, window) = (case.time("burst_seconds"), case.time("window_seconds"));
            time_to_fire(case, case.number("error_ratio"), window)
                .filter(|fires_after| burst > *fires_after)
                .map(|fires_after| window.saturating_sub(fires_after))
                .into()
        },
    ),
    (
        "time_to_consume",
        "composed: ErrorBudget::ratio × SLO window × share ÷ error ratio",
        |case| {
            (allowed_downtime(case).as_secs_f64() * case.number("consumed_ratio")
                / case.number("error_ratio"))
            .into()
        },
    ),
    ("time_to_exhaustion", "slo::time_to_exhaustion", |case| {
        let (consumed, rate) = (case.number("consumed_ratio"), case.number("burn_rate"));
        slo::time_to_exhaustion(consumed, rate, case.time("slo_window_seconds")).into()
    }),
    (
        "good_ratio",
        "composed: Events added, 1 − error ratio",
        |case| case.slots().map(|sum| 1.0 - sum.error_ratio()).into(),
    ),
    (
        "consumption_occurrences",
        "composed: Events added, slo::consumption",
        |case| {
            case.slots()
                .map(|sum| slo::consumption(sum, case.target()))
                .into()
        },
    ),
    (
        "consumption_time_slices",
        "illustration: time slices are another SLO",
        time_slices,
    ),
    (
        "blended_ratio",
        "illustration: why a small part hides in the whole",
        |case| {
            let share = case.number("part_share");
            let rest = (1.0 - share) * case.number("rest_error_ratio");
            (share * case.number("part_error_ratio") + rest).into()
        },
    ),
    (
        "absent_alert_delay",
        "composed: the time to fire of a full outage, in minutes",
        |case| {
            let window = case.time("long_window_seconds");
            time_to_fire(case, 1.0, window)
                .map(|time| {
                    let seconds = time.as_secs_f64().trunc() + case.number("for_seconds");
                    (seconds / 60.0).round() * 60.0
                })
                .into()
        },
    ),
    ("binomial_tail", "slo::binomial_tail", |case| {
        let (bad, total) = (case.count("bad_events"), case.count("total_events"));
        slo::binomial_tail(bad, total, case.number("threshold_ratio")).into()
    }),
    (
        "conditional_binomial",
        "slo::conditional_binomial",
        |case| {
            let after = Events::new(
                case.number("after_bad_events"),
                case.number("after_total_events"),
            );
            let before = Events::new(
                case.number("before_bad_events"),
                case.number("before_total_events"),
            );
            let both = after.zip(before);
            let multiple = case.number("rate_multiple");
            both.map(|(after, before)| slo::conditional_binomial(after, before, multiple))
                .into()
        },
    ),
    (
        "min_bad_for_p",
        "composed: the first slo::binomial_tail that is small enough",
        |case| {
            let (threshold, max_p) = (case.number("threshold_ratio"), case.number("max_p_value"));
            let total = case.count("total_events");
            (0..=total)
                .find(|bad| slo::binomial_tail(*bad, total, threshold) <= max_p)
                .map(|bad| bad as f64)
                .into()
        },
    ),
    ("significant", "slo::significant", significant),
    (
        "wilson_lower_bound",
        "illustration: the bound that takes 1 of 10 for proof",
        wilson,
    ),
    ("quantile", "Histogram::quantile", |case| {
        case.histogram()
            .and_then(|histogram| histogram.quantile(case.number("quantile")))
            .into()
    }),
    ("share_above", "Histogram::share_above", |case| {
        let share = |histogram: Histogram| histogram.share_above(case.number("threshold_seconds"));
        case.histogram().and_then(share).into()
    }),
    ("latency_violated", "Histogram::judge", latency_violated),
    ("sustained_violation", "slo::sustained", |case| {
        let points: Vec<_> = case
            .list("error_ratio_points")
            .iter()
            .map(Value::as_f64)
            .collect();
        let min_points = case
            .count("min_points")
            .try_into()
            .expect("a small number of points");
        slo::sustained(&points, case.number("threshold_ratio"), min_points).into()
    }),
];

/// Returns how long a full outage may last at constant traffic until the budget of the SLO window is spent.
fn allowed_downtime(case: &Input<'_>) -> Duration {
    case.time("slo_window_seconds")
        .mul_f64(case.budget().ratio())
}

/// Returns how long a constant error ratio burns from a clean window until that window reaches the factor; nothing
/// where it never does.
fn time_to_fire(case: &Input<'_>, error_ratio: f64, window: Duration) -> Option<Duration> {
    let threshold = case.number("factor") * case.budget().ratio();
    let fires_after = threshold * window.as_secs_f64() / error_ratio;
    Duration::try_from_secs_f64(fires_after)
        .ok()
        .filter(|_| error_ratio > threshold)
}

fn error_ratio(case: &Input<'_>) -> Answer {
    let is_present = case.value("total_series_present") == &Value::Bool(true);
    let total = case.maybe("total_events").filter(|_| is_present);
    let window = total.and_then(|total| Events::from_increase(case.maybe("bad_events"), total));
    window.map(Events::error_ratio).into()
}

fn level_index(case: &Input<'_>) -> Answer {
    let thresholds = LevelThresholds::new(0.5, 0.8, 0.95).expect("in order");
    let level = case
        .maybe("consumed_ratio")
        .and_then(|consumed| slo::level(consumed, &thresholds));
    let index = level.map(|level| match level {
        Level::Ok => 0.0,
        Level::Warning => 1.0,
        Level::Critical => 2.0,
        Level::Emergency => 3.0,
    });
    index.into()
}

fn time_slices(case: &Input<'_>) -> Answer {
    let target = case.number("target_ratio");
    let (good, valid) = (
        case.numbers("good_events_per_slot"),
        case.numbers("valid_events_per_slot"),
    );
    let is_good = |(good, valid): &(&f64, &f64)| *good / *valid >= target;
    let good_slices = good.iter().zip(&valid).filter(is_good).count();
    let bad_ratio = 1.0 - good_slices as f64 / valid.len() as f64;
    slo::burn_rate(bad_ratio, case.target()).into()
}

fn significant(case: &Input<'_>) -> Answer {
    let rule = SignificanceRule {
        max_p_value: case.number("max_p_value"),
        min_bad_events: case.count("min_bad_events"),
        min_events: case.count("min_events"),
    };
    let window = case.window().expect("counts");
    match slo::significant(window, case.number("threshold_ratio"), &rule) {
        Significance::Significant => Answer::Truth(true),
        Significance::NotSignificant => Answer::Truth(false),
        Significance::InsufficientTraffic => Answer::Nothing,
    }
}

fn wilson(case: &Input<'_>) -> Answer {
    let (n, z) = (case.number("total_events"), case.number("z_score"));
    let p = case.number("bad_events") / n;
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let bound = (p + z * z / (2.0 * n) - spread) / (1.0 + z * z / n);
    bound.max(0.0).into()
}

fn latency_violated(case: &Input<'_>) -> Answer {
    let (threshold, allowed) = (
        case.number("threshold_seconds"),
        case.number("allowed_slow_ratio"),
    );
    match case
        .histogram()
        .and_then(|histogram| histogram.judge(threshold, allowed))
    {
        Some(LatencyState::Exceeded) => Answer::Truth(true),
        Some(LatencyState::Within) => Answer::Truth(false),
        Some(LatencyState::Uncertain) | None => Answer::Nothing,
    }
}
