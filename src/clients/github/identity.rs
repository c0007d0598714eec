//! Who this program is on GitHub: nobody, the owner of a token, or the installation of an App.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::clients::forge::error::ForgeFault;

/// How long before now an App's claim begins. GitHub refuses one that begins in its future; this bears clocks that
/// differ.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// How long an App's claim holds. GitHub refuses more than ten minutes.
const CLAIM_LIFE: TimeDelta = TimeDelta::minutes(9);

/// Life that a token must still have to be used. Protects a push that begins with it and takes a while.
const LEAST_LIFE: TimeDelta = TimeDelta::minutes(5);

/// How this program signs in.
#[derive(Debug, Clone)]
pub enum GithubAuth {
    /// Not at all.
    Anonymous,
    /// With somebody's token.
    Token(SecretString),
    /// As an installation of a GitHub App.
    App {
        /// The App's id.
        app_id: u64,
        /// The installation's id.
        installation_id: u64,
        /// The App's private key, PEM.
        private_key: SecretString,
    },
}

/// The same, checked.
pub(super) enum GithubIdentity {
    Anonymous,
    Token(SecretString),
    App(Box<App>),
}

/// An installation of an App, with the token that was made for it last.
pub(super) struct App {
    app_id: u64,
    installation_id: u64,
    key: RsaKeyPair,
    token: Mutex<Option<Issued>>,
    is_refused: AtomicBool,
}

#[derive(Clone)]
struct Issued {
    token: SecretString,
    expires_at: DateTime<Utc>,
    permissions: Permissions,
}

/// What a token may do: by subject, `read` or `write`.
pub type Permissions = BTreeMap<String, String>;

/// What GitHub answers when it makes a token.
#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: DateTime<Utc>,
    #[serde(default)]
    permissions: Permissions,
}

/// What an App claims to be, as RFC 7519 has it; times in seconds.
#[derive(Serialize)]
struct Claim {
    iat: i64,
    exp: i64,
    iss: String,
}

/// Narrows a token to what is worked on.
#[derive(Serialize)]
struct Scope<'a> {
    repositories: [&'a str; 1],
}

/// A request for a token: the path below the API, the body, and the claim that signs it.
pub(super) struct TokenRequest {
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    pub(super) claim: SecretString,
}

impl GithubIdentity {
    pub(super) fn new(auth: &GithubAuth) -> Result<Self, ForgeFault> {
        Ok(match auth {
            GithubAuth::Anonymous => Self::Anonymous,
            GithubAuth::Token(token) => Self::Token(token.clone()),
            GithubAuth::App {
                app_id,
                installation_id,
                private_key,
            } => Self::App(Box::new(App {
                app_id: *app_id,
                installation_id: *installation_id,
                key: key_pair(private_key)?,
                token: Mutex::new(None),
                is_refused: AtomicBool::new(false),
            })),
        })
    }
}

impl fmt::Debug for GithubIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Token(_) => f.write_str("Token"),
            Self::App(app) => write!(f, "App({}/{})", app.app_id, app.installation_id),
        }
    }
}

impl App {
    /// Returns the token of the installation: the one at hand while it has life enough, else what `mint` gets. Callers
    /// at the same time wait for one another, so that one token is made.
    pub(super) async fn token(
        &self,
        repository: &str,
        mint: impl AsyncFnOnce(TokenRequest) -> Result<Vec<u8>, ForgeFault>,
    ) -> Result<SecretString, ForgeFault> {
        let mut at_hand = self.token.lock().await;
        let now = Utc::now();
        let is_refused = self.is_refused.swap(false, Ordering::Relaxed);
        if let Some(issued) = at_hand.as_ref().filter(|_| !is_refused)
            && issued.expires_at - now > LEAST_LIFE
        {
            return Ok(issued.token.clone());
        }
        *at_hand = None;
        let body = mint(self.request(repository, now)?).await?;
        // What is wrong with the answer is not said: it may be a token.
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|_| ForgeFault::answer("it holds no token of the installation"))?;
        let token = SecretString::from(answer.token);
        *at_hand = Some(Issued {
            token: token.clone(),
            expires_at: answer.expires_at,
            permissions: answer.permissions,
        });
        Ok(token)
    }

    /// Returns what the token at hand may do; nothing where there is none.
    pub(super) async fn permissions(&self) -> Permissions {
        let at_hand = self.token.lock().await;
        at_hand
            .as_ref()
            .map(|issued| issued.permissions.clone())
            .unwrap_or_default()
    }

    /// Notes that the token at hand does not count any more; the next request gets another one.
    pub(super) fn refuse_token(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    fn request(&self, repository: &str, now: DateTime<Utc>) -> Result<TokenRequest, ForgeFault> {
        let scope = Scope {
            repositories: [repository],
        };
        Ok(TokenRequest {
            path: format!("/app/installations/{}/access_tokens", self.installation_id),
            body: serde_json::to_vec(&scope).expect("a list of text is JSON"),
            claim: self.claim(now)?,
        })
    }

    /// Returns the claim to be the App, as a JSON web token (RFC 7519) signed with RS256 (RFC 7518).
    fn claim(&self, now: DateTime<Utc>) -> Result<SecretString, ForgeFault> {
        let claim = Claim {
            iat: (now - CLOCK_SKEW).timestamp(),
            exp: (now + CLAIM_LIFE).timestamp(),
            iss: self.app_id.to_string(),
        };
        let claim = serde_json::to_vec(&claim).expect("numbers and text are JSON");
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claim)
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| ForgeFault::Key)?;
        Ok(SecretString::from(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

/// Reads a key as GitHub hands it out (PKCS #1) or as openssl converts it (PKCS #8).
fn key_pair(pem: &SecretString) -> Result<RsaKeyPair, ForgeFault> {
    let der = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes())
        .map_err(|_| ForgeFault::Key)?;
    let pair = if let PrivateKeyDer::Pkcs1(der) = &der {
        RsaKeyPair::from_der(der.secret_pkcs1_der())
    } else if let PrivateKeyDer::Pkcs8(der) = &der {
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
    } else {
        return Err(ForgeFault::Key);
    };
    pair.map_err(|_| ForgeFault::Key)
}
