//! What servers other than git's own do, and repositories that are not as usual.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use error_budget_monitor::clients::git::{Access, Push, WalkEnd};
use testkit::stub::{Reply, Request, Stub};

use super::filter::upload_pack;
use super::*;

/// Runs git on a bare repository and returns what it prints.
fn run(repo: &Path, arguments: &[&str], input: &str) -> String {
    let mut git = Command::new("git")
        .arg("--git-dir")
        .arg(repo)
        .args(arguments)
        .envs([
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git is there");
    let mut stdin = git.stdin.take().expect("a pipe was asked for");
    stdin.write_all(input.as_bytes()).expect("git reads it");
    drop(stdin);
    let output = git.wait_with_output().expect("our own child");
    assert!(output.status.success(), "{arguments:?}");
    let text = String::from_utf8(output.stdout).expect("ids are text");
    text.trim().to_owned()
}

#[test]
fn a_repository_of_sha256_is_named_with_what_helps() {
    let world = world();
    let repo = world.repo.path().with_file_name("long.git");
    let init = ["init", "--quiet", "--bare", "--object-format=sha256"];
    run(&repo, &init, "");
    let tree = run(&repo, &["mktree"], "");
    let commit = run(&repo, &["commit-tree", "-m", "x", &tree], "");
    assert_eq!(commit.len(), 64);
    run(&repo, &["update-ref", "refs/heads/main", &commit], "");
    let git = git(settings(&world.server.url("platform/long")));
    let said = "the repository names its objects by sha256; only sha1 can be read, which `git init --object-format=sha1` makes";
    assert_eq!(refused_read(&git).fault.to_string(), said);
    let tip = git.tip(Duration::from_secs(60));
    assert_eq!(tip.expect_err("another kind").fault.to_string(), said);
}

#[test]
fn a_redirect_to_the_same_name_with_its_ending_names_the_whole_place() {
    let places = [
        (
            "/platform/gitops.git/info/refs?session=1",
            "/platform/gitops.git",
        ),
        ("/platform/gitops.git", "/platform/gitops.git"),
    ];
    for (to, place) in places {
        let stub = Stub::sequence([Reply::redirect(301, to)]);
        let error = refused_read(&git(settings(&format!("{}/platform/gitops", stub.url()))));
        let url = stub.url();
        assert_eq!(
            error.fault.to_string(),
            format!("redirected to {url}{place}; set the URL to where it really is")
        );
    }
    for to in [
        "/platform/gitops.gitx/info/refs",
        "/login?from=secret",
        "/gitops.git",
    ] {
        let stub = Stub::sequence([Reply::redirect(301, to)]);
        let error = refused_read(&git(settings(&format!("{}/platform/gitops", stub.url()))));
        assert_eq!(
            error.fault.to_string(),
            "redirected to another path of the same server; set the URL to where it really is"
        );
    }
}

#[test]
fn the_right_to_push_is_read_whatever_is_said_of_its_letters() {
    for kind in [
        "application/x-git-receive-pack-advertisement",
        "application/x-git-receive-pack-advertisement; charset=utf-8",
        "Application/X-Git-Receive-Pack-Advertisement ;charset=utf-8",
    ] {
        let reply = Reply::untyped(200, "001f").with_header("content-type", kind);
        let stub = Stub::sequence([reply]);
        let access = git(settings(&stub.url())).may_push();
        assert_eq!(access.expect("an answer"), Access::NotRefused, "{kind}");
    }
}

/// A server that answers as git does, but only who announces `thin-pack`.
fn dulwich(world: &World, capabilities: &str) -> Stub {
    let advertised = world.advertisement_with(capabilities);
    let path = world.repo.path().to_owned();
    Stub::http(move |request: &Request| {
        if request.method == "GET" {
            let kind = "application/x-git-upload-pack-advertisement";
            let reply = Reply::untyped(200, advertised.clone());
            return Some(reply.with_header("content-type", kind));
        }
        if !String::from_utf8_lossy(&request.body).contains(" thin-pack") {
            let words = "client does not support required capability thin-pack";
            return Some(Reply::text(500, words));
        }
        let body = upload_pack(&path, &request.body);
        let kind = "application/x-git-upload-pack-result";
        Some(Reply::untyped(200, body).with_header("content-type", kind))
    })
}

#[test]
fn a_server_that_serves_only_who_takes_thin_packs_is_read() {
    let world = seeded();
    world.release("v2", 1);
    world.repo.commit_many(60, OTHER_FILE, at(3));
    for agent in ["", " agent=dulwich/0.22"] {
        let stub = dulwich(&world, &format!("thin-pack multi_ack_detailed{agent}"));
        let snapshot = read(&git(settings(&stub.url())));
        assert_eq!(revisions(&snapshot.changes), world.repo.path_history(PATH));
        assert_eq!(snapshot.end, WalkEnd::Root);
    }
}

#[test]
fn a_fault_that_names_a_missing_capability_is_not_left_to_the_next_run() {
    let world = seeded();
    let stub = dulwich(&world, "thin-pack agent=other/1");
    let error = refused_read(&git(settings(&stub.url())));
    assert!(!error.is_transient());
    assert_eq!(
        error.fault.to_string(),
        "the server wants another capability of git's protocol (client does not support required capability \
         thin-pack, HTTP 500); use another git server"
    );
    let reply = Reply::text(500, "out of memory");
    let error = refused_read(&git(settings(&Stub::sequence([reply]).url())));
    assert!(matches!(error.fault, GitFault::Status(500)), "{error}");
    assert!(error.is_transient());
}

const SANE: &str = "A <a@example.com> 1700000000 +0000";

/// Makes a branch anew: the trees of its commits above the first, each with an author and a committer as given. Returns
/// the ids, the oldest first.
fn rewritten(world: &World, signatures: &[(&str, &str)]) -> Vec<String> {
    let repo = world.repo.path();
    let count = signatures.len();
    let mut parent = run(repo, &["rev-parse", &format!("main~{count}")], "");
    let mut ids = Vec::new();
    for (above, (author, committer)) in (0..count).rev().zip(signatures) {
        let tree = run(repo, &["rev-parse", &format!("main~{above}^{{tree}}")], "");
        let text = format!(
            "tree {tree}\nparent {parent}\nauthor {author}\ncommitter {committer}\n\nodd\n"
        );
        let write = [
            "hash-object",
            "-t",
            "commit",
            "-w",
            "--literally",
            "--stdin",
        ];
        parent = run(repo, &write, &text);
        ids.push(parent.clone());
    }
    run(repo, &["update-ref", "refs/heads/main", &parent], "");
    ids
}

#[test]
fn a_commit_with_an_impossible_time_hides_no_other() {
    for time in ["99999999999999", "9223372036854775807", "-99999999999999"] {
        let world = seeded();
        world.release("v2", 5);
        world.release("v3", 6);
        let odd = format!("A <a@example.com> {time} +0000");
        let ids = rewritten(&world, &[(SANE, &odd), (SANE, SANE)]);
        let snapshot = world.read();
        assert_eq!(revisions(&snapshot.changes)[..2], [&ids[1], &ids[0]]);
        assert_eq!(snapshot.end, WalkEnd::Root);
        let written = snapshot.changes[1].committed_at.to_rfc3339();
        assert_eq!(written.len(), "2023-11-14T22:13:20+00:00".len());
        let (commit, answer) = roll_back(&snapshot, &ids[0]);
        assert_eq!(answer, Push::Accepted);
        assert_eq!(world.repo.tip(), commit);
    }
}

#[test]
fn a_commit_that_cannot_be_read_ends_the_history_and_hides_nothing_newer() {
    let world = seeded();
    for (version, minute) in [("v2", 5), ("v3", 6), ("v4", 7)] {
        world.release(version, minute);
    }
    let nobody = "nobody 1700000000 +0000";
    let ids = rewritten(&world, &[(nobody, nobody), (SANE, SANE), (SANE, SANE)]);
    let snapshot = world.read();
    // What the version above the odd commit replaced is not known, so it is not known to be a change.
    assert_eq!(revisions(&snapshot.changes), [&ids[2]]);
    assert_eq!(snapshot.end, WalkEnd::DepthLimit);
    let (commit, answer) = roll_back(&snapshot, &ids[1]);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(run(world.repo.path(), &["rev-parse", "main"], ""), commit);
    let file = format!("main:{FILE}");
    assert_eq!(run(world.repo.path(), &["show", &file], ""), "v3");
}
