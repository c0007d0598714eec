//! Whether the files of a module name each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::Rule;
use super::names::offences_at;
use super::sources::files_of;

/// The modules whose files form no circle. A file and the `mod.rs` of its folder are two files.
const WITHOUT_CIRCLES: [&str; 11] = [
    "clients",
    "commands",
    "config",
    "doctor",
    "journal",
    "metrics",
    "notifications",
    "notify",
    "rollback",
    "runbook",
    "slo",
];

#[test]
fn the_files_of_a_module_form_no_circle() {
    for module in WITHOUT_CIRCLES {
        let files = files_of(module);
        let known: BTreeSet<Vec<String>> = files.iter().map(|(path, _)| path.clone()).collect();
        let arrows = files.iter().map(|(path, file)| {
            let named = named_files(path, file, &known);
            (path.clone(), named)
        });
        assert_eq!(circle(&arrows.collect()), None, "in {module}");
    }
}

#[test]
fn a_circle_of_files_is_found() {
    let paths = ["a", "b", "c"].map(|name| vec!["m".to_owned(), name.to_owned()]);
    let known: BTreeSet<Vec<String>> = paths.iter().cloned().collect();
    let arrows = |code: [&str; 3]| {
        let files = paths.iter().zip(code).map(|(path, code)| {
            let file = syn::parse_file(code).expect("code that parses");
            (path.clone(), named_files(path, &file, &known))
        });
        circle(&files.collect())
    };
    let c = "fn f() {}";
    assert_eq!(arrows(["use super::b::f;", "use super::c::f;", c]), None);
    for back in [
        "use super::a::f;",
        "use crate::m::a;",
        "fn f() { super::a::g(); }",
        "fn f() { format!(\"{}\", crate::m::a::g()); }",
        "use super::{b::f, a::g};",
    ] {
        let found = arrows(["use super::b::f;", "use super::c::f;", back]);
        assert!(found.is_some(), "{back}");
    }
    // A test may use whatever it tests with.
    let tests = "#[cfg(test)] mod tests { use super::super::a::f; }";
    assert_eq!(
        arrows(["use super::b::f;", "use super::c::f;", tests]),
        None
    );
}

/// Returns which of the known files some code names, itself left out.
fn named_files(
    path: &[String],
    file: &syn::File,
    known: &BTreeSet<Vec<String>>,
) -> BTreeSet<Vec<String>> {
    let everything = Rule {
        module: "no module",
        ours: &[],
        crates: None,
        never: &[],
        is_pure: false,
    };
    let offences = offences_at(&everything, path.to_vec(), file);
    let named = offences.iter().filter_map(|offence| {
        let full: Vec<String> = offence.split("::").skip(1).map(str::to_owned).collect();
        let files = (1..=full.len()).rev().map(|length| full[..length].to_vec());
        files.into_iter().find(|file| known.contains(file))
    });
    named.filter(|file| file != path).collect()
}

/// Returns the files of a circle, if there is one.
fn circle(arrows: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<String>> {
    let mut left = arrows.clone();
    // What names nothing that is left is in no circle.
    while let Some(file) = left
        .iter()
        .find(|(_, named)| named.iter().all(|file| !left.contains_key(file)))
        .map(|(file, _)| file.clone())
    {
        left.remove(&file);
    }
    (!left.is_empty()).then(|| left.keys().map(|path| path.join("/")).collect())
}
