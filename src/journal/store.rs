//! The state file: locked, checked, written so that a crash leaves the old or the new one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::record::{Rollback, State};

/// Version of the file's layout. A newer one is refused: what it means is not known here.
const SCHEMA: u32 = 1;

/// Largest state file that is read. 200 rollbacks take some 400 KB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run holds the lock.
    #[error("another run holds {}; nothing was done, the next run tries again", lock.display())]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// The folder cannot be written.
    #[error("the state folder {} cannot be written ({source}); make it writable or point STATE_FILE elsewhere", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("the state file {} cannot be read ({source}); make it readable or point STATE_FILE elsewhere", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "the state file {} is damaged ({why}), so limits and unfinished rollbacks are not known; look at it and at the \
         generation before (.prev beside it), then restore one or move both away to start afresh",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file is newer than the program.
    #[error("the state file {} has schema {found}, and this version knows {SCHEMA}; run the newer version", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: u32,
    },
    /// The file could not be written durably.
    #[error("the state file {} could not be written ({source}); free space or repair the volume", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl JournalError {
    /// Tells whether waiting helps.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. } => true,
            Self::Folder { .. }
            | Self::Read { .. }
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Write { .. } => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    schema: u32,
    generation: u64,
    sha256: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    generation: u64,
    sha256: String,
    body: &'a RawValue,
}

/// The state of this run: locked for as long as it lives.
#[derive(Debug)]
pub struct Journal {
    file: PathBuf,
    generation: u64,
    state: State,
    /// Held, never read. The kernel frees it when the process ends, however it ends.
    lock: File,
}

impl Drop for Journal {
    /// Closing is not enough: a process that is being started from here holds the open file too until it runs.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(error = %error, "the lock goes with the process");
        }
    }
}

impl Journal {
    /// Takes the lock without waiting, makes sure that the folder can be written, and reads the state.
    ///
    /// # Errors
    /// Fails when another run holds the lock, the folder cannot be written, or the file is damaged or newer.
    pub fn open(file: &Path) -> Result<Self, JournalError> {
        let folder = folder(file);
        let in_folder = |source| JournalError::Folder {
            folder: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(in_folder)?;
        let lock_path = beside(file, "lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(in_folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { lock: lock_path }),
            Err(TryLockError::Error(source)) => return Err(in_folder(source)),
        }
        // A folder that takes no new file now would take none after the push either.
        drop(NamedTempFile::new_in(folder).map_err(in_folder)?);
        let (generation, state) = load(file)?;
        Ok(Self {
            file: file.to_owned(),
            generation,
            state,
            lock,
        })
    }

    /// Returns what is remembered.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes down a rollback, durably, in the place of what was known of it before.
    ///
    /// # Errors
    /// After an error it is not known which of the two generations is on disk; the run must begin nothing new.
    pub fn put(&mut self, service: &str, rollback: &Rollback) -> Result<(), JournalError> {
        let rollbacks = &mut self
            .state
            .services
            .entry(service.to_owned())
            .or_default()
            .rollbacks;
        match rollbacks.iter_mut().find(|known| known.id == rollback.id) {
            Some(known) => *known = rollback.clone(),
            None => rollbacks.push(rollback.clone()),
        }
        self.state.forget();
        self.save()
    }

    fn save(&mut self) -> Result<(), JournalError> {
        let failed = |source| JournalError::Write {
            file: self.file.clone(),
            source,
        };
        let generation = self.generation + 1;
        let text =
            encode(&self.state, generation).map_err(|error| failed(io::Error::other(error)))?;
        let folder = folder(&self.file);
        let mut next = NamedTempFile::new_in(folder).map_err(failed)?;
        next.write_all(text.as_bytes()).map_err(failed)?;
        next.as_file().sync_all().map_err(failed)?;
        keep_previous(&self.file).map_err(failed)?;
        next.persist(&self.file)
            .map_err(|error| failed(error.error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        self.generation = generation;
        Ok(())
    }
}

/// Reads the state without lock and without writing anything: for those who only look. A rename replaces the file as a
/// whole, so a reader sees the old or the new one.
///
/// # Errors
/// Fails when the file is there and cannot be read, is damaged or newer.
pub fn read(file: &Path) -> Result<State, JournalError> {
    load(file).map(|(_, state)| state)
}

fn load(file: &Path) -> Result<(u64, State), JournalError> {
    let text = match fs::metadata(file) {
        Ok(found) if found.len() > MAX_BYTES => return Err(damaged(file, "it is too large")),
        Ok(_) => fs::read_to_string(file),
        Err(error) => Err(error),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // An older generation without its successor: the file was lost, and what it said would be forgotten.
            return if beside(file, "prev").exists() {
                Err(damaged(
                    file,
                    "it is gone, and the generation before it is there",
                ))
            } else {
                Ok((0, State::default()))
            };
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(damaged(file, "it is not text"));
        }
        Err(source) => {
            return Err(JournalError::Read {
                file: file.to_owned(),
                source,
            });
        }
    };
    decode(&text).map_err(|why| match why {
        Unreadable::Damaged(why) => damaged(file, &why),
        Unreadable::Newer(found) => JournalError::Newer {
            file: file.to_owned(),
            found,
        },
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    Damaged(String),
    Newer(u32),
}

fn encode(state: &State, generation: u64) -> Result<String, serde_json::Error> {
    let body = serde_json::value::to_raw_value(state)?;
    serde_json::to_string(&Written {
        schema: SCHEMA,
        generation,
        sha256: checksum(SCHEMA, generation, body.get()),
        body: &body,
    })
}

fn decode(text: &str) -> Result<(u64, State), Unreadable> {
    let not_json = |error: serde_json::Error| {
        Unreadable::Damaged(format!("not the JSON that was written: {error}"))
    };
    let SchemaOnly { schema } = serde_json::from_str(text).map_err(not_json)?;
    if schema > SCHEMA {
        return Err(Unreadable::Newer(schema));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(not_json)?;
    if checksum(envelope.schema, envelope.generation, envelope.body.get()) != envelope.sha256 {
        return Err(Unreadable::Damaged("its checksum does not fit".to_owned()));
    }
    let state = serde_json::from_str(envelope.body.get()).map_err(not_json)?;
    Ok((envelope.generation, state))
}

fn checksum(schema: u32, generation: u64, body: &str) -> String {
    let digest = Sha256::digest(format!("{schema}\n{generation}\n{body}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps the file that is about to be replaced. It never leaves a moment in which neither is there.
fn keep_previous(file: &Path) -> io::Result<()> {
    if !file.exists() {
        return Ok(());
    }
    let kept = NamedTempFile::new_in(folder(file))?;
    fs::copy(file, kept.path())?;
    kept.as_file().sync_all()?;
    kept.persist(beside(file, "prev"))
        .map_err(|error| error.error)?;
    Ok(())
}

pub(super) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn damaged(file: &Path, why: &str) -> JournalError {
    JournalError::Damaged {
        file: file.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use chrono::DateTime;

    use super::super::record::Origin;
    use super::super::transition::Phase;
    use super::*;

    fn rollback(id: &str) -> Rollback {
        Rollback {
            id: id.to_owned(),
            origin: Origin::Automatic,
            why: "error rate violated".to_owned(),
            from: "b".repeat(40),
            from_state: "40000:b".to_owned(),
            to: "a".repeat(40),
            to_state: "40000:a".to_owned(),
            tip: "b".repeat(40),
            place: "main of platform/gitops at apps/checkout".to_owned(),
            message: "Roll back\n".to_owned(),
            begun_at: DateTime::UNIX_EPOCH,
            recovery_ratio: 0.01,
            phase: Phase::Begun,
            attempted: false,
            commit: None,
            proposal: None,
            argocd: None,
            auto_sync_before: None,
            effective_at: None,
            ended_at: None,
            steps: Vec::new(),
        }
    }

    #[test]
    fn remembers_across_runs_and_keeps_the_generation_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/state.json");
        let mut first = Journal::open(&file).unwrap();
        first.put("shop/checkout", &rollback("one")).unwrap();
        let after_one = fs::read_to_string(&file).unwrap();
        first.put("shop/checkout", &rollback("two")).unwrap();
        drop(first);
        assert_eq!(
            fs::read_to_string(beside(&file, "prev")).unwrap(),
            after_one
        );
        let second = Journal::open(&file).unwrap();
        let ids: Vec<String> = second
            .state()
            .service("shop/checkout")
            .rollbacks
            .into_iter()
            .map(|past| past.id)
            .collect();
        assert_eq!(ids, ["one", "two"]);
        let mut names: Vec<_> = fs::read_dir(file.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["state.json", "state.json.lock", "state.json.prev"]);
    }

    #[test]
    fn a_second_run_finds_the_lock_taken_and_a_reader_does_not_mind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let _first = Journal::open(&file).unwrap();
        assert!(matches!(
            Journal::open(&file),
            Err(JournalError::Locked { .. })
        ));
        assert_eq!(read(&file).unwrap(), State::default());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut state = State::default();
        state.services.insert(
            "shop/checkout".to_owned(),
            super::super::record::ServiceState {
                rollbacks: vec![rollback("one")],
            },
        );
        let text = encode(&state, 7).unwrap();
        assert_eq!(decode(&text), Ok((7, state.clone())));
        for index in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                let Ok(flipped) = String::from_utf8(bytes) else {
                    continue;
                };
                // White space outside the body may change form without changing meaning; nothing else may pass.
                assert!(
                    decode(&flipped).map_or(true, |read| read == (7, state.clone())),
                    "bit {bit} of byte {index} changed what was read"
                );
            }
        }
    }

    #[test]
    fn a_lost_file_is_not_an_empty_memory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let mut journal = Journal::open(&file).unwrap();
        for id in ["one", "two"] {
            journal.put("shop/checkout", &rollback(id)).unwrap();
        }
        drop(journal);
        fs::remove_file(&file).unwrap();
        assert!(matches!(
            Journal::open(&file),
            Err(JournalError::Damaged { .. })
        ));
    }

    #[test]
    fn a_newer_or_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        fs::write(&file, r#"{"schema":2,"anything":true}"#).unwrap();
        assert!(matches!(
            Journal::open(&file),
            Err(JournalError::Newer { found: 2, .. })
        ));
        for foreign in ["", "not json", "{}", "[]", r#"{"schema":1}"#] {
            fs::write(&file, foreign).unwrap();
            assert!(
                matches!(Journal::open(&file), Err(JournalError::Damaged { .. })),
                "{foreign:?}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), foreign);
        }
    }
}
