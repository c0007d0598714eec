//! How requests reach Argo CD and what comes back: signed, bounded, and JSON or an error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::error::ArgoFault;
use super::login::Login;
use super::refusal::{ArgoRefusal, said_in};
use super::settings::ArgoSettings;
use crate::clients::http::{
    Deadline, Failure, HttpClient, HttpError, HttpSettings, Method, Purpose, Repeat,
    RequestBuilder, Response, RetryPolicy, accept_json,
};
use crate::redact::Scanner;

/// How often a question is asked before its failure counts.
const READ_TRIES: usize = 3;

/// What every request but a GET must say it carries, even if it carries nothing. Argo CD compares it to the letter.
const JSON: &str = "application/json";

/// One way to Argo CD.
pub(super) struct ArgoTransport {
    http: HttpClient,
    login: Login,
    limit: Duration,
    pause: Duration,
    /// Takes what is secret elsewhere out of what the server says, too.
    secrets: Arc<Scanner>,
}

/// One request.
pub(super) struct ArgoRequest<'a> {
    pub(super) method: Method,
    pub(super) path: Vec<&'a str>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Vec<u8>>,
}

/// Who a request comes from.
enum Signed<'a> {
    Nobody,
    By(&'a SecretString),
}

impl ArgoTransport {
    pub(super) fn new(settings: &ArgoSettings, secrets: Arc<Scanner>) -> Result<Self, ArgoFault> {
        let limit = settings.call_timeout.min(settings.timeout);
        let http = HttpClient::new(
            settings.server.clone(),
            &HttpSettings {
                ca_file: settings.ca_file.clone(),
                timeout: limit,
                max_body: settings.max_answer,
                ..HttpSettings::default()
            },
        )
        .map_err(ArgoFault::Settings)?;
        Ok(Self {
            http,
            login: Login::new(&settings.auth),
            limit,
            pause: settings.pause,
            secrets,
        })
    }

    /// Asks a question, and asks again after a fault that may pass, while the call has time.
    pub(super) async fn read(
        &self,
        deadline: Deadline,
        call: &ArgoRequest<'_>,
    ) -> Result<Vec<u8>, ArgoFault> {
        let token = self.token(deadline).await?;
        self.repeat(deadline, call, &Signed::By(&token)).await
    }

    /// Asks a question that needs no account.
    pub(super) async fn read_unsigned(
        &self,
        deadline: Deadline,
        call: &ArgoRequest<'_>,
    ) -> Result<Vec<u8>, ArgoFault> {
        self.repeat(deadline, call, &Signed::Nobody).await
    }

    /// Asks a question once, which may take as long as the call has time.
    pub(super) async fn read_once(
        &self,
        deadline: Deadline,
        call: &ArgoRequest<'_>,
    ) -> Result<Vec<u8>, ArgoFault> {
        let token = self.token(deadline).await?;
        self.once(deadline, call, &Signed::By(&token)).await
    }

    /// Has something done. It is sent once: after a doubtful fault the caller looks before it repeats anything.
    pub(super) async fn write(
        &self,
        deadline: Deadline,
        call: &ArgoRequest<'_>,
    ) -> Result<Vec<u8>, ArgoFault> {
        let token = self.token(deadline).await?;
        self.once(deadline.at_most(self.limit), call, &Signed::By(&token))
            .await
    }

    async fn token(&self, deadline: Deadline) -> Result<SecretString, ArgoFault> {
        let post = async |body| {
            let call = ArgoRequest {
                method: Method::POST,
                path: vec!["api", "v1", "session"],
                query: Vec::new(),
                body: Some(body),
            };
            self.once(deadline.at_most(self.limit), &call, &Signed::Nobody)
                .await
        };
        self.login.token(post).await
    }

    async fn repeat(
        &self,
        deadline: Deadline,
        call: &ArgoRequest<'_>,
        signed: &Signed<'_>,
    ) -> Result<Vec<u8>, ArgoFault> {
        let attempt = async || {
            let answer = self.once(deadline.at_most(self.limit), call, signed).await;
            answer.map_err(|fault| Failure {
                repeat: Repeat::when(fault.is_worth_repeating()),
                error: fault,
                retry_after: None,
            })
        };
        RetryPolicy::doubling(self.pause, READ_TRIES)
            .run(deadline, attempt)
            .await
    }

    async fn once(
        &self,
        deadline: Deadline,
        call: &ArgoRequest<'_>,
        signed: &Signed<'_>,
    ) -> Result<Vec<u8>, ArgoFault> {
        if deadline.is_over() {
            let limit = deadline.limit();
            return Err(ArgoFault::Deadline { limit });
        }
        let request = self.request(call, signed);
        let purpose = Purpose::of(&call.method);
        match self.http.send_within(deadline, purpose, request).await {
            Ok(answer) => self.judge(answer, signed),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn request(&self, call: &ArgoRequest<'_>, signed: &Signed<'_>) -> RequestBuilder {
        let path = call.path.iter().copied();
        let mut request = accept_json(self.http.request(call.method.clone(), path));
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Signed::By(token) = signed {
            request = request.bearer_auth(token.expose_secret());
        }
        if call.method != Method::GET {
            request = request.header(CONTENT_TYPE, JSON);
        }
        match &call.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }

    fn judge(&self, answer: Response, signed: &Signed<'_>) -> Result<Vec<u8>, ArgoFault> {
        let status = answer.status.as_u16();
        let is_json = answer.media_type() == JSON;
        if answer.status.is_success() && is_json {
            return Ok(answer.body);
        }
        if let Some((code, message)) = said_in(&answer.body).filter(|_| is_json) {
            let refusal = ArgoRefusal {
                status,
                code,
                words: self.words(&message, signed),
                message: &message,
                remedy: self.login.remedy(),
            };
            return Err(refusal.classify());
        }
        let words = self.words(&String::from_utf8_lossy(&answer.body), signed);
        Err(match status {
            415 => ArgoFault::ContentType { words },
            429 => ArgoFault::Throttled { words },
            408 | 500..=599 => ArgoFault::Server { status, words },
            _ => ArgoFault::NotArgo {
                status,
                came: match answer.media_type() {
                    none if none.is_empty() => "something without a content type".to_owned(),
                    kind => self.words(&kind, signed),
                },
                words,
            },
        })
    }

    /// Returns what the server said, short, on one line, and without our secrets.
    fn words(&self, said: &str, signed: &Signed<'_>) -> String {
        let token = match signed {
            Signed::By(token) => Some(*token),
            Signed::Nobody => None,
        };
        let secrets = token.into_iter().chain([self.login.secret()]);
        let mut all = Scanner::new(secrets.map(ExposeSecret::expose_secret));
        all.join(&self.secrets);
        let said = all.redact(said);
        self.http.quote(said.as_bytes())
    }

    fn fault(&self, error: HttpError) -> ArgoFault {
        match error {
            HttpError::Redirect { to, .. } if self.is_own_host_by_https(&to) => {
                ArgoFault::WantsHttps
            }
            HttpError::Redirect { to, .. } => ArgoFault::Redirect { to },
            HttpError::TooLarge { limit } => ArgoFault::TooLarge { limit },
            HttpError::Connect(_)
            | HttpError::Tls(_)
            | HttpError::Timeout { .. }
            | HttpError::Broken(_)
            | HttpError::Request(_) => ArgoFault::Transport(error),
        }
    }

    /// Tells whether a redirect leads from plain HTTP to the same host by HTTPS, on whatever port.
    fn is_own_host_by_https(&self, to: &str) -> bool {
        let (Ok(from), Ok(to)) = (Url::parse(&self.http.origin()), Url::parse(to)) else {
            return false;
        };
        from.scheme() == "http" && to.scheme() == "https" && from.host() == to.host()
    }
}

impl fmt::Debug for ArgoTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("http", &self.http)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl<'a> ArgoRequest<'a> {
    pub(super) fn get(path: Vec<&'a str>, query: Vec<(&'static str, String)>) -> Self {
        Self {
            method: Method::GET,
            path,
            query,
            body: None,
        }
    }

    pub(super) fn post(path: Vec<&'a str>, body: &Value) -> Self {
        Self {
            method: Method::POST,
            path,
            query: Vec::new(),
            body: Some(body.to_string().into_bytes()),
        }
    }
}
