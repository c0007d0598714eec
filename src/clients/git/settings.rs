//! What the client needs to know of a branch before it can read it, and what it is to look for.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::ignore::Ignore;

/// What a remote needs to be reached.
#[derive(Debug, Clone)]
pub struct GitSettings {
    /// Where the repository is; without user info. It is not asked where the repository is reached over SSH.
    pub url: Url,
    /// How it is called in messages.
    pub name: String,
    /// User name that goes with the token.
    pub username: String,
    /// Token; nothing for a server that asks for none.
    pub token: Option<SecretString>,
    /// Branch, without `refs/heads/`.
    pub branch: String,
    /// The watched paths.
    pub paths: Vec<String>,
    /// Files in them that change nothing that is deployed: a commit of nothing else is no change.
    pub ignore: Ignore,
    /// File with further root certificates.
    pub ca_file: Option<PathBuf>,
    /// Total time of one exchange with the remote.
    pub timeout: Duration,
    /// Most bytes that one read may receive.
    pub max_bytes: u64,
    /// Name of author and committer.
    pub author_name: String,
    /// Address of author and committer.
    pub author_email: String,
}

impl GitSettings {
    /// Tells whether both lead to the same branch with the same access, so that one look at its tip serves both.
    pub fn is_same_branch(&self, other: &Self) -> bool {
        let secret = |settings: &Self| {
            let token = settings.token.as_ref();
            token.map(|token| token.expose_secret().to_owned())
        };
        self.url == other.url
            && self.branch == other.branch
            && self.username == other.username
            && self.ca_file == other.ca_file
            && secret(self) == secret(other)
    }
}

/// What to look for on the branch.
#[derive(Debug, Clone, Default)]
pub struct Want {
    /// How many changes of the watched paths.
    pub changes: usize,
    /// A revision that a person named: a full commit id, the beginning of one, or a tag.
    pub revision: Option<String>,
    /// A commit down to which the history is read, where it is there.
    pub back_to: Option<String>,
}
