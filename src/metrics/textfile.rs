//! The exposition as a file, for node_exporter's textfile collector or a sidecar.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Everybody may read the file: the collector runs as somebody else. It holds no secret.
const MODE: u32 = 0o644;

/// Why the file is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "write the metrics to {}; METRICS_TEXTFILE must name a file in a folder that exists and can be written",
    path.display()
)]
pub struct TextfileError {
    path: PathBuf,
    source: io::Error,
}

/// Puts a text in the place of `path`. A reader sees the old text or the new one, never a part. The new text is written
/// beside it first, to a name that no collector reads and that a later run uses again, so that a crash leaves one file.
///
/// # Errors
/// The folder is missing, cannot be written or is full. The old file stays as it is.
pub fn write_textfile(path: &Path, exposition: &str) -> Result<(), TextfileError> {
    replace(path, exposition).map_err(|source| TextfileError {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path)?;
    remove(&beside)?;
    let written = write_new(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is in the way of the next run is removed by the next run as well.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Names the file that is written first: hidden, and without the ending `.prom`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".new");
    Ok(path.with_file_name(hidden))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.sync_all()
}
