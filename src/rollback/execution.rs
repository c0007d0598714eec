//! A rollback under way: every step written down as it is taken. From the recorded intent on, every failure is an
//! outcome.

use super::intent::first_record;
use crate::exit::Exit;
use crate::journal::{Event, Journal, JournalError, Phase, Rollback, StepKind, StepState, now};
use crate::log_file::AUDIT;
use crate::outcome::{Ended, Unavailable};
use crate::policy::Reason;
use crate::record::Record;
use crate::service::Service;
use crate::stop::Stop;

/// A rollback under way, with the journal in which every step is written down.
pub(crate) struct Execution<'a> {
    pub(crate) service: &'a Service<'a>,
    pub(crate) journal: &'a mut Journal,
    pub(crate) rollback: Rollback,
    trouble: Option<String>,
    /// What the commit changes, where this run looked.
    pub(crate) diff: Option<String>,
    /// When this run stops looking whether something came about.
    pub(crate) stop: Stop,
}

impl<'a> Execution<'a> {
    pub(crate) fn new(
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

    /// Writes the intent down.
    ///
    /// # Errors
    /// Fails where that cannot be written: then nothing may be done.
    pub(crate) fn begin(
        service: &'a Service<'a>,
        journal: &'a mut Journal,
        rollback: Rollback,
    ) -> Result<Self, JournalError> {
        first_record(&service.key, journal, &rollback)?;
        Ok(Self::new(service, journal, rollback))
    }

    /// Writes down what a step is about to do, right before it does it, and makes sure that this run still may.
    ///
    /// # Errors
    /// Fails where that cannot be written, or another run has taken over: then it must not be done.
    pub(crate) fn intends(
        &mut self,
        step: StepKind,
        what: impl Into<String>,
    ) -> Result<(), JournalError> {
        self.rollback.note(step, StepState::Intended, now(), what);
        self.journal.put(&self.service.key, &self.rollback)?;
        self.journal.still_holds(&self.service.key)
    }

    /// Writes down what a step waits for: a later run takes it again.
    pub(crate) fn waits(&mut self, step: StepKind, why: impl Into<String>) {
        self.rollback.note(step, StepState::Pending, now(), why);
        self.write_down();
    }

    /// Writes down that a step in the middle of the walk is done: the rollback stays in its phase.
    pub(crate) fn completes(&mut self, step: StepKind, what: impl Into<String>) {
        self.rollback.note(step, StepState::Done, now(), what);
        self.write_down();
    }

    /// Writes down that a step gave way to another one of the walk: the rollback stays in its phase.
    pub(crate) fn gives_way(&mut self, step: StepKind, why: impl Into<String>) {
        self.rollback.note(step, StepState::Failed, now(), why);
        self.write_down();
    }

    /// Writes down how a step ended, and moves the whole rollback to its next phase.
    pub(crate) fn ends(&mut self, step: StepKind, state: StepState, event: Event, detail: String) {
        let at = now();
        self.rollback.note(step, state, at, detail);
        if let Err(illegal) = self.rollback.see(event, at) {
            self.is_in_trouble(illegal.to_string());
        }
        self.write_down();
    }

    fn write_down(&mut self) {
        if let Some(step) = self.rollback.latest() {
            let (name, state) = (step.step.as_str(), step.state.as_str());
            tracing::info!(target: AUDIT, { rollback.id = %self.rollback.id, step = name, state, detail = %step.detail }, "step");
        }
        if let Err(error) = self.journal.put(&self.service.key, &self.rollback) {
            self.is_in_trouble(error.to_string());
        }
    }

    pub(crate) fn is_in_trouble(&mut self, why: String) {
        tracing::warn!(target: AUDIT, { rollback.id = %self.rollback.id, error = %why }, "the audit record could not be written");
        self.trouble.get_or_insert(why);
    }

    /// Ends the run with what became of the rollback.
    pub(crate) fn ended(self, record: Record, outage: Option<Unavailable>) -> Ended {
        let rollback = &self.rollback;
        let last = rollback.latest().map_or("", |step| step.detail.as_str());
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
        if let Some(Unavailable { source, why }) = &outage {
            record = record.not_knowing(source, why.clone());
        }
        let (exit, complaint) = match rollback.phase.trouble(rollback.worse) {
            Some(how) => (
                Exit::PersonNeeded,
                Some(format!("rollback {} {how}: {last}", rollback.id)),
            ),
            None => (Exit::Complete, None),
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

    /// Takes over what the journal knows of the telling, which goes on beside the rollback.
    pub(crate) fn knows_what_was_told(&mut self) {
        let state = self.journal.service(&self.service.key);
        let known = state.rollbacks.into_iter();
        if let Some(known) = known.into_iter().find(|known| known.id == self.rollback.id) {
            self.rollback.told = known.told;
        }
    }
}
