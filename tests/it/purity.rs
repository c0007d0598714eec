//! Which module may name what: the core is pure, and the arrows between modules point one way.
//!
//! The sources are parsed, so comments and strings do not matter, imports are followed to what they name, and modules
//! that exist only for tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// What a module may name.
struct Rule {
    /// The module, as a folder of `src`.
    module: &'static str,
    /// Our other modules that it may name.
    ours: &'static [&'static str],
    /// The crates it may name; nothing where any will do.
    crates: Option<&'static [&'static str]>,
    /// What it may not name, by the beginning of the path.
    never: &'static [&'static str],
    /// Whether it must be pure: no async, and only macros that make values.
    is_pure: bool,
}

/// The outside world within the crates that the core may name.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::io",
    "std::os",
    "std::sync",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "chrono::Local",
    "chrono::offset::Local",
    "chrono::Utc::now",
    "chrono::offset::Utc::now",
];

const SLO: Rule = Rule {
    module: "slo",
    ours: &[],
    crates: Some(&["std", "serde", "strum", "chrono", "thiserror"]),
    never: OUTSIDE,
    is_pure: true,
};

const POLICY: Rule = Rule {
    module: "policy",
    ours: &["slo"],
    crates: Some(&["std", "serde", "strum", "chrono", "chrono_tz", "thiserror"]),
    never: OUTSIDE,
    is_pure: true,
};

const CLIENTS: Rule = Rule {
    module: "clients",
    ours: &["fail_point"],
    crates: None,
    never: &[],
    is_pure: false,
};

/// The journal never touches the network.
const JOURNAL: Rule = Rule {
    module: "journal",
    ours: &["policy", "slo", "config", "fail_point"],
    crates: None,
    never: &["std::net", "tokio::net", "reqwest", "octocrab", "git2"],
    is_pure: false,
};

/// Every module from the lowest floor to the highest, with the others that it may name: each of them stands below it.
const FLOORS: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("fail_point", &[]),
    ("log_file", &[]),
    ("slo", &[]),
    ("stop", &[]),
    ("clients", &["fail_point"]),
    ("policy", &["slo"]),
    ("config", &["clients", "policy", "slo"]),
    ("cli", &["config"]),
    ("journal", &["fail_point", "policy", "slo"]),
    (
        "observe",
        &["clients", "config", "journal", "policy", "slo"],
    ),
    ("record", &["journal", "observe", "policy", "slo"]),
    ("report", &["record", "slo"]),
    (
        "notify",
        &[
            "clients", "config", "exit", "journal", "observe", "policy", "record", "report", "slo",
        ],
    ),
    ("metrics", &["clients", "policy", "record", "slo"]),
    (
        "outcome",
        &["clients", "exit", "journal", "policy", "record"],
    ),
    (
        "service",
        &[
            "clients", "config", "journal", "notify", "observe", "policy", "slo", "stop",
        ],
    ),
    (
        "evaluation",
        &[
            "clients", "exit", "journal", "observe", "outcome", "policy", "record", "service",
            "slo",
        ],
    ),
    (
        "notifications",
        &[
            "exit", "journal", "log_file", "metrics", "notify", "outcome", "policy", "record",
            "service", "slo",
        ],
    ),
    (
        "rollback",
        &[
            "clients",
            "evaluation",
            "exit",
            "journal",
            "log_file",
            "notifications",
            "notify",
            "observe",
            "outcome",
            "policy",
            "record",
            "report",
            "service",
            "slo",
            "stop",
        ],
    ),
    (
        "doctor",
        &[
            "clients", "config", "journal", "notify", "observe", "policy", "record", "service",
            "slo",
        ],
    ),
    (
        "commands",
        &[
            "cli",
            "clients",
            "config",
            "doctor",
            "evaluation",
            "exit",
            "journal",
            "metrics",
            "notifications",
            "notify",
            "observe",
            "outcome",
            "policy",
            "record",
            "report",
            "rollback",
            "service",
            "slo",
            "stop",
        ],
    ),
];

/// What the root of the crate holds beside modules: an error with its causes, and a thread for what blocks.
const ROOT: [&str; 2] = ["with_sources", "blocking"];

/// The modules whose files form no circle. A file and the `mod.rs` of its folder are two files.
const WITHOUT_CIRCLES: [&str; 10] = [
    "clients",
    "commands",
    "config",
    "doctor",
    "journal",
    "metrics",
    "notifications",
    "notify",
    "rollback",
    "slo",
];

/// Macros that make a value or state what cannot be.
const VALUE_MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "concat",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "format",
    "format_args",
    "matches",
    "panic",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

#[test]
fn slo_is_pure_and_names_no_other_module() {
    assert_eq!(offences_of(&SLO), Vec::<String>::new());
}

#[test]
fn policy_is_pure_and_names_only_slo() {
    assert_eq!(offences_of(&POLICY), Vec::<String>::new());
}

#[test]
fn clients_name_no_other_module() {
    assert_eq!(offences_of(&CLIENTS), Vec::<String>::new());
}

#[test]
fn the_journal_never_names_the_network() {
    assert_eq!(offences_of(&JOURNAL), Vec::<String>::new());
}

#[test]
fn every_arrow_between_modules_points_down() {
    let mut below: Vec<&str> = Vec::new();
    for (module, ours) in FLOORS {
        for named in *ours {
            assert!(below.contains(named), "{module} may not stand on {named}");
        }
        assert_eq!(offences_of(&floor(module, ours)), Vec::<String>::new());
        below.push(module);
    }
    let lib = fs::read_to_string(source().join("lib.rs")).expect("a readable source");
    let lib = syn::parse_file(&lib).expect("a source that compiles");
    let declared = lib.items.iter().filter_map(|item| {
        let Item::Mod(module) = item else { return None };
        Some(module.ident.to_string())
    });
    let declared: BTreeSet<String> = declared.collect();
    let known: BTreeSet<String> = below.into_iter().map(str::to_owned).collect();
    assert_eq!(declared, known, "every module has its floor");
}

/// The rule of a module that only its floor binds.
fn floor(module: &'static str, ours: &[&'static str]) -> Rule {
    let ours: Vec<&'static str> = ours.iter().chain(&ROOT).copied().collect();
    Rule {
        module,
        // A handful for each run of the tests.
        ours: ours.leak(),
        crates: None,
        never: &[],
        is_pure: false,
    }
}

#[test]
fn an_arrow_that_points_up_is_found() {
    for (module, ours) in FLOORS {
        let above = FLOORS.iter().map(|(other, _)| other);
        for other in above.filter(|other| *other != module && !ours.contains(other)) {
            let code = format!("fn f() {{ crate::{other}::g(); }}");
            let found = offences_in(&floor(module, ours), &code);
            assert!(!found.is_empty(), "{module} may name {other}");
        }
    }
}

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

#[test]
fn what_is_impure_or_foreign_is_found() {
    let table = [
        (&SLO, "use std::fs;"),
        (&SLO, "use std::fs::File;"),
        (&SLO, "use std::{collections::BTreeMap, env};"),
        (&SLO, "fn f() { std::env::var(\"X\"); }"),
        (&SLO, "fn f() { ::std::process::exit(1); }"),
        (&SLO, "use std as s; fn f() { s::thread::yield_now(); }"),
        (&SLO, "use std::time; fn f() -> time::Instant { loop {} }"),
        (&SLO, "use std::time::{Duration, SystemTime};"),
        (&SLO, "use std::io::*;"),
        (&SLO, "use std::*;"),
        (&SLO, "use chrono::prelude::*;"),
        (&SLO, "use chrono::Utc; fn f() { Utc::now(); }"),
        (&SLO, "use chrono::Utc as Clock; fn f() { Clock::now(); }"),
        (
            &SLO,
            "use chrono::Utc; type Clock = Utc; fn f() { Clock::now(); }",
        ),
        (&SLO, "use chrono::Utc; fn f() { <Utc>::now(); }"),
        (
            &SLO,
            "use chrono::Utc; fn f() { Some(1).map_or_else(Utc::now, |_| loop {}); }",
        ),
        (
            &SLO,
            "fn f() -> String { format!(\"{}\", chrono::Utc::now()) }",
        ),
        (&SLO, "use chrono::Local;"),
        (&SLO, "use chrono_tz::Tz;"),
        (&SLO, "use reqwest::Client;"),
        (&SLO, "fn f() { tokio::spawn(1); }"),
        (&SLO, "extern crate git2;"),
        (&SLO, "async fn f() {}"),
        (&SLO, "fn f() { let g = async { 1 }; }"),
        (&SLO, "fn f() { println!(\"x\"); }"),
        (&SLO, "fn f() { dbg!(1); }"),
        (&SLO, "fn f() { tracing::info!(\"x\"); }"),
        (&SLO, "const T: &str = include_str!(\"x\");"),
        (&SLO, "#[derive(clap::Parser)] struct S;"),
        (&SLO, "use crate::policy::Plan;"),
        (&SLO, "use super::super::config::Config;"),
        (
            &SLO,
            "mod inner { use super::super::super::config::Config; }",
        ),
        (&SLO, "fn f() -> crate::config::Config { loop {} }"),
        (&SLO, "use crate::*;"),
        (&SLO, "use crate::config as slo;"),
        (&SLO, "fn f() { #[cfg(not(test))] std::fs::read(\"x\"); }"),
        (&POLICY, "use crate::config::Config;"),
        (&POLICY, "use crate::{slo, clients};"),
        (&POLICY, "use tokio::time::Instant;"),
        (&CLIENTS, "use crate::slo::Events;"),
        (&CLIENTS, "fn f() { crate::journal::open(); }"),
        (&CLIENTS, "use super::super::config::Config;"),
        (&JOURNAL, "use crate::clients::http::Http;"),
        (&JOURNAL, "use std::net::TcpStream;"),
        (&JOURNAL, "fn f() { reqwest::get(\"x\"); }"),
    ];
    for (rule, code) in table {
        let found = offences_in(rule, code);
        assert!(!found.is_empty(), "{} may say: {code}", rule.module);
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    let table = [
        (
            &SLO,
            "//! std::fs is not read.\n/// Never `Utc::now()`.\nconst TEXT: &str = \"std::fs\";",
        ),
        (
            &SLO,
            "use std::time::Duration; fn f() -> Duration { Duration::ZERO }",
        ),
        (
            &SLO,
            "use super::Level; fn f() -> Level { super::level::best() }",
        ),
        (
            &SLO,
            "use chrono::{DateTime, Utc}; fn f(now: DateTime<Utc>) {}",
        ),
        (
            &SLO,
            "mod level; pub use level::Level; fn f() { level::best(); }",
        ),
        (&SLO, "mod inner { use super::super::Level; }"),
        (&SLO, "fn f<T: Default>() -> T { T::default() }"),
        (
            &SLO,
            "fn f() { f64::from(1_u8).max(f64::MAX); matches!(1, u8::MAX); }",
        ),
        (
            &SLO,
            "#[cfg(test)] mod tests { use std::fs; fn f() { println!(); } }",
        ),
        (
            &SLO,
            "#[derive(Debug, thiserror::Error)] #[error(\"std::fs\")] struct Broken;",
        ),
        (
            &POLICY,
            "use crate::slo::{self, Events}; fn f() { slo::level(); crate::slo::assess(); }",
        ),
        (&POLICY, "use chrono_tz::Tz;"),
        (
            &CLIENTS,
            "use crate::clients::http::Http; use reqwest::Client; async fn f() {}",
        ),
        (&JOURNAL, "use std::fs; use crate::policy::History;"),
    ];
    for (rule, code) in table {
        assert_eq!(offences_in(rule, code), Vec::<String>::new(), "{code}");
    }
}

/// Returns everything in the files of a module that its rule forbids.
fn offences_of(rule: &Rule) -> Vec<String> {
    let mut offences = Vec::new();
    for (path, file) in files_of(rule.module) {
        for offence in offences_at(rule, path.clone(), &file) {
            offences.push(format!("{}: {offence}", path.join("/")));
        }
    }
    offences
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns the files of a module by their paths as modules, those left out that are for tests only.
///
/// # Panics
/// If it finds none: then it would check nothing.
fn files_of(module: &str) -> Vec<(Vec<String>, syn::File)> {
    let source = source();
    let mut files = Vec::new();
    let single = source.join(module).with_extension("rs");
    if single.is_file() {
        files.push(single);
    }
    collect(&source.join(module), &mut files);
    assert!(!files.is_empty(), "src/{module} holds no source");

    let parsed: Vec<(PathBuf, syn::File)> = files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable source");
            let file = syn::parse_file(&text).expect("a source that compiles");
            (path, file)
        })
        .collect();
    let only_tests: Vec<PathBuf> = parsed
        .iter()
        .flat_map(|(path, file)| test_modules(path, file))
        .collect();
    let checked = parsed.into_iter().filter(|(path, _)| {
        let stem = path.with_extension("");
        !only_tests.iter().any(|module| stem.starts_with(module))
    });
    let checked: Vec<(Vec<String>, syn::File)> = checked
        .map(|(path, file)| {
            let inside = path.strip_prefix(&source).expect("a file of src");
            (module_path(inside), file)
        })
        .collect();
    assert!(!checked.is_empty(), "src/{module} holds nothing but tests");
    checked
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Returns the files, without extension, of the modules that a file declares for tests only.
fn test_modules(path: &Path, file: &syn::File) -> Vec<PathBuf> {
    let folder = if path.file_stem().is_some_and(|stem| stem == "mod") {
        path.parent().expect("a file in a folder").to_owned()
    } else {
        path.with_extension("")
    };
    let declared = file.items.iter().filter_map(|item| {
        let Item::Mod(module) = item else {
            return None;
        };
        let is_elsewhere = module.content.is_none();
        (is_elsewhere && is_for_tests(&module.attrs)).then(|| folder.join(module.ident.to_string()))
    });
    declared.collect()
}

/// Returns `["policy", "gates", "limits"]` for `policy/gates/limits.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let stem = file.with_extension("");
    let mut parts: Vec<String> = stem
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|flag| flag == "test")
    })
}

/// Returns what a rule forbids in some code of a file `part.rs` in the module's folder.
fn offences_in(rule: &Rule, code: &str) -> Vec<String> {
    let file = syn::parse_file(code).expect("code that parses");
    offences_at(rule, vec![rule.module.to_owned(), "part".to_owned()], &file)
}

fn offences_at(rule: &Rule, module: Vec<String>, file: &syn::File) -> Vec<String> {
    let mut names = Names {
        module: module.clone(),
        ..Names::default()
    };
    names.visit_file(file);
    let mut check = Check {
        rule,
        module,
        names: &names,
        offences: BTreeSet::new(),
    };
    for path in &names.imported {
        check.absolute(path);
    }
    check.visit_file(file);
    check.offences.into_iter().collect()
}

/// What the names in a file stand for.
#[derive(Default)]
struct Names {
    module: Vec<String>,
    /// By the name in this file: the path it was imported from, beginning with `crate` or the name of a crate.
    aliases: BTreeMap<String, Vec<String>>,
    /// All imports, globs ending with `*`.
    imported: Vec<Vec<String>>,
    /// Modules declared in this file.
    modules: BTreeSet<String>,
}

impl Names {
    fn import(&mut self, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(path) => {
                let mut before = before.to_vec();
                before.push(path.ident.to_string());
                self.import(&path.tree, &before);
            }
            UseTree::Name(name) => self.name(before, &name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                self.name(
                    before,
                    &rename.ident.to_string(),
                    Some(rename.rename.to_string()),
                );
            }
            UseTree::Glob(_) => self.name(before, "*", None),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before);
                }
            }
        }
    }

    fn name(&mut self, before: &[String], last: &str, rename: Option<String>) {
        let mut path = before.to_vec();
        if last != "self" || path.is_empty() {
            path.push(last.to_owned());
        }
        let name = rename.or_else(|| path.last().cloned()).expect("a path");
        let path = absolute(&path, &self.module);
        self.aliases.insert(name, path.clone());
        self.imported.push(path);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_for_tests(&module.attrs) {
            return;
        }
        self.modules.insert(module.ident.to_string());
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.import(&item.tree, &[]);
        }
    }
}

/// Writes a path from the root: `super` and `self` become the modules they stand for.
fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let mut here = module.to_vec();
    let mut rest = path;
    let mut is_ours = false;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => here.clear(),
            "self" => {}
            "super" => {
                here.pop();
            }
            _ => break,
        }
        is_ours = true;
        rest = after;
    }
    if !is_ours {
        return path.to_vec();
    }
    let root = ["crate".to_owned()];
    root.into_iter()
        .chain(here)
        .chain(rest.iter().cloned())
        .collect()
}

struct Check<'a> {
    rule: &'a Rule,
    module: Vec<String>,
    names: &'a Names,
    offences: BTreeSet<String>,
}

impl Check<'_> {
    /// Judges a path as it stands in the code.
    fn path(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if let Some(alias) = self.names.aliases.get(first) {
            let full: Vec<String> = alias.iter().chain(rest).cloned().collect();
            self.absolute(&full);
        } else if rest.is_empty() {
            return;
        } else {
            let is_type = first.starts_with(char::is_uppercase);
            let is_local = is_type
                || PRIMITIVES.contains(&first.as_str())
                || self.names.modules.contains(first);
            if !is_local {
                self.absolute(&absolute(path, &self.module));
            }
        }
        // Whatever stands before it, a pure module asks nothing for the time.
        if self.rule.is_pure && path.last().is_some_and(|last| last == "now") {
            self.offend(path);
        }
    }

    /// Judges a path from the root.
    fn absolute(&mut self, path: &[String]) {
        let is_allowed = match path {
            [root, module, ..] if root == "crate" => {
                module == self.rule.module || self.rule.ours.contains(&module.as_str())
            }
            [root] if root == "crate" => false,
            [root, ..] if self.names.modules.contains(root) => true,
            [root, rest @ ..] => {
                let is_glob = rest.last().is_some_and(|last| last == "*");
                let may = self
                    .rule
                    .crates
                    .is_none_or(|crates| crates.contains(&root.as_str()));
                may && !(is_glob && self.rule.is_pure)
            }
            [] => true,
        };
        let text = path.join("::");
        let is_never = self.rule.never.iter().any(|never| {
            text.strip_prefix(never)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if !is_allowed || is_never {
            self.offend(path);
        }
    }

    fn offend(&mut self, path: &[String]) {
        self.offences.insert(path.join("::"));
    }

    fn impure(&mut self, what: &str) {
        if self.rule.is_pure {
            self.offences.insert(what.to_owned());
        }
    }

    /// Judges the paths among the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.path(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.path(&std::mem::take(&mut path));
                    self.tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.path(&std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.path(&path);
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    let segments = path.segments.iter();
    segments.map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_for_tests(&module.attrs) {
            return;
        }
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.absolute(&[item.ident.to_string()]);
    }

    fn visit_item_foreign_mod(&mut self, _: &'ast syn::ItemForeignMod) {
        self.impure("extern");
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_some() {
            self.absolute(&segments(path));
        } else {
            self.path(&segments(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        // `<Utc>::now` names its type apart from the function.
        if expression.qself.is_some()
            && expression
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "now")
        {
            self.impure("<…>::now");
        }
        visit::visit_expr_path(self, expression);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.asyncness.is_some() {
            self.impure("async fn");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, expression: &'ast syn::ExprAsync) {
        self.impure("async block");
        visit::visit_expr_async(self, expression);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if closure.asyncness.is_some() {
            self.impure("async closure");
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = segments(&called.path);
        let is_value = matches!(name.as_slice(), [name] if VALUE_MACROS.contains(&name.as_str()));
        if !is_value {
            self.impure(&format!("{}!", name.join("::")));
        }
        self.path(&name);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("derive")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
        }
    }
}
