//! The life of a rollback: one pure function.

use serde::{Deserialize, Serialize};

/// How far a rollback has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is decided, and a person has to agree; nothing was begun.
    Awaiting,
    /// The intent is recorded; the push may or may not have happened.
    Begun,
    /// A pull request with the commit waits to be merged; nothing of ours is on the branch.
    Proposed,
    /// The commit is on the branch; whether it helps is not proven.
    Verifying,
    /// The burn stopped.
    Recovered,
    /// The burn did not stop before the deadline, or that could not be shown.
    Ineffective,
    /// It could not be carried out.
    Failed,
    /// The branch or the service moved on first; nothing of ours is on the branch.
    Superseded,
    /// A person said no, or closed the pull request; nothing of ours is on the branch.
    Rejected,
    /// Nobody agreed, or merged the pull request, in time; nothing of ours is on the branch.
    Expired,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::Awaiting,
        Self::Begun,
        Self::Proposed,
        Self::Verifying,
        Self::Recovered,
        Self::Ineffective,
        Self::Failed,
        Self::Superseded,
        Self::Rejected,
        Self::Expired,
    ];

    /// Tells whether nothing came of it so far: it proves nothing of any revision, and puts none on hold.
    pub fn changed_nothing(self) -> bool {
        match self {
            Self::Awaiting | Self::Proposed | Self::Superseded | Self::Rejected | Self::Expired => {
                true
            }
            Self::Begun | Self::Verifying | Self::Recovered | Self::Ineffective | Self::Failed => {
                false
            }
        }
    }

    /// Tells whether it took effect, or is about to.
    pub fn has_landed(self) -> bool {
        !self.changed_nothing() && self != Self::Failed
    }

    /// Says how it went wrong, where it did: then a person has to look. `made_it_worse` tells whether the service is
    /// proven to fail more since.
    pub fn trouble(self, made_it_worse: bool) -> Option<&'static str> {
        match self {
            Self::Failed => Some("failed"),
            Self::Ineffective if made_it_worse => Some("made it worse"),
            Self::Ineffective => Some("did not help"),
            Self::Awaiting
            | Self::Begun
            | Self::Proposed
            | Self::Verifying
            | Self::Recovered
            | Self::Superseded
            | Self::Rejected
            | Self::Expired => None,
        }
    }

    /// Tells whether a person has to agree before it goes on.
    pub fn waits_for_a_person(self) -> bool {
        matches!(self, Self::Awaiting | Self::Proposed)
    }

    /// Tells whether a later run still has something to do.
    pub fn is_in_flight(self) -> bool {
        match self {
            Self::Awaiting | Self::Begun | Self::Proposed | Self::Verifying => true,
            Self::Recovered
            | Self::Ineffective
            | Self::Failed
            | Self::Superseded
            | Self::Rejected
            | Self::Expired => false,
        }
    }
}

/// What happened to a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A person agreed, and the evidence still holds.
    Approved,
    /// A pull request with the commit was opened.
    Proposed,
    /// The commit was found on the branch.
    Landed,
    /// The server refused it, or it cannot be built.
    Refused,
    /// Somebody changed the watched paths first.
    MovedOn,
    /// The burn was over before anything was done.
    BurnOver,
    /// Its intent is too old to be carried out now.
    TooOld,
    /// A person said no, or closed the pull request.
    Rejected,
    /// The plan or the pull request waited for too long.
    Expired,
    /// The error ratio stayed below the threshold for long enough.
    BurnStopped,
    /// The deadline passed without that proof.
    DeadlinePassed,
    /// It is proven that the service fails more than before.
    GotWorse,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 12] = [
        Self::Approved,
        Self::Proposed,
        Self::Landed,
        Self::Refused,
        Self::MovedOn,
        Self::BurnOver,
        Self::TooOld,
        Self::Rejected,
        Self::Expired,
        Self::BurnStopped,
        Self::DeadlinePassed,
        Self::GotWorse,
    ];
}

/// An event that cannot happen in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rollback that is {phase:?} cannot see {event:?}")]
pub struct IllegalEvent {
    /// The phase.
    pub phase: Phase,
    /// The event.
    pub event: Event,
}

/// Returns the phase after an event.
///
/// # Errors
/// An event that cannot happen in a phase is an error, never a guess.
pub fn next(phase: Phase, event: Event) -> Result<Phase, IllegalEvent> {
    let after = match phase {
        Phase::Awaiting => from_awaiting(event),
        Phase::Begun => from_begun(event),
        Phase::Proposed => from_proposed(event),
        Phase::Verifying => from_verifying(event),
        Phase::Recovered
        | Phase::Ineffective
        | Phase::Failed
        | Phase::Superseded
        | Phase::Rejected
        | Phase::Expired => None,
    };
    after.ok_or(IllegalEvent { phase, event })
}

fn from_awaiting(event: Event) -> Option<Phase> {
    match event {
        Event::Approved => Some(Phase::Begun),
        Event::MovedOn | Event::BurnOver => Some(Phase::Superseded),
        Event::Rejected => Some(Phase::Rejected),
        Event::Expired => Some(Phase::Expired),
        Event::Proposed
        | Event::Landed
        | Event::Refused
        | Event::TooOld
        | Event::BurnStopped
        | Event::DeadlinePassed
        | Event::GotWorse => None,
    }
}

fn from_begun(event: Event) -> Option<Phase> {
    match event {
        Event::Proposed => Some(Phase::Proposed),
        Event::Landed => Some(Phase::Verifying),
        Event::Refused | Event::TooOld => Some(Phase::Failed),
        Event::MovedOn | Event::BurnOver => Some(Phase::Superseded),
        Event::Approved
        | Event::Rejected
        | Event::Expired
        | Event::BurnStopped
        | Event::DeadlinePassed
        | Event::GotWorse => None,
    }
}

fn from_proposed(event: Event) -> Option<Phase> {
    match event {
        Event::Landed => Some(Phase::Verifying),
        Event::Refused => Some(Phase::Failed),
        Event::MovedOn => Some(Phase::Superseded),
        Event::Rejected => Some(Phase::Rejected),
        Event::Expired => Some(Phase::Expired),
        Event::Approved
        | Event::Proposed
        | Event::BurnOver
        | Event::TooOld
        | Event::BurnStopped
        | Event::DeadlinePassed
        | Event::GotWorse => None,
    }
}

fn from_verifying(event: Event) -> Option<Phase> {
    match event {
        Event::BurnStopped => Some(Phase::Recovered),
        Event::DeadlinePassed | Event::GotWorse => Some(Phase::Ineffective),
        Event::Approved
        | Event::Proposed
        | Event::Landed
        | Event::Refused
        | Event::MovedOn
        | Event::BurnOver
        | Event::TooOld
        | Event::Rejected
        | Event::Expired => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_phase_and_event_is_as_written_out() {
        let legal = [
            (Phase::Awaiting, Event::Approved, Phase::Begun),
            (Phase::Awaiting, Event::MovedOn, Phase::Superseded),
            (Phase::Awaiting, Event::BurnOver, Phase::Superseded),
            (Phase::Awaiting, Event::Rejected, Phase::Rejected),
            (Phase::Awaiting, Event::Expired, Phase::Expired),
            (Phase::Begun, Event::Proposed, Phase::Proposed),
            (Phase::Begun, Event::Landed, Phase::Verifying),
            (Phase::Begun, Event::Refused, Phase::Failed),
            (Phase::Begun, Event::TooOld, Phase::Failed),
            (Phase::Begun, Event::MovedOn, Phase::Superseded),
            (Phase::Begun, Event::BurnOver, Phase::Superseded),
            (Phase::Proposed, Event::Refused, Phase::Failed),
            (Phase::Proposed, Event::Landed, Phase::Verifying),
            (Phase::Proposed, Event::MovedOn, Phase::Superseded),
            (Phase::Proposed, Event::Rejected, Phase::Rejected),
            (Phase::Proposed, Event::Expired, Phase::Expired),
            (Phase::Verifying, Event::BurnStopped, Phase::Recovered),
            (Phase::Verifying, Event::DeadlinePassed, Phase::Ineffective),
            (Phase::Verifying, Event::GotWorse, Phase::Ineffective),
        ];
        for phase in Phase::ALL {
            for event in Event::ALL {
                let expected = legal
                    .iter()
                    .find(|(from, on, _)| *from == phase && *on == event)
                    .map(|(_, _, to)| *to)
                    .ok_or(IllegalEvent { phase, event });
                assert_eq!(next(phase, event), expected);
            }
        }
    }
}
