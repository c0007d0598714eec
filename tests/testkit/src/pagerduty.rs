//! A strict PagerDuty on loopback: Events API v2 with the life of alerts, and changes.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::standin::{Front, lock};
use crate::stub::{Reply, Request, Stub};

/// Largest event (bytes). Source: PagerDuty's documentation, "Events API v2 overview".
const MAX_EVENT: usize = 512 * 1024;

/// A PagerDuty with one routing key. Dropping it stops it and fails the test if anything was wrong.
pub struct PagerdutyServer {
    world: Arc<World>,
    stub: Option<Stub>,
}

#[derive(Default)]
struct World {
    front: Front,
    alerts: Mutex<Vec<AlertRecord>>,
    changes: Mutex<Vec<Value>>,
    calls: Mutex<Vec<String>>,
}

/// An alert as PagerDuty keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// The key by which events join it.
    pub key: String,
    /// The newest trigger's severity.
    pub severity: String,
    /// The newest trigger's summary.
    pub summary: String,
    /// The newest trigger's details.
    pub details: Value,
    /// How many triggers joined it.
    pub triggers: usize,
    /// Whether it still wakes people.
    pub is_open: bool,
}

impl PagerdutyServer {
    /// The routing key.
    pub const KEY: &str = "canarypagerdutykey01234567890123";

    /// Starts without alerts.
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

    /// Returns the full URL of the enqueue call.
    pub fn events_url(&self) -> String {
        let stub = self.stub.as_ref().expect("there until it is dropped");
        format!("{}/v2/enqueue", stub.url())
    }

    /// Answers the next request with something else, and does nothing.
    pub fn instead(&self, reply: Reply) {
        self.world.front.instead(reply);
    }

    /// Does what the next request asks for, and answers something else.
    pub fn after(&self, reply: Reply) {
        self.world.front.after(reply);
    }

    /// Returns the alerts, oldest first.
    pub fn alerts(&self) -> Vec<AlertRecord> {
        lock(&self.world.alerts).clone()
    }

    /// Returns the payloads of the changes, oldest first.
    pub fn changes(&self) -> Vec<Value> {
        lock(&self.world.changes).clone()
    }

    /// Returns what was called so far: `trigger`, `resolve`, `change`.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.world.calls).clone()
    }

    /// Takes what is wrong so far, for a test that provokes it.
    pub fn take_violations(&self) -> Vec<String> {
        self.world.front.take_violations()
    }
}

impl Drop for PagerdutyServer {
    fn drop(&mut self) {
        drop(self.stub.take());
        self.world.front.settle("PagerDuty");
    }
}

impl World {
    fn play(&self, request: &Request) -> Option<Reply> {
        let is_change = match request.path() {
            "/v2/enqueue" => false,
            "/v2/change/enqueue" => true,
            _ => return None,
        };
        let body = self
            .front
            .json(request, "application/json")
            .unwrap_or_default();
        let call = if is_change {
            "change"
        } else {
            body["event_action"].as_str().unwrap_or("nothing")
        };
        lock(&self.calls).push(call.to_owned());
        Some(
            self.front
                .play(|| self.take(request.body.len(), &body, is_change)),
        )
    }

    fn take(&self, size: usize, body: &Value, is_change: bool) -> Reply {
        let key = body["routing_key"].as_str().unwrap_or_default();
        if key.len() != 32 {
            return invalid("Length of 'routing_key' is incorrect (should be 32 characters)");
        }
        if key != PagerdutyServer::KEY {
            return invalid("Invalid 'routing_key'");
        }
        if size > MAX_EVENT {
            self.front.violation(format!("an event of {size} bytes"));
            return Reply::json(413, "{}");
        }
        self.check_links(&body["links"]);
        if is_change {
            self.take_change(body)
        } else {
            self.take_alert(body)
        }
    }

    fn take_change(&self, body: &Value) -> Reply {
        self.front.fields(
            "a change",
            body,
            &["routing_key", "payload"],
            &["links", "images"],
        );
        let payload = &body["payload"];
        let optional = ["source", "timestamp", "custom_details"];
        self.front
            .fields("a change's payload", payload, &["summary"], &optional);
        self.front.text("a summary", &payload["summary"], 1_024);
        self.check_time(&payload["timestamp"]);
        lock(&self.changes).push(payload.clone());
        taken(json!({ "status": "success", "message": "Change event processed" }))
    }

    fn take_alert(&self, body: &Value) -> Reply {
        let optional = ["payload", "links", "images", "client", "client_url"];
        let needed = ["routing_key", "event_action", "dedup_key"];
        self.front.fields("an event", body, &needed, &optional);
        self.front.text("a key", &body["dedup_key"], 255);
        let key = body["dedup_key"].as_str().unwrap_or_default();
        match body["event_action"].as_str() {
            Some("trigger") => self.trigger(key, &body["payload"]),
            Some("resolve") => {
                let mut alerts = lock(&self.alerts);
                for alert in alerts.iter_mut().filter(|alert| alert.key == key) {
                    alert.is_open = false;
                }
            }
            other => self.front.violation(format!("the action {other:?}")),
        }
        taken(json!({ "status": "success", "message": "Event processed", "dedup_key": key }))
    }

    fn trigger(&self, key: &str, payload: &Value) {
        let optional = ["timestamp", "component", "group", "class", "custom_details"];
        self.front.fields(
            "a payload",
            payload,
            &["summary", "source", "severity"],
            &optional,
        );
        self.front.text("a summary", &payload["summary"], 1_024);
        self.front.text("a source", &payload["source"], 255);
        self.check_time(&payload["timestamp"]);
        let severity = payload["severity"].as_str().unwrap_or_default();
        if !["critical", "error", "warning", "info"].contains(&severity) {
            self.front.violation(format!("the severity {severity:?}"));
        }
        if !payload["custom_details"].is_object() {
            self.front.violation("details that are no object");
        }
        let mut alerts = lock(&self.alerts);
        let open = alerts
            .iter_mut()
            .find(|alert| alert.key == key && alert.is_open);
        let triggers = open.as_ref().map_or(0, |alert| alert.triggers) + 1;
        let newest = AlertRecord {
            key: key.to_owned(),
            severity: severity.to_owned(),
            summary: payload["summary"].as_str().unwrap_or_default().to_owned(),
            details: payload["custom_details"].clone(),
            triggers,
            is_open: true,
        };
        match open {
            Some(alert) => *alert = newest,
            None => alerts.push(newest),
        }
    }

    fn check_time(&self, time: &Value) {
        let text = time.as_str().unwrap_or_default();
        if chrono::DateTime::parse_from_rfc3339(text).is_err() {
            self.front.violation(format!("the time {time}"));
        }
    }

    fn check_links(&self, links: &Value) {
        for link in links.as_array().into_iter().flatten() {
            self.front.fields("a link", link, &["href"], &["text"]);
            let href = link["href"].as_str().unwrap_or_default();
            if !href.starts_with("https://") && !href.starts_with("http://") {
                self.front.violation(format!("a link to {href:?}"));
            }
        }
    }
}

fn taken(answer: Value) -> Reply {
    Reply::json(202, answer.to_string())
}

fn invalid(error: &str) -> Reply {
    let said = json!({
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": [error],
    });
    Reply::json(400, said.to_string())
}
