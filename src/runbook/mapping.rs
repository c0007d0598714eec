//! Reads mappings, lists and numbers, and checks them where their position is known.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};

use super::words::StepText;

/// Reads a mapping into its members and makes one value of them. What is wrong with them is told with the position of
/// the mapping.
///
/// # Errors
/// As the members, and where `make` refuses them.
pub(super) fn mapping<'de, D, M, T>(
    deserializer: D,
    make: impl FnOnce(M) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    M: Deserialize<'de>,
{
    deserializer.deserialize_map(Mapping(make, PhantomData))
}

struct Mapping<F, M>(F, PhantomData<M>);

impl<'de, F, M, T> Visitor<'de> for Mapping<F, M>
where
    F: FnOnce(M) -> Result<T, String>,
    M: Deserialize<'de>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let members = M::deserialize(MapAccessDeserializer::new(map))?;
        (self.0)(members).map_err(A::Error::custom)
    }
}

/// A whole number within bounds.
struct WholeNumber {
    least: u64,
    most: u64,
}

impl Visitor<'_> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.least, self.most)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        match (self.least..=self.most).contains(&number) {
            true => Ok(number),
            false => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }
}

fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
    least: u64,
    most: u64,
) -> Result<T, D::Error> {
    let number = deserializer.deserialize_u64(WholeNumber { least, most })?;
    T::try_from(number).map_err(|_| D::Error::custom("the bounds fit the type"))
}

/// Reads a number from 1 to a million.
pub(super) fn from_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    whole(deserializer, 1, 1_000_000)
}

/// Reads a share in percent.
pub(super) fn up_to_hundred<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    whole(deserializer, 0, 100)
}

/// Reads a status code of HTTP.
pub(super) fn http_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    whole(deserializer, 100, 599)
}

/// Reads a list with at least one element.
pub(super) fn not_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    match list.is_empty() {
        true => Err(D::Error::custom(
            "the list is empty; write at least one element",
        )),
        false => Ok(list),
    }
}

/// Reads a program and its arguments.
pub(super) fn some_arguments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<StepText>>, D::Error> {
    not_empty(deserializer).map(Some)
}

/// Refuses a merge patch, with what to write instead.
pub(super) fn no_merge<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Err(D::Error::custom(
        "a merge patch replaces whole lists and joins maps such as selectors; write replace for one field, or operations",
    ))
}
