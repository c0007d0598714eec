//! `LOG_FILE`: the lines of the log that matter after an incident, kept beside stderr.
//!
//! A line goes there when its event has the target [`AUDIT`]. The file is opened by name at the first such line of a
//! run, appended to without a buffer, and renamed to `LOG_FILE.1` when it would exceed [`MAX_BYTES`]. What cannot be
//! written is counted and told by [`LogFile::trouble`]; it never changes what the run does.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::files::{self, Links};

/// Target of the events that go to the file: `tracing::info!(target: AUDIT, …)`.
pub const AUDIT: &str = "audit";

/// Size at which the file is set aside (bytes), some 35,000 lines. Protects the volume: the log takes twice as much
/// at most.
pub const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// Whoever collects the file shares its group; it is nobody else's business.
const MODE: u32 = 0o640;

/// The log file of a run. Copies share it.
#[derive(Debug, Clone)]
pub struct LogFile {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    max_bytes: u64,
    file: Option<File>,
    lost: u64,
    trouble: Option<String>,
}

impl LogFile {
    /// Prepares the file; touches nothing before the first line.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::bounded(path, MAX_BYTES)
    }

    /// Prepares a file of another size (bytes).
    pub fn bounded(path: impl Into<PathBuf>, max_bytes: u64) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                path: path.into(),
                max_bytes,
                file: None,
                lost: 0,
                trouble: None,
            })),
        }
    }

    /// Appends one line, which ends with a line feed. After the first failure the run writes no more to it.
    pub fn append(&self, line: &[u8]) {
        self.shared().append(line);
    }

    /// Returns how many lines could not be written.
    pub fn lost(&self) -> u64 {
        self.shared().lost
    }

    /// Returns why lines were lost, in one sentence; nothing where none was.
    pub fn trouble(&self) -> Option<String> {
        self.shared().trouble.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn append(&mut self, line: &[u8]) {
        if self.trouble.is_none() {
            match self.write(line) {
                Ok(()) => return,
                Err(error) => {
                    self.file = None;
                    self.trouble = Some(format!(
                        "write the log to {}: {error}; LOG_FILE must name a regular file in a folder that exists and can be \
                         written",
                        self.path.display()
                    ));
                }
            }
        }
        self.lost += 1;
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let size = file.metadata()?.len();
        if size > 0 && size.saturating_add(length) > self.max_bytes {
            file = set_aside(file, &self.path)?;
        }
        file.write_all(line)?;
        self.file = Some(file);
        Ok(())
    }
}

/// Opens the file at its end. Where a run died within a line, the line is ended, so that the next one is whole.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(MODE);
    let mut file = files::open(path, &mut options, Links::Refused)?;
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Gives a full file the name of the older one, and opens a new one. Of several runs only one renames: the lock
/// belongs to the full file, and whoever comes later finds another file under its name.
fn set_aside(full: File, path: &Path) -> io::Result<File> {
    if full.try_lock().is_err() {
        // Another run is at it; this line is the last one here.
        return Ok(full);
    }
    let same = |found: &fs::Metadata, own: &fs::Metadata| {
        (found.dev(), found.ino()) == (own.dev(), own.ino())
    };
    let own = full.metadata()?;
    if fs::symlink_metadata(path).is_ok_and(|found| same(&found, &own)) {
        fs::rename(path, older(path))?;
    }
    open(path)
}

/// Returns the name of the older file: the same with `.1` behind it.
fn older(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    PathBuf::from(name)
}

/// Writes the lines of a subscriber.
#[derive(Debug)]
pub struct Lines<'a>(&'a LogFile);

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines(self)
    }
}

impl Write for Lines<'_> {
    /// Takes a whole line and never fails: what is lost is counted.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
