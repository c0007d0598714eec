//! `LOG_FILE`, as a run of the program fills it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use testkit::stub::ClosedPort;

use super::program::{Program, Ran};

/// A program whose Prometheus does not answer: each run ends with one line for the file.
struct World {
    program: Program,
    folder: TempDir,
    _nobody: ClosedPort,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let nobody = ClosedPort::reserve();
        let program = Program::bare()
            .env("SERVICE_NAME", "checkout")
            .env("NAMESPACE", "shop")
            .env("PROMETHEUS_URL", &nobody.url())
            .env("PROMETHEUS_TIMEOUT", "300ms")
            .env_path("STATE_FILE", &folder.path().join("state/state.json"))
            .env_path("LOG_FILE", &folder.path().join("rollbacks.log"));
        Self {
            program,
            folder,
            _nobody: nobody,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("rollbacks.log")
    }
}

/// Returns the lines of a log; every one must be a JSON object.
#[track_caller]
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the log is there");
    let lines = text.lines();
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert!(line.is_object(), "{line}");
            line
        })
        .collect()
}

/// Returns what a line says, without when.
fn said(line: &Value) -> Value {
    let mut line = line.clone();
    let fields = line.as_object_mut().expect("an object");
    assert!(fields.remove("timestamp").is_some(), "when");
    line
}

#[test]
fn every_line_of_the_file_is_on_stderr_too() {
    let world = World::new();
    let runs: Vec<Ran> = (0..2).map(|_| world.program.run().exits(69)).collect();
    let kept = lines(&world.path());
    assert_eq!(kept.len(), 2, "{kept:#?}");
    for (line, ran) in kept.iter().zip(&runs) {
        assert_eq!(line["exit"], 69);
        assert_eq!(line["run.id"], ran.record["run_id"]);
        let log: Vec<Value> = ran.log().iter().map(said).collect();
        assert!(log.contains(&said(line)), "{line}\n{ran}");
    }
}

#[test]
fn a_full_file_is_set_aside() {
    let world = World::new();
    let old = "{\"message\":\"long ago\"}\n".repeat(10 * 1024 * 1024 / 23 + 1);
    fs::write(world.path(), &old).expect("our own folder");
    world.program.run().exits(69);
    assert_eq!(lines(&world.path()).len(), 1);
    let older = fs::read_to_string(world.folder.path().join("rollbacks.log.1"));
    assert!(
        older.expect("the older file") == old,
        "the older file is whole"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_told_once_and_changes_nothing() {
    let world = World::new();
    let usual = world.program.run().exits(69);
    let missing = world.folder.path().join("missing/rollbacks.log");
    let ran = world.program.clone().env_path("LOG_FILE", &missing).run();
    let ran = ran.exits(69);
    let told = |ran: &Ran| {
        let log = ran.log();
        let told = log.iter().filter(|line| {
            let message = line["message"].as_str().unwrap_or_default();
            message.starts_with("write the log to")
        });
        told.cloned().collect::<Vec<_>>()
    };
    assert_eq!(told(&usual), Vec::<Value>::new());
    let told = told(&ran);
    let [warning] = &told[..] else {
        panic!("one warning is expected: {ran}")
    };
    assert_eq!(
        (&warning["level"], &warning["lines"]),
        (&"WARN".into(), &1.into())
    );
    assert_eq!(ran.record["decision"], usual.record["decision"]);
}

#[test]
fn what_changes_nothing_leaves_no_log() {
    let world = World::new();
    for arguments in [&["run", "--dry-run"][..], &["check"], &["status"]] {
        world.program.clone().arguments(arguments).run().exits(69);
    }
    world.program.clone().arguments(&["doctor"]).run().exits(2);
    world
        .program
        .clone()
        .env("COOLDOWN", "soon")
        .run()
        .exits(78);
    assert!(!world.path().exists());
}
