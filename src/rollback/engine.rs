//! Joins the branch and Argo CD: in which order both are put back, and when that has taken effect.

use chrono::{TimeDelta, Utc};

use super::Ended;
use super::carry_out::{Wish, now};
use super::journey::{Journey, Outage};
use super::service::{Service, with_sources};
use super::tell;
use crate::act::{Goal, Operated, Operation, Unlike, compared, healthy};
use crate::clients::argocd::{Account, Action, Allowed, Application, Argo, ArgoError, AutoSync};
use crate::clients::git::{Git, Snapshot};
use crate::journal::{Entry, Errand, Event, Order, Origin, Phase, StepName, StepState};
use crate::observe;
use crate::policy::{Plan, Reason, short};
use crate::record::Record;

/// How far the clocks of GitHub and this program may be apart.
const CLOCKS: TimeDelta = TimeDelta::seconds(60);

/// How many commits on top of the bad one are remembered. Bounds the state; an operation on an older one is not told to end.
const MAX_BAD: usize = 50;

/// Why nothing is begun although every gate passed.
pub(super) enum Stopped {
    /// Argo CD would not do it now.
    Held {
        /// The reason code.
        reason: Reason,
        /// What was found.
        why: String,
    },
    /// Argo CD could not be asked, or lets this program do nothing.
    Unavailable {
        /// Why, as a sentence.
        why: String,
    },
}

impl From<ArgoError> for Stopped {
    fn from(error: ArgoError) -> Self {
        Self::Unavailable {
            why: with_sources(&error),
        }
    }
}

/// Looks whether Argo CD will do its part before anything is begun, and in which order. Nothing where no application is
/// configured, or where a person's rollback goes on without it.
///
/// # Errors
/// Says why nothing can be begun.
pub(super) async fn prepare(
    service: &Service<'_>,
    snapshot: &Snapshot,
    plan: &Plan,
    wish: &Wish,
    app: Option<&Application>,
) -> Result<Option<Errand>, Stopped> {
    let (Some(argo), Some(app)) = (&service.argo, app) else {
        return Ok(None);
    };
    let user = may_act(argo, app).await?;
    let entry = match (&app.auto_sync, wish.origin) {
        (AutoSync::Off(_) | AutoSync::Absent, Origin::Automatic)
            // An entry of its history is a whole: what stays would go back with it.
            if !service.settings.by_pull_request && plan.keeps.is_empty() =>
        {
            observe::entry_of(app, snapshot, &plan.to)
        }
        // A person asked for the branch; a pull request has to be merged first; auto-sync lets nothing be rolled back.
        _ => None,
    };
    Ok(Some(Errand {
        application: argo.name(),
        order: match entry {
            Some(_) => Order::RollBackFirst,
            None => Order::RevertFirst,
        },
        user,
        // What is deployed of a change that stays holds the bad one too.
        bad: std::iter::once(&plan.from)
            .chain(&plan.keeps)
            .flat_map(|change| bad_commits(snapshot, change, app))
            .collect(),
        entry: entry.map(|(id, revisions)| Entry { id, revisions }),
        asked_at: None,
        terminated: false,
    }))
}

/// Returns the newest commits at which the bad revision is in effect, because Argo CD deploys the branch's tip, whoever
/// committed it; and the one of them that is deployed, which may be older.
pub(super) fn bad_commits(snapshot: &Snapshot, from: &str, app: &Application) -> Vec<String> {
    let mut commits = snapshot.commits_with(from);
    let live = app.history.as_ref().and_then(|history| history.last());
    let older = commits.split_off(commits.len().min(MAX_BAD));
    let is_live = |commit: &String| live.is_some_and(|live| live.revisions.contains(commit));
    commits.extend(older.into_iter().find(is_live));
    commits
}

/// Returns under which name this program acts on an application that lets it act now.
///
/// # Errors
/// Says what stands in the way.
pub(super) async fn may_act(argo: &Argo, app: &Application) -> Result<String, Stopped> {
    let name = argo.name();
    if app.deletion.is_some() {
        return Err(Stopped::Held {
            reason: Reason::NoTarget,
            why: format!("application {name} is being deleted"),
        });
    }
    if let AutoSync::Unknown = app.auto_sync {
        return Err(Stopped::Held {
            reason: Reason::UnknownData,
            why: format!("whether auto-sync of application {name} is on cannot be read"),
        });
    }
    let (account, allowed, windows) = tokio::join!(
        argo.account(),
        argo.can_i(Action::Sync),
        argo.sync_windows()
    );
    let user = match account? {
        Account::Named { name, .. } => name,
        Account::Nobody => {
            return Err(Stopped::Unavailable {
                why: format!(
                    "Argo CD does not know who asks about application {name}; check ARGOCD_TOKEN"
                ),
            });
        }
    };
    if allowed? == Allowed::No {
        return Err(Stopped::Unavailable {
            why: format!(
                "account {user} may not sync application {name}; allow `applications, sync` for it in Argo CD's RBAC policy"
            ),
        });
    }
    match windows?.can_sync {
        Some(true) => Ok(user),
        Some(false) => Err(Stopped::Held {
            reason: Reason::Blackout,
            why: format!("a sync window of Argo CD lets no sync of application {name} through now"),
        }),
        None => Err(Stopped::Held {
            reason: Reason::UnknownData,
            why: format!("whether a sync window holds application {name} is not said"),
        }),
    }
}

impl Journey<'_> {
    /// Puts the application and the branch back, in the errand's order, as far as that is not done. `may_ask` tells whether
    /// Argo CD may be asked for a rollback; else it is only looked at. Returns what could not be reached.
    pub(super) async fn act(
        &mut self,
        git: Option<&Git>,
        snapshot: Option<Snapshot>,
        may_ask: bool,
    ) -> Option<Outage> {
        let errand = self.rollback.argocd.as_ref();
        let is_first = errand.is_some_and(|errand| errand.order != Order::RevertFirst);
        if is_first && !self.rollback.is_done(StepName::ArgocdRollback) {
            match self.roll_application_back(may_ask).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(outage) => return Some(outage),
            }
        }
        match git {
            Some(git) => self.put_back(git, snapshot).await.map(Outage::from),
            None => {
                let why = format!(
                    "application is rolled back; git still holds {}: revert it there, or the next sync brings it back",
                    short(&self.rollback.from)
                );
                self.ends(
                    StepName::ArgocdRollback,
                    StepState::Done,
                    Event::Landed,
                    why,
                );
                None
            }
        }
    }

    /// Ends a rollback that Argo CD would not do.
    pub(super) fn fails_at_argocd(&mut self, why: String) {
        self.ends(
            StepName::ArgocdRollback,
            StepState::Failed,
            Event::Refused,
            why,
        );
    }

    /// Has Argo CD deploy what the branch holds now, proves that the burn stopped, and ends the run.
    pub(super) async fn finish(
        mut self,
        git: Option<&Git>,
        record: Record,
        outage: Option<Outage>,
    ) -> Ended {
        // Whoever is on call hears of it while it is being proven.
        let so_far = record.clone().with_rollback(&self.rollback);
        let mut underway = tell::at_once(self.service, self.journal, &so_far).await;
        self.knows_what_was_told();
        let outage = match outage {
            Some(outage) => Some(outage),
            None => match self.takes_effect(git).await {
                Ok(true) => {
                    tell::collect_soon(self.service, self.journal, &mut underway).await;
                    self.prove().await;
                    None
                }
                Ok(false) => None,
                Err(outage) => Some(outage),
            },
        };
        tell::collect(self.service, self.journal, underway).await;
        self.knows_what_was_told();
        self.ended(record, outage)
    }

    /// Takes over what the journal knows of the telling, which goes on beside the rollback.
    fn knows_what_was_told(&mut self) {
        let state = self.journal.service(&self.service.key);
        let known = state.rollbacks.into_iter();
        if let Some(known) = known.into_iter().find(|known| known.id == self.rollback.id) {
            self.rollback.told = known.told;
        }
    }

    /// Rolls the application back. Returns whether that is done.
    async fn roll_application_back(&mut self, may_ask: bool) -> Result<bool, Outage> {
        let step = StepName::ArgocdRollback;
        let Some(argo) = &self.service.argo else {
            return Err(self.without_argocd(step));
        };
        match self.operate(argo, step, Goal::RolledBack, may_ask).await {
            Operated::Done { at, what } => {
                self.rollback.effective_at = Some(at);
                self.rollback.note(step, StepState::Done, now(), what);
                self.write_down();
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
                self.waits(step, waiting).map(|()| false)
            }
        }
    }

    /// Goes on with the branch where Argo CD rolls nothing back any more. Returns whether there is a branch to go on with.
    fn reverts_first(&mut self, why: String) -> bool {
        let step = StepName::ArgocdRollback;
        let errand = self.rollback.argocd.as_mut();
        let Some(errand) = errand.filter(|errand| errand.order == Order::RollBackFirst) else {
            self.ends(step, StepState::Failed, Event::Refused, why);
            return false;
        };
        errand.order = Order::RevertFirst;
        errand.entry = None;
        errand.asked_at = None;
        let why = format!("{why}; the branch is reverted instead");
        self.rollback.note(step, StepState::Failed, now(), why);
        self.write_down();
        true
    }

    /// Waits until what was put back is live and healthy: with auto-sync by a sync that is asked for, else it is live already.
    /// Returns whether it is.
    async fn takes_effect(&mut self, git: Option<&Git>) -> Result<bool, Outage> {
        let errand = match &self.rollback.argocd {
            Some(errand) if self.rollback.phase == Phase::Verifying => errand.clone(),
            Some(_) | None => return Ok(true),
        };
        let step = StepName::ArgocdSync;
        let Some(argo) = &self.service.argo else {
            return Err(self.without_argocd(step));
        };
        if let (None, Some(git)) = (self.rollback.effective_at, git) {
            if !self.sync(git, argo).await? {
                return Ok(false);
            }
        } else if errand.order == Order::RollBackFirst && !self.rollback.is_done(step) {
            let what = compared(argo).await;
            self.rollback.note(step, StepState::Done, now(), what);
            self.write_down();
        }
        // Health is what Kubernetes thinks of it: needed, and not enough.
        let step = StepName::Verify;
        match healthy(argo, &errand, &self.stop).await {
            Ok(()) => Ok(true),
            Err(Unlike::NotYet(why)) => {
                self.rollback.note(step, StepState::Pending, now(), why);
                self.write_down();
                self.gives_up(step);
                Ok(false)
            }
            Err(Unlike::Undone(why)) => {
                self.ends(step, StepState::Failed, Event::DeadlinePassed, why);
                Ok(false)
            }
        }
    }

    /// Syncs the application. Returns whether what was put back is deployed.
    async fn sync(&mut self, git: &Git, argo: &Argo) -> Result<bool, Outage> {
        let step = StepName::ArgocdSync;
        let back = self.service.settings.max_revisions_back;
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
        if let Err(error) = argo.refresh().await {
            tracing::warn!(error = %error, "Argo CD was not told to look at the branch");
        }
        let id = self.rollback.id.clone();
        let goal = Goal::Synced {
            id: &id,
            ours: &ours,
        };
        match self.operate(argo, step, goal, on_top.is_none()).await {
            Operated::Done { at, what } => {
                self.rollback.effective_at = Some(at.max(self.rollback.begun_at));
                self.rollback.note(step, StepState::Done, now(), what);
                self.write_down();
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
                self.waits(step, waiting)?;
                self.gives_up(step);
                Ok(false)
            }
        }
    }

    /// Ends a rollback that Argo CD did not deploy, or not healthily, within `VERIFY_DEADLINE`.
    fn gives_up(&mut self, step: StepName) {
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
        step: StepName,
        goal: Goal<'_>,
        may_ask: bool,
    ) -> Operated {
        let Some(mut errand) = self.rollback.argocd.clone() else {
            return Operated::NotYet("nothing was to be asked of Argo CD".to_owned());
        };
        let operation = Operation {
            argo,
            goal,
            may_ask,
            stop: &self.stop.clone(),
        };
        let (rollback, journal, key) = (&mut self.rollback, &mut self.journal, &self.service.key);
        let operated = operation
            .carry_out(&mut errand, |errand, what| {
                rollback.argocd = Some(errand.clone());
                rollback.attempted = true;
                rollback.note(step, StepState::Intended, now(), what.to_owned());
                journal.put(key, rollback)
            })
            .await;
        self.rollback.argocd = Some(errand);
        operated
    }

    /// Notes what is waited for.
    fn waits(&mut self, step: StepName, operated: Operated) -> Result<(), Outage> {
        let (why, outage) = match operated {
            Operated::Unreachable(error) => {
                let why = with_sources(&error);
                (
                    why.clone(),
                    Some(Outage {
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
        self.rollback.note(step, StepState::Pending, now(), why);
        self.write_down();
        outage.map_or(Ok(()), Err)
    }

    fn without_argocd(&mut self, step: StepName) -> Outage {
        let why = format!(
            "rollback {} waits for Argo CD, and ARGOCD_SERVER is not set; set it again",
            self.rollback.id
        );
        self.rollback
            .note(step, StepState::Pending, now(), why.clone());
        self.write_down();
        Outage {
            source: "argocd",
            why,
        }
    }
}
