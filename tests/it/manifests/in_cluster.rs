//! `scripts/in-cluster.sh` makes a job of the CronJob with other arguments, and ends with its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::at;

/// Stands in for kubectl: writes down what it is asked and gives the answers of a job that ended with 5.
const KUBECTL: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$ASKED"
case "$*" in
    *--dry-run=client*) printf '{"kind":"Job"}' ;;
    *'patch --local'*) cat ;;
    *'create -f -'*) cat >/dev/null ;;
    *'get job '*) printf 'FailureTarget Failed' ;;
    *logs*) printf 'what the program says\n' ;;
    *'get pods'*) printf 5 ;;
    *) exit 9 ;;
esac
"#;

fn run(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let kubectl = folder.join("kubectl");
    fs::write(&kubectl, KUBECTL).expect("our own folder");
    fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("our own file");
    let asked = folder.join("asked");
    let output = Command::new(at("scripts/in-cluster.sh"))
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("ASKED", &asked)
        .output()
        .expect("bash is there");
    (output, fs::read_to_string(asked).unwrap_or_default())
}

#[test]
fn the_job_is_the_cron_jobs_with_other_arguments() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let reason = r#"it "fails" \ since noon"#;
    let words = ["rollback", "gitops", "--reason", reason];
    let (output, asked) = run(folder.path(), &words);

    assert_eq!(output.status.code(), Some(5), "{output:?}\n{asked}");
    assert_eq!(output.stdout, b"what the program says\n");
    assert!(
        asked.contains("--from=cronjob/error-budget-rollback-monitor"),
        "{asked}"
    );
    let (_, patch) = asked.split_once("--type json -p ").expect("it is patched");
    let (patch, _) = patch.split_once(" -o json").expect("it asks for JSON");
    let patch: Value = serde_json::from_str(patch).expect("the patch is JSON");
    assert_eq!(
        patch[0]["value"],
        json!(["rollback", "gitops", "--reason", reason, "--output", "text"])
    );
    assert_eq!(patch[1]["path"], "/spec/activeDeadlineSeconds");
}

#[test]
fn without_a_command_or_with_a_line_break_nothing_is_asked() {
    for words in [&[] as &[&str], &["rollback", "--reason", "two\nlines"]] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (output, asked) = run(folder.path(), words);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        assert_eq!(asked, "");
    }
}
