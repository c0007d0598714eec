//! Durations as people write them: `90s`, `5m`, `1h`, `30d`.

use std::{ops::RangeInclusive, time::Duration};

use super::problems::{Invalid, quoted};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The units and their length in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Parses a whole number and one unit, and checks that it is within the range.
///
/// # Errors
/// Fails when the text is no such duration, or outside of the range.
pub fn parse(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Invalid> {
    let malformed = || {
        Invalid::because(format!(
            "is {}; write a whole number and a unit, such as 500ms, 90s, 5m, 1h or 30d",
            quoted(text)
        ))
    };
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(malformed)?;
    let (number, unit) = text.split_at(digits);
    let (_, unit_ms) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(malformed)?;
    if number.is_empty() {
        return Err(malformed());
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(*unit_ms))
        .map(Duration::from_millis)
        .filter(|duration| range.contains(duration))
        .ok_or_else(|| {
            Invalid::because(format!(
                "is {}; it must be from {} to {}",
                quoted(text),
                display(*range.start()),
                display(*range.end())
            ))
        })
}

/// Writes a duration the way it is configured, in the longest unit that leaves a whole number.
pub(super) fn display(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(_, unit_ms)| millis.is_multiple_of(u128::from(*unit_ms)))
        .map_or_else(
            || "0s".to_owned(),
            |(name, unit_ms)| format!("{}{name}", millis / u128::from(*unit_ms)),
        )
}
