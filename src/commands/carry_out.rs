//! From a decision to its outcome. From the recorded intent on, every failure is an outcome: recorded and told.

use chrono::{DateTime, NaiveDateTime, Utc};
use sha2::{Digest, Sha256};

use super::Ended;
use super::argocd::alone;
use super::deploy::{Stopped, prepare};
use super::pass::Memory;
use super::pending::ask;
use super::service::Service;
use crate::act::{Restoration, Restored, Way, restore};
use crate::clients::argocd::Application;
use crate::clients::git::{Draft, Git, GitError, GitFault, Snapshot};
use crate::exit::Exit;
use crate::journal::{
    Errand, Event, Journal, JournalError, Order, Origin, Phase, Rollback, ServiceState, StepName,
    StepState,
};
use crate::log_file::AUDIT;
use crate::notify::{CommitStory, commit_message};
use crate::policy::{Action, Decision, Plan, Reason};
use crate::record::{Record, StepPart};
use crate::stop::Stop;
use crate::verify::{Proof, Seen, watch};

/// How many characters of the service's name stand in a rollback's id.
const NAME_IN_ID: usize = 24;

/// How many characters of a commit's first line are remembered.
const MAX_SUBJECT: usize = 200;

/// How the moment stands in a rollback's id.
const MOMENT_IN_ID: &str = "%Y%m%dt%H%M%Sz";

/// How many bytes of the hash of the service's key stand in a rollback's id.
const HASH_BYTES_IN_ID: usize = 4;

/// Who wants a rollback, and why.
pub(super) struct Wish {
    pub(super) origin: Origin,
    pub(super) why: String,
    /// What a person named, where what is restored is the change before it.
    pub(super) named: Option<String>,
    pub(super) by: &'static str,
    /// Error ratio under which the burn has stopped (0..1).
    pub(super) recovery_ratio: f64,
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
    let draft = match snapshot.draft(&plan.to) {
        Ok(draft) => draft,
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
            };
            let rollback = intent.write(&snapshot, id, at);
            if asks {
                return ask(service, journal, rollback, record);
            }
            begin(service, git, journal, rollback, snapshot, record).await
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

/// Names a rollback: the service, the moment, the bad revision, and a hash of the service's key, because the start of a
/// name may be that of another service too, which a bad commit hits in the same second. Lower case, digits and `-`, at
/// most 64 characters, so that it may be a branch name too.
pub(super) fn rollback_id(key: &str, from: &str, at: DateTime<Utc>) -> String {
    let name: String = key
        .rsplit('/')
        .next()
        .unwrap_or(key)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(NAME_IN_ID)
        .collect();
    format!(
        "{}-{}-{}-{}",
        name.trim_matches('-'),
        at.format(MOMENT_IN_ID),
        from.get(..8).unwrap_or(from),
        hash_of(key)
    )
}

fn hash_of(key: &str) -> String {
    Sha256::digest(key)
        .iter()
        .take(HASH_BYTES_IN_ID)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns when a rollback of a service was named; nothing where the id is another's.
pub(super) fn named_at(key: &str, id: &str) -> Option<DateTime<Utc>> {
    let mut parts: Vec<&str> = id.split('-').collect();
    if let Some(at) = parts.iter().rposition(|part| *part == hash_of(key)) {
        parts.truncate(at);
    } else {
        return None;
    }
    let moment = parts.get(parts.len().checked_sub(2)?)?;
    let moment = NaiveDateTime::parse_from_str(moment, MOMENT_IN_ID).ok()?;
    Some(moment.and_utc())
}

/// Makes an id of its own of one that is remembered already: the same revision, judged again in the same second.
pub(super) fn unlike(id: String, remembered: &ServiceState) -> String {
    let is_new = |id: &String| remembered.rollbacks.iter().all(|past| past.id != *id);
    let another = (2_u32..).map(|number| format!("{id}-{number}"));
    std::iter::once(id.clone())
        .chain(another)
        .find(is_new)
        .unwrap_or(id)
}

/// All that the first record of a rollback is made of.
struct Intent<'a> {
    service: &'a Service<'a>,
    git: &'a Git,
    plan: &'a Plan,
    wish: &'a Wish,
    record: &'a Record,
    errand: Option<Errand>,
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
            to_state: plan.to_state.clone(),
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

async fn begin(
    service: &Service<'_>,
    git: &Git,
    journal: &mut Journal,
    rollback: Rollback,
    snapshot: Snapshot,
    record: Record,
) -> Ended {
    if let Err(error) = first_record(&service.key, journal, &rollback) {
        return Ended::with(
            Exit::PersonNeeded,
            record.holding(Reason::UnknownData, error.to_string()),
        )
        .complaining(error.to_string());
    }
    let mut journey = Journey::new(service, journal, rollback);
    let outage = journey.act(Some(git), Some(snapshot), true).await;
    journey.finish(Some(git), record, outage).await
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
    journal.put(key, rollback)?;
    tracing::info!(target: AUDIT, { rollback.id = %rollback.id, from = %rollback.from, to = %rollback.to }, "rollback begun");
    Ok(())
}

/// A rollback under way, with the journal in which every step is written down.
pub(super) struct Journey<'a> {
    pub(super) service: &'a Service<'a>,
    pub(super) journal: &'a mut Journal,
    pub(super) rollback: Rollback,
    trouble: Option<String>,
    /// When this run stops looking whether something came about.
    pub(super) stop: Stop,
}

/// Why something outside could not be reached.
pub(super) struct Outage {
    /// What: `git` or `argocd`.
    pub(super) source: &'static str,
    /// Why, as a sentence.
    pub(super) why: String,
}

impl From<GitError> for Outage {
    fn from(error: GitError) -> Self {
        Self {
            source: "git",
            why: error.to_string(),
        }
    }
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        service: &'a Service<'a>,
        journal: &'a mut Journal,
        rollback: Rollback,
    ) -> Self {
        Self {
            service,
            journal,
            rollback,
            trouble: None,
            stop: service.stop.within(service.config.verify.timeout),
        }
    }

    /// Puts the watched paths back. Returns why the branch could not be read, when nothing was sent because of that.
    pub(super) async fn put_back(
        &mut self,
        git: &Git,
        snapshot: Option<Snapshot>,
    ) -> Option<GitError> {
        let proposes = self.service.settings.by_pull_request || self.rollback.proposal.is_some();
        if let (true, Some(github)) = (proposes, &self.service.github) {
            return self.propose(git, github, snapshot, None).await;
        }
        if let Some(why) = self.service.stop.forbids_an_effect() {
            let why = format!("{why}: nothing was pushed, the next run goes on");
            self.rollback
                .note(StepName::GitopsRevert, StepState::Pending, now(), why);
            self.write_down();
            return None;
        }
        let work = self.work();
        let (rollback, journal, key) = (&mut self.rollback, &mut self.journal, &self.service.key);
        // GitHub signs what an App has it write; a token pushes with git, which works everywhere.
        let way = match &self.service.github {
            Some(github) if github.is_app() => Way::Api(github),
            Some(_) | None => Way::Push,
        };
        let restored = restore(git, way, &work, snapshot, |what| {
            rollback.attempted = true;
            rollback.note(
                StepName::GitopsRevert,
                StepState::Intended,
                now(),
                what.to_owned(),
            );
            journal.put(key, rollback)
        })
        .await;
        match restored {
            Restored::Landed { commit, is_signed } => {
                self.landed(git, commit, is_signed, now());
            }
            Restored::MovedOn { why } => {
                let (event, why) = self.told_where_half_is_done(Event::MovedOn, why);
                self.ends(StepName::GitopsRevert, StepState::Failed, event, why);
            }
            Restored::Refused { why, by_server } => {
                let why = explained(self.service, git, why).await;
                let github = self.service.github.as_ref();
                if let (true, Some(github)) = (by_server, github.filter(|it| it.may_write())) {
                    return self.propose(git, github, None, Some(why)).await;
                }
                self.ends(
                    StepName::GitopsRevert,
                    StepState::Failed,
                    Event::Refused,
                    why,
                );
            }
            Restored::Unknown { why } => {
                self.rollback.note(
                    StepName::GitopsRevert,
                    StepState::Pending,
                    now(),
                    format!("the push may have landed ({why}); the next run looks"),
                );
                self.write_down();
            }
            // On disk the rollback is begun, whatever is said here, so the next run goes on with it.
            Restored::Unwritten(error) => {
                self.rollback.note(
                    StepName::GitopsRevert,
                    StepState::Pending,
                    now(),
                    format!("nothing was pushed ({error}); the next run goes on"),
                );
                self.is_in_trouble(format!(
                    "{error}; nothing was pushed, and the next run goes on"
                ));
            }
            Restored::Unreachable(error) => return Some(self.waits_for(error)),
        }
        None
    }

    /// Makes a failure of what would end quietly where the application is rolled back already: a person has to know, and to
    /// choose.
    pub(super) fn told_where_half_is_done(&self, event: Event, why: String) -> (Event, String) {
        if !self.rollback.is_done(StepName::ArgocdRollback) {
            return (event, why);
        }
        let why = format!("the application was rolled back, and the branch was not: {why}");
        (Event::Refused, why)
    }

    /// Returns what has to be done, whoever does it.
    pub(super) fn work(&self) -> Restoration {
        let rollback = &self.rollback;
        Restoration {
            id: rollback.id.clone(),
            from_state: rollback.from_state.clone(),
            to: rollback.to.clone(),
            tip: rollback.tip.clone(),
            message: rollback.message.clone(),
            at: rollback.begun_at,
        }
    }

    /// Writes down what is about to be done with the watched paths. Returns false where that cannot be written: then it must
    /// not be done.
    pub(super) fn intends(&mut self, what: String) -> bool {
        self.rollback
            .note(StepName::GitopsRevert, StepState::Intended, now(), what);
        match self.journal.put(&self.service.key, &self.rollback) {
            Ok(()) => true,
            Err(error) => {
                self.is_in_trouble(format!(
                    "{error}; nothing was sent, and the next run goes on"
                ));
                false
            }
        }
    }

    /// Notes why the outside could not be reached, and hands the reason on.
    pub(super) fn waits_for(&mut self, error: GitError) -> GitError {
        self.rollback.note(
            StepName::GitopsRevert,
            StepState::Pending,
            now(),
            error.to_string(),
        );
        self.write_down();
        error
    }

    /// Notes that the commit is on the branch.
    pub(super) fn landed(
        &mut self,
        git: &Git,
        commit: String,
        is_signed: Option<bool>,
        effective_at: DateTime<Utc>,
    ) {
        let signed = match is_signed {
            Some(true) => ", signed by GitHub",
            Some(false) => ", not signed by GitHub",
            None => "",
        };
        let (branch, repo) = (git.branch(), git.name());
        let detail = format!("commit {commit} is on {branch} of {repo}{signed}");
        self.rollback.commit = Some(commit);
        self.rollback.attempted = true;
        // Where Argo CD deploys it, it takes effect then.
        if self.rollback.argocd.is_none() {
            self.rollback.effective_at = Some(effective_at);
        }
        self.ends(
            StepName::GitopsRevert,
            StepState::Done,
            Event::Landed,
            detail,
        );
    }

    /// Looks whether the burn stopped, where the commit is on the branch.
    pub(super) async fn prove(&mut self) {
        let (Phase::Verifying, Some(effective_at)) =
            (self.rollback.phase, self.rollback.effective_at)
        else {
            return;
        };
        let verify = &self.service.config.verify;
        let proof = Proof {
            effective_at,
            recovery_ratio: self.rollback.recovery_ratio,
            stabilization: verify.stabilization,
            min_events: self.service.settings.min_events,
            deadline: verify.deadline,
        };
        let (metrics, stop) = (self.service.metrics(), &self.stop);
        match watch(&metrics, &self.service.objective, &proof, stop).await {
            Seen::BurnStopped(what) => {
                self.ends(StepName::Verify, StepState::Done, Event::BurnStopped, what)
            }
            Seen::DeadlinePassed(what) => {
                let what = format!("VERIFY_DEADLINE is over: {what}");
                self.ends(
                    StepName::Verify,
                    StepState::Failed,
                    Event::DeadlinePassed,
                    what,
                );
            }
            Seen::NotYet(what) => {
                self.rollback
                    .note(StepName::Verify, StepState::Pending, now(), what);
                self.write_down();
            }
        }
    }

    /// Notes how a step stands, moves on, and writes it down.
    pub(super) fn ends(&mut self, step: StepName, state: StepState, event: Event, detail: String) {
        let at = now();
        self.rollback.note(step, state, at, detail);
        if let Err(illegal) = self.rollback.see(event, at) {
            self.is_in_trouble(illegal.to_string());
        }
        self.write_down();
    }

    pub(super) fn write_down(&mut self) {
        if let Some(step) = self.rollback.steps.last() {
            let (name, state) = (step.step.as_str(), step.state.as_str());
            tracing::info!(target: AUDIT, { rollback.id = %self.rollback.id, step = name, state, detail = %step.detail }, "step");
        }
        if let Err(error) = self.journal.put(&self.service.key, &self.rollback) {
            self.is_in_trouble(error.to_string());
        }
    }

    pub(super) fn is_in_trouble(&mut self, why: String) {
        tracing::warn!(target: AUDIT, { rollback.id = %self.rollback.id, error = %why }, "the journal could not be kept");
        self.trouble.get_or_insert(why);
    }

    /// Ends the run with what became of the rollback.
    pub(super) fn ended(self, record: Record, outage: Option<Outage>) -> Ended {
        let rollback = &self.rollback;
        let last = rollback
            .steps
            .last()
            .map_or("", |step| step.detail.as_str());
        tracing::info!(target: AUDIT, { rollback.id = %rollback.id, phase = ?rollback.phase, detail = %last }, "rollback");
        let mut record = record.with_rollback(rollback);
        record = match rollback.phase {
            Phase::Proposed => record.awaiting(last),
            Phase::Rejected => record.holding(Reason::Rejected, last),
            Phase::Expired => record.holding(Reason::ApprovalExpired, last),
            Phase::Begun
            | Phase::Awaiting
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded => record,
        };
        if let Some(Outage { source, why }) = &outage {
            record = record.not_knowing(source, why.clone());
        }
        let (exit, complaint) = match rollback.phase {
            Phase::Awaiting
            | Phase::Begun
            | Phase::Proposed
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Superseded
            | Phase::Rejected
            | Phase::Expired => (Exit::Complete, None),
            Phase::Ineffective => (
                Exit::PersonNeeded,
                Some(format!("rollback {} did not help: {last}", rollback.id)),
            ),
            Phase::Failed => (
                Exit::PersonNeeded,
                Some(format!("rollback {} failed: {last}", rollback.id)),
            ),
        };
        let (exit, complaint) = match (outage, self.trouble) {
            (_, Some(trouble)) => (
                Exit::PersonNeeded,
                Some(format!(
                    "rollback {} could not be written down: {trouble}",
                    rollback.id
                )),
            ),
            (Some(outage), None) => (Exit::Unavailable, Some(outage.why)),
            (None, None) => (exit, complaint),
        };
        let ended = Ended::with(exit, record);
        match complaint {
            Some(complaint) => ended.complaining(complaint),
            None => ended,
        }
    }
}

/// Adds what GitHub says about the branch to a refusal, where the repository is there. Rules are often the reason, and the
/// answer to a push does not always name them.
async fn explained(service: &Service<'_>, git: &Git, why: String) -> String {
    let Some(github) = &service.github else {
        return why;
    };
    let rules = github.rules(git.branch()).await;
    match rules {
        Ok(rules) if rules.is_empty() => why,
        Ok(rules) => format!(
            "{why} (GitHub's rules for {}: {}; a person has to merge the rollback, or allow this program to push)",
            git.branch(),
            rules.join(", ")
        ),
        Err(error) => {
            tracing::warn!(error = %error, "GitHub does not say why it refused");
            why
        }
    }
}

/// The time in whole seconds: what a commit can carry.
pub(super) fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_one_commit_broke_in_the_same_second_have_ids_of_their_own() {
        let from = "b".repeat(40);
        let long = "shop/a-service-with-a-very-long-name";
        let keys = [
            "shop/checkout",
            "shop-eu/checkout",
            &format!("{long}-a"),
            &format!("{long}-b"),
        ];
        let ids = keys.map(|key| rollback_id(key, &from, DateTime::UNIX_EPOCH));
        assert_eq!(ids[0], "checkout-19700101t000000z-bbbbbbbb-1dfc2ea5");
        for (index, id) in ids.iter().enumerate() {
            assert!(id.len() <= 64, "{id}");
            assert!(!ids[..index].contains(id), "{ids:?}");
        }
        for (key, id) in keys.iter().zip(&ids) {
            assert_eq!(named_at(key, id), Some(DateTime::UNIX_EPOCH));
            assert_eq!(
                named_at(key, &format!("{id}-2")),
                Some(DateTime::UNIX_EPOCH)
            );
            assert_eq!(named_at("another/service", id), None);
        }
    }
}
