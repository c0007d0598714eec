//! One service with its servers, on which the program is run again and again until nothing changes any more.

use std::cell::Cell;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use chrono::TimeDelta;
use testkit::argocd::ArgoServer;
use testkit::git::{LogEntry, MonoRepo, Release};
use testkit::github::GithubServer;
use testkit::gitlab::GitlabServer;

use crate::deeds::Deeds;
use crate::relay::Relay;
use crate::scenarios::argocd::scene::APP;
use crate::scenarios::program::{Program, Ran};
use crate::scenarios::world::World;

/// Most runs until a scenario has to be quiet.
const RUNS: usize = 14;

/// How many runs in a row that change nothing outside are called quiet.
const QUIET: usize = 2;

/// The signal that nobody survives.
const SIGKILL: i32 = 9;

/// A service with what surrounds it.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) github: Option<GithubServer>,
    pub(crate) gitlab: Option<GitlabServer>,
    pub(crate) argo: Option<ArgoServer>,
    /// The program as a person starts it, where a person begins.
    pub(crate) first: Option<Program>,
    /// The program as the clock starts it.
    pub(crate) program: Program,
    /// What stands between the program and a server, and lies to the first run.
    pub(crate) relay: Option<Relay>,
    /// What others do after each run, as often as it comes to that.
    pub(crate) meanwhile: fn(&Self),
    /// What else happens when the program dies.
    pub(crate) when_killed: Box<dyn Fn(&Self)>,
    /// The program once the burn has stopped.
    pub(crate) calm: Option<Program>,
    /// The paths that are restored.
    pub(crate) paths: Vec<String>,
    /// How often others did what they do meanwhile.
    pub(crate) times: Cell<usize>,
}

/// How a scenario went.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// The boundaries that the runs reached.
    pub(crate) boundaries: Vec<String>,
    /// How often the program was killed.
    pub(crate) kills: usize,
    /// Whether a run said by its exit code that a person is needed.
    pub(crate) is_told: bool,
}

impl Stage {
    /// A stage with a repository alone.
    pub(crate) fn of(world: World) -> Self {
        Self {
            program: world.program(),
            paths: vec![world.path()],
            world,
            github: None,
            gitlab: None,
            argo: None,
            first: None,
            relay: None,
            meanwhile: |_| {},
            when_killed: Box::new(|_| {}),
            calm: None,
            times: Cell::new(0),
        }
    }

    /// Runs the program until it is quiet. It is killed at the boundaries that are named, the second counted from the
    /// first.
    #[track_caller]
    pub(crate) fn play(&self, kills: &[usize]) -> Played {
        let mut played = Played::default();
        let mut kills = kills.iter().copied();
        let mut left = kills.next();
        let mut quiet = 0;
        let mut before = Deeds::of(self);
        for run in 0..RUNS {
            let trace = self.trace();
            fs::remove_file(&trace).ok();
            // A person whose command died gives it again.
            let first = self.first.as_ref().filter(|_| run == played.kills);
            let mut program = first.unwrap_or_else(|| self.program()).clone();
            // What a run that dies leaves behind goes with the stage.
            program = program
                .env_path("TMPDIR", self.world.folder())
                .env_path("FAIL_POINT_TRACE", &trace);
            if let Some(number) = left {
                program = program.env("FAIL_POINT_KILL", &number.to_string());
            }
            let (ran, signal) = program.run_to_any_end();
            let reached = fs::read_to_string(&trace).unwrap_or_default();
            played.boundaries.extend(reached.lines().map(str::to_owned));
            let reached = reached.lines().count();
            let is_killed = signal == Some(SIGKILL);
            assert!(is_killed || signal.is_none(), "signal {signal:?}: {ran}");
            if is_killed {
                assert_eq!(left, Some(reached), "killed too early or too late: {ran}");
                played.kills += 1;
                left = kills.next();
                (self.when_killed)(self);
            } else {
                let is_lied_to = self.relay.is_some() && run == 0;
                let is_usual = matches!(ran.code, Some(0 | 1));
                assert!(
                    is_usual || (is_lied_to && ran.code == Some(69)),
                    "it ended otherwise: {ran}"
                );
                left = left.map(|number| number - reached);
                played.is_told |= ran.code == Some(1);
            }
            if let Some(relay) = &self.relay {
                relay.ends_its_lies();
            }
            (self.meanwhile)(self);
            let after = Deeds::of(self);
            quiet = match is_killed || after != before {
                true => 0,
                false => quiet + 1,
            };
            if quiet == QUIET && self.is_settled(&ran) {
                return played;
            }
            if quiet > 0 {
                self.time_passes();
            }
            before = after;
        }
        panic!("it was not quiet after {RUNS} runs: {before:#?}");
    }

    /// Tells whether nothing is under way whose end is open: what waits for a person or for its proof is where it
    /// belongs.
    fn is_settled(&self, ran: &Ran) -> bool {
        let outcome = ran.record["rollback"]["outcome"].as_str();
        let is_done = self.restorations() > 0 || self.argo.is_some();
        match outcome {
            Some("verifying") => is_done && self.calm.is_none() && !self.waits_for_argocd(),
            Some(_) | None => true,
        }
    }

    /// Counts how often the service's path was put back on the branch, by whatever commit.
    pub(crate) fn restorations(&self) -> usize {
        let repo = self.world.repo();
        let log = repo.log();
        let tree = |commit: &str| repo.tree_at(commit, &self.world.path());
        let good = tree(&self.world.v1);
        let mut count = 0;
        let mut next = log.first();
        while let Some(commit) = next {
            let Some(parent) = commit.parents.first() else {
                break;
            };
            if tree(&commit.id) == good && tree(parent) != good {
                count += 1;
            }
            next = log.iter().find(|other| other.id == *parent);
        }
        count
    }

    /// Counts the pull requests, in whatever state.
    pub(crate) fn pulls(&self) -> usize {
        let github = self.github.as_ref().map_or(0, GithubServer::pull_count);
        github + self.gitlab.as_ref().map_or(0, GitlabServer::count)
    }

    /// Does what others do, up to so many times.
    pub(crate) fn at_most(&self, times: usize, deed: impl FnOnce()) {
        if self.times.get() < times {
            self.times.set(self.times.get() + 1);
            deed();
        }
    }

    /// Tells whether an operation that was asked for is neither done nor given up.
    fn waits_for_argocd(&self) -> bool {
        let unfinished = self.world.in_flight();
        unfinished.is_some_and(|it| it.argocd.is_some() && it.effective_at.is_none())
    }

    /// Lets a minute pass for what waits for one: a request to Argo CD that may still arrive, and the proof.
    fn time_passes(&self) {
        let Some(mut rollback) = self.world.in_flight() else {
            return;
        };
        let minutes = TimeDelta::minutes(2);
        if let Some(operation) = &mut rollback.argocd {
            operation.asked_at = operation.asked_at.map(|at| at - minutes);
        }
        if self.calm.is_some() {
            rollback.effective_at = rollback.effective_at.map(|at| at - minutes);
        }
        self.world.remembers(&[rollback]);
    }

    fn program(&self) -> &Program {
        let calm = self.calm.as_ref();
        let calm = calm.filter(|_| self.restorations() > 0);
        calm.unwrap_or(&self.program)
    }

    fn trace(&self) -> PathBuf {
        self.world.folder().join("trace")
    }

    /// Returns the version that Argo CD has deployed.
    pub(crate) fn live(&self) -> String {
        let manifest = MonoRepo::manifest_path(&self.world.service());
        let argo = self.argo.as_ref().expect("an Argo CD");
        argo.look(|known| {
            let text = known.app(APP).live_text(&manifest);
            let release = text.and_then(Release::read);
            release.map_or_else(String::new, |release| release.version)
        })
    }

    /// Fails where a commit does anything else than to restore the service's paths.
    #[track_caller]
    pub(crate) fn restores_only_its_paths(&self, commit: &LogEntry) {
        let repo = self.world.repo();
        let restored = commit
            .message
            .lines()
            .find_map(|line| line.strip_prefix("Restores: "))
            .expect("it names what it restores");
        for path in &self.paths {
            let tree = |revision: &str| repo.tree_at(revision, path);
            assert_eq!(tree(&commit.id), tree(restored), "{path} in {commit:#?}");
        }
        let all = ["README.md", "apps/namespace.yaml", "apps/payments"];
        for path in all
            .iter()
            .filter(|path| !self.paths.contains(&(**path).to_owned()))
        {
            let tree = |revision: &str| repo.tree_at(revision, path);
            assert_eq!(
                tree(&commit.id),
                tree(&commit.parents[0]),
                "{path} in {commit:#?}"
            );
        }
    }
}

impl Program {
    /// Runs it to its end, which may be a signal.
    fn run_to_any_end(&self) -> (Ran, Option<i32>) {
        let (ran, status) = self.start().wait_with_status();
        (ran, status.signal())
    }
}
