//! The table of what each suite had to reach and what it reached.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes a suite's line, and prints it. A suite that fell short fails.
#[track_caller]
pub(crate) fn reached(suite: &str, wanted: usize, unit: &str, reached: usize, besides: &str) {
    let line = format!("{suite} | {wanted} {unit} | {reached} {unit}{besides}");
    says(&line);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("faults");
    fs::create_dir_all(&folder).expect("a folder of the build");
    let file = folder.join(suite.replace(' ', "-")).with_extension("txt");
    fs::write(file, format!("{line}\n")).expect("a file of the build");
    assert!(reached >= wanted, "{line}");
}

/// Prints a line.
pub(crate) fn says(line: &str) {
    writeln!(io::stdout(), "{line}").expect("somebody reads along");
}
