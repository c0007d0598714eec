//! How requests reach GitHub: octocrab writes and reads them, and the program's own HTTP client carries them, so that
//! the library's habits (repeating a POST, following a redirect, waiting and reading for ever) have no place.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};

use super::identity::{GithubIdentity, TokenRequest};
use super::settings::GithubSettings;
use crate::clients::forge::error::ForgeFault;
use crate::clients::forge::refusal::{refusal, said_in};
use crate::clients::http::{
    Deadline, Failure, HttpClient, HttpSettings, Method, Purpose, Repeat, Response, RetryPolicy,
    StatusCode, quote,
};
use crate::redact::Scanner;

/// How often a question is asked before its failure counts.
const READ_TRIES: usize = 3;

/// The version of the API that is spoken.
const API_VERSION: &str = "2022-11-28";

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
    ) -> Result<Self, ForgeFault> {
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
    ) -> Result<T, ForgeFault>
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

    /// Tells whether a question may be asked again after a fault. An App's token that was taken back is replaced by the
    /// next request, once.
    fn failure(&self, fault: ForgeFault) -> Failure<ForgeFault> {
        let is_replaced = matches!(fault, ForgeFault::Unauthorized { .. }) && self.carrier.is_app();
        let failure = fault.failure();
        match is_replaced {
            true => Failure {
                repeat: Repeat::Once,
                ..failure
            },
            false => failure,
        }
    }

    /// Has something done. It is sent once: after a doubtful fault the caller looks before it repeats anything.
    pub(super) async fn write<T>(
        &self,
        deadline: Deadline,
        ask: impl Future<Output = octocrab::Result<T>>,
    ) -> Result<T, ForgeFault> {
        self.once(deadline, ask).await
    }

    async fn once<T>(
        &self,
        deadline: Deadline,
        ask: impl Future<Output = octocrab::Result<T>>,
    ) -> Result<T, ForgeFault> {
        match tokio::time::timeout_at(deadline.at(), ask).await {
            Err(_) => Err(ForgeFault::Deadline),
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
    ) -> Result<Option<SecretString>, ForgeFault> {
        tokio::time::timeout_at(deadline.at(), self.carrier.token())
            .await
            .unwrap_or(Err(ForgeFault::Deadline))
    }

    /// Takes our own fault out of the library's error. What is left are answers that it cannot read.
    fn fault(&self, error: octocrab::Error) -> ForgeFault {
        let unreadable =
            |words: String| ForgeFault::answer(self.carrier.client.quote(words.as_bytes()));
        if let octocrab::Error::Service { source, .. } = error {
            match source.downcast::<ForgeFault>() {
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
    ) -> Result<http::Response<reqwest::Body>, ForgeFault> {
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

    async fn token(&self) -> Result<Option<SecretString>, ForgeFault> {
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
    ) -> Result<Response, ForgeFault> {
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
        let needs = answer.header("x-accepted-github-permissions");
        let needs = needs.map(|needs| quote(needs.as_bytes()));
        Err(refusal(&answer, self.words(&answer.body, token), needs))
    }

    /// Returns what GitHub says in its own words, without the token.
    fn words(&self, body: &[u8], token: Option<&SecretString>) -> String {
        let words = Scanner::new(token.map(ExposeSecret::expose_secret)).redact(&said_in(body));
        self.client.quote(words.as_bytes())
    }
}
