//! The life of a rollback: one pure function.

use serde::{Deserialize, Serialize};

/// How far a rollback has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
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
    /// The branch moved on first; nothing of ours is on it.
    Superseded,
    /// A person closed the pull request; nothing of ours is on the branch.
    Rejected,
    /// Nobody merged the pull request in time; nothing of ours is on the branch.
    Expired,
}

impl Phase {
    /// Tells whether a later run still has something to do.
    pub fn is_in_flight(self) -> bool {
        match self {
            Self::Begun | Self::Proposed | Self::Verifying => true,
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
    /// A pull request with the commit was opened.
    Proposed,
    /// The commit was found on the branch.
    Landed,
    /// The server refused it, or it cannot be built.
    Refused,
    /// Somebody changed the watched paths first.
    MovedOn,
    /// Its intent is too old to be carried out now.
    TooOld,
    /// A person closed the pull request.
    Rejected,
    /// The pull request waited for too long.
    Expired,
    /// The error ratio stayed below the threshold for long enough.
    BurnStopped,
    /// The deadline passed without that proof.
    DeadlinePassed,
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
    match (phase, event) {
        (Phase::Begun, Event::Proposed) => Ok(Phase::Proposed),
        (Phase::Begun | Phase::Proposed, Event::Landed) => Ok(Phase::Verifying),
        (Phase::Begun | Phase::Proposed, Event::Refused) => Ok(Phase::Failed),
        (Phase::Begun, Event::TooOld) => Ok(Phase::Failed),
        (Phase::Begun | Phase::Proposed, Event::MovedOn) => Ok(Phase::Superseded),
        (Phase::Proposed, Event::Rejected) => Ok(Phase::Rejected),
        (Phase::Proposed, Event::Expired) => Ok(Phase::Expired),
        (Phase::Verifying, Event::BurnStopped) => Ok(Phase::Recovered),
        (Phase::Verifying, Event::DeadlinePassed) => Ok(Phase::Ineffective),
        (
            Phase::Begun
            | Phase::Proposed
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded
            | Phase::Rejected
            | Phase::Expired,
            Event::Proposed
            | Event::Landed
            | Event::Refused
            | Event::MovedOn
            | Event::TooOld
            | Event::Rejected
            | Event::Expired
            | Event::BurnStopped
            | Event::DeadlinePassed,
        ) => Err(IllegalEvent { phase, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_phase_and_event_is_as_written_out() {
        let legal = [
            (Phase::Begun, Event::Proposed, Phase::Proposed),
            (Phase::Begun, Event::Landed, Phase::Verifying),
            (Phase::Begun, Event::Refused, Phase::Failed),
            (Phase::Begun, Event::TooOld, Phase::Failed),
            (Phase::Begun, Event::MovedOn, Phase::Superseded),
            (Phase::Proposed, Event::Refused, Phase::Failed),
            (Phase::Proposed, Event::Landed, Phase::Verifying),
            (Phase::Proposed, Event::MovedOn, Phase::Superseded),
            (Phase::Proposed, Event::Rejected, Phase::Rejected),
            (Phase::Proposed, Event::Expired, Phase::Expired),
            (Phase::Verifying, Event::BurnStopped, Phase::Recovered),
            (Phase::Verifying, Event::DeadlinePassed, Phase::Ineffective),
        ];
        for phase in [
            Phase::Begun,
            Phase::Proposed,
            Phase::Verifying,
            Phase::Recovered,
            Phase::Ineffective,
            Phase::Failed,
            Phase::Superseded,
            Phase::Rejected,
            Phase::Expired,
        ] {
            for event in [
                Event::Proposed,
                Event::Landed,
                Event::Refused,
                Event::MovedOn,
                Event::TooOld,
                Event::Rejected,
                Event::Expired,
                Event::BurnStopped,
                Event::DeadlinePassed,
            ] {
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
