//! Repositories over SSH: the real `ssh`, a real `sshd` that belongs to the test, and a real git behind it.

mod sshd;

use std::fs;
use std::path::Path;
use std::process::Command;

use error_budget_monitor::clients::git::{SshFault, SshRemote};

use self::sshd::{SshHost, write_program};
use super::*;

/// A host with one repository, in which two teams have committed `v1`; nothing where no `sshd` is installed.
fn seeded_host() -> Option<(SshHost, GitRepo)> {
    let host = SshHost::start()?;
    let repo = GitRepo::create(&host.folder().join("it's a repo.git"));
    repo.commit(
        "seed",
        at(0),
        &[(FILE, Some("v1\n")), (OTHER_FILE, Some("o1\n"))],
    );
    Some((host, repo))
}

fn release(repo: &GitRepo, version: &str, minute: i64) -> String {
    let content = format!("{version}\n");
    repo.commit(version, at(minute), &[(FILE, Some(&content))])
}

fn over(remote: SshRemote) -> Git {
    over_within(remote, Duration::from_secs(60))
}

fn over_within(remote: SshRemote, timeout: Duration) -> Git {
    git(GitSettings {
        token: None,
        timeout,
        ..settings("ssh://localhost/unused")
    })
    .over_ssh(remote)
    .expect("files that can be read")
}

fn fault(git: &Git) -> SshFault {
    let error = refused_read(git);
    let GitFault::Ssh(fault) = error.fault else {
        panic!("{error}");
    };
    fault
}

/// A program in the place of `ssh`.
fn stand_in(folder: &Path, script: &str) -> SshRemote {
    let program = folder.join("ssh");
    write_program(&program, &format!("#!/bin/sh\n{script}\n"));
    SshRemote {
        program,
        user: Some("git".to_owned()),
        host: "git.example.com".to_owned(),
        port: Some(2222),
        path: "acme/deploy.git".to_owned(),
        key_file: None,
        known_hosts_file: None,
        hidden_variables: Vec::new(),
    }
}

#[test]
fn reads_and_rolls_back_with_one_connection_for_each() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    let bad = release(&repo, "v2", 1);
    let snapshot = read(&over(host.remote(repo.path())));
    assert_eq!(revisions(&snapshot.changes), [bad.as_str(), good.as_str()]);
    assert_eq!(host.connections(), 1);

    let (commit, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(host.connections(), 2);
    assert_eq!(repo.tip(), commit);
    assert_eq!(repo.file_at("main", FILE).as_deref(), Some("v1\n"));
    repo.fsck();
}

#[test]
fn goes_deeper_with_a_connection_for_each_depth() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    for minute in 1..=60 {
        let content = format!("o{minute}\n");
        repo.commit("cart", at(minute), &[(OTHER_FILE, Some(&content))]);
    }
    let bad = release(&repo, "v2", 61);
    let snapshot = read(&over(host.remote(repo.path())));
    assert_eq!(revisions(&snapshot.changes), [bad.as_str(), good.as_str()]);
    assert_eq!(host.connections(), 2);
}

#[test]
fn contents_that_were_left_out_come_when_a_diff_needs_them() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    release(&repo, "v2", 1);
    repo.configure("uploadpack.allowFilter", true);
    let shown = |connections: usize| {
        let snapshot = read(&over(host.remote(repo.path())));
        if connections > 1 {
            host.run_instead(ONCE_IN_VAIN);
        }
        let before = host.connections();
        let draft = snapshot.draft(&good).expect("something to restore");
        let diff = snapshot.diff(draft).expect("a readable diff");
        assert!(diff.contains("-v2") && diff.contains("+v1"), "{diff}");
        assert_eq!(host.connections() - before, connections);
    };
    // With the whole snapshot, then by their ids, then by their ids in vain.
    shown(1);
    repo.configure("uploadpack.allowAnySHA1InWant", true);
    shown(1);
    shown(2);
}

/// Refuses what it offers, the first time.
const ONCE_IN_VAIN: &str = r#"
    eval "set -- $SSH_ORIGINAL_COMMAND"
    if mkdir "$2/refused"; then
        git upload-pack --advertise-refs "$2"
        head -c 4 >/dev/null
        printf '0014ERR commits only'
    else
        git upload-pack "$2"
    fi
"#;

#[test]
fn a_hook_that_declines_is_quoted() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    let bad = release(&repo, "v2", 1);
    let snapshot = read(&over(host.remote(repo.path())));
    repo.decline_pushes("not on a Friday");
    let (_, answer) = roll_back(&snapshot, &good);
    let words = "pre-receive hook declined: not on a Friday".to_owned();
    assert_eq!(answer, Push::Refused { words });
    assert_eq!(repo.tip(), bad);
}

#[test]
fn a_branch_that_moved_is_left_alone() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    release(&repo, "v2", 1);
    let snapshot = read(&over(host.remote(repo.path())));
    let commit = write(&snapshot, &good);
    let moved = release(&repo, "v3", 2);
    let words = "the branch moved first".to_owned();
    assert_eq!(
        snapshot.push(&commit).expect("an answer"),
        Push::Refused { words }
    );
    assert_eq!(repo.tip(), moved);
}

#[test]
fn a_wrong_path_is_answered_in_git_s_words() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let error = refused_read(&over(host.remote(&repo.path().join("none"))));
    assert!(!error.is_transient());
    let said = error.to_string();
    assert!(
        said.starts_with(
            "read the history of platform/gitops: the server refused over SSH (fatal: '"
        ) && said.contains("' does not appear to be a git repository")
            && said.ends_with("); check GITOPS_REPO, and what the key may do"),
        "{said}"
    );
    let empty = over(host.remote(GitRepo::create(&host.folder().join("empty")).path()));
    let error = refused_read(&empty);
    assert!(matches!(error.fault, GitFault::NoBranch { .. }), "{error}");
}

#[test]
fn a_key_that_the_server_does_not_know_is_refused_for_reading_and_for_pushing() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    release(&repo, "v2", 1);
    let git = over(host.remote(repo.path()));
    let snapshot = read(&git);
    let commit = write(&snapshot, &good);
    host.forget_keys();
    let SshFault::Denied { words } = fault(&git) else {
        panic!("another fault");
    };
    assert!(words.ends_with("Permission denied (publickey)."), "{words}");
    let Push::Refused { words } = snapshot.push(&commit).expect("an answer") else {
        panic!("accepted");
    };
    assert!(
        words.starts_with("the server accepts no key that ssh has (")
            && words.ends_with("check GITOPS_SSH_KEY_FILE and who may use the repository"),
        "{words}"
    );
}

#[test]
fn a_host_that_is_not_known_gets_no_key() {
    let (Some((host, repo)), Some(other)) = (seeded_host(), SshHost::start()) else {
        return;
    };
    let with = |known_hosts: &Path| {
        fault(&over(SshRemote {
            known_hosts_file: Some(known_hosts.to_owned()),
            ..host.remote(repo.path())
        }))
    };
    // Both hosts are 127.0.0.1, each with a key of its own.
    let nobody = host.folder().join("nobody");
    fs::write(&nobody, "").expect("our own folder");
    for file in [nobody, host.known_as(&other)] {
        let SshFault::HostKey { words } = with(&file) else {
            panic!("another fault");
        };
        assert!(words.ends_with("Host key verification failed."), "{words}");
    }
}

#[test]
fn a_host_that_does_not_listen_is_tried_again_by_the_next_run() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let closed = testkit::stub::ClosedPort::reserve();
    let url = Url::parse(&closed.url()).expect("a URL");
    let fault = fault(&over(SshRemote {
        port: url.port(),
        ..host.remote(repo.path())
    }));
    assert!(fault.is_transient());
    let SshFault::Broken { words } = fault else {
        panic!("{fault}");
    };
    assert!(words.contains("Connection refused"), "{words}");
}

#[test]
fn a_server_that_hangs_ends_at_the_deadline_and_ssh_with_it() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    host.run_instead("exec cat >/dev/null");
    let error = refused_read(&over_within(
        host.remote(repo.path()),
        Duration::from_secs(1),
    ));
    assert!(matches!(error.fault, GitFault::Deadline), "{error}");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let id = folder.path().join("id");
    let remote = stand_in(
        folder.path(),
        &format!("echo $$ >'{}'; printf 00; exec sleep 60", id.display()),
    );
    let error = refused_read(&over_within(remote, Duration::from_secs(3)));
    assert!(matches!(error.fault, GitFault::Deadline), "{error}");
    let id = fs::read_to_string(id).expect("the stand-in was started");
    assert!(!Path::new("/proc").join(id.trim()).exists(), "it lives on");
}

#[test]
fn a_push_whose_connection_breaks_leaves_its_end_open() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let good = repo.tip();
    release(&repo, "v2", 1);
    let snapshot = read(&over(host.remote(repo.path())));
    let commit = write(&snapshot, &good);
    // It lands, and git on the server dies before it says so.
    repo.set_hook(
        "reference-transaction",
        "#!/bin/sh\ncat >/dev/null\n[ \"$1\" != committed ] || kill -9 $PPID\n",
    );
    let error = snapshot.push(&commit).expect_err("no answer");
    assert!(matches!(error.fault, GitFault::Ssh(_)), "{error}");
    assert_eq!(repo.tip(), commit);
}

#[test]
fn more_bytes_than_may_come_end_the_read() {
    let Some((host, repo)) = seeded_host() else {
        return;
    };
    let git = git(GitSettings {
        max_bytes: 300,
        ..settings("ssh://localhost/unused")
    })
    .over_ssh(host.remote(repo.path()))
    .expect("files that can be read");
    let error = refused_read(&git);
    assert!(
        matches!(error.fault, GitFault::TooMuch { limit: 300 }),
        "{error}"
    );
}

#[test]
fn what_is_not_git_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (script, said) in [
        ("echo 'Welcome to this host'", "not one of git's"),
        (
            "printf '0010ERR go away\\n'",
            "the server ended with \"go away\"",
        ),
        ("exit 0", "cut short"),
        (
            "yes '/etc/motd is long' | head -c 100000 >&2; echo no shell >&2; exit 1",
            " no shell); check",
        ),
        (
            "kill -9 $$",
            "ssh did not reach the server or lost it (it said nothing)",
        ),
    ] {
        let error = refused_read(&over(stand_in(folder.path(), script)));
        assert!(error.to_string().contains(said), "{script}: {error}");
    }
}

#[test]
fn ssh_is_started_so_that_it_asks_nobody_and_sees_no_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name| {
        let path = folder.path().join(name);
        fs::write(&path, "").expect("our own folder");
        path
    };
    let seen = folder.path().join("seen");
    let script = format!(
        "{{ for word in \"$@\"; do echo \"$word\"; done; env | grep -c '^PATH='; env | grep -c '^CARGO_MANIFEST_DIR='; }} >'{}'; exit 1",
        seen.display()
    );
    let remote = SshRemote {
        key_file: Some(file("key")),
        known_hosts_file: Some(file("known_hosts")),
        hidden_variables: vec!["CARGO_MANIFEST_DIR".to_owned()],
        ..stand_in(folder.path(), &script)
    };
    refused_read(&over(remote));
    let seen: Vec<_> = fs::read_to_string(seen)
        .expect("it was started")
        .lines()
        .map(|line| match line.strip_prefix("ConnectTimeout=") {
            Some(seconds) => {
                let seconds: u64 = seconds.parse().expect("a number");
                assert!((1..=60).contains(&seconds), "{seconds}");
                "ConnectTimeout=<seconds>".to_owned()
            }
            None => line.replace(&folder.path().display().to_string(), "FOLDER"),
        })
        .collect();
    insta::assert_snapshot!(seen.join("\n"), @r"
    -o
    BatchMode=yes
    -o
    StrictHostKeyChecking=yes
    -o
    UpdateHostKeys=no
    -o
    ControlMaster=no
    -o
    ControlPath=none
    -o
    ClearAllForwardings=yes
    -o
    ForwardAgent=no
    -o
    PermitLocalCommand=no
    -o
    EscapeChar=none
    -o
    ServerAliveInterval=15
    -o
    LogLevel=ERROR
    -T
    -x
    -o
    ConnectTimeout=<seconds>
    -o
    IdentitiesOnly=yes
    -i
    FOLDER/key
    -o
    UserKnownHostsFile=FOLDER/known_hosts
    -o
    GlobalKnownHostsFile=none
    -p
    2222
    -l
    git
    --
    git.example.com
    git-upload-pack 'acme/deploy.git'
    1
    0
    ");
}

#[test]
fn a_missing_program_or_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut remote = stand_in(folder.path(), "");
    remote.program = folder.path().join("none");
    let fault = fault(&over(remote.clone()));
    assert!(!fault.is_transient());
    assert!(
        fault.to_string().ends_with("install the OpenSSH client"),
        "{fault}"
    );
    remote.key_file = Some(folder.path().join("key"));
    let refused = git(settings("ssh://localhost/unused")).over_ssh(remote);
    assert!(
        refused
            .expect_err("no such file")
            .to_string()
            .contains("/key, which must be")
    );
}

#[test]
fn the_program_rolls_back_over_ssh() {
    let Some(host) = SshHost::start() else {
        return;
    };
    let repo = GitRepo::create(&host.folder().join("deploy.git"));
    let good = repo.commit("v1", at(0), &[(FILE, Some("v1\n"))]);
    release(&repo, "v2", 1);
    let remote = host.remote(repo.path());
    let url = |path: &Path| format!("ssh://127.0.0.1:{}{}", host.port(), path.display());
    let state = host.folder().join("state/state.json");
    let prometheus = testkit::stub::ClosedPort::reserve();
    let program = |repo: &str, arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_error-budget-monitor"))
            .args(["rollback", "gitops", "--output", "json"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("SERVICE_NAME", "checkout")
            .env("NAMESPACE", "shop")
            .env("PROMETHEUS_URL", prometheus.url())
            .env("PROMETHEUS_TIMEOUT", "100ms")
            .env("GITOPS_REPO", repo)
            .env("GITOPS_PATH", PATH)
            .env(
                "GITOPS_SSH_KEY_FILE",
                remote.key_file.as_ref().expect("a key"),
            )
            .env(
                "GITOPS_SSH_KNOWN_HOSTS_FILE",
                remote.known_hosts_file.as_ref().expect("a file"),
            )
            .env("BLACKOUT_WINDOWS", "none")
            .env("VERIFY_TIMEOUT", "0s")
            .env("STABILIZATION", "0s")
            .env("STATE_FILE", &state)
            .output()
            .expect("the program was built with its tests")
    };
    let tip = repo.tip();
    let refused = program(&url(&host.folder().join("none.git")), &["--dry-run"]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(69), "{said}");
    assert!(
        said.contains("the server refused over SSH (fatal: '"),
        "{said}"
    );
    assert_eq!(repo.tip(), tip);

    let done = program(&url(repo.path()), &["--yes", "--to", &good]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert_eq!(repo.log().len(), 3, "{said}");
    assert_eq!(repo.file_at("main", FILE).as_deref(), Some("v1\n"));
}
