//! The configuration as it was read, fit to be shown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::reader::Reader;
use super::variables::{KEYS, VARIABLES, Variable};
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

/// What somebody set, fit to be shown later: of a secret only that it is set. Its `Debug` shows no value, since one that
/// looks like a secret may stand in the wrong variable.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Given(BTreeMap<&'static str, (SettingOrigin, Option<String>)>);

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

impl Given {
    /// Keeps what was set.
    pub(super) fn of(reader: &Reader) -> Self {
        let given = KEYS.iter().filter_map(|key| {
            let given = match reader.given(key) {
                Some(_) if key.variable.secret => (SettingOrigin::Set, None),
                Some(value) => (SettingOrigin::Set, Some(value.to_owned())),
                None => (SettingOrigin::File, reader.given_file(key).map(|_| None)?),
            };
            Some((key.variable.name, given))
        });
        Self(given.collect())
    }

    /// Returns every variable of the contract, in its order.
    pub(super) fn settings(&self) -> Vec<Setting> {
        VARIABLES
            .iter()
            .map(|variable| self.setting(variable))
            .collect()
    }

    fn setting(&self, variable: &Variable) -> Setting {
        let shown = |value: &String| match looks_like_credential(value) {
            true => Cow::Borrowed("(not shown: it looks like a secret)"),
            false => Cow::Owned(value.clone()),
        };
        let (origin, value) = match (self.0.get(variable.name), variable.default) {
            (Some((origin, value)), _) => (*origin, value.as_ref().map(shown)),
            (None, Some(default)) => (SettingOrigin::Default, Some(Cow::Borrowed(default))),
            (None, None) => (SettingOrigin::Unset, None),
        };
        Setting {
            name: variable.name,
            origin,
            value,
        }
    }
}
