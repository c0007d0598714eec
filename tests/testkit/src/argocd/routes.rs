//! Which path does what.

use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Claims;
use super::rbac::Key;
use super::refusal::Refusal;
use super::requests::ApiRequest;
use super::world::World;
use crate::stub::Reply;

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    kind: &'static str,
    body: String,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// The application is answered once it was compared with git.
    Awaited(Key),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Login {
    username: String,
    password: String,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            kind: "application/json",
            body: body.to_string(),
        }
    }

    fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: format!("{body}\n"),
        }
    }

    pub(super) fn reply(self) -> Reply {
        Reply::untyped(self.status, self.body).with_header("Content-Type", self.kind)
    }
}

impl From<Result<Value, Refusal>> for Outcome {
    fn from(result: Result<Value, Refusal>) -> Self {
        Self::Answer(match result {
            Ok(body) => Answer::json(200, &body),
            Err(refusal) => refusal.answer(),
        })
    }
}

impl World {
    pub(super) fn route(&mut self, request: &ApiRequest<'_>) -> Outcome {
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        match parts[..] {
            ["api", ..] => {}
            _ => return Outcome::Answer(user_interface()),
        }
        let is_json = |kind: &str| kind.eq_ignore_ascii_case("application/json");
        if request.method != "GET" && !request.content_type.is_some_and(is_json) {
            return Outcome::Answer(Answer::text(415, "Invalid content type"));
        }
        match parts[1..] {
            ["version"] => only(request, "GET", || self.version_message(request)),
            ["v1", "session"] => only(request, "POST", || self.log_in(request)),
            ["v1", "session", "userinfo"] => only(request, "GET", || Ok(self.user_info(request))),
            ["v1", "account", "can-i", resource, action, ..] => {
                let object = parts[6..].join("/");
                only(request, "GET", || {
                    self.can_i(request, resource, action, &object)
                })
            }
            ["v1", "applications", name] => self.route_application(request, name),
            ["v1", "applications", name, deed] => self.route_deed(request, name, deed),
            _ => Outcome::Answer(Answer::text(404, "Not Found")),
        }
    }

    fn route_application(&mut self, request: &ApiRequest<'_>, name: &str) -> Outcome {
        match request.method {
            "GET" => self.read_application(request, name),
            _ => wrong_method(),
        }
    }

    fn route_deed(&mut self, request: &ApiRequest<'_>, name: &str, deed: &str) -> Outcome {
        match (request.method, deed) {
            ("POST", "rollback") => self.roll_back(request, name).into(),
            ("POST", "sync") => self.sync(request, name).into(),
            ("DELETE", "operation") => self.terminate_operation(request, name).into(),
            ("GET", "syncwindows") => self.read_windows(request, name).into(),
            ("PUT", "spec") => self.put_spec(request, name).into(),
            (_, "rollback" | "sync" | "operation" | "syncwindows" | "spec") => wrong_method(),
            _ => Outcome::Answer(Answer::text(404, "Not Found")),
        }
    }

    pub(super) fn claims(&self, request: &ApiRequest<'_>) -> Result<Option<Claims>, Refusal> {
        self.auth.identify(request.authorization, self.now())
    }

    /// Strangers learn the version, and nothing of how it was built.
    fn version_message(&self, request: &ApiRequest<'_>) -> Result<Value, Refusal> {
        let (major, minor) = self.version;
        let version = format!("v{major}.{minor}.1+stand-in");
        let Ok(Some(_)) = self.claims(request) else {
            return Ok(json!({ "Version": version }));
        };
        Ok(json!({
            "Version": version,
            "BuildDate": "1970-01-01T00:00:00Z",
            "GitCommit": "109ca7ca71139e514114499d294a492e7910a965",
            "GitTreeState": "clean",
            "GoVersion": "go1.26.8",
            "Compiler": "gc",
            "Platform": "linux/amd64",
            "KustomizeVersion": "v5.8.1",
            "HelmVersion": "v3.19.0",
            "JsonnetVersion": "v0.22.0",
        }))
    }

    fn log_in(&mut self, request: &ApiRequest<'_>) -> Result<Value, Refusal> {
        let login: Login = self.decode(request.json()?, &["username", "password"])?;
        let now = self.now();
        let token = self
            .auth
            .log_in(&login.username, &login.password, now, &self.pace)?;
        Ok(json!({ "token": token }))
    }

    /// A bad token is no error here: nobody is logged in.
    fn user_info(&self, request: &ApiRequest<'_>) -> Value {
        match self.claims(request) {
            Ok(Some(claims)) => {
                json!({ "loggedIn": true, "username": claims.username, "iss": "argocd" })
            }
            Ok(None) | Err(_) => json!({}),
        }
    }

    fn can_i(
        &self,
        request: &ApiRequest<'_>,
        resource: &str,
        action: &str,
        object: &str,
    ) -> Result<Value, Refusal> {
        let claims = self.claims(request)?;
        let known = [
            "get", "create", "update", "delete", "sync", "override", "action", "invoke",
        ];
        let knows_rollback = self.version >= (3, 6);
        let is_known = known.contains(&action) || (action == "rollback" && knows_rollback);
        if !is_known {
            let message = format!("[{}] does not contain {action}", known.join(" "));
            return Err(Refusal::invalid(message));
        }
        let may = resource == "applications" && self.auth.may(claims.as_ref(), action, object);
        Ok(json!({ "value": if may { "yes" } else { "no" } }))
    }
}

fn only(
    request: &ApiRequest<'_>,
    method: &str,
    answer: impl FnOnce() -> Result<Value, Refusal>,
) -> Outcome {
    if request.method == method {
        answer().into()
    } else {
        wrong_method()
    }
}

fn wrong_method() -> Outcome {
    Outcome::Answer(Answer::text(405, "Method Not Allowed"))
}

/// Whatever is not the API is the user interface, a page that loads the rest itself.
fn user_interface() -> Answer {
    Answer {
        status: 200,
        kind: "text/html; charset=utf-8",
        body: "<!doctype html><html><head><title>Argo CD</title></head></html>".to_owned(),
    }
}
