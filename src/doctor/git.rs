//! The GitOps repository: whether it can be read, holds branch and paths, and would take a push.

use super::finding::Finding;
use super::overlay;
use crate::clients::git::{Access, Git, GitError, GitFault, Snapshot};
use crate::clients::github::Github;
use crate::observe;
use crate::policy::Timeline;
use crate::service::Service;

const REACH: &str = "git";
const BRANCH: &str = "git branch";
const PATHS: &str = "git paths";
const PUSH: &str = "git push";

/// Where an error does not say what to do.
const LOOK: &str = "check GITOPS_REPO, and look at the git server";

/// Reads the branch as a pass does, and asks a repository that is there whether a push would be taken. Finds nothing
/// where no repository is configured. What was read of the branch is returned too, for those who go by it.
pub(super) async fn look(service: &Service<'_>) -> (Vec<Finding>, Option<Snapshot>) {
    let Some(git) = &service.git else {
        return (Vec::new(), None);
    };
    // What an App may do GitHub says better.
    let asks_for_push = !service.github().is_some_and(Github::is_app);
    let read = observe::branch(git, service.config.policy.max_revisions_back, None).await;
    let mut findings = match &read {
        Ok(snapshot) => there(git, snapshot),
        Err(error) => not_there(git, error),
    };
    if asks_for_push {
        findings.push(match is_there(&read) {
            true => {
                let pusher = git.clone();
                push(git, crate::blocking(move || pusher.may_push()).await)
            }
            false => Finding::unchecked(PUSH, push_tried(git), "the way to the repository"),
        });
    }
    let Ok(snapshot) = read else {
        return (findings, None);
    };
    // Reading files may ask the remote, which blocks.
    let (snapshot, outside) = crate::blocking(move || {
        let outside = overlay::look(&snapshot);
        (snapshot, outside)
    })
    .await;
    findings.extend(outside);
    (findings, Some(snapshot))
}

/// Tells whether a repository answered. Some servers make one that is not there as soon as somebody who may write asks
/// how to push to it.
fn is_there(read: &Result<Snapshot, GitError>) -> bool {
    match read {
        Ok(_) => true,
        Err(error) => matches!(
            error.fault,
            GitFault::NoBranch { .. } | GitFault::NoPath { .. }
        ),
    }
}

fn reached(git: &Git) -> Finding {
    Finding::ok(REACH, format!("fetch from {}", git.name()), "it answers")
}

fn branch(git: &Git) -> String {
    format!("look for branch {:?}", git.branch())
}

fn paths(git: &Git) -> String {
    format!("look for changes of {}", git.shown_paths())
}

fn there(git: &Git, snapshot: &Snapshot) -> Vec<Finding> {
    let tip = snapshot.tip.get(..10).unwrap_or(&snapshot.tip);
    let found = Finding::ok(BRANCH, branch(git), format!("it is there, at {tip}"));
    let changes = snapshot.changes.len();
    let history = if changes < 2 {
        Finding::warning(
            PATHS,
            paths(git),
            "they are as they always were",
            "nothing but time helps: there is something to go back to once they change",
        )
    } else {
        Finding::ok(PATHS, paths(git), format!("{changes} were read"))
    };
    vec![reached(git), found, history]
}

fn not_there(git: &Git, error: &GitError) -> Vec<Finding> {
    let failed = |subject, tried| Finding::failed(subject, tried, &error.fault.to_string(), LOOK);
    if matches!(error.fault, GitFault::NoBranch { .. }) {
        return vec![
            reached(git),
            failed(BRANCH, branch(git)),
            Finding::unchecked(PATHS, paths(git), "the branch"),
        ];
    }
    if matches!(error.fault, GitFault::NoPath { .. }) {
        return vec![
            reached(git),
            Finding::ok(BRANCH, branch(git), "it is there"),
            failed(PATHS, paths(git)),
        ];
    }
    vec![
        failed(REACH, format!("fetch from {}", git.name())),
        Finding::unchecked(BRANCH, branch(git), "the way to the repository"),
        Finding::unchecked(PATHS, paths(git), "the way to the repository"),
    ]
}

fn push_tried(git: &Git) -> String {
    format!(
        "ask for the right to push to {}, without pushing",
        git.name()
    )
}

fn push(git: &Git, access: Result<Access, GitError>) -> Finding {
    let tried = push_tried(git);
    match access {
        Ok(Access::NotRefused) => Finding::ok(
            PUSH,
            tried,
            "not refused yet; some servers, and rules and hooks of all of them, look only at the push itself",
        ),
        Ok(Access::Denied { status }) => Finding::problem(
            PUSH,
            tried,
            format!("denied (HTTP {status})"),
            "give GITOPS_TOKEN the right to write the repository's contents",
        ),
        Err(error) => Finding::failed(PUSH, tried, &error.fault.to_string(), LOOK),
    }
}

/// Names the commits that say that they are rollbacks of ours and are not believed.
pub(super) fn suspicious(timeline: &Timeline) -> Vec<Finding> {
    let told = timeline.suspicious.iter().map(|commit| {
        Finding::warning(
            "gitops trailers",
            "read which commits are rollbacks of this program",
            format!("{} says so and is not believed: {}", commit.revision, commit.why),
            "find out who wrote it; nothing rests on it, and with TRAILER_KEY only what is signed does",
        )
    });
    told.collect()
}
