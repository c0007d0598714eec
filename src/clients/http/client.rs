//! One client for one base URL, and the answers that it reads.

use std::fmt;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Host, Position, Url};

use super::deadline::Deadline;
use super::error::{HttpError, HttpSettingsError, TransportCause};
use super::purpose::Purpose;
use super::quote::{quotable, quote, quote_ends};
use super::settings::HttpSettings;
use crate::redact::Scanner;

/// Time for one connection to be made. Protects the total time of a request from a host that drops packets: the
/// request ends as [`HttpError::Connect`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is read beside others without waiting for its turn (bytes): far above what a pass asks for.
const SMALL: usize = 64 * 1024;

/// The turn of larger answers in the whole process: one is in memory as it came and as it is read, several times its
/// size, and many services may get one at once. Source: our rule, for a peak of 128 MiB.
static LARGE: Semaphore = Semaphore::const_new(1);

/// Talks to one outside system.
pub struct HttpClient {
    inner: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    secrets: Vec<SecretString>,
    timeout: Duration,
    max_body: usize,
    sent: AtomicU64,
}

/// A whole answer, whatever its status.
pub struct Response {
    /// The status, never a redirection.
    pub status: StatusCode,
    /// The headers as received.
    pub headers: HeaderMap,
    /// The body, at most as long as [`HttpSettings::max_body`].
    pub body: Vec<u8>,
    /// Its turn, where it is large: the next one is read once this one is gone.
    _turn: Option<SemaphorePermit<'static>>,
}

/// An answer whose body is read piece by piece.
pub struct Streaming {
    /// The status, never a redirection.
    pub status: StatusCode,
    /// The headers as received.
    pub headers: HeaderMap,
    purpose: Purpose,
    inner: reqwest::Response,
}

impl HttpClient {
    /// Builds the client for everything below `base`. Reads the certificate files, sends nothing.
    ///
    /// # Errors
    ///
    /// Fails if `base` is not plain `http` or `https`, carries user info, or a header or certificate file is unusable.
    pub fn new(base: Url, settings: &HttpSettings) -> Result<Self, HttpSettingsError> {
        install_crypto_provider();
        let Some(host) = base.host() else {
            return Err(HttpSettingsError::Scheme);
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("error-budget-monitor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout));
        if is_loopback(&host) {
            builder = builder.no_proxy();
        }
        builder = match base.scheme() {
            "http" => builder.tls_certs_only([]),
            "https" => settings.trust(builder)?,
            _ => return Err(HttpSettingsError::Scheme),
        };
        if !base.username().is_empty() || base.password().is_some() {
            return Err(HttpSettingsError::UserInfo);
        }
        let inner = builder
            .build()
            .map_err(|error| HttpSettingsError::Client(TransportCause::new(error)))?;
        let headers = settings.header_map(&inner)?;
        let secrets = settings.secrets(headers.get(AUTHORIZATION));
        Ok(Self {
            inner,
            base,
            headers,
            secrets,
            timeout: settings.timeout,
            max_body: settings.max_body,
            sent: AtomicU64::new(0),
        })
    }

    /// Starts a request for `segments` below the base path. Each segment is percent-encoded; without segments the
    /// request goes to the base URL exactly as given.
    pub fn request<'a>(
        &self,
        method: Method,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> RequestBuilder {
        self.inner
            .request(method, self.endpoint(segments))
            .headers(self.headers.clone())
    }

    /// Returns the URL for `segments` below the base path.
    pub fn endpoint<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        let mut segments = segments.into_iter().peekable();
        if segments.peek().is_some() {
            url.path_segments_mut()
                .expect("a URL with a host has a path")
                .pop_if_empty()
                .extend(segments);
        }
        url
    }

    /// Asks a question and reads the whole answer within [`HttpSettings::timeout`].
    ///
    /// # Errors
    ///
    /// Fails on every fault of transport, on a redirect and on an answer above the cap. A status of 400 and above is
    /// an answer, not an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, HttpError> {
        let deadline = Deadline::within(self.timeout);
        self.send_within(deadline, Purpose::Ask, request).await
    }

    /// Sends a request and reads the whole answer, at the latest at `deadline`, whose limit a fault names.
    ///
    /// # Errors
    ///
    /// The same as [`HttpClient::send`].
    pub async fn send_within(
        &self,
        deadline: Deadline,
        purpose: Purpose,
        request: RequestBuilder,
    ) -> Result<Response, HttpError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        tokio::time::timeout_at(deadline.at(), self.exchange(purpose, request))
            .await
            .unwrap_or_else(|_| Err(HttpError::late(deadline)))
    }

    async fn exchange(
        &self,
        purpose: Purpose,
        request: RequestBuilder,
    ) -> Result<Response, HttpError> {
        let mut answer = self.open(purpose, request).await?;
        let too_large = HttpError::TooLarge {
            limit: self.max_body,
        };
        if answer.inner.content_length().is_some_and(|length| {
            usize::try_from(length).map_or(true, |length| length > self.max_body)
        }) {
            return Err(too_large);
        }
        let mut body = Vec::new();
        let mut turn = None;
        while let Some(chunk) = answer.chunk().await? {
            if chunk.len() > self.max_body - body.len() {
                return Err(too_large);
            }
            if turn.is_none() && body.len() + chunk.len() > SMALL {
                turn = LARGE.acquire().await.ok();
                let length = answer.inner.content_length().unwrap_or_default();
                body.reserve_exact(
                    usize::try_from(length)
                        .unwrap_or_default()
                        .saturating_sub(body.len()),
                );
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status: answer.status,
            headers: answer.headers,
            body,
            _turn: turn,
        })
    }

    /// Sends a request and returns once status and headers of the answer are there, at the latest at `deadline`. The
    /// caller bounds the body.
    ///
    /// # Errors
    ///
    /// The same as [`HttpClient::send`], but for the size of the body.
    pub async fn open_within(
        &self,
        deadline: Deadline,
        purpose: Purpose,
        request: RequestBuilder,
    ) -> Result<Streaming, HttpError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        tokio::time::timeout_at(deadline.at(), self.open(purpose, request))
            .await
            .unwrap_or_else(|_| Err(HttpError::late(deadline)))
    }

    async fn open(
        &self,
        purpose: Purpose,
        request: RequestBuilder,
    ) -> Result<Streaming, HttpError> {
        purpose.reaches("http.before");
        let answer = request.send().await.map_err(HttpError::from_send)?;
        purpose.reaches("http.answered");
        let status = answer.status();
        if status.is_redirection() {
            return Err(HttpError::Redirect {
                status: status.as_u16(),
                to: self.redirect_target(answer.headers().get(LOCATION)),
            });
        }
        Ok(Streaming {
            status,
            headers: answer.headers().clone(),
            purpose,
            inner: answer,
        })
    }

    /// Names where a redirect points without path or query, which may hold session secrets.
    fn redirect_target(&self, location: Option<&HeaderValue>) -> String {
        let target = location
            .and_then(|value| value.to_str().ok())
            .and_then(|text| self.base.join(text).ok());
        match target {
            Some(url) if origin(&url) == self.origin() => {
                let place = format!("{}.git", self.base.path().trim_end_matches('/'));
                match url.path().strip_prefix(&place) {
                    // GitLab wants the ending. The rest of the path is ours already, and no secret of a session.
                    Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                        self.redacted(format!("{}{place}", self.origin()).as_bytes())
                    }
                    Some(_) | None => "another path of the same server".to_owned(),
                }
            }
            Some(url) => origin(&url),
            None => "an unreadable place".to_owned(),
        }
    }

    /// Starts a request for a path with a query, both percent-encoded already, below the base path: what a library that
    /// writes its own requests asks for.
    pub(in crate::clients) fn request_below(
        &self,
        method: Method,
        path_and_query: &str,
    ) -> RequestBuilder {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let mut url = self.base.clone();
        let base = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        self.inner
            .request(method, url)
            .headers(self.headers.clone())
    }

    /// Returns scheme, host and port: what errors may name. Never user info, path or query.
    pub fn origin(&self) -> String {
        origin(&self.base)
    }

    /// Returns a checksum of what tells the data of this server from those of another: its address with the path, and the
    /// headers, one of which may name a tenant. `Authorization` is left out: another token reads the same data.
    pub fn data_source(&self) -> String {
        let mut texts = vec![format!("{}{}", self.origin(), self.base.path()).into_bytes()];
        let headers = self
            .headers
            .iter()
            .filter(|(name, _)| **name != AUTHORIZATION);
        let headers =
            headers.map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()].join(&b':'));
        texts.extend(headers);
        texts[1..].sort_unstable();
        let digest = Sha256::digest(texts.join(&b'\n'));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns a short, one-line piece of a response body with this client's own secrets taken out.
    pub fn quote(&self, body: &[u8]) -> String {
        quote(self.redacted(body).as_bytes())
    }

    /// Returns the beginning and the end of a response body like [`quote`](Self::quote).
    pub fn quote_ends(&self, body: &[u8]) -> String {
        quote_ends(self.redacted(body).as_bytes())
    }

    fn redacted(&self, body: &[u8]) -> String {
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret);
        Scanner::new(secrets).redact(&quotable(body))
    }

    /// Returns how many requests were sent so far.
    pub fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns the total time allowed for one request.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

impl Response {
    /// Returns the media type in lower case without its parameters, or an empty text.
    pub fn media_type(&self) -> String {
        let text = self.header("content-type").unwrap_or_default();
        let (kind, _) = text.split_once(';').unwrap_or((text, ""));
        kind.trim().to_ascii_lowercase()
    }

    /// Returns a header's value if it is readable text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the seconds a `Retry-After` header asks to wait. A date instead of seconds counts as absent.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?
            .trim()
            .parse()
            .ok()
            .map(Duration::from_secs)
    }
}

impl Streaming {
    /// Returns the next piece of the body, or nothing at its end, at the latest at `deadline`.
    ///
    /// # Errors
    ///
    /// Fails when the connection breaks before the body is complete, or when the time is over.
    pub async fn chunk_within(&mut self, deadline: Deadline) -> Result<Option<Vec<u8>>, HttpError> {
        tokio::time::timeout_at(deadline.at(), self.chunk())
            .await
            .unwrap_or_else(|_| Err(HttpError::late(deadline)))
    }

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        let chunk = self.inner.chunk().await.map_err(HttpError::from_body)?;
        if chunk.is_none() {
            self.purpose.reaches("http.read");
        }
        Ok(chunk.map(Vec::from))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Asks for JSON as the answer.
pub fn accept_json(request: RequestBuilder) -> RequestBuilder {
    request.header(ACCEPT, "application/json")
}

fn origin(url: &Url) -> String {
    let host_and_port = &url[Position::BeforeHost..Position::AfterPort];
    format!("{}://{host_and_port}", url.scheme())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.to_canonical().is_loopback(),
    }
}

fn install_crypto_provider() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // A refusal means that one is installed already, which serves as well.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::http::HttpAuth;

    fn client(base: &str) -> HttpClient {
        HttpClient::new(Url::parse(base).expect("a URL"), &HttpSettings::default())
            .expect("a client")
    }

    #[test]
    fn keeps_the_base_path_with_or_without_a_trailing_slash() {
        for base in [
            "http://h:9/select/0/prometheus",
            "http://h:9/select/0/prometheus/",
        ] {
            let url = client(base).endpoint(["api", "v1", "query"]);
            assert_eq!(url.as_str(), "http://h:9/select/0/prometheus/api/v1/query");
        }
    }

    #[test]
    fn encodes_each_path_segment_so_that_none_can_leave_its_place() {
        let url = client("http://h").endpoint(["apps", "a/b?c#d"]);
        assert_eq!(url.as_str(), "http://h/apps/a%2Fb%3Fc%23d");
    }

    #[test]
    fn keeps_the_base_url_as_given_when_there_are_no_segments() {
        assert_eq!(
            client("http://h/hook/x/").endpoint([]).as_str(),
            "http://h/hook/x/"
        );
    }

    #[test]
    fn refuses_user_info_and_foreign_schemes() {
        let build = |base: &str| {
            HttpClient::new(Url::parse(base).expect("a URL"), &HttpSettings::default())
        };
        assert!(matches!(
            build("http://me:secret@h"),
            Err(HttpSettingsError::UserInfo)
        ));
        assert!(matches!(build("ftp://h"), Err(HttpSettingsError::Scheme)));
        assert!(matches!(
            build("unix:/socket"),
            Err(HttpSettingsError::Scheme)
        ));
    }

    #[test]
    fn knows_loopback_in_every_spelling() {
        for (base, expected) in [
            ("http://localhost", true),
            ("http://prom.localhost.", true),
            ("http://127.0.0.2", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            let url = Url::parse(base).expect("a URL");
            assert_eq!(
                is_loopback(&url.host().expect("a host")),
                expected,
                "{base}"
            );
        }
    }

    #[test]
    fn another_path_or_tenant_is_another_source_of_data_and_another_token_is_not() {
        let source = |base: &str, token: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter();
            let settings = HttpSettings {
                auth: HttpAuth::Bearer(token.into()),
                headers: headers
                    .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                    .collect(),
                ..HttpSettings::default()
            };
            let base = Url::parse(base).expect("a URL");
            let client = HttpClient::new(base, &settings).expect("a client");
            client.data_source()
        };
        let tenant = ("X-Scope-OrgID", "staging");
        let one = source("https://mimir/prometheus", "a", &[tenant, ("X-A", "1")]);
        assert_eq!(
            one,
            source("https://mimir/prometheus", "b", &[("X-A", "1"), tenant])
        );
        for other in [
            source(
                "https://mimir/prometheus",
                "a",
                &[("X-Scope-OrgID", "prod"), ("X-A", "1")],
            ),
            source("https://mimir/prometheus", "a", &[]),
            source("https://mimir/select/1", "a", &[tenant, ("X-A", "1")]),
            source("https://other/prometheus", "a", &[tenant, ("X-A", "1")]),
        ] {
            assert_ne!(one, other);
        }
        assert!(!one.contains("staging"));
    }

    #[test]
    fn takes_its_own_secrets_out_of_what_it_quotes() {
        let settings = HttpSettings {
            auth: HttpAuth::Basic {
                username: "me".to_owned(),
                password: "canary-password".into(),
            },
            headers: vec![("X-Key".to_owned(), "canary-header".into())],
            ..HttpSettings::default()
        };
        let client =
            HttpClient::new(Url::parse("http://h").expect("a URL"), &settings).expect("a client");
        let echoed = b"got canary-password, canary-header and Basic bWU6Y2FuYXJ5LXBhc3N3b3Jk";
        let said = client.quote(echoed);
        assert_eq!(said, "got [redacted], [redacted] and [redacted]");
        // As servers echo them: encoded, in other letters, cut off.
        let echoed = b"%63anary%2Dpassword CANARY-HEADER Y2FuYXJ5LWhlYWRlcg canary-pa";
        let said = client.quote(echoed);
        assert_eq!(said, "[redacted] [redacted] [redacted] [redacted]");
        // Neither is a part of one left where a long text is cut.
        for before in 0..400 {
            let long = format!(
                "{}canary-password{}",
                "x".repeat(before),
                "y".repeat(400 - before)
            );
            let said = client.quote_ends(long.as_bytes());
            assert!(!said.contains("can") && !said.contains("word"), "{said}");
        }
    }
}
