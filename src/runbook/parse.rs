//! From the text of a file to a runbook: placeholders, bounds, then the members.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_norway::Deserializer as Yaml;

use super::step::{Runbook, RunbookStep};
use super::words::WINDOW;

/// Largest file (bytes): a hundred steps with a configuration of NGINX each take a tenth.
pub const LARGEST: u64 = 256 * 1024;

/// Most values of a file. Bounds what aliases can make of it: each use of an alias counts with all that is in it.
const MOST_VALUES: u32 = 50_000;

/// Most steps of a list.
const MOST_STEPS: usize = 100;

/// Why a runbook cannot be used: a fragment that names line and column where they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunbookError(String);

/// Reads a runbook for a service.
///
/// # Errors
/// Fails with the first thing that is wrong, and where it stands.
pub fn parse(text: &str, service: &str, namespace: &str) -> Result<Runbook, RunbookError> {
    let filled = filled(text, service, namespace)?;
    let refused = |error: serde_norway::Error| RunbookError(error.to_string());
    let left = Cell::new(MOST_VALUES);
    Counting { left: &left }
        .deserialize(Yaml::from_str(&filled))
        .map_err(refused)?;
    let runbook: Runbook = serde_norway::from_str(&filled).map_err(refused)?;
    check(&runbook.rollback, "rollback")?;
    check(&runbook.forward, "return")?;
    match runbook.rollback.is_empty() && runbook.forward.is_empty() {
        true => Err(RunbookError(
            "it has no step; write at least one into rollback or return".to_owned(),
        )),
        false => Ok(runbook),
    }
}

fn check(steps: &[RunbookStep], list: &str) -> Result<(), RunbookError> {
    if steps.len() > MOST_STEPS {
        return Err(RunbookError(format!(
            "{list} has {} steps; {MOST_STEPS} are the most",
            steps.len()
        )));
    }
    let mut names = BTreeSet::new();
    match steps.iter().find(|step| !names.insert(step.name.as_str())) {
        Some(step) => Err(RunbookError(format!(
            "{list} has two steps with the name \"{}\"; records tell steps apart by their names",
            step.name
        ))),
        None => Ok(()),
    }
}

/// Fills the placeholders in. Only names in capitals are placeholders, so that variables of NGINX stay; `$${` stands
/// for `${`.
fn filled(text: &str, service: &str, namespace: &str) -> Result<String, RunbookError> {
    let mut whole = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            whole.push('\n');
        }
        let is_comment = line.trim_start().starts_with('#');
        let mut rest = line;
        while let Some(at) = rest.find("${").filter(|_| !is_comment) {
            let (before, placeholder) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                whole.push_str(before);
                whole.push_str("${");
                rest = &placeholder[2..];
                continue;
            }
            whole.push_str(before);
            let inner = &placeholder[2..];
            let refused = |what: &str, name: &str| {
                let column = line.len() - rest.len() + at + 1;
                Err(RunbookError(format!(
                    "{what} ${{{name}}} at line {} column {column}; ${{SERVICE}}, ${{NAMESPACE}} and, in a gate, ${{WINDOW}} \
                     are known, and $${{{name}}} stands for the text itself",
                    number + 1
                )))
            };
            let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            let (name, after) = inner.split_at(inner.find(|c| !is_part(c)).unwrap_or(inner.len()));
            let value = match name {
                "SERVICE" => Some(service),
                "NAMESPACE" => Some(namespace),
                "WINDOW" => Some(WINDOW),
                _ => None,
            };
            rest = match (value, after.strip_prefix('}')) {
                (Some(value), Some(after)) => {
                    whole.push_str(value);
                    after
                }
                (Some(_), None) => return refused("unclosed placeholder", name),
                (None, Some(_)) if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    return refused("unknown placeholder", name);
                }
                (None, _) => {
                    whole.push_str("${");
                    inner
                }
            };
        }
        whole.push_str(rest);
    }
    Ok(whole)
}

/// Goes through every value, counts it, and refuses a name that a mapping has twice.
#[derive(Clone, Copy)]
struct Counting<'a> {
    left: &'a Cell<u32>,
}

impl Counting<'_> {
    fn one<E: Error>(self) -> Result<(), E> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(E::custom(format!(
                "it has more than {MOST_VALUES} values, those of aliases included; write less"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Counting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.one()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counting<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        match number.is_finite() {
            true => Ok(()),
            false => Err(E::custom("a number is neither infinite nor none at all")),
        }
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while map.next_key_seed(NewName(&mut names))?.is_some() {
            map.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// Reads a name of a mapping, which must be a new one, where its position is known.
struct NewName<'a>(&'a mut BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for NewName<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewName<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        match self.0.insert(name.to_owned()) {
            true => Ok(()),
            false => Err(E::custom(format!("{name:?} stands here twice"))),
        }
    }
}
