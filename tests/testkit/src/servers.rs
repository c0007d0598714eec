//! The servers that `scripts/lib/servers.sh` builds, because Debian does not have them, or not as new.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

/// What is built, by name and version; the script reads the same list.
const LIST: &str = include_str!("../servers.txt");

/// Returns a program of a server that was built on this machine for this user.
///
/// Where it is missing the answer is nothing, and standard error says so.
///
/// # Panics
/// If the program is missing and `CI` is `true`: a suite that leaves out a back end is not whole.
pub(crate) fn built(server: &str, program: &str) -> Option<PathBuf> {
    let found = folder(server).join(program);
    if found.is_file() {
        return Some(found);
    }
    let missing = format!(
        "NOT RUN: {} is missing: run scripts/lib/servers.sh, which builds it",
        found.display()
    );
    let whole = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!whole, "{missing}");
    say(&missing);
    None
}

/// Returns where the script puts a server of the list.
fn folder(server: &str) -> PathBuf {
    cache().join("servers").join(name(server))
}

/// Returns the name of a server of the list with its version.
pub(crate) fn name(server: &str) -> String {
    let version = LIST
        .lines()
        .map(str::split_whitespace)
        .find_map(|mut words| {
            let ours = words.next() == Some(server);
            ours.then(|| words.next()).flatten()
        })
        .expect("servers.txt lists it with its version");
    format!("{server}-{version}")
}

/// Returns the folder in which this user keeps what takes long to make.
pub(crate) fn cache() -> PathBuf {
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) if !cache.is_empty() => PathBuf::from(cache),
        _ => PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache"),
    };
    cache.join("error-budget-monitor")
}

/// Not by a macro, whose words the test runner hides where a test passes.
fn say(line: &str) {
    writeln!(io::stderr(), "{line}").expect("standard error is open");
}
