//! Every problem of a configuration, collected before one is reported.

use std::fmt;

use crate::redact::looks_like_credential;

/// Everything that is wrong with the configuration, at once. No secret is ever part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// Returns the problems, one sentence each: the variable, what is wrong, what to do.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "the configuration has a problem:")?,
            count => write!(f, "the configuration has {count} problems:")?,
        }
        for problem in &self.problems {
            write!(f, "\n- {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Why a value is refused: the rest of a sentence that begins with the variable's name. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(super) String);

impl Invalid {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// A value that is missing because its problem is already in the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported;

/// A value, or the note that its problem is already in the list.
pub(super) type Checked<T> = Result<T, Reported>;

/// Quotes a value that is not secret for a message, on one line and cut to a readable length.
pub(super) fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    if looks_like_credential(value) {
        return "a value that looks like a secret (not shown)".to_owned();
    }
    if value.chars().count() > LONGEST {
        let start: String = value.chars().take(LONGEST).collect();
        format!("{:?}", format!("{start}…"))
    } else {
        format!("{value:?}")
    }
}
