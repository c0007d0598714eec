//! The walk over the steps of a rollback. Each step looks first how far it is, does what is left, and says whether
//! the next one follows; a run that goes on with an earlier one's rollback is the same walk. Which steps there are,
//! and in which order, the rollback says; [`policy::steps`](crate::policy::steps) laid them out. What a step does is in
//! its own file under `steps/`.
//!
//! A step goes on at once where it is done already. Else it looks, asks [`Stop`](crate::stop::Stop) whether there is
//! time for an effect, has the execution write down what it intends, acts once, looks again, and has the execution
//! write down that it is done, or what it waits for. What a step has not written down is not in the journal.

use super::execution::Execution;
use crate::clients::git::{Git, Snapshot};
use crate::notifications;
use crate::outcome::{Ended, Unavailable};
use crate::policy::StepKind;
use crate::record::Record;

/// What the steps have at hand.
pub(crate) struct Reach<'a> {
    /// The repository; nothing where the application alone is rolled back.
    pub(crate) git: Option<&'a Git>,
    /// The branch as it was judged, for the first step that reads it.
    pub(crate) snapshot: Option<Snapshot>,
    /// Whether Argo CD may be asked for a rollback; else it is only looked at.
    pub(crate) may_ask: bool,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// It is done, as far as this run can tell: the next one follows.
    On,
    /// It is not, and this run waits for it no longer. The steps that wait for the effect are taken all the same, so
    /// each of them looks at the phase first.
    Nowhere,
}

impl Execution<'_> {
    /// Takes the steps that put something back, as far as they are not done. Returns what could not be reached.
    pub(crate) async fn act(&mut self, mut reach: Reach<'_>) -> Option<Unavailable> {
        self.walk(StepKind::changes, &mut reach).await.err()
    }

    /// Takes the steps that wait for the effect, up to the proof that the burn stopped, and ends the run.
    pub(crate) async fn finish(
        mut self,
        git: Option<&Git>,
        record: Record,
        outage: Option<Unavailable>,
    ) -> Ended {
        // Whoever is on call hears of it while it is being proven.
        let so_far = record.clone().with_rollback(&self.rollback);
        let mut underway = notifications::at_once(self.service, self.journal, &so_far).await;
        self.knows_what_was_told();
        let mut reach = Reach {
            git,
            snapshot: None,
            may_ask: false,
        };
        let waits = |step: StepKind| !step.changes() && step != StepKind::Verify;
        let outage = match outage {
            Some(outage) => Some(outage),
            None => match self.walk(waits, &mut reach).await {
                Ok(Went::On) => {
                    notifications::collect_soon(self.service, self.journal, &mut underway).await;
                    self.take(StepKind::Verify, &mut reach).await.err()
                }
                Ok(Went::Nowhere) => None,
                Err(outage) => Some(outage),
            },
        };
        notifications::collect(self.service, self.journal, underway).await;
        self.knows_what_was_told();
        self.ended(record, outage)
    }

    async fn walk(
        &mut self,
        wanted: impl Fn(StepKind) -> bool,
        reach: &mut Reach<'_>,
    ) -> Result<Went, Unavailable> {
        let mut taken = Vec::new();
        loop {
            // A step may give way to another: what Argo CD will not do is left to the branch.
            let steps = self.rollback.steps.iter().map(|known| known.step);
            let mut left = steps.filter(|step| self.rollback.takes(*step));
            let Some(step) = left.find(|step| wanted(*step) && !taken.contains(step)) else {
                return Ok(Went::On);
            };
            taken.push(step);
            if self.take(step, reach).await? == Went::Nowhere {
                return Ok(Went::Nowhere);
            }
        }
    }

    async fn take(&mut self, step: StepKind, reach: &mut Reach<'_>) -> Result<Went, Unavailable> {
        match step {
            StepKind::ArgocdRollback => self.roll_application_back(reach).await,
            StepKind::GitopsRevert => self.put_back(reach).await,
            StepKind::ArgocdSync => self.sync_application(reach.git).await,
            StepKind::Verify => self.verify().await,
        }
    }
}
