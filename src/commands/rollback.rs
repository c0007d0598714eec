//! A person's rollback: no trigger is needed, limits and journal hold.

use chrono::Utc;

use super::consent::Consent;
use crate::clients::argocd::Application;
use crate::clients::git::{GitError, GitFault, Resolved};
use crate::evaluation::{measure, seen};
use crate::exit::Exit;
use crate::journal::{Memory, Origin, ServiceState};
use crate::observe;
use crate::outcome::Ended;
use crate::policy::{Action, Doings, Reason, Timeline, Wanted, decide_manual, short};
use crate::record::{Heading, Record};
use crate::rollback::{Judged, Request, alone, carry_out, not_remembering, whole};
use crate::service::{Service, history};
use crate::with_sources;

/// With what a person's rollback begins.
pub(super) struct ManualStart {
    pub(super) state: ServiceState,
    /// How the service stands, as far as Prometheus says so.
    pub(super) record: Record,
}

/// Opens the memory and looks how the service stands. An unfinished rollback has to be finished first.
pub(super) async fn open(
    service: &Service<'_>,
    heading: &Heading,
    memory: &mut Memory,
) -> Result<ManualStart, Box<Ended>> {
    let state = match whole(service, memory).await {
        Ok(state) => state,
        Err(not_whole) => return Err(Box::new(not_remembering(service, heading, not_whole).await)),
    };
    let record = match measure(service, heading).await {
        Ok((observation, assessment)) => {
            Record::unknown(heading, &service.config.objective, observation.evaluated_at)
                .with_assessment(&assessment)
        }
        Err(not_evaluated) => {
            tracing::warn!(error = %not_evaluated.why, "a person's rollback goes on without Prometheus");
            not_evaluated.record
        }
    };
    if let Some(unfinished) = state.unfinished() {
        let why = format!(
            "rollback {} is unfinished; let `run` finish it first, or give it up with `release {}`",
            unfinished.id, unfinished.id
        );
        let record = record
            .holding(Reason::DeploymentInProgress, why.clone())
            .with_rollback(unfinished);
        return Err(Box::new(
            Ended::with(Exit::PersonNeeded, record).complaining(why),
        ));
    }
    Ok(ManualStart { state, record })
}

/// Rolls the GitOps path back, to a revision that a person named or to the last good one. Prometheus is asked for the
/// record and for the proof only: a person may roll back while it is down.
pub(super) async fn gitops(
    service: &Service<'_>,
    heading: &Heading,
    memory: &mut Memory,
    consent: &Consent,
) -> Ended {
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
    let ManualStart { state, record } = match open(service, heading, memory).await {
        Ok(opening) => opening,
        Err(ended) => return *ended,
    };
    let back = service.config.policy.max_revisions_back;
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
            return Ended::unavailable(record, "git", with_sources(&error));
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
            Ok(app) => match service.in_dry_terms(app).await {
                Ok(app) => Some(app),
                Err(error) => {
                    return Ended::unavailable(record, "git", with_sources(&error));
                }
            },
            Err(error) => {
                tracing::warn!(error = %with_sources(&error), "a person's rollback goes on without Argo CD");
                None
            }
        },
    };
    let timeline = seen(&snapshot, state.watch.as_ref(), git, service.trust());
    // Limits go by the clock that wrote the journal: no gate compares it with that of Prometheus here.
    let at = Utc::now();
    let history = history(&state);
    let decided = |doings: Option<&Doings>| {
        let (settings, wanted) = (&service.config.policy, wanted.as_ref());
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
    if let Some(why) = not_agreed(&decision.action, consent) {
        return another_plan(record, why);
    }
    let seen = Judged {
        snapshot: Some(snapshot),
        app,
    };
    let request = Request {
        origin: Origin::Manual,
        why: manual.reason.as_deref().map_or_else(
            || "a person asked for it and gave no reason".to_owned(),
            |reason| service.config.secrets.redact(reason),
        ),
        named,
        by: "error-budget-monitor for a person",
        recovery_ratio: service.config.objective.max_bad_ratio(),
        outage: false,
        when_held: Exit::PersonNeeded,
        pending: None,
    };
    carry_out(service, memory, seen, &decision, record, &request).await
}

/// Says why what would be done is not what the person agreed to, where it is not.
fn not_agreed(action: &Action, consent: &Consent) -> Option<String> {
    match action {
        Action::RollBack(plan) | Action::AwaitApproval(plan) => consent.forbids(plan),
        Action::Hold | Action::Nothing => None,
    }
}

fn another_plan(record: Record, why: String) -> Ended {
    let record = record.holding(Reason::Superseded, why.clone());
    Ended::with(Exit::PersonNeeded, record).complaining(why)
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

/// Fewest digits of a shortened revision, as for git.
const SHORTEST: usize = 4;

/// Rolls the application back to a revision or history entry that a person named, or to the deployment before.
pub(super) async fn argocd(
    service: &Service<'_>,
    heading: &Heading,
    memory: &mut Memory,
    consent: &Consent,
) -> Ended {
    let Some(argo) = &service.argo else {
        return Ended::only(
            Exit::Configuration,
            "there is no application to roll back: set ARGOCD_SERVER, ARGOCD_APP_NAME and ARGOCD_TOKEN",
        );
    };
    let ManualStart { state, record } = match open(service, heading, memory).await {
        Ok(opening) => opening,
        Err(ended) => return *ended,
    };
    let refused = |record: Record, reason, why: String| {
        let record = record.holding(reason, why.clone());
        Ended::with(Exit::PersonNeeded, record).complaining(why)
    };
    let app = match argo.application().await {
        Ok(app) => app,
        Err(error) => {
            return Ended::unavailable(record, "argocd", with_sources(&error));
        }
    };
    let Some(timeline) = observe::of_application(&app) else {
        let why = format!(
            "the history of application {} cannot be read, or is empty",
            argo.name()
        );
        return refused(record, Reason::NoTarget, why);
    };
    let named = service.config.manual.target_revision.as_deref();
    let wanted = match named
        .map(|named| named_entry(&app, &timeline, named))
        .transpose()
    {
        Ok(wanted) => wanted,
        Err(error) => return refused(record, Reason::NoTarget, error.to_string()),
    };
    let decision = decide_manual(
        Utc::now(),
        &timeline,
        &history(&state),
        &service.config.policy,
        wanted.as_ref(),
        None,
    );
    let record = record
        .with_deployment(Some(&timeline))
        .with_live(Some(&timeline), None)
        .with_decision(&decision);
    if let Some(why) = not_agreed(&decision.action, consent) {
        return another_plan(record, why);
    }
    let manual = &service.config.manual;
    let request = Request {
        origin: Origin::Manual,
        why: manual.reason.as_deref().map_or_else(
            || "a person asked for it and gave no reason".to_owned(),
            |reason| service.config.secrets.redact(reason),
        ),
        named: None,
        by: "error-budget-monitor for a person",
        recovery_ratio: service.config.objective.max_bad_ratio(),
        outage: false,
        when_held: Exit::PersonNeeded,
        pending: None,
    };
    match &decision.action {
        Action::RollBack(plan) => {
            alone(service, argo, memory, &app, plan, false, record, &request).await
        }
        Action::Hold | Action::Nothing | Action::AwaitApproval(_) => {
            let why = format!("held: {}", record.decision.detail);
            Ended::with(Exit::PersonNeeded, record).complaining(why)
        }
    }
}

/// Why what a person named is no deployment.
#[derive(Debug, thiserror::Error)]
enum NamedEntryError {
    #[error(
        "the history of the application holds no entry or revision {0:?}; check --to against `argocd app history`"
    )]
    Absent(String),
    #[error("{0:?} fits more than one revision; give --to more digits, or the id of the entry")]
    Ambiguous(String),
}

/// Finds what a person named among the deployments: the id of a history entry, or a revision.
fn named_entry(
    app: &Application,
    timeline: &Timeline,
    named: &str,
) -> Result<Wanted, NamedEntryError> {
    let deployments = app.deployments().unwrap_or_default();
    let by_id = named.parse::<i64>().ok().and_then(|id| {
        deployments
            .iter()
            .find(|deployment| deployment.ids.contains(&id))
            .map(|deployment| deployment.revisions.join("+"))
    });
    let lower = named.to_ascii_lowercase();
    let found: Vec<&str> = timeline
        .changes
        .iter()
        .map(|change| change.revision.as_str())
        .filter(|revision| match &by_id {
            Some(wanted) => wanted == revision,
            None => lower.len() >= SHORTEST && revision.starts_with(&lower),
        })
        .collect();
    let Some((newest, others)) = found.split_first() else {
        return Err(NamedEntryError::Absent(named.to_owned()));
    };
    if others.iter().any(|other| other != newest) {
        return Err(NamedEntryError::Ambiguous(named.to_owned()));
    }
    let change = timeline
        .changes
        .iter()
        .find(|change| change.revision == *newest);
    Ok(Wanted {
        revision: (*newest).to_owned(),
        state: change.map_or_else(String::new, |change| change.state.clone()),
    })
}
