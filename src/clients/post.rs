//! JSON sent by POST to the systems that people are told by: when it is sent again, and what a refusal means.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::http::{
    Deadline, Failure, HttpAuth, HttpClient, HttpError, HttpSettings, HttpSettingsError, Method,
    Purpose, Repeat, Response, RetryPolicy, StatusCode, with_cause,
};

/// Largest answer that is read (bytes). These systems answer in a few hundred.
const MAX_ANSWER: usize = 64 * 1024;

/// How long one message may take.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Total time of one request. Protects the other messages from a server that hangs.
    pub call_timeout: Duration,
    /// Pauses before the second try, the third and so on; as many more tries as there are pauses.
    pub pauses: Vec<Duration>,
}

/// A message that could not be delivered.
#[derive(Debug, thiserror::Error)]
#[error("{tried}: {fault}")]
pub struct PostError {
    /// What was tried, on what; never a URL.
    pub tried: &'static str,
    /// What happened.
    pub fault: PostFault,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum PostFault {
    /// The client cannot be built from its settings.
    #[error("{0}")]
    Settings(#[from] HttpSettingsError),
    /// The answer never came or was cut.
    #[error("{}", with_cause(.0))]
    Transport(#[from] HttpError),
    /// The time for telling is over.
    #[error("not finished within the time for telling; a later run tries again")]
    Deadline,
    /// It asks to slow down. The message was not taken.
    #[error("asks to slow down (HTTP 429); a later run tries again")]
    RateLimited {
        /// For how long, where it says so.
        wait: Option<Duration>,
    },
    /// It has a fault.
    #[error("has a fault (HTTP {status}: {words}); a later run tries again")]
    Server {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: String,
    },
    /// It lets this program not in, or not there.
    #[error("refused (HTTP {status}: {words}); {remedy}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: String,
        /// What a person can do.
        remedy: &'static str,
    },
    /// It refuses this message, now and later.
    #[error("does not take this message (HTTP {status}: {words})")]
    Unfit {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: String,
    },
    /// The answer is not one of that system.
    #[error("the answer cannot be used ({words}); {remedy}")]
    Answer {
        /// A piece of it.
        words: String,
        /// What a person can do.
        remedy: &'static str,
    },
}

impl PostError {
    /// Tells whether the same may succeed without a person, if it is tried again.
    pub fn is_transient(&self) -> bool {
        self.fault.is_transient()
    }

    /// Tells whether no repeat can ever deliver this message, while others may be delivered.
    pub fn is_unfit(&self) -> bool {
        match self.fault {
            PostFault::Unfit { .. } => true,
            PostFault::Settings(_)
            | PostFault::Transport(_)
            | PostFault::Deadline
            | PostFault::RateLimited { .. }
            | PostFault::Server { .. }
            | PostFault::Refused { .. }
            | PostFault::Answer { .. } => false,
        }
    }

    /// Returns how long the system asks to be left alone, where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.fault.wait()
    }
}

impl PostFault {
    /// Tells whether the same may succeed without a person, if it is tried again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Deadline | Self::RateLimited { .. } | Self::Server { .. } => true,
            Self::Settings(_) | Self::Refused { .. } | Self::Unfit { .. } | Self::Answer { .. } => {
                false
            }
        }
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { wait } => *wait,
            Self::Settings(_)
            | Self::Transport(_)
            | Self::Deadline
            | Self::Server { .. }
            | Self::Refused { .. }
            | Self::Unfit { .. }
            | Self::Answer { .. } => None,
        }
    }

    /// Tells whether it may pass within moments. Who asks to slow down and does not say for how long wants minutes.
    fn is_short(&self) -> bool {
        match self {
            Self::RateLimited { wait } => wait.is_some(),
            Self::Settings(_)
            | Self::Transport(_)
            | Self::Deadline
            | Self::Server { .. }
            | Self::Refused { .. }
            | Self::Unfit { .. }
            | Self::Answer { .. } => self.is_transient(),
        }
    }

    /// Tells whether the message may have been taken all the same.
    fn is_doubtful(&self) -> bool {
        match self {
            Self::Transport(error) => match error {
                HttpError::Timeout { .. } | HttpError::Broken(_) => true,
                HttpError::Connect(_)
                | HttpError::Tls(_)
                | HttpError::TooLarge { .. }
                | HttpError::Redirect { .. }
                | HttpError::Request(_) => false,
            },
            Self::Settings(_)
            | Self::Deadline
            | Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Refused { .. }
            | Self::Unfit { .. }
            | Self::Answer { .. } => false,
        }
    }

    pub(super) fn tried(self, tried: &'static str) -> PostError {
        PostError { tried, fault: self }
    }
}

/// Whether a message that may have been taken is sent again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resend {
    /// The receiver knows it again.
    Freely,
    /// A second one would be seen: only where the first was surely not taken.
    Unseen,
}

/// One message to be sent.
pub(super) struct Parcel<'a> {
    pub(super) segments: &'a [&'a str],
    pub(super) content_type: &'a str,
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) body: Vec<u8>,
    pub(super) resend: Resend,
}

/// One system that takes messages.
pub(super) struct Post {
    base: Url,
    auth: HttpAuth,
    hidden: Vec<SecretString>,
    patience: Patience,
    /// Built when it is first needed: loading the platform's root certificates costs more than a healthy pass.
    client: OnceLock<HttpClient>,
}

impl Post {
    /// Prepares to send below a URL; sends nothing. `hidden` never shows in errors.
    pub(super) fn new(
        base: Url,
        auth: HttpAuth,
        hidden: Vec<SecretString>,
        patience: Patience,
    ) -> Self {
        Self {
            base,
            auth,
            hidden,
            patience,
            client: OnceLock::new(),
        }
    }

    /// Sends a message until an answer of success is there, a fault stays, or no time is left. `read` says what an
    /// answer with a status of success means: some systems refuse with it.
    pub(super) async fn send<T>(
        &self,
        deadline: Instant,
        parcel: &Parcel<'_>,
        read: impl Fn(Response) -> Result<T, PostFault>,
    ) -> Result<T, PostFault> {
        let deadline = Deadline::until(deadline);
        let attempt = async || {
            let tried = self.once(deadline, parcel).await;
            tried.and_then(&read).map_err(|fault| {
                let may_repeat =
                    fault.is_short() && (parcel.resend == Resend::Freely || !fault.is_doubtful());
                Failure {
                    repeat: Repeat::when(may_repeat),
                    retry_after: fault.wait(),
                    error: fault,
                }
            })
        };
        RetryPolicy::with_pauses(self.patience.pauses.iter().copied())
            .run(deadline, attempt)
            .await
    }

    async fn once(&self, deadline: Deadline, parcel: &Parcel<'_>) -> Result<Response, PostFault> {
        if deadline.is_over() {
            return Err(PostFault::Deadline);
        }
        let client = self.client()?;
        let mut request = client
            .request(Method::POST, parcel.segments.iter().copied())
            .header("content-type", parcel.content_type)
            .body(parcel.body.clone());
        for (name, value) in parcel.headers {
            request = request.header(*name, value);
        }
        let deadline = deadline.at_most(self.patience.call_timeout);
        let answer = client
            .send_within(deadline, Purpose::Change, request)
            .await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let words = self.words(&answer.body);
        let status = answer.status.as_u16();
        Err(match answer.status {
            StatusCode::TOO_MANY_REQUESTS => PostFault::RateLimited {
                wait: answer.retry_after(),
            },
            StatusCode::REQUEST_TIMEOUT => PostFault::Server { status, words },
            refused if refused.is_client_error() => PostFault::Refused {
                status,
                words,
                remedy: "",
            },
            _ => PostFault::Server { status, words },
        })
    }

    fn client(&self) -> Result<&HttpClient, PostFault> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let settings = HttpSettings {
            auth: self.auth.clone(),
            hidden: self.hidden.clone(),
            timeout: self.patience.call_timeout,
            max_body: MAX_ANSWER,
            ..HttpSettings::default()
        };
        let client = HttpClient::new(self.base.clone(), &settings)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Returns a short piece of an answer without what must not be repeated.
    pub(super) fn words(&self, body: &[u8]) -> String {
        match self.client.get() {
            Some(client) => client.quote(body),
            None => String::new(),
        }
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("host", &self.base.host_str())
            .finish_non_exhaustive()
    }
}

/// Returns the pieces of a secret URL that must not be repeated: the whole, and everything behind the host. A path of
/// a few letters is no secret.
pub(super) fn pieces(url: &SecretString) -> Vec<SecretString> {
    let text = url.expose_secret();
    let Ok(parsed) = Url::parse(text) else {
        return vec![url.clone()];
    };
    let behind = &parsed[url::Position::BeforePath..];
    let segments = parsed.path().split('/').filter(|part| part.len() >= 8);
    let values: Vec<String> = parsed
        .query_pairs()
        .map(|(_, value)| value.into_owned())
        .filter(|value| value.len() >= 4)
        .collect();
    [text, parsed.as_str(), behind]
        .into_iter()
        .chain(segments)
        .chain(values.iter().map(String::as_str))
        .filter(|piece| piece.len() >= 4)
        .map(SecretString::from)
        .collect()
}
