//! The commit that puts the watched paths back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::clients::git::{Draft, Git, GitError, GitFault, Moved, Push, Snapshot, Want};
use crate::journal::JournalError;
use crate::observe::TRAILER_ID;
use crate::policy::short;

/// How often a commit is built and pushed before the run gives up. Protects a busy branch and the deadline of the run.
const MAX_ATTEMPTS: u32 = 5;

/// How many times `GITOPS_TIMEOUT` all attempts together may take before no further one is begun. Protects the deadline of
/// the run from a slow server; what a push left open is found by the next run.
const MAX_TIMEOUTS: u32 = 2;

/// Pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What has to be done, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The rollback's id, which the commit carries.
    pub id: String,
    /// Content of the watched paths that was judged bad.
    pub from_state: String,
    /// The revision to restore.
    pub to: String,
    /// Tip of the branch when it was judged.
    pub tip: String,
    /// The commit's message.
    pub message: String,
    /// The commit's time.
    pub at: DateTime<Utc>,
}

/// What became of it.
#[derive(Debug)]
pub enum Restored {
    /// Our commit is on the branch.
    Landed {
        /// Its id.
        commit: String,
    },
    /// Somebody changed the watched paths first; nothing of ours is on the branch.
    MovedOn {
        /// What was found.
        why: String,
    },
    /// It cannot be done; nothing of ours is on the branch.
    Refused {
        /// Why, with the server's words.
        why: String,
    },
    /// A push was sent and its result could not be learnt. The next run looks.
    Unknown {
        /// What went wrong.
        why: String,
    },
    /// The intent of a push could not be written down, so it was not sent; nothing of ours is on the branch.
    Unwritten(JournalError),
    /// The branch could not be read, and nothing was sent.
    Unreachable(GitError),
}

/// Puts the watched paths back: reads the branch, finds the commit there or writes it, pushes it, and after any doubt
/// reads again. `intend` is called with the commit's id before each push; when it fails nothing is sent.
///
/// `snapshot` is the branch as it was judged, where the caller still has it.
pub async fn restore(
    git: &Git,
    work: &Restoration,
    mut snapshot: Option<Snapshot>,
    mut intend: impl FnMut(&str) -> Result<(), JournalError>,
) -> Restored {
    let mut doubt: Option<String> = None;
    let mut refused: Option<(String, String)> = None;
    let started = Instant::now();
    for attempt in 0..MAX_ATTEMPTS {
        if started.elapsed() > git.timeout() * MAX_TIMEOUTS {
            break;
        }
        let branch = match snapshot.take() {
            Some(branch) => branch,
            None => {
                if attempt > 0 {
                    tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
                }
                match read(git, work).await {
                    Ok(branch) => branch,
                    Err(error) => match doubt {
                        // A push may have landed: that must not be forgotten because of a failed look.
                        Some(why) => {
                            doubt = Some(why);
                            continue;
                        }
                        None => return unreadable(error),
                    },
                }
            }
        };
        if let Some(commit) = branch.find_trailer(TRAILER_ID, &work.id) {
            return Restored::Landed { commit };
        }
        if let Some((tip, words)) = refused.take().filter(|(tip, _)| *tip == branch.tip) {
            return Restored::Refused {
                why: format!(
                    "{} refused the commit on {} at {}: {words}",
                    git.name(),
                    git.branch(),
                    short(&tip)
                ),
            };
        }
        if let Some(why) = moved_on(&branch, work) {
            return Restored::MovedOn { why };
        }
        let commit = match write(&branch, work) {
            Ok(commit) => commit,
            Err(error) => {
                return Restored::Refused {
                    why: error.to_string(),
                };
            }
        };
        if let Err(error) = intend(&commit) {
            return Restored::Unwritten(error);
        }
        let tip = branch.tip.clone();
        let pushed = {
            let commit = commit.clone();
            crate::blocking(move || branch.push(&commit)).await
        };
        match pushed {
            Ok(Push::Accepted) => return Restored::Landed { commit },
            Ok(Push::Refused { words }) => {
                tracing::warn!(commit.sha = %commit, answer = %words, "the push was refused; reading the branch again");
                refused = Some((tip, words));
            }
            Err(error) => {
                tracing::warn!(commit.sha = %commit, error = %error, "the push may have landed; reading the branch again");
                doubt = Some(error.to_string());
            }
        }
    }
    match (doubt, refused) {
        (Some(why), _) => Restored::Unknown { why },
        (None, Some((_, words))) => Restored::Refused {
            why: format!("the branch kept moving: {words}"),
        },
        (None, None) => Restored::Refused {
            why: "the branch kept moving".to_owned(),
        },
    }
}

async fn read(git: &Git, work: &Restoration) -> Result<Snapshot, GitError> {
    let git = git.clone();
    let want = Want {
        changes: 1,
        revision: Some(work.to.clone()),
    };
    crate::blocking(move || git.read(&want)).await
}

/// A branch that answers and lacks what was planned on has moved on; any other failure says nothing about it.
fn unreadable(error: GitError) -> Restored {
    match error.fault {
        GitFault::NoBranch { .. } | GitFault::NoPath { .. } | GitFault::NoRevision { .. } => {
            Restored::MovedOn {
                why: error.to_string(),
            }
        }
        GitFault::Transport(_)
        | GitFault::Settings(_)
        | GitFault::Status(_)
        | GitFault::NotGit { .. }
        | GitFault::Deadline
        | GitFault::TooMuch { .. }
        | GitFault::AmbiguousRevision { .. }
        | GitFault::Refused { .. }
        | GitFault::Library(_)
        | GitFault::Scratch(_) => Restored::Unreachable(error),
    }
}

fn moved_on(branch: &Snapshot, work: &Restoration) -> Option<String> {
    let since = short(&work.tip);
    match branch.moved_since(&work.tip) {
        Moved::Not | Moved::Elsewhere if branch.tip_state == work.from_state => None,
        Moved::Not | Moved::Elsewhere => {
            Some("the watched paths are not as they were judged".to_owned())
        }
        Moved::PathTouched => Some(format!("somebody changed the watched paths after {since}")),
        Moved::Rewritten => Some(format!(
            "{since} is not on the branch any more: its history was rewritten"
        )),
    }
}

fn write(branch: &Snapshot, work: &Restoration) -> Result<String, GitError> {
    let draft: Draft = branch.draft(&work.to)?;
    branch.commit(draft, &work.message, work.at)
}
