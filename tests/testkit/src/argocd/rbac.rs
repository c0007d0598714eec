//! Who may do what.

use super::application::Application;
use super::auth::{Auth, Claims};
use super::clock::whole_seconds;
use super::refusal::{Code, Refusal};
use super::world::{NAMESPACE, World};

/// A right on applications, as a line of the policy grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The account, or the role of a project as `proj:<project>:<role>`.
    pub subject: String,
    /// `get`, `sync`, `update`, `override`, `rollback`, or `*`.
    pub action: String,
    /// `<project>/<app>`, or `<project>/<namespace>/<app>`; a `*` stands for any text.
    pub object: String,
}

/// The application of a request, as its key in the world.
pub(super) type Key = (String, String);

impl Auth {
    /// Grants rights on an application.
    pub fn allow(&mut self, subject: &str, actions: &[&str], object: &str) {
        let rights = actions.iter().map(|action| Right {
            subject: subject.to_owned(),
            action: (*action).to_owned(),
            object: object.to_owned(),
        });
        self.rights.extend(rights);
    }

    /// Takes a right back.
    pub fn forbid(&mut self, subject: &str, action: &str) {
        self.rights
            .retain(|right| right.subject != subject || right.action != action);
    }

    pub(super) fn may(&self, claims: Option<&Claims>, action: &str, object: &str) -> bool {
        claims.is_some_and(|claims| {
            self.rights.iter().any(|right| {
                right.subject == claims.username
                    && matches(&right.action, action)
                    && matches(&right.object, object)
            })
        })
    }

    /// Demands a right, and says in full which one is missing.
    pub(super) fn demand(
        &self,
        claims: Option<&Claims>,
        action: &str,
        object: &str,
    ) -> Result<(), Refusal> {
        if self.may(claims, action, object) {
            return Ok(());
        }
        let mut message = format!("permission denied: applications, {action}, {object}");
        if let Some(claims) = claims {
            let issued = whole_seconds::text(&claims.issued_at);
            message.push_str(&format!(", sub: {}, iat: {issued}", claims.username));
        }
        Err(Refusal::new(Code::PermissionDenied, message))
    }
}

impl World {
    /// Finds the application of a request for someone who may do `action` with it. Without the project nobody learns
    /// whether it exists.
    pub(super) fn find(
        &mut self,
        claims: Option<&Claims>,
        action: &str,
        project: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Key, Refusal> {
        let namespace = if namespace.is_empty() {
            NAMESPACE
        } else {
            namespace
        };
        let missing = || match project {
            "" => Refusal::denied(),
            _ => Refusal::new(
                Code::NotFound,
                format!("applications.argoproj.io \"{name}\" not found"),
            ),
        };
        if !project.is_empty()
            && !self
                .auth
                .may(claims, action, &object(project, namespace, name))
        {
            return Err(Refusal::denied());
        }
        // Where no application is, Argo CD was not told to look for any.
        let is_enabled =
            namespace == NAMESPACE || self.apps.keys().any(|(enabled, _)| enabled == namespace);
        if !is_enabled {
            return Err(Refusal::denied());
        }
        if self.failing_reads > 0 {
            self.failing_reads -= 1;
            return Err(Refusal::denied());
        }
        let key = (namespace.to_owned(), name.to_owned());
        let app = self.apps.get(&key).ok_or_else(missing)?;
        let is_allowed = self.auth.may(claims, action, &app.object());
        if !is_allowed || (!project.is_empty() && app.spec.project() != project) {
            return Err(missing());
        }
        Ok(key)
    }
}

impl Application {
    /// Returns what rights are granted on.
    pub(super) fn object(&self) -> String {
        object(self.spec.project(), &self.namespace, &self.name)
    }
}

fn object(project: &str, namespace: &str, name: &str) -> String {
    if namespace == NAMESPACE {
        format!("{project}/{name}")
    } else {
        format!("{project}/{namespace}/{name}")
    }
}

/// Tells whether a pattern with stars fits a text. A star crosses slashes.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| matches(after, &rest[at..]))
        }),
    }
}
