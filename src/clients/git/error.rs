//! What can go wrong between this program and a git remote.

use crate::clients::forge::ForgeError;
use crate::clients::http::{HttpError, HttpSettingsError, with_cause};

/// A failure to talk to a remote, to read its history or to write to it.
#[derive(Debug, thiserror::Error)]
#[error("{tried} of {repo}: {fault}")]
pub struct GitError {
    /// What was tried.
    pub tried: &'static str,
    /// The repository, without credentials.
    pub repo: String,
    /// What happened.
    pub fault: GitFault,
}

impl GitError {
    /// Tells whether the same may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        self.fault.is_transient()
    }
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum GitFault {
    /// The answer never came or was cut.
    #[error("{}", with_cause(.0))]
    Transport(HttpError),
    /// The server answered with an error.
    #[error("{}", status_text(*.0))]
    Status(u16),
    /// The server is not a git server: a login page, or a server without smart HTTP.
    #[error("the server does not speak git over HTTP (content type {kind:?}); check GITOPS_REPO")]
    NotGit {
        /// The content type it sent.
        kind: String,
    },
    /// The certificates or the credentials cannot be used.
    #[error("{}", with_cause(.0))]
    Settings(#[from] HttpSettingsError),
    /// The forge's API did not do its part.
    #[error("{0}")]
    Forge(Box<ForgeError>),
    /// The `ssh` program did not get through.
    #[error("{0}")]
    Ssh(SshFault),
    /// The exchange took longer than it may.
    #[error("not finished within GITOPS_TIMEOUT")]
    Deadline,
    /// The answer ended before it was whole.
    #[error("the server's answer was cut short; the next run tries again")]
    Cut,
    /// The server said that it failed, or what it said is not git's.
    #[error("{what}")]
    Protocol {
        /// What it said or did.
        what: String,
    },
    /// The answers are longer than they may be.
    #[error(
        "the server sent more than {limit} bytes; raise GITOPS_MAX_BYTES if the repository is that large"
    )]
    TooMuch {
        /// The limit in bytes.
        limit: u64,
    },
    /// The history holds more files, folders and commits than can be held.
    #[error(
        "the server sent more than {limit} files, folders and commits; keep what GITOPS_PATH names in a smaller repository"
    )]
    TooManyObjects {
        /// The limit.
        limit: usize,
    },
    /// More lines stand before the history than one that can be read has.
    #[error(
        "the server sent more than {limit} lines that say where the history is cut or what both sides have; ask who \
         runs it, or keep what GITOPS_PATH names in a repository with fewer old branches that were merged"
    )]
    TooManyLines {
        /// The limit.
        limit: usize,
    },
    /// The new folders on the way to the watched paths are larger than can be sent.
    #[error(
        "the folders on the way to GITOPS_PATH take more than {limit} bytes to send; keep fewer entries in them"
    )]
    TooLargePush {
        /// The limit in bytes.
        limit: usize,
    },
    /// The branch is not there.
    #[error("there is no branch {branch:?}; check GITOPS_BRANCH")]
    NoBranch {
        /// The configured branch.
        branch: String,
    },
    /// The paths are not there.
    #[error("there is no {path:?} on branch {branch:?}{}; check GITOPS_PATH", perhaps(near.as_deref()))]
    NoPath {
        /// The configured path.
        path: String,
        /// What has nearly this name at the tip, if anything.
        near: Option<String>,
        /// The configured branch.
        branch: String,
    },
    /// A revision that a person named cannot be gone back to.
    #[error(transparent)]
    Revision(#[from] RevisionFault),
    /// Restoring would do something else than restore.
    #[error("{why}")]
    Refused {
        /// What it would do.
        why: String,
    },
    /// Anything else that libgit2 says.
    #[error("{0}")]
    Library(String),
    /// The scratch folder.
    #[error("the scratch folder cannot be used: {0}")]
    Scratch(std::io::Error),
}

/// Why the `ssh` program did not get through, with the last words of it or of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshFault {
    /// There is no such program, or it may not run.
    #[error("the program ssh cannot be started ({why}); install the OpenSSH client")]
    NotStarted {
        /// Why not.
        why: String,
    },
    /// The server is not one that is known, or another one answers in its place.
    #[error(
        "the server's host key is not known or has changed ({words}); check its fingerprint, then put it into \
         GITOPS_SSH_KNOWN_HOSTS_FILE"
    )]
    HostKey {
        /// What was said last.
        words: String,
    },
    /// The server lets none of the keys in.
    #[error(
        "the server accepts no key that ssh has ({words}); check GITOPS_SSH_KEY_FILE and who may use the repository"
    )]
    Denied {
        /// What was said last.
        words: String,
    },
    /// The server let us in and then refused.
    #[error("the server refused over SSH ({words}); check GITOPS_REPO, and what the key may do")]
    Refused {
        /// What was said last.
        words: String,
    },
    /// The server cannot be reached, or the connection broke.
    #[error(
        "ssh did not reach the server or lost it ({words}); check DNS, network policy, the server"
    )]
    Broken {
        /// What was said last.
        words: String,
    },
}

impl SshFault {
    /// Tells whether the same may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::NotStarted { .. }
            | Self::HostKey { .. }
            | Self::Denied { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Tells whether git on the server ended the connection, and neither `ssh` nor the network.
    pub(super) fn is_the_servers(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::NotStarted { .. }
            | Self::HostKey { .. }
            | Self::Denied { .. }
            | Self::Broken { .. } => false,
        }
    }
}

/// Why a revision that a person named cannot be gone back to. The remote answered; asking again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevisionFault {
    /// No commit of the branch has this id.
    #[error(
        "there is no commit {revision:?} among the last {seen} commits of branch {branch:?}; check --to"
    )]
    NoCommit {
        /// What was named.
        revision: String,
        /// The configured branch.
        branch: String,
        /// How many commits were looked at.
        seen: usize,
    },
    /// A short id that fits more than one commit.
    #[error("{revision:?} fits more than one commit; give --to more digits")]
    Ambiguous {
        /// What was named.
        revision: String,
    },
    /// Neither a tag nor an id.
    #[error(
        "there is no tag {name:?} in the repository, and it is no commit id either; check --to"
    )]
    NoTag {
        /// What was named.
        name: String,
    },
    /// A tag that names one commit, and a short id that fits another.
    #[error(
        "{name:?} is a tag and also fits the id of another commit; give --to refs/tags/{name} or a whole id"
    )]
    TagOrCommit {
        /// What was named.
        name: String,
    },
    /// A tag of a tree or of a file.
    #[error("the tag {name:?} names a {kind} and no commit; check --to")]
    TagOfNoCommit {
        /// The tag.
        name: String,
        /// What it names, in git's words.
        kind: &'static str,
    },
    /// A tag of a commit that is not on the branch.
    #[error(
        "the tag {name:?} names {commit}, which is not among the last {seen} commits of branch {branch:?}; check --to"
    )]
    TagElsewhere {
        /// The tag.
        name: String,
        /// The full id of its commit.
        commit: String,
        /// The configured branch.
        branch: String,
        /// How many commits were looked at.
        seen: usize,
    },
    /// A commit that a merge brought to the branch, which never stood there by itself.
    #[error(
        "{revision:?} is {commit}, which a merge brought to branch {branch:?} and which never was its tip; \
         give --to a commit that `git log --first-parent` shows"
    )]
    InsideMerge {
        /// What was named.
        revision: String,
        /// The full id of the commit.
        commit: String,
        /// The configured branch.
        branch: String,
    },
}

impl GitFault {
    /// Tells whether the same may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Forge(error) => error.is_transient(),
            Self::Ssh(fault) => fault.is_transient(),
            Self::Deadline | Self::Cut => true,
            Self::Settings(_)
            | Self::Protocol { .. }
            | Self::TooManyObjects { .. }
            | Self::TooManyLines { .. }
            | Self::TooLargePush { .. }
            | Self::NotGit { .. }
            | Self::TooMuch { .. }
            | Self::NoBranch { .. }
            | Self::NoPath { .. }
            | Self::Revision(_)
            | Self::Refused { .. }
            | Self::Library(_)
            | Self::Scratch(_) => false,
        }
    }
}

/// Keeps libgit2's words. They never hold the URL or the token: libgit2 sees neither.
pub(super) fn library(error: git2::Error) -> GitFault {
    GitFault::Library(crate::clients::http::quote(error.message().as_bytes()))
}

pub(super) fn status_text(status: u16) -> String {
    let remedy = match status {
        401 => "the credentials were refused; check GITOPS_TOKEN",
        403 => "access was denied; GITOPS_TOKEN needs to read and write the repository's contents",
        404 => "there is no such repository, or GITOPS_TOKEN may not see it; check GITOPS_REPO",
        429 => "the server asks to slow down; the next run tries again",
        500..=599 => "the server has a fault; the next run tries again",
        _ => "the server refused the request",
    };
    format!("{remedy} (HTTP {status})")
}

fn perhaps(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(", where {near:?} is"))
}
