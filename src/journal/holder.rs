//! Who holds the lock of the state file: written into the lock file for whoever finds it taken.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use chrono::{SecondsFormat, Utc};

use crate::files;

/// Longest that is read of it (bytes): twice what this program writes with the longest host name, of 64 bytes.
const MAX_HOLDER: u64 = 256;

/// Where Linux says what the host, or the pod, is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Writes who takes the lock. Without it everything works as well, so that a full disk is no trouble here.
pub(super) fn sign(lock: &File) {
    if let Err(error) = try_to_sign(lock) {
        tracing::debug!(error = %error, "the lock of the state file does not say who holds it");
    }
}

/// Returns what the host, or the pod, is called; nothing where it does not say.
pub fn host_name() -> Option<String> {
    let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let host = host.trim();
    (!host.is_empty()).then(|| host.to_owned())
}

fn try_to_sign(mut lock: &File) -> io::Result<()> {
    let host = host_name().unwrap_or_else(|| "an unknown host".to_owned());
    let since = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    lock.set_len(0)?;
    lock.write_all(format!("process {} on {host} since {since}\n", std::process::id()).as_bytes())
}

/// Reads who holds a lock; nothing where that is not written there in printable ASCII.
pub(super) fn of(lock: &Path) -> Option<String> {
    let said = String::from_utf8(files::read(lock, MAX_HOLDER).ok()?).ok()?;
    let said = said.trim();
    let is_plain = said.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    (is_plain && !said.is_empty()).then(|| said.to_owned())
}
