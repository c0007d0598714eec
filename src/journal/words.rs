//! How a level is written that is not there.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serializer};

use crate::slo::Level;

/// A level that is not known, as `unknown`.
pub(super) mod level_or_unknown {
    use super::*;

    pub(in crate::journal) fn serialize<S: Serializer>(
        level: &Option<Level>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        write(*level, "unknown", serializer)
    }

    pub(in crate::journal) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Level>, D::Error> {
        read("unknown", deserializer)
    }
}

/// No level, as an empty word.
pub(super) mod level_or_nothing {
    use super::*;

    pub(in crate::journal) fn serialize<S: Serializer>(
        level: &Option<Level>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        write(*level, "", serializer)
    }

    pub(in crate::journal) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Level>, D::Error> {
        read("", deserializer)
    }
}

fn write<S: Serializer>(
    level: Option<Level>,
    nothing: &'static str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.map_or(nothing, Level::as_str))
}

fn read<'de, D: Deserializer<'de>>(
    nothing: &str,
    deserializer: D,
) -> Result<Option<Level>, D::Error> {
    let word = String::deserialize(deserializer)?;
    if word == nothing {
        return Ok(None);
    }
    Level::deserialize(word.into_deserializer()).map(Some)
}
