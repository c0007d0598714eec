//! Every exit code of the program.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: the pass is complete, or a deploy may go ahead.
    Complete,
    /// 1: a rollback failed, did not help or was refused to a person: a person is needed.
    PersonNeeded,
    /// 1: the gate blocks at warning level.
    BlockedWarning,
    /// 2: the gate blocks at critical level, or because an SLO is violated.
    BlockedCritical,
    /// 3: the gate blocks at emergency level.
    BlockedEmergency,
    /// 4: the gate blocks because the budget cannot be measured.
    BlockedUnknown,
    /// 5: the gate blocks because the commit is on hold or a rollback is in flight.
    BlockedHold,
    /// 1: something may stop a rollback today, or holds it back for a while.
    DoctorWarns,
    /// 2: something would stop a rollback today.
    DoctorObjects,
    /// 64: the arguments are wrong.
    Usage,
    /// 69: Prometheus, git or Argo CD could not be reached or refused; nothing was done.
    Unavailable,
    /// 74: the result could not be written to standard output.
    Unwritten,
    /// 75: another run holds the lock.
    TryAgain,
    /// 78: the configuration or the state cannot be used; no network call was made.
    Configuration,
}

impl Exit {
    /// Returns the number of the contract.
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::PersonNeeded | Self::BlockedWarning | Self::DoctorWarns => 1,
            Self::BlockedCritical | Self::DoctorObjects => 2,
            Self::BlockedEmergency => 3,
            Self::BlockedUnknown => 4,
            Self::BlockedHold => 5,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Unwritten => 74,
            Self::TryAgain => 75,
            Self::Configuration => 78,
        }
    }

    /// Tells which of the exit codes of several services is the program's: the highest one. Only that a person is
    /// needed ranks above all that the next run may mend by itself (69, 75), and a configuration that cannot be used
    /// (78) above everything, because nothing was looked at.
    pub fn rank(self) -> u8 {
        match self {
            Self::PersonNeeded => 77,
            Self::Complete
            | Self::BlockedWarning
            | Self::BlockedCritical
            | Self::BlockedEmergency
            | Self::BlockedUnknown
            | Self::BlockedHold
            | Self::DoctorWarns
            | Self::DoctorObjects
            | Self::Usage
            | Self::Unavailable
            | Self::Unwritten
            | Self::TryAgain
            | Self::Configuration => self.code(),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
