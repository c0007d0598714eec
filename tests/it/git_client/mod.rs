//! The git client against real repositories behind `git http-backend`, and against servers that are none.

mod answers;
mod bounds;
mod caps;
mod corners;
mod depth;
mod faults;
mod filter;
mod guards;
mod host;
mod jgit;
mod merges;
mod moved;
mod properties;
mod push;
mod read;
mod restore;
mod revisions;
mod scratch;
mod secrets;
mod servers;
mod ssh;
mod tip;
mod tls;
mod whole;

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::clients::git::{
    Git, GitError, GitFault, GitSettings, Ignore, PathChange, Push, Snapshot, Want,
};
use error_budget_monitor::policy::trailer::trailers;
use testkit::git::{GitRepo, GitServer, TOKEN_USER};
use tokio::runtime::Handle;
use url::Url;

const TOKEN: &str = "canary-token";
const NAME: &str = "platform/gitops";
const PATH: &str = "apps/checkout";
const FILE: &str = "apps/checkout/k.yaml";
const OTHER_FILE: &str = "apps/cart/k.yaml";

/// Drives the HTTP client of every test; the tests block on threads of their own.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
});

/// A server with one repository.
struct World {
    server: GitServer,
    repo: GitRepo,
}

fn world() -> World {
    let server = GitServer::with_token(TOKEN);
    let repo = server.create(NAME);
    World { server, repo }
}

/// A repository in which two teams have committed `v1`.
fn seeded() -> World {
    let world = world();
    world.repo.commit(
        "seed",
        at(0),
        &[(FILE, Some("v1\n")), (OTHER_FILE, Some("o1\n"))],
    );
    world
}

impl World {
    /// Commits a version of the watched file and returns the id.
    fn release(&self, version: &str, minute: i64) -> String {
        let content = format!("{version}\n");
        self.repo
            .commit(version, at(minute), &[(FILE, Some(&content))])
    }

    /// Commits something of another team.
    fn noise(&self, content: &str, minute: i64) -> String {
        self.repo
            .commit("cart: change", at(minute), &[(OTHER_FILE, Some(content))])
    }

    fn settings(&self) -> GitSettings {
        settings(&self.server.url(NAME))
    }

    fn git(&self) -> Git {
        git(self.settings())
    }

    fn read(&self) -> Snapshot {
        read(&self.git())
    }

    /// Returns what a server says about this repository that can only do what is needed.
    fn advertisement(&self) -> String {
        self.advertisement_with("")
    }

    /// The same for a server that can do more.
    fn advertisement_with(&self, capabilities: &str) -> String {
        let tip = self.repo.tip();
        let line = format!("{tip} refs/heads/main\0shallow side-band-64k {capabilities}\n");
        let length = line.len() + 4;
        format!("001e# service=git-upload-pack\n0000{length:04x}{line}0000")
    }

    fn read_changes(&self, changes: usize) -> Snapshot {
        let want = Want {
            changes,
            ..Want::default()
        };
        self.git().read(&want).expect("a readable branch")
    }
}

fn settings(url: &str) -> GitSettings {
    GitSettings {
        url: Url::parse(url).expect("a URL"),
        name: NAME.to_owned(),
        username: TOKEN_USER.to_owned(),
        token: Some(TOKEN.into()),
        branch: "main".to_owned(),
        paths: vec![PATH.to_owned()],
        ignore: Ignore::default(),
        ca_file: None,
        timeout: Duration::from_secs(60),
        max_bytes: 64 << 20,
        author_name: "error-budget-monitor".to_owned(),
        author_email: "ebm@example.com".to_owned(),
    }
}

fn git(settings: GitSettings) -> Git {
    Git::new(settings, RUNTIME.clone()).expect("usable settings")
}

fn everything() -> Want {
    Want {
        changes: usize::MAX,
        ..Want::default()
    }
}

fn read(git: &Git) -> Snapshot {
    git.read(&everything()).expect("a readable branch")
}

fn refused_read(git: &Git) -> GitError {
    git.read(&everything()).expect_err("an unreadable branch")
}

/// Drafts, commits and pushes the watched paths of `target`.
fn roll_back(snapshot: &Snapshot, target: &str) -> (String, Push) {
    let commit = write(snapshot, target);
    let answer = snapshot.push(&commit).expect("an answer");
    (commit, answer)
}

/// Drafts and commits the watched paths of `target`.
fn write(snapshot: &Snapshot, target: &str) -> String {
    let draft = snapshot.draft(target).expect("something to restore");
    snapshot
        .commit(draft, MESSAGE, at(9_000))
        .expect("a writable scratch folder")
}

/// Finds the commit on the branch that carries a trailer.
fn with_trailer(snapshot: &Snapshot, key: &str, value: &str) -> Option<String> {
    snapshot.find_message(|message| trailers(message).contains(&(key, value)))
}

fn revisions(changes: &[PathChange]) -> Vec<&str> {
    changes
        .iter()
        .map(|change| change.revision.as_str())
        .collect()
}

/// Returns why a draft was refused.
fn refusal(error: GitError) -> String {
    let text = format!("{error:?}");
    let GitFault::Refused { why } = error.fault else {
        panic!("not refused: {text}");
    };
    why
}

const MESSAGE: &str = "Roll back checkout\n\nThe error budget burns.\n\nError-Budget-Rollback: r-1\nRolls-Back: abc\n";

/// Minutes after a fixed moment.
fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a time") + TimeDelta::minutes(minute)
}
