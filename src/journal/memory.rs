//! The state as one run may use it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::error::JournalError;
use super::record::{RecoveredHistory, Rollback, ServiceState};
use super::store::{Journal, StateView, read};

/// What the run remembers of earlier ones, and whether it may add to it. Copies of what is writable share one file.
#[derive(Debug, Clone)]
pub enum Memory {
    /// Locked for this run.
    Writable(Journal),
    /// Read for a run that writes nothing; shared until something is added to it.
    ReadOnly(Arc<StateView>),
}

impl Memory {
    /// Opens the state and locks it; a dry run only reads it.
    ///
    /// # Errors
    /// Fails when another run holds the lock, or when the file or its folder cannot be used.
    pub fn open(file: &Path, is_dry_run: bool) -> Result<Self, JournalError> {
        if is_dry_run {
            Self::looking(file)
        } else {
            Journal::open(file).map(Self::Writable)
        }
    }

    /// Reads the state for a command that only looks.
    ///
    /// # Errors
    /// Fails when the file cannot be read, or is of a newer version.
    pub fn looking(file: &Path) -> Result<Self, JournalError> {
        read(file).map(|view| Self::ReadOnly(Arc::new(view)))
    }

    /// Returns what is remembered of a service.
    pub fn of(&self, key: &str) -> ServiceState {
        match self {
            Self::Writable(journal) => journal.service(key),
            Self::ReadOnly(glimpse) => glimpse.state.service(key),
        }
    }

    /// Returns the bad revisions of all rollbacks since a moment, of all services, that were attempted.
    pub fn rolled_back_since(&self, since: DateTime<Utc>) -> BTreeSet<String> {
        match self {
            Self::Writable(journal) => journal.rolled_back_since(since),
            Self::ReadOnly(glimpse) => glimpse.state.rolled_back_since(since),
        }
    }

    /// Says what is wrong with what was found of a service, where something is.
    pub fn damage(&self, key: &str) -> Option<String> {
        match self {
            Self::Writable(journal) => journal.damage(key),
            Self::ReadOnly(glimpse) => glimpse.damage.clone(),
        }
    }

    /// Tells whether this run may act on a service; one that writes nothing may look at all of them.
    ///
    /// # Errors
    /// Says why it may not.
    pub fn admits(&self, key: &str) -> Result<(), JournalError> {
        match self {
            Self::Writable(journal) => journal.admits(key),
            Self::ReadOnly(_) => Ok(()),
        }
    }

    /// Adds what was found outside; a run that writes nothing remembers it for as long as it lasts.
    ///
    /// # Errors
    /// Fails when it cannot be written down.
    pub fn adopt(
        &mut self,
        key: &str,
        found: &[Rollback],
        history: RecoveredHistory,
    ) -> Result<(), JournalError> {
        match self {
            Self::Writable(journal) => journal.adopt(key, found, history),
            Self::ReadOnly(glimpse) => {
                let services = &mut Arc::make_mut(glimpse).state.services;
                let state = services.entry(key.to_owned()).or_default();
                state.adopt(found, history);
                Ok(())
            }
        }
    }
}
