//! The stand-in is brought to where the real server was, and asked the same.

use serde_json::Value;
use testkit::http::{self, Answer};

use super::likeness::Likeness;
use super::situations::Situation;
use super::table::{ROWS, Row};
use super::{Asked, Recording};

impl Situation {
    /// Sends a recorded request as it stands.
    fn ask(&self, asked: &Asked) -> Answer {
        let kind = self.content_type.filter(|_| asked.method != "GET");
        let token = self.token.as_ref();
        let token = token.map(|token| format!("Authorization: Bearer {token}"));
        let kind = kind.map(|kind| format!("Content-Type: {kind}"));
        let lines = Vec::from_iter(token.into_iter().chain(kind));
        let headers: Vec<&str> = lines.iter().map(String::as_str).collect();
        let url = format!(
            "{}{}",
            self.argo.url().replace("https://", "http://"),
            asked.path
        );
        let body = if asked.body.is_null() {
            String::new()
        } else {
            asked.body.to_string()
        };
        let send = || http::send(&asked.method, &url, &headers, &body).expect("an answer");
        if !asked.path.contains("refresh=") {
            return send();
        }
        // The answer comes when the controller has compared, and no step later.
        std::thread::scope(|scope| {
            let asked = scope.spawn(send);
            let is_asked =
                |world: &testkit::argocd::World| world.app("checkout").is_refresh_requested();
            self.argo.wait_until("a refresh is asked for", is_asked);
            while self.argo.look(is_asked) {
                self.argo.step();
            }
            asked.join().expect("no panic")
        })
    }
}

fn differences(row: &Row) -> Vec<String> {
    let recording = Recording::of(row.name);
    let came = (row.situation)().ask(&recording.request);
    let mut differences = Vec::new();
    let kind = came.header("content-type");
    if (came.status, kind) != (recording.status, recording.content_type.as_str()) {
        let recorded = (recording.status, &recording.content_type);
        differences.push(format!(
            "recorded {recorded:?}, came {:?}",
            (came.status, kind)
        ));
    }
    let body = serde_json::from_slice(&came.body).unwrap_or_else(|_| Value::String(came.text()));
    differences.extend(Likeness::differences(&recording.body, &body));
    differences
}

#[test]
fn the_stand_in_answers_every_recording() {
    let mut wrong = Vec::new();
    for row in ROWS {
        for difference in differences(row) {
            wrong.push(format!("{}: {difference}", row.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
