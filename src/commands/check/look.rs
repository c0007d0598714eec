//! What is known of a service beside its measurement; from memory alone where nothing else answered.

use crate::cli;
use crate::evaluation::Known;
use crate::journal::ServiceState;
use crate::policy::{History, Timeline};
use crate::service::{Service, history};

/// Everything that a deploy may have to wait for is found here.
pub(super) struct Look<'a> {
    pub(super) service: &'a Service<'a>,
    pub(super) state: &'a ServiceState,
    pub(super) asked: &'a cli::Check,
    known: Option<&'a Known>,
    ledger: History,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        service: &'a Service<'a>,
        state: &'a ServiceState,
        known: Option<&'a Known>,
        asked: &'a cli::Check,
    ) -> Self {
        let remembered = history(state);
        let timeline = known.and_then(|known| known.branch.timeline());
        let ledger = match known.zip(timeline) {
            Some((known, timeline)) => remembered.joined_with(
                timeline,
                known.observation.evaluated_at,
                service.config.policy.verify_deadline,
            ),
            None => remembered,
        };
        Self {
            service,
            state,
            asked,
            known,
            ledger,
        }
    }

    pub(super) fn timeline(&self) -> Option<&Timeline> {
        self.known.and_then(|known| known.branch.timeline())
    }

    /// Returns the rollback that put a revision on hold, or content equal to it.
    pub(super) fn held_by(&self, named: &str) -> Option<&str> {
        let timeline = self.timeline();
        // A shortened id is looked up among the changes; one of a commit that changes nothing there has to be whole.
        let change = timeline
            .into_iter()
            .flat_map(|timeline| &timeline.changes)
            .find(|change| change.revision.starts_with(named));
        let revision = change.map_or(named, |change| &change.revision);
        let state_there = self
            .known
            .and_then(|known| known.snapshot.as_ref())
            .and_then(|snapshot| snapshot.state_at(revision));
        let held = self
            .ledger
            .held_by(revision, state_there.as_deref(), timeline)?;
        Some(&held.id)
    }
}
