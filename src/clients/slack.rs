//! Slack: an incoming webhook, or a bot that can change its messages and answer in threads.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::http::{HttpAuth, Response, quote};
use super::post::{Parcel, Patience, Post, PostError, PostFault, Resend, pieces};

/// What the webhook says to a message that it took. Source: Slack's documentation, "Sending messages using incoming
/// webhooks".
const TAKEN: &[u8] = b"ok";

/// What a person does when the webhook lets nothing in.
const RENEW_WEBHOOK: &str =
    "the webhook is revoked or its channel is gone: make a new one and set SLACK_WEBHOOK";

/// What a person does when the bot is not let in.
const MEND_BOT: &str =
    "check SLACK_BOT_TOKEN and its scope chat:write, and invite the bot to SLACK_CHANNEL";

/// Words of a refusal that is about the message. Source: Slack's documentation of incoming webhooks and of
/// `chat.postMessage`.
const UNFIT: &[&str] = &[
    "invalid_payload",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_arguments",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
];

/// Words of a fault that passes. Source: Slack's documentation of `chat.postMessage`.
const PASSING: &[&str] = &[
    "fatal_error",
    "internal_error",
    "request_timeout",
    "service_unavailable",
];

/// Words that say to slow down.
const TOO_FAST: &[&str] = &["rate_limited", "ratelimited"];

/// Words that say that a message cannot be changed any more. Source: Slack's documentation of `chat.update`.
const NOT_CHANGEABLE: &[&str] = &[
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
];

/// What is posted. The caller keeps Slack's limits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlackMessage {
    /// The notification, and what is shown where blocks are not.
    pub text: String,
    /// Blocks of Block Kit.
    pub blocks: Vec<Value>,
}

/// Where a message of a bot is. Needed to change it and to answer in its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The channel's id.
    pub channel: String,
    /// The message's time, which is its name in the channel.
    pub ts: String,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlackDestination<'a> {
    /// Into the channel.
    Channel,
    /// Into the thread of a message: only who follows it is notified.
    Thread(&'a Posted),
    /// Into the thread of a message and into the channel: everybody is to see it.
    Both(&'a Posted),
}

/// What became of a message that was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// It is changed.
    Done,
    /// It was deleted, or may not be changed any more.
    Gone,
}

/// An incoming webhook. It cannot say where its messages are.
#[derive(Debug)]
pub struct SlackWebhook {
    post: Post,
}

/// A bot in a channel.
#[derive(Debug)]
pub struct SlackBot {
    post: Post,
    channel: String,
}

#[derive(Deserialize)]
struct SlackAnswer {
    ok: bool,
    #[serde(default)]
    error: String,
    channel: Option<String>,
    ts: Option<String>,
}

/// Returns the usual patience: 5 s for a request, three tries. Source: our rule; Slack takes about one message per
/// second.
pub fn slack_patience() -> Patience {
    Patience {
        call_timeout: Duration::from_secs(5),
        pauses: vec![Duration::from_secs(1), Duration::from_secs(2)],
    }
}

impl SlackWebhook {
    /// Prepares to post; sends nothing.
    ///
    /// # Errors
    /// Fails when the secret is no URL.
    pub fn new(webhook: &SecretString, patience: Patience) -> Result<Self, url::ParseError> {
        let url = Url::parse(webhook.expose_secret())?;
        let post = Post::new(url, HttpAuth::None, pieces(webhook), patience);
        Ok(Self { post })
    }

    /// Posts a message. One whose answer was lost is not sent again here, because it would be seen twice.
    ///
    /// # Errors
    /// Fails when Slack does not take the message before `deadline`.
    pub async fn post(&self, deadline: Instant, message: &SlackMessage) -> Result<(), PostError> {
        const TRIED: &str = "post to the Slack webhook";
        let parcel = parcel(&[], message, Resend::Unseen);
        let sent = self.post.send(deadline, &parcel, |answer| {
            if answer.body.trim_ascii() == TAKEN {
                return Ok(());
            }
            Err(PostFault::Answer {
                words: self.post.words(&answer.body),
                remedy: "check that SLACK_WEBHOOK is a Slack webhook",
            })
        });
        sent.await
            .map_err(|fault| judged(fault, RENEW_WEBHOOK).tried(TRIED))
    }
}

impl SlackBot {
    /// Prepares to post to a channel by the Web API at a base URL; sends nothing.
    pub fn new(api_url: Url, token: SecretString, channel: String, patience: Patience) -> Self {
        Self {
            post: Post::new(api_url, HttpAuth::Bearer(token), Vec::new(), patience),
            channel,
        }
    }

    /// Posts a message and returns where it is. One whose answer was lost is not sent again here, because it would be
    /// seen twice.
    ///
    /// # Errors
    /// Fails when Slack does not take the message before `deadline`.
    pub async fn post(
        &self,
        deadline: Instant,
        message: &SlackMessage,
        place: SlackDestination<'_>,
    ) -> Result<Posted, PostError> {
        const TRIED: &str = "post to Slack";
        let mut body = json!({
            "channel": self.channel,
            "text": message.text,
            "blocks": message.blocks,
            "unfurl_links": false,
            "unfurl_media": false,
        });
        match place {
            SlackDestination::Channel => {}
            SlackDestination::Thread(thread) | SlackDestination::Both(thread) => {
                body["channel"] = json!(thread.channel);
                body["thread_ts"] = json!(thread.ts);
                body["reply_broadcast"] = json!(matches!(place, SlackDestination::Both(_)));
            }
        }
        let said = self
            .call(deadline, "chat.postMessage", &body, Resend::Unseen)
            .await
            .map_err(|fault| fault.tried(TRIED))?;
        match (said.channel, said.ts) {
            (Some(channel), Some(ts)) => Ok(Posted {
                channel: quote(channel.as_bytes()),
                ts: quote(ts.as_bytes()),
            }),
            (None, _) | (_, None) => Err(PostFault::Answer {
                words: "it does not say where the message is".to_owned(),
                remedy: "check SLACK_API_URL",
            }
            .tried(TRIED)),
        }
    }

    /// Changes a message of this bot. Doing it again changes nothing.
    ///
    /// # Errors
    /// Fails when Slack does not take the change before `deadline`.
    pub async fn update(
        &self,
        deadline: Instant,
        at: &Posted,
        message: &SlackMessage,
    ) -> Result<Updated, PostError> {
        let body = json!({
            "channel": at.channel,
            "ts": at.ts,
            "text": message.text,
            "blocks": message.blocks,
        });
        match self
            .call(deadline, "chat.update", &body, Resend::Freely)
            .await
        {
            Ok(_) => Ok(Updated::Done),
            Err(PostFault::Refused { words, .. }) if NOT_CHANGEABLE.contains(&words.as_str()) => {
                Ok(Updated::Gone)
            }
            Err(fault) => Err(fault.tried("change a message in Slack")),
        }
    }

    async fn call(
        &self,
        deadline: Instant,
        method: &str,
        body: &Value,
        resend: Resend,
    ) -> Result<SlackAnswer, PostFault> {
        let segments = [method];
        let parcel = parcel(&segments, body, resend);
        let sent = self
            .post
            .send(deadline, &parcel, |answer| self.read(&answer));
        sent.await.map_err(|fault| judged(fault, MEND_BOT))
    }

    /// Reads what a method says. It refuses with the status of success.
    fn read(&self, answer: &Response) -> Result<SlackAnswer, PostFault> {
        let Ok(said) = serde_json::from_slice::<SlackAnswer>(&answer.body) else {
            return Err(PostFault::Answer {
                words: self.post.words(&answer.body),
                remedy: "check SLACK_API_URL",
            });
        };
        if said.ok {
            return Ok(said);
        }
        let words = self.post.words(said.error.as_bytes());
        let status = answer.status.as_u16();
        Err(if TOO_FAST.contains(&words.as_str()) {
            PostFault::RateLimited {
                wait: answer.retry_after(),
            }
        } else if PASSING.contains(&words.as_str()) {
            PostFault::Server { status, words }
        } else {
            PostFault::Refused {
                status,
                words,
                remedy: "",
            }
        })
    }
}

fn parcel<'a>(segments: &'a [&'a str], body: &impl Serialize, resend: Resend) -> Parcel<'a> {
    Parcel {
        segments,
        content_type: "application/json; charset=utf-8",
        headers: &[],
        body: serde_json::to_vec(body).expect("texts are JSON"),
        resend,
    }
}

/// Says whether a refusal is about the message or about who sends it.
fn judged(fault: PostFault, remedy: &'static str) -> PostFault {
    let PostFault::Refused { status, words, .. } = fault else {
        return fault;
    };
    if status == 413 || UNFIT.contains(&words.as_str()) {
        return PostFault::Unfit { status, words };
    }
    PostFault::Refused {
        status,
        words,
        remedy,
    }
}
