//! What was done to the outside world, by the servers' own records.

use testkit::argocd::OperationKind;

use crate::scenarios::argocd::scene::{ACCOUNT, APP};
use crate::stage::Stage;

/// Everything that the servers say was done to them so far. A login and the token of an App change nothing that lasts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deeds {
    /// Every branch with its commit.
    pub(crate) refs: String,
    /// The pushes that reached git.
    pub(crate) pushes: usize,
    /// The writes that reached GitHub, with their answers.
    pub(crate) written_at_github: Vec<String>,
    /// The writes that reached Argo CD, with their answers.
    pub(crate) written_at_argocd: Vec<String>,
    /// The operations that Argo CD accepted: what they were and who asked.
    pub(crate) operations: Vec<(OperationKind, String)>,
    /// Whether auto-sync is on.
    pub(crate) auto_sync: Option<bool>,
}

/// What there may be in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// How many commits that restore the service are on the branch.
    pub(crate) commits: usize,
    /// How many pull requests there are.
    pub(crate) pulls: usize,
    /// How many operations of the program's own Argo CD ran, at least and at most.
    pub(crate) operations: (usize, usize),
}

impl Deeds {
    /// Reads the records.
    pub(crate) fn of(stage: &Stage) -> Self {
        let github = stage.github.as_ref();
        let argo = stage.argo.as_ref();
        let is_write = |method: &str, path: &str| {
            method != "GET" && !path.ends_with("/access_tokens") && !path.ends_with("/session")
        };
        Self {
            refs: stage.world.repo().refs_fingerprint(),
            pushes: stage.world.server.push_attempts(),
            written_at_github: github
                .iter()
                .flat_map(|github| github.requests())
                .filter(|it| is_write(&it.method, &it.path))
                .map(|it| it.to_string())
                .collect(),
            written_at_argocd: argo
                .iter()
                .flat_map(|argo| argo.requests())
                .filter(|it| is_write(&it.method, &it.path))
                .map(|it| format!("{} {} {:?}", it.method, it.path, it.status))
                .collect(),
            operations: argo
                .iter()
                .flat_map(|argo| argo.operations())
                .map(|it| (it.kind, it.initiated_by.username))
                .collect(),
            auto_sync: argo
                .map(|argo| argo.look(|known| known.app(APP).spec.auto_sync().is_some())),
        }
    }

    /// Counts what the program had Argo CD do.
    fn own_operations(&self) -> usize {
        let ours = self.operations.iter().filter(|(_, by)| by == ACCOUNT);
        ours.count()
    }
}

impl Allowed {
    /// One commit on the branch, and nothing else.
    pub(crate) const ONE_COMMIT: Self = Self {
        commits: 1,
        pulls: 0,
        operations: (0, 0),
    };

    /// Nothing at all.
    pub(crate) const NOTHING: Self = Self {
        commits: 0,
        ..Self::ONE_COMMIT
    };

    /// One pull request that is not merged.
    pub(crate) const ONE_PULL: Self = Self {
        pulls: 1,
        ..Self::NOTHING
    };

    /// One pull request that somebody merged.
    pub(crate) const ONE_MERGED: Self = Self {
        pulls: 1,
        ..Self::ONE_COMMIT
    };

    /// The same, with operations of Argo CD.
    pub(crate) const fn with_operations(self, least: usize, most: usize) -> Self {
        Self {
            operations: (least, most),
            ..self
        }
    }

    /// Fails where the world is not as it may be.
    #[track_caller]
    pub(crate) fn holds(&self, stage: &Stage) {
        let log = stage.world.repo().log();
        assert_eq!(stage.restorations(), self.commits, "commits: {log:#?}");
        let deeds = Deeds::of(stage);
        let (least, _) = self.operations;
        assert!(deeds.own_operations() >= least, "operations: {deeds:#?}");
        let pulls = stage.pulls();
        assert_eq!(pulls, self.pulls, "pull requests: {deeds:#?}");
        self.is_not_exceeded(stage);
    }

    /// Fails where more was done than may be, or anything else.
    #[track_caller]
    pub(crate) fn is_not_exceeded(&self, stage: &Stage) {
        let deeds = Deeds::of(stage);
        let log = stage.world.repo().log();
        assert!(stage.restorations() <= self.commits, "commits: {log:#?}");
        let trailer = "\nError-Budget-Rollback: ";
        let ours: Vec<_> = log
            .iter()
            .filter(|it| it.message.contains(trailer))
            .collect();
        assert!(
            ours.len() <= self.commits,
            "commits with our name: {log:#?}"
        );
        for commit in ours {
            stage.restores_only_its_paths(commit);
        }
        let pulls = stage.pulls();
        assert!(pulls <= self.pulls, "pull requests: {deeds:#?}");
        let operations = deeds.own_operations();
        let (_, most) = self.operations;
        assert!(operations <= most, "operations: {deeds:#?}");
        if operations > 0 {
            assert_eq!(stage.live(), "v1", "{deeds:#?}");
        }
    }
}
