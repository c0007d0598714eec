//! The last step of a rollback: the proof that the burn stopped.

use super::{BurnSeen, RecoveryProof, watch};
use crate::journal::{Event, Phase, StepKind, StepState};
use crate::outcome::Unavailable;
use crate::rollback::engine::Went;
use crate::rollback::execution::Execution;

impl Execution<'_> {
    /// Waits until what was put back is healthy, and looks whether the burn stopped.
    pub(crate) async fn verify(&mut self) -> Result<Went, Unavailable> {
        if self.is_healthy().await? == Went::Nowhere {
            return Ok(Went::Nowhere);
        }
        self.prove().await;
        Ok(Went::On)
    }

    async fn prove(&mut self) {
        let (Phase::Verifying, Some(effective_at)) =
            (self.rollback.phase, self.rollback.effective_at)
        else {
            return;
        };
        let verify = &self.service.config.verify;
        let proof = RecoveryProof {
            begun_at: self.rollback.begun_at,
            effective_at,
            recovery_ratio: self.rollback.recovery_ratio,
            outage: self.rollback.outage,
            stabilization: verify.stabilization,
            min_events: self.service.config.policy.min_events,
            min_bad_events: self.service.config.policy.min_bad_events,
            deadline: verify.deadline,
        };
        let (metrics, stop) = (self.service.metrics(), &self.stop);
        let held = self.journal.service(&self.service.key).series_seen;
        let objective = &self.service.config.objective;
        match watch(&metrics, objective, &proof, held.as_ref(), stop).await {
            BurnSeen::BurnStopped(what) => {
                self.ends(StepKind::Verify, StepState::Done, Event::BurnStopped, what)
            }
            BurnSeen::DeadlinePassed(what) => {
                let what = format!("VERIFY_DEADLINE is over: {what}");
                self.ends(
                    StepKind::Verify,
                    StepState::Failed,
                    Event::DeadlinePassed,
                    what,
                );
            }
            BurnSeen::Worse(what) => {
                self.rollback.worse = true;
                let what = format!("it is worse than before: {what}");
                self.ends(StepKind::Verify, StepState::Failed, Event::GotWorse, what);
            }
            BurnSeen::NotYet(what) => self.waits(StepKind::Verify, what),
        }
    }
}
