//! Pull requests, as every forge has them; GitLab calls them merge requests.

use chrono::{DateTime, Utc};

/// A pull request to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPull {
    /// The branch that holds the commit.
    pub branch: String,
    /// The branch it is meant for.
    pub base: String,
    /// The title.
    pub title: String,
    /// The text, in Markdown.
    pub body: String,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number in the repository.
    pub number: u64,
    /// Where a person sees it; nothing when the forge does not say.
    pub url: Option<String>,
    /// The branch that holds the commit.
    pub branch: String,
    /// The commit that branch points to.
    pub head: String,
    /// The branch it is meant for.
    pub base: String,
    /// How it stands.
    pub state: PullState,
}

/// How a pull request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullState {
    /// It waits for a person.
    Open,
    /// It was merged. A squash or a rebase makes other commits: what the branch holds is the proof, not an id.
    Merged {
        /// When.
        at: DateTime<Utc>,
        /// The commit that it became on the base branch.
        commit: Option<String>,
    },
    /// It was closed without being merged: somebody said no.
    Closed,
}

/// What became of a pull request that was to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is there now.
    New(Pull),
    /// One for the branch was there, in whatever state.
    Found(Pull),
    /// The forge does not take it.
    Refused {
        /// Why, with the forge's words.
        words: String,
    },
}

/// What became of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commented {
    /// It was written.
    Written,
    /// The same text was there.
    AlreadyThere,
}

/// What a forge says of whoever signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Whether it may push branches and open pull requests, as far as the forge says.
    pub may_write: bool,
    /// What it was given, in the forge's words.
    pub granted: String,
}

/// Returns the one that counts of the pull requests of one branch: an open one before a merged one before a closed
/// one, and the newer of two.
pub(in crate::clients) fn foremost(pulls: impl IntoIterator<Item = Pull>) -> Option<Pull> {
    pulls.into_iter().max_by_key(|pull| {
        let rank = match pull.state {
            PullState::Open => 2,
            PullState::Merged { .. } => 1,
            PullState::Closed => 0,
        };
        (rank, pull.number)
    })
}
