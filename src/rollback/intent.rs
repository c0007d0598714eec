//! What is wanted, and the first record of a rollback.

use chrono::{DateTime, Utc};

use super::ids::{rollback_id, unlike};
use crate::clients::argocd::{Application, Argo};
use crate::clients::git::{Git, Snapshot};
use crate::exit::Exit;
use crate::journal::{
    ArgoOperation, CommitWords, Event, GoesBack, Journal, JournalError, Origin, Rollback,
    RollbackWords, ServiceState,
};
use crate::log_file::AUDIT;
use crate::notify::{CommitStory, commit_message};
use crate::policy::{Plan, order};
use crate::record::Record;
use crate::service::Service;

/// How many characters of a commit's first line are remembered.
const MAX_SUBJECT: usize = 200;

/// How many characters of an author's name are remembered.
const MAX_AUTHOR: usize = 100;

/// Who wants a rollback, and why.
pub(crate) struct Request {
    pub(crate) origin: Origin,
    pub(crate) why: String,
    /// What a person named, where what is restored is the change before it.
    pub(crate) named: Option<String>,
    pub(crate) by: &'static str,
    /// Error ratio under which the burn has stopped (0..1).
    pub(crate) recovery_ratio: f64,
    /// Whether the service is gone, so that its pods have to come back.
    pub(crate) outage: bool,
    /// How the program ends when the decision is to hold.
    pub(crate) when_held: Exit,
    /// The plan that waited for a person's word, where it is carried out now.
    pub(crate) pending: Option<Rollback>,
}

impl Request {
    /// Names the rollback: as the plan that a person agreed to, else anew.
    pub(crate) fn id(
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

    /// Begins what a plan says.
    pub(crate) fn begin(&self, id: String, plan: &Plan, at: DateTime<Utc>) -> Rollback {
        let approval = self.pending.as_ref().and_then(|it| it.approval.clone());
        Rollback {
            from: plan.from.clone(),
            from_state: plan.from_state.clone(),
            to: plan.to.clone(),
            to_state: plan.to_state.clone(),
            goes_back: GoesBack::of(plan),
            tip: plan.tip.clone(),
            outage: self.outage,
            approval,
            ..Rollback::begin(id, self.origin, self.why.clone(), at, self.recovery_ratio)
        }
    }

    /// Says who wanted it, in words.
    pub(crate) fn by(&self) -> String {
        let approval = self.pending.as_ref().and_then(|it| it.approval.as_ref());
        match approval.and_then(|approval| approval.signed.as_ref()) {
            Some(signature) => format!("{} and approved by {}", self.by, signature.by),
            None => self.by.to_owned(),
        }
    }
}

/// What is acted on, as it was judged.
#[derive(Default)]
pub(crate) struct Judged {
    /// The branch.
    pub(crate) snapshot: Option<Snapshot>,
    /// The application.
    pub(crate) app: Option<Application>,
}

/// All that the first record of a rollback is made of.
pub(crate) struct Intent<'a> {
    pub(crate) service: &'a Service<'a>,
    pub(crate) git: &'a Git,
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a Request,
    pub(crate) record: &'a Record,
    pub(crate) argo_operation: Option<ArgoOperation>,
    /// Content of the watched paths that is put in place.
    pub(crate) to_state: String,
}

impl Intent<'_> {
    pub(crate) fn write(&self, snapshot: &Snapshot, id: String, at: DateTime<Utc>) -> Rollback {
        let Self {
            service,
            git,
            plan,
            request,
            record,
            argo_operation,
            to_state,
        } = self;
        let by = request.by();
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
            key: service.trust().key,
            named: request.named.as_deref(),
            paths: &git.shown_paths(),
            why: &request.why,
            by: &by,
            record,
        });
        let mut rollback = Rollback {
            words: Some(words(snapshot, self.plan, self.record)),
            subject: subject.chars().take(MAX_SUBJECT).collect(),
            place: place(git),
            to_state: to_state.clone(),
            message,
            argocd: argo_operation.clone(),
            ..request.begin(id, plan, at)
        };
        let entry = argo_operation.as_ref().map(|it| it.entry.is_some());
        rollback.walks(entry.map(order));
        rollback
    }
}

/// Returns what people are told of the commits of a rollback, without its diff.
pub(crate) fn words(snapshot: &Snapshot, plan: &Plan, record: &Record) -> RollbackWords {
    let of = |revision: &str| {
        let mut changes = snapshot.changes.iter();
        let change = changes.find(|change| change.revision == revision);
        change.map_or_else(CommitWords::default, |change| CommitWords {
            title: change.subject.chars().take(MAX_SUBJECT).collect(),
            author: change.author.chars().take(MAX_AUTHOR).collect(),
            at: change.authored_at,
        })
    };
    let blame = record.attribution.as_ref();
    let counted = blame.and_then(|blame| blame.bad_after.zip(blame.total_after));
    RollbackWords {
        from: of(&plan.from),
        to: of(&plan.to),
        since: blame.and_then(|blame| blame.onset),
        lag_seconds: blame.and_then(|blame| blame.lag_seconds),
        error_ratio: counted
            .filter(|(_, total)| *total > 0.0)
            .map(|(bad, total)| bad / total),
        diff: None,
    }
}

/// Says where a rollback is done.
pub(crate) fn place(git: &Git) -> String {
    format!(
        "{} of {} at {}",
        git.branch(),
        git.name(),
        git.shown_paths()
    )
}

/// Says where a rollback of an application alone is done.
pub(crate) fn application_place(argo: &Argo) -> String {
    format!("application {} of Argo CD", argo.name())
}

/// Writes down that a rollback begins. Another plan that waits for a person's word is overtaken by it.
pub(crate) fn first_record(
    key: &str,
    journal: &mut Journal,
    rollback: &Rollback,
) -> Result<(), JournalError> {
    let state = journal.state().service(key);
    let overtaken = state.pending().filter(|pending| pending.id != rollback.id);
    if let Some(mut overtaken) = overtaken.cloned() {
        match overtaken.see(Event::MovedOn, rollback.begun_at) {
            Ok(()) => journal.put(key, &overtaken)?,
            Err(illegal) => {
                tracing::warn!(error = %illegal, "the plan of a rollback could not be changed")
            }
        }
    }
    if let Err(error) = journal.put(key, rollback) {
        journal.was_not_begun(key, &rollback.id);
        return Err(error);
    }
    tracing::info!(target: AUDIT, { rollback.id = %rollback.id, from = %rollback.from, to = %rollback.to }, "rollback begun");
    Ok(())
}
