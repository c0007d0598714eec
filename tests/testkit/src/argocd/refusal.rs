//! How the API says no.

use serde_json::json;

use super::routes::Answer;

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument,
    NotFound,
    PermissionDenied,
    FailedPrecondition,
    Internal,
    Unauthenticated,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: Code,
    message: String,
}

impl Code {
    /// Returns the number that gRPC gives it, and the HTTP status that the gateway makes of it.
    fn numbers(self) -> (u8, u16) {
        match self {
            Self::InvalidArgument => (3, 400),
            Self::NotFound => (5, 404),
            Self::PermissionDenied => (7, 403),
            Self::FailedPrecondition => (9, 400),
            Self::Internal => (13, 500),
            Self::Unauthenticated => (16, 401),
        }
    }
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(super) fn precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    pub(super) fn denied() -> Self {
        Self::new(Code::PermissionDenied, "permission denied")
    }

    pub(super) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, message)
    }

    /// What the gateway says when a field is missing without which it cannot pass the request on.
    pub(super) fn missing(field: &str) -> Self {
        let message =
            format!("grpc: error while marshaling: proto: required field \"{field}\" not set");
        Self::new(Code::Internal, message)
    }

    pub(super) fn answer(&self) -> Answer {
        let (code, status) = self.code.numbers();
        let body = json!({ "error": self.message, "code": code, "message": self.message });
        Answer::json(status, &body)
    }
}
