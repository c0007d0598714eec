//! What the branch and Argo CD remember of a service: a memory that began empty, was lost or was damaged is filled
//! from it before anything rests on it.

mod proposals;

use chrono::{DateTime, TimeDelta, Utc};

use super::intent::{application_place, place};
use super::preflight::{bad_commits, with_hydrated};
use crate::clients::argocd::{Account, Application, Argo, Deployment, Initiator};
use crate::clients::git::Snapshot;
use crate::evaluation::measure;
use crate::journal::{
    ArgoOperation, GoesBack, HistoryTarget, JournalError, Memory, NewsKind, Order, Origin, Phase,
    RecoveredHistory, Rollback, ServiceState, StepKind, StepState, now,
};
use crate::observe;
use crate::outcome::Ended;
use crate::outcome::Unavailable;
use crate::policy::Timeline;
use crate::record::{Heading, Record};
use crate::service::Service;
use crate::state;
use crate::with_sources;

/// How many changes of the watched paths are read. More than this many in 24 hours would hide a rollback that still
/// counts.
pub(crate) const CHANGES: u32 = 50;

/// How far apart the two halves of one rollback are at most: what Argo CD does, and the commit. Source:
/// `RESUME_MAX_AGE`'s default, after which neither is done any more.
const SAME_ROLLBACK: TimeDelta = TimeDelta::minutes(30);

/// What was found outside.
pub(crate) struct RecoveredRollbacks {
    rollbacks: Vec<Rollback>,
    history: RecoveredHistory,
}

/// By what a rollback that was found outside is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The time of the look.
    pub(crate) now: DateTime<Utc>,
    /// How old a rollback is that counts as proven (`VERIFY_DEADLINE`).
    pub(crate) verify_deadline: TimeDelta,
    /// Error ratio under which the burn of a younger one has stopped (0..1).
    pub(crate) recovery_ratio: f64,
}

impl Terms {
    fn of(service: &Service<'_>) -> Self {
        Self {
            now: Utc::now(),
            verify_deadline: service.config.policy.verify_deadline,
            recovery_ratio: service.config.objective.max_bad_ratio(),
        }
    }
}

/// Why a memory could not be made whole.
pub(crate) enum NotWhole {
    /// What has to be asked did not answer.
    Unavailable(Unavailable),
    /// What was found could not be written down.
    Unwritten(JournalError),
}

/// Returns the memory of a service, filled where it was not whole.
///
/// # Errors
/// Fails when branch or Argo CD cannot be read, or when what was found cannot be written down.
pub(crate) async fn whole(
    service: &Service<'_>,
    memory: &mut Memory,
) -> Result<ServiceState, NotWhole> {
    let state = memory.of(&service.key);
    if state.recovered_from.is_some() {
        return Ok(state);
    }
    if let Some(damage) = memory.damage(&service.key) {
        let place = state::place(&service.config.state, &service.key);
        tracing::warn!(
            damage,
            "{place} is rebuilt from what is remembered elsewhere"
        );
    }
    let found = read(service).await.map_err(NotWhole::Unavailable)?;
    tracing::info!(
        rollbacks = found.rollbacks.len(),
        source = %found.history.source,
        "the state is new or was lost; rollbacks were looked for elsewhere"
    );
    memory
        .adopt(&service.key, &found.rollbacks, found.history)
        .map_err(NotWhole::Unwritten)?;
    Ok(memory.of(&service.key))
}

/// Ends a run whose memory could not be made whole: it shows how the service stands, and does nothing.
pub(crate) async fn not_remembering(
    service: &Service<'_>,
    heading: &Heading,
    not_whole: NotWhole,
) -> Ended {
    let Unavailable { source, why } = match not_whole {
        NotWhole::Unwritten(error) => return Ended::without_state(&error),
        NotWhole::Unavailable(outage) => outage,
    };
    let why = format!("what was rolled back before is not known, and cannot be looked up: {why}");
    let record = match measure(service, heading).await {
        Ok((observation, assessment)) => {
            Record::unknown(heading, &service.config.objective, observation.evaluated_at)
                .with_assessment(&assessment)
        }
        Err(not_evaluated) => not_evaluated.record,
    };
    Ended::unavailable(record, source, why)
}

/// Reads what is remembered outside.
async fn read(service: &Service<'_>) -> Result<RecoveredRollbacks, Unavailable> {
    let mut rollbacks = Vec::new();
    let mut sources = Vec::new();
    let mut branch = None;
    if let Some(git) = &service.git {
        let snapshot = observe::branch(git, CHANGES, None)
            .await
            .map_err(Unavailable::from)?;
        let timeline = observe::timeline(&snapshot, service.trust());
        rollbacks.extend(on_the_branch(&timeline, &place(git), Terms::of(service)));
        sources.push(format!(
            "the trailers on {} of {}",
            git.branch(),
            git.name()
        ));
        if let Some(forge) = service.forge.as_ref().filter(|it| it.may_write()) {
            let proposed = proposals::found(service, git, forge, &timeline).await?;
            let is_new = |it: &Rollback| rollbacks.iter().all(|known| known.id != it.id);
            let proposed: Vec<Rollback> = proposed.into_iter().filter(is_new).collect();
            rollbacks.extend(proposed);
            sources.push("its pull requests".to_owned());
        }
        branch = Some(snapshot);
    }
    if let Some(argo) = &service.argo {
        let unavailable = |error| Unavailable {
            source: "argocd",
            why: with_sources(&error),
        };
        let account = argo.account().await.map_err(unavailable)?;
        let app = argo.application().await.map_err(unavailable)?;
        if let Account::Named { name, .. } = &account {
            let found = in_argocd(service, &app, argo, name);
            // What Argo CD did alone is known as it names it, and what is on the branch as the branch does.
            let app = service.in_dry_terms(app).await?;
            let found = match &branch {
                Some(snapshot) => {
                    for rollback in &mut rollbacks {
                        is_still_to_be_deployed(rollback, snapshot, &app, argo, name);
                    }
                    without_the_branch(found, &rollbacks)
                }
                None => found,
            };
            rollbacks.extend(found);
        }
        sources.push(format!("Argo CD's history of {}", argo.name()));
    }
    if sources.is_empty() {
        sources.push("nothing: neither GITOPS_REPO nor ARGOCD_SERVER is set".to_owned());
    }
    Ok(RecoveredRollbacks {
        rollbacks,
        history: RecoveredHistory {
            read_at: now(),
            source: sources.join(" and "),
        },
    })
}

/// Lets Argo CD be asked for what is on the branch and not proven: whether it was deployed is seen when it is looked
/// at.
fn is_still_to_be_deployed(
    rollback: &mut Rollback,
    snapshot: &Snapshot,
    app: &Application,
    argo: &Argo,
    user: &str,
) {
    if !matches!(rollback.phase, Phase::Verifying | Phase::Proposed) {
        return;
    }
    rollback.effective_at = None;
    rollback.walks(Some(Order::RevertFirst));
    rollback.argocd = Some(ArgoOperation {
        application: argo.name(),
        user: user.to_owned(),
        bad_revisions: with_hydrated(argo, bad_commits(snapshot, &rollback.from, app)),
        entry: None,
        asked_at: None,
        accepted: false,
        terminated: false,
    });
}

/// Leaves out what the branch tells of too. What is left went back in Argo CD, and nobody knows whether the branch
/// was to follow: a person has to look, and until then nothing more is rolled back.
fn without_the_branch(found: Vec<Rollback>, known: &[Rollback]) -> Vec<Rollback> {
    let is_known = |it: &Rollback| {
        let apart = |other: &Rollback| (other.begun_at - it.begun_at).abs();
        // What changed nothing is not the other half.
        let mut others = known.iter().filter(|other| other.attempted);
        others.any(|other| apart(other) < SAME_ROLLBACK)
    };
    let unknown = found.into_iter().filter(|it| !is_known(it));
    unknown
        .map(|it| Rollback {
            phase: Phase::Failed,
            ended_at: Some(it.begun_at),
            told: vec![NewsKind::Started],
            ..it
        })
        .collect()
}

/// Finds our commits by their trailers.
pub(crate) fn on_the_branch(timeline: &Timeline, place: &str, terms: Terms) -> Vec<Rollback> {
    let marked = timeline
        .changes
        .iter()
        .enumerate()
        .filter_map(|(index, change)| Some((index, change, change.rollback.as_ref()?)));
    marked
        .map(|(index, change, mark)| {
            let detail = format!("commit {} was found on the branch", change.revision);
            let mut rollback = remembered(
                terms,
                change.deployed_at,
                None,
                StepKind::GitopsRevert,
                detail,
            );
            rollback.id.clone_from(&mark.id);
            rollback.from.clone_from(&mark.from);
            rollback.from_state = state_of(timeline, &mark.from);
            let mut before = timeline.changes.iter().skip(index + 1);
            rollback.goes_back = GoesBack {
                tip_state: before
                    .next()
                    .map_or_else(String::new, |it| it.state.clone()),
                keeps: mark.keeps.clone(),
                undone: Vec::new(),
            };
            rollback.to.clone_from(&mark.to);
            rollback.to_state.clone_from(&change.state);
            rollback.tip.clone_from(&change.revision);
            rollback.commit = Some(change.revision.clone());
            place.clone_into(&mut rollback.place);
            rollback
        })
        .collect()
}

/// Returns the content of the watched paths at a change of the branch; empty where it is not known.
fn state_of(timeline: &Timeline, revision: &str) -> String {
    let mut changes = timeline.changes.iter();
    let change = changes.find(|change| change.revision == revision);
    change.map_or_else(String::new, |change| change.state.clone())
}

/// Finds the deployments of our account that went back to something older.
fn in_argocd(service: &Service<'_>, app: &Application, argo: &Argo, user: &str) -> Vec<Rollback> {
    let deployments = app.deployments().unwrap_or_default();
    let is_ours = |deployment: &Deployment| match &deployment.by {
        Initiator::User(by) => by == user,
        Initiator::Automated | Initiator::Unknown => false,
    };
    let mut found = Vec::new();
    for (index, deployment) in deployments.iter().enumerate().skip(2) {
        let earlier = &deployments[..index];
        let went_back = earlier
            .iter()
            .any(|other| other.revisions == deployment.revisions);
        let at = deployment.deploy_started_at.or(deployment.deployed_at);
        let (true, true, Some(at), Some(before), Some(id)) = (
            went_back,
            is_ours(deployment),
            at,
            earlier.last(),
            deployment.newest_id(),
        ) else {
            continue;
        };
        let detail = format!("history entry {id} was found");
        let order = Some(Order::RollBackOnly);
        let step = StepKind::ArgocdRollback;
        let mut rollback = remembered(Terms::of(service), at, order, step, detail);
        rollback.id = format!("argocd-{}-{id}", app.name.as_deref().unwrap_or("unnamed"));
        rollback.from = before.revisions.join("+");
        rollback.from_state = observe::deployment_state(before);
        rollback.to = deployment.revisions.join("+");
        rollback.to_state = observe::deployment_state(deployment);
        rollback.tip.clone_from(&rollback.from);
        rollback.place = application_place(argo);
        // What is to be looked at while it is proven: the application alone.
        rollback.argocd = Some(ArgoOperation {
            application: argo.name(),
            user: user.to_owned(),
            bad_revisions: before.revisions.clone(),
            entry: Some(HistoryTarget {
                id,
                revisions: deployment.revisions.clone(),
            }),
            asked_at: Some(at),
            accepted: false,
            terminated: false,
        });
        found.push(rollback);
    }
    found
}

/// Returns what is known of every rollback that was found outside. One that is older than `VERIFY_DEADLINE` counts as
/// proven, a younger one has to be proven still. Source: the contract, DESIGN section 9.
fn remembered(
    terms: Terms,
    at: DateTime<Utc>,
    order: Option<Order>,
    step: StepKind,
    detail: String,
) -> Rollback {
    let age = (terms.now - at).max(TimeDelta::zero());
    let is_proven = age >= terms.verify_deadline;
    let why = "not known: the memory of it was lost".to_owned();
    let mut begun = Rollback::begin(
        String::new(),
        Origin::Automatic,
        why,
        at,
        terms.recovery_ratio,
    );
    begun.walks(order);
    begun.note(step, StepState::Done, at, detail);
    Rollback {
        phase: if is_proven {
            Phase::Recovered
        } else {
            Phase::Verifying
        },
        // The run that began it has told people.
        told: vec![NewsKind::Started, NewsKind::Recovered],
        attempted: true,
        effective_at: Some(at),
        ended_at: is_proven.then_some(at),
        ..begun
    }
}
