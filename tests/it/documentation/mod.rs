//! What the documentation says is so.

pub(crate) mod fences;
mod links;
mod man;
mod tables;
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};

/// Returns a path of this repository.
pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file of this repository.
fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// Returns the path and the text of every document.
fn documents() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in ["", "docs/"] {
        for entry in fs::read_dir(at(folder)).expect("the folder is there") {
            let name = entry.expect("its entries can be read").file_name();
            let name = name.to_str().expect("names are text");
            if name.ends_with(".md") {
                paths.push(format!("{folder}{name}"));
            }
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}
