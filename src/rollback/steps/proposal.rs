//! The pull request that puts the watched paths back, for a person to merge or to close.

use super::restore::{Restoration, moved_on, new_commit, read};
use crate::clients::forge::{Forge, ForgeError, NewPull, Opened, Pull, PullState};
use crate::clients::git::{Draft, Git, GitError, GitFault, Push, Snapshot};
use crate::clients::github::{Created, Github};
use crate::observe;
use crate::policy::short;

/// The label by which people find these pull requests.
const LABEL: &str = "slo-rollback";

/// What became of the attempt to open it.
#[derive(Debug)]
pub(crate) enum Proposed {
    /// It is there, from now or from an earlier run, in whatever state.
    There(Pull),
    /// Our commit is on the branch already.
    Landed {
        /// Its id.
        commit: String,
    },
    /// Somebody changed the watched paths first; nothing was proposed.
    MovedOn {
        /// What was found.
        why: String,
    },
    /// It cannot be done.
    Refused {
        /// Why, with the forge's words.
        why: String,
    },
    /// The branch or the forge could not be reached. The next run looks for what was made.
    Unreachable(GitError),
}

/// Opens the pull request, or finds the one that an earlier run opened. Nothing is done twice: the branch carries the
/// rollback's id, and what is there is looked for first.
///
/// `snapshot` is the branch as it was judged, where the caller still has it. `new` is what people see of it.
pub(crate) async fn propose(
    git: &Git,
    forge: &Forge,
    work: &Restoration,
    snapshot: Option<Snapshot>,
    new: &NewPull,
) -> Proposed {
    match open(git, forge, work, snapshot, new).await {
        Ok(proposed) => proposed,
        Err(error) if is_gone(&error) => Proposed::MovedOn {
            why: error.to_string(),
        },
        Err(error) if error.is_transient() => Proposed::Unreachable(error),
        Err(error) => Proposed::Refused {
            why: error.to_string(),
        },
    }
}

async fn open(
    git: &Git,
    forge: &Forge,
    work: &Restoration,
    snapshot: Option<Snapshot>,
    new: &NewPull,
) -> Result<Proposed, GitError> {
    let asked = |tried: &'static str| move |error: ForgeError| git.forge_error(tried, error);
    if let Some(found) = forge
        .find_pull(&new.branch)
        .await
        .map_err(asked("find the pull request"))?
    {
        return Ok(Proposed::There(found));
    }
    let branch = match snapshot {
        Some(branch) => branch,
        None => read(git, work).await?,
    };
    if let Some(commit) = observe::commit_of(&branch, &work.id) {
        return Ok(Proposed::Landed { commit });
    }
    if let Some(why) = moved_on(&branch, work) {
        return Ok(Proposed::MovedOn { why });
    }
    let draft = branch.draft_keeping(&work.to, &work.keeps)?;
    let refused = match forge.github() {
        Some(github) => by_api(git, github, &branch, draft, work, &new.branch).await?,
        None => by_push(branch, draft, work, &new.branch).await?,
    };
    if let Some(why) = refused {
        return Ok(Proposed::Refused { why });
    }
    let opened = forge
        .open_pull(new)
        .await
        .map_err(asked("open a pull request"))?;
    Ok(match opened {
        Opened::New(pull) => {
            label(forge, &pull).await;
            Proposed::There(pull)
        }
        Opened::Found(pull) => Proposed::There(pull),
        Opened::Refused { words } => Proposed::Refused { why: words },
    })
}

/// Has GitHub write the commit, which it signs for an App, and makes the branch. Returns why that cannot be.
async fn by_api(
    git: &Git,
    github: &Github,
    snapshot: &Snapshot,
    draft: Draft,
    work: &Restoration,
    branch: &str,
) -> Result<Option<String>, GitError> {
    let commit = new_commit(snapshot, draft, work)?;
    let written = github
        .write_commit(&commit)
        .await
        .map_err(|error| git.forge_error("write a commit by the API", error))?;
    point(git, github, branch, &written.commit).await
}

/// Writes the commit here and pushes it to the branch. Returns why that cannot be.
async fn by_push(
    snapshot: Snapshot,
    draft: Draft,
    work: &Restoration,
    branch: &str,
) -> Result<Option<String>, GitError> {
    let commit = snapshot.commit(draft, &work.message, work.at)?;
    let name = snapshot.git().name().to_owned();
    let named = branch.to_owned();
    let pushed = crate::blocking(move || snapshot.push_branch(&named, &commit)).await?;
    Ok(match pushed {
        Push::Accepted => None,
        Push::Refused { words } => Some(format!("{name} refused to make branch {branch}: {words}")),
    })
}

/// Makes the branch, and one of the same name that an earlier run left behind without a pull request anew. Returns
/// why that cannot be.
async fn point(
    git: &Git,
    github: &Github,
    branch: &str,
    commit: &str,
) -> Result<Option<String>, GitError> {
    let mut made = create(git, github, branch, commit).await?;
    if let Created::Taken { at } = &made {
        // Its name carries the rollback's id, and no pull request was made of it: nobody works there.
        github
            .delete_branch(branch, at)
            .await
            .map_err(|error| git.forge_error("remove a branch that an earlier run left", error))?;
        made = create(git, github, branch, commit).await?;
    }
    Ok(match made {
        Created::There => None,
        Created::Taken { at } => Some(format!(
            "branch {branch} of {} points to {}, which is not ours",
            git.name(),
            short(&at)
        )),
        Created::Refused { words } => Some(format!(
            "{} refused to make branch {branch}: {words}",
            git.name()
        )),
    })
}

async fn create(
    git: &Git,
    github: &Github,
    branch: &str,
    commit: &str,
) -> Result<Created, GitError> {
    github
        .create_branch(branch, commit)
        .await
        .map_err(|error| git.forge_error("make a branch", error))
}

/// A pull request without its label is still one.
async fn label(forge: &Forge, pull: &Pull) {
    if let Err(error) = forge.label(pull.number, LABEL).await {
        tracing::warn!(pull = pull.number, error = %error, "the pull request has no label");
    }
}

/// How a pull request stands.
#[derive(Debug)]
pub(crate) enum PullStanding {
    /// It waits for a person.
    Waits,
    /// It was merged, and the branch holds what was proposed.
    Merged {
        /// The commit on the branch.
        commit: String,
    },
    /// It was closed: somebody said no.
    Closed,
    /// It cannot do what it was opened for any more.
    MovedOn {
        /// What was found.
        why: String,
    },
}

/// Looks what became of a pull request. The content of the branch is the proof, not an id: a squash or a rebase makes
/// other commits. `snapshot` is the branch as it is now, as far back as the tip that was judged.
pub(crate) fn stands(
    pull: &Pull,
    work: &Restoration,
    to_state: &str,
    snapshot: &Snapshot,
) -> PullStanding {
    let landed = observe::commit_of(snapshot, &work.id).or_else(|| {
        let PullState::Merged {
            commit: Some(commit),
            ..
        } = &pull.state
        else {
            return None;
        };
        let holds_it = snapshot.state_at(commit).as_deref() == Some(to_state);
        holds_it.then(|| commit.clone())
    });
    if let Some(commit) = landed {
        return PullStanding::Merged { commit };
    }
    match pull.state {
        PullState::Merged { .. } => PullStanding::MovedOn {
            why: format!(
                "pull request {} was merged, and the branch does not hold what it proposed",
                pull.number
            ),
        },
        PullState::Closed => PullStanding::Closed,
        PullState::Open => match moved_on(snapshot, work) {
            Some(why) => PullStanding::MovedOn { why },
            None => PullStanding::Waits,
        },
    }
}

/// Closes a pull request that waits for nothing any more, with a comment that says why, and removes its branch. Returns
/// false when it was merged before it could be closed.
///
/// # Errors
/// Fails when it cannot be known how the pull request stands.
pub(crate) async fn withdraw(
    git: &Git,
    forge: &Forge,
    pull: &Pull,
    comment: &str,
) -> Result<bool, GitError> {
    if pull.state != PullState::Open {
        return Ok(true);
    }
    if let Err(error) = forge.comment(pull.number, comment).await {
        tracing::warn!(pull = pull.number, error = %error, "the pull request is closed without a comment");
    }
    let closed = forge
        .close_pull(pull.number)
        .await
        .map_err(|error| git.forge_error("close the pull request", error))?;
    if matches!(closed.state, PullState::Merged { .. }) {
        return Ok(false);
    }
    if let Err(why) = remove(git, forge, pull).await {
        tracing::warn!(branch = %pull.branch, error = %why, "the branch of a closed pull request stays");
    }
    Ok(true)
}

/// Removes the branch of a pull request, unless somebody worked on it.
async fn remove(git: &Git, forge: &Forge, pull: &Pull) -> Result<(), String> {
    if let Some(github) = forge.github() {
        let removed = github.delete_branch(&pull.branch, &pull.head).await;
        return removed.map(drop).map_err(|error| error.to_string());
    }
    let (git, branch, head) = (git.clone(), pull.branch.clone(), pull.head.clone());
    match crate::blocking(move || git.delete_branch(&branch, &head)).await {
        Ok(Push::Accepted) => Ok(()),
        Ok(Push::Refused { words }) => Err(words),
        Err(error) => Err(error.to_string()),
    }
}

/// Tells whether the remote answered, and its branch lacks what was planned on.
pub(crate) fn is_gone(error: &GitError) -> bool {
    matches!(
        error.fault,
        GitFault::NoBranch { .. } | GitFault::NoPath { .. } | GitFault::Revision(_)
    )
}
