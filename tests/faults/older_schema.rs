//! A run that was killed under an older schema of the state, finished by today's program.
//!
//! Each file in `schema_2/` was written by a program of that schema when it was killed at a point of a story: the body
//! of its state, and how much the servers had seen of it. What differs from run to run stands in it as `{{name}}`:
//! names as in the rollback, and times as seconds since it was begun.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use error_budget_monitor::journal::{Phase, Rollback};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::crowd;
use crate::deeds::Deeds;
use crate::scenarios::world::REPOSITORY;
use crate::stage::Stage;
use crate::stories::STORIES;
use crate::table;

/// How many points there are at least.
const POINTS: usize = 20;

/// What a program of schema 2 left behind.
#[derive(Clone, Deserialize)]
struct Left {
    story: String,
    /// The boundary at which it was killed, counted from the start.
    killed_at: usize,
    /// The name of that boundary.
    boundary: String,
    outside: Outside,
    /// The body of its state.
    body: Value,
    /// What became of the rollback when a program of its own schema went on.
    ends: Phase,
}

/// How much the servers had seen.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Outside {
    pushes: usize,
    written_at_github: usize,
    written_at_argocd: usize,
    operations: usize,
}

#[test]
fn a_run_killed_under_schema_2_is_finished() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/schema_2");
    let files = fs::read_dir(folder).expect("the folder is there");
    let read = |file: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(file.expect("a readable folder").path());
        serde_json::from_str(&text.expect("a readable file")).expect("a fixture")
    };
    let left: Vec<Left> = files.map(read).collect();
    let name = |left: &Left| format!("{}, killed at {}", left.story, left.killed_at);
    let ended = crowd::each(crowd::BUSY, &left, name, finished);
    table::reached(
        "runs of schema 2 finished",
        POINTS,
        "points",
        ended.len(),
        "",
    );
}

/// Lets today's program die at the same point, so that the servers are as they were; then the state is the one that a
/// program of schema 2 wrote there, and today's program goes on with it.
fn finished(left: &Left) {
    let mut stories = STORIES.iter();
    let story = stories.find(|story| story.name == left.story);
    let story = story.expect("a story of that name");
    let in_place = left.clone();
    let stage = Stage {
        when_killed: Box::new(move |stage| in_place.takes_the_place_of_the_state(stage)),
        ..(story.stage)()
    };
    let played = stage.play(&[left.killed_at]);
    assert_eq!(played.kills, 1);
    story.allowed.holds(&stage);
    let remembered = stage.world.remembered();
    let [rollback] = &remembered[..] else {
        panic!("one rollback is remembered, not {remembered:#?}");
    };
    assert_eq!(rollback.phase, left.ends, "{rollback:#?}");
    assert!(stage.world.state().starts_with(r#"{"schema":5,"#));
}

impl Left {
    fn takes_the_place_of_the_state(&self, stage: &Stage) {
        let trace = fs::read_to_string(stage.world.folder().join("trace")).expect("a trace");
        assert_eq!(trace.lines().last(), Some(&*self.boundary), "{trace}");
        assert_eq!(Outside::of(stage), self.outside);
        let remembered = stage.world.remembered();
        let body = self.filled(remembered.last().expect("a rollback"), &server(stage));
        let digest = Sha256::digest(format!("2\n7\n{body}"));
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = stage.world.state_file();
        // Where it dies at its first write there is none before.
        let before = file.with_extension("json.prev");
        if before.exists() {
            fs::remove_file(before).expect("our own file");
        }
        let text = format!(r#"{{"schema":2,"generation":7,"sha256":"{sha256}","body":{body}}}"#);
        fs::write(file, text).expect("our own file");
    }

    /// Returns the body with what differs from run to run.
    fn filled(&self, rollback: &Rollback, server: &str) -> String {
        let names = BTreeMap::from([
            ("id", &*rollback.id),
            ("from", &rollback.from),
            ("from_state", &rollback.from_state),
            ("to", &rollback.to),
            ("to_state", &rollback.to_state),
            ("tip", &rollback.tip),
            ("place", &rollback.place),
            ("message", &rollback.message),
            ("commit", rollback.commit.as_deref().unwrap_or_default()),
            ("server", server),
        ]);
        let body = self.body.to_string();
        let mut pieces = body.split("{{");
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once("}}").expect("a name ends");
            match names.get(name) {
                Some(value) => {
                    assert!(!value.is_empty(), "{name} is not known");
                    let quoted = Value::from(*value).to_string();
                    filled.push_str(&quoted[1..quoted.len() - 1]);
                }
                None => filled.push_str(&at(rollback.begun_at, name)),
            }
            filled.push_str(rest);
        }
        filled
    }
}

impl Outside {
    fn of(stage: &Stage) -> Self {
        let deeds = Deeds::of(stage);
        Self {
            pushes: deeds.pushes,
            written_at_github: deeds.written_at_github.len(),
            written_at_argocd: deeds.written_at_argocd.len(),
            operations: deeds.operations.len(),
        }
    }
}

/// Returns the time so many seconds after a rollback was begun.
fn at(begun_at: DateTime<Utc>, seconds: &str) -> String {
    let seconds: f64 = seconds.parse().expect("a name or a number of seconds");
    #[expect(clippy::cast_possible_truncation, reason = "some minutes")]
    let since = TimeDelta::milliseconds((seconds * 1000.0) as i64);
    (begun_at + since).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Returns the address of the git server.
fn server(stage: &Stage) -> String {
    let url = stage.world.server.url(REPOSITORY);
    let end = url.find(REPOSITORY).expect("it ends with the repository");
    url[..end].trim_end_matches('/').to_owned()
}
