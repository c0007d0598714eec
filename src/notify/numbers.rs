//! Numbers as people read them. One that is not known is written as `unknown`.

/// Writes a ratio as a percentage.
pub(super) fn percent(ratio: Option<f64>) -> String {
    ratio.map_or_else(
        || "unknown".to_owned(),
        |ratio| format!("{} %", trim(ratio * 100.0)),
    )
}

/// Two decimals, more where the value is small.
fn trim(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.1 {
        format!("{value:.4}").trim_end_matches('0').to_owned()
    } else {
        format!("{value:.2}")
    }
}

/// Writes seconds with three decimals.
pub(super) fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.3} s"))
}

/// Writes a number of events.
pub(super) fn count(events: Option<f64>) -> String {
    events.map_or_else(|| "unknown".to_owned(), |events| events.to_string())
}

/// Writes a burn rate or another ratio of two rates.
pub(super) fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.2}"))
}

/// Writes a length of time in the unit that suits it.
pub(super) fn span(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 172_800.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.1} d", seconds / 86_400.0)
    }
}
