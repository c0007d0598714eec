//! The forge that hosts a repository and has pull requests: GitHub, GitLab, Gitea or Forgejo.
//!
//! Pull requests are found, opened, watched and closed; never merged or approved by this program. Each public function
//! is one step with a deadline of its own. On GitHub the commit is written by its API too; elsewhere it is pushed with
//! git.

pub(in crate::clients) mod error;
mod gitea;
mod gitlab;
pub(in crate::clients) mod pull;
pub(in crate::clients) mod refusal;
mod rest;
pub(in crate::clients) mod steps;

pub use error::{ForgeError, ForgeFault};
pub use gitea::Gitea;
pub use gitlab::Gitlab;
pub use pull::{Commented, NewPull, Opened, Pull, PullState, Rights};
pub use rest::RestSettings;

use std::sync::Arc;

use self::steps::PullRequests;
use super::github::{Github, GithubSettings};
use super::http::Deadline;

/// Which forge, and how it lets us in.
#[derive(Debug, Clone)]
pub enum ForgeSettings {
    /// GitHub or GitHub Enterprise.
    Github(GithubSettings),
    /// GitLab.
    Gitlab(RestSettings),
    /// Gitea or Forgejo.
    Gitea(RestSettings),
}

/// One repository on a forge. Clones share their connections and their token.
#[derive(Debug, Clone)]
pub enum Forge {
    /// On GitHub or GitHub Enterprise.
    Github(Github),
    /// On GitLab.
    Gitlab(Arc<Gitlab>),
    /// On Gitea or Forgejo.
    Gitea(Arc<Gitea>),
}

/// Takes one step on whatever forge it is.
macro_rules! on {
    ($forge:expr, $api:ident => $step:expr) => {
        match $forge {
            Self::Github($api) => $step,
            Self::Gitlab($api) => {
                let $api = $api.as_ref();
                $step
            }
            Self::Gitea($api) => {
                let $api = $api.as_ref();
                $step
            }
        }
    };
}

impl Forge {
    /// Prepares to talk about a repository; sends nothing.
    ///
    /// # Errors
    /// Fails when a GitHub App's private key cannot be used.
    pub fn new(settings: ForgeSettings) -> Result<Self, ForgeError> {
        Ok(match settings {
            ForgeSettings::Github(settings) => Self::Github(Github::new(settings)?),
            ForgeSettings::Gitlab(settings) => Self::Gitlab(Arc::new(Gitlab::new(settings))),
            ForgeSettings::Gitea(settings) => Self::Gitea(Arc::new(Gitea::new(settings))),
        })
    }

    /// Returns the forge's own name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Github(_) => "GitHub",
            Self::Gitlab(_) => "GitLab",
            Self::Gitea(_) => "Gitea",
        }
    }

    /// Returns how the repository is called: `owner/name`, with the groups that it lies in.
    pub fn name(&self) -> String {
        on!(self, api => api.name())
    }

    /// Returns GitHub's own API, where it is GitHub: it writes commits and signs them.
    pub fn github(&self) -> Option<&Github> {
        match self {
            Self::Github(github) => Some(github),
            Self::Gitlab(_) | Self::Gitea(_) => None,
        }
    }

    /// Tells whether this program signs in at all: without that nothing can be written.
    pub fn may_write(&self) -> bool {
        on!(self, api => api.may_write())
    }

    /// Returns what whoever signs in may do, where the forge says it in one answer; nothing on GitHub, which says it by
    /// an App's permissions and a branch's rules.
    ///
    /// # Errors
    /// Fails when the forge does not answer in time or refuses.
    pub async fn rights(&self) -> Result<Option<Rights>, ForgeError> {
        let deadline = self.deadline();
        let rights = match self {
            Self::Github(_) => return Ok(None),
            Self::Gitlab(gitlab) => gitlab.rights(deadline).await,
            Self::Gitea(gitea) => gitea.rights(deadline).await,
        };
        rights
            .map(Some)
            .map_err(|fault| self.error("read what the token may do", fault))
    }

    /// Finds the pull request of one of our branches: an open one before a merged one before a closed one.
    ///
    /// # Errors
    /// Fails when the forge does not answer in time or refuses.
    pub async fn find_pull(&self, branch: &str) -> Result<Option<Pull>, ForgeError> {
        let deadline = self.deadline();
        on!(self, api => api.find(deadline, branch).await)
            .map_err(|fault| self.error(format!("find the pull request of {branch:?}"), fault))
    }

    /// Finds the newest pull requests from branches whose names begin so, open or not, each with its text. Only some
    /// hundred are looked through.
    ///
    /// # Errors
    /// Fails when the forge does not answer in time or refuses.
    pub async fn pulls_from(&self, beginning: &str) -> Result<Vec<(Pull, String)>, ForgeError> {
        let deadline = self.deadline();
        on!(self, api => api.newest(deadline, beginning).await)
            .map_err(|fault| self.error(format!("list the pull requests of {beginning:?}"), fault))
    }

    /// Opens a pull request, unless one for the branch is there.
    ///
    /// # Errors
    /// Fails when it cannot be known whether it is there, or when the forge cannot be asked.
    pub async fn open_pull(&self, new: &NewPull) -> Result<Opened, ForgeError> {
        let deadline = self.deadline();
        on!(self, api => steps::open(api, deadline, new).await)
            .map_err(|fault| self.error(format!("open a pull request for {:?}", new.branch), fault))
    }

    /// Returns a pull request by its number.
    ///
    /// # Errors
    /// Fails when the forge does not answer in time or refuses.
    pub async fn pull(&self, number: u64) -> Result<Pull, ForgeError> {
        let deadline = self.deadline();
        on!(self, api => api.read(deadline, number).await)
            .map_err(|fault| self.error(format!("read pull request {number}"), fault))
    }

    /// Closes a pull request and returns how it stands then: it may have been merged first.
    ///
    /// # Errors
    /// Fails when it cannot be known how it stands, or when the forge cannot be asked.
    pub async fn close_pull(&self, number: u64) -> Result<Pull, ForgeError> {
        let deadline = self.deadline();
        on!(self, api => steps::close(api, deadline, number).await)
            .map_err(|fault| self.error(format!("close pull request {number}"), fault))
    }

    /// Puts a label on a pull request; it may have it already. A caller goes on without it.
    ///
    /// # Errors
    /// Fails when the forge does not answer in time or refuses.
    pub async fn label(&self, number: u64, label: &str) -> Result<(), ForgeError> {
        let deadline = self.deadline();
        on!(self, api => api.label(deadline, number, label).await)
            .map_err(|fault| self.error(format!("label pull request {number}"), fault))
    }

    /// Comments on a pull request, unless the same text is there.
    ///
    /// # Errors
    /// Fails when it cannot be known whether the comment is there, or when the forge cannot be asked.
    pub async fn comment(&self, number: u64, body: &str) -> Result<Commented, ForgeError> {
        let deadline = self.deadline();
        let wanted = steps::plain(body);
        let is_it = |said: &str| steps::plain(said) == wanted;
        on!(self, api => steps::comment_unless(api, deadline, number, body, is_it).await)
            .map_err(|fault| self.error(format!("comment on pull request {number}"), fault))
    }

    fn deadline(&self) -> Deadline {
        Deadline::within(on!(self, api => api.timeout()))
    }

    fn error(&self, tried: impl Into<String>, fault: ForgeFault) -> ForgeError {
        ForgeError {
            tried: tried.into(),
            repo: self.name(),
            fault,
        }
    }
}
