//! Whether a run could remember: looked at without leaving anything behind.

use std::fs::{self, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::holder;
use super::paths::{beside, folder};
use crate::files;

/// How much is written to see whether there is space (bytes): the state and the generation before it at 200 rollbacks
/// each.
const PROBE: usize = 1024 * 1024;

/// How the folder of the state is.
#[derive(Debug)]
pub enum FolderState {
    /// It takes files, and there is space.
    Writable,
    /// It is not there; the folder above, which takes new ones, is named.
    Missing {
        /// The nearest folder above that is there.
        above: PathBuf,
    },
    /// It, or the nearest folder above it, takes no file, or there is no space.
    Refuses {
        /// The folder that was tried.
        tried: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How the lock is.
#[derive(Debug)]
pub enum LockState {
    /// Nobody holds it.
    Free,
    /// There is no lock file yet; the first run makes it.
    Missing,
    /// A run holds it.
    Held {
        /// Which, as it wrote itself; nothing where it did not.
        holder: Option<String>,
    },
    /// It cannot be looked at.
    Unusable {
        /// Why.
        source: io::Error,
    },
}

/// Returns the folder of a state file.
pub fn state_folder(file: &Path) -> &Path {
    folder(file)
}

/// Looks whether the folder of a state file takes files. A file without a name is written and gone at once.
pub fn probe_folder(file: &Path) -> FolderState {
    let folder = folder(file);
    let nearest = folder
        .ancestors()
        .map(|above| {
            if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            }
        })
        .find(|above| fs::metadata(above).is_ok());
    let nearest = nearest.unwrap_or(folder);
    let written = tempfile::tempfile_in(nearest).and_then(|mut file| {
        file.write_all(&vec![0; PROBE])?;
        file.flush()
    });
    match written {
        Ok(()) if nearest == folder => FolderState::Writable,
        Ok(()) => FolderState::Missing {
            above: nearest.to_owned(),
        },
        Err(source) => FolderState::Refuses {
            tried: nearest.to_owned(),
            source,
        },
    }
}

/// Looks whether a run holds the lock of a state file. The lock is given back at once, and no lock file is made.
pub fn probe_lock(file: &Path) -> LockState {
    let lock = match files::open_to_read(&beside(file, "lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return LockState::Missing,
        Err(source) => return LockState::Unusable { source },
    };
    match lock.try_lock() {
        Ok(()) => match lock.unlock() {
            Ok(()) => LockState::Free,
            Err(source) => LockState::Unusable { source },
        },
        Err(TryLockError::WouldBlock) => LockState::Held {
            holder: holder::of(&beside(file, "lock")),
        },
        Err(TryLockError::Error(source)) => LockState::Unusable { source },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::journal::Journal;

    #[test]
    fn leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/deeper/state.json");
        assert!(matches!(
            probe_folder(&file),
            FolderState::Missing { above } if above == folder.path()
        ));
        assert!(matches!(probe_lock(&file), LockState::Missing));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        assert!(matches!(probe_folder(&file), FolderState::Writable));
        assert!(matches!(probe_lock(&file), LockState::Missing));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn sees_the_lock_of_a_run_and_takes_it_from_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let run = Journal::open(&file).unwrap();
        let LockState::Held { holder } = probe_lock(&file) else {
            panic!("a run holds it");
        };
        let holder = holder.unwrap();
        let process = format!("process {} on ", std::process::id());
        assert!(holder.starts_with(&process), "{holder}");
        drop(run);
        assert!(matches!(probe_lock(&file), LockState::Free));
        drop(Journal::open(&file).unwrap());
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        for file in [
            "/proc/error-budget-monitor/state.json",
            "/dev/null/state.json",
        ] {
            assert!(matches!(
                probe_folder(Path::new(file)),
                FolderState::Refuses { .. }
            ));
        }
    }
}
