//! How requests reach GitHub: octocrab writes and reads them, and the program's own HTTP client carries them, so that
//! the library's habits (repeating a POST, following a redirect, waiting and reading for ever) have no place.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::error::GithubFault;
use super::identity::{GithubIdentity, TokenRequest};
use super::settings::GithubSettings;
use crate::clients::http::{
    Deadline, Failure, HeaderMap, HttpClient, HttpSettings, Method, Purpose, Repeat, Response,
    RetryPolicy, StatusCode,
};
use crate::redact::Scanner;

/// How often a question is asked before its failure counts.
const READ_TRIES: usize = 3;

/// The version of the API that is spoken.
const API_VERSION: &str = "2022-11-28";

/// How long to stay away when GitHub asks to slow down and does not say for how long. Source: GitHub's documentation,
/// "Rate limits for the REST API": at least one minute.
const UNSAID_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// One way to GitHub.
pub(super) struct GithubTransport {
    pub(super) crab: Octocrab,
    carrier: Arc<Carrier>,
    pause: Duration,
}

/// Takes requests to GitHub, signed and bounded.
struct Carrier {
    client: HttpClient,
    identity: Arc<GithubIdentity>,
    repository: String,
    limit: Duration,
}

impl GithubTransport {
    pub(super) fn new(
        settings: &GithubSettings,
        identity: Arc<GithubIdentity>,
    ) -> Result<Self, GithubFault> {
        let limit = settings.call_timeout.min(settings.timeout);
        let client = HttpClient::new(
            settings.api_url.clone(),
            &HttpSettings {
                ca_file: settings.ca_file.clone(),
                timeout: limit,
                ..HttpSettings::default()
            },
        )?;
        let carrier = Arc::new(Carrier {
            client,
            identity,
            repository: settings.name.clone(),
            limit,
        });
        let service = tower::service_fn({
            let carrier = Arc::clone(&carrier);
            move |request: http::Request<OctoBody>| {
                let carrier = Arc::clone(&carrier);
                async move { carrier.carry(request).await }
            }
        });
        let built = OctocrabBuilder::new_empty()
            .with_service(service)
            .with_auth(AuthState::None)
            .build();
        let crab = match built {
            Ok(crab) => crab,
            Err(impossible) => match impossible {},
        };
        Ok(Self {
            crab,
            carrier,
            pause: settings.pause,
        })
    }

    /// Asks a question, and asks again after a fault that may pass, while the step has time.
    pub(super) async fn read<T, F>(
        &self,
        deadline: Deadline,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, GithubFault>
    where
        F: Future<Output = octocrab::Result<T>>,
    {
        let attempt = || {
            let asked = self.once(deadline, ask());
            asked.map(|answer| answer.map_err(|fault| self.failure(fault)))
        };
        RetryPolicy::doubling(self.pause, READ_TRIES)
            .run(deadline, attempt)
            .await
    }

    /// Tells whether a question may be asked again after a fault.
    fn failure(&self, fault: GithubFault) -> Failure<GithubFault> {
        let (repeat, retry_after) = match &fault {
            GithubFault::RateLimited { until } => {
                (Repeat::Yes, (*until - Utc::now()).to_std().ok())
            }
            // A token that was taken back is replaced by the next request, once.
            GithubFault::Unauthorized { .. } if self.carrier.is_app() => (Repeat::Once, None),
            GithubFault::Transport(_) | GithubFault::Server { .. } if fault.is_transient() => {
                (Repeat::Yes, None)
            }
            GithubFault::Transport(_)
            | GithubFault::Server { .. }
            | GithubFault::Unauthorized { .. }
            | GithubFault::Settings(_)
            | GithubFault::Key
            | GithubFault::Deadline
            | GithubFault::MovedAway { .. }
            | GithubFault::Forbidden { .. }
            | GithubFault::NotFound { .. }
            | GithubFault::Rejected { .. }
            | GithubFault::Answer { .. }
            | GithubFault::Refused { .. } => (Repeat::Never, None),
        };
        Failure {
            error: fault,
            repeat,
            retry_after,
        }
    }

    /// Has something done. It is sent once: after a doubtful fault the caller looks before it repeats anything.
    pub(super) async fn write<T>(
        &self,
        deadline: Deadline,
        ask: impl Future<Output = octocrab::Result<T>>,
    ) -> Result<T, GithubFault> {
        self.once(deadline, ask).await
    }

    async fn once<T>(
        &self,
        deadline: Deadline,
        ask: impl Future<Output = octocrab::Result<T>>,
    ) -> Result<T, GithubFault> {
        match tokio::time::timeout_at(deadline.at(), ask).await {
            Err(_) => Err(GithubFault::Deadline),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.fault(error)),
        }
    }

    /// Waits before a second look, while the step has time. Returns whether it had.
    pub(super) async fn pause(&self, deadline: Deadline) -> bool {
        deadline.pause(self.pause).await
    }

    /// Returns the token that this program signs in with; nothing when it signs in as nobody.
    pub(super) async fn token(
        &self,
        deadline: Deadline,
    ) -> Result<Option<SecretString>, GithubFault> {
        tokio::time::timeout_at(deadline.at(), self.carrier.token())
            .await
            .unwrap_or(Err(GithubFault::Deadline))
    }

    /// Takes our own fault out of the library's error. What is left are answers that it cannot read.
    fn fault(&self, error: octocrab::Error) -> GithubFault {
        let unreadable =
            |words: String| GithubFault::answer(self.carrier.client.quote(words.as_bytes()));
        if let octocrab::Error::Service { source, .. } = error {
            match source.downcast::<GithubFault>() {
                Ok(fault) => *fault,
                Err(other) => unreadable(other.to_string()),
            }
        } else {
            unreadable(error.to_string())
        }
    }
}

impl fmt::Debug for GithubTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("client", &self.carrier.client)
            .field("identity", &self.carrier.identity)
            .finish_non_exhaustive()
    }
}

impl Carrier {
    fn is_app(&self) -> bool {
        match &*self.identity {
            GithubIdentity::App(_) => true,
            GithubIdentity::Anonymous | GithubIdentity::Token(_) => false,
        }
    }

    async fn carry(
        &self,
        request: http::Request<OctoBody>,
    ) -> Result<http::Response<reqwest::Body>, GithubFault> {
        let token = self.token().await?;
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let body = (parts.method != Method::GET).then(|| reqwest::Body::wrap(body));
        let answer = self
            .exchange(parts.method, path, body, token.as_ref())
            .await?;
        let mut carried = http::Response::new(reqwest::Body::from(answer.body));
        *carried.status_mut() = answer.status;
        *carried.headers_mut() = answer.headers;
        Ok(carried)
    }

    async fn token(&self) -> Result<Option<SecretString>, GithubFault> {
        match &*self.identity {
            GithubIdentity::Anonymous => Ok(None),
            GithubIdentity::Token(token) => Ok(Some(token.clone())),
            GithubIdentity::App(app) => app
                .token(&self.repository, async |request: TokenRequest| {
                    let TokenRequest { path, body, claim } = request;
                    let body = Some(reqwest::Body::from(body));
                    let answer = self
                        .exchange(Method::POST, &path, body, Some(&claim))
                        .await?;
                    Ok(answer.body)
                })
                .await
                .map(Some),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<reqwest::Body>,
        token: Option<&SecretString>,
    ) -> Result<Response, GithubFault> {
        let purpose = Purpose::of(&method);
        let mut request = self
            .client
            .request_below(method, path)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", API_VERSION);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let answer = self
            .client
            .send_within(Deadline::within(self.limit), purpose, request)
            .await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        if let (StatusCode::UNAUTHORIZED, GithubIdentity::App(app)) =
            (answer.status, &*self.identity)
        {
            app.refuse_token();
        }
        Err(refusal(&answer, &self.words(&answer.body, token)))
    }

    /// Returns what GitHub says in its own words, without the token.
    fn words(&self, body: &[u8], token: Option<&SecretString>) -> String {
        let words = match serde_json::from_slice(body) {
            Ok(Value::Object(said)) => said_in(&Value::Object(said)),
            Ok(_) | Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        let words = Scanner::new(token.map(ExposeSecret::expose_secret)).redact(&words);
        self.client.quote(words.as_bytes())
    }
}

/// Reads the message and the details that GitHub puts beside it, which are texts or objects with a message of their
/// own.
fn said_in(body: &Value) -> String {
    let message = body
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let details = body
        .get("errors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|detail| {
            detail
                .as_str()
                .or_else(|| detail.get("message").and_then(Value::as_str))
        });
    std::iter::once(message)
        .chain(details)
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}

fn refusal(answer: &Response, words: &str) -> GithubFault {
    let words = words.to_owned();
    match answer.status.as_u16() {
        401 => GithubFault::Unauthorized { words },
        status @ (403 | 429) => match limited_until(status, answer, Utc::now()) {
            Some(until) => GithubFault::RateLimited { until },
            None => GithubFault::Forbidden {
                needs: text(&answer.headers, "x-accepted-github-permissions"),
                words,
            },
        },
        404 => GithubFault::NotFound { words },
        status @ (408 | 500..=599) => GithubFault::Server { status, words },
        status => GithubFault::Rejected { status, words },
    }
}

/// Returns until when GitHub asks to stay away. A 403 without any such word is a missing permission.
fn limited_until(status: u16, answer: &Response, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let headers = &answer.headers;
    if let Some(pause) = answer.retry_after() {
        return now.checked_add_signed(TimeDelta::from_std(pause).ok()?);
    }
    if text(headers, "x-ratelimit-remaining").as_deref() == Some("0") {
        let reset = text(headers, "x-ratelimit-reset")
            .and_then(|seconds| DateTime::from_timestamp(seconds.parse().ok()?, 0));
        return Some(reset.unwrap_or(now + UNSAID_PAUSE));
    }
    (status == 429).then_some(now + UNSAID_PAUSE)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(crate::clients::http::quote(value.as_bytes()))
}
