//! What is asked of Argo CD: a rollback of the application, or a sync of what the branch holds.

use chrono::{TimeDelta, Utc};

use super::argocd_operation::{Goal, Operated, Operation};
use super::live::{Unlike, compared, healthy};
use crate::clients::argocd::Argo;
use crate::clients::git::Git;
use crate::journal::{Event, Phase, StepKind, StepState, now};
use crate::observe;
use crate::outcome::Unavailable;
use crate::policy::short;
use crate::rollback::engine::{Reach, Went};
use crate::rollback::execution::Execution;
use crate::with_sources;

/// How far the clocks of GitHub and this program may be apart.
const CLOCKS: TimeDelta = TimeDelta::seconds(60);

impl Execution<'_> {
    /// Ends a rollback that Argo CD would not do.
    pub(crate) fn fails_at_argocd(&mut self, why: String) {
        self.ends(
            StepKind::ArgocdRollback,
            StepState::Failed,
            Event::Refused,
            why,
        );
    }

    /// What is rolled back by Argo CD alone is written down as Argo CD names it.
    fn reads_as_named(&self) {
        if let Some(argo) = &self.service.argo
            && !self.rollback.puts_the_branch_back()
        {
            argo.read_as_named();
        }
    }

    /// Rolls the application back. Where that is all, git still holds the bad revision afterwards.
    pub(crate) async fn roll_application_back(
        &mut self,
        reach: &Reach<'_>,
    ) -> Result<Went, Unavailable> {
        let step = StepKind::ArgocdRollback;
        self.reads_as_named();
        if !self.rollback.is_done(step) && !self.is_rolled_back(reach.may_ask).await? {
            return Ok(Went::Nowhere);
        }
        if reach.git.is_none() {
            let why = format!(
                "application is rolled back; git still holds {}: revert it there, or the next sync brings it back",
                short(&self.rollback.from)
            );
            self.ends(step, StepState::Done, Event::Landed, why);
        }
        Ok(Went::On)
    }

    /// Has Argo CD roll the application back. Returns whether that is done, or the branch takes its place.
    async fn is_rolled_back(&mut self, may_ask: bool) -> Result<bool, Unavailable> {
        let step = StepKind::ArgocdRollback;
        let Some(argo) = &self.service.argo else {
            return Err(self.without_argocd(step));
        };
        match self.operate(argo, step, Goal::RolledBack, may_ask).await {
            Operated::Done { at, what } => {
                self.rollback.effective_at = Some(at);
                self.completes(step, what);
                Ok(true)
            }
            Operated::Failed(why) => {
                self.ends(step, StepState::Failed, Event::Refused, why);
                Ok(false)
            }
            Operated::OnlyTheBranch(why) => Ok(self.reverts_first(why)),
            Operated::MovedOn(why) => {
                self.ends(step, StepState::Failed, Event::MovedOn, why);
                Ok(false)
            }
            waiting @ (Operated::NotYet(_) | Operated::Unwritten(_) | Operated::Unreachable(_)) => {
                self.waits_for_argocd(step, waiting).map(|()| false)
            }
        }
    }

    /// Goes on with the branch where Argo CD rolls nothing back any more. Returns whether there is a branch to go on
    /// with.
    fn reverts_first(&mut self, why: String) -> bool {
        let step = StepKind::ArgocdRollback;
        let goes_on = self.rollback.puts_the_branch_back();
        let Some(argo_operation) = self.rollback.argocd.as_mut().filter(|_| goes_on) else {
            self.ends(step, StepState::Failed, Event::Refused, why);
            return false;
        };
        argo_operation.entry = None;
        argo_operation.asked_at = None;
        let why = format!("{why}; the branch is reverted instead");
        self.gives_way(step, why);
        true
    }

    /// Has Argo CD deploy what the branch holds, where it does not run it already.
    pub(crate) async fn sync_application(
        &mut self,
        git: Option<&Git>,
    ) -> Result<Went, Unavailable> {
        if self.rollback.phase != Phase::Verifying {
            return Ok(Went::On);
        }
        let step = StepKind::ArgocdSync;
        let Some(argo) = &self.service.argo else {
            return Err(self.without_argocd(step));
        };
        if let (None, Some(git)) = (self.rollback.effective_at, git) {
            if !self.sync(git, argo).await? {
                return Ok(Went::Nowhere);
            }
        } else if self.rollback.rolls_back_first() && !self.rollback.is_done(step) {
            let what = compared(argo).await;
            self.completes(step, what);
        }
        Ok(Went::On)
    }

    /// Waits until what was put back is healthy. Health is what Kubernetes thinks of it: needed, and not enough.
    pub(crate) async fn is_healthy(&mut self) -> Result<Went, Unavailable> {
        let argo_operation = match &self.rollback.argocd {
            Some(argo_operation) if self.rollback.phase == Phase::Verifying => {
                argo_operation.clone()
            }
            Some(_) | None => return Ok(Went::On),
        };
        let Some(argo) = &self.service.argo else {
            return Err(self.without_argocd(StepKind::ArgocdSync));
        };
        let step = StepKind::Verify;
        self.reads_as_named();
        let is_alone = !self.rollback.puts_the_branch_back();
        match healthy(argo, &argo_operation, is_alone, &self.stop).await {
            Ok(()) => Ok(Went::On),
            Err(Unlike::NotYet(why)) => {
                self.waits(step, why);
                self.gives_up(step);
                Ok(Went::Nowhere)
            }
            Err(Unlike::Undone(why)) => {
                self.ends(step, StepState::Failed, Event::DeadlinePassed, why);
                Ok(Went::Nowhere)
            }
        }
    }

    /// Syncs the application. Returns whether what was put back is deployed.
    async fn sync(&mut self, git: &Git, argo: &Argo) -> Result<bool, Unavailable> {
        let step = StepKind::ArgocdSync;
        let back = self.service.config.policy.max_revisions_back;
        let snapshot = observe::branch_back_to(git, back, &self.rollback.tip).await?;
        let newest = snapshot.changes.first();
        // A sync deploys the tip, and nobody asked this program to deploy what somebody committed on top.
        let on_top = newest
            .filter(|newest| newest.state != self.rollback.to_state)
            .map(|newest| short(&newest.revision).to_owned());
        let restored = snapshot.changes.iter().find(|change| {
            let since = self.rollback.begun_at - CLOCKS;
            change.state == self.rollback.to_state && change.committed_at >= since
        });
        let ours = restored.map_or_else(Vec::new, |change| snapshot.commits_with(&change.revision));
        drop(snapshot);
        match argo.refresh().await {
            // A run that goes on has not read yet what a hydrator made of which commit.
            Ok(refreshed) => {
                let app = refreshed.application().clone();
                self.service.in_dry_terms(app).await?;
            }
            Err(error) => {
                tracing::warn!(error = %error, "Argo CD was not told to look at the branch");
            }
        }
        let id = self.rollback.id.clone();
        let Some(gitops) = &self.service.config.gitops else {
            return Ok(false);
        };
        let goal = Goal::Synced {
            id: &id,
            ours: &ours,
            branch: &gitops.git,
        };
        match self.operate(argo, step, goal, on_top.is_none()).await {
            Operated::Done { at, what } => {
                self.rollback.effective_at = Some(at.max(self.rollback.begun_at));
                self.completes(step, what);
                Ok(true)
            }
            Operated::Failed(why) | Operated::MovedOn(why) | Operated::OnlyTheBranch(why) => {
                // The branch is right, so a person has to look at Argo CD: nothing of ours is taken back.
                self.ends(step, StepState::Failed, Event::DeadlinePassed, why);
                Ok(false)
            }
            Operated::NotYet(_) if on_top.is_some() => {
                let why = format!(
                    "{} was committed on top of the rollback before Argo CD had deployed it",
                    on_top.unwrap_or_default()
                );
                self.ends(step, StepState::Failed, Event::DeadlinePassed, why);
                Ok(false)
            }
            waiting @ (Operated::NotYet(_) | Operated::Unwritten(_) | Operated::Unreachable(_)) => {
                self.waits_for_argocd(step, waiting)?;
                self.gives_up(step);
                Ok(false)
            }
        }
    }

    /// Ends a rollback that Argo CD did not deploy, or not healthily, within `VERIFY_DEADLINE`.
    fn gives_up(&mut self, step: StepKind) {
        let deadline = self.service.config.verify.deadline;
        let since = self.rollback.effective_at.unwrap_or(self.rollback.begun_at);
        let age = (Utc::now() - since).to_std();
        if age.is_ok_and(|age| age > deadline) {
            let last = self.rollback.steps.iter().find(|known| known.step == step);
            let why = format!(
                "VERIFY_DEADLINE is over: {}",
                last.map_or("", |known| known.detail.as_str())
            );
            self.ends(step, StepState::Failed, Event::DeadlinePassed, why);
        }
    }

    async fn operate(
        &mut self,
        argo: &Argo,
        step: StepKind,
        goal: Goal<'_>,
        may_ask: bool,
    ) -> Operated {
        let Some(mut argo_operation) = self.rollback.argocd.clone() else {
            return Operated::NotYet("nothing was to be asked of Argo CD".to_owned());
        };
        let operation = Operation {
            argo,
            goal,
            may_ask,
            stop: &self.stop.clone(),
        };
        let operated = operation
            .carry_out(&mut argo_operation, |argo_operation, what| {
                self.rollback.argocd = Some(argo_operation.clone());
                self.rollback.attempted = true;
                self.intends(step, what)
            })
            .await;
        self.rollback.argocd = Some(argo_operation);
        operated
    }

    /// Notes what is waited for.
    fn waits_for_argocd(&mut self, step: StepKind, operated: Operated) -> Result<(), Unavailable> {
        let (why, outage) = match operated {
            Operated::Unreachable(error) => {
                let why = with_sources(&error);
                (
                    why.clone(),
                    Some(Unavailable {
                        source: "argocd",
                        why,
                    }),
                )
            }
            Operated::Unwritten(error) => {
                let why = format!("{error}; Argo CD was not asked, and the next run goes on");
                self.rollback
                    .note(step, StepState::Pending, now(), why.clone());
                self.is_in_trouble(why);
                return Ok(());
            }
            Operated::NotYet(why)
            | Operated::Failed(why)
            | Operated::MovedOn(why)
            | Operated::OnlyTheBranch(why) => (why, None),
            Operated::Done { what, .. } => (what, None),
        };
        self.waits(step, why);
        outage.map_or(Ok(()), Err)
    }

    fn without_argocd(&mut self, step: StepKind) -> Unavailable {
        let why = format!(
            "rollback {} waits for Argo CD, and ARGOCD_SERVER is not set; set it again",
            self.rollback.id
        );
        self.waits(step, why.clone());
        Unavailable {
            source: "argocd",
            why,
        }
    }
}
