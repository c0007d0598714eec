//! What Argo CD is asked to do, once: looked for first, asked for, and followed until it is seen to be done.
//!
//! Argo CD has no key that makes a request safe to repeat. So what is asked for is written down before it is sent,
//! and after any doubt the application is read and our operation recognised; only what is surely not there is asked
//! for again.

use chrono::{DateTime, TimeDelta, Utc};

use super::live::{PAUSE, deployed_since};
use super::next_move::{
    NextMove, described, elsewhere, finished, in_history, is_deployment, judge, not_seen,
    own_prune, queued, running,
};
use crate::clients::argocd::{
    Application, Argo, ArgoError, ArgoFault, Initiator, Marker, Note, OperationPhase,
    OperationSighting, Prune, Requested,
};
use crate::clients::git::GitSettings;
use crate::journal::{ArgoOperation, JournalError};
use crate::observe::not_followed;
use crate::stop::Stop;

/// Under which name the rollback's id travels with a sync.
const NOTE: &str = "error-budget-rollback";

/// How far the clocks of Argo CD and this program may be apart.
const SKEW: TimeDelta = TimeDelta::seconds(30);

/// What is to be brought about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<'a> {
    /// The application runs the argo_operation's history entry.
    RolledBack,
    /// The application runs what the branch holds since our commit.
    Synced {
        /// The rollback's id.
        id: &'a str,
        /// The revisions of the branch that hold what our commit put in place.
        ours: &'a [String],
        /// The branch, which the application has to follow.
        branch: &'a GitSettings,
    },
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Operated {
    /// It is done, and Argo CD has compared what runs with git since.
    Done {
        /// When the operation ended.
        at: DateTime<Utc>,
        /// What was seen, for people.
        what: String,
    },
    /// Not yet: the next run goes on. Where something is stuck, it is named.
    NotYet(String),
    /// It did not come about, and waiting does not help.
    Failed(String),
    /// Argo CD rolls nothing back to this entry any more: only the branch is left.
    OnlyTheBranch(String),
    /// Somebody deployed something else since it was decided, so nothing was asked for.
    MovedOn(String),
    /// The intent to ask could not be written down, so nothing was asked for.
    Unwritten(JournalError),
    /// Argo CD could not be asked.
    Unreachable(ArgoError),
}

/// One thing that Argo CD is asked for.
pub(crate) struct Operation<'a> {
    /// The application.
    pub(crate) argo: &'a Argo,
    /// What is to be brought about.
    pub(crate) goal: Goal<'a>,
    /// Whether anything may be asked for; else it is only looked at.
    pub(crate) may_ask: bool,
    /// When this run stops looking.
    pub(crate) stop: &'a Stop,
}

impl Operation<'_> {
    /// Looks, asks where that is right, and follows. `intend` is called with the argo_operation before anything is
    /// sent; when it fails nothing is sent.
    pub(crate) async fn carry_out(
        &self,
        argo_operation: &mut ArgoOperation,
        mut intend: impl FnMut(&ArgoOperation, &str) -> Result<(), JournalError>,
    ) -> Operated {
        let mut pause = PAUSE.0;
        loop {
            let (not_yet, error) = match self.argo.application().await {
                Err(error) => (error.to_string(), Some(error)),
                Ok(app) => match self.look(&app, argo_operation) {
                    NextMove::Done(at, what) => return Operated::Done { at, what },
                    NextMove::Failed(why) => return Operated::Failed(why),
                    NextMove::MovedOn(why) => return Operated::MovedOn(why),
                    NextMove::Wait(why) => (why, None),
                    NextMove::Ask(_) | NextMove::Terminate if !self.may_ask => {
                        return Operated::NotYet(
                            "it is not asked for again: the evidence is not fresh".to_owned(),
                        );
                    }
                    NextMove::Ask(_) | NextMove::Terminate
                        if self.stop.forbids_an_effect().is_some() =>
                    {
                        let why = self.stop.forbids_an_effect().unwrap_or_default();
                        return Operated::NotYet(format!("{why}: Argo CD is not asked"));
                    }
                    NextMove::Terminate => {
                        argo_operation.terminated = true;
                        let what = "the operation that deploys the bad revision is told to end";
                        if let Err(error) = intend(argo_operation, what) {
                            return Operated::Unwritten(error);
                        }
                        match self.argo.terminate().await {
                            Ok(()) => (
                                "the operation of the bad revision is ending".to_owned(),
                                None,
                            ),
                            // It ended by itself.
                            Err(error) if matches!(error.fault, ArgoFault::NothingToTerminate) => {
                                continue;
                            }
                            Err(error) => (error.to_string(), Some(error)),
                        }
                    }
                    NextMove::Ask(prune) => {
                        argo_operation.asked_at = Some(Utc::now());
                        argo_operation.accepted = false;
                        if let Err(error) = intend(argo_operation, &self.story(argo_operation)) {
                            return Operated::Unwritten(error);
                        }
                        match self.ask(argo_operation, prune).await {
                            Ok(()) => {
                                argo_operation.accepted = true;
                                pause = PAUSE.0;
                                ("Argo CD has just been asked".to_owned(), None)
                            }
                            Err(error) => {
                                if let Some(why) = refusal(&error) {
                                    return if self.leaves_the_branch(&error) {
                                        Operated::OnlyTheBranch(why)
                                    } else {
                                        Operated::Failed(why)
                                    };
                                }
                                if !error.is_doubtful() {
                                    argo_operation.asked_at = None;
                                }
                                let is_to_be_waited_for = matches!(
                                    error.fault,
                                    ArgoFault::OperationInProgress | ArgoFault::SyncWindow
                                );
                                (error.to_string(), (!is_to_be_waited_for).then_some(error))
                            }
                        }
                    }
                },
            };
            let left = self.stop.left();
            match error {
                Some(error) if !error.is_transient() && !error.is_doubtful() => {
                    return Operated::Unreachable(error);
                }
                Some(error) if left.is_zero() => return Operated::Unreachable(error),
                Some(_) | None if left.is_zero() => return Operated::NotYet(not_yet),
                Some(_) | None => {}
            }
            self.stop.pause(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn ask(&self, argo_operation: &ArgoOperation, prune: Prune) -> Result<(), ArgoError> {
        match (self.goal, &argo_operation.entry) {
            (Goal::RolledBack, Some(entry)) => self.argo.roll_back(entry.id, Prune::No).await,
            // With a history entry missing there is only the branch to go by.
            (Goal::RolledBack, None) | (Goal::Synced { .. }, _) => {
                self.argo.sync(&self.note(), None, prune).await
            }
        }
        .map(drop)
    }

    /// Tells whether a refusal says that the application cannot be rolled back now, though it can be synced.
    fn leaves_the_branch(&self, error: &ArgoError) -> bool {
        let is_rollback = matches!(self.goal, Goal::RolledBack);
        is_rollback
            && matches!(
                error.fault,
                ArgoFault::AutoSyncOn | ArgoFault::NoSuchHistoryId { .. }
            )
    }

    fn note(&self) -> Note {
        Note {
            name: NOTE.to_owned(),
            value: match self.goal {
                Goal::RolledBack => String::new(),
                Goal::Synced { id, .. } => id.to_owned(),
            },
        }
    }

    fn story(&self, argo_operation: &ArgoOperation) -> String {
        match (self.goal, &argo_operation.entry) {
            (Goal::RolledBack, Some(entry)) => format!(
                "application {} is rolled back to history entry {}",
                argo_operation.application, entry.id
            ),
            (Goal::RolledBack, None) | (Goal::Synced { .. }, _) => {
                format!("application {} is synced", argo_operation.application)
            }
        }
    }

    fn look(&self, app: &Application, argo_operation: &ArgoOperation) -> NextMove {
        if app.deletion.is_some() {
            return NextMove::Failed(format!(
                "application {} is being deleted",
                argo_operation.application
            ));
        }
        match self.goal {
            Goal::RolledBack => self.look_for_rollback(app, argo_operation),
            Goal::Synced { ours, branch, .. } => {
                self.look_for_sync(app, argo_operation, ours, branch)
            }
        }
    }

    fn look_for_rollback(&self, app: &Application, argo_operation: &ArgoOperation) -> NextMove {
        let Some(asked_at) = argo_operation.asked_at else {
            return self.before_a_rollback(app, argo_operation);
        };
        let revisions = argo_operation
            .entry
            .iter()
            .flat_map(|entry| entry.revisions.clone());
        let ours = Marker {
            user: argo_operation.user.clone(),
            revisions: revisions.collect(),
            note: None,
            posted_at: asked_at,
            skew: SKEW,
        };
        match app.recognise(&ours) {
            OperationSighting::Queued => queued(asked_at),
            OperationSighting::Running(state) => running(state),
            OperationSighting::Finished(state) => finished(app, state),
            OperationSighting::InHistory { id } => in_history(app, id),
            OperationSighting::Another(request) => NextMove::Failed(format!(
                "another operation came first ({})",
                described(request)
            )),
            OperationSighting::Unclear { why } => NextMove::Wait(why.to_owned()),
            OperationSighting::Not => not_seen("rollback", argo_operation, asked_at)
                .unwrap_or_else(|| self.before_a_rollback(app, argo_operation)),
        }
    }

    /// Says whether a rollback is still what is needed: others deploy too, and it may be long since it was decided.
    fn before_a_rollback(&self, app: &Application, argo_operation: &ArgoOperation) -> NextMove {
        if let Some(stands) = self.in_the_way(app, argo_operation) {
            return stands;
        }
        let deployments = app.deployments().unwrap_or_default();
        let (Some(live), Some(entry)) = (deployments.last(), &argo_operation.entry) else {
            return NextMove::Ask(Prune::No);
        };
        let history = app.history.as_deref().unwrap_or_default();
        let is_there = history.iter().any(|other| {
            other.id == entry.id
                && other.revisions == live.revisions
                && other.sources.is_known()
                && other.sources == live.sources
        });
        let is_bad = live
            .revisions
            .iter()
            .any(|it| argo_operation.bad_revisions.contains(it));
        match live.newest_id() {
            Some(id) if is_there => in_history(app, id),
            Some(_) | None if is_bad || argo_operation.bad_revisions.is_empty() => {
                NextMove::Ask(Prune::No)
            }
            Some(_) | None => {
                NextMove::MovedOn(format!("{}; it is not rolled back", deployed_since(live)))
            }
        }
    }

    fn look_for_sync(
        &self,
        app: &Application,
        argo_operation: &ArgoOperation,
        ours: &[String],
        branch: &GitSettings,
    ) -> NextMove {
        let state = app.operation_state.as_ref();
        let holds = |revisions: &[String]| revisions.iter().any(|revision| ours.contains(revision));
        let on_ours = state.filter(|state| {
            let is_current = !state.is_over() || app.operation.is_none();
            is_current && is_deployment(&state.request) && holds(&state.resolved)
        });
        if let Some(state) = on_ours {
            return match state.is_over() {
                true => judge(app, state, argo_operation),
                false => running(state),
            };
        }
        let deployed = app.history.as_ref().and_then(|history| history.last());
        if let (None, Some(entry)) = (
            &app.operation,
            deployed.filter(|entry| holds(&entry.revisions)),
        ) {
            return in_history(app, entry.id);
        }
        if let Some(asked_at) = argo_operation.asked_at
            && let Some(own) = self.ours_elsewhere(app, argo_operation, asked_at)
        {
            return own;
        }
        if let Some(stands) = self.in_the_way(app, argo_operation) {
            return stands;
        }
        if let Some(why) = not_followed(app, branch) {
            return NextMove::Failed(why);
        }
        // A sync before would deploy the bad revision once more.
        let hydration = app.hydration.as_ref();
        if let Some(why) = hydration.and_then(|it| it.still_to_come(ours)) {
            return NextMove::Wait(why);
        }
        let not_seen = |asked_at| not_seen("sync", argo_operation, asked_at);
        argo_operation
            .asked_at
            .and_then(not_seen)
            .unwrap_or_else(|| NextMove::Ask(own_prune(app)))
    }

    /// Says how the sync stands that was asked for, where it does not deploy what the branch holds. One that ended
    /// elsewhere is a failure and never a reason to ask again: each costs an entry of the history, and the last good
    /// one would be cut off it.
    fn ours_elsewhere(
        &self,
        app: &Application,
        argo_operation: &ArgoOperation,
        asked_at: DateTime<Utc>,
    ) -> Option<NextMove> {
        let note = self.note();
        let is_ours = |request: &Requested| {
            let mut notes = request.notes.iter().flatten();
            notes.any(|other| *other == note)
        };
        let state = app.operation_state.as_ref();
        let under_way = state.filter(|state| is_ours(&state.request));
        if let Some(state) = under_way {
            return Some(if !state.is_over() {
                running(state)
            } else if state.phase == OperationPhase::Succeeded {
                elsewhere(&state.resolved, argo_operation)
            } else {
                finished(app, state)
            });
        }
        if app.operation.as_ref().is_some_and(is_ours) {
            return Some(queued(asked_at));
        }
        // The history keeps no notes; our account asks for nothing else meanwhile.
        let last = app.history.as_ref()?.last()?;
        let by_us = matches!(&last.by, Initiator::User(user) if *user == argo_operation.user);
        let began_at = last.deploy_started_at.or(last.deployed_at)?;
        (by_us && began_at >= asked_at - SKEW).then(|| elsewhere(&last.revisions, argo_operation))
    }

    /// Says what stands in the way of asking.
    fn in_the_way(&self, app: &Application, argo_operation: &ArgoOperation) -> Option<NextMove> {
        let request = app.operation.as_ref()?;
        let Some(state) = &app.operation_state else {
            let since = argo_operation.asked_at.unwrap_or_else(Utc::now);
            return Some(queued(since));
        };
        let revisions = request.revisions.iter().chain(&state.resolved);
        let is_bad = revisions
            .into_iter()
            .any(|revision| argo_operation.bad_revisions.contains(revision));
        Some(match state.phase {
            OperationPhase::Terminating => NextMove::Wait(
                "Argo CD is ending an operation; it may wait for a sync window".to_owned(),
            ),
            OperationPhase::Running if is_bad && !argo_operation.terminated => NextMove::Terminate,
            OperationPhase::Running
            | OperationPhase::Succeeded
            | OperationPhase::Failed
            | OperationPhase::Error
            | OperationPhase::Unknown(_) => NextMove::Wait(format!(
                "another operation is under way ({})",
                described(request)
            )),
        })
    }
}

/// Returns the words of a refusal that waiting does not change.
fn refusal(error: &ArgoError) -> Option<String> {
    let is_final = match &error.fault {
        ArgoFault::AutoSyncOn
        | ArgoFault::Deleting
        | ArgoFault::ForeignRevision { .. }
        | ArgoFault::HistoryTooOld
        | ArgoFault::NoSuchHistoryId { .. }
        | ArgoFault::SpecInvalid { .. }
        | ArgoFault::ProjectRefuses { .. }
        | ArgoFault::Refused { .. } => true,
        ArgoFault::Settings(_)
        | ArgoFault::Transport(_)
        | ArgoFault::Deadline { .. }
        | ArgoFault::Unprepared(_)
        | ArgoFault::WantsHttps
        | ArgoFault::Redirect { .. }
        | ArgoFault::NotArgo { .. }
        | ArgoFault::ContentType { .. }
        | ArgoFault::TooLarge { .. }
        | ArgoFault::Answer { .. }
        | ArgoFault::Unauthorized { .. }
        | ArgoFault::LoginRefused { .. }
        | ArgoFault::LoginFailed { .. }
        | ArgoFault::Forbidden { .. }
        | ArgoFault::NotFound { .. }
        | ArgoFault::OperationInProgress
        | ArgoFault::NothingToTerminate
        | ArgoFault::SyncWindow
        | ArgoFault::Throttled { .. }
        | ArgoFault::Server { .. } => false,
    };
    is_final.then(|| error.to_string())
}
