//! Which module may name what: the core is pure, and the arrows between modules point one way.
//!
//! The sources are parsed, so comments and strings do not matter, imports are followed to what they name, and modules
//! that exist only for tests are left out.

mod circles;
mod names;
mod sources;

use std::collections::BTreeSet;
use std::fs;

use syn::Item;

use names::{offences_at, offences_in};
use sources::{files_of, source};

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

/// A runbook is text and values: nobody is asked for it. Its types are written by macros; tests make their schema.
const RUNBOOK: Rule = Rule {
    module: "runbook",
    ours: &[],
    crates: Some(&[
        "std",
        "serde",
        "serde_json",
        "serde_norway",
        "strum",
        "thiserror",
        "schemars",
    ]),
    never: OUTSIDE,
    is_pure: false,
};

const CLIENTS: Rule = Rule {
    module: "clients",
    ours: &["fail_point", "files", "redact"],
    crates: None,
    never: &[],
    is_pure: false,
};

/// The journal never touches the network.
const JOURNAL: Rule = Rule {
    module: "journal",
    ours: &["policy", "slo", "config", "fail_point", "files"],
    crates: None,
    never: &["std::net", "tokio::net", "reqwest", "octocrab", "git2"],
    is_pure: false,
};

/// Every module from the lowest floor to the highest, with the others that it may name: each of them stands below it.
const FLOORS: &[(&str, &[&str])] = &[
    ("exit", &[]),
    ("fail_point", &[]),
    ("files", &[]),
    ("redact", &[]),
    ("log_file", &["files"]),
    ("slo", &[]),
    ("stop", &[]),
    ("clients", &["fail_point", "files", "redact"]),
    ("policy", &["slo"]),
    ("runbook", &[]),
    (
        "config",
        &["clients", "files", "policy", "redact", "runbook", "slo"],
    ),
    ("terminal", &[]),
    ("cli", &["config", "terminal"]),
    ("manual", &["cli", "config"]),
    ("journal", &["fail_point", "files", "policy", "slo"]),
    ("state", &["clients", "config", "fail_point", "journal"]),
    (
        "observe",
        &["clients", "config", "journal", "policy", "slo"],
    ),
    ("record", &["journal", "observe", "policy", "slo"]),
    ("report", &["journal", "record", "slo"]),
    (
        "notify",
        &[
            "clients", "config", "exit", "journal", "observe", "policy", "record", "redact",
            "report", "slo",
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
            "clients", "config", "journal", "notify", "observe", "policy", "slo", "state", "stop",
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
            "state",
            "stop",
        ],
    ),
    (
        "doctor",
        &[
            "clients", "config", "files", "journal", "notify", "observe", "policy", "record",
            "redact", "runbook", "service", "slo", "state",
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
            "files",
            "journal",
            "log_file",
            "metrics",
            "notifications",
            "notify",
            "observe",
            "outcome",
            "policy",
            "record",
            "report",
            "rollback",
            "runbook",
            "service",
            "slo",
            "state",
            "stop",
            "terminal",
        ],
    ),
];

/// What the root of the crate holds beside modules: an error with its causes, and a thread for what blocks.
const ROOT: [&str; 2] = ["with_sources", "blocking"];

#[test]
fn slo_is_pure_and_names_no_other_module() {
    assert_eq!(offences_of(&SLO), Vec::<String>::new());
}

#[test]
fn policy_is_pure_and_names_only_slo() {
    assert_eq!(offences_of(&POLICY), Vec::<String>::new());
}

#[test]
fn runbook_asks_nobody_and_names_no_other_module() {
    assert_eq!(offences_of(&RUNBOOK), Vec::<String>::new());
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
        (&RUNBOOK, "use crate::clients::kubernetes::Cluster;"),
        (&RUNBOOK, "use std::fs;"),
        (&RUNBOOK, "use kube::Client;"),
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
