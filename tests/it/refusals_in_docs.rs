//! The documentation explains everything that git and the git engine can say no with.

use std::collections::BTreeSet;
use std::path::Path;

use error_budget_monitor::clients::forge::ForgeFault;
use error_budget_monitor::clients::git::{GitFault, RevisionFault, SshFault};
use error_budget_monitor::clients::http::{HttpError, HttpSettingsError};

/// Where a sentence ends up in the table: a word group of it, and whether it is the program's own and not libgit2's.
struct Row {
    words: &'static str,
    is_ours: bool,
}

const fn ours(words: &'static str) -> Row {
    Row {
        words,
        is_ours: true,
    }
}

/// Returns the row of a fault. Every new fault has to be given one here, and in docs/refusals.md.
fn row(fault: &GitFault) -> Row {
    match fault {
        GitFault::Transport(error) => transport(error),
        GitFault::Status(status) => ours(match status {
            401 => "the credentials were refused",
            403 => "access was denied",
            404 => "there is no such repository",
            429 => "the server asks to slow down",
            500..=599 => "the server has a fault",
            _ => "the server refused the request",
        }),
        GitFault::NotGit { .. } => ours("the server does not speak git over HTTP"),
        GitFault::Settings(_) => ours("holds no PEM certificate"),
        GitFault::Forge(error) => api(&error.fault),
        GitFault::Ssh(fault) => ours(match fault {
            SshFault::NotStarted { .. } => "the program ssh cannot be started",
            SshFault::HostKey { .. } => "the server's host key is not known or has changed",
            SshFault::Denied { .. } => "the server accepts no key",
            SshFault::Refused { .. } => "the server refused over SSH",
            SshFault::Broken { .. } => "ssh did not reach the server or lost it",
        }),
        GitFault::Deadline => ours("not finished within GITOPS_TIMEOUT"),
        GitFault::Cut => ours("the server's answer was cut short"),
        // Its reasons have rows of their own, see `REFUSALS`.
        GitFault::Protocol { .. } => ours("the answer is not one of git's"),
        GitFault::TooMuch { .. } => ours("raise GITOPS_MAX_BYTES"),
        GitFault::TooManyObjects { .. } => ours("files, folders and commits"),
        GitFault::TooManyLines { .. } => ours("lines that say where the history is cut"),
        GitFault::TooLargePush { .. } => ours("the folders on the way to GITOPS_PATH"),
        GitFault::NoBranch { .. } => ours("there is no branch"),
        GitFault::NoPath { .. } => ours("check GITOPS_PATH"),
        GitFault::Revision(fault) => ours(match fault {
            RevisionFault::NoCommit { .. } => "there is no commit",
            RevisionFault::Ambiguous { .. } => "fits more than one commit",
            RevisionFault::NoTag { .. } => "there is no tag",
            RevisionFault::TagOrCommit { .. } => "is a tag and also fits the id of another commit",
            RevisionFault::TagOfNoCommit { .. } => "and no commit; check --to",
            RevisionFault::TagElsewhere { .. } => "which is not among the last",
            RevisionFault::InsideMerge { .. } => "which a merge brought to branch",
        }),
        // Its reasons have rows of their own, see `REFUSALS`.
        GitFault::Refused { .. } => ours("restoring would delete it"),
        GitFault::Library(_) => Row {
            words: "anything else",
            is_ours: false,
        },
        GitFault::Scratch(_) => ours("the scratch folder cannot be used"),
    }
}

/// Returns the row of what GitHub's API says; it shares those of git where the meaning is the same.
fn api(fault: &ForgeFault) -> Row {
    ours(match fault {
        ForgeFault::Settings(_) => "holds no PEM certificate",
        ForgeFault::Key => "is not an RSA key in PEM",
        ForgeFault::Transport(error) => return transport(error),
        ForgeFault::Deadline => "not finished within GITOPS_TIMEOUT",
        ForgeFault::MovedAway { .. } => "the repository or the API moved",
        ForgeFault::Unauthorized { .. } => "the credentials were refused",
        ForgeFault::Forbidden { .. } => "the credentials lack a permission",
        ForgeFault::NotFound { .. } => "not found, or the credentials may not see it",
        ForgeFault::RateLimited { .. } => "rate limited until",
        ForgeFault::Rejected { .. } => "refused (HTTP",
        ForgeFault::Server { .. } => "the forge has a fault",
        ForgeFault::Answer { .. } => "the answer cannot be used",
        // Its reasons have rows of their own, see `REFUSALS`.
        ForgeFault::Refused { .. } => "which this program does not change",
    })
}

fn transport(error: &HttpError) -> Row {
    ours(match error {
        HttpError::Connect(_) => "no connection",
        HttpError::Tls(_) => "TLS refused",
        HttpError::Timeout { .. } => "no complete answer within",
        HttpError::Broken(_) => "connection broken",
        HttpError::TooLarge { .. } => "answer larger than",
        HttpError::Redirect { .. } => "redirected to",
        HttpError::Request(_) => "request not sendable",
    })
}

/// What the engine refuses to read, to write or to send, by source file.
const REFUSALS: [(&str, &str, &[&str]); 8] = [
    (
        "src/clients/git/transport.rs",
        "GitFault::Protocol {\n",
        &["wants another capability of git's protocol"],
    ),
    (
        "src/clients/git/packets.rs",
        "GitFault::Protocol {\n",
        &[
            "names its objects by",
            "the answer is not one of git's",
            "the server ended with",
        ],
    ),
    (
        "src/clients/git/fetch.rs",
        "GitFault::Protocol {\n",
        &["cannot send the newest history only"],
    ),
    (
        "src/clients/git/push.rs",
        "GitFault::Protocol {\n",
        &["did not say what became of the branch"],
    ),
    (
        "src/clients/git/restore.rs",
        "GitFault::Refused {",
        &[
            "is not among the commits that were read",
            "restoring would delete it",
            "is another kind of thing at",
            "restoring would delete everything in it",
            "the watched paths are already as at",
            "cannot be put exactly as at",
            "is what CI runs, which no rollback changes",
            "lies outside GITOPS_PATH and would change",
            "of a watched path is not one of git's",
            "that GitHub's API cannot name",
        ],
    ),
    (
        "src/clients/git/effects.rs",
        "GitFault::Refused {\n",
        &[
            "is not among the commits that were read",
            "are looked at",
            "was changed by what stays and by what goes back",
            "is not among the commits that were read",
            "the tip is not there",
            "would be deleted",
            "would be a file and a folder",
            "already as they would be put",
            "stays, and would change",
            "cannot be put exactly as it was",
        ],
    ),
    (
        "src/clients/git/push.rs",
        "GitFault::Refused {",
        &["is not a commit on top of"],
    ),
    (
        "src/clients/github/commit.rs",
        "Err(ForgeFault::Refused {",
        &[
            "GitHub made tree",
            "GitHub made commit",
            "nothing is to be put in place",
            "which this program does not change",
        ],
    ),
];

/// What becomes of a push, by source file.
const ENDS: [(&str, &[&str]); 5] = [
    (
        "src/rollback/steps/restore.rs",
        &[
            "refused the commit on",
            "the branch kept moving",
            "somebody changed the watched paths after",
            "the watched paths are not as they were judged",
            "its history was rewritten",
        ],
    ),
    (
        "src/rollback/steps/gitops_revert.rs",
        &["the push may have landed"],
    ),
    (
        "src/rollback/steps/proposal.rs",
        &[
            "which is not ours",
            "refused to make branch",
            "does not hold what it proposed",
        ],
    ),
    (
        "src/rollback/steps/pull_request.rs",
        &[
            "waits to be merged",
            "a person closed pull request",
            "nobody merged pull request",
            "no pull request could be opened",
        ],
    ),
    (
        "src/rollback/resume.rs",
        &["nothing of it is on the branch", "its push is not repeated"],
    ),
];

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("it is there")
}

/// Returns the first cells of the document's tables.
fn rows() -> Vec<String> {
    file("docs/refusals.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .map(str::to_owned)
        .collect()
}

/// One of each, as far as it can be made here; what carries a private cause is a row of its own all the same.
fn samples() -> Vec<GitFault> {
    let text = String::new;
    let mut samples: Vec<GitFault> = [401, 403, 404, 418, 429, 503]
        .map(GitFault::Status)
        .into_iter()
        .collect();
    samples.extend([
        GitFault::Transport(HttpError::Redirect {
            status: 301,
            to: text(),
        }),
        GitFault::Transport(HttpError::TooLarge { limit: 1 }),
        GitFault::Transport(HttpError::Timeout {
            limit: std::time::Duration::from_secs(1),
        }),
        GitFault::NotGit { kind: text() },
        GitFault::Settings(HttpSettingsError::Certificates { path: "ca".into() }),
        GitFault::Deadline,
        GitFault::Cut,
        GitFault::Protocol {
            what: "the answer is not one of git's".to_owned(),
        },
        GitFault::TooMuch { limit: 1 },
        GitFault::TooManyObjects { limit: 1 },
        GitFault::TooManyLines { limit: 1 },
        GitFault::TooLargePush { limit: 1 },
        GitFault::NoBranch { branch: text() },
        GitFault::NoPath {
            near: None,
            path: text(),
            branch: text(),
        },
        GitFault::Refused {
            why: "restoring would delete it".to_owned(),
        },
        GitFault::Library("early end of the pack".to_owned()),
        GitFault::Scratch(std::io::Error::other("full")),
    ]);
    samples.extend(
        [
            SshFault::NotStarted { why: text() },
            SshFault::HostKey { words: text() },
            SshFault::Denied { words: text() },
            SshFault::Refused { words: text() },
            SshFault::Broken { words: text() },
        ]
        .map(GitFault::Ssh),
    );
    samples.extend(
        [
            RevisionFault::NoCommit {
                revision: text(),
                branch: text(),
                seen: 1,
            },
            RevisionFault::Ambiguous { revision: text() },
            RevisionFault::NoTag { name: text() },
            RevisionFault::TagOrCommit { name: text() },
            RevisionFault::TagOfNoCommit {
                name: text(),
                kind: "tree",
            },
            RevisionFault::TagElsewhere {
                name: text(),
                commit: text(),
                branch: text(),
                seen: 1,
            },
            RevisionFault::InsideMerge {
                revision: text(),
                commit: text(),
                branch: text(),
            },
        ]
        .map(GitFault::Revision),
    );
    samples
}

/// One of each that GitHub's API has, with the same exception.
fn api_samples() -> Vec<ForgeFault> {
    let text = String::new;
    vec![
        ForgeFault::Settings(HttpSettingsError::Certificates { path: "ca".into() }),
        ForgeFault::Key,
        ForgeFault::Transport(HttpError::TooLarge { limit: 1 }),
        ForgeFault::Deadline,
        ForgeFault::MovedAway { to: text() },
        ForgeFault::Unauthorized { words: text() },
        ForgeFault::Forbidden {
            needs: None,
            words: text(),
        },
        ForgeFault::Forbidden {
            needs: Some("contents=write".to_owned()),
            words: text(),
        },
        ForgeFault::NotFound { words: text() },
        ForgeFault::RateLimited {
            until: chrono::DateTime::UNIX_EPOCH,
        },
        ForgeFault::Rejected {
            status: 422,
            words: text(),
        },
        ForgeFault::Server {
            status: 502,
            words: text(),
        },
        ForgeFault::Answer { why: text() },
        ForgeFault::Refused {
            why: "which this program does not change".to_owned(),
        },
    ]
}

#[track_caller]
fn explained(rows: &[String], words: &str) {
    let found = rows.iter().filter(|row| row.contains(words)).count();
    assert_eq!(found, 1, "rows for {words:?} in docs/refusals.md");
}

#[test]
fn every_fault_of_git_has_a_row() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    for fault in samples() {
        let row = row(&fault);
        explained(&rows, row.words);
        assert!(
            !row.is_ours || fault.to_string().contains(row.words),
            "{fault}: {:?}",
            row.words
        );
        assert!(seen.insert(row.words), "{:?} stands for two", row.words);
    }
    for words in [
        "no connection",
        "TLS refused",
        "connection broken",
        "request not sendable",
    ] {
        explained(&rows, words);
    }
}

#[test]
fn every_fault_of_githubs_api_has_a_row() {
    let rows = rows();
    for fault in api_samples() {
        let row = api(&fault);
        explained(&rows, row.words);
        assert!(fault.to_string().contains(row.words), "{fault}");
    }
}

#[test]
fn every_refusal_of_the_engine_has_a_row() {
    let rows = rows();
    for (path, made, refusals) in REFUSALS {
        let source = file(path);
        let made = source.matches(made).count();
        assert_eq!(made, refusals.len(), "refusals in {path}");
        for words in refusals {
            assert!(source.contains(words), "{words:?} is not in {path}");
            explained(&rows, words);
        }
    }
    for (path, ends) in ENDS {
        let source = file(path);
        for words in ends {
            assert!(source.contains(words), "{words:?} is not in {path}");
            explained(&rows, words);
        }
    }
}
