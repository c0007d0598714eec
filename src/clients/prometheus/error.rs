//! Why a question to Prometheus stays without an answer. None of the reasons says anything about the watched service.

use std::time::Duration;

use super::answer::{Unusable, Words};
use crate::clients::http::{Failure, HttpError, HttpSettingsError, Repeat, Response};

/// Words by which servers say that a query is too expensive, whatever the status they send it with.
/// Source: Prometheus, Mimir and Cortex, VictoriaMetrics' flags, and the limits of Thanos' stores.
const LIMIT_WORDS: [&str; 11] = [
    "too many samples",
    "query.max-samples",
    "err-mimir-max-",
    "-search.max",
    "exceeds the limit",
    "hit the max number of",
    "series limit",
    "samples limit",
    "chunks limit",
    "bytes limit",
    "violated (got ",
];

/// Words by which Thanos says, with the same status as for anything else that failed, that the time for a query was
/// over.
const TIME_WORDS: [&str; 2] = ["context deadline exceeded", "code = DeadlineExceeded"];

/// Words by which it says that it waited for a store in vain.
const CONNECTION_WORDS: &str = "connection error";

/// A question to Prometheus without an answer.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The settings cannot be used. Nothing was sent.
    #[error("set up the Prometheus client")]
    Settings(#[source] HttpSettingsError),
    /// No answer arrived.
    #[error("query Prometheus at {origin}: not reachable; check PROMETHEUS_URL and the network")]
    Unreachable {
        /// Scheme, host and port.
        origin: String,
        /// What happened.
        source: HttpError,
    },
    /// Server and client do not trust each other.
    #[error(
        "query Prometheus at {origin}: no trusted connection; check PROMETHEUS_CA_FILE and PROMETHEUS_CLIENT_CERT_FILE"
    )]
    Untrusted {
        /// Scheme, host and port.
        origin: String,
        /// What happened.
        source: HttpError,
    },
    /// The credentials were refused.
    #[error("query Prometheus at {origin}: access refused (HTTP {status}); {remedy}")]
    Refused {
        /// Scheme, host and port.
        origin: String,
        /// 401 or 403.
        status: u16,
        /// Which settings to look at.
        remedy: &'static str,
    },
    /// There is no query API at this path.
    #[error(
        "query Prometheus at {origin}: no query API at {path} (HTTP {status}); check that PROMETHEUS_URL is a Prometheus, with the path under which it serves where it has one"
    )]
    NotFound {
        /// Scheme, host and port.
        origin: String,
        /// The whole path that was tried.
        path: String,
        /// 404 or 406.
        status: u16,
    },
    /// The server is starting or stopping.
    #[error(
        "query Prometheus at {origin}: it is starting or stopping (HTTP 503: {said}); the next run asks again"
    )]
    Starting {
        /// Scheme, host and port.
        origin: String,
        /// What it said.
        said: String,
    },
    /// The server or a proxy before it has a problem or a limit on requests.
    #[error(
        "query Prometheus at {origin}: not available (HTTP {status}: {said}); look at the server or the proxy before it"
    )]
    Unavailable {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The query is wrong.
    #[error(
        "query Prometheus at {origin}: query refused (HTTP {status}: {said}); check SLI_BAD_QUERY, SLI_TOTAL_QUERY, SLI_SELECTOR and SLI_HISTOGRAMS"
    )]
    BadQuery {
        /// Scheme, host and port.
        origin: String,
        /// The status, usually 400.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The query failed while it was executed, and not by its size: a store behind the server does not answer, or
    /// series of the query do not match each other.
    #[error(
        "query Prometheus at {origin}: query not executed (HTTP {status}: {said}); look at what it names, which may be a store behind the server that does not answer, or series in SLI_BAD_QUERY and SLI_TOTAL_QUERY that do not match"
    )]
    NotExecuted {
        /// Scheme, host and port.
        origin: String,
        /// The status, usually 422.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The query exceeds a limit. A smaller question may succeed.
    #[error(
        "query Prometheus at {origin}: query beyond a limit (HTTP {status}: {said}); raise the server's limits or shorten SLO_WINDOW"
    )]
    TooExpensive {
        /// Scheme, host and port.
        origin: String,
        /// The status, usually 422.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The server gave the query up. A smaller question may succeed.
    #[error(
        "query Prometheus at {origin}: the server gave the query up (HTTP {status}: {said}); raise PROMETHEUS_TIMEOUT and the server's query timeout, or shorten SLO_WINDOW"
    )]
    TooSlow {
        /// Scheme, host and port.
        origin: String,
        /// The status, usually 503, or 422 from Thanos.
        status: u16,
        /// What it said.
        said: String,
    },
    /// Something else than a Prometheus API answers.
    #[error(
        "query Prometheus at {origin}: {content_type} instead of a JSON answer (HTTP {status}); check that PROMETHEUS_URL leads to Prometheus and not to a login page"
    )]
    NotPrometheus {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
        /// What came instead.
        content_type: String,
    },
    /// The answer is JSON but not what the API promises.
    #[error(
        "query Prometheus at {origin}: unusable answer: {reason}; check that PROMETHEUS_URL leads to Prometheus itself"
    )]
    Malformed {
        /// Scheme, host and port.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer exceeds a cap. The query groups by too much.
    #[error("query Prometheus at {origin}: answer too large ({size}); aggregate in the query")]
    TooLarge {
        /// Scheme, host and port.
        origin: String,
        /// Which cap it exceeds.
        size: String,
    },
    /// The answer was not complete within the total time.
    #[error("query Prometheus at {origin}: no complete answer within {} s; see PROMETHEUS_TIMEOUT", limit.as_secs_f64())]
    Timeout {
        /// Scheme, host and port.
        origin: String,
        /// The total time for all tries.
        limit: Duration,
    },
    /// The server wants to be asked elsewhere. Credentials do not follow.
    #[error(
        "query Prometheus at {origin}: redirected to {to} (HTTP {status}); set PROMETHEUS_URL to where it really is"
    )]
    Redirected {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
        /// The origin of the new place.
        to: String,
    },
}

/// Why a server that answers other questions refuses this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryFault {
    /// No server would answer it.
    Wrong,
    /// It failed in this server for another reason than its size.
    Failed,
    /// A smaller one may be answered.
    TooMuch,
}

impl PrometheusError {
    /// Returns what is wrong with the query, or nothing when the question failed for another reason.
    pub fn query_fault(&self) -> Option<QueryFault> {
        match self {
            Self::BadQuery { .. } => Some(QueryFault::Wrong),
            Self::NotExecuted { .. } => Some(QueryFault::Failed),
            Self::TooExpensive { .. } | Self::TooSlow { .. } => Some(QueryFault::TooMuch),
            Self::Settings(_)
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::Starting { .. }
            | Self::Unavailable { .. }
            | Self::NotPrometheus { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Timeout { .. }
            | Self::Redirected { .. } => None,
        }
    }

    /// Says whether the same question may have an answer later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.is_transient(),
            Self::Starting { .. }
            | Self::Unavailable { .. }
            | Self::TooSlow { .. }
            | Self::Timeout { .. } => true,
            Self::Settings(_)
            | Self::Untrusted { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::BadQuery { .. }
            | Self::NotExecuted { .. }
            | Self::TooExpensive { .. }
            | Self::NotPrometheus { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Redirected { .. } => false,
        }
    }

    /// Names a fault of transport. `limit` is the total time of the question.
    pub(super) fn from_fault(origin: String, limit: Duration, fault: HttpError) -> Self {
        match fault {
            HttpError::Connect(_) | HttpError::Broken(_) | HttpError::Request(_) => {
                Self::Unreachable {
                    origin,
                    source: fault,
                }
            }
            HttpError::Tls(_) => Self::Untrusted {
                origin,
                source: fault,
            },
            HttpError::Timeout { .. } => Self::Timeout { origin, limit },
            HttpError::TooLarge { limit } => Self::TooLarge {
                origin,
                size: format!("more than {limit} bytes"),
            },
            HttpError::Redirect { status, to } => Self::Redirected { origin, status, to },
        }
    }

    /// Names what is wrong with an answer. `quote` makes a reason safe to print.
    pub(super) fn from_unusable(
        origin: String,
        unusable: Unusable,
        quote: impl Fn(&str) -> String,
    ) -> Self {
        match unusable {
            Unusable::Malformed(reason) => Self::Malformed {
                origin,
                reason: quote(&reason),
            },
            Unusable::TooMany { found, limit } => Self::TooLarge {
                origin,
                size: format!("{found} series, at most {limit} are read"),
            },
        }
    }
}

/// An answer that is not a success.
pub(super) struct QueryRefusal<'a> {
    pub(super) origin: String,
    pub(super) path: String,
    pub(super) remedy: &'static str,
    pub(super) response: &'a Response,
    /// What the server said if it spoke JSON.
    pub(super) words: Option<Words>,
}

impl QueryRefusal<'_> {
    /// Tells the reason of a refusal and whether asking again may help. `quote` makes a text safe to print.
    pub(super) fn classify(self, quote: impl Fn(&str) -> String) -> Failure<PrometheusError> {
        let Self {
            origin,
            path,
            remedy,
            response,
            words,
        } = self;
        let status = response.status.as_u16();
        let is_json = words.is_some();
        let words = words.unwrap_or_default();
        let kind = words.kind.unwrap_or_default();
        let error = words.error;
        let error = error.unwrap_or_else(|| String::from_utf8_lossy(&response.body).into_owned());
        let said = quote(&error);
        // In the whole text: what wraps it may be long.
        let says = |words: &[&str]| is_json && words.iter().any(|word| error.contains(word));
        let exceeds_limit = status != 429 && says(&LIMIT_WORDS);
        let exceeds_time = says(&TIME_WORDS) && !says(&[CONNECTION_WORDS]);
        let not_prometheus = |origin| PrometheusError::NotPrometheus {
            origin,
            status,
            content_type: match response.media_type() {
                none if none.is_empty() => "no content type".to_owned(),
                text => quote(&text),
            },
        };
        let (error, repeat) = match (status, kind.as_str()) {
            (401 | 403, _) => (
                PrometheusError::Refused {
                    origin,
                    status,
                    remedy,
                },
                Repeat::Never,
            ),
            (404 | 406, _) => (
                PrometheusError::NotFound {
                    origin,
                    path,
                    status,
                },
                Repeat::Never,
            ),
            _ if exceeds_limit => (
                PrometheusError::TooExpensive {
                    origin,
                    status,
                    said,
                },
                Repeat::Never,
            ),
            (422, _) | (200, "execution") if exceeds_time => (
                PrometheusError::TooSlow {
                    origin,
                    status,
                    said,
                },
                Repeat::Once,
            ),
            (422, _) | (200, "execution") if is_json => (
                PrometheusError::NotExecuted {
                    origin,
                    status,
                    said,
                },
                Repeat::Never,
            ),
            (400, _) | (200, "bad_data") if is_json => (
                PrometheusError::BadQuery {
                    origin,
                    status,
                    said,
                },
                Repeat::Never,
            ),
            (200 | 503, "timeout") if is_json => (
                PrometheusError::TooSlow {
                    origin,
                    status,
                    said,
                },
                Repeat::Once,
            ),
            (503, _) if is_json => (
                PrometheusError::Unavailable {
                    origin,
                    status,
                    said,
                },
                Repeat::Once,
            ),
            (503, _) if response.media_type() == "text/plain" => {
                (PrometheusError::Starting { origin, said }, Repeat::Yes)
            }
            (408 | 429 | 502 | 503 | 504, _) => (
                PrometheusError::Unavailable {
                    origin,
                    status,
                    said,
                },
                Repeat::Yes,
            ),
            (499 | 500.., _) => (
                PrometheusError::Unavailable {
                    origin,
                    status,
                    said,
                },
                Repeat::Once,
            ),
            (200, "canceled" | "internal" | "unavailable") => (
                PrometheusError::Unavailable {
                    origin,
                    status,
                    said,
                },
                Repeat::Once,
            ),
            (_, _) if is_json => (
                PrometheusError::Malformed {
                    origin,
                    reason: format!("HTTP {status}: {said}"),
                },
                Repeat::Never,
            ),
            (_, _) => (not_prometheus(origin), Repeat::Never),
        };
        Failure {
            error,
            repeat,
            retry_after: response.retry_after(),
        }
    }
}
