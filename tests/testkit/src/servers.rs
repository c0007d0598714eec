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
    let folder = folder(server);
    let found = folder
        .as_ref()
        .map(|folder| folder.join(program))
        .filter(|program| program.is_file());
    if found.is_none() {
        let missing = format!(
            "NOT RUN: {program} is not in {}: run scripts/lib/servers.sh, which builds it",
            folder.unwrap_or_default().display()
        );
        assert!(!env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
        // Not by a macro, whose words the test runner hides where a test passes.
        writeln!(io::stderr(), "{missing}").expect("standard error is open");
    }
    found
}

/// Returns where the script puts a server of the list.
fn folder(server: &str) -> Option<PathBuf> {
    let version = LIST
        .lines()
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(server)).then(|| words.next()))
        .flatten()
        .unwrap_or_else(|| panic!("{server} is not in servers.txt"));
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) if !cache.is_empty() => PathBuf::from(cache),
        _ => PathBuf::from(env::var_os("HOME")?).join(".cache"),
    };
    let name = format!("{server}-{version}");
    Some(cache.join("error-budget-monitor/servers").join(name))
}
