//! What this program has done to a service before, as far as deciding needs it.

use chrono::{DateTime, Duration, Utc};

use super::lifecycle::Phase;
use super::timeline::{Change, Timeline};
use super::trailer::RollbackMark;

/// One rollback that was begun, automatic or by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRollback {
    /// Its id, as in the commit's trailer.
    pub id: String,
    /// The revision that was rolled back.
    pub from: String,
    /// Content of the watched paths at that revision, where it is known.
    pub from_state: Option<String>,
    /// Content of the watched paths at the tip when it was judged, where that is another one.
    pub tip_state: Option<String>,
    /// Later changes that stayed: they are not on hold.
    pub keeps: Vec<String>,
    /// The revision that was restored.
    pub to: String,
    /// When its intent was recorded, or its commit written.
    pub begun_at: DateTime<Utc>,
    /// When it took effect, where that is known: a pull request may be merged long after it was opened.
    pub landed_at: Option<DateTime<Utc>>,
    /// Whether it counts for the limits: true once a push was attempted.
    pub attempted: bool,
    /// How far it came.
    pub phase: Phase,
    /// Whether a person agreed to it.
    pub is_approved: bool,
    /// Whether a person has lifted its hold: it counts for the limits, and stands in nobody's way.
    pub is_released: bool,
    /// Whether the service failed more on what was restored than on what was rolled back.
    pub made_it_worse: bool,
}

impl PastRollback {
    /// Returns the time from which the limits count it: the later of its beginning and its effect.
    pub fn counted_from(&self) -> DateTime<Utc> {
        self.landed_at
            .map_or(self.begun_at, |at| at.max(self.begun_at))
    }

    /// Tells whether what it took away must not come back.
    fn holds(&self) -> bool {
        !self.is_released && !self.phase.changed_nothing()
    }

    /// Tells whether a revision is the one that was rolled back, or content is what was judged bad. A change that
    /// stayed is not.
    fn took(&self, revision: &str, state: Option<&str>) -> bool {
        let is_bad = |known: &Option<String>| state.is_some() && known.as_deref() == state;
        !self.kept(revision)
            && (self.from == revision || is_bad(&self.from_state) || is_bad(&self.tip_state))
    }

    /// Tells whether a later change stayed as it was.
    fn kept(&self, revision: &str) -> bool {
        self.keeps.iter().any(|kept| kept == revision)
    }
}

/// All rollbacks of one service that are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    rollbacks: Vec<PastRollback>,
}

impl History {
    /// Orders the rollbacks by time, oldest first.
    pub fn new(mut rollbacks: Vec<PastRollback>) -> Self {
        rollbacks.sort_by_key(|past| past.begun_at);
        Self { rollbacks }
    }

    /// Adds the rollbacks that only the branch remembers: the larger of journal and trailers counts, so that losing
    /// the state does not reset a limit. Such a rollback counts as verified once it is older than `deadline`.
    pub fn joined_with(&self, timeline: &Timeline, now: DateTime<Utc>, deadline: Duration) -> Self {
        let mut all = self.rollbacks.clone();
        for (index, change) in timeline.changes.iter().enumerate() {
            let Some(mark) = &change.rollback else {
                continue;
            };
            let before = timeline.changes.get(index + 1);
            let phase = if now - change.deployed_at >= deadline {
                Phase::Recovered
            } else {
                Phase::Verifying
            };
            if let Some(known) = all.iter_mut().find(|past| past.id == mark.id) {
                // The commit is there, whatever the journal managed to write down.
                known.attempted = true;
                known.landed_at = known.landed_at.max(Some(change.deployed_at));
                if known.phase.changed_nothing() {
                    known.phase = phase;
                }
                continue;
            }
            let from_state = timeline
                .changes
                .iter()
                .find(|other| other.revision == mark.from)
                .map(|other| other.state.clone());
            all.push(PastRollback {
                id: mark.id.clone(),
                from: mark.from.clone(),
                from_state,
                tip_state: before.map(|before| before.state.clone()),
                keeps: mark.keeps.clone(),
                to: mark.to.clone(),
                begun_at: change.deployed_at,
                landed_at: None,
                attempted: true,
                phase,
                is_approved: false,
                is_released: false,
                made_it_worse: false,
            });
        }
        Self::new(all)
    }

    /// Returns all rollbacks, oldest first.
    pub fn all(&self) -> &[PastRollback] {
        &self.rollbacks
    }

    /// Returns the rollbacks that count for the limits and were begun within `span` before `now`, oldest first. One
    /// that carries a later time than `now` counts as begun now: a clock that went backwards frees no limit.
    pub fn attempted_within(&self, span: Duration, now: DateTime<Utc>) -> Vec<&PastRollback> {
        self.rollbacks
            .iter()
            .filter(|past| {
                past.attempted && (now - past.counted_from()).max(Duration::zero()) < span
            })
            .collect()
    }

    /// Tells whether a change is on hold: its revision or content equal to it was rolled back before, it lies between
    /// a revision that was rolled back and the one that was restored instead, or it is what was restored and made it
    /// worse.
    pub(super) fn holds(&self, timeline: &Timeline, candidate: &Change) -> bool {
        // A change that stayed was made on top of what was bad, and its content holds that.
        let is_mixed = |past: &PastRollback| past.holds() && past.kept(&candidate.revision);
        if self.rollbacks.iter().any(is_mixed) {
            return true;
        }
        self.holding(&candidate.revision, &candidate.state)
            .is_some()
            || self
                .rollbacks
                .iter()
                .filter(|past| past.holds())
                .any(|past| {
                    passed_over(past, timeline, &candidate.revision)
                        || was_worse(past, timeline, candidate)
                })
    }

    /// Returns the rollback that put a revision on hold, or content equal to it, or all between it and the restored
    /// one: one whose commit is on the branch. `revision` may be the beginning of a commit id; what lies between is
    /// known of a whole one only, or of the content there.
    pub fn held_by(
        &self,
        revision: &str,
        state: Option<&str>,
        timeline: Option<&Timeline>,
    ) -> Option<&PastRollback> {
        self.rollbacks.iter().find(|past| {
            let landed = past.phase.has_landed();
            let stayed = past.keeps.iter().any(|kept| kept.starts_with(revision));
            let is_it = past.from.starts_with(revision)
                || past.took(revision, state)
                || timeline.is_some_and(|timeline| {
                    passed_over(past, timeline, revision)
                        || state.is_some_and(|state| content_passed_over(past, timeline, state))
                });
            landed && !past.is_released && !stayed && is_it
        })
    }

    /// Returns the newest rollback that put a revision, or content equal to it, on hold.
    pub fn holding(&self, revision: &str, state: &str) -> Option<&PastRollback> {
        let mut newest_first = self.rollbacks.iter().rev();
        newest_first.find(|past| past.holds() && past.took(revision, Some(state)))
    }

    /// Tells whether a revision, or content equal to it, was rolled back before, released or not.
    pub fn is_rolled_back(&self, revision: &str, state: &str) -> bool {
        self.rollbacks
            .iter()
            .any(|past| !past.phase.changed_nothing() && past.took(revision, Some(state)))
    }
}

/// Tells whether a change is what a rollback restored, by name or content, and the service failed more on it.
fn was_worse(past: &PastRollback, timeline: &Timeline, candidate: &Change) -> bool {
    let is_restored = |change: &Change| {
        let is_ours = |mark: &RollbackMark| mark.id == past.id;
        change.revision == past.to || change.rollback.as_ref().is_some_and(is_ours)
    };
    let mut restored = timeline.changes.iter().filter(|change| is_restored(change));
    past.made_it_worse
        && (is_restored(candidate) || restored.any(|change| change.state == candidate.state))
}

/// Tells whether content is that of a revision between the one that was rolled back and the one that was restored
/// instead: a commit that leaves the watched paths alone would bring it back. What is restored may have been there in
/// between too.
fn content_passed_over(past: &PastRollback, timeline: &Timeline, state: &str) -> bool {
    let is_restored = |change: &Change| {
        let is_ours = |mark: &RollbackMark| mark.id == past.id;
        change.revision == past.to || change.rollback.as_ref().is_some_and(is_ours)
    };
    let mut same = timeline
        .changes
        .iter()
        .filter(|change| change.state == state);
    same.clone().all(|change| !is_restored(change))
        && same.any(|change| passed_over(past, timeline, &change.revision))
}

/// Tells whether a revision lies between the one that was rolled back and the one that was restored instead.
fn passed_over(past: &PastRollback, timeline: &Timeline, revision: &str) -> bool {
    if past.kept(revision) {
        return false;
    }
    let position = |revision: &str| {
        let is_it = |change: &Change| change.revision == revision;
        timeline.changes.iter().position(is_it)
    };
    let newest = position(&past.from);
    let oldest = position(&past.to).unwrap_or(timeline.changes.len());
    newest
        .zip(position(revision))
        .is_some_and(|(newest, here)| newest < here && here < oldest)
}
