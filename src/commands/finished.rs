//! How a command ended, for one service and for all, and what it prints.

use crate::doctor::{Diagnosis, FindingState, RunbookDiagnosis};
use crate::exit::Exit;
use crate::outcome::Ended;
use crate::record::Record;
use crate::report::{ApprovalReport, ExplainReport, HistoryReport, StatusReport};
use crate::runbook::RunbookShown;
use crate::service::CROWD;

/// What a command prints.
#[derive(Debug, Clone)]
pub enum CommandReport {
    /// A decision record.
    Record(Box<Record>),
    /// A status.
    Status(Box<StatusReport>),
    /// What a person said.
    Said(Box<ApprovalReport>),
    /// What would stop a rollback.
    Diagnosis(Box<Diagnosis>),
    /// What was rolled back and could be gone back to.
    History(Box<HistoryReport>),
    /// What a pass asks.
    Explained(Box<ExplainReport>),
    /// The steps of a runbook.
    Runbook(Box<RunbookShown>),
    /// What of a runbook would fail.
    RunbookChecked(Box<RunbookDiagnosis>),
    /// A Role for the API server, as YAML.
    Role(String),
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code.
    pub exit: Exit,
    /// What is printed; nothing where there is nothing but the error.
    pub report: Option<CommandReport>,
    /// One sentence for a person, where something is wrong.
    pub complaint: Option<String>,
}

impl From<Ended> for Finished {
    fn from(ended: Ended) -> Self {
        Self {
            exit: ended.exit,
            report: ended.record.map(CommandReport::Record),
            complaint: ended.complaint,
        }
    }
}

impl Finished {
    /// Returns the decision record, where there is one.
    pub fn record(&self) -> Option<&Record> {
        match &self.report {
            Some(CommandReport::Record(record)) => Some(record),
            Some(
                CommandReport::Status(_)
                | CommandReport::Said(_)
                | CommandReport::Diagnosis(_)
                | CommandReport::History(_)
                | CommandReport::Explained(_)
                | CommandReport::Runbook(_)
                | CommandReport::RunbookChecked(_)
                | CommandReport::Role(_),
            )
            | None => None,
        }
    }
}

/// How a command ended for one service.
#[derive(Debug, Clone)]
pub struct Served {
    /// `namespace/service`.
    pub service: String,
    /// How it ended.
    pub ended: Finished,
}

/// How a command ended for all services.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The exit code: the worst one of all services.
    pub exit: Exit,
    /// How it ended for each service, in their order.
    pub served: Vec<Served>,
    /// Why no service was served; nothing where any was.
    pub complaint: Option<String>,
}

impl Pass {
    /// Tells whether it served so many services that a line of the log for each that is well would hide the others.
    pub fn is_crowd(&self) -> bool {
        self.served.len() > CROWD
    }

    pub(super) fn of(served: Vec<Served>) -> Self {
        let exits = served.iter().map(|served| served.ended.exit);
        Self {
            exit: exits
                .max_by_key(|exit| exit.rank())
                .unwrap_or(Exit::Complete),
            served,
            complaint: None,
        }
    }

    pub(super) fn refused(exit: Exit, why: String) -> Self {
        Self {
            exit,
            served: Vec::new(),
            complaint: Some(why),
        }
    }
}

/// Returns how a command ends that looked for what is wrong, by the worst that it found.
pub(super) fn exit_of(worst: FindingState) -> Exit {
    match worst {
        FindingState::Ok => Exit::Complete,
        FindingState::Warning => Exit::DoctorWarns,
        FindingState::Problem => Exit::DoctorObjects,
    }
}
