//! The stand-in notices what GitHub would not forgive, or would forgive silently.

use chrono::DateTime;
use testkit::github::GithubServer;
use testkit::http;

/// A GitHub with one commit, and its id.
fn seeded() -> (GithubServer, String) {
    let github = GithubServer::start();
    let at = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
    let commit = github.repo().commit("seed", at, &[("a", Some("1\n"))]);
    (github, commit)
}

/// Sends a request as the program does, with a token, and returns status and body.
fn send(github: &GithubServer, method: &str, path: &str, body: &str) -> (u16, String) {
    let url = format!(
        "{}{}/repos/acme/deploy{path}",
        github.url(),
        GithubServer::API
    );
    let bearer = format!("Authorization: Bearer {}", GithubServer::TOKEN);
    let headers = [
        bearer.as_str(),
        "User-Agent: test",
        "Accept: application/vnd.github+json",
        "X-GitHub-Api-Version: 2022-11-28",
    ];
    let answer = http::send(method, &url, &headers, body).expect("an answer");
    (answer.status, answer.text())
}

#[track_caller]
fn notices(github: &GithubServer, what: &str) {
    let violations = github.take_violations();
    assert!(
        violations.len() == 1 && violations[0].contains(what),
        "{violations:?}"
    );
}

#[test]
fn a_forced_update_and_an_unsaid_one_are_noticed() {
    let (github, commit) = seeded();
    for body in [
        format!(r#"{{"sha":"{commit}","force":true}}"#),
        format!(r#"{{"sha":"{commit}"}}"#),
    ] {
        send(&github, "PATCH", "/git/refs/heads/main", &body);
        notices(&github, "without force:false");
    }
}

#[test]
fn a_tree_without_its_base_is_noticed() {
    let (github, _) = seeded();
    let blob = github.repo().tree_at("main", "a").expect("the file");
    let entry = format!(r#"{{"path":"b","mode":"100644","type":"blob","sha":"{blob}"}}"#);
    let (status, _) = send(
        &github,
        "POST",
        "/git/trees",
        &format!(r#"{{"tree":[{entry}]}}"#),
    );
    assert_eq!(status, 201, "GitHub does it");
    notices(&github, "everything else would be gone");
}

#[test]
fn a_field_that_github_would_ignore_is_noticed() {
    let (github, commit) = seeded();
    let body = format!(r#"{{"sha":"{commit}","force":false,"forced":true}}"#);
    send(&github, "PATCH", "/git/refs/heads/main", &body);
    notices(&github, "forced");
    send(&github, "GET", "/pulls?heads=acme:x", "");
    notices(&github, "unknown query parameter \"heads\"");
}

#[test]
fn a_write_that_is_repeated_blindly_is_noticed_and_one_after_a_look_is_not() {
    let (github, commit) = seeded();
    let body = format!(r#"{{"ref":"refs/heads/x","sha":"{commit}"}}"#);
    assert_eq!(send(&github, "POST", "/git/refs", &body).0, 201);
    send(&github, "GET", "/git/ref/heads/x", "");
    assert_eq!(send(&github, "POST", "/git/refs", &body).0, 422);
    assert_eq!(github.take_violations(), Vec::<String>::new());
    send(&github, "POST", "/git/refs", &body);
    notices(&github, "repeated without a look");
}

#[test]
fn an_operation_that_nobody_uses_is_noticed() {
    let (github, _) = seeded();
    assert_eq!(send(&github, "DELETE", "/git/trees/1", "").0, 404);
    notices(&github, "not among the operations in use");
}

#[test]
#[should_panic(expected = "GitHub's rules were broken")]
fn what_was_noticed_fails_the_test() {
    let (github, commit) = seeded();
    let body = format!(r#"{{"sha":"{commit}","force":true}}"#);
    send(&github, "PATCH", "/git/refs/heads/main", &body);
}
