//! Reads single variables and collects what is wrong with them.

use std::{
    collections::BTreeMap, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    duration,
    problems::{Checked, Invalid, Reported, quoted},
    secret,
    variables::{Environment, Key, VARIABLES, Variable},
};
use crate::redact::Scanner;

/// The environment and the problems found in it so far.
///
/// A section reads all of its variables first and uses `?` only afterwards, so that no problem hides another.
pub(super) struct Reader {
    environment: Environment,
    problems: Vec<String>,
    secrets: Scanner,
}

impl Reader {
    /// Keeps the variables of the contract, spelled exactly, and drops all others.
    pub(super) fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        problems: Vec<String>,
    ) -> Self {
        let known: BTreeMap<String, String> = variables
            .into_iter()
            .filter(|(name, _)| is_known(name))
            .collect();
        let environment = envy::from_iter(known)
            .expect("every field is an optional text, and the map has each name once");
        Self {
            environment,
            problems,
            secrets: Scanner::default(),
        }
    }

    /// Returns what takes the secrets that were read so far out of a text.
    pub(super) fn secrets(&self) -> Scanner {
        self.secrets.clone()
    }

    /// Adds secrets that are parts of a variable.
    pub(super) fn keep_secret<'a>(&mut self, parts: impl IntoIterator<Item = &'a SecretString>) {
        let parts = parts.into_iter().map(ExposeSecret::expose_secret);
        self.secrets.join(&Scanner::new(parts));
    }

    /// Adds a problem to the list.
    pub(super) fn report(&mut self, problem: impl Into<String>) -> Reported {
        self.problems.push(problem.into());
        Reported
    }

    /// Returns the problems found.
    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    /// Returns whether there are none so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns whether somebody set the variable or its `_FILE` form.
    pub(super) fn is_set(&self, key: &Key) -> bool {
        self.given(key).is_some() || self.given_file(key).is_some()
    }

    /// Reads a variable that has a default or must be set.
    pub(super) fn required<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Checked<T> {
        match self.optional(key, parse)? {
            Some(value) => Ok(value),
            None => {
                let Variable { name, help, .. } = key.variable;
                let meaning = help.trim_end_matches("; required.");
                let (first, rest) = meaning.split_at(1);
                let first = first.to_lowercase();
                Err(self.report(format!("{name} is not set; set it to the {first}{rest}")))
            }
        }
    }

    /// Reads a variable that may be absent; its default counts, where it has one.
    pub(super) fn optional<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Checked<Option<T>> {
        let Some(text) = self.given(key).or(key.variable.default) else {
            return Ok(None);
        };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(invalid) => Err(self.report(format!("{} {invalid}", key.variable.name))),
        }
    }

    /// Reads a secret from the variable or from its file.
    pub(super) fn secret(
        &mut self,
        key: &Key,
        check: impl FnOnce(&str) -> Result<(), Invalid>,
    ) -> Checked<Option<SecretString>> {
        let name = key.variable.name;
        let (origin, read) = match (self.given(key), self.given_file(key)) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(self.report(format!(
                    "{name} and {name}_FILE are both set; set only one of them"
                )));
            }
            (Some(value), None) => (name.to_owned(), Ok(SecretString::from(value))),
            (None, Some(path)) => (format!("{name}_FILE"), secret::read_file(path)),
        };
        let checked = read.and_then(|secret| match check(secret.expose_secret()) {
            Ok(()) => Ok(secret),
            Err(invalid) => Err(invalid),
        });
        self.keep_secret(&checked);
        checked
            .map(Some)
            .map_err(|invalid| self.report(format!("{origin} {invalid}")))
    }

    /// Reads a duration with a default.
    pub(super) fn duration(
        &mut self,
        key: &Key,
        range: RangeInclusive<Duration>,
    ) -> Checked<Duration> {
        self.required(key, |text| duration::parse(text, &range))
    }

    /// Reads a switch with a default.
    pub(super) fn flag(&mut self, key: &Key) -> Checked<bool> {
        self.required(key, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Invalid::because(format!(
                "is {}; write true or false",
                quoted(text)
            ))),
        })
    }

    /// Reads a whole number with a default.
    pub(super) fn count<T>(&mut self, key: &Key, range: RangeInclusive<T>) -> Checked<T>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        self.required(key, |text| {
            text.parse()
                .ok()
                .filter(|count| range.contains(count))
                .ok_or_else(|| {
                    Invalid::because(format!(
                        "is {}; write a whole number from {} to {}",
                        quoted(text),
                        range.start(),
                        range.end()
                    ))
                })
        })
    }

    /// Reads the path of a file that may be absent.
    pub(super) fn file(&mut self, key: &Key) -> Checked<Option<PathBuf>> {
        self.optional(key, file_path)
    }

    /// Reports a variable that is set although the one that it needs is not.
    pub(super) fn needs(&mut self, key: &Key, other: &Key) -> Checked<()> {
        if self.is_set(key) && !self.is_set(other) {
            let (key, other) = (key.variable.name, other.variable.name);
            return Err(self.report(format!(
                "{key} is set but {other} is not; set both or neither"
            )));
        }
        Ok(())
    }

    /// Reports two variables of which only one is set.
    pub(super) fn both_or_neither(&mut self, one: &Key, other: &Key) -> Checked<()> {
        self.needs(one, other).and(self.needs(other, one))
    }

    /// Returns what somebody set, without blanks around it (a secret is left as it is).
    pub(super) fn given(&self, key: &Key) -> Option<&str> {
        let value = (key.value)(&self.environment)?;
        let value = if key.variable.secret {
            value
        } else {
            value.trim()
        };
        (!value.is_empty()).then_some(value)
    }

    /// Returns the path that the variable's `_FILE` form holds, if anybody set it.
    pub(super) fn given_file(&self, key: &Key) -> Option<&str> {
        let path = key.file.and_then(|file| file(&self.environment))?;
        (!path.is_empty()).then_some(path)
    }
}

/// Returns whether the name is a variable of the contract or the `_FILE` form of a secret one.
pub(super) fn is_known(name: &str) -> bool {
    VARIABLES.iter().any(|variable| {
        name.strip_prefix(variable.name)
            .is_some_and(|rest| rest.is_empty() || (variable.secret && rest == "_FILE"))
    })
}

/// Accepts a path that ends in a file name.
pub(super) fn file_path(text: &str) -> Result<PathBuf, Invalid> {
    let path = PathBuf::from(text);
    if path.file_name().is_none() || text.ends_with('/') || text.chars().any(char::is_control) {
        return Err(Invalid::because(format!(
            "is {}, which does not name a file; write a path such as /var/lib/name.json",
            quoted(text)
        )));
    }
    Ok(path)
}

/// Parses a finite decimal number.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
