//! A rollback under way: every step written down as it is taken. From the recorded intent on, every failure is an outcome.

use chrono::{DateTime, Utc};

use super::Ended;
use super::carry_out::now;
use super::pass::from_memory;
use super::service::Service;
use crate::act::{Restoration, Restored, Way, restore};
use crate::clients::git::{Git, GitError, Snapshot};
use crate::exit::Exit;
use crate::journal::{Event, Journal, Phase, Rollback, StepName, StepState};
use crate::log_file::AUDIT;
use crate::policy::Reason;
use crate::record::Record;
use crate::stop::Stop;
use crate::verify::{Proof, Seen, watch};

/// A rollback under way, with the journal in which every step is written down.
pub(super) struct Journey<'a> {
    pub(super) service: &'a Service<'a>,
    pub(super) journal: &'a mut Journal,
    pub(super) rollback: Rollback,
    trouble: Option<String>,
    /// What the commit changes, where this run looked.
    pub(super) diff: Option<String>,
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
            diff: None,
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
            from_state: match rollback.goes_back.tip_state.as_str() {
                "" => rollback.from_state.clone(),
                tip_state => tip_state.to_owned(),
            },
            to: rollback.to.clone(),
            keeps: rollback.goes_back.keeps.clone(),
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
            begun_at: self.rollback.begun_at,
            effective_at,
            recovery_ratio: self.rollback.recovery_ratio,
            outage: self.rollback.outage,
            stabilization: verify.stabilization,
            min_events: self.service.settings.min_events,
            min_bad_events: self.service.settings.min_bad_events,
            deadline: verify.deadline,
        };
        let (metrics, stop) = (self.service.metrics(), &self.stop);
        let held = self.journal.service(&self.service.key).sighting;
        let held = held.map(from_memory);
        let objective = &self.service.objective;
        match watch(&metrics, objective, &proof, held.as_ref(), stop).await {
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
            Seen::Worse(what) => {
                self.rollback.worse = true;
                let what = format!("it is worse than before: {what}");
                self.ends(StepName::Verify, StepState::Failed, Event::GotWorse, what);
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
        let mut record = record.with_rollback(rollback).with_diff(self.diff.clone());
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
                Some(if rollback.worse {
                    format!("rollback {} made it worse: {last}", rollback.id)
                } else {
                    format!("rollback {} did not help: {last}", rollback.id)
                }),
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
