//! How this program signs in at Argo CD: with an API token, or with a session made once from user and password.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::error::ArgoFault;
use super::settings::ArgoAuth;
use crate::clients::http::HttpError;

/// Signs requests.
pub(super) enum Login {
    Token(SecretString),
    Session(LoginSession),
}

/// A session, made at most once. Argo CD locks an account out after five failures, and then refuses the right password
/// too, so a login is never repeated.
pub(super) struct LoginSession {
    username: String,
    password: SecretString,
    state: Mutex<SessionState>,
}

enum SessionState {
    Untried,
    SignedIn(SecretString),
    Refused { words: String },
    Failed { why: String, is_transient: bool },
}

#[derive(Deserialize)]
struct NewSession {
    token: String,
}

impl Login {
    pub(super) fn new(auth: &ArgoAuth) -> Self {
        match auth {
            ArgoAuth::Token(token) => Self::Token(token.clone()),
            ArgoAuth::Password { username, password } => Self::Session(LoginSession {
                username: username.clone(),
                password: password.clone(),
                state: Mutex::new(SessionState::Untried),
            }),
        }
    }

    /// Returns the token. `post` sends a login and returns the body of its answer; it is called at most once in the
    /// life of this value, but for attempts that found no connection, which Argo CD never saw.
    pub(super) async fn token(
        &self,
        post: impl AsyncFnOnce(Vec<u8>) -> Result<Vec<u8>, ArgoFault>,
    ) -> Result<SecretString, ArgoFault> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::Session(session) => session.token(post).await,
        }
    }

    /// Returns what to do when the token does not count.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Token(_) => {
                "ARGOCD_TOKEN does not count: it expired, was revoked, is older than the account's password or is cut; \
                 set a new one"
            }
            Self::Session(_) => {
                "the session of ARGOCD_USERNAME does not count any more; the next run logs in again"
            }
        }
    }

    /// Returns the secrets of the settings.
    pub(super) fn secret(&self) -> &SecretString {
        match self {
            Self::Token(token) => token,
            Self::Session(session) => &session.password,
        }
    }
}

impl LoginSession {
    async fn token(
        &self,
        post: impl AsyncFnOnce(Vec<u8>) -> Result<Vec<u8>, ArgoFault>,
    ) -> Result<SecretString, ArgoFault> {
        let mut state = self.state.lock().await;
        match &*state {
            SessionState::SignedIn(token) => return Ok(token.clone()),
            SessionState::Refused { words } => {
                let words = words.clone();
                return Err(ArgoFault::LoginRefused { words });
            }
            SessionState::Failed { why, is_transient } => {
                return Err(ArgoFault::LoginFailed {
                    why: why.clone(),
                    is_transient: *is_transient,
                });
            }
            SessionState::Untried => {}
        }
        // Stands if this call is given up before the answer.
        *state = SessionState::Failed {
            why: "it was interrupted".to_owned(),
            is_transient: true,
        };
        let body = json!({"username": self.username, "password": self.password.expose_secret()});
        let answer = post(body.to_string().into_bytes()).await;
        let token = answer.and_then(|answer| read(&answer));
        match token {
            Ok(token) => {
                *state = SessionState::SignedIn(token.clone());
                Ok(token)
            }
            Err(fault) => {
                let (next, fault) = after(fault);
                *state = next;
                Err(fault)
            }
        }
    }
}

/// Reads the session's token. What is wrong with the answer is not said: it may be a token.
fn read(answer: &[u8]) -> Result<SecretString, ArgoFault> {
    let NewSession { token } = serde_json::from_slice(answer)
        .map_err(|_| ArgoFault::answer("it holds no session token"))?;
    if token.is_empty() {
        return Err(ArgoFault::answer("the session token is empty"));
    }
    Ok(SecretString::from(token))
}

/// Returns what is remembered of a login that failed, and how it is reported.
fn after(fault: ArgoFault) -> (SessionState, ArgoFault) {
    let was_not_sent = matches!(
        fault,
        ArgoFault::Transport(HttpError::Connect(_))
            | ArgoFault::Deadline { .. }
            | ArgoFault::Settings(_)
    );
    if was_not_sent {
        return (SessionState::Untried, fault);
    }
    if let ArgoFault::Unauthorized { words, .. } = fault {
        let remembered = SessionState::Refused {
            words: words.clone(),
        };
        return (remembered, ArgoFault::LoginRefused { words });
    }
    let (why, is_transient) = (fault.to_string(), fault.is_transient());
    let remembered = SessionState::Failed {
        why: why.clone(),
        is_transient,
    };
    (remembered, ArgoFault::LoginFailed { why, is_transient })
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token"),
            Self::Session(session) => write!(f, "Session({})", session.username),
        }
    }
}
