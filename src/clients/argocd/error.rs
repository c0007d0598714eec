//! What can go wrong between this program and Argo CD.

use std::time::Duration;

use crate::clients::http::{HttpError, HttpSettingsError, with_cause};

/// A failure to ask Argo CD for something or to have it do something.
#[derive(Debug, thiserror::Error)]
#[error("{tried} at {server}: {fault}")]
pub struct ArgoError {
    /// What was tried, on which application.
    pub tried: String,
    /// Scheme, host and port of the server.
    pub server: String,
    /// What happened.
    pub fault: ArgoFault,
}

impl ArgoError {
    /// Tells whether the same may succeed if it is tried again. A write is looked for first where [`Self::is_doubtful`]
    /// says so.
    pub fn is_transient(&self) -> bool {
        self.fault.is_transient()
    }

    /// Tells whether what was asked for may have been done all the same. After a write, look before it is repeated.
    pub fn is_doubtful(&self) -> bool {
        self.fault.is_doubtful()
    }
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum ArgoFault {
    /// The client cannot be built from its settings. Nothing was sent.
    #[error("{}", with_cause(.0))]
    Settings(HttpSettingsError),
    /// The answer never came or was cut.
    #[error("{}", transport(.0))]
    Transport(HttpError),
    /// The time was over before it was sent.
    #[error("not sent within {} s; the next run tries again", limit.as_secs_f64())]
    Deadline {
        /// The time that was allowed.
        limit: Duration,
    },
    /// What had to be read before it could not be. Nothing was sent.
    #[error("nothing was sent, because the application's project is not known: {0}")]
    Unprepared(Box<ArgoFault>),
    /// The server speaks TLS and was asked in plain HTTP.
    #[error(
        "the server wants https; write https:// in ARGOCD_SERVER and leave ARGOCD_PLAINTEXT unset"
    )]
    WantsHttps,
    /// It wants to be asked elsewhere. The token does not follow.
    #[error(
        "redirected to {to}, where the token is not sent; set ARGOCD_SERVER to where Argo CD really is, without a login \
         page before it"
    )]
    Redirect {
        /// Where it points, without path.
        to: String,
    },
    /// Something else than Argo CD's API answered.
    #[error(
        "{came} came instead of JSON (HTTP {status}: {words}); check that ARGOCD_SERVER with its root path leads to Argo \
         CD and not to a login page"
    )]
    NotArgo {
        /// The HTTP status.
        status: u16,
        /// The kind of the answer.
        came: String,
        /// What it said.
        words: String,
    },
    /// The server did not get the content type that was sent.
    #[error(
        "the server refused the content type (HTTP 415: {words}); look for a proxy that changes the header Content-Type"
    )]
    ContentType {
        /// What it said.
        words: String,
    },
    /// The answer exceeds the cap.
    #[error(
        "the answer is larger than {limit} bytes; split the application, or lower its revisionHistoryLimit"
    )]
    TooLarge {
        /// The cap in bytes.
        limit: usize,
    },
    /// The answer is JSON but not what was asked for.
    #[error("the answer cannot be used: {why}; check ARGOCD_SERVER and the version of Argo CD")]
    Answer {
        /// What is wrong with it.
        why: String,
    },
    /// The token does not count.
    #[error("{remedy} (HTTP 401: {words})")]
    Unauthorized {
        /// What to do, by how this program signs in.
        remedy: &'static str,
        /// What Argo CD said.
        words: String,
    },
    /// User and password do not count. No further login is tried.
    #[error(
        "the login was refused and is not repeated; check ARGOCD_USERNAME and ARGOCD_PASSWORD, and know that Argo CD \
         refuses an account that may only have API tokens alike, and after five failures the right password too for 5 \
         minutes (HTTP 401: {words})"
    )]
    LoginRefused {
        /// What Argo CD said.
        words: String,
    },
    /// The login came to no end. No further login is tried.
    #[error("the login failed and is not repeated in this run: {why}")]
    LoginFailed {
        /// What happened.
        why: String,
        /// Whether a later run may succeed.
        is_transient: bool,
    },
    /// The account lacks a right. Argo CD also says so when its own read of the application fails.
    #[error(
        "the account lacks a right on the application, or Argo CD could not read it; check its RBAC policy, ARGOCD_PROJECT \
         and ARGOCD_APP_NAME (HTTP 403: {words})"
    )]
    Forbidden {
        /// What Argo CD said.
        words: String,
    },
    /// The application is not there, or not in this project.
    #[error(
        "not found in this project and namespace; check ARGOCD_APP_NAME, ARGOCD_PROJECT and ARGOCD_APP_NAMESPACE (HTTP \
         404: {words})"
    )]
    NotFound {
        /// What Argo CD said.
        words: String,
    },
    /// Argo CD has no rollback while auto-sync is on.
    #[error("refused because auto-sync is on; revert in git, or switch auto-sync off first")]
    AutoSyncOn,
    /// There is an operation already.
    #[error("refused because another operation is in progress; wait for its end or terminate it")]
    OperationInProgress,
    /// The application is being deleted.
    #[error("refused because the application is being deleted; nothing is left to roll back")]
    Deleting,
    /// A sync named a revision that auto-sync does not follow.
    #[error(
        "refused because auto-sync follows another revision; sync without a revision, or change the application's \
         targetRevision ({words})"
    )]
    ForeignRevision {
        /// What Argo CD said.
        words: String,
    },
    /// The history entry has no source.
    #[error(
        "the history entry is of Argo CD 0.11 or older and cannot be used; choose a newer one or sync to its revision"
    )]
    HistoryTooOld,
    /// The history has no such entry, or no longer.
    #[error("the history has no such entry any more; read it again and choose again ({words})")]
    NoSuchHistoryId {
        /// What Argo CD said.
        words: String,
    },
    /// There is nothing to terminate: no operation, or one that is queued.
    #[error(
        "no operation is in progress that could be terminated; a queued one has to be waited for"
    )]
    NothingToTerminate,
    /// The application's specification does not pass Argo CD's checks.
    #[error(
        "the application's specification is invalid; check repository, manifests and destination ({words})"
    )]
    SpecInvalid {
        /// What Argo CD said.
        words: String,
    },
    /// The project does not allow the application.
    #[error(
        "the project does not allow the application, or does not exist; correct the project ({words})"
    )]
    ProjectRefuses {
        /// What Argo CD said.
        words: String,
    },
    /// A sync window forbids a sync.
    #[error("refused by a sync window; wait until it lets syncs through, or change it")]
    SyncWindow,
    /// Argo CD asks to slow down. Nothing was done.
    #[error("throttled (HTTP 429: {words}); the next run tries again")]
    Throttled {
        /// What it said.
        words: String,
    },
    /// Argo CD, or something before it, has a fault.
    #[error(
        "the server has a fault (HTTP {status}: {words}); look at argocd-server, the next run tries again"
    )]
    Server {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: String,
    },
    /// A refusal that is not known.
    #[error(
        "refused for a reason that is not known (HTTP {status}: {words}); a person has to look"
    )]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What Argo CD said.
        words: String,
    },
}

impl ArgoFault {
    /// Tells whether the same may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Unprepared(fault) => fault.is_transient(),
            Self::LoginFailed { is_transient, .. } => *is_transient,
            Self::Deadline { .. }
            | Self::Throttled { .. }
            | Self::Server { .. }
            | Self::OperationInProgress
            | Self::SyncWindow => true,
            Self::Settings(_)
            | Self::WantsHttps
            | Self::Redirect { .. }
            | Self::NotArgo { .. }
            | Self::ContentType { .. }
            | Self::TooLarge { .. }
            | Self::Answer { .. }
            | Self::Unauthorized { .. }
            | Self::LoginRefused { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::AutoSyncOn
            | Self::Deleting
            | Self::ForeignRevision { .. }
            | Self::HistoryTooOld
            | Self::NoSuchHistoryId { .. }
            | Self::NothingToTerminate
            | Self::SpecInvalid { .. }
            | Self::ProjectRefuses { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Tells whether what was asked for may have been done all the same. Doubt counts as yes.
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Transport(error) => match error {
                HttpError::Connect(_) | HttpError::Request(_) | HttpError::Redirect { .. } => false,
                HttpError::Tls(_)
                | HttpError::Timeout { .. }
                | HttpError::Broken(_)
                | HttpError::TooLarge { .. } => true,
            },
            Self::NotArgo { status, .. } => *status < 400,
            Self::Server { .. } | Self::TooLarge { .. } | Self::Answer { .. } => true,
            Self::Settings(_)
            | Self::Deadline { .. }
            | Self::Unprepared(_)
            | Self::WantsHttps
            | Self::Redirect { .. }
            | Self::ContentType { .. }
            | Self::Unauthorized { .. }
            | Self::LoginRefused { .. }
            | Self::LoginFailed { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::AutoSyncOn
            | Self::OperationInProgress
            | Self::Deleting
            | Self::ForeignRevision { .. }
            | Self::HistoryTooOld
            | Self::NoSuchHistoryId { .. }
            | Self::NothingToTerminate
            | Self::SpecInvalid { .. }
            | Self::ProjectRefuses { .. }
            | Self::SyncWindow
            | Self::Throttled { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Tells whether the question may be asked again at once.
    pub(super) fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Throttled { .. } | Self::Server { .. } => true,
            Self::Settings(_)
            | Self::Deadline { .. }
            | Self::Unprepared(_)
            | Self::WantsHttps
            | Self::Redirect { .. }
            | Self::NotArgo { .. }
            | Self::ContentType { .. }
            | Self::TooLarge { .. }
            | Self::Answer { .. }
            | Self::Unauthorized { .. }
            | Self::LoginRefused { .. }
            | Self::LoginFailed { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::AutoSyncOn
            | Self::OperationInProgress
            | Self::Deleting
            | Self::ForeignRevision { .. }
            | Self::HistoryTooOld
            | Self::NoSuchHistoryId { .. }
            | Self::NothingToTerminate
            | Self::SpecInvalid { .. }
            | Self::ProjectRefuses { .. }
            | Self::SyncWindow
            | Self::Refused { .. } => false,
        }
    }

    pub(super) fn answer(why: impl Into<String>) -> Self {
        Self::Answer { why: why.into() }
    }
}

fn transport(error: &HttpError) -> String {
    let remedy = match error {
        HttpError::Tls(_) => "check ARGOCD_CA_FILE and the server's certificate",
        HttpError::Connect(_) => "check ARGOCD_SERVER and the network",
        HttpError::Request(_) => "check ARGOCD_TOKEN for characters that cannot be sent",
        HttpError::Timeout { .. }
        | HttpError::Broken(_)
        | HttpError::TooLarge { .. }
        | HttpError::Redirect { .. } => "look at argocd-server and what is before it",
    };
    format!("{}; {remedy}", with_cause(error))
}
