//! Requests as the API reads them, and the log of them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::Refusal;
use super::world::World;
use crate::stub::Request;

/// A request below the root path.
#[derive(Debug)]
pub(super) struct ApiRequest<'a> {
    pub(super) method: &'a str,
    /// Path below the root path, with its first slash.
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
    pub(super) content_type: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
    parameters: Vec<(String, String)>,
}

/// A request as it came, without its token and without passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path below the root path.
    pub path: String,
    /// Decoded parameters of the query.
    pub query: Vec<(String, String)>,
    /// The content type as sent.
    pub content_type: Option<String>,
    /// The body as text; empty for logins.
    pub body: String,
    /// Status of the answer; nothing where a fault took its place, or while it is awaited.
    pub status: Option<u16>,
}

impl<'a> ApiRequest<'a> {
    pub(super) fn new(request: &'a Request, path: &'a str) -> Self {
        Self {
            method: &request.method,
            path,
            body: &request.body,
            content_type: request.header("content-type"),
            authorization: request.header("authorization"),
            parameters: request.parameters(),
        }
    }

    /// Returns the first value of a parameter of the query; empty if there is none.
    pub(super) fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns the body as JSON; an empty one is an empty object.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(self.body).map_err(|error| Refusal::invalid(error.to_string()))
    }

    pub(super) fn logged(&self) -> LoggedRequest {
        let is_login = self.path == "/api/v1/session";
        let body = if is_login { &[][..] } else { self.body };
        LoggedRequest {
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            query: self.parameters.clone(),
            content_type: self.content_type.map(str::to_owned),
            body: String::from_utf8_lossy(body).into_owned(),
            status: None,
        }
    }
}

impl World {
    /// Reads the known fields of a value. What is unknown is dropped without a word; the log remembers it.
    pub(super) fn decode<T: DeserializeOwned>(
        &mut self,
        value: Value,
        known: &[&str],
    ) -> Result<T, Refusal> {
        let mut value = value;
        if let Value::Object(fields) = &mut value {
            let unknown = fields.keys().filter(|name| !known.contains(&name.as_str()));
            self.dropped.extend(unknown.cloned());
            fields.retain(|name, _| known.contains(&name.as_str()));
        }
        read(value)
    }

    /// Returns the names of fields that requests had and Argo CD does not know.
    pub fn dropped_fields(&self) -> &[String] {
        &self.dropped
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> &[LoggedRequest] {
        &self.requests
    }
}

/// Reads a value as Go does: `null` is nothing.
pub(super) fn read<T: DeserializeOwned>(mut value: Value) -> Result<T, Refusal> {
    remove_nulls(&mut value);
    serde_json::from_value(value).map_err(|error| Refusal::invalid(format!("json: {error}")))
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
