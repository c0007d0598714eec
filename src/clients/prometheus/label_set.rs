//! The labels of one series in an answer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Names that nearly every answer holds, so that they are not copied for each of its series.
const COMMON: [&str; 5] = ["error_budget_part", "le", "namespace", "pod", "service"];

/// The labels of one series: few, in order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSet(Vec<(Cow<'static, str>, String)>);

impl LabelSet {
    /// Returns the value of a label; nothing where the series has none of that name.
    pub fn get(&self, name: &str) -> Option<&String> {
        let at = self.position(name).ok()?;
        Some(&self.0[at].1)
    }

    /// Takes a label off and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.position(name).ok()?;
        Some(self.0.remove(at).1)
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }

    fn insert(&mut self, name: Cow<'static, str>, value: String) {
        match self.position(&name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }
}

impl FromIterator<(String, String)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        let mut set = Self::default();
        for (name, value) in labels {
            set.insert(Cow::Owned(name), value);
        }
        set
    }
}

impl<const N: usize> From<[(String, String); N]> for LabelSet {
    fn from(labels: [(String, String); N]) -> Self {
        labels.into_iter().collect()
    }
}

/// The name of a label as it is kept.
struct Name(Cow<'static, str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("the name of a label")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
                let common = COMMON.iter().find(|name| **name == text);
                Ok(Name(common.map_or_else(
                    || Cow::Owned(text.to_owned()),
                    |name| Cow::Borrowed(*name),
                )))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = LabelSet;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("labels with their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut labels: A) -> Result<LabelSet, A::Error> {
                let mut set = LabelSet::default();
                while let Some((Name(name), value)) = labels.next_entry()? {
                    set.insert(name, value);
                }
                Ok(set)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_in_whatever_order_they_came_and_taken_off() {
        let json = r#"{"service":"cart","le":"0.5","error_budget_part":"bad","team":"shop"}"#;
        let mut labels: LabelSet = serde_json::from_str(json).expect("labels");
        let other = r#"{"team":"shop","error_budget_part":"bad","le":"0.5","service":"cart"}"#;
        assert_eq!(
            serde_json::from_str::<LabelSet>(other).expect("labels"),
            labels
        );
        for (name, value) in [("le", "0.5"), ("service", "cart"), ("team", "shop")] {
            assert_eq!(labels.get(name).map(String::as_str), Some(value));
            assert_eq!(labels.remove(name).as_deref(), Some(value));
            assert_eq!(labels.get(name), None);
        }
        assert_eq!(
            labels,
            [("error_budget_part".to_owned(), "bad".to_owned())].into()
        );
        assert!(serde_json::from_str::<LabelSet>(r#"{"le":1}"#).is_err());
        assert!(serde_json::from_str::<LabelSet>("[]").is_err());
    }
}
