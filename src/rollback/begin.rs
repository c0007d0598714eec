//! From a decision to its outcome. From the recorded intent on, every failure is an outcome: recorded and told.

use super::argocd_only::alone;
use super::engine::Reach;
use super::execution::Execution;
use super::intent::{Intent, Judged, Request, words};
use super::pending::ask;
use super::preflight::{Stopped, prepare};
use crate::clients::git::{Draft, Git, GitError, GitFault, Snapshot};
use crate::exit::Exit;
use crate::journal::{ArgoOperation, Memory, StepKind, StepState, now};
use crate::log_file::AUDIT;
use crate::outcome::Ended;
use crate::policy::{Action, Decision, Plan, Reason, order, steps};
use crate::record::{Record, StepPart};
use crate::service::Service;

/// Does what was decided: nothing, a plan shown, or a rollback begun and followed to its outcome.
pub(crate) async fn carry_out(
    service: &Service<'_>,
    memory: &mut Memory,
    seen: Judged,
    decision: &Decision,
    record: Record,
    request: &Request,
) -> Ended {
    decided(service, &record);
    let (plan, asks) = match &decision.action {
        Action::Nothing => return Ended::with(Exit::Complete, record),
        Action::Hold => return Ended::held(record, request.when_held),
        Action::AwaitApproval(plan) => (plan, true),
        Action::RollBack(plan) => (plan, false),
    };
    if let (false, Some(why)) = (asks, service.stop.forbids_an_effect()) {
        let why = format!("{why}: nothing was begun, the next run decides anew");
        let record = record.holding(Reason::UnknownData, why.clone());
        return Ended::with(Exit::TryAgain, record).complaining(why);
    }
    let Judged { snapshot, app } = seen;
    if let (None, Some(argo), Some(app)) = (&service.git, &service.argo, &app) {
        return alone(service, argo, memory, app, plan, asks, record, request).await;
    }
    let (Some(git), Some(snapshot)) = (&service.git, snapshot) else {
        return Ended::held(
            record.holding(Reason::NoTarget, "no GitOps repository is configured"),
            request.when_held,
        );
    };
    let drafted = snapshot.draft_keeping(&plan.to, &plan.keeps);
    let drafted = drafted.and_then(|draft| Ok((draft, snapshot.state_of(draft)?)));
    let (draft, to_state) = match drafted {
        Ok(drafted) => drafted,
        Err(error) if matches!(error.fault, GitFault::Refused { .. }) => {
            return Ended::held(
                record.holding(Reason::NoTarget, error.to_string()),
                request.when_held,
            );
        }
        Err(error) => {
            return Ended::unavailable(record, "git", error.to_string());
        }
    };
    let argo_operation = match prepare(service, &snapshot, plan, request, app.as_ref()).await {
        Ok(argo_operation) => argo_operation,
        Err(Stopped::Held { reason, why }) => {
            return Ended::held(record.holding(reason, why), request.when_held);
        }
        Err(Stopped::Unavailable { why }) => {
            return Ended::unavailable(record, "argocd", why);
        }
    };
    let at = now();
    let id = request.id(&service.key, &plan.from, at, &memory.of(&service.key));
    match memory {
        Memory::ReadOnly(_) => {
            let steps = planned(service, git, argo_operation.as_ref());
            show(snapshot, draft, plan, &id, record, steps).await
        }
        Memory::Writable(journal) => {
            let intent = Intent {
                service,
                git,
                plan,
                request,
                record: &record,
                argo_operation,
                to_state,
            };
            let mut rollback = intent.write(&snapshot, id, at);
            let (snapshot, diff) = seen_diff(snapshot, draft).await;
            if let (Some(words), Some(diff)) = (&mut rollback.words, &diff) {
                words.keep_diff(diff);
            }
            if asks {
                return ask(service, journal, rollback, record).with_diff(diff);
            }
            let mut execution = match Execution::begin(service, journal, rollback) {
                Ok(execution) => execution,
                Err(error) => {
                    let why = error.to_string();
                    let record = record.holding(Reason::UnknownData, why.clone());
                    return Ended::with(Exit::PersonNeeded, record).complaining(why);
                }
            };
            execution.diff = diff;
            let outage = execution
                .act(Reach {
                    git: Some(git),
                    snapshot: Some(snapshot),
                    may_ask: true,
                })
                .await;
            execution.finish(Some(git), record, outage).await
        }
    }
}

/// Logs a decision, and keeps it where it is not that all is well.
fn decided(service: &Service<'_>, record: &Record) {
    let decision = &record.decision;
    let (reason, detail) = (decision.reason, &decision.detail);
    let (action, code) = (decision.action.as_str(), reason.as_str());
    if reason == Reason::Healthy && service.is_in_a_crowd {
        tracing::debug!(action, reason = code, detail, "decided");
    } else if reason == Reason::Healthy {
        tracing::info!(action, reason = code, detail, "decided");
    } else {
        tracing::info!(target: AUDIT, action, reason = code, detail, "decided");
    }
}

/// Says what would be done, in its order.
fn planned(
    service: &Service<'_>,
    git: &Git,
    argo_operation: Option<&ArgoOperation>,
) -> Vec<StepPart> {
    let how = if service.config.policy.by_pull_request {
        "a pull request to"
    } else {
        "one commit on"
    };
    let (branch, repo, paths) = (git.branch(), git.name(), git.shown_paths());
    let entry = argo_operation.map(|it| it.entry.as_ref());
    let app = argo_operation.map_or("", |it| &it.application);
    let described = |step: StepKind| match (step, entry.flatten()) {
        (StepKind::GitopsRevert, _) => Some(format!("{how} {branch} of {repo} restores {paths}")),
        (StepKind::ArgocdRollback, Some(entry)) => Some(format!(
            "application {app} goes back to history entry {}",
            entry.id
        )),
        (StepKind::ArgocdSync, None) => Some(format!("application {app} is synced")),
        // With an entry the application is only compared with the branch, and each rollback is proven.
        (StepKind::ArgocdRollback, None)
        | (StepKind::ArgocdSync, Some(_))
        | (StepKind::Verify, _) => None,
    };
    steps(entry.map(|entry| order(entry.is_some())))
        .iter()
        .filter_map(|step| {
            Some(StepPart {
                step: *step,
                state: StepState::Planned,
                detail: described(*step)?,
            })
        })
        .collect()
}

/// Shows what a run without `--dry-run` would do.
async fn show(
    snapshot: Snapshot,
    draft: Draft,
    plan: &Plan,
    id: &str,
    record: Record,
    steps: Vec<StepPart>,
) -> Ended {
    // The diff may need contents that were not fetched yet.
    let words = words(&snapshot, plan, &record);
    let diff: Result<String, GitError> = crate::blocking(move || snapshot.diff(draft)).await;
    match diff {
        Ok(diff) => Ended::with(
            Exit::Complete,
            record.with_plan(id, plan, Some(words), steps, diff),
        ),
        Err(error) => Ended::with(
            Exit::Unavailable,
            record.holding(Reason::UnknownData, error.to_string()),
        )
        .complaining(error.to_string()),
    }
}

/// Returns what the commit will change, and gives the snapshot back. Without it nothing else is lost.
async fn seen_diff(snapshot: Snapshot, draft: Draft) -> (Snapshot, Option<String>) {
    let (snapshot, diff) = crate::blocking(move || {
        let diff = snapshot.diff(draft);
        (snapshot, diff)
    })
    .await;
    match diff {
        Ok(diff) => (snapshot, Some(diff)),
        Err(error) => {
            tracing::warn!(error = %error, "what the commit changes is not shown");
            (snapshot, None)
        }
    }
}
