//! What can go wrong before an outside system has answered.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::AlertDescription;

use super::deadline::Deadline;

/// A fault of transport. None of them says anything about the system that was asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection: name not found, refused, unreachable, or cut during the handshake.
    #[error("no connection")]
    Connect(#[source] TransportCause),
    /// The TLS partners do not trust or understand each other. Asking again does not help.
    #[error("TLS refused")]
    Tls(#[source] TransportCause),
    /// The whole answer was not there in time.
    #[error("no complete answer within {} s", limit.as_secs_f64())]
    Timeout {
        /// The time that was allowed.
        limit: Duration,
    },
    /// The connection was reset or ended before the answer was complete.
    #[error("connection broken before the answer was complete")]
    Broken(#[source] TransportCause),
    /// The answer exceeds the cap.
    #[error("answer larger than {limit} bytes")]
    TooLarge {
        /// The cap in bytes.
        limit: usize,
    },
    /// The server wants to be asked elsewhere. Secrets do not follow.
    #[error("redirected to {to}; set the URL to where it really is")]
    Redirect {
        /// The HTTP status.
        status: u16,
        /// The origin of the new place.
        to: String,
    },
    /// The request could not be put together.
    #[error("request not sendable")]
    Request(#[source] TransportCause),
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpSettingsError {
    /// The base URL is not for HTTP.
    #[error("the URL must begin with http:// or https:// and name a host")]
    Scheme,
    /// The base URL carries a user name or a password.
    #[error("the URL contains a user name or password; set them as credentials instead")]
    UserInfo,
    /// A header's name or value cannot be sent. The value is a secret and not shown.
    #[error("header {name:?} has a name or value that cannot be sent")]
    Header {
        /// The header's name.
        name: String,
    },
    /// An `Authorization` header comes on top of other credentials; which of them counts would be the server's choice.
    #[error(
        "the extra headers hold an Authorization header beside a token or password; set only one of them"
    )]
    TwoCredentials,
    /// A file cannot be read.
    #[error("read {}, which must be a regular, readable file of at most 4 MiB", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no certificates.
    #[error("{} holds no PEM certificate", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
    },
    /// The client's certificate and key are unusable.
    #[error("{} and {} hold no PEM certificate with its private key", certificate.display(), key.display())]
    Identity {
        /// The file with the certificate chain.
        certificate: PathBuf,
        /// The file with the private key.
        key: PathBuf,
    },
    /// The client cannot be built from its parts.
    #[error("set up TLS")]
    Client(#[source] TransportCause),
}

/// The innermost reason of a fault in one line; the layers between add nothing a person can use.
pub struct TransportCause(reqwest::Error);

impl HttpError {
    /// Says whether the same request may succeed if it is sent again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Timeout { .. } | Self::Broken(_) => true,
            Self::Tls(_) | Self::TooLarge { .. } | Self::Redirect { .. } | Self::Request(_) => {
                false
            }
        }
    }

    pub(super) fn late(deadline: Deadline) -> Self {
        Self::Timeout {
            limit: deadline.limit(),
        }
    }

    pub(super) fn from_send(error: reqwest::Error) -> Self {
        if is_lasting_tls_fault(&error) {
            Self::Tls(TransportCause::new(error))
        } else if error.is_builder() {
            Self::Request(TransportCause::new(error))
        } else if error.is_connect() {
            Self::Connect(TransportCause::new(error))
        } else {
            Self::Broken(TransportCause::new(error))
        }
    }

    pub(super) fn from_body(error: reqwest::Error) -> Self {
        if is_lasting_tls_fault(&error) {
            Self::Tls(TransportCause::new(error))
        } else {
            Self::Broken(TransportCause::new(error))
        }
    }
}

impl HttpSettingsError {
    /// Says whether trying again may help: never, a person must correct the settings.
    pub fn is_transient(&self) -> bool {
        false
    }
}

impl TransportCause {
    pub(super) fn new(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl fmt::Display for TransportCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let innermost = chain(&self.0).last().map(ToString::to_string);
        f.write_str(&super::quote(innermost.unwrap_or_default().as_bytes()))
    }
}

impl fmt::Debug for TransportCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportCause({:?})", self.to_string())
    }
}

impl Error for TransportCause {}

/// Returns what an error says, with its cause behind it.
pub(in crate::clients) fn with_cause(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

/// Walks from an error to its innermost reason.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error = *error;
        match error.downcast_ref::<io::Error>() {
            // `io::Error::source` skips the error it wraps.
            Some(wrapper) => wrapper
                .get_ref()
                .map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Says whether TLS failed for a reason that stays: certificates, versions, or a partner that speaks no TLS.
fn is_lasting_tls_fault(error: &reqwest::Error) -> bool {
    chain(error).any(|error| match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::AlertReceived(alert)) => !matches!(
            alert,
            AlertDescription::CloseNotify
                | AlertDescription::UserCanceled
                | AlertDescription::InternalError
        ),
        Some(_) => true,
        None => false,
    })
}
