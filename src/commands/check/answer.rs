//! The answer: may deploy or blocked, why, and until when.

use super::fix::Fix;
use crate::exit::Exit;
use crate::outcome::Ended;
use crate::record::{GateAnswer, GateAnswerPart, Record};

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) exit: Exit,
    /// Why, as a fragment for people.
    pub(super) why: String,
    /// What ends it; nothing where the deploy may go ahead.
    pub(super) until: Option<String>,
}

impl Answer {
    pub(super) fn may_deploy(why: impl Into<String>) -> Self {
        Self {
            exit: Exit::Complete,
            why: why.into(),
            until: None,
        }
    }

    pub(super) fn blocked(exit: Exit, why: impl Into<String>, until: impl Into<String>) -> Self {
        Self {
            exit,
            why: why.into(),
            until: Some(until.into()),
        }
    }

    /// Blocks because something outside could not be asked.
    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self::blocked(
            Exit::Unavailable,
            format!("how the service stands is not known: {}", why.into()),
            "what is missing can be asked; with GATE_ON_UNKNOWN=allow no deploy waits for Prometheus",
        )
    }

    /// Lets a deploy go ahead although nothing was measured, because the settings say so.
    pub(super) fn not_measured(why: &str) -> Self {
        Self::may_deploy(format!(
            "GATE_ON_UNKNOWN is allow, and nothing is known: {why}"
        ))
    }

    /// Lets the commit through that fixes what burns; says why where the name given with it is no such thing.
    pub(super) fn fixed_by(self, fix: &Fix) -> Self {
        match fix {
            Fix::NotAsked => self,
            Fix::Confirmed(_) if self.exit == Exit::Complete => self,
            Fix::Confirmed(whom) => Self::may_deploy(format!(
                "it is said to fix {whom}; other deploys are blocked: {}",
                self.why
            )),
            Fix::Refused(_) if self.exit == Exit::Complete => self,
            Fix::Refused(why) => self.adding(why),
        }
    }

    pub(super) fn adding(mut self, more: &str) -> Self {
        self.why = format!("{}; {more}", self.why);
        self
    }

    pub(super) fn ended(self, record: Record) -> Ended {
        let Self { exit, why, until } = self;
        let complaint = until
            .as_ref()
            .map(|until| format!("blocked: {why}; until {until}"));
        let answer = match &until {
            Some(_) => GateAnswer::Blocked,
            None => GateAnswer::MayDeploy,
        };
        let record = record.answering(GateAnswerPart { answer, why, until });
        let ended = Ended::with(exit, record);
        match complaint {
            Some(complaint) => ended.complaining(complaint),
            None => ended,
        }
    }
}
