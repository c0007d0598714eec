//! A strict Slack on loopback: an incoming webhook, and the two methods of the Web API that a bot uses.
//!
//! Every message is held against the limits of Slack's reference. One that calls people is a violation too.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::standin::{Front, lock};
use crate::stub::{Reply, Request, Stub};

/// Most blocks of a message. Source: Slack's reference of messages.
const MAX_BLOCKS: usize = 50;

/// Most characters of all blocks together. Source: what Slack answers to more (`msg_blocks_too_long`); not documented.
const MAX_TOTAL: usize = 12_000;

/// A Slack with one channel. Dropping it stops it and fails the test if anything was wrong.
pub struct SlackServer {
    world: Arc<World>,
    stub: Option<Stub>,
}

#[derive(Default)]
struct World {
    front: Front,
    messages: Mutex<Vec<Message>>,
    calls: Mutex<Vec<String>>,
}

/// A message as the channel shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its name in the channel.
    pub ts: String,
    /// The notification.
    pub text: String,
    /// The blocks.
    pub blocks: Vec<Value>,
    /// The message in whose thread it stands.
    pub thread: Option<String>,
    /// Whether it stands in the channel as well as in a thread.
    pub is_loud: bool,
    /// How often it was changed.
    pub edits: usize,
}

impl SlackServer {
    /// The token of the bot.
    pub const TOKEN: &str = "xoxb-canary-slack-token";

    /// The channel as people name it.
    pub const CHANNEL: &str = "#alerts";

    /// The channel's id.
    pub const CHANNEL_ID: &str = "C0123456789";

    /// What follows the host in the URL of the webhook.
    pub const WEBHOOK: &str = "/services/T00000000/B00000000/canarySlackWebhook";

    /// Starts with an empty channel.
    pub fn start() -> Self {
        let world = Arc::new(World::default());
        let stub = Stub::http({
            let world = Arc::clone(&world);
            move |request| world.play(request)
        });
        Self {
            world,
            stub: Some(stub),
        }
    }

    /// Returns the URL of the webhook, which is a secret.
    pub fn webhook_url(&self) -> String {
        format!("{}{}", self.url(), Self::WEBHOOK)
    }

    /// Returns the base URL of the Web API, with a slash at its end.
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.url())
    }

    fn url(&self) -> String {
        self.stub.as_ref().expect("there until it is dropped").url()
    }

    /// Answers the next request with something else, and does nothing.
    pub fn instead(&self, reply: Reply) {
        self.world.front.instead(reply);
    }

    /// Does what the next request asks for, and answers something else.
    pub fn after(&self, reply: Reply) {
        self.world.front.after(reply);
    }

    /// Returns the messages of the channel, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.world.messages).clone()
    }

    /// Returns what was called so far: `webhook`, `chat.postMessage`, `chat.update`.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.world.calls).clone()
    }

    /// Deletes a message, as a person does.
    pub fn delete(&self, ts: &str) {
        lock(&self.world.messages).retain(|message| message.ts != ts);
    }

    /// Takes what is wrong so far, for a test that provokes it.
    pub fn take_violations(&self) -> Vec<String> {
        self.world.front.take_violations()
    }
}

impl Drop for SlackServer {
    fn drop(&mut self) {
        drop(self.stub.take());
        self.world.front.settle("Slack");
    }
}

impl World {
    fn play(&self, request: &Request) -> Option<Reply> {
        let path = request.path();
        let call = if path == SlackServer::WEBHOOK {
            "webhook"
        } else {
            path.strip_prefix("/api/")?
        };
        if !["webhook", "chat.postMessage", "chat.update"].contains(&call) {
            return None;
        }
        lock(&self.calls).push(call.to_owned());
        Some(self.front.play(|| {
            let body = self.front.json(request, "application/json");
            let body = body.unwrap_or_default();
            match call {
                "webhook" => self.play_webhook(&body),
                _ => self.play_api(request, call, &body),
            }
        }))
    }

    fn play_webhook(&self, body: &Value) -> Reply {
        self.front
            .fields("the message", body, &["text"], &["blocks"]);
        match self.check(body) {
            Some(error) => Reply::text(400, error),
            None => {
                self.add(body, None);
                Reply::text(200, "ok")
            }
        }
    }

    fn play_api(&self, request: &Request, call: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {}", SlackServer::TOKEN);
        if request.header("authorization") != Some(&bearer) {
            return said(json!({ "ok": false, "error": "invalid_auth" }));
        }
        let channel = body["channel"].as_str().unwrap_or_default();
        // Only its id is known to `chat.update`.
        let is_known = channel == SlackServer::CHANNEL_ID
            || (call == "chat.postMessage" && channel == SlackServer::CHANNEL);
        if !is_known {
            return said(json!({ "ok": false, "error": "channel_not_found" }));
        }
        if let Some(error) = self.check(body) {
            return said(json!({ "ok": false, "error": error }));
        }
        match call {
            "chat.postMessage" => self.post(body),
            _ => self.update(body),
        }
    }

    fn post(&self, body: &Value) -> Reply {
        let optional = [
            "blocks",
            "reply_broadcast",
            "thread_ts",
            "unfurl_links",
            "unfurl_media",
        ];
        self.front
            .fields("the message", body, &["channel", "text"], &optional);
        let thread = body["thread_ts"].as_str().map(str::to_owned);
        if let Some(thread) = &thread {
            let messages = lock(&self.messages);
            let is_there = messages
                .iter()
                .any(|message| message.ts == *thread && message.thread.is_none());
            if !is_there {
                self.front.violation(format!("no thread at {thread}"));
            }
        }
        let ts = self.add(body, thread);
        said(json!({ "ok": true, "channel": SlackServer::CHANNEL_ID, "ts": ts, "message": {} }))
    }

    fn update(&self, body: &Value) -> Reply {
        self.front
            .fields("the change", body, &["channel", "ts", "text"], &["blocks"]);
        let mut messages = lock(&self.messages);
        let ts = body["ts"].as_str().unwrap_or_default();
        let Some(message) = messages.iter_mut().find(|message| message.ts == ts) else {
            return said(json!({ "ok": false, "error": "message_not_found" }));
        };
        message.text = body["text"].as_str().unwrap_or_default().to_owned();
        message.blocks = body["blocks"].as_array().cloned().unwrap_or_default();
        message.edits += 1;
        said(
            json!({ "ok": true, "channel": SlackServer::CHANNEL_ID, "ts": ts, "text": message.text }),
        )
    }

    fn add(&self, body: &Value, thread: Option<String>) -> String {
        let mut messages = lock(&self.messages);
        let ts = format!("1795225503.{:06}", messages.len() + 1);
        messages.push(Message {
            ts: ts.clone(),
            text: body["text"].as_str().unwrap_or_default().to_owned(),
            blocks: body["blocks"].as_array().cloned().unwrap_or_default(),
            thread,
            is_loud: body["reply_broadcast"] == true,
            edits: 0,
        });
        ts
    }

    /// Holds a message against the limits. What Slack would refuse is a violation and an error.
    fn check(&self, body: &Value) -> Option<&'static str> {
        let before = self.front.take_violations();
        let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
        if blocks.len() > MAX_BLOCKS {
            self.front.violation(format!("{} blocks", blocks.len()));
        }
        for block in &blocks {
            self.check_block(block);
        }
        let is_refused = self.note(before);
        self.front.text("the notification", &body["text"], 4_000);
        self.check_calls(&body["text"]);
        let total: usize = blocks.iter().map(length).sum();
        if total > MAX_TOTAL {
            self.front.violation(format!("{total} characters in all"));
            return Some("msg_blocks_too_long");
        }
        is_refused.then_some("invalid_blocks")
    }

    /// Puts older violations back and tells whether there are new ones.
    fn note(&self, before: Vec<String>) -> bool {
        let new = self.front.take_violations();
        let is_new = !new.is_empty();
        for violation in before.into_iter().chain(new) {
            self.front.violation(violation);
        }
        is_new
    }

    fn check_block(&self, block: &Value) {
        match block["type"].as_str() {
            Some("header") => {
                self.front
                    .fields("a header", block, &["type", "text"], &["block_id"]);
                let text = &block["text"];
                self.front
                    .fields("a header's text", text, &["type", "text"], &["emoji"]);
                if text["type"] != "plain_text" {
                    self.front.violation("a header that is no plain text");
                }
                self.front.text("a header", &text["text"], 150);
            }
            Some("section") => {
                self.front
                    .fields("a section", block, &["type", "text"], &["block_id"]);
                self.check_markup(&block["text"], 3_000);
            }
            Some("context") => {
                self.front
                    .fields("a context", block, &["type", "elements"], &["block_id"]);
                let elements = block["elements"].as_array().cloned().unwrap_or_default();
                if elements.is_empty() || elements.len() > 10 {
                    self.front.violation(format!("{} elements", elements.len()));
                }
                for element in &elements {
                    self.check_markup(element, 2_000);
                }
            }
            // Source: Slack's reference of the actions block and of the button element.
            Some("actions") => {
                self.front
                    .fields("actions", block, &["type", "elements"], &["block_id"]);
                let elements = block["elements"].as_array().cloned().unwrap_or_default();
                if elements.is_empty() || elements.len() > 25 {
                    self.front.violation(format!("{} elements", elements.len()));
                }
                let names: BTreeSet<String> = elements
                    .iter()
                    .map(|element| element["action_id"].to_string())
                    .collect();
                if names.len() != elements.len() {
                    self.front.violation("two buttons of one name");
                }
                for element in &elements {
                    self.check_button(element);
                }
            }
            other => self.front.violation(format!("a block of type {other:?}")),
        }
    }

    fn check_button(&self, button: &Value) {
        let fields = ["type", "text", "url", "action_id"];
        self.front.fields("a button", button, &fields, &["style"]);
        if button["type"] != "button" || button["text"]["type"] != "plain_text" {
            self.front.violation("a button that is none");
        }
        self.front.text("a button", &button["text"]["text"], 75);
        self.front
            .text("a button's name", &button["action_id"], 255);
        self.front.text("a button's URL", &button["url"], 3_000);
        let url = button["url"].as_str().unwrap_or_default();
        if !url.starts_with("https://") && !url.starts_with("http://") {
            self.front
                .violation(format!("a button that leads to {url}"));
        }
    }

    fn check_markup(&self, text: &Value, limit: usize) {
        self.front
            .fields("a text", text, &["type", "text"], &["verbatim"]);
        if text["type"] != "mrkdwn" {
            self.front.violation("a text that is no markup");
        }
        self.front.text("a text", &text["text"], limit);
        self.check_calls(&text["text"]);
    }

    fn check_calls(&self, text: &Value) {
        let text = text.as_str().unwrap_or_default();
        if ["<!", "<@", "<#"].iter().any(|call| text.contains(call)) {
            self.front.violation(format!("it calls people: {text}"));
        }
    }
}

fn said(answer: Value) -> Reply {
    Reply::json(200, answer.to_string())
}

/// Counts the characters of every text of a block.
fn length(block: &Value) -> usize {
    let elements = block["elements"].as_array().into_iter().flatten();
    let texts = elements.chain([&block["text"]]);
    texts
        .filter_map(|object| object["text"].as_str())
        .map(|text| text.chars().count())
        .sum()
}
