//! The memory in a file: locked, written so that a crash leaves the old or the new one.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::backing::StateStore;
use super::disk::{self, Former, Writer};
use super::error::JournalError;
use super::holder;
use super::load::{Loaded, MAX_BYTES, encode, load};
use super::paths::{beside, folder};
use super::record::State;
use crate::files::{self, Links};

/// The open state file.
#[derive(Debug)]
pub(super) struct FileStore {
    file: PathBuf,
    writer: Writer,
    generation: u64,
    /// What is wrong with the file on disk, until another has taken its place.
    damage: Option<String>,
    /// Held, never read. The kernel frees it when the process ends, however it ends.
    lock: File,
}

impl Drop for FileStore {
    /// Closing is not enough: a process that is being started from here holds the open file too until it runs.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(error = %error, "the lock of the state file could not be released; it ends with the process");
        }
    }
}

impl FileStore {
    /// Takes the lock without waiting, makes sure that the folder can be written, and reads the state.
    ///
    /// # Errors
    /// Fails when another run holds the lock, the folder cannot be written, or the file cannot be read or is newer.
    pub(super) fn open(file: &Path) -> Result<(Self, State), JournalError> {
        let folder = folder(file);
        let in_folder = |source| JournalError::Folder {
            folder: folder.to_owned(),
            source,
        };
        disk::prepare_folder(folder).map_err(in_folder)?;
        let lock_path = beside(file, "lock");
        let lock = files::open(
            &lock_path,
            OpenOptions::new().create(true).truncate(false).write(true),
            // Who holds it is written there: never into what somebody else let the name lead to.
            Links::Refused,
        )
        .map_err(|source| match lock_path.symlink_metadata() {
            Ok(_) => JournalError::Lock {
                lock: lock_path.clone(),
                source,
            },
            Err(_) => in_folder(source),
        })?;
        match lock.try_lock() {
            Ok(()) => holder::sign(&lock),
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked {
                    holder: holder::of(&lock_path),
                    lock: lock_path,
                });
            }
            Err(TryLockError::Error(source)) => return Err(in_folder(source)),
        }
        disk::settle(file).map_err(in_folder)?;
        let Loaded {
            generation,
            state,
            damage,
        } = load(file)?;
        let store = Self {
            file: file.to_owned(),
            writer: Writer::new(file),
            generation,
            damage,
            lock,
        };
        Ok((store, state))
    }
}

/// Tells whether the next run would refuse to read it.
fn is_too_large(text: &str) -> bool {
    u64::try_from(text.len()).is_ok_and(|bytes| bytes > MAX_BYTES)
}

impl StateStore for FileStore {
    fn save(&mut self, state: &mut State, _: &BTreeSet<String>) -> Result<(), JournalError> {
        state.forget();
        let failed = |source| JournalError::Write {
            file: self.file.clone(),
            source,
        };
        let generation = self.generation + 1;
        let encoded = |state: &State| {
            encode(state, generation).map_err(|error| failed(io::Error::other(error)))
        };
        let mut text = encoded(state)?;
        if is_too_large(&text) {
            // What was counted can be counted again; what was done cannot.
            tracing::warn!(
                file = %self.file.display(),
                bytes = text.len(),
                "the state passes its limit, so that what was counted is not kept; spread the services over SHARDS"
            );
            for service in state.services.values_mut() {
                service.periods = None;
            }
            text = encoded(state)?;
            if is_too_large(&text) {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
        }
        let was = match &self.damage {
            Some(_) => Former::Damaged,
            None => Former::Sound,
        };
        self.writer.replace(text.as_bytes(), was).map_err(failed)?;
        self.generation = generation;
        self.damage = None;
        Ok(())
    }

    fn keeps_all_in_one_place(&self) -> bool {
        true
    }

    fn damage(&self, _: &str) -> Option<String> {
        self.damage.clone()
    }

    fn admits(&self, _: &str) -> Result<(), JournalError> {
        Ok(())
    }

    /// The kernel takes the lock from nobody.
    fn still_holds(&mut self, _: &str) -> Result<(), JournalError> {
        Ok(())
    }
}
