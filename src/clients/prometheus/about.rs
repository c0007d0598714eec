//! What a server says of itself. Not every server that answers queries does: nothing here is needed to watch a service.

use std::time::Duration;

use serde_json::Value;

use super::Prometheus;
use crate::clients::http::{Method, accept_json};

/// The units of a duration as Prometheus writes it, with their length in milliseconds; longer names come first. Source: its
/// documentation, "Time Durations".
const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

/// What a server says of itself; nothing where it does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its version, as it writes it.
    pub version: Option<String>,
    /// For how long it keeps samples, as it writes it.
    pub retention: Option<Retention>,
}

/// For how long a server keeps samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// As the server writes it, such as `15d` or `15d or 10GiB`.
    pub text: String,
    /// The time in it; nothing where only the size counts or it cannot be read.
    pub time: Option<Duration>,
}

impl Prometheus {
    /// Asks for version and retention, once and without an error: a server that does not say it may still answer queries.
    pub async fn about(&self) -> About {
        let (build, run) = tokio::join!(self.status("buildinfo"), self.status("runtimeinfo"));
        let text = |answer: Option<Value>, pointer: &str| {
            let answer = answer?;
            let text = answer.pointer(pointer)?.as_str()?;
            (!text.is_empty()).then(|| self.http.quote(text.as_bytes()))
        };
        About {
            version: text(build, "/data/version"),
            retention: text(run, "/data/storageRetention").map(|text| Retention {
                time: time_in(&text),
                text,
            }),
        }
    }

    async fn status(&self, name: &str) -> Option<Value> {
        let request = self
            .http
            .request(Method::GET, ["api", "v1", "status", name]);
        let answer = self.http.send(accept_json(request)).await.ok()?;
        let is_json = answer.media_type() == "application/json";
        (answer.status.is_success() && is_json)
            .then(|| serde_json::from_slice(&answer.body).ok())
            .flatten()
    }
}

/// Reads the time in a retention: `15d`, or the part before `or` in `15d or 10GiB`.
fn time_in(text: &str) -> Option<Duration> {
    let mut rest = text.split(" or ").next()?.trim();
    if rest.is_empty() {
        return None;
    }
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, unit) = rest.split_at(digits);
        let (name, length) = UNITS.iter().find(|(name, _)| unit.starts_with(name))?;
        millis = millis.checked_add(count.parse::<u64>().ok()?.checked_mul(*length)?)?;
        rest = &unit[name.len()..];
    }
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_time_of_a_retention() {
        let hour = Duration::from_secs(3600);
        for (text, expected) in [
            ("15d", Some(15 * 24 * hour)),
            ("15d or 10GiB", Some(15 * 24 * hour)),
            ("1y", Some(365 * 24 * hour)),
            ("2w1d", Some(15 * 24 * hour)),
            ("36h", Some(36 * hour)),
            ("1h30m", Some(hour + hour / 2)),
            ("90s500ms", Some(Duration::from_millis(90_500))),
            ("512MB", None),
            ("", None),
            ("15", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(time_in(text), expected, "{text}");
        }
    }
}
