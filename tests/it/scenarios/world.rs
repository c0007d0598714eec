//! What surrounds the program: a service in Prometheus, its repository, and the memory of earlier runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::journal::{self, Rollback};
use tempfile::TempDir;
use testkit::git::{GitRepo, GitServer, LogEntry, MonoRepo};
use testkit::kubernetes::Namespace;
use testkit::prometheus::{Month, shared_month};

use super::program::{Program, Ran};

/// Name of the repository on the git server.
pub(crate) const REPOSITORY: &str = "platform/gitops";

/// Token that the git server wants.
pub(crate) const TOKEN: &str = "gitops-token-of-the-tests";

/// A team that shares the repository.
const OTHER_TEAM: &str = "payments";

/// One service with its repository and its state folder, all its own; Prometheus is shared by all tests.
pub(crate) struct World {
    /// The git server.
    pub(crate) server: GitServer,
    /// The repository in it.
    pub(crate) team: MonoRepo,
    /// The commit that deployed the first version, 31 days ago.
    pub(crate) v1: String,
    service: String,
    prometheus_url: String,
    folder: TempDir,
    /// Where the memory lies; in the state file where there is none.
    pub(crate) namespace: Option<Namespace>,
}

/// All that a run may change outside itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Traces {
    refs: String,
    pushes: usize,
    files: BTreeMap<PathBuf, Trace>,
}

#[derive(Debug, PartialEq)]
enum Trace {
    Folder,
    Lock,
    File {
        content: Vec<u8>,
        written: SystemTime,
    },
}

impl World {
    /// Creates the world of a service of the shared month that deployed its first version before the month began.
    pub(crate) fn of(service: &str) -> Self {
        Self::at(&shared_month().prometheus.url(), service)
    }

    /// The same with another Prometheus.
    pub(crate) fn at(prometheus_url: &str, service: &str) -> Self {
        let server = GitServer::with_token(TOKEN);
        let begin = Utc::now() - TimeDelta::days(Month::DAYS);
        let team = MonoRepo::seed(server.create(REPOSITORY), &[service, OTHER_TEAM], begin);
        let v1 = team.repo().tip();
        let world = Self {
            server,
            team,
            v1,
            service: service.to_owned(),
            prometheus_url: prometheus_url.to_owned(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            namespace: None,
        };
        world.is_known();
        world
    }

    /// Creates the world of the service `bad-release`: version 2 fails since it was deployed, and another team
    /// committed on top of it. Returns the commit of version 2 too.
    pub(crate) fn with_a_bad_release() -> (Self, String) {
        let world = Self::of("bad-release");
        let v2 = world.release("v2", shared_month().deployed_at());
        world.other_team_commits();
        (world, v2)
    }

    /// Commits another version of the service.
    pub(crate) fn release(&self, version: &str, at: DateTime<Utc>) -> String {
        self.team.release(&self.service, version, 0.2, at)
    }

    /// Commits another version of the other team's service, now.
    pub(crate) fn other_team_commits(&self) -> String {
        let version = format!("v{}", self.repo().log().len() + 10);
        self.team.release(OTHER_TEAM, &version, 0.0, Utc::now())
    }

    /// Returns the repository.
    pub(crate) fn repo(&self) -> &GitRepo {
        self.team.repo()
    }

    /// Returns the path of the service in the repository.
    pub(crate) fn path(&self) -> String {
        MonoRepo::path(&self.service)
    }

    /// Returns the key of the service in the state.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", Month::NAMESPACE, self.service)
    }

    /// Returns the folder that is this world's own and goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the state file; a run creates it.
    pub(crate) fn state_folder(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// Returns the state file.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.state_folder().join("state.json")
    }

    /// Returns the service's name.
    pub(crate) fn service(&self) -> String {
        self.service.clone()
    }

    /// Returns the text of the state file.
    pub(crate) fn state(&self) -> String {
        fs::read_to_string(self.state_file()).expect("the state file is there")
    }

    /// Returns the program, set up to roll back without waiting for the proof.
    pub(crate) fn program(&self) -> Program {
        Program::bare()
            .env("SERVICE_NAME", &self.service)
            .env("NAMESPACE", Month::NAMESPACE)
            .env("PROMETHEUS_URL", &self.prometheus_url)
            // Many programs ask one Prometheus at once here.
            .env("PROMETHEUS_TIMEOUT", "60s")
            .env("GITOPS_REPO", &self.server.url(REPOSITORY))
            .env("GITOPS_TOKEN", TOKEN)
            .env("GITOPS_PATH", &self.path())
            .env("ROLLBACK_ENABLED", "true")
            .env("BLACKOUT_WINDOWS", "none")
            .env("VERIFY_TIMEOUT", "0s")
            .env("STABILIZATION", "0s")
            .env_path("STATE_FILE", &self.state_file())
    }

    /// Runs a command of the program.
    pub(crate) fn runs(&self, arguments: &[&str]) -> Ran {
        self.program().arguments(arguments).run()
    }

    /// Returns the traces so far.
    pub(crate) fn traces(&self) -> Traces {
        let mut files = BTreeMap::new();
        collect(&self.state_folder(), &mut files);
        Traces {
            refs: self.repo().refs_fingerprint(),
            pushes: self.server.push_attempts(),
            files,
        }
    }

    /// Runs a program that must leave no trace: no push, no file, not even a lock.
    #[track_caller]
    pub(crate) fn nothing_changed_by(&self, program: &Program) -> Ran {
        let before = self.traces();
        let ran = program.run();
        assert_eq!(self.traces(), before, "{ran}");
        ran
    }

    /// Runs a program that may take the lock and remember what people were told, and must leave no other trace.
    #[track_caller]
    pub(crate) fn nothing_changed_but_the_lock_by(&self, program: &Program) -> Ran {
        let before = (self.traces().without_lock(), self.rollbacks());
        let ran = program.run();
        let after = (self.traces().without_lock(), self.rollbacks());
        assert_eq!(after, before, "{ran}");
        ran
    }

    /// Returns what is remembered of rollbacks, but for what people were told of them; the damage where it cannot be
    /// read.
    fn rollbacks(&self) -> Result<Vec<Rollback>, String> {
        let glimpse = journal::read(&self.state_file()).map_err(|error| error.to_string())?;
        if let Some(damage) = glimpse.damage {
            return Err(damage);
        }
        let mut rollbacks = glimpse.state.service(&self.key()).rollbacks;
        for rollback in &mut rollbacks {
            rollback.told.clear();
        }
        Ok(rollbacks)
    }

    /// Checks that the newest commit puts the service's path back to `to` and is the only one since `tip`, and
    /// returns it.
    #[track_caller]
    pub(crate) fn one_commit_restores(&self, from: &str, to: &str, tip: &str) -> LogEntry {
        let repo = self.repo();
        let log = repo.log();
        let commit = log.first().expect("there are commits").clone();
        assert_eq!(
            commit.parents,
            [tip],
            "one commit with the former tip as its parent: {log:#?}"
        );
        let tree = |revision: &str, path: &str| repo.tree_at(revision, path);
        assert_eq!(tree(&commit.id, &self.path()), tree(to, &self.path()));
        for path in [
            "README.md",
            "apps/namespace.yaml",
            &MonoRepo::path(OTHER_TEAM),
        ] {
            assert_eq!(tree(&commit.id, path), tree(tip, path), "{path}");
        }
        let trailer = |name: &str, value: &str| {
            let line = format!("{name}: {value}");
            assert!(
                commit.message.lines().any(|found| found == line),
                "{line} is missing in {}",
                commit.message
            );
        };
        trailer("Rolls-Back", from);
        trailer("Restores", to);
        repo.fsck();
        commit
    }

    /// Counts how often the branch was read, or asked to be: that begins with the list of references. Where the tip
    /// is is another question, which every pass may ask.
    pub(crate) fn reads_of_the_branch(&self) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|request| request.method == "GET")
            .count()
    }

    /// Counts the commits on the branch that carry a rollback's id.
    pub(crate) fn rollback_commits(&self) -> usize {
        let log = self.repo().log();
        log.iter()
            .filter(|commit| commit.message.contains("\nError-Budget-Rollback: "))
            .count()
    }
}

/// The program, asking in a way to which the short windows have an answer and the SLO window has none.
pub(crate) fn budget_unknown(world: &World) -> Program {
    let labels = format!(
        r#"namespace="{}",service="{}""#,
        Month::NAMESPACE,
        world.service
    );
    let count =
        |labels: &str| format!("sum(increase(http_requests_total{{{labels}}}[${{WINDOW}}]))");
    world
        .program()
        .env("SLI_TOTAL_QUERY", &format!("{} < 1e7", count(&labels)))
        .env(
            "SLI_BAD_QUERY",
            &count(&format!(r#"{labels},status=~"5..""#)),
        )
}

impl Traces {
    /// Leaves out the lock and the state, whose content is looked at apart, with the folder where that holds nothing
    /// else.
    fn without_lock(mut self) -> Self {
        let ours = ["lock", "json", "prev"];
        self.files.retain(|path, _| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_none_or(|ending| !ours.contains(&ending))
        });
        if self.files.values().all(|trace| *trace == Trace::Folder) {
            self.files.clear();
        }
        self
    }
}

fn collect(path: &Path, traces: &mut BTreeMap<PathBuf, Trace>) {
    let Ok(found) = fs::symlink_metadata(path) else {
        return;
    };
    if found.is_dir() {
        traces.insert(path.to_owned(), Trace::Folder);
        for entry in fs::read_dir(path).expect("our own folder") {
            collect(&entry.expect("our own folder").path(), traces);
        }
    } else {
        // Whoever takes the lock writes its name there.
        let is_lock = path.extension().is_some_and(|ending| ending == "lock");
        let trace = match is_lock {
            true => Trace::Lock,
            false => Trace::File {
                content: fs::read(path).expect("our own file"),
                written: found.modified().expect("files have times"),
            },
        };
        traces.insert(path.to_owned(), trace);
    }
}
