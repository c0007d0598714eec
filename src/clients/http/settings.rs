//! What a client needs to know before it can talk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity};
use secrecy::{ExposeSecret, SecretString};

use super::error::HttpSettingsError;
use crate::files;
use crate::redact::MIN_SECRET;

/// Largest file of certificates or keys that is read (bytes), some twenty times Debian's whole bundle. Protects memory
/// from a wrong path; a larger file is an error.
const MAX_PEM: u64 = 4 * 1024 * 1024;

/// Access and limits for one outside system.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// How requests are signed.
    pub auth: HttpAuth,
    /// Headers sent with every request, such as `X-Scope-OrgID`.
    pub headers: Vec<(String, SecretString)>,
    /// Further texts that must not be repeated, such as a URL that is itself a secret.
    pub hidden: Vec<SecretString>,
    /// PEM file with certificates that are trusted in addition to the platform's. Read for an `https` base only.
    pub ca_file: Option<PathBuf>,
    /// PEM files with the client's certificate chain and its private key. Read for an `https` base only.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// Total time for one request or, where a client repeats requests, for all tries of one question together.
    pub timeout: Duration,
    /// Largest accepted body in bytes. Protects memory: reading stops and the request fails when it is exceeded.
    pub max_body: usize,
}

/// How requests are signed.
#[derive(Debug, Clone, Default)]
pub enum HttpAuth {
    /// No `Authorization` header.
    #[default]
    None,
    /// A bearer token.
    Bearer(SecretString),
    /// A user name with its password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
}

impl Default for HttpSettings {
    /// No authentication, 10 s, 8 MiB.
    fn default() -> Self {
        Self {
            auth: HttpAuth::None,
            headers: Vec::new(),
            hidden: Vec::new(),
            ca_file: None,
            client_identity: None,
            timeout: Duration::from_secs(10),
            max_body: 8 * 1024 * 1024,
        }
    }
}

impl HttpSettings {
    /// Tells whether both lead to the same access with the same limits, so that one client serves both.
    pub fn is_like(&self, other: &Self) -> bool {
        let same = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        let auth = match (&self.auth, &other.auth) {
            (HttpAuth::None, HttpAuth::None) => true,
            (HttpAuth::Bearer(a), HttpAuth::Bearer(b)) => same(a, b),
            (
                HttpAuth::Basic { username, password },
                HttpAuth::Basic {
                    username: other,
                    password: theirs,
                },
            ) => username == other && same(password, theirs),
            (HttpAuth::None | HttpAuth::Bearer(_) | HttpAuth::Basic { .. }, _) => false,
        };
        let headers = || {
            let pairs = self.headers.iter().zip(&other.headers);
            self.headers.len() == other.headers.len()
                && pairs
                    .into_iter()
                    .all(|((name, value), (other, theirs))| name == other && same(value, theirs))
        };
        let hidden = || {
            let mut pairs = self.hidden.iter().zip(&other.hidden);
            self.hidden.len() == other.hidden.len() && pairs.all(|(a, b)| same(a, b))
        };
        auth && self.timeout == other.timeout
            && self.max_body == other.max_body
            && self.ca_file == other.ca_file
            && self.client_identity == other.client_identity
            && headers()
            && hidden()
    }

    /// Adds the trusted certificates and the client's own to `builder`.
    pub(super) fn trust(
        &self,
        mut builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, HttpSettingsError> {
        if let Some(path) = &self.ca_file {
            let certificates = Certificate::from_pem_bundle(&read(path)?)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| HttpSettingsError::Certificates { path: path.clone() })?;
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some((certificate, key)) = &self.client_identity {
            let mut pem = read(certificate)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            let identity = Identity::from_pem(&pem).map_err(|_| HttpSettingsError::Identity {
                certificate: certificate.clone(),
                key: key.clone(),
            })?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }

    /// Returns the headers for every request, all of them marked as sensitive.
    pub(super) fn header_map(
        &self,
        client: &reqwest::Client,
    ) -> Result<HeaderMap, HttpSettingsError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let unusable = || HttpSettingsError::Header { name: name.clone() };
            let key: HeaderName = name.parse().map_err(|_| unusable())?;
            let mut value: HeaderValue = value.expose_secret().parse().map_err(|_| unusable())?;
            value.set_sensitive(true);
            map.append(key, value);
        }
        // The target is never contacted: building a request is how reqwest encodes credentials.
        let request = client.get("http://localhost");
        let signed = match &self.auth {
            HttpAuth::None => None,
            HttpAuth::Bearer(token) => Some(request.bearer_auth(token.expose_secret())),
            HttpAuth::Basic { username, password } => {
                Some(request.basic_auth(username, Some(password.expose_secret())))
            }
        };
        if let Some(signed) = signed {
            if map.contains_key(AUTHORIZATION) {
                return Err(HttpSettingsError::TwoCredentials);
            }
            let request = signed.build().map_err(|_| HttpSettingsError::Header {
                name: AUTHORIZATION.as_str().to_owned(),
            })?;
            let value = request.headers().get(AUTHORIZATION);
            map.extend(value.map(|value| (AUTHORIZATION, value.clone())));
        }
        Ok(map)
    }

    /// Returns every text that must not be repeated, longest first so that none leaves a piece of another behind.
    pub(super) fn secrets(&self, authorization: Option<&HeaderValue>) -> Vec<SecretString> {
        let credentials = match &self.auth {
            HttpAuth::None => None,
            HttpAuth::Bearer(token) => Some(token.clone()),
            HttpAuth::Basic { password, .. } => Some(password.clone()),
        };
        let header = authorization
            .and_then(|value| value.to_str().ok())
            .map(SecretString::from);
        let mut secrets: Vec<_> = self
            .headers
            .iter()
            .map(|(_, value)| value.clone())
            .chain(credentials)
            .chain(header)
            .chain(self.hidden.iter().cloned())
            .filter(|secret| secret.expose_secret().len() >= MIN_SECRET)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        secrets
    }
}

fn read(path: &Path) -> Result<Vec<u8>, HttpSettingsError> {
    files::read(path, MAX_PEM).map_err(|source| HttpSettingsError::File {
        path: path.to_owned(),
        source,
    })
}
