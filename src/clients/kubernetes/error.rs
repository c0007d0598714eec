//! What an API server refuses, in words for people: never a whole object, which may hold secrets.

use kube::core::Status;

/// Why something could not be done at the API server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tried}: {fault}")]
pub struct KubernetesError {
    /// What was tried, on what.
    pub tried: String,
    /// What came of it.
    pub fault: KubernetesFault,
}

/// What came of a call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubernetesFault {
    /// It could not be sent: the settings do not lead to an API server.
    #[error("{0}")]
    Settings(String),
    /// The token is not accepted.
    #[error("the API server does not accept the token (401)")]
    Unauthorized,
    /// A right is missing; the API server says which.
    #[error("{0}")]
    Forbidden(String),
    /// The object is not there.
    #[error("it is not there (404)")]
    NotFound,
    /// The kind is not there, as where its CustomResourceDefinition is not installed.
    #[error("the API server does not know this kind (404 page not found)")]
    NotServed,
    /// Somebody wrote it since it was read.
    #[error("somebody else wrote it meanwhile (409)")]
    Conflict,
    /// Somebody made it meanwhile.
    #[error("somebody else made it meanwhile (409)")]
    Exists,
    /// It may not be changed, for good.
    #[error("it is immutable")]
    Immutable,
    /// It is refused as it is.
    #[error("{0}")]
    Invalid(String),
    /// The API server has too much to do and did not take it up.
    #[error("the API server is too busy (429)")]
    Busy,
    /// The API server is not there, or is in trouble.
    #[error("{0}")]
    Unavailable(String),
    /// There was no answer: it is not known whether it was done.
    #[error("{0}")]
    NoAnswer(String),
}

/// Longest quote of what the API server says (characters).
const LONGEST: usize = 300;

impl KubernetesFault {
    pub(super) fn of(error: &kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self::told(status);
        }
        if let kube::Error::Auth(error) = error {
            return Self::Settings(format!(
                "no token can be had ({}); check the service account, or the user in KUBECONFIG",
                short(&error.to_string())
            ));
        }
        if matches!(error, kube::Error::SerdeError(_)) {
            return Self::NoAnswer("the answer is not one of an API server".to_owned());
        }
        if let kube::Error::ReadEvents(error) = error
            && error.kind() == std::io::ErrorKind::FileTooLarge
        {
            return Self::Invalid("the answer is too large to be read".to_owned());
        }
        let text = short(&with_causes(error));
        match text.to_lowercase().contains("connect") {
            true => Self::Unavailable(text),
            false => Self::NoAnswer(text),
        }
    }

    fn told(status: &Status) -> Self {
        let message = match unknown_field(&status.message) {
            Some(field) => format!("the object has no field {field}"),
            None => short(&status.message),
        };
        match (status.code, status.reason.as_str()) {
            (401, _) => Self::Unauthorized,
            (403, _) => Self::Forbidden(message),
            // Only of an object it says so in a Status of its own.
            (404, reason) if reason != "NotFound" => Self::NotServed,
            (404, _) => Self::NotFound,
            (409, "AlreadyExists") => Self::Exists,
            (409, _) => Self::Conflict,
            (429, _) => Self::Busy,
            (422, _) if message.contains("immutable") => Self::Immutable,
            // A list that went on too long has to be begun anew, so that asking the same again is of no use.
            (400 | 410 | 413 | 415 | 422, _) => Self::Invalid(message),
            // Whether it was done is not known.
            (504, _) => Self::NoAnswer(message),
            (code, _) => Self::Unavailable(format!("{message} ({code})")),
        }
    }

    /// Tells whether waiting may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy | Self::Unavailable(_) | Self::NoAnswer(_) => true,
            Self::Settings(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::NotFound
            | Self::NotServed
            | Self::Conflict
            | Self::Exists
            | Self::Immutable
            | Self::Invalid(_) => false,
        }
    }

    /// Says what a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Settings(_) => "doctor shows what was read",
            Self::Unauthorized => "check the service account's token, or the user in KUBECONFIG",
            Self::Forbidden(_) => "grant the Role that `doctor --print-rbac` prints",
            Self::NotFound => "make the namespace, or name another with STATE_NAMESPACE",
            Self::NotServed => "install its CustomResourceDefinition",
            Self::Conflict | Self::Exists => "the next run reads it again",
            Self::Immutable => {
                "delete the ConfigMap, so that the next run fills another one from git"
            }
            Self::Invalid(_) => "look at the object: an admission policy may refuse it",
            Self::Busy | Self::Unavailable(_) | Self::NoAnswer(_) => {
                "the next run tries again; raise STATE_TIMEOUT where the API server is only slow"
            }
        }
    }
}

/// Returns the first field that a strict check does not know. The message quotes the whole object before it.
fn unknown_field(message: &str) -> Option<&str> {
    let (_, after) = message.split_once("strict decoding error: unknown field \"")?;
    let (field, _) = after.split_once('"')?;
    let is_path = field
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".[]-_/".contains(&byte));
    is_path.then_some(field)
}

/// Cuts what may quote a whole object, and what is too long for a sentence.
pub(super) fn short(text: &str) -> String {
    let end = ["strict decoding error:", "json:", "Invalid value: \"{"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    let plain: String = text[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    plain.trim().to_owned()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        let more = below.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = below.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_quotes_the_object_is_cut() {
        let told = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: \
                    unknown field, {\"data\":{\"password\":\"hunter2\"}}";
        assert_eq!(
            short(told),
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap:"
        );
        let quoted = r#" "" is invalid: patch: Invalid value: "{\"env\":\"hunter2\"}": strict decoding error: unknown field "spec.replica""#;
        assert_eq!(short(quoted), "\"\" is invalid: patch:");
        assert_eq!(unknown_field(quoted), Some("spec.replica"));
        assert_eq!(short("a\nb"), "a b");
        assert_eq!(short(&"x".repeat(1000)).len(), LONGEST);
    }

    #[test]
    fn codes_are_told_apart() {
        let fault = |code: u16, reason: &str, message: &str| {
            let status = Status {
                code,
                reason: reason.to_owned(),
                message: message.to_owned(),
                status: None,
                metadata: None,
                details: None,
            };
            KubernetesFault::told(&status)
        };
        let table = [
            ((401, "Unauthorized", ""), KubernetesFault::Unauthorized),
            ((404, "NotFound", ""), KubernetesFault::NotFound),
            (
                (404, "Failed to parse error data", "404 page not found"),
                KubernetesFault::NotServed,
            ),
            ((409, "Conflict", ""), KubernetesFault::Conflict),
            ((409, "AlreadyExists", ""), KubernetesFault::Exists),
            (
                (429, "Failed to parse error data", "Too many requests"),
                KubernetesFault::Busy,
            ),
            (
                (
                    422,
                    "Invalid",
                    "data: Forbidden: field is immutable when `immutable` is set",
                ),
                KubernetesFault::Immutable,
            ),
            (
                (504, "Timeout", "later"),
                KubernetesFault::NoAnswer("later".to_owned()),
            ),
            (
                (500, "InternalError", "webhook"),
                KubernetesFault::Unavailable("webhook (500)".to_owned()),
            ),
        ];
        for ((code, reason, message), expected) in table {
            assert_eq!(fault(code, reason, message), expected);
        }
    }
}
