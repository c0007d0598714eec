//! The commit that puts the watched paths back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::clients::forge::ForgeError;
use crate::clients::git::{Draft, Git, GitError, GitFault, Moved, Push, Snapshot, Want};
use crate::clients::github::{Author, CommitEntry, Github, Landing, NewCommit, WrittenCommit};
use crate::journal::JournalError;
use crate::observe;
use crate::policy::short;

/// How often a commit is built and pushed before the run gives up. Protects a busy branch and the deadline of the run.
const MAX_ATTEMPTS: u32 = 5;

/// How many times `GITOPS_TIMEOUT` all attempts together may take before no further one is begun. Protects the
/// deadline of the run from a slow server; what a push left open is found by the next run.
const MAX_TIMEOUTS: u32 = 2;

/// Pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What has to be done, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The rollback's id, which the commit carries.
    pub id: String,
    /// Content of the watched paths at the tip that was judged.
    pub from_state: String,
    /// The revision to restore.
    pub to: String,
    /// Later changes that stay.
    pub keeps: Vec<String>,
    /// Tip of the branch when it was judged.
    pub tip: String,
    /// The commit's message.
    pub message: String,
    /// The commit's time.
    pub at: DateTime<Utc>,
}

/// How the commit reaches the branch.
#[derive(Debug, Clone, Copy)]
pub enum PushWay<'a> {
    /// It is written here and pushed with git.
    Push,
    /// GitHub writes it and moves the branch, and signs it where an App asks.
    Api(&'a Github),
}

/// A commit that is written and not on the branch.
enum Ready<'a> {
    Local(String),
    OnGithub(&'a Github, WrittenCommit),
}

/// What became of the attempt to put it on the branch.
enum Sent {
    Landed,
    /// The branch moved first, or somebody forbids it. Nothing landed.
    Refused(String),
    /// It may have landed.
    Doubt(String),
    /// It did not land, and cannot land later.
    Failed(ForgeError),
    /// It was not sent, and would not be if it were tried again.
    Unsent(GitError),
}

/// What became of it.
#[derive(Debug)]
pub enum Restored {
    /// Our commit is on the branch.
    Landed {
        /// Its id.
        commit: String,
        /// Whether GitHub signed it; nothing where that was not seen, or is not GitHub's to do.
        is_signed: Option<bool>,
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
        /// Whether a rule or a hook of the server forbids this commit on this branch: a pull request may do.
        by_server: bool,
    },
    /// A commit was sent and its result could not be learnt. The next run looks.
    Unknown {
        /// What went wrong.
        why: String,
    },
    /// The intent to send it could not be written down, so it was not sent; nothing of ours is on the branch.
    Unwritten(JournalError),
    /// The branch could not be read or reached, and nothing of ours is on it.
    Unreachable(GitError),
}

/// Puts the watched paths back: reads the branch, finds the commit there or writes it, sends it, and after any doubt
/// reads again. `intend` is called before each time it is sent with what is about to be done; when it fails nothing is
/// sent.
///
/// `snapshot` is the branch as it was judged, where the caller still has it.
pub async fn restore(
    git: &Git,
    way: PushWay<'_>,
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
                    // A push may have landed: that must not be forgotten because of a failed look.
                    Err(_) if doubt.is_some() => continue,
                    Err(error) => return unreadable(error),
                }
            }
        };
        if let Some(commit) = observe::commit_of(&branch, &work.id) {
            return Restored::Landed {
                commit,
                is_signed: None,
            };
        }
        if let Some((tip, words)) = refused.take().filter(|(tip, _)| *tip == branch.tip) {
            return Restored::Refused {
                why: format!(
                    "{} refused the commit on {} at {}: {words}",
                    git.name(),
                    git.branch(),
                    short(&tip)
                ),
                by_server: true,
            };
        }
        if let Some(why) = moved_on(&branch, work) {
            return Restored::MovedOn { why };
        }
        let ready = match write(&branch, way, work).await {
            Ok(ready) => ready,
            // What was sent before may have landed: that must not be forgotten because of another commit's fault.
            Err(_) if doubt.is_some() => continue,
            Err(error) if error.is_transient() => return Restored::Unreachable(error),
            Err(error) => {
                return Restored::Refused {
                    why: error.to_string(),
                    by_server: false,
                };
            }
        };
        if let Err(error) = intend(&ready.story()) {
            return Restored::Unwritten(error);
        }
        let tip = branch.tip.clone();
        let commit = ready.commit().to_owned();
        let is_signed = ready.is_signed();
        match ready.send(branch).await {
            Sent::Landed => return Restored::Landed { commit, is_signed },
            Sent::Refused(words) => {
                tracing::warn!(commit.sha = %commit, answer = %words, "the commit was refused; reading the branch again");
                refused = Some((tip, words));
            }
            Sent::Doubt(why) => {
                tracing::warn!(commit.sha = %commit, error = %why, "the push gave no clear answer; reading the branch again");
                doubt = Some(why);
            }
            Sent::Failed(_) | Sent::Unsent(_) if doubt.is_some() => {}
            Sent::Failed(error) if error.is_transient() => {
                return Restored::Unreachable(git.forge_error("move the branch", error));
            }
            Sent::Failed(error) => {
                return Restored::Refused {
                    why: error.to_string(),
                    by_server: false,
                };
            }
            Sent::Unsent(error) => {
                return Restored::Refused {
                    why: error.to_string(),
                    by_server: false,
                };
            }
        }
    }
    match (doubt, refused) {
        (Some(why), _) => Restored::Unknown { why },
        (None, Some((_, words))) => Restored::Refused {
            why: format!("the branch kept moving: {words}"),
            by_server: false,
        },
        (None, None) => Restored::Refused {
            why: "the branch kept moving".to_owned(),
            by_server: false,
        },
    }
}

/// Reads the branch with the revision to restore in sight.
pub(crate) async fn read(git: &Git, work: &Restoration) -> Result<Snapshot, GitError> {
    let git = git.clone();
    let want = Want {
        changes: 1,
        revision: Some(work.to.clone()),
        ..Want::default()
    };
    crate::blocking(move || git.read(&want)).await
}

/// A branch that answers and lacks what was planned on has moved on; any other failure says nothing about it.
/// Tells whether a push ended before anything of it left this host, and would end so again.
fn is_unsent(error: &GitError) -> bool {
    matches!(
        error.fault,
        GitFault::TooLargePush { .. } | GitFault::Refused { .. }
    )
}

fn unreadable(error: GitError) -> Restored {
    match error.fault {
        GitFault::NoBranch { .. } | GitFault::NoPath { .. } | GitFault::Revision(_) => {
            Restored::MovedOn {
                why: error.to_string(),
            }
        }
        GitFault::Transport(_)
        | GitFault::Settings(_)
        | GitFault::Forge(_)
        | GitFault::Ssh(_)
        | GitFault::Status(_)
        | GitFault::NotGit { .. }
        | GitFault::Deadline
        | GitFault::Cut
        | GitFault::Protocol { .. }
        | GitFault::TooMuch { .. }
        | GitFault::TooManyObjects { .. }
        | GitFault::TooManyLines { .. }
        | GitFault::TooLargePush { .. }
        | GitFault::Refused { .. }
        | GitFault::Library(_)
        | GitFault::Scratch(_) => Restored::Unreachable(error),
    }
}

/// Says why the branch is not the one that was judged.
pub(crate) fn moved_on(branch: &Snapshot, work: &Restoration) -> Option<String> {
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

async fn write<'a>(
    branch: &Snapshot,
    way: PushWay<'a>,
    work: &Restoration,
) -> Result<Ready<'a>, GitError> {
    let draft: Draft = branch.draft_keeping(&work.to, &work.keeps)?;
    let github = match way {
        PushWay::Push => {
            return branch
                .commit(draft, &work.message, work.at)
                .map(Ready::Local);
        }
        PushWay::Api(github) => github,
    };
    let new = new_commit(branch, draft, work)?;
    match github.write_commit(&new).await {
        Ok(written) => Ok(Ready::OnGithub(github, written)),
        Err(error) => Err(branch.git().forge_error("write a commit by the API", error)),
    }
}

/// Describes the commit for who has GitHub write it.
pub(crate) fn new_commit(
    branch: &Snapshot,
    draft: Draft,
    work: &Restoration,
) -> Result<NewCommit, GitError> {
    let git = branch.git();
    let (name, email) = git.author();
    let entries = branch.entries(draft)?.into_iter().map(|entry| CommitEntry {
        path: entry.path,
        mode: entry.mode,
        id: entry.id,
    });
    Ok(NewCommit {
        branch: git.branch().to_owned(),
        tip: branch.tip.clone(),
        entries: entries.collect(),
        tree: draft.tree(),
        message: work.message.clone(),
        author: Author {
            name: name.to_owned(),
            email: email.to_owned(),
            at: work.at,
        },
    })
}

impl Ready<'_> {
    fn commit(&self) -> &str {
        match self {
            Self::Local(commit) => commit,
            Self::OnGithub(_, written) => &written.commit,
        }
    }

    /// Says what is about to be done, for the journal.
    fn story(&self) -> String {
        match self {
            Self::Local(commit) => format!("commit {commit} is pushed"),
            Self::OnGithub(_, written) => {
                format!("the branch is moved to commit {}", written.commit)
            }
        }
    }

    fn is_signed(&self) -> Option<bool> {
        match self {
            Self::Local(_) => None,
            Self::OnGithub(_, written) => Some(written.is_verified),
        }
    }

    async fn send(self, branch: Snapshot) -> Sent {
        match self {
            Self::Local(commit) => match crate::blocking(move || branch.push(&commit)).await {
                Ok(Push::Accepted) => Sent::Landed,
                Ok(Push::Refused { words }) => Sent::Refused(words),
                Err(error) if is_unsent(&error) => Sent::Unsent(error),
                Err(error) => Sent::Doubt(error.to_string()),
            },
            Self::OnGithub(github, written) => {
                match github.land(branch.git().branch(), &written).await {
                    Ok(Landing::Landed { .. }) => Sent::Landed,
                    Ok(Landing::Moved { tip: Some(_) }) => {
                        Sent::Refused("the branch moved first".to_owned())
                    }
                    Ok(Landing::Moved { tip: None }) => {
                        Sent::Refused("the branch is not there any more".to_owned())
                    }
                    Ok(Landing::Refused { words, .. }) => Sent::Refused(words),
                    Ok(Landing::Unknown { why }) => Sent::Doubt(why),
                    Err(error) => Sent::Failed(error),
                }
            }
        }
    }
}
