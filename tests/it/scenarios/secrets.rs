//! No secret is ever in what the program prints, logs, remembers, commits or asks for.

use std::fs;
use std::path::Path;

use testkit::git::Fault;

use super::program::Program;
use super::world::{TOKEN, World};

/// Every setting that may hold a secret, with a value that would be noticed. `GITOPS_TOKEN` is the world's own.
const CANARIES: [(&str, &str); 5] = [
    ("PROMETHEUS_TOKEN", "canary-prometheus-token"),
    (
        "SLACK_WEBHOOK",
        "https://hooks.slack.example/services/canary-slack",
    ),
    ("PAGERDUTY_KEY", "canarypagerdutykey0123456789abcd"),
    ("WEBHOOK_URL", "https://hooks.example/canary-webhook"),
    ("WEBHOOK_SECRET", "canary-webhook-secret"),
];

#[test]
fn a_whole_rollback_tells_no_secret() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let program = with_canaries(&world);
    let text = ["--dry-run", "--output", "text"];
    let commands: [&[&str]; 6] = [
        &text,
        &["run"],
        &["run"],
        &["check"],
        &["status"],
        &["rollback", "argocd"],
    ];
    for arguments in commands {
        let ran = program.clone().arguments(arguments).run();
        for secret in secrets() {
            assert!(!ran.stdout.contains(secret), "{arguments:?}: {ran}");
            assert!(!ran.stderr.contains(secret), "{arguments:?}: {ran}");
        }
    }
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_traceless(&world);
}

#[test]
fn a_rollback_that_fails_tells_no_secret() {
    let (world, _) = World::with_a_bad_release();
    let program = with_canaries(&world);
    for fault in [Fault::Down, Fault::Status(401), Fault::Status(500)] {
        world.server.set_fault(fault);
        tells_nothing(&program, 69);
    }
    world.server.set_fault(Fault::None);
    // A server that quotes the credentials of the one it refuses.
    world.repo().decline_pushes(&format!("who is {TOKEN}?"));
    tells_nothing(&program, 1);
    assert_traceless(&world);
}

#[test]
fn settings_that_are_wrong_tell_no_secret() {
    let (world, _) = World::with_a_bad_release();
    let program = with_canaries(&world).env("COOLDOWN", "soon");
    let credentials = format!("http://user:{TOKEN}@127.0.0.1:1/x.git");
    let broken = [
        program.clone(),
        program.clone().env("GITOPS_REPO", &credentials),
        program.clone().env("PROMETHEUS_URL", &credentials),
        program
            .clone()
            .env("SLACK_WEBHOOK", "canary-slack is no URL"),
        program
            .clone()
            .env("PAGERDUTY_KEY", "canary-pagerduty with blanks"),
        program.env("GITOPS_TOKEN_FILE", "/nonexistent"),
    ];
    for program in broken {
        let ran = program.run().exits(78);
        for secret in secrets().chain(["canary-slack", "canary-pagerduty"]) {
            assert!(!ran.stderr.contains(secret), "{ran}");
        }
    }
}

fn with_canaries(world: &World) -> Program {
    // What is left behind is looked for beside the state.
    let log_file = world.state_folder().join("rollbacks.log");
    let program = world.program().env_path("LOG_FILE", &log_file);
    CANARIES
        .iter()
        .fold(program, |program, (name, value)| program.env(name, value))
}

fn secrets() -> impl Iterator<Item = &'static str> {
    let values = CANARIES.iter().map(|(_, value)| *value);
    // In a header the token is encoded together with its user.
    values.chain([TOKEN, "Basic eC1hY2Nlc3MtdG9rZW46"])
}

#[track_caller]
fn tells_nothing(program: &Program, code: i32) {
    let ran = program.run().exits(code);
    secrets().fold(ran, super::program::Ran::keeps_secret);
}

/// Checks what is left behind: the state, the commits, and what the git server was asked for.
#[track_caller]
fn assert_traceless(world: &World) {
    let mut left = format!("{:?}", world.server.requests());
    left.push_str(&format!("{:?}", world.repo().log()));
    read_all(&world.state_folder(), &mut left);
    assert!(left.contains("shop/bad-release"), "the state was read");
    for secret in secrets() {
        assert!(!left.contains(secret), "{left}");
    }
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("our own folder") {
        let content = fs::read(entry.expect("our own folder").path()).expect("our own file");
        text.push_str(&String::from_utf8_lossy(&content));
    }
}
