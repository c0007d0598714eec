//! The GitHub client against a strict stand-in whose truth is a real repository.

mod app;
mod branches;
mod landing;
mod limits;
mod lost;
mod pulls;
mod secrets;
mod trees;
mod whole;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::clients::git::{Git, GitSettings, Ignore, Snapshot, Want};
use error_budget_monitor::clients::github::{
    Author, CommitEntry, Github, GithubAuth, GithubSettings, NewCommit, WrittenCommit,
};
use testkit::git::{GitRepo, TOKEN_USER};
use testkit::github::{APP_ID, APP_KEY, GithubServer, INSTALLATION_ID};
use url::Url;

const PATH: &str = "apps/checkout";
const FILE: &str = "apps/checkout/k.yaml";
const OTHER_FILE: &str = "apps/cart/k.yaml";
const MESSAGE: &str =
    "Roll back checkout\n\nIt burns.\n\nError-Budget-Rollback: r-1\nRestores: abc\n";

/// A repository on GitHub in which a good release was followed by a bad one.
struct World {
    github: GithubServer,
    good: String,
    bad: String,
}

fn world() -> World {
    let github = GithubServer::start();
    let good = github.repo().commit(
        "seed",
        at(0),
        &[(FILE, Some("v1\n")), (OTHER_FILE, Some("o1\n"))],
    );
    // One commit of two teams: the tree without its half is one that was never there.
    let bad = github.repo().commit(
        "v2",
        at(1),
        &[(FILE, Some("v2\n")), (OTHER_FILE, Some("o1b\n"))],
    );
    World { github, good, bad }
}

impl World {
    fn repo(&self) -> &GitRepo {
        self.github.repo()
    }

    /// Signs in as a person.
    fn client(&self) -> Github {
        let settings = settings(&self.github, GithubAuth::Token(GithubServer::TOKEN.into()));
        Github::new(settings).expect("usable settings")
    }

    /// Signs in as an App.
    fn app(&self) -> Github {
        Github::new(settings(&self.github, app_auth(APP_KEY))).expect("usable settings")
    }

    /// Commits something of another team.
    fn noise(&self) -> String {
        self.repo()
            .commit("cart: change", at(2), &[(OTHER_FILE, Some("o2\n"))])
    }

    /// Returns the commit that puts the path back, as git2 drafts it.
    async fn rollback(&self) -> NewCommit {
        let snapshot = read(&self.github, vec![PATH.to_owned()]).await;
        new_commit(&snapshot, &self.good)
    }

    /// Writes that commit by the API.
    async fn written(&self, client: &Github) -> WrittenCommit {
        let new = self.rollback().await;
        client.write_commit(&new).await.expect("it is written")
    }

    /// Checks that there is one commit on top of a tip, which puts the path back and nothing else.
    #[track_caller]
    fn one_commit_restores(&self, tip: &str) -> String {
        let log = self.repo().log();
        assert_eq!(log[0].parents, [tip], "{log:#?}");
        let ours: Vec<_> = log
            .iter()
            .filter(|commit| commit.message.contains("Error-Budget-Rollback"))
            .collect();
        assert_eq!(ours.len(), 1, "{log:#?}");
        let repo = self.repo();
        assert_eq!(repo.tree_at("main", PATH), repo.tree_at(&self.good, PATH));
        assert_eq!(
            repo.tree_at("main", "apps/cart"),
            repo.tree_at(tip, "apps/cart")
        );
        repo.fsck();
        log[0].id.clone()
    }
}

fn app_auth(key: &str) -> GithubAuth {
    GithubAuth::App {
        app_id: APP_ID,
        installation_id: INSTALLATION_ID,
        private_key: key.into(),
    }
}

fn settings(github: &GithubServer, auth: GithubAuth) -> GithubSettings {
    let api = Url::parse(&github.api_url()).expect("a URL");
    GithubSettings {
        pause: Duration::from_millis(1),
        ..GithubSettings::new(api, "acme", "deploy", auth)
    }
}

/// Reads the branch with git, through the same stand-in.
async fn read(github: &GithubServer, paths: Vec<String>) -> Snapshot {
    let settings = GitSettings {
        url: Url::parse(&format!("{}/acme/deploy.git", github.url())).expect("a URL"),
        name: "acme/deploy".to_owned(),
        username: TOKEN_USER.to_owned(),
        token: Some(GithubServer::TOKEN.into()),
        branch: "main".to_owned(),
        paths,
        ignore: Ignore::default(),
        ca_file: None,
        timeout: Duration::from_secs(60),
        max_bytes: 64 << 20,
        author_name: "error-budget-monitor".to_owned(),
        author_email: "ebm@example.com".to_owned(),
    };
    let git = Git::new(settings, tokio::runtime::Handle::current()).expect("usable settings");
    let want = Want {
        changes: usize::MAX,
        ..Want::default()
    };
    tokio::task::spawn_blocking(move || git.read(&want))
        .await
        .expect("no panic")
        .expect("a readable branch")
}

fn new_commit(snapshot: &Snapshot, target: &str) -> NewCommit {
    let draft = snapshot.draft(target).expect("something to restore");
    let entries = snapshot.entries(draft).expect("a readable draft");
    NewCommit {
        branch: "main".to_owned(),
        tip: snapshot.tip.clone(),
        entries: entries
            .into_iter()
            .map(|entry| CommitEntry {
                path: entry.path,
                mode: entry.mode,
                id: entry.id,
            })
            .collect(),
        tree: draft.tree(),
        message: MESSAGE.to_owned(),
        author: Author {
            name: "error-budget-monitor".to_owned(),
            email: "ebm@example.com".to_owned(),
            at: at(9_000),
        },
    }
}

/// Minutes after a fixed moment.
fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a time") + TimeDelta::minutes(minute)
}
