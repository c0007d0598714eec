//! What can go wrong between this program and the API of a forge.

use chrono::{DateTime, Utc};

use crate::clients::http::{Failure, HttpError, HttpSettingsError, Repeat, with_cause};

/// A failure to ask a forge for something or to have it do something.
#[derive(Debug, thiserror::Error)]
#[error("{tried} of {repo}: {fault}")]
pub struct ForgeError {
    /// What was tried, on what.
    pub tried: String,
    /// The repository, as `owner/name` or as its address.
    pub repo: String,
    /// What happened.
    pub fault: ForgeFault,
}

impl ForgeError {
    /// Tells whether the same may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        self.fault.is_transient()
    }
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum ForgeFault {
    /// The client cannot be built from its settings.
    #[error("{0}")]
    Settings(#[from] HttpSettingsError),
    /// The App's private key cannot be used. Nothing of it is shown.
    #[error(
        "GITHUB_APP_PRIVATE_KEY is not an RSA key in PEM; download it again from the App's settings"
    )]
    Key,
    /// The answer never came or was cut.
    #[error("{}", with_cause(.0))]
    Transport(HttpError),
    /// The step took longer than it may.
    #[error("not finished within GITOPS_TIMEOUT")]
    Deadline,
    /// The forge wants to be asked elsewhere. The token does not follow.
    #[error("the repository or the API moved ({to}); update GITOPS_REPO or GITOPS_API_URL")]
    MovedAway {
        /// Where it points, without path.
        to: String,
    },
    /// The credentials do not count.
    #[error(
        "the credentials were refused; check GITOPS_TOKEN, or the GitHub App's id and key (HTTP 401: {words})"
    )]
    Unauthorized {
        /// What the forge said.
        words: String,
    },
    /// The credentials lack a permission.
    #[error("{}", forbidden(.needs, .words))]
    Forbidden {
        /// What it would accept, such as `contents=write` or a scope of the token; GitHub does not always say.
        needs: Option<String>,
        /// What the forge said.
        words: String,
    },
    /// It is not there, or the credentials may not see it.
    #[error(
        "not found, or the credentials may not see it; check GITOPS_REPO and the permissions (HTTP 404: {words})"
    )]
    NotFound {
        /// What the forge said.
        words: String,
    },
    /// The forge asks to slow down for longer than this step may take. Nothing was done.
    #[error("rate limited until {}; a later run tries again", until.format("%Y-%m-%d %H:%M:%S UTC"))]
    RateLimited {
        /// When it may be asked again.
        until: DateTime<Utc>,
    },
    /// The request was understood and refused: a conflict, a rule, or something that is there already.
    #[error("refused (HTTP {status}: {words})")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// What the forge said.
        words: String,
    },
    /// The forge has a fault.
    #[error("the forge has a fault (HTTP {status}: {words}); the next run tries again")]
    Server {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: String,
    },
    /// The answer is not what was asked for: another page, or a field that is missing or wrong.
    #[error("the answer cannot be used: {why}; check GITOPS_API_URL")]
    Answer {
        /// What is wrong with it.
        why: String,
    },
    /// This program does not do that.
    #[error("{why}")]
    Refused {
        /// What it would do.
        why: String,
    },
}

impl ForgeFault {
    /// Tells whether the same may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Deadline | Self::RateLimited { .. } | Self::Server { .. } => true,
            Self::Settings(_)
            | Self::Key
            | Self::MovedAway { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Rejected { .. }
            | Self::Answer { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Tells whether what was asked for may have been done all the same.
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Transport(error) => match error {
                HttpError::Connect(_) | HttpError::Tls(_) | HttpError::Request(_) => false,
                HttpError::Timeout { .. }
                | HttpError::Broken(_)
                | HttpError::TooLarge { .. }
                | HttpError::Redirect { .. } => true,
            },
            Self::Deadline | Self::Server { .. } | Self::Answer { .. } => true,
            Self::Settings(_)
            | Self::Key
            | Self::MovedAway { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::RateLimited { .. }
            | Self::Rejected { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Tells whether the forge understood the request and will not do it, now or later.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Forbidden { .. } | Self::NotFound { .. } | Self::Rejected { .. } => true,
            Self::Settings(_)
            | Self::Key
            | Self::Transport(_)
            | Self::Deadline
            | Self::MovedAway { .. }
            | Self::Unauthorized { .. }
            | Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Answer { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Tells whether and when a question may be asked again after this.
    pub(in crate::clients) fn failure(self) -> Failure<Self> {
        let (repeat, retry_after) = match &self {
            Self::RateLimited { until } => (Repeat::Yes, (*until - Utc::now()).to_std().ok()),
            Self::Transport(_) | Self::Server { .. } => (Repeat::when(self.is_transient()), None),
            Self::Settings(_)
            | Self::Key
            | Self::Deadline
            | Self::MovedAway { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Rejected { .. }
            | Self::Answer { .. }
            | Self::Refused { .. } => (Repeat::Never, None),
        };
        Failure {
            error: self,
            repeat,
            retry_after,
        }
    }

    pub(in crate::clients) fn answer(why: impl Into<String>) -> Self {
        Self::Answer { why: why.into() }
    }
}

impl From<HttpError> for ForgeFault {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Redirect { to, .. } => Self::MovedAway { to },
            HttpError::Connect(_)
            | HttpError::Tls(_)
            | HttpError::Timeout { .. }
            | HttpError::Broken(_)
            | HttpError::TooLarge { .. }
            | HttpError::Request(_) => Self::Transport(error),
        }
    }
}

fn forbidden(needs: &Option<String>, words: &str) -> String {
    match needs {
        Some(needs) => format!("the credentials lack a permission: {needs} (HTTP 403: {words})"),
        None => format!(
            "the credentials lack a permission; GITOPS_TOKEN or the App needs Contents: write, and Pull requests: \
             write for pull requests (HTTP 403: {words})"
        ),
    }
}
