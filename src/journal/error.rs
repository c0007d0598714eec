//! Why the state cannot be used.

use std::io;
use std::path::PathBuf;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another run holds the lock.
    #[error("another run holds {}{}; nothing was done, the next run tries again; if that one hangs, end its process and the lock is free", lock.display(), of(holder.as_deref()))]
    Locked {
        /// The lock file.
        lock: PathBuf,
        /// Who holds it, as it wrote itself; nothing where it did not.
        holder: Option<String>,
    },
    /// Something has the name of the lock file that cannot be opened as one.
    #[error("the lock {} cannot be opened ({source}); make it a regular file that can be written, remove it, or point STATE_FILE elsewhere", lock.display())]
    Lock {
        /// The lock file.
        lock: PathBuf,
        /// Why.
        source: io::Error,
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
    /// The file is newer than the program.
    #[error("the state file {} has schema {found}, and this version knows {known}; run the newer version", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// Another run holds the lock that lies in Kubernetes.
    #[error(
        "another run holds {lock} ({holder}); nothing was done, the next run tries again; if that one is gone, the lock is free once it was not renewed for its duration"
    )]
    Held {
        /// The lock.
        lock: String,
        /// Who holds it.
        holder: String,
    },
    /// Another run has taken over what this one worked on.
    #[error(
        "{what} was taken over by {by}: this run does nothing more there, and the next one goes on"
    )]
    TakenOver {
        /// What it worked on.
        what: String,
        /// Who has it now.
        by: String,
    },
    /// An object of the API server cannot be read, written or used.
    #[error("{tried}: {why}; {remedy}")]
    Object {
        /// What was tried, on what.
        tried: String,
        /// What came of it.
        why: String,
        /// What a person can do.
        remedy: String,
        /// Whether waiting may help.
        is_transient: bool,
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
            Self::Locked { .. } | Self::Held { .. } | Self::TakenOver { .. } => true,
            Self::Object { is_transient, .. } => *is_transient,
            Self::Lock { .. }
            | Self::Folder { .. }
            | Self::Read { .. }
            | Self::Newer { .. }
            | Self::Write { .. } => false,
        }
    }
}

fn of(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(" ({holder})"))
}
