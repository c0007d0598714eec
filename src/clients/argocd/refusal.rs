//! What a refusal means. The HTTP status says too little: most refusals are a 400, told apart by the gRPC code in the
//! body and by words in the message. Source of codes and words: the source of Argo CD 3.5.

use serde_json::Value;

use super::error::ArgoFault;
use super::json::{integer, text};

const INVALID_ARGUMENT: i64 = 3;
const PERMISSION_DENIED: i64 = 7;
const FAILED_PRECONDITION: i64 = 9;

/// A refusal as it came.
pub(super) struct ArgoRefusal<'a> {
    pub(super) status: u16,
    /// The gRPC code, where the body has one.
    pub(super) code: Option<i64>,
    /// The whole message.
    pub(super) message: &'a str,
    /// The message, fit to be shown.
    pub(super) words: String,
    /// What to do when the token does not count.
    pub(super) remedy: &'static str,
}

/// Returns gRPC code and message of a body; nothing if it is not one of Argo CD's.
pub(super) fn said_in(body: &[u8]) -> Option<(Option<i64>, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let message = text(&body, "/message").or_else(|| text(&body, "/error"))?;
    Some((integer(&body, "/code"), message))
}

impl ArgoRefusal<'_> {
    /// Names the refusal.
    pub(super) fn classify(self) -> ArgoFault {
        if let Some(fault) = self.known() {
            return fault;
        }
        let Self {
            status,
            words,
            remedy,
            ..
        } = self;
        match status {
            401 => ArgoFault::Unauthorized { remedy, words },
            403 => ArgoFault::Forbidden { words },
            404 => ArgoFault::NotFound { words },
            429 => ArgoFault::Throttled { words },
            501 => ArgoFault::Refused { status, words },
            408 | 500..=599 => ArgoFault::Server { status, words },
            _ => ArgoFault::Refused { status, words },
        }
    }

    /// Looks for the words that tell more than the status, in the order in which they are to be believed.
    fn known(&self) -> Option<ArgoFault> {
        let says = |words: &str| self.message.contains(words);
        let words = || self.words.clone();
        match self.code? {
            FAILED_PRECONDITION if says("auto-sync is enabled") => Some(ArgoFault::AutoSyncOn),
            FAILED_PRECONDITION if says("another operation is already in progress") => {
                Some(ArgoFault::OperationInProgress)
            }
            FAILED_PRECONDITION if says("application is deleting") => Some(ArgoFault::Deleting),
            FAILED_PRECONDITION if says("auto-sync currently set to") => {
                Some(ArgoFault::ForeignRevision { words: words() })
            }
            FAILED_PRECONDITION if says("v0.11 or lower") => Some(ArgoFault::HistoryTooOld),
            INVALID_ARGUMENT if says("does not have deployment with id") => {
                Some(ArgoFault::NoSuchHistoryId { words: words() })
            }
            INVALID_ARGUMENT if says("No operation is in progress") => {
                Some(ArgoFault::NothingToTerminate)
            }
            INVALID_ARGUMENT if says("spec for") && says("is invalid") => {
                Some(ArgoFault::SpecInvalid { words: words() })
            }
            INVALID_ARGUMENT if says("app is not allowed in project") => {
                Some(ArgoFault::ProjectRefuses { words: words() })
            }
            PERMISSION_DENIED if says("blocked by sync window") => Some(ArgoFault::SyncWindow),
            _ => None,
        }
    }
}
