//! Prometheus's HTTP API for queries, which other servers speak too.

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::http;

/// Where a server answers queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    address: SocketAddr,
}

impl Api {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the base URL, without a slash at the end.
    pub fn url(self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address it listens on.
    pub fn address(self) -> SocketAddr {
        self.address
    }

    /// Returns the `data` of an instant query evaluated now.
    ///
    /// # Panics
    /// If the server refuses the query.
    pub fn query(self, expression: &str) -> Value {
        self.get(&format!("/api/v1/query?query={}", http::escape(expression)))
    }

    /// Returns the `data` of an instant query evaluated at a time.
    ///
    /// # Panics
    /// If the server refuses the query.
    pub fn query_at(self, expression: &str, at: DateTime<Utc>) -> Value {
        self.get(&format!(
            "/api/v1/query?query={}&time={}",
            http::escape(expression),
            at.timestamp()
        ))
    }

    /// Returns the single number an expression has now; nothing when the answer is empty.
    ///
    /// # Panics
    /// If the server refuses the query or answers with several series.
    pub fn number(self, expression: &str) -> Option<f64> {
        single_number(&self.query(expression))
    }

    /// Returns the single number an expression has at a time; nothing when the answer is empty.
    ///
    /// # Panics
    /// If the server refuses the query or answers with several series.
    pub fn number_at(self, expression: &str, at: DateTime<Utc>) -> Option<f64> {
        single_number(&self.query_at(expression, at))
    }

    /// Returns the `data` of a path with its parameters.
    ///
    /// # Panics
    /// If the server does not answer with status 200.
    pub fn get(self, target: &str) -> Value {
        let (status, body) = http::get(self.address, target).expect("the server answers");
        let mut answer: Value =
            serde_json::from_slice(&body).expect("the server answers with JSON");
        assert_eq!(status, 200, "the server refuses {target}: {answer}");
        answer["data"].take()
    }
}

fn single_number(data: &Value) -> Option<f64> {
    let value = match data["resultType"].as_str() {
        Some("scalar") => &data["result"][1],
        _ => {
            let series = data["result"]
                .as_array()
                .expect("an instant query answers with a list");
            assert!(series.len() <= 1, "one series was expected: {data}");
            &series.first()?["value"][1]
        }
    };
    Some(
        value
            .as_str()?
            .parse()
            .expect("the server writes numbers as Rust reads them"),
    )
}
