//! A person's rollback: no trigger is needed, limits and journal hold.

use chrono::Utc;

use super::Ended;
use super::carry_out::{Sighted, Wish, carry_out};
use super::ledger::whole;
use super::pass::{Memory, measure, not_remembering, seen};
use super::service::{Service, history, with_sources};
use crate::clients::git::{GitError, GitFault, Resolved};
use crate::exit::Exit;
use crate::journal::{Origin, ServiceState};
use crate::observe;
use crate::policy::{Doings, Reason, Wanted, decide_manual, short};
use crate::record::{Heading, Record};

/// With what a person's rollback begins.
pub(super) struct Opening {
    pub(super) state: ServiceState,
    /// How the service stands, as far as Prometheus says so.
    pub(super) record: Record,
}

/// Opens the memory and looks how the service stands. An unfinished rollback has to be finished first.
pub(super) async fn open(
    service: &Service<'_>,
    heading: &Heading,
    memory: &mut Memory,
) -> Result<Opening, Box<Ended>> {
    let state = match whole(service, memory).await {
        Ok(state) => state,
        Err(not_whole) => return Err(Box::new(not_remembering(service, heading, not_whole).await)),
    };
    let record = match measure(service, heading).await {
        Ok((observation, assessment)) => {
            Record::unknown(heading, &service.objective, observation.evaluated_at)
                .with_assessment(&assessment)
        }
        Err(not_evaluated) => {
            tracing::warn!(error = %not_evaluated.why, "a person's rollback goes on without Prometheus");
            not_evaluated.record
        }
    };
    if let Some(unfinished) = state.unfinished() {
        let why = format!(
            "rollback {} is unfinished; let `run` finish it first",
            unfinished.id
        );
        let record = record
            .holding(Reason::DeploymentInProgress, why.clone())
            .with_rollback(unfinished);
        return Err(Box::new(
            Ended::with(Exit::PersonNeeded, record).complaining(why),
        ));
    }
    Ok(Opening { state, record })
}

/// Rolls the GitOps path back, to a revision that a person named or to the last good one. Prometheus is asked for the
/// record and for the proof only: a person may roll back while it is down.
pub(super) async fn gitops(service: &Service<'_>, heading: &Heading, memory: &mut Memory) -> Ended {
    let Some(git) = &service.git else {
        return Ended::only(
            Exit::Configuration,
            "there is nothing to roll back: set GITOPS_REPO and GITOPS_PATH",
        );
    };
    let manual = &service.config.manual;
    if manual.target_revision.is_some() && manual.target_commit.is_none() {
        return Ended::only(
            Exit::Configuration,
            "TARGET_REVISION names a revision of Argo CD, and this rolls back the GitOps repository: name the commit with \
             --to or TARGET_COMMIT, or unset TARGET_REVISION to go back to the last good one",
        );
    }
    let Opening { state, record } = match open(service, heading, memory).await {
        Ok(opening) => opening,
        Err(ended) => return *ended,
    };
    let back = service.settings.max_revisions_back;
    let mut snapshot = match observe::branch(git, back, manual.target_commit.clone()).await {
        Ok(snapshot) => snapshot,
        Err(error) if is_about_the_revision(&error) => {
            let why = with_sources(&error);
            return Ended::with(
                Exit::PersonNeeded,
                record.holding(Reason::NoTarget, why.clone()),
            )
            .complaining(why);
        }
        Err(error) => {
            let why = with_sources(&error);
            return Ended::with(
                Exit::Unavailable,
                record
                    .holding(Reason::UnknownData, why.clone())
                    .not_knowing("git", why.clone()),
            )
            .complaining(why);
        }
    };
    let wanted = match &snapshot.revision {
        None => None,
        Some(resolved) => match &resolved.state {
            // What goes on hold is every change after the restored one, so it has to be a change itself.
            Some(state) => Some(Wanted {
                revision: resolved
                    .change
                    .as_ref()
                    .unwrap_or(&resolved.revision)
                    .clone(),
                state: state.clone(),
            }),
            None => {
                // The draft names the path that is missing.
                let why = snapshot.draft(&resolved.revision).map_or_else(
                    |error| error.to_string(),
                    |_| {
                        format!(
                            "the watched paths are not all there at {}",
                            resolved.revision
                        )
                    },
                );
                return Ended::with(
                    Exit::PersonNeeded,
                    record.holding(Reason::NoTarget, why.clone()),
                )
                .complaining(why);
            }
        },
    };
    let named = manual
        .target_commit
        .as_deref()
        .zip(snapshot.revision.as_ref())
        .and_then(named);
    if let Some((named, wanted)) = named.as_ref().zip(wanted.as_ref()) {
        tracing::info!(named = %named, commit.sha = %wanted.revision, "the watched paths there are those of this commit");
    }
    let app = match &service.argo {
        None => None,
        Some(argo) => match argo.application().await {
            Ok(app) => Some(app),
            Err(error) => {
                tracing::warn!(error = %with_sources(&error), "a person's rollback goes on without Argo CD");
                None
            }
        },
    };
    let timeline = seen(&snapshot, state.watch.as_ref(), git);
    // Limits go by the clock that wrote the journal: no gate compares it with that of Prometheus here.
    let at = Utc::now();
    let history = history(&state);
    let decided = |doings: Option<&Doings>| {
        let (settings, wanted) = (&service.settings, wanted.as_ref());
        decide_manual(at, &timeline, &history, settings, wanted, doings)
    };
    let mut decision = decided(None);
    if let Some(plan) = &decision.plan {
        let (seen, doings) = observe::doings(snapshot, &plan.from, &plan.to).await;
        snapshot = seen;
        decision = decided(Some(&doings));
    }
    let record = record
        .with_deployment(Some(&timeline))
        .with_live(Some(&timeline), None)
        .with_decision(&decision);
    let seen = Sighted {
        snapshot: Some(snapshot),
        app,
    };
    let wish = Wish {
        origin: Origin::Manual,
        why: manual
            .reason
            .clone()
            .unwrap_or_else(|| "a person asked for it and gave no reason".to_owned()),
        named,
        by: "error-budget-monitor for a person",
        recovery_ratio: service.objective.max_bad_ratio(),
        outage: false,
        when_held: Exit::PersonNeeded,
        pending: None,
    };
    carry_out(service, memory, seen, &decision, record, &wish).await
}

/// Says what a person named, where that is more than a part of the restored change's id.
fn named((text, resolved): (&str, &Resolved)) -> Option<String> {
    let restored = resolved.change.as_ref().unwrap_or(&resolved.revision);
    if restored.starts_with(&text.to_ascii_lowercase()) {
        return None;
    }
    Some(
        if resolved.revision.starts_with(&text.to_ascii_lowercase()) {
            text.to_owned()
        } else {
            format!("{text}, {}", short(&resolved.revision))
        },
    )
}

/// Tells whether git answered, and the revision that a person named is not there.
fn is_about_the_revision(error: &GitError) -> bool {
    matches!(error.fault, GitFault::Revision(_))
}
