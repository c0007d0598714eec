//! Finding our own operation again, so that nothing is asked for twice.
//!
//! Argo CD knows no key that makes a request safe to repeat. After an answer that was lost, the application shows
//! whether the request arrived: in what is asked for, in what is under way or was last, and in the history.

use chrono::{DateTime, TimeDelta, Utc};

use super::application::Application;
use super::history::HistoryEntry;
use super::operation::{Initiator, Note, OperationState, Requested};

/// By what our operation is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    /// The account that asked, as Argo CD calls it; see [`super::Argo::account`].
    pub user: String,
    /// The revisions that were asked for, one for each source. Empty if the choice was Argo CD's.
    pub revisions: Vec<String>,
    /// What was written beside it. A sync has one, a rollback cannot have any.
    pub note: Option<Note>,
    /// When it was sent, by our clock.
    pub posted_at: DateTime<Utc>,
    /// How far the clocks may be apart.
    pub skew: TimeDelta,
}

/// Where our operation was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationSighting<'a> {
    /// Asked for; Argo CD has not looked at it.
    Queued,
    /// Under way, waiting for a retry or for a sync window, or being ended.
    Running(&'a OperationState),
    /// Over, well or not: see its phase.
    Finished(&'a OperationState),
    /// Done some time ago; another operation came after it.
    InHistory {
        /// The entry's id.
        id: i64,
    },
    /// Another operation is asked for or under way. Ours did not begin, or failed before that one.
    Another(&'a Requested),
    /// Nowhere. A request that is still on its way may arrive after this look.
    Not,
    /// Something may be ours, and what is needed to tell cannot be read.
    Unclear {
        /// What cannot be told.
        why: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Unclear,
}

impl Application {
    /// Finds our operation. What is surely ours counts before what is unclear, and that before anything else.
    pub fn recognise(&self, ours: &Marker) -> OperationSighting<'_> {
        let state = self.operation_state.as_ref();
        let in_state = state.map_or(Match::No, |state| ours.matches_state(state));
        if let (Some(state), Match::Yes) = (state, in_state) {
            return if state.is_over() {
                OperationSighting::Finished(state)
            } else {
                OperationSighting::Running(state)
            };
        }
        // Once Argo CD looked at it, the state speaks for the request, and it knows the time.
        let queued = self
            .operation
            .as_ref()
            .filter(|_| state.is_none_or(OperationState::is_over));
        let in_queue = queued.map_or(Match::No, |request| ours.matches_request(request));
        if in_queue == Match::Yes {
            return OperationSighting::Queued;
        }
        let Some(history) = &self.history else {
            return OperationSighting::Unclear {
                why: "the history cannot be read",
            };
        };
        let mut in_history = Match::No;
        for entry in history.iter().rev() {
            match ours.matches_entry(entry) {
                Match::Yes => return OperationSighting::InHistory { id: entry.id },
                Match::Unclear => in_history = Match::Unclear,
                Match::No => {}
            }
        }
        if [in_state, in_queue, in_history].contains(&Match::Unclear) {
            return OperationSighting::Unclear {
                why: "an operation that may be ours lacks its account, its revision or its time",
            };
        }
        self.operation
            .as_ref()
            .or_else(|| {
                state
                    .filter(|state| !state.is_over())
                    .map(|state| &state.request)
            })
            .map_or(OperationSighting::Not, OperationSighting::Another)
    }
}

impl Marker {
    fn matches_state(&self, state: &OperationState) -> Match {
        let request = self.matches_request(&state.request);
        request.and(self.matches_time(state.started_at))
    }

    /// Compares what is asked for. A note is written for one operation alone, so it decides where there is one.
    fn matches_request(&self, request: &Requested) -> Match {
        match (&self.note, &request.notes) {
            (Some(note), Some(notes)) if notes.contains(note) => Match::Yes,
            (Some(_), Some(_)) => Match::No,
            (Some(_), None) => Match::Unclear,
            (None, _) => self
                .matches_user(&request.by)
                .and(self.matches_revisions(&request.revisions)),
        }
    }

    fn matches_entry(&self, entry: &HistoryEntry) -> Match {
        let began_at = entry.deploy_started_at.or(entry.deployed_at);
        self.matches_user(&entry.by)
            .and(self.matches_revisions(&entry.revisions))
            .and(self.matches_time(began_at))
    }

    fn matches_user(&self, by: &Initiator) -> Match {
        match by {
            Initiator::User(name) if *name == self.user => Match::Yes,
            Initiator::User(_) | Initiator::Automated => Match::No,
            Initiator::Unknown => Match::Unclear,
        }
    }

    fn matches_revisions(&self, revisions: &[String]) -> Match {
        if self.revisions.is_empty() || revisions.is_empty() {
            Match::Unclear
        } else if self.revisions == revisions {
            Match::Yes
        } else {
            Match::No
        }
    }

    /// Compares whole seconds, because Argo CD keeps no others.
    fn matches_time(&self, began_at: Option<DateTime<Utc>>) -> Match {
        let earliest = self
            .posted_at
            .checked_sub_signed(self.skew)
            .unwrap_or(DateTime::<Utc>::MIN_UTC);
        match began_at {
            None => Match::Unclear,
            Some(time) if time.timestamp() >= earliest.timestamp() => Match::Yes,
            Some(_) => Match::No,
        }
    }
}

impl Match {
    /// Both must match; one that surely does not settles it.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unclear, _) | (_, Self::Unclear) => Self::Unclear,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

#[cfg(test)]
mod tests;
