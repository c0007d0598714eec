//! Requests to the API of a forge that needs no library of its own: JSON, one token, one base URL.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::ForgeFault;
use super::refusal::{refusal, said_in};
use crate::clients::http::{
    Deadline, HttpAuth, HttpClient, HttpSettings, Method, Purpose, RequestBuilder, RetryPolicy,
};

/// How often a question is asked before its failure counts.
const READ_TRIES: usize = 3;

/// Where a repository is on a GitLab, Gitea or Forgejo, and how it lets us in.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// Base URL of the API, such as `https://gitlab.com/api/v4/`.
    pub api_url: Url,
    /// The repository as its address names it: `group/subgroup/name`, without `.git`.
    pub path: String,
    /// The token; without one only public repositories are read.
    pub token: Option<SecretString>,
    /// File with further root certificates.
    pub ca_file: Option<PathBuf>,
    /// Total time of one step, with all its requests and pauses.
    pub timeout: Duration,
    /// Total time of one request.
    pub call_timeout: Duration,
    /// Pause before something is asked a second time; it doubles.
    pub pause: Duration,
}

impl RestSettings {
    /// Returns settings with the usual limits: 60 s for a step, 10 s for a request, half a second before the next.
    pub fn new(api_url: Url, path: &str, token: Option<SecretString>) -> Self {
        Self {
            api_url,
            path: path.to_owned(),
            token,
            ca_file: None,
            timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(10),
            pause: Duration::from_millis(500),
        }
    }
}

/// One way to a forge.
#[derive(Debug)]
pub(super) struct RestTransport {
    pub(super) settings: RestSettings,
    /// What a token needs, for who is refused for a missing permission.
    needs: &'static str,
    /// Built when it is first needed: loading the platform's root certificates costs more than a healthy pass, which
    /// asks nothing here.
    client: OnceLock<HttpClient>,
}

impl RestTransport {
    pub(super) fn new(settings: RestSettings, needs: &'static str) -> Self {
        Self {
            settings,
            needs,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&HttpClient, ForgeFault> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let settings = &self.settings;
        let client = HttpClient::new(
            settings.api_url.clone(),
            &HttpSettings {
                auth: settings
                    .token
                    .clone()
                    .map_or(HttpAuth::None, HttpAuth::Bearer),
                ca_file: settings.ca_file.clone(),
                timeout: self.limit(),
                ..HttpSettings::default()
            },
        )?;
        Ok(self.client.get_or_init(|| client))
    }

    fn limit(&self) -> Duration {
        self.settings.call_timeout.min(self.settings.timeout)
    }

    /// Asks a question, and asks again after a fault that may pass, while the step has time.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        deadline: Deadline,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ForgeFault> {
        let client = self.client()?;
        let attempt = async || {
            let request = client.request(Method::GET, segments.iter().copied());
            self.once(deadline, &Method::GET, request.query(query))
                .await
                .map_err(ForgeFault::failure)
        };
        RetryPolicy::doubling(self.settings.pause, READ_TRIES)
            .run(deadline, attempt)
            .await
    }

    /// Has something done. It is sent once: after a doubtful fault the caller looks before it repeats anything.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        deadline: Deadline,
        method: Method,
        segments: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ForgeFault> {
        let client = self.client()?;
        let request = client.request(method.clone(), segments.iter().copied());
        self.once(deadline, &method, request.json(body)).await
    }

    async fn once<T: DeserializeOwned>(
        &self,
        deadline: Deadline,
        method: &Method,
        request: RequestBuilder,
    ) -> Result<T, ForgeFault> {
        if deadline.is_over() {
            return Err(ForgeFault::Deadline);
        }
        let client = self.client()?;
        let answer = client
            .send_within(
                deadline.at_most(self.limit()),
                Purpose::of(method),
                request.header("accept", "application/json"),
            )
            .await?;
        if !answer.status.is_success() {
            let words = client.quote(said_in(&answer.body).as_bytes());
            return Err(refusal(&answer, words, Some(self.needs.to_owned())));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| ForgeFault::answer(client.quote(error.to_string().as_bytes())))
    }

    pub(super) async fn pause(&self, deadline: Deadline) -> bool {
        deadline.pause(self.settings.pause).await
    }
}
