//! From the text of a file to a runbook: placeholders, bounds, then the members.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_norway::Deserializer as Yaml;

use super::step::{Runbook, RunbookStep, StepAction};
use super::words::{Replicas, WINDOW};

/// Largest file (bytes): a hundred steps with a configuration of NGINX each take a tenth.
pub const LARGEST: u64 = 256 * 1024;

/// Most values of a file. Bounds what aliases can make of it: each use of an alias counts with all that is in it.
const MOST_VALUES: u32 = 50_000;

/// Most bytes of a file's names and texts, those of aliases included.
const MOST_TEXT: u64 = 4 * LARGEST;

/// Longest sentence of an error (characters).
const LONGEST_ERROR: usize = 300;

/// Most steps of a list.
const MOST_STEPS: usize = 100;

/// Why a runbook cannot be used: a fragment that names line and column where they are known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunbookError(String);

impl RunbookError {
    /// Cuts a long sentence in its middle, because the place stands at its end.
    fn new(sentence: &str) -> Self {
        let length = sentence.chars().count();
        if length <= LONGEST_ERROR {
            return Self(sentence.to_owned());
        }
        let (head, tail) = (LONGEST_ERROR / 2, LONGEST_ERROR / 2 - 1);
        let first = sentence.chars().take(head);
        let last = sentence.chars().skip(length - tail);
        Self(first.chain(['…']).chain(last).collect())
    }
}

/// Reads a runbook for a service.
///
/// # Errors
/// Fails with the first thing that is wrong, and where it stands.
pub fn parse(text: &str, service: &str, namespace: &str) -> Result<Runbook, RunbookError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let filled = filled(text, service, namespace)?;
    let refused = |error: serde_norway::Error| RunbookError::new(&error.to_string());
    count(&filled, MOST_VALUES, MOST_TEXT, Null::IsNone).map_err(refused)?;
    let runbook: Runbook = serde_norway::from_str(&filled).map_err(refused)?;
    check(&runbook.rollback, "rollback")?;
    check(&runbook.forward, "return")?;
    numbers_are_known(&runbook, namespace)?;
    match runbook.rollback.is_empty() && runbook.forward.is_empty() {
        true => Err(RunbookError::new(
            "it has no step; write at least one into rollback or return",
        )),
        false => Ok(runbook),
    }
}

fn check(steps: &[RunbookStep], list: &str) -> Result<(), RunbookError> {
    if steps.len() > MOST_STEPS {
        return Err(RunbookError::new(&format!(
            "{list} has {} steps; {MOST_STEPS} are the most",
            steps.len()
        )));
    }
    let mut names = BTreeSet::new();
    match steps.iter().find(|step| !names.insert(step.name.as_str())) {
        Some(step) => Err(RunbookError::new(&format!(
            "{list} has two steps with the name \"{}\"; records tell steps apart by their names",
            step.name
        ))),
        None => Ok(()),
    }
}

/// Refuses `replicas: previous` where no step that comes before reads the number.
fn numbers_are_known(runbook: &Runbook, namespace: &str) -> Result<(), RunbookError> {
    let mut read = BTreeSet::new();
    let lists = [
        ("rollback", &runbook.rollback),
        ("return", &runbook.forward),
    ];
    for (list, steps) in lists {
        for step in steps {
            let StepAction::Scale(scale) = &step.action else {
                continue;
            };
            let placed = scale.namespace.as_ref().map_or(namespace, |n| n.as_str());
            for workload in &scale.workloads {
                match scale.replicas {
                    Replicas::Count(_) => {
                        read.insert((placed, workload));
                    }
                    Replicas::Previous if read.contains(&(placed, workload)) => {}
                    Replicas::Previous => {
                        return Err(RunbookError::new(&format!(
                            "{list}, step \"{}\": no step before it scales {workload}, so nothing reads how many pods it \
                             had; write the number",
                            step.name
                        )));
                    }
                }
            }
        }
    }
    Ok(())
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
                Err(RunbookError::new(&format!(
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

/// Goes through every value of a text in YAML without keeping any, so that aliases cannot make much of little.
///
/// # Errors
/// Fails where there are more values, or more bytes in names and texts, and where a mapping cannot be used.
pub(super) fn count(
    text: &str,
    values: u32,
    bytes: u64,
    null: Null,
) -> Result<(), serde_norway::Error> {
    let counting = Counting {
        null,
        values: &Bound::new(values.into(), "values"),
        bytes: &Bound::new(bytes, "bytes in its names and texts"),
    };
    counting.deserialize(Yaml::from_str(text))
}

/// What null is.
#[derive(Clone, Copy)]
pub(super) enum Null {
    /// A value as others are.
    IsValue,
    /// A member that was left blank, but for what stands below `value`. It is refused: read as a member that is left
    /// out, a blank `gate:` would take the gate away.
    IsNone,
}

/// How much of something a text may have.
struct Bound {
    most: u64,
    left: Cell<u64>,
    what: &'static str,
}

impl Bound {
    fn new(most: u64, what: &'static str) -> Self {
        Self {
            most,
            left: Cell::new(most),
            what,
        }
    }

    fn take<E: Error>(&self, many: usize) -> Result<(), E> {
        let many = u64::try_from(many).unwrap_or(u64::MAX);
        match self.left.get().checked_sub(many) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(E::custom(format!(
                "it has more than {} {}, those of aliases included; write less",
                self.most, self.what
            ))),
        }
    }
}

/// Goes through every value, counts it, and refuses a name that a mapping has twice.
#[derive(Clone, Copy)]
struct Counting<'a> {
    null: Null,
    values: &'a Bound,
    bytes: &'a Bound,
}

impl<'de> DeserializeSeed<'de> for Counting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.values.take(1)?;
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

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.bytes.take(text.len())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.null {
            Null::IsValue => Ok(()),
            Null::IsNone => Err(E::custom(
                "it has no value; write one, or leave the name out",
            )),
        }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key_seed(NewName(self.bytes, &mut names))? {
            let null = match name {
                Name::OfValue => Null::IsValue,
                Name::OfOther => self.null,
            };
            map.next_value_seed(Self { null, ..self })?;
        }
        Ok(())
    }
}

/// Whether it names something that may be null.
enum Name {
    /// It is `value`.
    OfValue,
    /// It is another one.
    OfOther,
}

/// Reads a name of a mapping, which must be a new one, where its position is known.
struct NewName<'a>(&'a Bound, &'a mut BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for NewName<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewName<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        self.0.take(name.len())?;
        if name == "<<" {
            return Err(E::custom(
                "<< joins no mapping here; write the members of both out",
            ));
        }
        match self.1.insert(name.to_owned()) {
            true if name == "value" => Ok(Name::OfValue),
            true => Ok(Name::OfOther),
            false => Err(E::custom(format!("{name:?} stands here twice"))),
        }
    }
}
