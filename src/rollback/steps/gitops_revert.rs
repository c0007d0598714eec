//! The commit that restores the watched paths: pushed, written through GitHub's API, or proposed where it is refused.

use chrono::{DateTime, Utc};

use super::restore::{PushWay, Restoration, Restored, restore};
use crate::clients::git::{Git, GitError, Snapshot};
use crate::journal::{Event, StepKind, StepState, now};
use crate::outcome::Unavailable;
use crate::rollback::engine::{Reach, Went};
use crate::rollback::execution::Execution;
use crate::service::Service;

impl Execution<'_> {
    /// Puts the watched paths back.
    ///
    /// # Errors
    /// Says why the branch could not be read, when nothing was sent because of that.
    pub(crate) async fn put_back(&mut self, reach: &mut Reach<'_>) -> Result<Went, Unavailable> {
        match reach.git {
            Some(git) => match self.restore_paths(git, reach.snapshot.take()).await {
                Some(error) => Err(error.into()),
                None => Ok(Went::On),
            },
            None => Ok(Went::Nowhere),
        }
    }

    /// Returns why the branch could not be read.
    async fn restore_paths(&mut self, git: &Git, snapshot: Option<Snapshot>) -> Option<GitError> {
        let proposes =
            self.service.config.policy.by_pull_request || self.rollback.proposal.is_some();
        if let (true, Some(forge)) = (proposes, &self.service.forge) {
            return self.propose(git, forge, snapshot, None).await;
        }
        if let Some(why) = self.service.stop.forbids_an_effect() {
            let why = format!("{why}: nothing was pushed, the next run goes on");
            self.waits(StepKind::GitopsRevert, why);
            return None;
        }
        let work = self.work();
        let service = self.service;
        // GitHub signs what an App has it write; a token pushes with git, which works everywhere.
        let way = match service.github() {
            Some(github) if github.is_app() => PushWay::Api(github),
            Some(_) | None => PushWay::Push,
        };
        let restored = restore(git, way, &work, snapshot, |what| {
            self.rollback.attempted = true;
            self.intends(StepKind::GitopsRevert, what)
        })
        .await;
        match restored {
            Restored::Landed { commit, is_signed } => {
                self.landed(git, commit, is_signed, now());
            }
            Restored::MovedOn { why } => {
                let (event, why) = self.told_where_half_is_done(Event::MovedOn, why);
                self.ends(StepKind::GitopsRevert, StepState::Failed, event, why);
            }
            Restored::Refused { why, by_server } => {
                let why = explained(self.service, git, why).await;
                let forge = self.service.forge.as_ref();
                if let (true, Some(forge)) = (by_server, forge.filter(|it| it.may_write())) {
                    return self.propose(git, forge, None, Some(why)).await;
                }
                self.ends(
                    StepKind::GitopsRevert,
                    StepState::Failed,
                    Event::Refused,
                    why,
                );
            }
            Restored::Unknown { why } => self.waits(
                StepKind::GitopsRevert,
                format!("the push may have landed ({why}); the next run looks"),
            ),
            // On disk the rollback is begun, whatever is said here, so the next run goes on with it.
            Restored::Unwritten(error) => {
                self.rollback.note(
                    StepKind::GitopsRevert,
                    StepState::Pending,
                    now(),
                    format!("nothing was pushed ({error}); the next run goes on"),
                );
                self.is_in_trouble(format!(
                    "{error}; nothing was pushed, and the next run goes on"
                ));
            }
            Restored::Unreachable(error) => return Some(self.waits_for_git(error)),
        }
        None
    }

    /// Makes a failure of what would end quietly where the application is rolled back already: a person has to know,
    /// and to choose.
    pub(crate) fn told_where_half_is_done(&self, event: Event, why: String) -> (Event, String) {
        if !self.rollback.is_done(StepKind::ArgocdRollback) {
            return (event, why);
        }
        let why = format!("the application was rolled back, and the branch was not: {why}");
        (Event::Refused, why)
    }

    /// Returns what has to be done, whoever does it.
    pub(crate) fn work(&self) -> Restoration {
        let rollback = &self.rollback;
        Restoration {
            id: rollback.id.clone(),
            from_state: match rollback.goes_back.tip_state.as_str() {
                "" => rollback.from_state.clone(),
                tip_state => tip_state.to_owned(),
            },
            to: rollback.to.clone(),
            keeps: rollback.goes_back.keeps.clone(),
            tip: rollback.tip.clone(),
            message: rollback.message.clone(),
            at: rollback.begun_at,
        }
    }

    /// Notes why the repository could not be reached, and hands the reason on.
    pub(crate) fn waits_for_git(&mut self, error: GitError) -> GitError {
        self.waits(StepKind::GitopsRevert, error.to_string());
        error
    }

    /// Notes that the commit is on the branch.
    pub(crate) fn landed(
        &mut self,
        git: &Git,
        commit: String,
        is_signed: Option<bool>,
        effective_at: DateTime<Utc>,
    ) {
        let signed = match is_signed {
            Some(true) => ", signed by GitHub",
            Some(false) => ", not signed by GitHub",
            None => "",
        };
        let (branch, repo) = (git.branch(), git.name());
        let detail = format!("commit {commit} is on {branch} of {repo}{signed}");
        self.rollback.commit = Some(commit);
        self.rollback.attempted = true;
        // Where Argo CD deploys it, it takes effect then.
        if self.rollback.argocd.is_none() {
            self.rollback.effective_at = Some(effective_at);
        }
        self.ends(
            StepKind::GitopsRevert,
            StepState::Done,
            Event::Landed,
            detail,
        );
    }
}

/// Adds what GitHub says about the branch to a refusal, where the repository is there. Rules are often the reason,
/// and the answer to a push does not always name them.
async fn explained(service: &Service<'_>, git: &Git, why: String) -> String {
    let Some(github) = service.github() else {
        return why;
    };
    let rules = github.rules(git.branch()).await;
    match rules {
        Ok(rules) if rules.is_empty() => why,
        Ok(rules) => format!(
            "{why} (GitHub's rules for {}: {}; a person has to merge the rollback, or allow this program to push)",
            git.branch(),
            rules.join(", ")
        ),
        Err(error) => {
            tracing::warn!(error = %error, "GitHub does not say why it refused");
            why
        }
    }
}
