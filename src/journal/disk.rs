//! The durable write: whenever the power goes, the old file or the new one is there, whole.
//!
//! The order is everything. The new content is on disk before its name is; the generation before is kept before the
//! new one takes its place; and only when the folder is on disk is the write said to be done.

mod calls;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use self::calls::{create, make_folder, read, remove, rename, sync, sync_folder, try_folder};
use super::paths::{beside, folder};
use crate::fail_point::reached;
use crate::files;

/// How often one write may be interrupted by signals before it counts as failed. A healthy disk is never interrupted.
const MAX_INTERRUPTIONS: u32 = 1000;

/// How many damaged files are kept for people to look at.
const MAX_CORRUPT: usize = 10;

/// What becomes of the file that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Former {
    /// It is kept as the generation before.
    Sound,
    /// It is set aside, and the generation before it stays what it is.
    Damaged,
}

/// Writes one file, again and again, for one run.
#[derive(Debug)]
pub(super) struct Writer {
    file: PathBuf,
    /// Whether a write failed, or did not come back.
    is_broken: bool,
}

impl Writer {
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            is_broken: false,
        }
    }

    /// Replaces the file and keeps what it was as the generation before. Both names always lead to a whole file.
    ///
    /// # Errors
    /// The old or the new file is there, and after a failed fsync nobody can tell which would survive a power cut:
    /// the kernel may have dropped what it could not write and call the next fsync a success. So nothing is tried
    /// again, and every further write of this run fails too. That is right for every caller: what could not be
    /// written as intended must not be done, and what was done is found by the next run, which reads what is on disk
    /// and looks outside.
    pub(super) fn replace(&mut self, bytes: &[u8], was: Former) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other(
                "an earlier write of this run failed, so that no more are made",
            ));
        }
        self.is_broken = true;
        replace(&self.file, bytes, was)?;
        self.is_broken = false;
        Ok(())
    }
}

fn replace(file: &Path, bytes: &[u8], was: Former) -> io::Result<()> {
    reached("journal.before");
    let next = Temporary::write(file, bytes)?;
    reached("journal.synced");
    match was {
        Former::Sound => keep_previous(file)?,
        Former::Damaged => set_aside(file, Utc::now())?,
    }
    next.take_the_place_of(file)?;
    reached("journal.renamed");
    sync_folder(folder(file))?;
    reached("journal.durable");
    Ok(())
}

/// Keeps the file that is about to be replaced. It never leaves a moment in which neither is there.
fn keep_previous(file: &Path) -> io::Result<()> {
    match read(file)? {
        Some(bytes) => Temporary::write(file, &bytes)?.take_the_place_of(&beside(file, "prev")),
        None => Ok(()),
    }
}

/// Moves a damaged file out of the way, for people to look at. The generation before it stays where it is, so that a
/// crash right now is found as a lost file.
fn set_aside(file: &Path, now: DateTime<Utc>) -> io::Result<()> {
    let name = format!("corrupt.{}", now.format("%Y%m%dt%H%M%Sz"));
    match rename(file, &beside(file, &name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let beginning = beside(file, "corrupt.");
    let beginning = beginning.as_os_str().as_encoded_bytes();
    let paths = fs::read_dir(folder(file))?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut kept: Vec<PathBuf> = paths
        .filter(|path| path.as_os_str().as_encoded_bytes().starts_with(beginning))
        .collect();
    kept.sort();
    for oldest in kept.iter().rev().skip(MAX_CORRUPT) {
        remove(oldest)?;
    }
    Ok(())
}

/// Makes the folder of a file, durably, with those above it.
///
/// # Errors
/// Fails where a folder above takes none, or something else has its name.
pub(super) fn prepare_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = super::paths::folder(folder);
    // Above a working folder that is gone there is nothing to make.
    if above != folder {
        prepare_folder(above)?;
    }
    match make_folder(folder) {
        Ok(()) => {}
        // Another run was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_folder(above)
}

/// Makes sure, under the lock, that the folder takes files, and that what is read from it next is on disk: a run that
/// died between a rename and the fsync leaves what a power cut would take back, and who acts on that has forgotten it
/// afterwards. Also removes what such runs left half-written.
///
/// # Errors
/// Fails where the folder takes no new file, or cannot be brought to disk. It would not after the push either.
pub(super) fn settle(file: &Path) -> io::Result<()> {
    let folder = folder(file);
    try_folder(folder)?;
    sweep(file);
    match files::open_to_read(file) {
        Ok(opened) => sync(&opened, file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Whoever reads it next says so better.
        Err(error) => tracing::debug!(error = %error, "the state file cannot be opened"),
    }
    sync_folder(folder)
}

/// Removes the temporary files of runs that died. They are in nobody's way, so a failure only leaves them.
fn sweep(file: &Path) {
    let Some(prefix) = temporary_prefix(file) else {
        return;
    };
    let prefix = prefix.as_encoded_bytes();
    let entries = match fs::read_dir(folder(file)) {
        Ok(entries) => entries,
        Err(error) => return tracing::debug!(error = %error, "the state folder cannot be listed"),
    };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix)
            && let Err(error) = remove(&entry.path())
        {
            tracing::debug!(error = %error, "a temporary file of an earlier run stays");
        }
    }
}

/// A file that is whole and on disk, and has no lasting name yet. Dropping it removes it.
struct Temporary {
    path: PathBuf,
    has_its_name: bool,
}

impl Temporary {
    /// Writes a new file beside another.
    fn write(beside: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut name = temporary_prefix(beside).ok_or(io::ErrorKind::InvalidFilename)?;
        // Seeded by the kernel. A name that is taken all the same is an error, not somebody else's file.
        let random = RandomState::new().hash_one(0);
        name.push(format!("{random:016x}"));
        let path = folder(beside).join(name);
        let file = create(&path)?;
        let temporary = Self {
            path,
            has_its_name: false,
        };
        let mut unfinished = Unfinished {
            file: &file,
            path: &temporary.path,
            interruptions: 0,
        };
        unfinished.write_all(bytes)?;
        sync(&file, &temporary.path)?;
        Ok(temporary)
    }

    fn take_the_place_of(mut self, file: &Path) -> io::Result<()> {
        rename(&self.path, file)?;
        self.has_its_name = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.has_its_name {
            return;
        }
        if let Err(error) = remove(&self.path) {
            tracing::debug!(error = %error, "a temporary file stays; the next run removes it");
        }
    }
}

/// How the names of a file's temporary files begin.
fn temporary_prefix(file: &Path) -> Option<OsString> {
    let mut prefix = OsString::from(".");
    prefix.push(file.file_name()?);
    prefix.push(".new-");
    Some(prefix)
}

/// A file being written. Short and interrupted writes are gone on with by `write_all`; this only bounds the latter.
struct Unfinished<'a> {
    file: &'a File,
    path: &'a Path,
    interruptions: u32,
}

impl Write for Unfinished<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = calls::write(self.file, self.path, bytes);
        if matches!(&written, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
            self.interruptions += 1;
            if self.interruptions > MAX_INTERRUPTIONS {
                return Err(io::Error::other("interrupted again and again"));
            }
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
