//! `check` in a pipeline: outputs, summary, annotations, and the dotenv file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::program::{Program, Ran};
use super::world::World;

/// The folder of a job, in which the files of its steps are.
struct Job(TempDir);

impl Job {
    fn begin() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Prepares the gate as a step of a workflow.
    fn step(&self, program: &Program) -> Program {
        program
            .clone()
            .env("GITHUB_ACTIONS", "true")
            .env_path("GITHUB_OUTPUT", &self.0.path().join("output"))
            .env_path("GITHUB_STEP_SUMMARY", &self.0.path().join("summary"))
            .arguments(&["check"])
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).expect("the gate wrote it")
    }

    fn files(&self) -> usize {
        fs::read_dir(self.0.path()).expect("our own folder").count()
    }
}

/// Returns an output as the runner would read it.
fn value(outputs: &str, name: &str) -> String {
    let mut lines = outputs.lines();
    while let Some(line) = lines.next() {
        if let Some(value) = line.strip_prefix(&format!("{name}=")) {
            return value.to_owned();
        }
        if let Some(delimiter) = line.strip_prefix(&format!("{name}<<")) {
            let value: Vec<&str> = lines.take_while(|line| *line != delimiter).collect();
            return value.join("\n");
        }
    }
    panic!("no output {name} in {outputs}")
}

fn commands(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("::")).collect()
}

fn blocked() -> (World, Program) {
    let world = World::of("exhausted");
    let program = world.program();
    (world, program)
}

#[test]
fn a_blocked_deploy_is_told_to_the_steps_that_follow() {
    let (world, program) = blocked();
    let job = Job::begin();
    fs::write(job.0.path().join("output"), "of_another=step\n").expect("our own folder");
    let ran = world.nothing_changed_by(&job.step(&program)).exits(3);

    let outputs = job.text("output");
    assert_eq!(value(&outputs, "of_another"), "step");
    for (name, expected) in [
        ("may_deploy", "false"),
        ("exit_code", "3"),
        ("blocked_services", "shop/exhausted"),
        ("service", "exhausted"),
        ("level", "emergency"),
    ] {
        assert_eq!(value(&outputs, name), expected, "{name}");
    }
    assert!(value(&outputs, "why").starts_with("blocked: "), "{outputs}");
    assert!(
        value(&outputs, "until").starts_with("consumption falls below 50.0 %"),
        "{outputs}"
    );
    let record: serde_json::Value =
        serde_json::from_str(&value(&outputs, "record")).expect("a record");
    assert_eq!(record, ran.record);
    assert!(job.text("summary").contains("the deploy is blocked"));
    let annotations = commands(&ran.stderr);
    assert!(
        matches!(&annotations[..], [it] if it.starts_with("::error title=shop/exhausted must")),
        "{ran}"
    );
}

#[test]
fn annotations_stand_before_a_text_and_never_beside_a_record() {
    let (_world, program) = blocked();
    let job = Job::begin();
    let ran = job
        .step(&program)
        .arguments(&["check", "--output", "text"])
        .run()
        .exits(3);
    assert!(ran.stdout.starts_with("::error "), "{ran}");
    assert!(ran.stdout.contains("\nblocked: "), "{ran}");
    assert_eq!(commands(&ran.stderr), Vec::<&str>::new());
    // Twice in one step: what was there stays.
    let ran = job.step(&program).run().exits(3);
    assert_eq!(commands(&ran.stdout), Vec::<&str>::new());
    assert!(ran.record.is_object(), "{ran}");
    assert_eq!(job.text("summary").matches("###").count(), 2);
}

#[test]
fn a_deploy_that_may_go_ahead_says_so() {
    let world = World::of("healthy");
    let job = Job::begin();
    let dotenv = job.0.path().join("gate.env");
    let dotenv = dotenv.to_str().expect("test paths are text");
    let program = job
        .step(&world.program())
        .arguments(&["check", "--dotenv", dotenv]);
    let ran = world.nothing_changed_by(&program).exits(0);
    assert_eq!(value(&job.text("output"), "may_deploy"), "true");
    assert_eq!(value(&job.text("output"), "why"), "");
    assert_eq!(commands(&ran.stderr), Vec::<&str>::new());
    for line in job.text("gate.env").lines() {
        let (name, value) = line.split_once('=').expect("a name and a value");
        assert!(name.starts_with("GATE_"), "{line}");
        assert!(!value.contains([' ', '"', '\'', '#']), "{line}");
    }
    assert!(job.text("gate.env").contains("GATE_MAY_DEPLOY=true\n"));
}

#[test]
fn what_cannot_be_configured_may_not_be_deployed() {
    let job = Job::begin();
    let program = job.step(&Program::bare().env("COOLDOWN", "soon"));
    let ran = program.run().exits(78);
    assert_eq!(ran.stdout, "");
    assert_eq!(value(&job.text("output"), "may_deploy"), "false");
    assert!(value(&job.text("output"), "why").contains("COOLDOWN"));
    assert!(job.text("summary").contains("COOLDOWN"));
    assert_eq!(commands(&ran.stderr).len(), 1, "{ran}");
}

#[test]
fn a_file_that_cannot_be_written_changes_nothing_but_the_log() {
    let (_world, program) = blocked();
    let job = Job::begin();
    let nowhere = job.0.path().join("missing/output");
    let step = job
        .step(&program)
        .env_path("GITHUB_OUTPUT", &nowhere)
        .env_path("GITHUB_STEP_SUMMARY", job.0.path())
        .arguments(&["check", "--dotenv", "/dev/full"]);
    let ran: Ran = step.run().exits(3);
    assert_eq!(ran.record["verdict"], "healthy", "{ran}");
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "--dotenv"] {
        let is_named = |line: &serde_json::Value| {
            line["level"] == "WARN" && line["message"].as_str().unwrap_or_default().contains(name)
        };
        assert!(ran.log().iter().any(is_named), "{name}\n{ran}");
    }
}

#[test]
fn outside_of_a_pipeline_and_by_other_commands_nothing_is_written() {
    let world = World::of("healthy");
    let job = Job::begin();
    let ran = world.runs(&["check"]).exits(0);
    assert_eq!(commands(&ran.stderr), Vec::<&str>::new());
    let program = job.step(&world.program()).arguments(&["status"]);
    world.nothing_changed_by(&program).exits(0);
    assert_eq!(job.files(), 0);
    assert!(!Path::new("GITHUB_OUTPUT").exists());
}
