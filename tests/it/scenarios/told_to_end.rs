//! SIGTERM: what is under way is finished and written down, nothing more is begun, and the next run goes on.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use error_budget_monitor::journal::Phase;
use testkit::stub::{Reply, Request, Stub};

use super::crash::signalled_in;
use super::world::World;

#[test]
fn a_push_under_way_is_finished_and_the_proof_is_left_to_the_next_run() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let program = world
        .program()
        .env("VERIFY_TIMEOUT", "1h")
        .env("STABILIZATION", "15m");
    let running = signalled_in(&world, &program, "TERM", "pre-receive", "exit 0");
    let ran = running.wait().exits(0).decides("rollback", "trigger");
    ran.has_outcome("verifying");
    world.one_commit_restores(&v2, &world.v1, &tip);
    let phase = world.in_flight().map(|past| past.phase);
    assert_eq!(phase, Some(Phase::Verifying));
}

#[test]
fn nothing_is_pushed_again_by_a_run_that_was_told_to_end() {
    let (world, _) = World::with_a_bad_release();
    // The branch moves while the push is under way, so that it would have to be built and pushed once more.
    let theirs = world.repo().clone();
    world.server.before_next_push(move || {
        theirs.commit(
            "docs",
            chrono::Utc::now(),
            &[("docs/more.md", Some("more\n"))],
        );
    });
    let running = signalled_in(&world, &world.program(), "TERM", "pre-receive", "exit 0");
    running.wait().exits(0);
    assert!(world.rollback_commits() <= 1);
    world.repo().remove_hook("pre-receive");
    world.runs(&["run"]).exits(0).decides("resume", "resumed");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_run_that_was_told_to_end_while_it_reads_does_nothing() {
    let (world, _) = World::with_a_bad_release();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("a bound port"));
    for arguments in [&["run"][..], &["check"], &["status"]] {
        let program = world.program().env("PROMETHEUS_URL", &url);
        let running = program.arguments(arguments).start();
        // It asks, and gets no answer.
        let (_asked, _) = silent.accept().expect("the program asks");
        running.told_to_end();
        running
            .wait()
            .exits(75)
            .complains_of(&["told to end", "nothing was done"]);
    }
    assert_eq!(world.server.push_attempts(), 0);
}

/// How long a run may take to end once it is told to. Tests share the machine.
const PROMPTLY: Duration = Duration::from_secs(3);

/// How long the program may take until it asks.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_run_that_was_told_to_end_while_a_git_server_talks_on_ends_promptly() {
    let (world, _) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let (tell, asked) = mpsc::channel();
    let stub = Stub::http(move |request: &Request| {
        let packet = |line: &str| format!("{:04x}{line}", line.len() + 4);
        let kind = |kind: &str| format!("application/x-git-upload-pack-{kind}");
        if request.method == "GET" {
            let line = packet(&format!("{tip} refs/heads/main\0shallow side-band-64k\n"));
            let body = format!("001e# service=git-upload-pack\n0000{line}0000");
            let kind = kind("advertisement");
            return Some(Reply::untyped(200, body).with_header("content-type", &kind));
        }
        // The ids begin alike, which is what a table of ids is slowest with.
        let cut = |number: usize| packet(&format!("shallow aaaaaaaa{number:032x}\n"));
        let body: String = (0..49_000).map(cut).collect();
        // Where the tip is is another question.
        if !request.body.starts_with(b"0014command") && tell.send(()).is_err() {
            return None;
        }
        let reply = Reply::untyped(200, format!("{body}00000008NAK\n"));
        let reply = reply.with_header("content-type", &kind("result"));
        Some(reply.followed_without_end_by(packet("\u{2}.\n").repeat(1_000)))
    });
    let program = world
        .program()
        .env("GITOPS_REPO", &format!("{}/gitops.git", stub.url()))
        .env("GITOPS_MAX_BYTES", "16GiB");
    let running = program.arguments(&["run"]).start();
    let asks = asked.recv_timeout(PATIENCE);
    asks.expect("the program asks for the history");
    let told_at = Instant::now();
    running.told_to_end();
    let ran = running.wait();
    assert!(
        told_at.elapsed() < PROMPTLY,
        "{:?}: {ran}",
        told_at.elapsed()
    );
    ran.exits(75)
        .complains_of(&["told to end", "nothing was done"]);
}
