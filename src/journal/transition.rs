//! The life of a rollback: one pure function.

use serde::{Deserialize, Serialize};

/// How far a rollback has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The intent is recorded; the push may or may not have happened.
    Begun,
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
}

impl Phase {
    /// Tells whether a later run still has something to do.
    pub fn is_in_flight(self) -> bool {
        match self {
            Self::Begun | Self::Verifying => true,
            Self::Recovered | Self::Ineffective | Self::Failed | Self::Superseded => false,
        }
    }
}

/// What happened to a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The commit was found on the branch.
    Landed,
    /// The server refused it, or it cannot be built.
    Refused,
    /// Somebody changed the watched paths first.
    MovedOn,
    /// Its intent is too old to be carried out now.
    TooOld,
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
        (Phase::Begun, Event::Landed) => Ok(Phase::Verifying),
        (Phase::Begun, Event::Refused | Event::TooOld) => Ok(Phase::Failed),
        (Phase::Begun, Event::MovedOn) => Ok(Phase::Superseded),
        (Phase::Verifying, Event::BurnStopped) => Ok(Phase::Recovered),
        (Phase::Verifying, Event::DeadlinePassed) => Ok(Phase::Ineffective),
        (
            Phase::Begun
            | Phase::Verifying
            | Phase::Recovered
            | Phase::Ineffective
            | Phase::Failed
            | Phase::Superseded,
            Event::Landed
            | Event::Refused
            | Event::MovedOn
            | Event::TooOld
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
        use Event::{BurnStopped, DeadlinePassed, Landed, MovedOn, Refused, TooOld};
        use Phase::{Begun, Failed, Ineffective, Recovered, Superseded, Verifying};
        let legal = [
            (Begun, Landed, Verifying),
            (Begun, Refused, Failed),
            (Begun, TooOld, Failed),
            (Begun, MovedOn, Superseded),
            (Verifying, BurnStopped, Recovered),
            (Verifying, DeadlinePassed, Ineffective),
        ];
        for phase in [Begun, Verifying, Recovered, Ineffective, Failed, Superseded] {
            for event in [
                Landed,
                Refused,
                MovedOn,
                TooOld,
                BurnStopped,
                DeadlinePassed,
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
