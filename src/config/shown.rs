//! The configuration as it was read, fit to be shown.

use std::borrow::Cow;

use serde::Serialize;

use super::reader::Reader;
use super::variables::{KEYS, Key};
use crate::redact::looks_like_credential;

/// One variable of the contract as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Where its value comes from.
    pub origin: SettingOrigin,
    /// Its value; nothing for a secret and where there is none.
    pub value: Option<Cow<'static, str>>,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SettingOrigin {
    /// Somebody set it.
    Set,
    /// Somebody named a file that holds it.
    File,
    /// Nobody set it, and it has a default.
    Default,
    /// Nobody set it, and it has no default.
    Unset,
}

/// Returns every variable of the contract, in its order.
pub(super) fn settings(reader: &Reader) -> Vec<Setting> {
    KEYS.iter().map(|key| setting(reader, key)).collect()
}

fn setting(reader: &Reader, key: &Key) -> Setting {
    let variable = key.variable;
    let given = reader.given(key);
    let shown = |value: &str| match looks_like_credential(value) {
        true => Cow::Borrowed("(not shown: it looks like a secret)"),
        false => Cow::Owned(value.to_owned()),
    };
    let (origin, value) = match (given, variable.default) {
        (Some(given), _) => (SettingOrigin::Set, (!variable.secret).then(|| shown(given))),
        (None, _) if reader.is_set(key) => (SettingOrigin::File, None),
        (None, Some(default)) => (SettingOrigin::Default, Some(Cow::Borrowed(default))),
        (None, None) => (SettingOrigin::Unset, None),
    };
    Setting {
        name: variable.name,
        origin,
        value,
    }
}
