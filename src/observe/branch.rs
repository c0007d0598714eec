//! Asks the GitOps repository what was deployed when.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clients::git::{self, Git, GitError, Snapshot, Want};
use crate::config::TrailerKey;
use crate::policy::trailer::{self, CommitFacts};
use crate::policy::{
    Change, CommitDone, Doings, FileEdit, Lived, RollbackMark, Suspicious, Timeline, Witness,
};

/// What the branches of these pull requests begin with; the rollback's id follows.
pub const BRANCHES: &str = "rollback/";

/// Longest title or name that is taken from a commit (characters).
const MAX_TITLE: usize = 100;

/// Changes that are read beyond those that may be a target: the suspect, and room for revisions that are passed over.
const MORE_CHANGES: u32 = 5;

/// Reads the branch far enough to find a target at most `max_back` deployments back. `revision` is one that a person
/// named.
///
/// # Errors
/// Fails when the remote cannot be reached or refuses, or when branch, path or revision are not there.
pub async fn branch(
    git: &Git,
    max_back: u32,
    revision: Option<String>,
) -> Result<Snapshot, GitError> {
    read(
        git,
        Want {
            changes: changes(max_back),
            revision,
            back_to: None,
        },
    )
    .await
}

/// Reads the branch at least as far as a commit that was its tip when an earlier run judged it: what that run pushed
/// is newer.
///
/// # Errors
/// Fails when the remote cannot be reached or refuses, or when branch or path are not there.
pub async fn branch_back_to(git: &Git, max_back: u32, tip: &str) -> Result<Snapshot, GitError> {
    read(
        git,
        Want {
            changes: changes(max_back),
            revision: None,
            back_to: Some(tip.to_owned()),
        },
    )
    .await
}

fn changes(max_back: u32) -> usize {
    usize::try_from(max_back.saturating_add(MORE_CHANGES)).unwrap_or(usize::MAX)
}

async fn read(git: &Git, want: Want) -> Result<Snapshot, GitError> {
    let git = git.clone();
    crate::blocking(move || git.read(&want)).await
}

/// By what the trailers of a commit are believed.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The key that signs them; where there is one only signed ones count.
    pub key: Option<&'a TrailerKey>,
    /// The service that they are about: `namespace/service`.
    pub service: &'a str,
    /// The time of the look.
    pub now: DateTime<Utc>,
}

/// Translates what git says into the history of deployments.
pub fn timeline(snapshot: &Snapshot, trust: Trust<'_>) -> Timeline {
    let mut suspicious = Vec::new();
    let mut mark = |change: &git::PathChange| match mark(snapshot, change, trust) {
        Ok(mark) => mark,
        Err(why) => {
            let revision = change.revision.clone();
            let why = snapshot.git().readable(why.as_bytes());
            suspicious.push(Suspicious { revision, why });
            None
        }
    };
    let changes = snapshot.changes.iter().map(|change| Change {
        revision: change.revision.clone(),
        deployed_at: change.committed_at,
        not_before: Some(change.committed_at),
        lived: Lived::Yes,
        state: change.state.clone(),
        rollback: mark(change),
        subject: change.subject.clone(),
    });
    let changes = changes.collect();
    Timeline {
        source: crate::policy::Source::Git,
        witness: Witness::CommitDate,
        unsettled: None,
        trouble: None,
        beside: None,
        tip: snapshot.tip.clone(),
        tip_state: snapshot.tip_state.clone(),
        changes,
        suspicious,
        end: match snapshot.end {
            git::WalkEnd::Root => crate::policy::End::Root,
            git::WalkEnd::Enough => crate::policy::End::Enough,
            git::WalkEnd::DepthLimit => crate::policy::End::DepthLimit,
        },
    }
}

/// Asks for the tip of the branch alone: one small request, which ends at the latest after `within`.
///
/// # Errors
/// Fails when the remote cannot be reached or refuses, or when the branch is not there.
pub async fn tip(git: &Git, within: Duration) -> Result<String, GitError> {
    let git = git.clone();
    crate::blocking(move || git.tip(within)).await
}

/// Reads the trailers of a change.
///
/// # Errors
/// Says why they are not believed.
fn mark(
    snapshot: &Snapshot,
    change: &git::PathChange,
    trust: Trust<'_>,
) -> Result<Option<RollbackMark>, String> {
    let Some(mark) = RollbackMark::read(&change.message) else {
        return Ok(None);
    };
    if let Some(key) = trust.key
        && !key.signed(&mark, trust.service)
    {
        return Err("it is not signed with TRAILER_KEY".to_owned());
    }
    let facts = CommitFacts {
        at: change
            .authored_at
            .map_or(change.committed_at, |at| at.max(change.committed_at)),
        now: trust.now,
        exists: &|revision| snapshot.has(revision),
        holds: &|to| Some(snapshot.state_at(to)? == change.state),
        holds_files: &|to| snapshot.puts_back_files_of(&change.revision, to),
    };
    match mark.doubt(&facts) {
        Some(why) => Err(why),
        None => Ok(Some(mark)),
    }
}

/// Finds the commit on the branch that carries the id of a rollback, as far as the branch was read.
pub fn commit_of(snapshot: &Snapshot, id: &str) -> Option<String> {
    snapshot.find_message(|message| trailer::names(message, id))
}

/// Looks what each commit since a target did, and gives the snapshot back. Whatever cannot be read is said in the
/// answer.
pub async fn doings(snapshot: Snapshot, suspect: &str, target: &str) -> (Snapshot, Doings) {
    let (suspect, target) = (suspect.to_owned(), target.to_owned());
    let names = (suspect.clone(), target.clone());
    let (snapshot, effects) = crate::blocking(move || {
        let effects = snapshot.effects(&suspect, &target);
        (snapshot, effects)
    })
    .await;
    let (suspect, target) = names;
    let doings = match effects {
        Ok(effects) => Doings {
            suspect,
            target,
            commits: effects.commits.into_iter().map(done).collect(),
            secrets: effects.secrets,
            unread: effects.unread,
        },
        Err(error) => Doings {
            suspect,
            target,
            commits: Vec::new(),
            secrets: BTreeSet::new(),
            unread: Some(error.to_string()),
        },
    };
    (snapshot, doings)
}

fn done(effect: git::CommitEffect) -> CommitDone {
    CommitDone {
        revision: effect.revision,
        title: one_line(&effect.title),
        author: one_line(&effect.author),
        files: effect
            .edits
            .into_iter()
            .map(|edit| FileEdit {
                path: one_line(&edit.path),
                before: edit.before,
                after: edit.after,
            })
            .collect(),
        overwrites: effect.overwrites,
    }
}

/// Other people's words on one line, without what could move a cursor.
fn one_line(text: &str) -> String {
    let folded = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    folded.take(MAX_TITLE).collect()
}
