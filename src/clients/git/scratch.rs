//! Folders for what is fetched: private, gone with their owner, and swept up after one that crashed.
//!
//! Each holds a file that its owner keeps locked. The kernel lifts the lock when the owner ends, however it ends, so a
//! folder of ours whose file can be locked belongs to nobody.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::files::{self, Links};

/// Where the repository lies in a folder of ours. It is removed before the mark is: what a crash leaves behind in the
/// middle of it can still be swept.
const CONTENT: &str = "repository";

/// What the names of all our folders begin with.
const PREFIX: &str = "error-budget-monitor-git-";

/// The file that marks a folder as ours and is locked while its owner lives.
const LOCK: &str = "error-budget-monitor.lock";

/// Most entries of the temporary directory that one sweep looks at. Protects a run on a host with a crowded one; what
/// is left is swept by a later run.
const MAX_SEEN: usize = 10_000;

/// Most folders that one sweep removes. Protects the run's deadline; the next run removes more.
const MAX_SWEPT: usize = 16;

/// How often a folder is made before the disk is blamed: each time another run would have to sweep it in the moment
/// between its making and its locking.
const ATTEMPTS: usize = 3;

/// A private folder.
#[derive(Debug)]
pub(super) struct Scratch {
    content: PathBuf,
    // Dropped in this order: the folder goes while it is still locked.
    _folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder, after removing some that crashed runs left behind.
    pub(super) fn new() -> io::Result<Self> {
        Self::in_folder(&std::env::temp_dir())
    }

    fn in_folder(root: &Path) -> io::Result<Self> {
        let (folder, lock) = make(root)?;
        sweep(root, folder.path());
        Ok(Self {
            content: folder.path().join(CONTENT),
            _folder: folder,
            _lock: lock,
        })
    }

    /// Returns where content goes.
    pub(super) fn content(&self) -> &Path {
        &self.content
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later run.
        fs::remove_dir_all(&self.content).unwrap_or_default();
    }
}

fn make(root: &Path) -> io::Result<(TempDir, File)> {
    for _ in 0..ATTEMPTS {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(root)?;
        if let Some(lock) = lock(folder.path())? {
            fs::create_dir(folder.path().join(CONTENT))?;
            return Ok((folder, lock));
        }
    }
    Err(io::Error::other(
        "other runs remove it as soon as it is made",
    ))
}

/// Marks a new folder as ours and takes its lock; nothing when somebody swept it meanwhile.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.try_lock().is_err() {
        return Ok(None);
    }
    // Locked, but perhaps after it was removed.
    Ok(path.exists().then_some(file))
}

/// Removes folders of crashed runs. What cannot be removed stays: it is in nobody's way but the disk's.
fn sweep(root: &Path, own: &Path) {
    let (Ok(entries), Ok(owner)) = (fs::read_dir(root), own.metadata().map(|own| own.uid())) else {
        return;
    };
    let abandoned = entries
        .take(MAX_SEEN)
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(PREFIX.as_bytes())
        })
        .map(|entry| entry.path())
        .filter(|path| {
            // A link, or a folder of another user, is not ours whatever it is called.
            path != own
                && path
                    .symlink_metadata()
                    .is_ok_and(|found| found.is_dir() && found.uid() == owner)
        })
        .filter_map(|path| Some((abandoned(&path)?, path)));
    for (lock, path) in abandoned.take(MAX_SWEPT) {
        let content = path.join(CONTENT);
        let cleared = match fs::remove_dir_all(&content) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => fs::remove_dir_all(&path),
        };
        match cleared {
            Ok(()) => {
                tracing::info!(path = %path.display(), "removed the scratch folder of a run that crashed")
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %error, "a scratch folder of a run that crashed cannot be removed");
            }
        }
        drop(lock);
    }
}

/// Takes the lock of a folder that nobody owns any more; nothing when somebody does, or when it is not marked as ours.
fn abandoned(folder: &Path) -> Option<File> {
    let path = folder.join(LOCK);
    let file = files::open(&path, OpenOptions::new().read(true), Links::Refused).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    /// Leaves a folder behind as a process does that is killed: unlocked, but there.
    fn crash(root: &Path) -> PathBuf {
        let (folder, _lock) = make(root).expect("a folder");
        let path = folder.keep();
        fs::write(path.join(CONTENT).join("pack"), "x").expect("our own folder");
        path
    }

    #[test]
    fn a_folder_is_private_and_goes_with_its_owner() {
        let root = root();
        let scratch = Scratch::in_folder(root.path()).expect("a folder");
        let path = scratch.content().parent().expect("it has one").to_owned();
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_nobody_owns_is_removed_and_one_that_is_owned_stays() {
        let root = root();
        let live = Scratch::in_folder(root.path()).expect("a folder");
        let crashed = crash(root.path());
        let next = Scratch::in_folder(root.path()).expect("a folder");
        assert!(!crashed.exists());
        assert!(live.content().exists());
        assert!(next.content().exists());
    }

    #[test]
    fn a_sweep_removes_a_bounded_number_and_the_next_one_goes_on() {
        let root = root();
        let left: Vec<_> = (0..=MAX_SWEPT).map(|_| crash(root.path())).collect();
        let count = || left.iter().filter(|path| path.exists()).count();
        drop(Scratch::in_folder(root.path()).expect("a folder"));
        assert_eq!(count(), 1);
        drop(Scratch::in_folder(root.path()).expect("a folder"));
        assert_eq!(count(), 0);
    }

    #[test]
    fn what_only_looks_like_ours_stays() {
        let root = root();
        let kept = crash(root.path());
        let elsewhere = root.path().join("elsewhere");
        fs::rename(&kept, &elsewhere).expect("our own folder");
        let unmarked = root.path().join(format!("{PREFIX}unmarked"));
        fs::create_dir(&unmarked).expect("our own folder");
        let link = root.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(&elsewhere, &link).expect("our own folder");
        let file = root.path().join(format!("{PREFIX}file"));
        fs::write(&file, "").expect("our own folder");
        drop(Scratch::in_folder(root.path()).expect("a folder"));
        for path in [&elsewhere, &unmarked, &link, &file] {
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        assert!(elsewhere.join(CONTENT).join("pack").exists());
    }
}
