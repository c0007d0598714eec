//! The last step of a rollback: the proof that the burn stopped.

use super::{Proof, Seen, watch};
use crate::journal::{Event, Phase, StepName, StepState, now};
use crate::rollback::execution::Execution;

impl Execution<'_> {
    /// Looks whether the burn stopped, where the commit is on the branch.
    pub(crate) async fn prove(&mut self) {
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
}
