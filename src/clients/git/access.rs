//! Whether the server would take a push.

use super::error::{GitError, GitFault};
use super::{Git, HttpClient};
use crate::clients::http::{Deadline, Method, Purpose};

/// What a server says to the first question of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It has not refused yet. A rule or a hook may still refuse what is pushed, and there are servers, such as Gitea,
    /// that look at who asks only then.
    NotRefused,
    /// It refuses.
    Denied {
        /// The HTTP status: 401, 403 or 404.
        status: u16,
    },
}

/// What a server answers who would take a push. Source: git's documentation, "HTTP transfer protocols".
const ADVERTISEMENT: &str = "application/x-git-receive-pack-advertisement";

impl Git {
    /// Asks the question with which a push begins, and no more: nothing is pushed.
    ///
    /// # Errors
    /// Fails when the remote cannot be reached, has a fault, or is no git server.
    pub fn may_push(&self) -> Result<Access, GitError> {
        let asked = || {
            let client = self.client()?;
            self.runtime.block_on(self.ask(&client))
        };
        asked().map_err(|fault| self.error("ask for the right to push to the repository", fault))
    }

    async fn ask(&self, client: &HttpClient) -> Result<Access, GitFault> {
        let deadline = Deadline::within(self.settings.timeout);
        let request = client
            .request(Method::GET, ["info", "refs"])
            .query(&[("service", "git-receive-pack")]);
        // The list of references that follows is not read: it may be long.
        let answer = client
            .open_within(deadline, Purpose::Ask, request)
            .await
            .map_err(GitFault::Transport)?;
        let kind = answer.headers.get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        match answer.status.as_u16() {
            200 if kind.eq_ignore_ascii_case(ADVERTISEMENT) => Ok(Access::NotRefused),
            200 => Err(GitFault::NotGit {
                kind: crate::clients::http::quote(kind.as_bytes()),
            }),
            status @ (401 | 403 | 404) => Ok(Access::Denied { status }),
            status => Err(GitFault::Status(status)),
        }
    }
}
