//! A webhook that takes CloudEvents, signed after "Standard Webhooks".
//!
//! Every request carries `webhook-id` (the event's id, the same for every repeat) and `webhook-timestamp` (Unix
//! seconds of this attempt). With a secret it carries `webhook-signature: v1,SIGNATURE` as well, where SIGNATURE is
//! the base64 of the HMAC-SHA256 of `id.timestamp.body`. The key is what follows `whsec_`, decoded from base64, or
//! else the bytes of the secret as they are. A receiver checks the signature over the bytes as received, refuses
//! timestamps that are minutes away from its own clock, and drops ids that it has seen.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use super::http::HttpAuth;
use super::post::{Parcel, Patience, Post, PostError, PostFault, Resend, pieces};

/// Beginning of a secret whose key is written in base64. Source: the specification of Standard Webhooks.
const KEY_PREFIX: &str = "whsec_";

/// Statuses that say that this message is not wanted, whoever sends it.
const UNFIT: [u16; 4] = [400, 413, 415, 422];

/// A URL that takes events.
pub struct Webhook {
    post: Post,
    key: Option<hmac::Key>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("post", &self.post)
            .field("is_signed", &self.key.is_some())
            .finish()
    }
}

/// Returns the usual patience: 5 s for a request, two tries.
pub fn webhook_patience() -> Patience {
    Patience {
        call_timeout: Duration::from_secs(5),
        pauses: vec![Duration::from_secs(1)],
    }
}

impl Webhook {
    /// Prepares to send; sends nothing. Without a secret nothing is signed.
    ///
    /// # Errors
    /// Fails when the URL is none.
    pub fn new(
        url: &SecretString,
        secret: Option<&SecretString>,
        patience: Patience,
    ) -> Result<Self, url::ParseError> {
        let parsed = Url::parse(url.expose_secret())?;
        let hidden = pieces(url).into_iter().chain(secret.cloned()).collect();
        Ok(Self {
            post: Post::new(parsed, HttpAuth::None, hidden, patience),
            key: secret.map(|secret| key(secret.expose_secret())),
        })
    }

    /// Sends an event in the structured mode of CloudEvents. The receiver knows a repeat by its id, so one whose
    /// answer was lost is sent again.
    ///
    /// # Errors
    /// Fails when the receiver does not take it before `deadline`.
    pub async fn send(&self, deadline: Instant, id: &str, event: Vec<u8>) -> Result<(), PostError> {
        let id: String = id
            .chars()
            .map(|c| if c.is_ascii_graphic() { c } else { '_' })
            .collect();
        let timestamp = Utc::now().timestamp().to_string();
        let mut headers = vec![
            ("webhook-id", id.clone()),
            ("webhook-timestamp", timestamp.clone()),
        ];
        if let Some(key) = &self.key {
            let signature = signature(key, &id, &timestamp, &event);
            headers.push(("webhook-signature", format!("v1,{signature}")));
        }
        let parcel = Parcel {
            segments: &[],
            content_type: "application/cloudevents+json",
            headers: &headers,
            body: event,
            resend: Resend::Freely,
        };
        let fault = match self.post.send(deadline, &parcel, |_| Ok(())).await {
            Ok(()) => return Ok(()),
            // It has taken this id before.
            Err(PostFault::Refused { status: 409, .. }) => return Ok(()),
            Err(PostFault::Refused { status, words, .. }) if UNFIT.contains(&status) => {
                PostFault::Unfit { status, words }
            }
            Err(PostFault::Refused { status, words, .. }) => PostFault::Refused {
                status,
                words,
                remedy: "check WEBHOOK_URL and WEBHOOK_SECRET",
            },
            Err(fault) => fault,
        };
        Err(fault.tried("send an event to the webhook"))
    }
}

fn key(secret: &str) -> hmac::Key {
    let decoded = secret
        .strip_prefix(KEY_PREFIX)
        .and_then(|text| STANDARD.decode(text).ok());
    let bytes = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

fn signature(key: &hmac::Key, id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    STANDARD.encode(hmac::sign(key, &signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_specification_does() {
        // The example of the Standard Webhooks libraries.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_no_base64_counts_as_it_is() {
        let tag = |secret| signature(&key(secret), "id", "1", b"{}");
        assert_ne!(tag("plain"), tag("whsec_plain!"));
        assert_eq!(tag("whsec_cGxhaW4="), tag("plain"));
    }
}
