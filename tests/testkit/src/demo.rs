//! What the demo's programs share.

mod chronicle;
mod mirror;
mod people;
mod reading;

pub use chronicle::Chronicle;
pub use mirror::Mirror;
pub use people::People;

use std::fs;
use std::path::Path;

/// The arguments of a demo program: pairs of `--name value`.
#[derive(Debug)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads the arguments of this process.
    ///
    /// # Panics
    /// If an argument has no value, or its name is not among `known`.
    pub fn from_env(known: &[&str]) -> Self {
        let mut words = std::env::args().skip(1);
        let mut pairs = Vec::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").filter(|name| known.contains(name));
            let name =
                name.unwrap_or_else(|| panic!("unknown argument {word}; known are {known:?}"));
            let value = words
                .next()
                .unwrap_or_else(|| panic!("{word} needs a value"));
            pairs.push((name.to_owned(), value));
        }
        Self(pairs)
    }

    /// Returns the value of an argument that must be there.
    ///
    /// # Panics
    /// If it is not.
    pub fn required(&self, name: &str) -> &str {
        self.optional(name)
            .unwrap_or_else(|| panic!("--{name} is missing"))
    }

    /// Returns the value of an argument that may be left out.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the number in an argument, or `otherwise` if it is left out.
    ///
    /// # Panics
    /// If it is not a number.
    pub fn number(&self, name: &str, otherwise: f64) -> f64 {
        self.optional(name).map_or(otherwise, |value| {
            value
                .parse()
                .unwrap_or_else(|_| panic!("--{name} takes a number"))
        })
    }
}

/// Writes `text` to a file in one step, so that a reader who waits for the file never sees half of it.
///
/// # Panics
/// If the folder is not writable.
pub fn publish(file: &Path, text: &str) {
    let draft = file.with_extension("draft");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, file))
        .expect("the folder is writable");
}
