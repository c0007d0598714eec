//! What is refused of a configuration of NGINX, and what is written instead, on a real NGINX: one that is refused does
//! what the refusal says, the other one what it seems to do.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};
use testkit::nginx::Nginx;
use testkit::stub::{Reply, Stub};

use super::{Ran, finds, program};

/// How many requests are sent.
const SENT: usize = 100;

/// What lies behind the proxy, and how many requests each side got.
struct Sides {
    distributor: Stub,
    edge: Stub,
}

impl Sides {
    fn new() -> Self {
        let answers = || Stub::http(|_| Some(Reply::text(200, "ok")));
        Self {
            distributor: answers(),
            edge: answers(),
        }
    }

    /// Starts NGINX with a configuration that names the sides as the examples do.
    fn serves(&self, configuration: &str) -> Result<Nginx, String> {
        let at = |side: &Stub| side.url().replace("http://", "");
        let configuration = configuration
            .replace("distributor:8080", &at(&self.distributor))
            .replace("edge:8080", &at(&self.edge));
        Nginx::start(&configuration)
    }

    /// Sends the requests of one client for one address.
    fn asked(&self, configuration: &str) -> (usize, usize) {
        let nginx = self.serves(configuration).expect("NGINX takes it");
        for _ in 0..SENT {
            let answer = nginx.get("/api/v1/push").expect("it answers");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        (
            self.distributor.requests().len(),
            self.edge.requests().len(),
        )
    }
}

/// Looks at a runbook that writes a configuration.
fn check(configuration: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let step = json!({"path": "/etc/nginx/conf.d/push.conf", "content": configuration});
    let runbook = format!("name: back\nrollback:\n- name: a\n  file: {step}\n");
    let program = program(folder.path().join("runbook.yaml"), &runbook);
    program.arguments(&["runbook", "check"]).run()
}

fn mirrored(location: &str, to: &str) -> String {
    format!(
        "server {{\n  listen 8080;\n  location {location} {{\n    mirror {to};\n    proxy_pass http://distributor:8080;\n  }}\n  \
         location = /_mirror {{\n    internal;\n    proxy_read_timeout 60s;\n    proxy_pass http://edge:8080/api/v1/push;\n  }}\n}}\n"
    )
}

fn split(by: &str) -> String {
    format!(
        "split_clients \"{by}\" $side {{\n  50% edge:8080;\n  * distributor:8080;\n}}\n\
         server {{\n  listen 8080;\n  location / {{\n    proxy_pass http://$side;\n  }}\n}}\n"
    )
}

#[test]
fn a_mirror_to_itself_gives_production_each_request_twice() {
    let to_itself = mirrored("/api/v1/push", "/api/v1/push");
    assert_eq!(Sides::new().asked(&to_itself), (2 * SENT, 0));
    let happens = "production gets each request twice and the shadow none";
    finds(&check(&to_itself).exits(2), "problem", "trap", happens);
    let of_its_own = mirrored("/api/v1/push", "/_mirror");
    assert_eq!(Sides::new().asked(&of_its_own), (SENT, SENT));
    check(&of_its_own).exits(0);
}

#[test]
fn a_mirror_has_no_time_limit_of_its_own() {
    let limited = "server {\n  listen 8080;\n  mirror_timeout 1s;\n}\n";
    let refused = Sides::new().serves(limited).expect_err("it has no such");
    let said = "unknown directive \"mirror_timeout\"";
    assert!(refused.contains(said), "{refused}");
    let happens = "NGINX has no mirror_timeout: it refuses the whole file";
    finds(&check(limited).exits(2), "problem", "trap", happens);
}

#[test]
fn clients_are_split_where_requests_are_meant() {
    let clients = split("$remote_addr$request_uri");
    let (distributor, edge) = Sides::new().asked(&clients);
    // One client that asks for one address is on one side, whatever the share.
    assert_eq!((distributor.max(edge), distributor.min(edge)), (SENT, 0));
    let happens = "it splits clients, not requests";
    finds(&check(&clients).exits(2), "problem", "trap", happens);
    let requests = split("$request_id");
    let (distributor, edge) = Sides::new().asked(&requests);
    assert_eq!(distributor + edge, SENT);
    // With even chances one side gets none of a hundred once in 10^30 times.
    assert!(distributor > 0 && edge > 0, "{distributor} and {edge}");
    check(&requests).exits(0);
}

#[test]
fn nginx_takes_what_the_examples_write_and_does_what_their_steps_say() {
    let contents = |file: &str| {
        let path = crate::documentation::at("examples/runbooks").join(file);
        let text = std::fs::read_to_string(path).expect("it is there");
        let runbook = serde_norway::Deserializer::from_str(&text);
        let runbook = Value::deserialize(runbook).expect("YAML");
        let lists = ["rollback", "return"].map(|list| runbook[list].clone());
        let steps = lists.iter().filter_map(Value::as_array).flatten();
        let written = steps.filter_map(|step| step["file"]["content"].as_str());
        written.map(str::to_owned).collect::<Vec<_>>()
    };
    let written = contents("nginx-direct.yaml");
    let [direct, mirror, split] = written.as_slice() else {
        panic!("{written:#?}");
    };
    assert_eq!(Sides::new().asked(direct), (SENT, 0));
    assert_eq!(Sides::new().asked(mirror), (SENT, SENT));
    let (distributor, edge) = Sides::new().asked(split);
    assert_eq!(distributor + edge, SENT);
    assert!(edge < distributor, "1 %: {edge} and {distributor}");
}

/// Holds every request of a side until it is let go, at the latest when the test is over.
struct Hold(Arc<(Mutex<bool>, Condvar)>);

impl Hold {
    fn lets_go(&self) {
        let (is_over, changed) = &*self.0;
        *is_over.lock().expect("no panic") = true;
        changed.notify_all();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lets_go();
    }
}

/// Sides whose edge does not answer.
struct HeldSides {
    // Fields are dropped in this order: a server ends once its requests are over.
    hold: Hold,
    sides: Sides,
}

impl HeldSides {
    fn new() -> Self {
        let hold = Hold(Arc::default());
        let held = Arc::clone(&hold.0);
        let edge = Stub::http(move |_| {
            let (is_over, changed) = &*held;
            let is_over = is_over.lock().expect("no panic");
            drop(changed.wait_while(is_over, |is_over| !*is_over));
            Some(Reply::text(200, "ok"))
        });
        let sides = Sides {
            edge,
            ..Sides::new()
        };
        Self { hold, sides }
    }
}

/// Sends a request and leaves the connection open.
fn send(stream: &mut UnixStream) {
    let request = b"GET /api/v1/push HTTP/1.1\r\nHost: nginx\r\n\r\n";
    stream.write_all(request).expect("it reads");
}

/// Reads an answer whose body is `ok`.
fn answered(stream: &mut UnixStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        seen.push(byte[0]);
    }
}

#[test]
fn a_mirror_without_a_limit_holds_whoever_keeps_the_connection() {
    let limited = mirrored("/api/v1/push", "/_mirror").replace("60s", "1s");
    let unlimited = limited.replace("proxy_read_timeout 1s;", "");
    let HeldSides { hold, sides } = &HeldSides::new();
    let nginx = sides.serves(&unlimited).expect("NGINX takes it");
    let mut kept = nginx.connect().expect("it listens");
    send(&mut kept);
    answered(&mut kept);
    send(&mut kept);
    // Whoever comes over another connection is served, but the one that is kept is not even read.
    let mut other = nginx.connect().expect("it listens");
    send(&mut other);
    answered(&mut other);
    assert_eq!(sides.distributor.requests().len(), 2);
    hold.lets_go();
    answered(&mut kept);
    assert_eq!(sides.distributor.requests().len(), 3);
    let happens = "holds the next request of every client that keeps its connection";
    finds(&check(&unlimited).exits(2), "problem", "trap", happens);

    // With a limit nobody has to let it go.
    let held = HeldSides::new();
    let nginx = held.sides.serves(&limited).expect("NGINX takes it");
    let mut kept = nginx.connect().expect("it listens");
    for _ in 0..2 {
        send(&mut kept);
        answered(&mut kept);
    }
    check(&limited).exits(0);
}
