//! Who speaks: accounts, sessions and tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::clock::{Pace, delta};
use super::rbac::Right;
use super::refusal::Refusal;

/// How many failed logins lock a name out. Source: `util/session/sessionmanager.go`, `defaultMaxLoginFailures`.
const MOST_FAILURES: u32 = 5;

/// What is said to every login that fails.
const WRONG: &str = "Invalid username or password";

/// Accounts, tokens and rights.
#[derive(Debug, Default)]
pub struct Auth {
    /// Local accounts by name.
    pub accounts: BTreeMap<String, Account>,
    /// Who may do what.
    pub rights: Vec<Right>,
    /// Whether a request without a good token goes on as nobody.
    pub is_anonymous_allowed: bool,
    tokens: Vec<Token>,
    failures: BTreeMap<String, (u32, DateTime<Utc>)>,
}

/// A local account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    password: Secret,
    /// Whether it may log in.
    pub may_login: bool,
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    /// As it later stands in `initiatedBy`.
    pub(super) username: String,
    pub(super) issued_at: DateTime<Utc>,
}

/// Text that nobody prints.
#[derive(Clone, Default, PartialEq, Eq)]
struct Secret(String);

#[derive(Debug)]
struct Token {
    text: Secret,
    username: String,
    issued_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    is_revoked: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl Auth {
    /// Adds an account that may log in with a password and have API tokens.
    pub fn add_account(&mut self, name: &str, password: &str) {
        let account = Account {
            password: Secret(password.to_owned()),
            may_login: true,
        };
        self.accounts.insert(name.to_owned(), account);
    }

    /// Returns a new API token; it never expires unless it has a life. `name` is an account, or a role of a project as
    /// `proj:<project>:<role>`.
    pub fn issue_token(
        &mut self,
        name: &str,
        life: Option<Duration>,
        now: DateTime<Utc>,
    ) -> String {
        let text = format!("{name}.token-{}.signed", self.tokens.len());
        self.tokens.push(Token {
            text: Secret(text.clone()),
            username: name.to_owned(),
            issued_at: now,
            expires_at: life.map(|life| now + delta(life)),
            is_revoked: false,
        });
        text
    }

    /// Takes back every token and session of a name.
    pub fn revoke_tokens(&mut self, name: &str) {
        let of_the_name = |token: &&mut Token| token.username == name;
        for token in self.tokens.iter_mut().filter(of_the_name) {
            token.is_revoked = true;
        }
    }

    /// Opens a session and returns its token.
    pub(super) fn log_in(
        &mut self,
        username: &str,
        password: &str,
        now: DateTime<Utc>,
        pace: &Pace,
    ) -> Result<String, Refusal> {
        let wrong = || Refusal::unauthenticated(WRONG);
        let (count, last) = self.failures.get(username).copied().unwrap_or((0, now));
        let count = if now >= last + delta(pace.lockout) {
            0
        } else {
            count
        };
        if count >= MOST_FAILURES {
            return Err(wrong());
        }
        let account = self.accounts.get(username);
        let known = account.filter(|account| account.password.0 == password);
        let Some(account) = known else {
            self.failures.insert(username.to_owned(), (count + 1, now));
            return Err(wrong());
        };
        if !account.may_login {
            return Err(wrong());
        }
        self.failures.remove(username);
        Ok(self.issue_token(username, Some(pace.session), now))
    }

    /// Returns who speaks; nobody only where that is allowed.
    pub(super) fn identify(
        &self,
        authorization: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<Claims>, Refusal> {
        match self.claims(authorization, now) {
            Ok(claims) => Ok(Some(claims)),
            Err(_) if self.is_anonymous_allowed => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    fn claims(&self, authorization: Option<&str>, now: DateTime<Utc>) -> Result<Claims, Refusal> {
        let text = authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .filter(|token| token.split('.').count() == 3)
            .ok_or_else(|| Refusal::unauthenticated("no session information"))?;
        let invalid = |why: &str| Refusal::unauthenticated(format!("invalid session: {why}"));
        let (id, token) = self
            .tokens
            .iter()
            .enumerate()
            .find(|(_, token)| token.text.0 == text)
            .ok_or_else(|| invalid("token signature is invalid: signature is invalid"))?;
        if token.expires_at.is_some_and(|end| now >= end) {
            return Err(invalid("token has invalid claims: token is expired"));
        }
        if token.is_revoked {
            let name = &token.username;
            let why = format!("account {name} does not have token with id token-{id}");
            return Err(invalid(&why));
        }
        Ok(Claims {
            username: token.username.clone(),
            issued_at: token.issued_at,
        })
    }
}
