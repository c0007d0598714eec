//! From a decision to its outcome. From the recorded intent on, every failure is an outcome: recorded and told.

use chrono::{DateTime, Utc};

use super::Ended;
use super::argocd::alone;
use super::deploy::{Stopped, prepare};
use super::journey::Journey;
use super::names::{rollback_id, unlike};
use super::pass::Memory;
use super::pending::ask;
use super::service::Service;
use crate::clients::argocd::Application;
use crate::clients::git::{Draft, Git, GitError, GitFault, Snapshot};
use crate::exit::Exit;
use crate::journal::{
    Errand, Event, GoesBack, Journal, JournalError, Order, Origin, Phase, Rollback, ServiceState,
    StepName,
};
use crate::log_file::AUDIT;
use crate::notify::{CommitStory, commit_message};
use crate::policy::{Action, Decision, Plan, Reason};
use crate::record::{Record, StepPart};

/// How many characters of a commit's first line are remembered.
const MAX_SUBJECT: usize = 200;

/// Who wants a rollback, and why.
pub(super) struct Wish {
    pub(super) origin: Origin,
    pub(super) why: String,
    /// What a person named, where what is restored is the change before it.
    pub(super) named: Option<String>,
    pub(super) by: &'static str,
    /// Error ratio under which the burn has stopped (0..1).
    pub(super) recovery_ratio: f64,
    /// Whether the service is gone, so that its pods have to come back.
    pub(super) outage: bool,
    /// How the program ends when the decision is to hold.
    pub(super) when_held: Exit,
    /// The plan that waited for a person's word, where it is carried out now.
    pub(super) pending: Option<Rollback>,
}

impl Wish {
    /// Names the rollback: as the plan that a person agreed to, else anew.
    pub(super) fn id(
        &self,
        key: &str,
        from: &str,
        at: DateTime<Utc>,
        known: &ServiceState,
    ) -> String {
        match &self.pending {
            Some(pending) => pending.id.clone(),
            None => unlike(rollback_id(key, from, at), known),
        }
    }

    /// Says who wanted it, in words.
    pub(super) fn by(&self) -> String {
        let approval = self.pending.as_ref().and_then(|it| it.approval.as_ref());
        match approval.and_then(|approval| approval.signed.as_ref()) {
            Some(signature) => format!("{} and approved by {}", self.by, signature.by),
            None => self.by.to_owned(),
        }
    }
}

/// What is acted on, as it was judged.
#[derive(Default)]
pub(super) struct Sighted {
    /// The branch.
    pub(super) snapshot: Option<Snapshot>,
    /// The application.
    pub(super) app: Option<Application>,
}

/// Does what was decided: nothing, a plan shown, or a rollback begun and followed to its outcome.
pub(super) async fn carry_out(
    service: &Service<'_>,
    memory: &mut Memory,
    seen: Sighted,
    decision: &Decision,
    record: Record,
    wish: &Wish,
) -> Ended {
    decided(&record);
    let (plan, asks) = match &decision.action {
        Action::Nothing => return Ended::with(Exit::Complete, record),
        Action::Hold => return held(record, wish.when_held),
        Action::AwaitApproval(plan) => (plan, true),
        Action::RollBack(plan) => (plan, false),
    };
    if let (false, Some(why)) = (asks, service.stop.forbids_an_effect()) {
        let why = format!("{why}: nothing was begun, the next run decides anew");
        let record = record.holding(Reason::UnknownData, why.clone());
        return Ended::with(Exit::TryAgain, record).complaining(why);
    }
    let Sighted { snapshot, app } = seen;
    if let (None, Some(argo), Some(app)) = (&service.git, &service.argo, &app) {
        return alone(service, argo, memory, app, plan, asks, record, wish).await;
    }
    let (Some(git), Some(snapshot)) = (&service.git, snapshot) else {
        return held(
            record.holding(Reason::NoTarget, "no GitOps repository is configured"),
            wish.when_held,
        );
    };
    let drafted = snapshot.draft_keeping(&plan.to, &plan.keeps);
    let drafted = drafted.and_then(|draft| Ok((draft, snapshot.state_of(draft)?)));
    let (draft, to_state) = match drafted {
        Ok(drafted) => drafted,
        Err(error) if matches!(error.fault, GitFault::Refused { .. }) => {
            return held(
                record.holding(Reason::NoTarget, error.to_string()),
                wish.when_held,
            );
        }
        Err(error) => {
            let why = error.to_string();
            let record = record
                .holding(Reason::UnknownData, why.clone())
                .not_knowing("git", why.clone());
            return Ended::with(Exit::Unavailable, record).complaining(why);
        }
    };
    let errand = match prepare(service, &snapshot, plan, wish, app.as_ref()).await {
        Ok(errand) => errand,
        Err(Stopped::Held { reason, why }) => {
            return held(record.holding(reason, why), wish.when_held);
        }
        Err(Stopped::Unavailable { why }) => {
            let record = record
                .holding(Reason::UnknownData, why.clone())
                .not_knowing("argocd", why.clone());
            return Ended::with(Exit::Unavailable, record).complaining(why);
        }
    };
    let at = now();
    let id = wish.id(&service.key, &plan.from, at, &memory.of(service));
    match memory {
        Memory::ReadOnly(_) => {
            let steps = planned(service, git, errand.as_ref());
            show(snapshot, draft, plan, &id, record, steps).await
        }
        Memory::Writable(journal) => {
            let intent = Intent {
                service,
                git,
                plan,
                wish,
                record: &record,
                errand,
                to_state,
            };
            let rollback = intent.write(&snapshot, id, at);
            let (snapshot, diff) = seen_diff(snapshot, draft).await;
            if asks {
                return ask(service, journal, rollback, record).with_diff(diff);
            }
            let mut journey = match begin(service, journal, rollback) {
                Ok(journey) => journey,
                Err(why) => {
                    let record = record.holding(Reason::UnknownData, why.clone());
                    return Ended::with(Exit::PersonNeeded, record).complaining(why);
                }
            };
            journey.diff = diff;
            let outage = journey.act(Some(git), Some(snapshot), true).await;
            journey.finish(Some(git), record, outage).await
        }
    }
}

/// Logs a decision, and keeps it where it is not that all is well.
fn decided(record: &Record) {
    let decision = &record.decision;
    let (action, reason, detail) = (decision.action, decision.reason, &decision.detail);
    if reason == Reason::Healthy.as_str() {
        tracing::info!(action, reason, detail, "decided");
    } else {
        tracing::info!(target: AUDIT, action, reason, detail, "decided");
    }
}

pub(super) fn held(record: Record, exit: Exit) -> Ended {
    let complaint = (exit != Exit::Complete).then(|| format!("held: {}", record.decision.detail));
    let ended = Ended::with(exit, record);
    match complaint {
        Some(complaint) => ended.complaining(complaint),
        None => ended,
    }
}

/// Says what would be done, in its order.
fn planned(service: &Service<'_>, git: &Git, errand: Option<&Errand>) -> Vec<StepPart> {
    let how = if service.settings.by_pull_request {
        "a pull request to"
    } else {
        "one commit on"
    };
    let (branch, repo, paths) = (git.branch(), git.name(), git.paths().join(", "));
    let revert = (
        StepName::GitopsRevert,
        format!("{how} {branch} of {repo} restores {paths}"),
    );
    let mut steps = vec![revert];
    if let Some(errand) = errand {
        let app = &errand.application;
        match (&errand.order, &errand.entry) {
            (Order::RollBackFirst | Order::RollBackOnly, Some(entry)) => steps.insert(
                0,
                (
                    StepName::ArgocdRollback,
                    format!("application {app} goes back to history entry {}", entry.id),
                ),
            ),
            (Order::RollBackFirst | Order::RollBackOnly | Order::RevertFirst, _) => {
                steps.push((StepName::ArgocdSync, format!("application {app} is synced")));
            }
        }
    }
    steps
        .into_iter()
        .map(|(step, detail)| StepPart {
            step: step.as_str(),
            state: "planned",
            detail,
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
    let diff: Result<String, GitError> = crate::blocking(move || snapshot.diff(draft)).await;
    match diff {
        Ok(diff) => Ended::with(Exit::Complete, record.with_plan(id, plan, steps, diff)),
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

/// All that the first record of a rollback is made of.
struct Intent<'a> {
    service: &'a Service<'a>,
    git: &'a Git,
    plan: &'a Plan,
    wish: &'a Wish,
    record: &'a Record,
    errand: Option<Errand>,
    /// Content of the watched paths that is put in place.
    to_state: String,
}

impl Intent<'_> {
    fn write(&self, snapshot: &Snapshot, id: String, at: DateTime<Utc>) -> Rollback {
        let Self {
            service,
            git,
            plan,
            wish,
            record,
            errand,
            to_state,
        } = self;
        let by = wish.by();
        let subject = snapshot
            .changes
            .iter()
            .find(|change| change.revision == plan.from)
            .map_or("", |change| change.subject.as_str());
        let message = commit_message(&CommitStory {
            service: &service.key,
            id: &id,
            from: &plan.from,
            from_subject: subject,
            to: &plan.to,
            undone: &plan.undone,
            keeps: &plan.keeps,
            named: wish.named.as_deref(),
            paths: git.paths(),
            why: &wish.why,
            by: &by,
            record,
        });
        Rollback {
            id,
            origin: wish.origin,
            why: wish.why.clone(),
            subject: subject.chars().take(MAX_SUBJECT).collect(),
            from: plan.from.clone(),
            from_state: plan.from_state.clone(),
            to: plan.to.clone(),
            to_state: to_state.clone(),
            goes_back: GoesBack::of(plan),
            tip: plan.tip.clone(),
            place: place(git),
            message,
            begun_at: at,
            recovery_ratio: wish.recovery_ratio,
            phase: Phase::Begun,
            approval: wish.pending.as_ref().and_then(|it| it.approval.clone()),
            told: Vec::new(),
            released: None,
            attempted: false,
            commit: None,
            proposal: None,
            argocd: errand.clone(),
            auto_sync_before: None,
            outage: wish.outage,
            worse: false,
            effective_at: None,
            ended_at: None,
            steps: Vec::new(),
        }
    }
}

/// Says where a rollback is done.
pub(super) fn place(git: &Git) -> String {
    format!(
        "{} of {} at {}",
        git.branch(),
        git.name(),
        git.paths().join(", ")
    )
}

/// Writes the intent down.
///
/// # Errors
/// Says why it could not be: then nothing may be done.
fn begin<'a>(
    service: &'a Service<'a>,
    journal: &'a mut Journal,
    rollback: Rollback,
) -> Result<Journey<'a>, String> {
    first_record(&service.key, journal, &rollback).map_err(|error| error.to_string())?;
    Ok(Journey::new(service, journal, rollback))
}

/// Writes down that a rollback begins. Another plan that waits for a person's word is overtaken by it.
pub(super) fn first_record(
    key: &str,
    journal: &mut Journal,
    rollback: &Rollback,
) -> Result<(), JournalError> {
    let state = journal.state().service(key);
    let overtaken = state.pending().filter(|pending| pending.id != rollback.id);
    if let Some(mut overtaken) = overtaken.cloned() {
        match overtaken.see(Event::MovedOn, rollback.begun_at) {
            Ok(()) => journal.put(key, &overtaken)?,
            Err(illegal) => tracing::warn!(error = %illegal, "a plan stays as it is"),
        }
    }
    if let Err(error) = journal.put(key, rollback) {
        journal.was_not_begun(key, &rollback.id);
        return Err(error);
    }
    tracing::info!(target: AUDIT, { rollback.id = %rollback.id, from = %rollback.from, to = %rollback.to }, "rollback begun");
    Ok(())
}

/// The time in whole seconds: what a commit can carry.
pub(super) fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}
