//! The known answers for the error-budget maths: published, measured and computed values, each with its source.

mod input;
mod kinds;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use input::{Answer, Input};
use kinds::KINDS;
use serde_json::Value;

fn copy_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slo-vectors.json")
}

/// Where the table is kept when the crate is checked out next to it.
fn original_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/slo.json")
}

/// Whether an answer is the expected one. A number passes within the relative tolerance, or the absolute one around 0.
fn matches(got: Answer, expected: &Value, tolerance: f64) -> bool {
    match (got, expected) {
        (Answer::Nothing, Value::Null) => true,
        (Answer::Truth(got), Value::Bool(expected)) => got == *expected,
        (Answer::Number(got), Value::Number(expected)) => {
            let expected = expected.as_f64().expect("a finite number");
            let scale = if expected == 0.0 { 1.0 } else { expected.abs() };
            (got - expected).abs() <= tolerance * scale
        }
        _ => false,
    }
}

#[test]
fn answers_every_known_case() {
    let original = original_path();
    let path = if original.exists() {
        original
    } else {
        copy_path()
    };
    let text = fs::read_to_string(&path).expect("the table of known answers");
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let tolerance = table["tolerance"].as_f64().expect("a default tolerance");
    let cases = table["cases"].as_array().expect("cases");
    let mut wrong = Vec::new();
    for case in cases {
        let (id, kind) = (
            case["id"].as_str().expect("an id"),
            case["kind"].as_str().expect("a kind"),
        );
        let Some((_, answered_by, answer)) = KINDS.iter().find(|(name, ..)| *name == kind) else {
            wrong.push(format!("{id}: nobody answers kind {kind}"));
            continue;
        };
        let tolerance = case
            .get("rel_tolerance")
            .map_or(tolerance, |own| own.as_f64().expect("a number"));
        let (got, expected) = (answer(&Input(&case["input"])), &case["expected"]);
        if !matches(got, expected, tolerance) {
            wrong.push(format!(
                "{id}: {kind} ({answered_by}) is {got:?}, not {expected}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert_eq!(
        cases.len(),
        241,
        "cases were added or lost: is every one of them meant?"
    );

    let described: BTreeSet<_> = table["kinds"]
        .as_object()
        .expect("kinds")
        .keys()
        .map(String::as_str)
        .collect();
    let answered: BTreeSet<_> = KINDS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(answered, described);
}

#[test]
fn the_copy_of_the_table_is_the_table() {
    let (original, copy) = (original_path(), copy_path());
    if original.exists() && copy.exists() {
        let read = |path| fs::read(path).expect("a readable table");
        assert!(
            read(original) == read(copy),
            "tests/slo-vectors.json differs from the shared table"
        );
    }
}
