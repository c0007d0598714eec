//! What is remembered.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::approval::{Approval, ApprovalAnswer, Signature};
use super::news::NewsKind;
use super::outbox::Notifications;
use super::periods::KeptPeriods;
use super::step::{Origin, Step, StepState};
use super::watch::Watch;
use super::words::RollbackWords;
use crate::policy::{Event, IllegalEvent, Order, Phase, Plan, StepKind, Undone, next, steps};

/// How many ended rollbacks of a service are kept.
const MAX_KEPT: usize = 200;

/// How many are kept whatever their age, unless there are more than a thousand services.
const MIN_KEPT: usize = 20;

/// How many all services together keep, as far as each keeps [`MIN_KEPT`]: some 8 MB, half of the largest file that
/// is read.
const MAX_TOTAL: usize = 4_000;

/// How many all services together keep at most, as far as each keeps [`LEAST_KEPT`]: some 40 MB.
const MOST_TOTAL: usize = 20_000;

/// How many of a service are kept however many services there are: as many as a day may have.
const LEAST_KEPT: usize = 3;

/// How much older than the newest one an ended rollback may be. What counts is the distance between the two, not the
/// time of the day: a clock that jumps ahead would make everything old at once.
const MAX_AGE: TimeDelta = TimeDelta::days(400);

/// The whole memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// By `namespace/service`.
    pub services: BTreeMap<String, ServiceState>,
}

/// The memory of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceState {
    /// Every rollback that was planned or begun, oldest first.
    pub rollbacks: Vec<Rollback>,
    /// Since when this memory is whole. Nothing where it began empty, or an older generation had to do: then it is
    /// filled from what the branch and Argo CD remember before anything rests on it.
    pub recovered_from: Option<RecoveredHistory>,
    /// What people are told of it.
    pub notifications: Notifications,
    /// What Prometheus held of it when it was last seen whole.
    pub series_seen: Option<SeriesSeen>,
    /// What passes saw at the tip of the branch; nothing before the first one that looked.
    pub watch: Option<Watch>,
    /// What was counted in the periods of the SLO window that are over; nothing before the first pass that kept any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods: Option<KeptPeriods>,
}

/// What a metrics back end held of a service at a moment: what it kept of that moment it still has to hold later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesSeen {
    /// The moment, by the back end's clock.
    pub at: DateTime<Utc>,
    /// How many series counted its events.
    pub series: u32,
    /// Which back end was asked, and what. An answer to another question is no sign of a loss.
    pub question: String,
}

/// Age at which what was seen is replaced by a newer look: the state need not be written in every pass.
const RENEWED_AFTER: TimeDelta = TimeDelta::minutes(30);

impl SeriesSeen {
    /// Tells whether a newer look is worth remembering in the place of this one.
    pub fn is_superseded_by(&self, newer: &Self) -> bool {
        self.question != newer.question
            || newer.series > self.series
            || newer.at - self.at >= RENEWED_AFTER
            || newer.at < self.at
    }
}

/// Where a lost state was read back from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveredHistory {
    /// When.
    pub read_at: DateTime<Utc>,
    /// From what, for people.
    pub source: String,
}

/// One rollback, from its intent to its end. It holds all that a later run needs to finish it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Its id, as in the commit's trailer.
    pub id: String,
    /// Who wanted it.
    pub origin: Origin,
    /// Why, in a sentence fragment.
    pub why: String,
    /// First line of the bad commit's message, as its author wrote it; not to be trusted. Empty where it is not known.
    pub subject: String,
    /// The bad revision.
    pub from: String,
    /// Content of the watched paths there.
    pub from_state: String,
    /// What goes back and what stays.
    pub goes_back: GoesBack,
    /// The restored revision.
    pub to: String,
    /// Content of the watched paths that is put in place: that of the restored revision, unless later changes stay.
    pub to_state: String,
    /// Tip of the branch when it was decided.
    pub tip: String,
    /// Where it is done: branch, repository and paths. A later run goes on only there.
    pub place: String,
    /// The commit's message: a later run writes the same commit.
    pub message: String,
    /// When it was begun; also the time of the commit.
    pub begun_at: DateTime<Utc>,
    /// Error ratio under which the burn has stopped (0..1).
    pub recovery_ratio: f64,
    /// How far it has come.
    pub phase: Phase,
    /// What a person was asked about it, where somebody had to be.
    pub approval: Option<Approval>,
    /// What people were told of it.
    pub told: Vec<NewsKind>,
    /// Who lifted its hold, where somebody did: its revision may be deployed, blamed and rolled back again.
    pub released: Option<Signature>,
    /// Whether a push was attempted: then it counts for the limits.
    pub attempted: bool,
    /// The commit, once it is on the branch.
    pub commit: Option<String>,
    /// The pull request, where one stands in for the push.
    pub proposal: Option<Proposal>,
    /// What is asked of Argo CD, where the service has an application.
    pub argocd: Option<ArgoOperation>,
    /// The settings of auto-sync, where it was switched off for this: what a person may put back once git is right.
    pub auto_sync_before: Option<serde_json::Value>,
    /// When it took effect.
    pub effective_at: Option<DateTime<Utc>>,
    /// Whether it was begun because the service was gone: then the pods have to be back too.
    pub outage: bool,
    /// Whether the service is proven to fail more since it took effect: what it put back is no target again.
    pub worse: bool,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Every step, in the order of the walk: what was done, and what is still to be taken.
    pub steps: Vec<Step>,
    /// What people are told of it; nothing where an older version began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<RollbackWords>,
}

/// What a rollback takes back and what it leaves. Empty where all that came after the restored revision goes back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoesBack {
    /// Content of the watched paths at the tip when it was judged; empty where it is that of the bad revision.
    pub tip_state: String,
    /// The later changes that stay, newest first.
    pub keeps: Vec<String>,
    /// Every commit that is taken back, newest first.
    pub undone: Vec<Undone>,
}

impl GoesBack {
    /// Takes over what was planned.
    pub fn of(plan: &Plan) -> Self {
        let tip_state = if plan.tip_state == plan.from_state {
            String::new()
        } else {
            plan.tip_state.clone()
        };
        Self {
            tip_state,
            keeps: plan.keeps.clone(),
            undone: plan.undone.clone(),
        }
    }
}

/// A pull request that a person may merge or close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The branch with the commit. It is written down before anything of it is made.
    pub branch: String,
    /// The pull request's number, once it is known.
    pub number: Option<u64>,
    /// Where a person sees it.
    pub url: Option<String>,
    /// Why this program is closing it, written down before it does: else a person closed it.
    pub closing: Option<ClosingReason>,
}

/// Why a pull request is closed by this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosingReason {
    /// Nobody merged it in time.
    Expired,
    /// The branch moved on.
    Overtaken,
}

/// What is asked of Argo CD. All that a later run needs to know the operation again, so that nothing is asked for
/// twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgoOperation {
    /// The application.
    pub application: String,
    /// The account that asks, as Argo CD calls it.
    pub user: String,
    /// The commits at which the bad revision is in effect: an operation on one of them stands in the way.
    pub bad_revisions: Vec<String>,
    /// The history entry to go back to, and its revisions; nothing where the branch is put back first.
    pub entry: Option<HistoryTarget>,
    /// When it was asked for last, written down before it is sent.
    pub asked_at: Option<DateTime<Utc>>,
    /// Whether Argo CD accepted what was asked for last: then it is not asked for again, whatever is seen of it.
    #[serde(default)]
    pub accepted: bool,
    /// Whether the operation that deployed the bad revision was told to end.
    pub terminated: bool,
}

/// An entry of Argo CD's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryTarget {
    /// Its id.
    pub id: i64,
    /// Its revisions, one for each source.
    pub revisions: Vec<String>,
}

impl Rollback {
    /// Begins a rollback of which nothing else is known or done yet. `recovery_ratio` is the error ratio under which
    /// the burn has stopped (0..1). It puts the branch back, until [`Self::walks`] says otherwise.
    pub fn begin(
        id: String,
        origin: Origin,
        why: String,
        begun_at: DateTime<Utc>,
        recovery_ratio: f64,
    ) -> Self {
        let mut rollback = Self {
            id,
            origin,
            why,
            subject: String::new(),
            from: String::new(),
            from_state: String::new(),
            goes_back: GoesBack::default(),
            to: String::new(),
            to_state: String::new(),
            tip: String::new(),
            place: String::new(),
            message: String::new(),
            begun_at,
            recovery_ratio,
            phase: Phase::Begun,
            approval: None,
            told: Vec::new(),
            released: None,
            attempted: false,
            commit: None,
            proposal: None,
            argocd: None,
            auto_sync_before: None,
            effective_at: None,
            outage: false,
            worse: false,
            ended_at: None,
            steps: Vec::new(),
            words: None,
        };
        rollback.walks(None);
        rollback
    }

    /// Lays the steps out in the order in which the branch and the application are put back; nothing where no
    /// application is configured. What is known of a step stays known.
    pub fn walks(&mut self, order: Option<Order>) {
        let steps = steps(order).iter().map(|step| {
            let known = self.steps.iter().find(|known| known.step == *step);
            known.cloned().unwrap_or(Step {
                step: *step,
                state: StepState::Planned,
                at: self.begun_at,
                detail: String::new(),
            })
        });
        self.steps = steps.collect();
    }

    /// Returns the steps that were taken, whatever came of them.
    pub fn taken(&self) -> impl DoubleEndedIterator<Item = &Step> {
        let steps = self.steps.iter();
        steps.filter(|step| step.state != StepState::Planned)
    }

    /// Returns what was written down last, the later step of two in the same second.
    pub fn latest(&self) -> Option<&Step> {
        self.taken().max_by_key(|step| step.at)
    }

    /// Tells whether a step is part of the walk. One that failed is not: the walk ends there, or another step takes its
    /// place.
    pub fn takes(&self, step: StepKind) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|known| known.step == step && known.state != StepState::Failed)
    }

    /// Tells whether the application is put back before its branch.
    pub fn rolls_back_first(&self) -> bool {
        self.takes(StepKind::ArgocdRollback) && self.puts_the_branch_back()
    }

    /// Tells whether the branch is put back; else the application alone is.
    pub fn puts_the_branch_back(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|known| known.step == StepKind::GitopsRevert)
    }

    /// Writes down how a step stands, in the place of what was known of it before.
    pub fn note(
        &mut self,
        step: StepKind,
        state: StepState,
        at: DateTime<Utc>,
        detail: impl Into<String>,
    ) {
        let noted = Step {
            step,
            state,
            at,
            detail: detail.into(),
        };
        match self.steps.iter_mut().find(|known| known.step == step) {
            Some(known) => *known = noted,
            None => self.steps.push(noted),
        }
    }

    /// Tells whether a step was seen to be done.
    pub fn is_done(&self, step: StepKind) -> bool {
        self.steps
            .iter()
            .any(|known| known.step == step && known.state == StepState::Done)
    }

    /// Tells what a person answered, where somebody was asked.
    pub fn answer(&self) -> Option<ApprovalAnswer> {
        self.approval.as_ref().and_then(|approval| approval.answer)
    }

    /// Moves on to the phase after an event.
    ///
    /// # Errors
    /// An event that cannot happen now leaves the rollback as it is.
    pub fn see(&mut self, event: Event, at: DateTime<Utc>) -> Result<(), IllegalEvent> {
        self.phase = next(self.phase, event)?;
        if !self.phase.is_in_flight() {
            self.ended_at = Some(at);
            if let Some(words) = &mut self.words {
                words.diff = None;
            }
        }
        Ok(())
    }
}

impl State {
    /// Returns the memory of one service, empty where there is none.
    pub fn service(&self, key: &str) -> ServiceState {
        self.services.get(key).cloned().unwrap_or_default()
    }

    /// Returns the bad revisions of all rollbacks since a moment that were attempted.
    pub(super) fn rolled_back_since(&self, since: DateTime<Utc>) -> BTreeSet<String> {
        let all = self
            .services
            .values()
            .flat_map(|service| &service.rollbacks);
        let attempted = all.filter(|past| past.attempted);
        let recent = attempted.filter(|past| past.effective_at.unwrap_or(past.begun_at) >= since);
        recent.map(|past| past.from.clone()).collect()
    }

    /// Forgets the oldest rollbacks beyond [`MAX_KEPT`], and those beyond [`MAX_AGE`] and [`MIN_KEPT`]; what is in
    /// flight stays. Many services keep fewer each, so that the file stays readable: [`MAX_TOTAL`].
    pub(super) fn forget(&mut self) {
        let share = MAX_TOTAL / self.services.len().max(1);
        let services = self.services.len();
        let least = (MOST_TOTAL / services.max(1)).clamp(LEAST_KEPT, MIN_KEPT);
        let most = share.clamp(least, MAX_KEPT);
        for service in self.services.values_mut() {
            service.forget(most, least, services);
        }
    }
}

impl ServiceState {
    /// Returns the rollback that an earlier run did not finish, or the plan that waits for a person.
    pub fn in_flight(&self) -> Option<&Rollback> {
        self.unfinished().or_else(|| self.pending())
    }

    /// Returns the rollback that an earlier run began and did not finish.
    pub fn unfinished(&self) -> Option<&Rollback> {
        let is_it = |past: &&Rollback| past.phase.is_in_flight() && past.phase != Phase::Awaiting;
        self.rollbacks.iter().find(is_it)
    }

    /// Returns the plan that waits for a person; nothing of it was begun.
    pub fn pending(&self) -> Option<&Rollback> {
        let is_it = |past: &&Rollback| past.phase == Phase::Awaiting;
        self.rollbacks.iter().find(is_it)
    }

    /// Adds what is remembered elsewhere; what is known here stays as it is.
    pub fn adopt(&mut self, found: &[Rollback], history: RecoveredHistory) {
        for rollback in found {
            let known = self
                .rollbacks
                .iter_mut()
                .find(|known| known.id == rollback.id);
            match known {
                None => self.rollbacks.push(rollback.clone()),
                // An older generation knows the plan, and the branch knows that it was carried out.
                Some(known) if known.phase == Phase::Awaiting => *known = rollback.clone(),
                Some(_) => {}
            }
        }
        self.rollbacks.sort_by_key(|past| past.begun_at);
        self.recovered_from = Some(history);
    }

    /// Forgets what the memory of a service that lies alone need not hold: as `State::forget` does for one service.
    pub fn forget_alone(&mut self) {
        self.forget(MAX_KEPT, MIN_KEPT, 1);
    }

    /// Forgets the oldest rollback that has ended. Tells whether there was one.
    pub fn forget_oldest(&mut self) -> bool {
        let ended = |past: &Rollback| !past.phase.is_in_flight();
        match self.rollbacks.iter().position(ended) {
            Some(at) => {
                self.rollbacks.remove(at);
                true
            }
            None => false,
        }
    }

    /// Keeps so many ended rollbacks at most, and so many whatever their age. The watch is as long as so many
    /// services together may have it.
    fn forget(&mut self, most: usize, least: usize, services: usize) {
        if let Some(watch) = &mut self.watch {
            watch.thin_out(services);
        }
        let count = self.rollbacks.len();
        let newest = self.rollbacks.iter().map(|past| past.begun_at).max();
        let is_old = |past: &Rollback| newest.is_some_and(|at| at - past.begun_at > MAX_AGE);
        let mut dropped = 0;
        self.rollbacks.retain(|past| {
            let left = count - dropped;
            let is_too_much = left > most || (left > least && is_old(past));
            let drop = is_too_much && !past.phase.is_in_flight();
            dropped += usize::from(drop);
            !drop
        });
    }

    /// Writes a rollback in the place of what was known of it before.
    pub(super) fn put(&mut self, rollback: &Rollback) {
        match self
            .rollbacks
            .iter_mut()
            .find(|known| known.id == rollback.id)
        {
            Some(known) => *known = rollback.clone(),
            None => self.rollbacks.push(rollback.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(number: usize) -> Rollback {
        Rollback {
            phase: Phase::Recovered,
            attempted: true,
            ended_at: Some(DateTime::UNIX_EPOCH),
            ..Rollback::begin(
                number.to_string(),
                Origin::Automatic,
                String::new(),
                DateTime::UNIX_EPOCH,
                0.01,
            )
        }
    }

    #[test]
    fn forgets_the_oldest_beyond_the_limit_and_nothing_in_flight() {
        let mut rollbacks: Vec<Rollback> = (0..MAX_KEPT + 3).map(ended).collect();
        rollbacks[1].phase = Phase::Verifying;
        let service = ServiceState {
            rollbacks,
            ..ServiceState::default()
        };
        let mut state = State {
            services: BTreeMap::from([("shop/checkout".to_owned(), service)]),
        };
        state.forget();
        let kept = state.service("shop/checkout").rollbacks;
        let ids: Vec<&str> = kept.iter().take(3).map(|past| past.id.as_str()).collect();
        assert_eq!(ids, ["1", "4", "5"]);
        assert_eq!(kept.len(), MAX_KEPT);
    }

    #[test]
    fn many_services_keep_fewer_each() {
        let service = ServiceState {
            rollbacks: (0..MAX_KEPT).map(ended).collect(),
            ..ServiceState::default()
        };
        for (services, kept) in [
            (1, 200),
            (20, 200),
            (40, 100),
            (200, 20),
            (1_000, 20),
            (4_000, 5),
            (10_000, 3),
        ] {
            let named = (0..services).map(|number| (number.to_string(), service.clone()));
            let mut state = State {
                services: named.collect(),
            };
            state.forget();
            assert_eq!(state.service("0").rollbacks.len(), kept, "{services}");
        }
    }

    #[test]
    fn forgets_what_is_much_older_than_the_newest_and_keeps_some_of_it() {
        let mut rollbacks: Vec<Rollback> = (0..MIN_KEPT + 5).map(ended).collect();
        let newest = rollbacks.last_mut().expect("there are some");
        newest.begun_at += MAX_AGE + TimeDelta::seconds(1);
        let service = ServiceState {
            rollbacks,
            ..ServiceState::default()
        };
        let mut state = State {
            services: BTreeMap::from([("shop/checkout".to_owned(), service)]),
        };
        state.forget();
        let kept = state.service("shop/checkout").rollbacks;
        assert_eq!(kept.len(), MIN_KEPT);
        assert_eq!(kept[0].id, "5");
    }
}
