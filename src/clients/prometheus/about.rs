//! What a server says of itself. Not every server that answers queries does: nothing here is needed to watch a service.

use std::time::Duration;

use serde_json::Value;

use super::Prometheus;
use crate::clients::http::{Method, accept_json};

/// The units of a duration as Prometheus writes it, with their length in milliseconds; longer names come first.
/// Source: its documentation, "Time Durations".
const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
];

/// Most stores that are looked at.
const MAX_STORES: usize = 1000;

/// What a server says of itself; nothing where it does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its version, as it writes it.
    pub version: Option<String>,
    /// For how long it keeps samples, as it writes it.
    pub retention: Option<Retention>,
    /// Whether it is known to be a Prometheus itself. Thanos names its stores, Mimir its application, and
    /// VictoriaMetrics says a version that is none of its own without saying anything else.
    pub is_prometheus: bool,
    /// The stores behind it, where it is a querier of Thanos.
    pub stores: Option<Stores>,
}

/// The stores behind a querier of Thanos.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stores {
    /// All that it knows now; one that died is forgotten after a while.
    pub known: Vec<Store>,
    /// Whether any are named as ones that must answer (`--endpoint-strict`), so that they are not forgotten; nothing
    /// where it does not say it.
    pub is_strict: Option<bool>,
}

/// A store behind a querier of Thanos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its address.
    pub name: String,
    /// What went wrong when it was asked last.
    pub error: Option<String>,
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
    /// Asks for version, retention and stores, once and without an error: a server that does not say it may still
    /// answer queries.
    pub async fn about(&self) -> About {
        let (build, run, stores) = tokio::join!(
            self.said(&["status", "buildinfo"]),
            self.said(&["status", "runtimeinfo"]),
            self.said(&["stores"])
        );
        let text = |answer: &Option<Value>, pointer: &str| {
            let text = answer.as_ref()?.pointer(pointer)?.as_str()?;
            (!text.is_empty()).then(|| self.server.http.quote(text.as_bytes()))
        };
        let stores = match stores.as_ref().and_then(|answer| self.stores(answer)) {
            Some(known) => Some(Stores {
                known,
                is_strict: self
                    .said(&["status", "flags"])
                    .await
                    .and_then(|flags| is_strict(&flags)),
            }),
            None => None,
        };
        // Prometheus writes when it was built; what only looks like it does not.
        let is_built = text(&build, "/data/revision").is_some();
        let is_other = text(&build, "/data/application").is_some() || stores.is_some();
        About {
            version: text(&build, "/data/version"),
            retention: text(&run, "/data/storageRetention").map(|text| Retention {
                time: time_in(&text),
                text,
            }),
            is_prometheus: is_built && !is_other,
            stores,
        }
    }

    /// Returns the names of the labels of what a selector matches now, at most `most`; empty where the server does not
    /// say it.
    pub async fn label_names(&self, selector: &str, most: usize) -> Vec<String> {
        let answer = self.asked(&["labels"], &[("match[]", selector)]).await;
        let names = answer.as_ref().and_then(|answer| answer.get("data"));
        let names = names.and_then(Value::as_array).into_iter().flatten();
        names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .take(most)
            .collect()
    }

    /// Reads the stores, by kind; nothing where the answer is none of Thanos.
    fn stores(&self, answer: &Value) -> Option<Vec<Store>> {
        let quoted = |text: &str| self.server.http.quote(text.as_bytes());
        let kinds = answer.pointer("/data")?.as_object()?.values();
        let stores = kinds.flat_map(|kind| kind.as_array().into_iter().flatten());
        let stores = stores.filter_map(|store| {
            let error = store.get("lastError").filter(|error| !error.is_null());
            Some(Store {
                name: quoted(store.get("name")?.as_str()?),
                error: error.map(|error| {
                    let text = error
                        .as_str()
                        .map_or_else(|| error.to_string(), str::to_owned);
                    self.server.http.quote_ends(text.as_bytes())
                }),
            })
        });
        Some(stores.take(MAX_STORES).collect())
    }

    async fn said(&self, path: &[&str]) -> Option<Value> {
        self.asked(path, &[]).await
    }

    async fn asked(&self, path: &[&str], query: &[(&str, &str)]) -> Option<Value> {
        let segments = ["api", "v1"].iter().chain(path).copied();
        let request = self.server.http.request(Method::GET, segments).query(query);
        let answer = self.server.http.send(accept_json(request)).await.ok()?;
        let is_json = answer.media_type() == "application/json";
        (answer.status.is_success() && is_json)
            .then(|| serde_json::from_slice(&answer.body).ok())
            .flatten()
    }
}

/// Reads from the flags of a querier whether any store is named as one that must answer. What stands in a file is not
/// said.
fn is_strict(flags: &Value) -> Option<bool> {
    let flags = flags.pointer("/data")?.as_object()?;
    let value = |flag: &str| flags.get(flag)?.as_str();
    // No value is written as an empty text or an empty list.
    let named = |flag: &str| Some(value(flag)?.chars().any(char::is_alphanumeric));
    let strict = ["endpoint-strict", "endpoint-group-strict", "store-strict"].map(named);
    let in_config = value("endpoint.sd-config").is_some_and(|config| {
        let mut lines = config
            .lines()
            .map(|line| line.trim().trim_start_matches("- "));
        lines.any(|line| line.replace(' ', "") == "strict:true")
    });
    match strict {
        [None, None, None] => None,
        _ if in_config || strict.contains(&Some(true)) => Some(true),
        _ if named("endpoint.sd-config-file") == Some(true) => None,
        _ => Some(false),
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
    fn a_store_is_strict_where_a_flag_names_one() {
        let flags = |text: &str| is_strict(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(flags(r#"{"data":{"web.prefix":""}}"#), None);
        assert_eq!(flags(r#"{"data":{"endpoint-strict":"[]"}}"#), Some(false));
        let named = r#"{"data":{"endpoint-strict":"[10.0.0.1:10901]","store-strict":""}}"#;
        assert_eq!(flags(named), Some(true));
        let with = |value: &str| {
            let flags = serde_json::json!({ "data": { "endpoint-strict": "", "endpoint.sd-config": value } });
            is_strict(&flags)
        };
        assert_eq!(with(""), Some(false));
        let config = "endpoints:\n- address: store:10901\n  strict: ";
        assert_eq!(with(&format!("{config}true\n")), Some(true));
        assert_eq!(with(&format!("{config}false\n")), Some(false));
        let file =
            r#"{"data":{"endpoint-strict":"","endpoint.sd-config-file":"/etc/stores.yaml"}}"#;
        assert_eq!(flags(file), None);
    }

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
