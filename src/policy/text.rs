//! Numbers as people read them.

use chrono::Duration;

pub(super) fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.1}"))
}

pub(super) fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(
        || "an unknown share".to_owned(),
        |ratio| format!("{:.2} %", ratio * 100.0),
    )
}

/// Writes a span for people: the two largest units, `0 s` for one that lies ahead.
pub(super) fn span(span: Duration) -> String {
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

/// Writes a chance (0..=1); one too small for a number is still not zero.
pub(super) fn chance(chance: f64) -> String {
    if chance < 1e-300 {
        "p < 1e-300".to_owned()
    } else {
        format!("p = {chance:.0e}")
    }
}
