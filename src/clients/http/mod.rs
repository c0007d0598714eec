//! The HTTP client that every outside system shares.
//!
//! One [`HttpClient`] talks to one base URL, so that its secrets cannot travel to another host. It never follows a
//! redirect, never retries, never reads more than a set number of bytes and never waits longer than a set time.
//! Loopback is always reached directly; elsewhere `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` hold.
//! The platform's root certificates are loaded for an `https` base only, because loading them costs more than a whole
//! healthy pass; a plain `http` base therefore cannot go through a proxy that itself speaks `https`.

mod client;
mod deadline;
mod error;
mod purpose;
mod quote;
mod retry;
mod settings;

pub use client::{HttpClient, Response, Streaming, accept_json};
pub use deadline::Deadline;
pub(in crate::clients) use error::with_cause;
pub use error::{HttpError, HttpSettingsError, TransportCause};
pub use purpose::Purpose;
pub use quote::{quote, quote_ends};
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, RequestBuilder, StatusCode};
pub(in crate::clients) use retry::{Failure, Repeat, RetryPolicy};
pub use settings::{HttpAuth, HttpSettings};
