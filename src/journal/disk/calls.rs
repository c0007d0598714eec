//! Each call on the file system of a durable write, by name, so that tests can make any of them fail and see them all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[cfg(test)]
use super::script::{cut, watched};
use crate::files;
use crate::journal::load::MAX_BYTES;

/// One call, as it is about to be made.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "only a test looks at the calls")
)]
pub(super) enum DiskCall<'a> {
    /// A folder is made.
    MakeFolder(&'a Path),
    /// A file without a name is written in a folder, and is gone at once.
    TryFolder(&'a Path),
    /// A new, empty file is made.
    Create(&'a Path),
    /// Bytes are added to a file.
    Write(&'a Path, &'a [u8]),
    /// A file's content is brought to disk.
    Sync(&'a Path),
    /// A file is read.
    Read(&'a Path),
    /// A file takes another name, and the place of what had it.
    Rename(&'a Path, &'a Path),
    /// A folder's names are brought to disk.
    SyncFolder(&'a Path),
    /// A file is removed.
    Remove(&'a Path),
}

pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    watched(DiskCall::MakeFolder(folder), || {
        DirBuilder::new().create(folder)
    })
}

pub(super) fn try_folder(folder: &Path) -> io::Result<()> {
    watched(DiskCall::TryFolder(folder), || {
        tempfile::tempfile_in(folder).map(drop)
    })
}

/// Makes a file that nobody else can read, and only where there is none.
pub(super) fn create(path: &Path) -> io::Result<File> {
    watched(DiskCall::Create(path), || {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
    })
}

/// Writes some of the bytes, at least one, and returns how many.
pub(super) fn write(mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<usize> {
    let bytes = cut(bytes);
    watched(DiskCall::Write(path, bytes), || file.write(bytes))
}

pub(super) fn sync(file: &File, path: &Path) -> io::Result<()> {
    watched(DiskCall::Sync(path), || file.sync_all())
}

/// Reads a state file, where there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    watched(DiskCall::Read(path), || {
        match files::read(path, MAX_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    })
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    watched(DiskCall::Rename(from, to), || fs::rename(from, to))
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    watched(DiskCall::SyncFolder(folder), || {
        File::open(folder)?.sync_all()
    })
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    watched(DiskCall::Remove(path), || fs::remove_file(path))
}

#[cfg(not(test))]
fn watched<T>(_: DiskCall<'_>, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    call()
}

#[cfg(not(test))]
fn cut(bytes: &[u8]) -> &[u8] {
    bytes
}
