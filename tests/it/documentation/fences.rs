//! The code that the documentation shows. Shell commands are marked by what becomes of them:
//!
//! - `sh`: a test runs them, see `scenarios::documented`;
//! - `sh cluster`: they need a cluster, an account or a pipeline, and are not run;
//! - `sh build`: they build, or run for minutes; `scripts/test.sh` and people run them.

use std::path::Path;

use super::{at, documents};

/// What a piece of code may be marked as.
const MARKS: [&str; 9] = [
    "sh",
    "sh cluster",
    "sh build",
    "yaml",
    "json",
    "text",
    "csv",
    "groovy",
    "mermaid",
];

/// A piece of code.
#[derive(Debug)]
pub(crate) struct Fence {
    /// Where it stands, for messages.
    pub(crate) place: String,
    /// What it is marked as.
    pub(crate) mark: String,
    /// Its lines.
    pub(crate) code: String,
}

/// Returns every piece of code of every document.
pub(crate) fn fences() -> Vec<Fence> {
    let mut found = Vec::new();
    for (path, text) in documents() {
        let mut open: Option<Fence> = None;
        for (number, line) in text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(mark), None) => {
                    open = Some(Fence {
                        place: format!("{path}:{}", number + 1),
                        mark: mark.to_owned(),
                        code: String::new(),
                    });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (None, Some(fence)) => fence.code += &format!("{line}\n"),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{path} ends in the middle of code");
    }
    found
}

#[test]
fn every_piece_of_code_is_marked() {
    for fence in fences() {
        assert!(
            MARKS.contains(&fence.mark.as_str()),
            "{}: mark it as one of {MARKS:?}, not as {:?}",
            fence.place,
            fence.mark
        );
    }
}

#[test]
fn every_file_that_a_command_names_is_there() {
    let mut named = 0;
    for fence in fences() {
        for word in fence.code.split_whitespace() {
            let word = word.trim_matches(['"', '\'', '(', ')', ',']);
            let is_ours = ["scripts/", "k8s/", "docs/"]
                .iter()
                .any(|folder| word.starts_with(folder));
            if is_ours {
                named += 1;
                assert!(at(word).exists(), "{}: {word} is not there", fence.place);
            }
        }
    }
    assert!(named > 5, "{named}");
}

#[test]
fn every_yaml_can_be_read() {
    for fence in fences() {
        if fence.mark == "yaml" {
            for document in serde_norway::Deserializer::from_str(&fence.code) {
                let read = <serde_norway::Value as serde::Deserialize>::deserialize(document);
                assert!(read.is_ok(), "{}: {:?}", fence.place, read.err());
            }
        }
    }
}

#[test]
fn every_script_can_be_started() {
    use std::os::unix::fs::PermissionsExt;
    for entry in std::fs::read_dir(at("scripts")).expect("it is there") {
        let path = entry.expect("its entries can be read").path();
        if path.extension() == Some("sh".as_ref()) {
            let mode = Path::new(&path)
                .metadata()
                .expect("ours")
                .permissions()
                .mode();
            assert_eq!(mode & 0o111, 0o111, "{}", path.display());
        }
    }
}
