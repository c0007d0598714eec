//! What a run does outside, in the order of `carry_out`, `propose` and `resume`: the intent, the effect, the result.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::promises::Broken;
use super::run::{Driver, Went};
use super::steps::Fault;
use super::world::{Content, Pull, PullState};
use crate::journal::{Event, Journal, Origin, Phase, Proposal, Rollback, StepKind, StepState};
use crate::policy::RollbackMark;
use crate::rollback::resume::held_back;
use crate::slo::Assessment;

/// `RESUME_MAX_AGE`.
const RESUME_MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// `STABILIZATION`, and the slice before it in which pods may still be bad.
const STABILIZATION: TimeDelta = TimeDelta::minutes(2);
const SLICE: TimeDelta = TimeDelta::minutes(1);

/// `VERIFY_DEADLINE`.
const DEADLINE: TimeDelta = TimeDelta::minutes(15);

fn mark(rollback: &Rollback) -> RollbackMark {
    RollbackMark {
        id: rollback.id.clone(),
        from: rollback.from.clone(),
        to: rollback.to.clone(),
        keeps: Vec::new(),
        signature: None,
    }
}

impl Driver {
    /// Goes on with what an earlier run began.
    pub(crate) fn resume(
        &mut self,
        journal: &mut Journal,
        mut rollback: Rollback,
        assessment: &Assessment,
        fault: Fault,
    ) -> Result<Went, Broken> {
        let rollback = &mut rollback;
        let went = match rollback.phase {
            Phase::Proposed => self.follow(journal, rollback, fault)?,
            Phase::Begun if rollback.proposal.is_some() && self.pull(rollback).is_some() => {
                self.sees(journal, rollback, Event::Proposed)?;
                self.follow(journal, rollback, fault)?
            }
            Phase::Begun => self.settle(journal, rollback, assessment, fault)?,
            Phase::Awaiting
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded
            | Phase::Rejected
            | Phase::Expired => Went::On,
        };
        match went {
            Went::On => self.prove(journal, rollback),
            Went::Died => Ok(Went::Died),
        }
    }

    /// Finds out what became of a push, and repeats it where that is still right.
    fn settle(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        assessment: &Assessment,
        fault: Fault,
    ) -> Result<Went, Broken> {
        if fault == Fault::Unreachable {
            return self.waits(journal, rollback, "the server does not answer");
        }
        if self.world.landed(&rollback.id).is_some() {
            self.count("found on the branch");
            let begun_at = rollback.begun_at;
            return self.landed(journal, rollback, begun_at, fault);
        }
        let clock = self.world.clock();
        let age = (clock - rollback.begun_at).to_std().unwrap_or_default();
        if age > RESUME_MAX_AGE {
            self.count("too old");
            self.sees(journal, rollback, Event::TooOld)?;
            return Ok(Went::On);
        }
        if let Some(why) = held_back(&self.settings(), rollback, assessment, clock) {
            self.count("held back when resumed");
            return self.waits(journal, rollback, &why);
        }
        if assessment.burning == Some(true) || rollback.origin == Origin::Manual {
            self.count("repeated");
            return self.put_back(journal, rollback, fault);
        }
        self.sees(journal, rollback, Event::BurnOver)?;
        Ok(Went::On)
    }

    fn waits(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        why: &str,
    ) -> Result<Went, Broken> {
        let clock = self.world.clock();
        rollback.note(StepKind::GitopsRevert, StepState::Pending, clock, why);
        self.writes(journal, rollback)?;
        Ok(Went::On)
    }

    /// Puts the watched paths back, or proposes to.
    pub(crate) fn put_back(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        fault: Fault,
    ) -> Result<Went, Broken> {
        if fault == Fault::Unreachable {
            return self.waits(journal, rollback, "the server does not answer");
        }
        let act = self.act_of(rollback)?;
        let clock = self.world.clock();
        let is_proposal = self.rules.by_pull_request || rollback.proposal.is_some();
        if is_proposal {
            let branch = format!("rollback/{}", rollback.id);
            rollback.proposal.get_or_insert(Proposal {
                branch,
                number: None,
                closing: None,
                url: None,
            });
        } else if self.world.landed(&rollback.id).is_some() {
            return self.landed(journal, rollback, clock, fault);
        }
        if self.world.tip().content != act.from {
            self.sees(journal, rollback, Event::MovedOn)?;
            return Ok(Went::On);
        }
        rollback.attempted |= !is_proposal;
        rollback.note(
            StepKind::GitopsRevert,
            StepState::Intended,
            clock,
            "it is sent",
        );
        self.writes(journal, rollback)?;
        self.promises
            .sends(&act, is_proposal, &self.world, &self.rules)?;
        match fault {
            Fault::BeforeEffect => {
                self.count("died before the effect");
                return Ok(Went::Died);
            }
            Fault::Refused => {
                self.count("refused");
                self.sees(journal, rollback, Event::Refused)?;
                return Ok(Went::On);
            }
            Fault::MovedOn => {
                self.count("the branch moved on");
                let content = self.world.new_content(false);
                self.world.commit(content, None);
                self.sees(journal, rollback, Event::MovedOn)?;
                return Ok(Went::On);
            }
            Fault::None
            | Fault::BeforeIntent
            | Fault::AfterIntent
            | Fault::AfterEffect
            | Fault::AfterRecord
            | Fault::Unreachable => {}
        }
        if is_proposal {
            return self.propose(journal, rollback, act.from, act.to, fault);
        }
        self.world.push(act.to, mark(rollback), rollback.begun_at);
        self.promises.lands(&act, &self.world)?;
        if fault == Fault::AfterEffect {
            self.count("died after the effect");
            return Ok(Went::Died);
        }
        self.landed(journal, rollback, clock, fault)
    }

    fn propose(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        from: Content,
        to: Content,
        fault: Fault,
    ) -> Result<Went, Broken> {
        if self.pull(rollback).is_none() {
            self.world.pulls.push(Pull {
                mark: mark(rollback),
                from,
                to,
                state: PullState::Open,
            });
        }
        if fault == Fault::AfterEffect {
            self.count("died after the effect");
            return Ok(Went::Died);
        }
        self.sees(journal, rollback, Event::Proposed)?;
        Ok(Went::On)
    }

    fn landed(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        effective_at: DateTime<Utc>,
        fault: Fault,
    ) -> Result<Went, Broken> {
        let commit = self.world.landed(&rollback.id);
        rollback.commit = commit.map(|commit| commit.revision.clone());
        rollback.attempted = true;
        rollback.effective_at = Some(effective_at);
        self.sees(journal, rollback, Event::Landed)?;
        if fault == Fault::AfterRecord {
            self.count("died after the record");
            return Ok(Went::Died);
        }
        Ok(Went::On)
    }

    fn pull(&self, rollback: &Rollback) -> Option<&Pull> {
        let mut pulls = self.world.pulls.iter();
        pulls.find(|pull| pull.mark.id == rollback.id)
    }

    /// Looks what became of a pull request.
    fn follow(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
        fault: Fault,
    ) -> Result<Went, Broken> {
        let state = self.pull(rollback).map(|pull| pull.state);
        let Some(state) = state else {
            return Err(format!("the pull request of {} is gone", rollback.id));
        };
        let is_overtaken = self.world.tip().content != self.act_of(rollback)?.from;
        let is_over = rollback.begun_at + self.rules.approval_timeout <= self.world.clock();
        let event = match state {
            PullState::Merged(at) => return self.landed(journal, rollback, at, fault),
            PullState::Closed => Event::Rejected,
            PullState::Open if is_overtaken => Event::MovedOn,
            PullState::Open if is_over => Event::Expired,
            PullState::Open => return self.waits(journal, rollback, "it waits to be merged"),
        };
        let mut pulls = self.world.pulls.iter_mut();
        if let Some(pull) = pulls.find(|pull| pull.mark.id == rollback.id) {
            pull.state = PullState::Closed;
        }
        self.sees(journal, rollback, event)?;
        Ok(Went::On)
    }

    /// Looks whether the burn stopped, once, as `verify` judges it.
    pub(crate) fn prove(
        &mut self,
        journal: &mut Journal,
        rollback: &mut Rollback,
    ) -> Result<Went, Broken> {
        let (Phase::Verifying, Some(effective_at)) = (rollback.phase, rollback.effective_at) else {
            return Ok(Went::On);
        };
        let elapsed = self.world.clock() - effective_at;
        let span = STABILIZATION.min(elapsed - SLICE);
        let is_calm = span >= STABILIZATION && self.world.is_calm(span, rollback.recovery_ratio);
        if is_calm {
            self.sees(journal, rollback, Event::BurnStopped)?;
        } else if elapsed > DEADLINE {
            self.sees(journal, rollback, Event::DeadlinePassed)?;
        } else {
            let clock = self.world.clock();
            rollback.note(StepKind::Verify, StepState::Pending, clock, "not yet");
            self.writes(journal, rollback)?;
        }
        Ok(Went::On)
    }
}
