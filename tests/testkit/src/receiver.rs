//! A strict receiver of the webhook on loopback: it checks signature, age and envelope, and drops repeats.

use std::sync::{Arc, Mutex};

use chrono::Utc;
use ring::hmac;
use serde_json::Value;

use crate::git::base64;
use crate::standin::{Front, lock};
use crate::stub::{Reply, Request, Stub};

/// Largest difference of clocks (seconds). Source: the specification of Standard Webhooks.
const SKEW: i64 = 300;

/// A receiver. Dropping it stops it and fails the test if anything was wrong.
pub struct Receiver {
    world: Arc<World>,
    stub: Option<Stub>,
}

struct World {
    front: Front,
    key: Option<hmac::Key>,
    events: Mutex<Vec<Value>>,
    arrivals: Mutex<Vec<String>>,
}

impl Receiver {
    /// A secret in the form of Standard Webhooks.
    pub const SECRET: &str = "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0";

    /// The bytes that it stands for.
    const KEY: &[u8] = b"canary-webhook-secret";

    /// What follows the host in the URL.
    pub const PATH: &str = "/hooks/canaryWebhookPath";

    /// Starts a receiver that wants every event signed with [`Receiver::SECRET`].
    pub fn start() -> Self {
        Self::with_key(Some(Self::KEY))
    }

    /// Starts a receiver that takes events without a signature.
    pub fn unsigned() -> Self {
        Self::with_key(None)
    }

    /// Starts a receiver with the bytes of another key.
    pub fn with_key(key: Option<&[u8]>) -> Self {
        let world = Arc::new(World {
            front: Front::default(),
            key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)),
            events: Mutex::default(),
            arrivals: Mutex::default(),
        });
        let stub = Stub::http({
            let world = Arc::clone(&world);
            move |request| world.play(request)
        });
        Self {
            world,
            stub: Some(stub),
        }
    }

    /// Returns the URL, which is a secret.
    pub fn url(&self) -> String {
        let stub = self.stub.as_ref().expect("there until it is dropped");
        format!("{}{}", stub.url(), Self::PATH)
    }

    /// Answers the next request with something else, and does nothing.
    pub fn instead(&self, reply: Reply) {
        self.world.front.instead(reply);
    }

    /// Does what the next request asks for, and answers something else.
    pub fn after(&self, reply: Reply) {
        self.world.front.after(reply);
    }

    /// Returns the events, each once, in the order in which they came first.
    pub fn events(&self) -> Vec<Value> {
        lock(&self.world.events).clone()
    }

    /// Returns the ids of all that arrived, repeats included.
    pub fn arrivals(&self) -> Vec<String> {
        lock(&self.world.arrivals).clone()
    }

    /// Takes what is wrong so far, for a test that provokes it.
    pub fn take_violations(&self) -> Vec<String> {
        self.world.front.take_violations()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stub.take());
        self.world.front.settle("the webhook");
    }
}

impl World {
    fn play(&self, request: &Request) -> Option<Reply> {
        (request.path() == Receiver::PATH).then(|| self.front.play(|| self.take(request)))
    }

    fn take(&self, request: &Request) -> Reply {
        let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        if !self.is_signed(request, &id, &timestamp) {
            return Reply::text(401, "the signature is wrong");
        }
        let age = timestamp
            .parse()
            .map_or(i64::MAX, |at: i64| (Utc::now().timestamp() - at).abs());
        if age > SKEW {
            self.front.violation(format!("sent at {timestamp:?}"));
        }
        let Some(event) = self.front.json(request, "application/cloudevents+json") else {
            return Reply::text(400, "no JSON");
        };
        self.check(&event, &id);
        lock(&self.arrivals).push(id.clone());
        let mut events = lock(&self.events);
        let known = events.iter().find(|known| known["id"] == event["id"]);
        match known {
            Some(known) if *known != event => self.front.violation(format!("{id} is two events")),
            Some(_) => {}
            None => events.push(event),
        }
        Reply::untyped(204, "")
    }

    fn is_signed(&self, request: &Request, id: &str, timestamp: &str) -> bool {
        let Some(key) = &self.key else {
            return request.header("webhook-signature").is_none();
        };
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(&request.body);
        let expected = format!("v1,{}", base64(hmac::sign(key, &signed).as_ref()));
        request.header("webhook-signature") == Some(&expected)
    }

    fn check(&self, event: &Value, id: &str) {
        let needed = ["specversion", "id", "source", "type"];
        let optional = ["subject", "time", "datacontenttype", "data"];
        self.front.fields("an event", event, &needed, &optional);
        if event["specversion"] != "1.0" || event["id"] != id {
            self.front
                .violation(format!("an envelope of {}", event["id"]));
        }
        for name in ["id", "source", "type", "time"] {
            self.front.text(name, &event[name], 1_000);
        }
        let kind = event["type"].as_str().unwrap_or_default();
        if kind.starts_with("dev.cdevents.") {
            self.check_cdevent(event, kind);
        }
    }

    fn check_cdevent(&self, event: &Value, kind: &str) {
        let data = &event["data"];
        let optional = ["customData", "customDataContentType"];
        self.front
            .fields("a CDEvent", data, &["context", "subject"], &optional);
        let context = &data["context"];
        let needed = ["specversion", "id", "source", "type", "timestamp"];
        self.front.fields(
            "a context",
            context,
            &needed,
            &["chainId", "links", "schemaUri"],
        );
        let is_same = ["id", "source", "type"]
            .iter()
            .all(|name| context[*name] == event[*name]);
        if context["specversion"] != "0.5.0" || !is_same {
            self.front.violation(format!("the context {context}"));
        }
        let subject = &data["subject"];
        self.front
            .fields("a subject", subject, &["id", "content"], &["source"]);
        let content = &subject["content"];
        if kind.contains(".service.rolledback.") {
            self.front
                .fields("a content", content, &["environment", "artifactId"], &[]);
            let artifact = content["artifactId"].as_str().unwrap_or_default();
            if !artifact.starts_with("pkg:") {
                self.front.violation(format!("the artifact {artifact:?}"));
            }
        } else {
            let optional = ["description", "service", "artifactId"];
            self.front
                .fields("a content", content, &["environment"], &optional);
        }
        self.front.fields(
            "an environment",
            &content["environment"],
            &["id"],
            &["source"],
        );
    }
}
