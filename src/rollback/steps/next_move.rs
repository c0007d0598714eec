//! What a look at an application says of the operation that is wanted: done, waited for, over, or to be asked for.

use chrono::{DateTime, TimeDelta, Utc};

use super::live::{by, left_over};
use crate::clients::argocd::{
    Application, AutoSync, OperationPhase, OperationState, Prune, Requested,
};
use crate::journal::ArgoOperation;
use crate::policy::short;

/// How long something may look stuck before it is called so, and how long after it was asked for an operation that is
/// nowhere to be seen may still arrive. Source: facts, section 6.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);

/// What a look says.
pub(super) enum NextMove {
    Done(DateTime<Utc>, String),
    Wait(String),
    Failed(String),
    /// What was to be rolled back is not live any more.
    MovedOn(String),
    /// Nothing of ours is there, and nothing stands in the way. A sync prunes where auto-sync would.
    Ask(Prune),
    /// The operation that deploys the bad revision stands in the way.
    Terminate,
}

/// Tells whether an operation deploys all of its revision: a dry run deploys nothing, and self-heal some objects.
/// What cannot be read is none.
pub(super) fn is_deployment(request: &Requested) -> bool {
    request.is_dry_run == Some(false) && request.is_selective == Some(false)
}

/// Judges an operation that ended on our revision: auto-sync's, a person's or ours. Auto-sync tries a revision once;
/// asked for, it is tried again.
pub(super) fn judge(
    app: &Application,
    state: &OperationState,
    argo_operation: &ArgoOperation,
) -> NextMove {
    let has_failed = !matches!(state.phase, OperationPhase::Succeeded);
    if has_failed && argo_operation.asked_at.is_none() {
        return NextMove::Ask(own_prune(app));
    }
    finished(app, state)
}

/// Returns whether a sync removes what git no longer has: where auto-sync would, so that nothing of the bad revision
/// stays behind that would not stay behind otherwise.
pub(super) fn own_prune(app: &Application) -> Prune {
    match &app.auto_sync {
        AutoSync::On(block) if block.prune() == Some(true) => Prune::Yes,
        AutoSync::On(_) | AutoSync::Off(_) | AutoSync::Absent | AutoSync::Unknown => Prune::No,
    }
}

/// Says that our sync deployed something else than the branch held when it was read. Only of the bad revision it is
/// sure that it does not hold what was put back: somebody may have committed on top since, which the next run sees.
pub(super) fn elsewhere(revisions: &[String], argo_operation: &ArgoOperation) -> NextMove {
    let bad = &argo_operation.bad_revisions;
    let is_bad = revisions.iter().any(|revision| bad.contains(revision));
    let revisions: Vec<&str> = revisions.iter().map(|it| short(it)).collect();
    let revisions = revisions.join(", ");
    if is_bad {
        NextMove::Failed(format!(
            "the sync that was asked for deployed {revisions}, which does not hold what was put back; look at the \
             application's targetRevision"
        ))
    } else {
        NextMove::Wait(format!(
            "the sync that was asked for deployed {revisions}, which was not on the branch when it was read; it is not asked \
             for again"
        ))
    }
}

/// Says that what was asked for is waited for although nothing is to be seen of it; nothing where it may be asked for
/// again: the request was lost on its way, as far as anybody can tell.
pub(super) fn not_seen(
    what: &str,
    argo_operation: &ArgoOperation,
    asked_at: DateTime<Utc>,
) -> Option<NextMove> {
    if argo_operation.accepted {
        return Some(NextMove::Wait(format!(
            "Argo CD accepted the {what} and shows nothing of it; it is not asked for again"
        )));
    }
    (Utc::now() - asked_at < PATIENCE).then(|| {
        NextMove::Wait(format!(
            "the {what} that was asked for is not to be seen yet"
        ))
    })
}

pub(super) fn queued(since: DateTime<Utc>) -> NextMove {
    NextMove::Wait(if Utc::now() - since > PATIENCE {
        "the operation waits for Argo CD's controller, which does not begin it; look at argocd-application-controller"
            .to_owned()
    } else {
        "the operation is queued".to_owned()
    })
}

pub(super) fn running(state: &OperationState) -> NextMove {
    let since = state.started_at.unwrap_or_else(Utc::now);
    let is_long = Utc::now() - since > PATIENCE;
    NextMove::Wait(if state.is_parked_by_window() && is_long {
        "the operation is parked by a sync window; open the window, or let manual syncs through"
            .to_owned()
    } else if state.phase == OperationPhase::Terminating {
        "the operation is being ended".to_owned()
    } else if state.is_waiting_for_retry {
        format!("the operation failed and is tried again: {}", state.message)
    } else {
        format!("the operation is running: {}", state.message)
    })
}

/// Judges an operation that is over: done once Argo CD has compared what runs with git since.
pub(super) fn finished(app: &Application, state: &OperationState) -> NextMove {
    match (&state.phase, state.finished_at) {
        (OperationPhase::Succeeded, Some(at))
            if app.reconciled_at.is_some_and(|seen| seen >= at) =>
        {
            NextMove::Done(at, deployed(&state.resolved, app))
        }
        (OperationPhase::Succeeded, _) => NextMove::Wait(
            "the operation succeeded, and Argo CD has not compared what runs since".to_owned(),
        ),
        (phase, _) => NextMove::Failed(format!(
            "the operation ended as {phase:?}: {}",
            state.message
        )),
    }
}

pub(super) fn in_history(app: &Application, id: i64) -> NextMove {
    let entry = app
        .history
        .iter()
        .flatten()
        .find(|entry| entry.id == id)
        .and_then(|entry| Some((entry, entry.deployed_at?)));
    let Some((entry, at)) = entry else {
        return NextMove::Wait(format!("history entry {id} carries no time"));
    };
    if app.reconciled_at.is_some_and(|seen| seen >= at) {
        NextMove::Done(at, deployed(&entry.revisions, app))
    } else {
        NextMove::Wait("it is deployed, and Argo CD has not compared what runs since".to_owned())
    }
}

/// Says what is deployed, and what differs from git all the same.
pub(super) fn deployed(revisions_of: &[String], app: &Application) -> String {
    let revisions: Vec<&str> = revisions_of.iter().map(|it| short(it)).collect();
    let deployed = format!(
        "{} is deployed{}",
        revisions.join(", "),
        made(revisions_of, app)
    );
    match left_over(app) {
        Some(left) => format!("{deployed}; {left}"),
        None => deployed,
    }
}

/// Says as what a hydrated commit is deployed.
pub(super) fn made(revisions: &[String], app: &Application) -> String {
    let last = app.hydration.as_ref().and_then(|it| it.last.as_ref());
    let last = last.filter(|last| revisions.contains(&last.dry));
    last.map_or_else(String::new, |last| {
        format!(", hydrated as {}", short(&last.hydrated))
    })
}

pub(super) fn described(request: &Requested) -> String {
    let by = by(&request.by);
    match request.revisions.first() {
        Some(revision) => format!("{by}, of {}", short(revision)),
        None => by,
    }
}
