//! What the client needs to know before it can talk.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// Where Argo CD is, how it lets us in, and which application is meant.
#[derive(Debug, Clone)]
pub struct ArgoSettings {
    /// Base URL of the server with its root path. Plain `http` only where the configuration allowed it.
    pub server: Url,
    /// The application's name.
    pub app_name: String,
    /// The application's project. Where it is not set, the first read of the application tells it; until then Argo CD
    /// does not tell a missing application from a forbidden one.
    pub project: Option<String>,
    /// The application's namespace, where it is not Argo CD's own.
    pub app_namespace: Option<String>,
    /// How this program signs in.
    pub auth: ArgoAuth,
    /// File with further root certificates.
    pub ca_file: Option<PathBuf>,
    /// Total time of one call, with all its requests and pauses. A refresh has `refresh_timeout` on top.
    pub timeout: Duration,
    /// Total time of one request.
    pub call_timeout: Duration,
    /// Time that a refresh may take before the application is read without it. Argo CD itself sets no limit.
    pub refresh_timeout: Duration,
    /// Pause before something is asked a second time; it doubles.
    pub pause: Duration,
    /// Largest accepted answer in bytes. Protects memory: reading stops and the call fails.
    pub max_answer: usize,
}

/// How this program signs in.
#[derive(Debug, Clone)]
pub enum ArgoAuth {
    /// With an API token.
    Token(SecretString),
    /// With a session, made once from a user and the password.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: SecretString,
    },
}

impl ArgoSettings {
    /// Returns settings with the usual limits: 30 s for a call, 10 s for a request, 12 s for a refresh, half a second
    /// before something is asked again, 8 MiB for an answer. Project, namespace and certificates are left open.
    pub fn new(server: Url, app_name: &str, auth: ArgoAuth) -> Self {
        Self {
            server,
            app_name: app_name.to_owned(),
            project: None,
            app_namespace: None,
            auth,
            ca_file: None,
            timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(10),
            refresh_timeout: Duration::from_secs(12),
            pause: Duration::from_millis(500),
            max_answer: 8 * 1024 * 1024,
        }
    }
}
