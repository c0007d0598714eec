//! Scratch folders after a crash: swept by the next run, and never taken from a run that lives.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use testkit::stub::{Reply, Stub};

use super::*;

/// Names the repository that a child of this test program is to read.
const URL_VARIABLE: &str = "GIT_SCRATCH_TEST_URL";

/// The work of the child; on its own it reads a repository of its own.
#[test]
fn reads_a_branch() {
    match std::env::var(URL_VARIABLE) {
        Ok(url) => {
            read(&git(settings(&url)));
        }
        Err(_) => {
            seeded().read();
        }
    }
}

/// Starts another process that reads a repository, with a temporary directory of its own.
fn start(temporary: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "git_client::scratch::reads_a_branch"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("TMPDIR", temporary)
        .env(URL_VARIABLE, url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program runs again")
}

fn finishes(mut child: Child) {
    assert!(child.wait().expect("our own child").success());
}

fn folders(temporary: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(temporary).expect("our own folder");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    paths
}

/// Returns a server that begins an answer to a fetch and never ends it, and the sign that it has begun.
fn stalling(world: &World) -> (Stub, mpsc::Receiver<()>) {
    let advertised = world.advertisement();
    let (begun, has_begun) = mpsc::channel();
    let stub = Stub::http(move |request| {
        Some(if request.method == "GET" {
            Reply::untyped(200, advertised.clone()).with_header(
                "content-type",
                "application/x-git-upload-pack-advertisement",
            )
        } else {
            begun.send(()).unwrap_or_default();
            Reply::silence()
        })
    });
    (stub, has_begun)
}

#[test]
fn a_killed_run_s_folder_is_swept_by_the_next_run_and_a_live_run_s_folder_stays() {
    let world = seeded();
    let url = world.server.url(NAME);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let (stub, has_begun) = stalling(&world);

    let mut live = start(temporary.path(), &stub.url());
    has_begun.recv().expect("the fetch has begun");
    let of_the_live = folders(temporary.path());
    let [folder] = &of_the_live[..] else {
        panic!("one folder: {of_the_live:?}");
    };
    let mode = fs::metadata(folder).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);

    let mut killed = start(temporary.path(), &stub.url());
    has_begun.recv().expect("the fetch has begun");
    // Sends SIGKILL.
    killed.kill().expect("our own child");
    killed.wait().expect("our own child");
    assert_eq!(folders(temporary.path()).len(), 2, "it left its folder");

    finishes(start(temporary.path(), &url));
    assert_eq!(folders(temporary.path()), of_the_live);

    live.kill().expect("our own child");
    live.wait().expect("our own child");
    finishes(start(temporary.path(), &url));
    assert_eq!(folders(temporary.path()), Vec::<PathBuf>::new());
}
