//! The words of a runbook: names, times and texts that cannot be wrong once they are read.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// The one placeholder that is filled in later: how far back a gate's query counts.
pub(super) const WINDOW: &str = "${WINDOW}";

/// Longest text of a runbook's member (characters): a query or a program's argument is never as long.
const LONGEST_TEXT: usize = 8192;

/// Longest line for people (characters).
const LONGEST_LINE: usize = 200;

/// Longest time that a step may wait, hold or take.
const LONGEST_SPAN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The units of times and their length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Makes a type of a text that is checked when it is read, with the pattern that says the same to editors.
macro_rules! checked_text {
    ($(#[doc = $help:literal])+ $name:ident, $check:expr, $($schema:tt)+) => {
        $(#[doc = $help])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[cfg_attr(test, schemars($($schema)+))]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let check: fn(&str) -> Result<(), String> = $check;
                deserializer.deserialize_any(Checking(check)).map(Self)
            }
        }
    };
}

/// Reads a text and checks it where its position is known.
struct Checking(fn(&str) -> Result<(), String>);

impl Visitor<'_> for Checking {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, in quotes where it looks like something else")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        (self.0)(text).map_err(E::custom)?;
        Ok(text.to_owned())
    }
}

checked_text! {
    /// Name of an object: lower-case letters, digits, `-` and `.`, at most 253 characters.
    ObjectName, object_name, inline, extend("pattern" = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?|.*\$\{(SERVICE|NAMESPACE)\}.*)$"), extend("maxLength" = 253)
}

checked_text! {
    /// One line of 1 to 200 characters.
    ShortLine, short_line, inline, extend("pattern" = r"^[^\x00-\x1f\x7f]+$"), extend("maxLength" = 200)
}

checked_text! {
    /// A text of 1 to 8192 characters.
    StepText, step_text, inline, extend("minLength" = 1, "maxLength" = 8192)
}

checked_text! {
    /// A query in PromQL; `${WINDOW}` stands for the time since the rung was taken.
    GateQuery, gate_query, inline, extend("minLength" = 1, "maxLength" = 8192)
}

checked_text! {
    /// A path into an object, as in a JSON patch: `/spec/selector`; `/` in a name is written `~1`.
    JsonPointer, json_pointer, inline, extend("pattern" = r"^(/([^/~]|~[01])*)+$")
}

checked_text! {
    /// An absolute path.
    FilePath, absolute_path, inline, extend("pattern" = r"^/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$")
}

checked_text! {
    /// An address that begins with `http://` or `https://`, without a user and a password.
    StepUrl, step_url, inline, extend("pattern" = r"^https?://[^@\s/?#]+([/?#][^\s]*)?$")
}

checked_text! {
    /// Name of an environment variable.
    VariableName, variable_name, inline, extend("pattern" = r"^[A-Za-z_][A-Za-z0-9_]*$")
}

checked_text! {
    /// Group and version of an object of another kind, such as `traefik.io/v1alpha1`.
    ApiVersion, api_version, inline, extend("pattern" = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[a-z0-9]+$")
}

checked_text! {
    /// Kind of an object, as its manifest says it, such as `TraefikService`; never `Secret`.
    KindName, kind_name, inline, extend("pattern" = "^[A-Z][A-Za-z0-9]*$", "not" = {"const": "Secret"})
}

fn object_name(text: &str) -> Result<(), String> {
    let is_edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let is_name = bytes
        .iter()
        .all(|byte| is_edge(byte) || b"-.".contains(byte))
        && bytes.first().is_some_and(is_edge)
        && bytes.last().is_some_and(is_edge)
        && bytes.len() <= 253;
    says(
        is_name,
        "a name is of lower-case letters, digits, - and ., begins and ends with a letter or digit, and has at most 253 characters",
    )
}

fn short_line(text: &str) -> Result<(), String> {
    without_window(text)?;
    let length = text.chars().count();
    let is_line = (1..=LONGEST_LINE).contains(&length) && !text.chars().any(char::is_control);
    says(is_line, "write one line of 1 to 200 characters")
}

fn step_text(text: &str) -> Result<(), String> {
    without_window(text)?;
    gate_query(text)
}

fn gate_query(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    says(
        (1..=LONGEST_TEXT).contains(&length),
        "write 1 to 8192 characters",
    )
}

fn without_window(text: &str) -> Result<(), String> {
    says(
        !text.contains(WINDOW),
        "${WINDOW} stands only in the queries of a gate; write the time, such as [2m]",
    )
}

fn json_pointer(text: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        let mut after = part.split('~');
        after.next();
        after.all(|rest| rest.starts_with(['0', '1']))
    };
    let is_pointer = text.len() > 1 && text.starts_with('/') && text[1..].split('/').all(is_part);
    says(
        is_pointer,
        "write a path into the object such as /spec/selector",
    )
}

fn absolute_path(text: &str) -> Result<(), String> {
    let is_path = text.starts_with('/')
        && !text.ends_with('/')
        && !text.chars().any(char::is_control)
        && !text.split('/').any(|part| part == "..");
    says(
        is_path,
        "write the absolute path of a file, without .. in it",
    )
}

fn step_url(text: &str) -> Result<(), String> {
    without_window(text)?;
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let is_url = host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    says(
        is_url,
        "write an address with http:// or https://, without a user and a password",
    )
}

fn variable_name(text: &str) -> Result<(), String> {
    let mut bytes = text.bytes();
    let is_name = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    says(
        is_name,
        "write the name of an environment variable; its value comes from the environment of the run",
    )
}

fn api_version(text: &str) -> Result<(), String> {
    let (group, version) = text.rsplit_once('/').unwrap_or(("core", text));
    let is_version = version.starts_with('v')
        && version.len() > 1
        && version
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    says(
        is_version && object_name(group).is_ok(),
        "write apiVersion as in a manifest, such as traefik.io/v1alpha1",
    )
}

fn kind_name(text: &str) -> Result<(), String> {
    says(
        text != "Secret",
        "a Secret is not changed by a runbook: its values would stand in the file and in the journal",
    )?;
    let is_kind = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    says(
        is_kind,
        "write the kind as in a manifest, such as TraefikService",
    )
}

fn says(is_so: bool, otherwise: &str) -> Result<(), String> {
    match is_so {
        true => Ok(()),
        false => Err(otherwise.to_owned()),
    }
}

/// How long something is waited for, holds or may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

impl TimeSpan {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let span = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*unit_ms)?);
        (!span.is_zero() && span <= LONGEST_SPAN).then_some(Self(span))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let longest = UNITS
            .iter()
            .find(|(_, unit)| ms >= *unit && ms.is_multiple_of(*unit));
        let (name, unit) = longest.unwrap_or(&("ms", 1));
        write!(f, "{} {name}", ms / unit)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Checking(|text| {
            says(
                Self::parse(text).is_some(),
                "write a whole number and a unit, such as 500ms, 90s, 5m, 1h or 1d, up to 30d",
            )
        }))?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("it was checked"))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for TimeSpan {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeSpan".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A whole number and a unit: `500ms`, `90s`, `5m`, `1h`, `1d`; at most `30d`.",
            "pattern": "^0*[1-9][0-9]*(ms|s|m|h|d)$",
        })
    }
}

/// A Deployment, a StatefulSet or a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadName {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
}

/// The kinds of workloads.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::Display,
)]
#[strum(serialize_all = "lowercase")]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl WorkloadName {
    fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let kind = match kind {
            "deployment" => WorkloadKind::Deployment,
            "statefulset" => WorkloadKind::StatefulSet,
            "daemonset" => WorkloadKind::DaemonSet,
            _ => return None,
        };
        object_name(name).ok()?;
        Some(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for WorkloadName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Checking(|text| {
            says(
                Self::parse(text).is_some(),
                "write a workload as deployment/NAME, statefulset/NAME or daemonset/NAME",
            )
        }))?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("it was checked"))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for WorkloadName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WorkloadName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A workload: `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME`.",
            "pattern": r"^(deployment|statefulset|daemonset)/([a-z0-9]([-a-z0-9.]*[a-z0-9])?|.*\$\{(SERVICE|NAMESPACE)\}.*)$",
        })
    }
}

/// A whole number, or a word in its place.
struct NumberOrWord {
    most: u64,
    words: &'static [&'static str],
}

/// What was read.
enum NumberRead {
    Number(u64),
    Word(&'static str),
}

impl Visitor<'_> for NumberOrWord {
    type Value = NumberRead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a whole number up to {} or {}",
            self.most,
            self.words.join(" or ")
        )
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<NumberRead, E> {
        match number <= self.most {
            true => Ok(NumberRead::Number(number)),
            false => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<NumberRead, E> {
        let word = self.words.iter().find(|word| **word == text);
        match word {
            Some(word) => Ok(NumberRead::Word(word)),
            None => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

/// How many pods a workload is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// So many, at most 10,000.
    Count(u32),
    /// As many as were read before the step of the rollback that changed it.
    Previous,
}

impl<'de> Deserialize<'de> for Replicas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = NumberOrWord {
            most: 10_000,
            words: &["previous"],
        };
        match deserializer.deserialize_any(wanted)? {
            NumberRead::Number(count) => u32::try_from(count)
                .map(Self::Count)
                .map_err(D::Error::custom),
            NumberRead::Word(_) => Ok(Self::Previous),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Replicas {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Replicas".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How many pods; `previous` for as many as there were before.",
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": 10000}, {"const": "previous"}],
        })
    }
}

/// What a workload goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UndoTo {
    /// The newest revision with other containers that was healthy while it was live.
    #[default]
    Healthy,
    /// The newest revision with other containers.
    Previous,
    /// The revision with this number.
    Revision(u64),
}

impl<'de> Deserialize<'de> for UndoTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = NumberOrWord {
            most: i64::MAX.unsigned_abs(),
            words: &["healthy", "previous"],
        };
        match deserializer.deserialize_any(wanted)? {
            NumberRead::Number(0) => Err(D::Error::custom(
                "revisions begin at 1; write healthy, previous or the number of one",
            )),
            NumberRead::Number(revision) => Ok(Self::Revision(revision)),
            NumberRead::Word("healthy") => Ok(Self::Healthy),
            NumberRead::Word(_) => Ok(Self::Previous),
        }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for UndoTo {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UndoTo".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The newest revision that was healthy while it was live (`healthy`, the default), the newest \
                            with other containers (`previous`), or the number of one.",
            "anyOf": [{"enum": ["healthy", "previous"]}, {"type": "integer", "minimum": 1}],
        })
    }
}
