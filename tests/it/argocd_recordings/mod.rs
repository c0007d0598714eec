//! What a real Argo CD answered, held against the client, which must read it, and against the stand-in, which must
//! answer the same. Where they differ, the recordings are right.
//!
//! | file | subject |
//! |---|---|
//! | `table.rs` | every recording with what the client makes of it and the situation it is answered in |
//! | `client.rs` | the client makes each call and reads each answer |
//! | `replay.rs` | the stand-in is asked what the real server was asked |
//! | `situations/` | how the stand-in gets to where the real server was |
//! | `likeness.rs` | when two answers are the same, and what need not be |

mod client;
mod likeness;
mod replay;
mod situations;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One exchange with the real server.
#[derive(Debug, Deserialize)]
struct Recording {
    request: Asked,
    status: u16,
    content_type: String,
    body: Value,
}

/// What the real server was asked.
#[derive(Debug, Deserialize)]
struct Asked {
    method: String,
    /// With the query.
    path: String,
    body: Value,
}

impl Recording {
    /// Returns the recording of a name.
    #[track_caller]
    fn of(name: &str) -> Self {
        let path = folder().join(format!("{name}.json"));
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Returns the body as it was sent: JSON as text, or the text that it was.
    fn body_text(&self) -> String {
        match self.body.as_str() {
            Some(text) => text.to_owned(),
            None => self.body.to_string(),
        }
    }
}

fn copy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/argocd")
}

/// Where the recordings are kept when the crate is checked out next to them.
fn original() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recordings/argocd")
}

fn folder() -> PathBuf {
    let original = original();
    if original.exists() { original } else { copy() }
}

/// Returns the names of the recordings in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the recordings");
    entries
        .map(|entry| entry.expect("the recordings").file_name())
        .filter_map(|name| name.to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect()
}

#[test]
fn every_recording_stands_in_the_table_once() {
    let rows = table::ROWS.iter().map(|row| row.name.to_owned());
    let rows: Vec<String> = rows.collect();
    let known: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(known.len(), rows.len(), "a recording stands there twice");
    assert_eq!(known, names(&folder()));
    assert_eq!(
        rows.len(),
        76,
        "recordings were added or lost: is every one of them meant?"
    );
}

#[test]
fn the_copies_of_the_recordings_are_the_recordings() {
    if !original().exists() {
        return;
    }
    assert_eq!(names(&original()), names(&copy()));
    for name in names(&copy()) {
        let read = |folder: PathBuf| fs::read(folder.join(format!("{name}.json"))).expect("a file");
        assert!(
            read(original()) == read(copy()),
            "the copy of {name} differs"
        );
    }
}
