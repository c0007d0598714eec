//! How a server is to be.

use super::clock::{Clock, Pace};
use super::server::ArgoServer;
use crate::git::GitRepo;
use crate::stub::ServerTls;

/// How a server is to be.
#[derive(Clone)]
#[must_use = "nothing runs before `start`"]
pub struct Setup {
    pub(super) clock: Clock,
    pub(super) steps_by_itself: bool,
    pub(super) pace: Pace,
    pub(super) root_path: String,
    pub(super) tls: Option<ServerTls>,
    pub(super) repository: Option<(GitRepo, String)>,
}

impl Setup {
    /// A server whose time stands still until a test moves it, and whose controller makes only the steps it is told to.
    pub fn driven() -> Self {
        Self {
            clock: Clock::standing(),
            steps_by_itself: false,
            pace: Pace::REAL,
            root_path: String::new(),
            tls: None,
            repository: None,
        }
    }

    /// A server that follows the real time, with a controller that makes a step each tick.
    pub fn live(pace: Pace) -> Self {
        Self {
            clock: Clock::Real,
            steps_by_itself: true,
            pace,
            ..Self::driven()
        }
    }

    /// Puts everything below a path such as `/argo`.
    pub fn below(mut self, root_path: &str) -> Self {
        root_path
            .trim_end_matches('/')
            .clone_into(&mut self.root_path);
        self
    }

    /// Speaks TLS; plain HTTP is sent to `https://`.
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Takes an existing bare repository for the truth; `url` is what applications call it.
    pub fn over(mut self, repo: GitRepo, url: &str) -> Self {
        self.repository = Some((repo, url.to_owned()));
        self
    }

    /// Starts the server.
    pub fn start(self) -> ArgoServer {
        ArgoServer::start(self)
    }
}
