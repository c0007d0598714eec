//! What the client needs to know before it can talk.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::identity::GithubAuth;

/// Where a repository is and how it lets us in.
#[derive(Debug, Clone)]
pub struct GithubSettings {
    /// Base URL of the API: `https://api.github.com/`, or an Enterprise server's with its path.
    pub api_url: Url,
    /// The user or organisation.
    pub owner: String,
    /// The repository's name.
    pub name: String,
    /// How this program signs in.
    pub auth: GithubAuth,
    /// File with further root certificates.
    pub ca_file: Option<PathBuf>,
    /// Total time of one step, with all its requests and pauses.
    pub timeout: Duration,
    /// Total time of one request.
    pub call_timeout: Duration,
    /// Pause before something is asked a second time; it doubles.
    pub pause: Duration,
}

impl GithubSettings {
    /// Returns settings with the usual limits: 60 s for a step, 10 s for a request, half a second before the next.
    pub fn new(api_url: Url, owner: &str, name: &str, auth: GithubAuth) -> Self {
        Self {
            api_url,
            owner: owner.to_owned(),
            name: name.to_owned(),
            auth,
            ca_file: None,
            timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(10),
            pause: Duration::from_millis(500),
        }
    }
}
