//! The git server serves and takes what the real git command sends, and refuses what it should.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::git::{Fault, GitRepo, GitServer, MonoRepo, TOKEN_USER};

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a valid time") + TimeDelta::minutes(minutes)
}

fn git(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .args(["-c", "user.name=Dev", "-c", "user.email=dev@example.com"])
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .expect("git is installed")
}

#[track_caller]
fn git_ok(folder: &Path, arguments: &[&str]) {
    let output = git(folder, arguments);
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Clones the repository and commits `content` to `apps/checkout/deployment.yaml`, ready to push.
fn changed_clone(url: &str, content: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    git_ok(folder.path(), &["clone", "-q", url, "."]);
    std::fs::write(folder.path().join("apps/checkout/deployment.yaml"), content)
        .expect("a cloned folder");
    git_ok(
        folder.path(),
        &["commit", "-q", "-a", "-m", "checkout: change"],
    );
    folder
}

fn seeded(server: &GitServer) -> GitRepo {
    let repo = server.create("platform/gitops");
    repo.commit(
        "checkout: v1",
        at(0),
        &[("apps/checkout/deployment.yaml", Some("v1\n"))],
    );
    repo
}

#[test]
fn clones_and_pushes_with_a_token() {
    let server = GitServer::with_token("s3cret");
    let repo = seeded(&server);
    let clone = changed_clone(&server.url_with_token("platform/gitops", "s3cret"), "v2\n");
    git_ok(clone.path(), &["push", "-q", "origin", "main"]);
    assert_eq!(
        repo.file_at("main", "apps/checkout/deployment.yaml")
            .as_deref(),
        Some("v2\n")
    );
    assert_eq!(repo.log().len(), 2);
    assert_eq!(server.push_attempts(), 1);
    repo.fsck();
}

#[test]
fn a_wrong_token_is_refused_with_401() {
    let server = GitServer::with_token("s3cret");
    let repo = seeded(&server);
    let before = repo.refs_fingerprint();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clone = git(
        folder.path(),
        &[
            "clone",
            "-q",
            &server.url_with_token("platform/gitops", "wrong"),
            ".",
        ],
    );
    assert!(!clone.status.success());
    let requests = server.requests();
    assert!(
        !requests.is_empty() && requests.iter().all(|request| request.status == Some(401)),
        "{requests:?}"
    );
    assert_eq!(repo.refs_fingerprint(), before);
    assert_eq!(TOKEN_USER, "x-access-token");
}

#[test]
fn a_large_push_arrives_in_chunks() {
    let server = GitServer::start();
    let repo = seeded(&server);
    // Incompressible text larger than git's post buffer makes git send the pack with a chunked encoding.
    let mut state = 1_u64;
    let content: String = (0..200_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{:016x}\n", state)
        })
        .collect();
    let clone = changed_clone(&server.url("platform/gitops"), &content);
    git_ok(clone.path(), &["push", "-q", "origin", "main"]);
    assert_eq!(
        repo.file_at("main", "apps/checkout/deployment.yaml"),
        Some(content)
    );
    repo.fsck();
}

#[test]
fn a_fetch_of_many_wants_is_understood_when_compressed() {
    let server = GitServer::start();
    let repo = seeded(&server);
    for minute in 1..60 {
        let content = format!("v{minute}\n");
        let branch = format!("topic-{minute}");
        repo.prepare("topic", at(minute))
            .branch(&branch)
            .write("apps/checkout/deployment.yaml", &content)
            .create();
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    git_ok(
        folder.path(),
        &["clone", "-q", &server.url("platform/gitops"), "."],
    );
    git_ok(folder.path(), &["rev-parse", "origin/topic-59"]);
}

#[test]
fn a_hook_declines_a_push_and_says_why() {
    let server = GitServer::start();
    let repo = seeded(&server);
    repo.decline_pushes("protected branch");
    let before = repo.refs_fingerprint();
    let clone = changed_clone(&server.url("platform/gitops"), "v2\n");
    let push = git(clone.path(), &["push", "-q", "origin", "main"]);
    assert!(!push.status.success());
    let message = String::from_utf8_lossy(&push.stderr);
    assert!(
        message.contains("protected branch") && message.contains("hook declined"),
        "{message}"
    );
    assert_eq!(repo.refs_fingerprint(), before);
    repo.remove_hook("pre-receive");
    git_ok(clone.path(), &["push", "-q", "origin", "main"]);
    assert_ne!(repo.refs_fingerprint(), before);
}

#[test]
fn faults_come_and_go() {
    let server = GitServer::start();
    seeded(&server);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let reads = || {
        git(
            folder.path(),
            &["ls-remote", &server.url("platform/gitops")],
        )
        .status
        .success()
    };
    for fault in [Fault::Down, Fault::Status(503)] {
        server.set_fault(fault);
        assert!(!reads());
    }
    assert_eq!(
        server.requests().last().and_then(|request| request.status),
        Some(503)
    );
    server.set_fault(Fault::Delay(Duration::from_millis(20)));
    assert!(reads());
    server.set_fault(Fault::None);
    assert!(reads());
    assert_eq!(server.push_attempts(), 0);
}

#[test]
fn a_push_can_land_without_an_answer() {
    let server = GitServer::start();
    let repo = seeded(&server);
    let clone = changed_clone(&server.url("platform/gitops"), "v2\n");
    server.set_fault(Fault::LosePushAnswer);
    assert!(
        !git(clone.path(), &["push", "-q", "origin", "main"])
            .status
            .success()
    );
    assert_eq!(
        repo.file_at("main", "apps/checkout/deployment.yaml")
            .as_deref(),
        Some("v2\n")
    );
}

#[test]
fn a_push_can_lose_a_race() {
    let server = GitServer::start();
    let repo = seeded(&server);
    let clone = changed_clone(&server.url("platform/gitops"), "v2\n");
    let rival = repo.clone();
    server.before_next_push(move || {
        rival.commit(
            "payments: v7",
            at(5),
            &[("apps/payments/deployment.yaml", Some("v7\n"))],
        );
    });
    assert!(
        !git(clone.path(), &["push", "-q", "origin", "main"])
            .status
            .success()
    );
    assert_eq!(repo.log()[0].message, "payments: v7");
}

#[test]
fn commits_are_made_as_described() {
    let server = GitServer::start();
    let mono_repo = MonoRepo::seed(
        server.create("mono"),
        &["checkout", "payments", "search"],
        at(0),
    );
    let repo = mono_repo.repo();
    let first = repo.tip();
    let checkout = repo.tree_at("main", "apps/checkout");
    let payments = repo.tree_at("main", "apps/payments");
    mono_repo.release("checkout", "v2", 0.25, at(10));
    assert_ne!(repo.tree_at("main", "apps/checkout"), checkout);
    assert_eq!(repo.tree_at("main", "apps/payments"), payments);
    assert_eq!(repo.tree_at(&first, &MonoRepo::path("checkout")), checkout);
    let topic = repo
        .prepare("topic", at(11))
        .branch("topic")
        .parents(&[&first])
        .write("notes", "x")
        .create();
    let tip = repo.tip();
    let merge = repo
        .prepare("merge", at(12))
        .parents(&[&tip, &topic])
        .write("notes", "x")
        .create();
    let log = repo.log();
    assert_eq!(log.len(), 4);
    assert_eq!(
        (
            log[0].id.as_str(),
            log[0].parents.len(),
            log[0].committed_at
        ),
        (merge.as_str(), 2, at(12))
    );
    assert!(
        log.iter()
            .any(|entry| entry.author == "Team checkout <checkout@example.com>"),
        "{log:?}"
    );
    let odd = repo
        .prepare("odd", at(13))
        .committed_at(at(14))
        .write_executable("bin/run", "#!/bin/sh\n")
        .link("latest", "bin/run")
        .remove("apps/search")
        .create();
    assert_eq!(repo.tree_at(&odd, "apps/search"), None);
    assert_eq!(repo.log()[0].committed_at, at(14));
    repo.fsck();
}
