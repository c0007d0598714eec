//! PagerDuty's Events API v2. A trigger wakes whoever is on call.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::http::HttpAuth;
use super::post::{Parcel, Patience, Post, PostError, PostFault, Resend};

/// Largest event that PagerDuty takes (bytes). Source: PagerDuty's documentation, "Events API v2 overview".
pub const MAX_EVENT: usize = 512 * 1024;

/// What a person does when PagerDuty lets nothing in.
const CHECK_KEY: &str =
    "check PAGERDUTY_KEY, and that PAGERDUTY_EVENTS_URL is that of its region (US or EU)";

/// What happens to an alert. There is no acknowledging: a program must not silence a person's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertAction {
    /// It is opened, or joins the open one of the same key.
    Trigger,
    /// It is over. Without an open one nothing happens.
    Resolve,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Wakes people.
    Critical,
    /// Wakes people in most settings.
    Error,
    /// Wakes nobody in most settings.
    Info,
}

/// An alert that opens or ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// What happens to it.
    pub event_action: AlertAction,
    /// The same for everything that is about the same incident (at most 255 characters).
    pub dedup_key: String,
    /// What is wrong; not needed to resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<AlertPayload>,
    /// Where to look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Who says it.
    pub client: &'static str,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertPayload {
    /// In one line (at most 1,024 characters).
    pub summary: String,
    /// Where.
    pub source: String,
    /// How bad.
    pub severity: Severity,
    /// When, as RFC 3339.
    pub timestamp: String,
    /// The service.
    pub component: String,
    /// Its namespace.
    pub group: String,
    /// The kind of trouble.
    pub class: &'static str,
    /// Everything else, an object.
    pub custom_details: Value,
}

/// A change that people see beside incidents. It notifies nobody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeEvent {
    /// What was changed.
    pub payload: ChangePayload,
    /// Where to look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangePayload {
    /// In one line (at most 1,024 characters).
    pub summary: String,
    /// Where.
    pub source: String,
    /// When, as RFC 3339.
    pub timestamp: String,
    /// Everything else, an object.
    pub custom_details: Value,
}

/// A page to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its URL.
    pub href: String,
    /// What it shows.
    pub text: String,
}

/// A routing key of a service or an event orchestration.
#[derive(Debug)]
pub struct Pagerduty {
    post: Post,
    key: SecretString,
}

#[derive(Serialize)]
struct Routed<'a, T> {
    routing_key: &'a str,
    #[serde(flatten)]
    event: &'a T,
}

/// Returns the usual patience: 5 s for a request, and tries after 0 s, 10 s and 30 s as far as the deadline allows.
pub fn pagerduty_patience() -> Patience {
    Patience {
        call_timeout: Duration::from_secs(5),
        pauses: [0, 10, 30].map(Duration::from_secs).to_vec(),
    }
}

impl Pagerduty {
    /// Prepares to send; sends nothing. `events_url` is the full URL of the enqueue call, whose path ends with
    /// `/enqueue`; changes go to `change/enqueue` beside it.
    pub fn new(events_url: &Url, key: SecretString, patience: Patience) -> Self {
        let mut base = events_url.clone();
        let path = base.path().trim_end_matches('/');
        let above = path.strip_suffix("enqueue").unwrap_or(path).to_owned();
        base.set_path(&above);
        Self {
            post: Post::new(base, HttpAuth::None, vec![key.clone()], patience),
            key,
        }
    }

    /// Opens or ends an alert. Repeats join by the key, so one whose answer was lost is sent again.
    ///
    /// # Errors
    /// Fails when PagerDuty does not take it before `deadline`.
    pub async fn alert(&self, deadline: Instant, alert: &Alert) -> Result<(), PostError> {
        self.send(deadline, &["enqueue"], alert, Resend::Freely)
            .await
            .map_err(|fault| fault.tried("send an alert to PagerDuty"))
    }

    /// Writes down a change. PagerDuty does not know a repeat again, so one whose answer was lost is not sent again
    /// here.
    ///
    /// # Errors
    /// Fails when PagerDuty does not take it before `deadline`.
    pub async fn change(&self, deadline: Instant, change: &ChangeEvent) -> Result<(), PostError> {
        self.send(deadline, &["change", "enqueue"], change, Resend::Unseen)
            .await
            .map_err(|fault| fault.tried("send a change to PagerDuty"))
    }

    async fn send(
        &self,
        deadline: Instant,
        segments: &[&str],
        event: &impl Serialize,
        resend: Resend,
    ) -> Result<(), PostFault> {
        let routed = Routed {
            routing_key: self.key.expose_secret(),
            event,
        };
        let body = serde_json::to_vec(&routed).expect("texts are JSON");
        if body.len() > MAX_EVENT {
            return Err(PostFault::Unfit {
                status: 413,
                words: "the event is larger than 512 KB".to_owned(),
            });
        }
        let parcel = Parcel {
            segments,
            content_type: "application/json",
            headers: &[],
            body,
            resend,
        };
        match self.post.send(deadline, &parcel, |_| Ok(())).await {
            Ok(()) => Ok(()),
            Err(PostFault::Refused { status, words, .. })
                if matches!(status, 400 | 413) && !words.contains("routing_key") =>
            {
                Err(PostFault::Unfit { status, words })
            }
            Err(PostFault::Refused { status, words, .. }) => Err(PostFault::Refused {
                status,
                words,
                remedy: CHECK_KEY,
            }),
            Err(fault) => Err(fault),
        }
    }
}
