//! The commands: each joins observing, deciding and acting for a list of services.

mod answer;
mod argocd;
mod carry_out;
mod check;
mod deploy;
mod doctor;
mod hand_over;
mod holds;
mod ledger;
mod pass;
mod pending;
mod propose;
mod resume;
mod rollback;
mod service;
mod status;
mod tell;

pub use answer::{Said, Word};
pub use doctor::{Diagnosis, Finding, FindingState};
pub use hand_over::hand_over;
pub use service::{Service, SetupError};
pub use status::{Hold, Limits, PastPart, Pending, Status};

use chrono::{DateTime, Utc};
use tracing::Instrument;

use self::pass::Memory;
use self::tell::Back;
use crate::cli::{Cli, Command, Way};
use crate::config::Config;
use crate::exit::Exit;
use crate::record::{Heading, Record};

/// What a command prints.
#[derive(Debug, Clone)]
pub enum Report {
    /// A decision record.
    Record(Box<Record>),
    /// A status.
    Status(Box<Status>),
    /// What a person said.
    Said(Box<Said>),
    /// What would stop a rollback.
    Diagnosis(Box<Diagnosis>),
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit code.
    pub exit: Exit,
    /// What is printed; nothing where there is nothing but the error.
    pub report: Option<Report>,
    /// One sentence for a person, where something is wrong.
    pub complaint: Option<String>,
    /// A revision that was rolled back and is on the branch again.
    pub(crate) back: Option<Back>,
}

impl Ended {
    pub(crate) fn with(exit: Exit, record: Record) -> Self {
        Self {
            exit,
            report: Some(Report::Record(Box::new(record))),
            complaint: None,
            back: None,
        }
    }

    /// Returns the decision record, where there is one.
    pub fn record(&self) -> Option<&Record> {
        match &self.report {
            Some(Report::Record(record)) => Some(record),
            Some(Report::Status(_) | Report::Said(_) | Report::Diagnosis(_)) | None => None,
        }
    }

    pub(crate) fn complaining(mut self, complaint: impl Into<String>) -> Self {
        self.complaint = Some(complaint.into());
        self
    }

    pub(crate) fn only(exit: Exit, complaint: impl Into<String>) -> Self {
        Self {
            exit,
            report: None,
            complaint: Some(complaint.into()),
            back: None,
        }
    }
}

/// How a command ended for one service.
#[derive(Debug, Clone)]
pub struct Served {
    /// `namespace/service`.
    pub service: String,
    /// How it ended.
    pub ended: Ended,
}

/// Carries out one command.
pub async fn execute(cli: &Cli, config: &Config) -> Ended {
    let command = cli.command.as_ref().unwrap_or(&Command::Run);
    let service = match Service::new(config) {
        Ok(service) => service,
        Err(error) => return Ended::only(Exit::Configuration, error.to_string()),
    };
    let heading = Heading {
        run_id: run_id(Utc::now()),
        command: name(command),
        service: config.service.name.to_string(),
        namespace: config.service.namespace.to_string(),
        dry_run: config.policy.dry_run,
    };
    let span = tracing::info_span!("run", run.id = %heading.run_id, slo.name = %service.key);
    carry_out_command(command, &service, &heading)
        .instrument(span)
        .await
}

/// Runs a command that may change something, with the memory open, and tells people what came of it.
async fn remembering(
    service: &Service<'_>,
    heading: &Heading,
    command: impl AsyncFnOnce(&mut Memory) -> Ended,
) -> Ended {
    let mut memory = match Memory::open(service) {
        Ok(memory) => memory,
        Err(error) => return pass::without_state(&error),
    };
    let damage = memory.damage().map(str::to_owned);
    let ended = command(&mut memory).await;
    if let Memory::Writable(journal) = &mut memory {
        tell::at_the_end(service, heading, journal, &ended, damage.as_deref()).await;
    }
    ended
}

/// Ends what only looks as soon as it is told to.
async fn unless_told(service: &Service<'_>, looking: impl Future<Output = Ended>) -> Ended {
    tokio::select! {
        ended = looking => ended,
        () = service.stop.told() => pass::told_to_end(),
    }
}

async fn carry_out_command(command: &Command, service: &Service<'_>, heading: &Heading) -> Ended {
    match command {
        Command::Run => {
            remembering(service, heading, async |memory: &mut Memory| {
                pass::run(service, heading, memory).await
            })
            .await
        }
        Command::Check(check) => {
            let commit = check.commit.as_deref();
            unless_told(service, check::check(service, heading, commit)).await
        }
        Command::Rollback(rollback) => {
            remembering(
                service,
                heading,
                async |memory: &mut Memory| match rollback.way {
                    Way::Gitops => rollback::gitops(service, heading, memory).await,
                    Way::Argocd => argocd::argocd(service, heading, memory).await,
                },
            )
            .await
        }
        Command::Approve(word) => answer::say(service, Word::Approve, &word.id, &word.by),
        Command::Reject(word) => answer::say(service, Word::Reject, &word.id, &word.by),
        Command::Release(word) => answer::say(service, Word::Release, &word.id, &word.by),
        Command::Status => unless_told(service, status::status(service, heading)).await,
        Command::Doctor => unless_told(service, doctor::doctor(service, heading)).await,
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Run => "run",
        Command::Check(_) => "check",
        Command::Rollback(_) => "rollback",
        Command::Approve(_) => "approve",
        Command::Reject(_) => "reject",
        Command::Release(_) => "release",
        Command::Status => "status",
        Command::Doctor => "doctor",
    }
}

/// Identifies one run in logs and records: when it started, and which process it was.
fn run_id(started_at: DateTime<Utc>) -> String {
    format!(
        "{}-{}",
        started_at.format("%Y%m%dt%H%M%Sz"),
        std::process::id()
    )
}
