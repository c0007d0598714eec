//! The table above stays true: each behaviour stands there once, and each test that it names exists.

use std::fs;
use std::path::Path;

/// Returns the text of every source below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("our own sources") {
        let path = entry.expect("our own sources").path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("our own sources"));
        }
    }
    text
}

/// Returns the number and the words of each row.
fn rows(table: &str) -> Vec<(usize, &str)> {
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("//! | A"));
    rows.map(|row| {
        let (number, words) = row.split_once(" | ").expect("two cells");
        (number.parse().expect("a number"), words)
    })
    .collect()
}

#[test]
fn every_behaviour_stands_in_the_table_once_and_every_named_test_exists() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let table = tests.join("scenarios/argocd/behaviours/mod.rs");
    let table = fs::read_to_string(table).expect("our own sources");
    let rows = rows(&table);
    let numbers: Vec<usize> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=56).collect::<Vec<_>>());
    let sources = sources(&tests);
    for (number, words) in rows {
        let named: Vec<&str> = words.split('`').skip(1).step_by(2).collect();
        assert!(
            !named.is_empty() || words.contains("never met: "),
            "A{number} names neither a test nor a reason"
        );
        for name in named {
            let is_there = sources.contains(&format!("#[test]\nfn {name}() {{"));
            assert!(is_there, "A{number} names {name}, which is no test");
        }
    }
}
