//! The walk: the application and the branch are put back in their order, what takes effect is awaited, and the burn must stop.

use super::execution::Execution;
use crate::clients::git::{Git, Snapshot};
use crate::journal::{Event, Order, StepName, StepState};
use crate::notifications;
use crate::outcome::{Ended, Outage};
use crate::policy::short;
use crate::record::Record;

impl Execution<'_> {
    /// Puts the application and the branch back, in the argo_operation's order, as far as that is not done. `may_ask` tells whether
    /// Argo CD may be asked for a rollback; else it is only looked at. Returns what could not be reached.
    pub(crate) async fn act(
        &mut self,
        git: Option<&Git>,
        snapshot: Option<Snapshot>,
        may_ask: bool,
    ) -> Option<Outage> {
        let argo_operation = self.rollback.argocd.as_ref();
        let is_first =
            argo_operation.is_some_and(|argo_operation| argo_operation.order != Order::RevertFirst);
        if is_first && !self.rollback.is_done(StepName::ArgocdRollback) {
            match self.roll_application_back(may_ask).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(outage) => return Some(outage),
            }
        }
        match git {
            Some(git) => self.put_back(git, snapshot).await.map(Outage::from),
            None => {
                let why = format!(
                    "application is rolled back; git still holds {}: revert it there, or the next sync brings it back",
                    short(&self.rollback.from)
                );
                self.ends(
                    StepName::ArgocdRollback,
                    StepState::Done,
                    Event::Landed,
                    why,
                );
                None
            }
        }
    }

    /// Has Argo CD deploy what the branch holds now, proves that the burn stopped, and ends the run.
    pub(crate) async fn finish(
        mut self,
        git: Option<&Git>,
        record: Record,
        outage: Option<Outage>,
    ) -> Ended {
        // Whoever is on call hears of it while it is being proven.
        let so_far = record.clone().with_rollback(&self.rollback);
        let mut underway = notifications::at_once(self.service, self.journal, &so_far).await;
        self.knows_what_was_told();
        let outage = match outage {
            Some(outage) => Some(outage),
            None => match self.takes_effect(git).await {
                Ok(true) => {
                    notifications::collect_soon(self.service, self.journal, &mut underway).await;
                    self.prove().await;
                    None
                }
                Ok(false) => None,
                Err(outage) => Some(outage),
            },
        };
        notifications::collect(self.service, self.journal, underway).await;
        self.knows_what_was_told();
        self.ended(record, outage)
    }
}
