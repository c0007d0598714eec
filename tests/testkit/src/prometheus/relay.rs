//! A real Prometheus whose answers are changed on their way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::api::Api;
use super::server::Prometheus;
use crate::http;
use crate::stub::{Reply, Request, Stub};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whether a whole range of times is asked for.
    pub is_range: bool,
    /// The PromQL.
    pub query: String,
}

/// What Prometheus answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Value,
}

impl Answer {
    /// Answers with an error of the query API.
    pub fn error(status: u16, kind: &str, said: &str) -> Self {
        Self {
            status,
            body: json!({ "status": "error", "errorType": kind, "error": said }),
        }
    }

    /// Returns the series of the answer.
    ///
    /// # Panics
    /// If it has none, as an error or a scalar.
    pub fn series(&mut self) -> &mut Vec<Value> {
        let result = self.body.pointer_mut("/data/result");
        let series = result.and_then(Value::as_array_mut);
        series.expect("an answer with series")
    }
}

impl Api {
    /// Starts a server that passes every query on to this one, and lets `edit` change each answer before it is
    /// given. A request that is no query fails the test.
    pub fn edited(self, edit: impl Fn(&Question, &mut Answer) + Send + Sync + 'static) -> Stub {
        let address = self.address();
        Stub::http(move |request| {
            let question = Question::of(request)?;
            let mut answer = pass_on(address, request);
            edit(&question, &mut answer);
            Some(Reply::json(answer.status, answer.body.to_string()))
        })
    }

    /// Starts a server that passes every query on to this one or, once `is_lost` is set, to another one: a querier
    /// that lost one of the stores behind it.
    pub fn until_lost(self, left: Self, is_lost: &Arc<AtomicBool>) -> Stub {
        let (whole, left, is_lost) = (self.address(), left.address(), Arc::clone(is_lost));
        Stub::http(move |request| {
            Question::of(request)?;
            let address = if is_lost.load(Ordering::SeqCst) {
                left
            } else {
                whole
            };
            let answer = pass_on(address, request);
            Some(Reply::json(answer.status, answer.body.to_string()))
        })
    }

    /// Starts a server that passes everything on to this one, and says that it keeps samples for so long, as in
    /// `15d`.
    pub fn said_to_keep(self, retention: &str) -> Stub {
        let address = self.address();
        let retention = retention.to_owned();
        Stub::http(move |request| {
            let mut answer = pass_on(address, request);
            if request.path() == "/api/v1/status/runtimeinfo" {
                answer.body["data"]["storageRetention"] = json!(retention);
            }
            Some(Reply::json(answer.status, answer.body.to_string()))
        })
    }
}

impl Prometheus {
    /// Starts a server that passes every query on to this Prometheus, and lets `edit` change each answer before it is
    /// given; see [`Api::edited`].
    pub fn edited(&self, edit: impl Fn(&Question, &mut Answer) + Send + Sync + 'static) -> Stub {
        self.api().edited(edit)
    }

    /// Starts a server that says that it keeps samples for so long; see [`Api::said_to_keep`].
    pub fn said_to_keep(&self, retention: &str) -> Stub {
        self.api().said_to_keep(retention)
    }
}

fn pass_on(address: SocketAddr, request: &Request) -> Answer {
    let parameters: Vec<String> = request
        .parameters()
        .iter()
        .map(|(name, value)| format!("{}={}", http::escape(name), http::escape(value)))
        .collect();
    let target = format!("{}?{}", request.path(), parameters.join("&"));
    let (status, body) = http::get(address, &target).expect("Prometheus answers");
    // A path that Prometheus does not have is answered in words.
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    assert!(
        status != 200 || body.is_object(),
        "Prometheus answers {target} without JSON"
    );
    Answer { status, body }
}

impl Question {
    fn of(request: &Request) -> Option<Self> {
        let is_range = match request.path() {
            "/api/v1/query" => false,
            "/api/v1/query_range" => true,
            _ => return None,
        };
        let query = request.parameter("query")?;
        Some(Self { is_range, query })
    }
}
