//! Who this program is at Argo CD, what it may do, and which Argo CD that is.

use serde_json::Value;

use super::Argo;
use super::error::{ArgoError, ArgoFault};
use super::json::{flag, list, text};
use super::read::parse;
use super::wire::ArgoRequest;

/// Who this program is signed in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// Nobody: the credentials do not count, or nobody has to sign in. The server does not say which, nor why; its
    /// answer to another question, such as [`Argo::can_i`], does.
    Nobody,
    /// An account.
    Named {
        /// Its name, as it stands beside the operations that it asks for.
        name: String,
        /// Who vouches for it; `argocd` for accounts of Argo CD itself.
        issuer: Option<String>,
        /// Its groups; nothing where they cannot be read.
        groups: Option<Vec<String>>,
    },
}

/// Something that an account may do with an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgoPermission {
    /// Read it.
    Get,
    /// Sync it, roll it back, and terminate its operation.
    Sync,
    /// Change its specification, such as auto-sync.
    Update,
    /// Roll it back, where the server has a right of its own for that; Argo CD 3.5 and older refuse the question.
    Rollback,
}

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// The version of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As the server writes it, for example `v3.5.1+abc1234`.
    pub text: String,
    /// Its major and minor number; nothing where they cannot be read.
    pub number: Option<(u32, u32)>,
}

impl ArgoPermission {
    /// Returns its name in Argo CD's RBAC policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Sync => "sync",
            Self::Update => "update",
            Self::Rollback => "rollback",
        }
    }
}

impl Argo {
    /// Returns who this program is signed in as.
    ///
    /// # Errors
    /// Fails when Argo CD does not answer in time or refuses.
    pub async fn account(&self) -> Result<Account, ArgoError> {
        let asked = async {
            let call = ArgoRequest::get(vec!["api", "v1", "session", "userinfo"], Vec::new());
            let answer = parse(&self.wire()?.read(self.deadline(), &call).await?)?;
            Account::read(&answer)
        };
        asked
            .await
            .map_err(|fault| self.error("ask who is signed in", fault))
    }

    /// Returns whether the account may do something with the application. Changes nothing.
    ///
    /// # Errors
    /// Fails when Argo CD does not answer in time, refuses, or does not know the action.
    pub async fn can_i(&self, action: ArgoPermission) -> Result<Allowed, ArgoError> {
        let asked = async {
            let deadline = self.deadline();
            let project = self.project(deadline).await?;
            let mut path = vec!["api", "v1", "account", "can-i", "applications"];
            path.extend([action.name(), &project]);
            path.extend(self.settings.app_namespace.as_deref());
            path.push(&self.settings.app_name);
            let answer = parse(
                &self
                    .wire()?
                    .read(deadline, &ArgoRequest::get(path, Vec::new()))
                    .await?,
            )?;
            match text(&answer, "/value").as_deref() {
                Some("yes") => Ok(Allowed::Yes),
                Some("no") => Ok(Allowed::No),
                Some(_) | None => Err(ArgoFault::answer("it is neither yes nor no")),
            }
        };
        asked.await.map_err(|fault| {
            let action = action.name();
            let tried = format!(
                "ask for the right to {action} application {:?}",
                self.name()
            );
            self.error(tried, fault)
        })
    }

    /// Returns the server's version. Needs no account, and so tells a wrong address from wrong credentials.
    ///
    /// # Errors
    /// Fails when Argo CD does not answer in time.
    pub async fn version(&self) -> Result<Version, ArgoError> {
        let asked = async {
            let call = ArgoRequest::get(vec!["api", "version"], Vec::new());
            let answer = parse(&self.wire()?.read_unsigned(self.deadline(), &call).await?)?;
            let text = text(&answer, "/Version")
                .ok_or_else(|| ArgoFault::answer("it names no version"))?;
            Ok(Version {
                number: number(&text),
                text: crate::clients::http::quote(text.as_bytes()),
            })
        };
        asked
            .await
            .map_err(|fault| self.error("ask for the version", fault))
    }
}

impl Account {
    fn read(value: &Value) -> Result<Self, ArgoFault> {
        match (flag(value, "/loggedIn"), text(value, "/username")) {
            (Some(false), _) if value.is_object() => Ok(Self::Nobody),
            (Some(true), Some(name)) => Ok(Self::Named {
                name,
                issuer: text(value, "/iss"),
                groups: list(value, "/groups", |group| group.as_str().map(str::to_owned)),
            }),
            (Some(_), _) | (None, _) => Err(ArgoFault::answer("it does not say who is signed in")),
        }
    }
}

/// Reads major and minor number, as in `v3.5.1+abc1234`.
fn number(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_the_numbers_of_a_version() {
        for (text, expected) in [
            ("v3.5.1+abc1234", Some((3, 5))),
            ("v2.14.0", Some((2, 14))),
            ("3.6.0-rc1", Some((3, 6))),
            ("v99.99.99+unknown", Some((99, 99))),
            ("latest", None),
            ("v3", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn an_account_that_is_not_named_is_nobody_or_an_unusable_answer() {
        assert_eq!(Account::read(&json!({})).ok(), Some(Account::Nobody));
        let off = json!({"loggedIn": false, "username": "x"});
        assert_eq!(Account::read(&off).ok(), Some(Account::Nobody));
        assert!(Account::read(&json!({"loggedIn": true})).is_err());
        assert!(Account::read(&json!({"loggedIn": "yes", "username": "x"})).is_err());
        assert!(Account::read(&json!([])).is_err());
    }
}
