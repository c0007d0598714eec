//! `runbook check|show|schema`. Nothing is carried out.

use std::path::PathBuf;

use super::program::Program;

/// Prepares the program with a runbook, and with nothing else but what every command needs.
fn program(file: PathBuf, runbook: &str) -> Program {
    std::fs::write(&file, runbook).expect("the folder of the test");
    Program::bare()
        .env("SERVICE_NAME", "checkout")
        .env("NAMESPACE", "shop")
        .env("PROMETHEUS_URL", "http://127.0.0.1:9")
        .env_path("RUNBOOK_FILE", &file)
}

#[test]
fn a_runbook_without_objects_needs_no_cluster() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("runbook.yaml");
    let well = "name: back\nrollback:\n- name: it answers\n  http: {url: 'http://127.0.0.1:9/${SERVICE}', within: 1m}\n";
    let program = |text: &str, words: &[&str]| program(file.clone(), text).arguments(words);
    let ran = program(well, &["runbook", "check"]).run().exits(0);
    assert_eq!(ran.text("/worst"), "ok");
    let ran = program(well, &["runbook", "show"]).run().exits(0);
    assert_eq!(ran.text("/rollback/0/kind"), "http");
    assert_eq!(
        ran.text("/rollback/0/does"),
        "asks http://127.0.0.1:9/checkout by GET"
    );
    let shown = program(well, &["runbook", "show", "--output", "text"]).run();
    assert!(shown.stdout.contains("  1. it answers\n"), "{shown}");
    let trapped = "name: back\nrollback:\n- name: a\n  command: {argv: [sh, -c, 'cat /state || echo blue']}\n";
    let ran = program(trapped, &["runbook", "check", "--output", "text"]).run();
    let ran = ran.exits(2);
    assert!(
        ran.stdout
            .contains("→ write a probe, whose exit code says 0 done"),
        "{ran}"
    );
    let broken = "name: back\nrollback:\n- name: a\n  wate: 1s\n";
    let ran = program(broken, &["runbook", "show"]).run().exits(78);
    assert!(
        ran.stderr.contains("unknown field `wate`") && ran.stderr.contains("line 4 column 3"),
        "{ran}"
    );
    let ran = program(broken, &["status"]).run().exits(78);
    assert!(ran.stderr.contains("RUNBOOK_FILE is"), "{ran}");
    let ran = program(well, &["runbook", "check"])
        .without("RUNBOOK_FILE")
        .run();
    ran.exits(78).complains_of(&["RUNBOOK_FILE is not set"]);
    let named = file.to_str().expect("test paths are text");
    let ran = program(well, &["runbook", "check", named])
        .without("RUNBOOK_FILE")
        .run();
    ran.exits(0).complains_of_nothing();
    let schema = Program::bare().arguments(&["runbook", "schema"]).run();
    let schema = schema.exits(0);
    assert_eq!(
        schema.text("/$schema"),
        "https://json-schema.org/draft/2020-12/schema"
    );
    Program::bare().arguments(&["runbook"]).run().exits(64);
}
