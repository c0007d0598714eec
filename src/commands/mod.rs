//! The commands: each joins observing, deciding and acting for a list of services.

mod answer;
mod argocd;
mod carry_out;
mod check;
mod choose;
mod deploy;
mod doctor;
mod hand_over;
mod holds;
mod journey;
mod ledger;
#[cfg(test)]
mod model;
mod names;
mod pass;
mod pending;
mod propose;
mod resume;
mod rollback;
mod service;
mod status;
mod tell;
mod together;
mod watch;

pub use answer::{Said, Word};
pub use doctor::{Diagnosis, Finding, FindingState};
pub use hand_over::hand_over;
pub use service::{Service, SetupError};
pub use status::{Hold, Limits, PastPart, Pending, Status};

use chrono::{DateTime, Utc};
use tracing::Instrument;

use self::choose::choose;
use self::pass::Memory;
use self::tell::Holds;
use self::together::together;
use crate::cli::{Cli, Command, Run, Way};
use crate::config::Config;
use crate::exit::Exit;
use crate::notify::metrics::Numbers;
use crate::record::{Heading, Record};
use crate::stop::Signals;

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
    /// Whether what was rolled back stays away, as far as this run looked.
    pub(crate) holds: Holds,
}

impl Ended {
    pub(crate) fn with(exit: Exit, record: Record) -> Self {
        Self {
            exit,
            report: Some(Report::Record(Box::new(record))),
            complaint: None,
            holds: Holds::NotLookedAt,
        }
    }

    /// Returns the decision record, where there is one.
    pub fn record(&self) -> Option<&Record> {
        match &self.report {
            Some(Report::Record(record)) => Some(record),
            Some(Report::Status(_) | Report::Said(_) | Report::Diagnosis(_)) | None => None,
        }
    }

    /// Adds what the commit of a rollback changes to the record.
    pub(crate) fn with_diff(mut self, diff: Option<String>) -> Self {
        if let Some(Report::Record(record)) = self.report {
            let record = record.with_diff(diff);
            self.report = Some(Report::Record(Box::new(record)));
        }
        self
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
            holds: Holds::NotLookedAt,
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
    fn of(served: Vec<Served>) -> Self {
        let exits = served.iter().map(|served| served.ended.exit);
        Self {
            exit: exits
                .max_by_key(|exit| exit.rank())
                .unwrap_or(Exit::Complete),
            served,
            complaint: None,
        }
    }

    fn refused(exit: Exit, why: String) -> Self {
        Self {
            exit,
            served: Vec::new(),
            complaint: Some(why),
        }
    }
}

/// What may change something outside.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// One pass.
    Pass,
    /// A person's rollback.
    Rollback(Way),
}

/// A service with what every record of its run has in common.
struct Prepared<'a> {
    service: Service<'a>,
    heading: Heading,
}

/// Carries out one command for all services, or the one that is named. `earlier` hears of every pass but the last one where
/// passes are repeated.
pub async fn execute(cli: &Cli, configs: &[Config], earlier: &mut dyn FnMut(&Pass)) -> Pass {
    let command = cli.what_to_do();
    let chosen = match choose(&command, cli.common.service.as_deref(), configs) {
        Ok(chosen) => chosen,
        Err((exit, why)) => return Pass::refused(exit, why),
    };
    let signals = Signals::listen();
    let pass = async || once(&command, &chosen, &signals).await;
    match &command {
        Command::Run(Run {
            watch: Some(span),
            every,
        }) => watch::watch(*span, *every, &signals, pass, earlier).await,
        Command::Run(Run { watch: None, .. })
        | Command::Check(_)
        | Command::Rollback(_)
        | Command::Approve(_)
        | Command::Reject(_)
        | Command::Release(_)
        | Command::Status
        | Command::Doctor(_) => pass().await,
    }
}

/// Carries out a command once.
async fn once(command: &Command, configs: &[&Config], signals: &Signals) -> Pass {
    let prepared = match prepare(command, configs, signals) {
        Ok(prepared) => prepared,
        Err(why) => return Pass::refused(Exit::Configuration, why),
    };
    match command {
        Command::Run(_) => remembering(&prepared, Deed::Pass).await,
        Command::Rollback(rollback) => remembering(&prepared, Deed::Rollback(rollback.way)).await,
        Command::Check(check) => {
            let commit = check.commit.as_deref();
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, check::check(service, heading, commit)).await
            };
            each(&prepared, look).await
        }
        Command::Approve(word) => say(&prepared, Word::Approve, word).await,
        Command::Reject(word) => say(&prepared, Word::Reject, word).await,
        Command::Release(word) => say(&prepared, Word::Release, word).await,
        Command::Status => {
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, status::status(service, heading)).await
            };
            each(&prepared, look).await
        }
        Command::Doctor(wanted) => {
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, doctor::doctor(service, heading, wanted.send_test)).await
            };
            each(&prepared, look).await
        }
    }
}

async fn say(prepared: &[Prepared<'_>], word: Word, said: &crate::cli::Word) -> Pass {
    each(prepared, async |it: &Prepared<'_>| {
        answer::say(&it.service, word, &said.id, &said.by)
    })
    .await
}

/// Does the same for every service.
async fn each(prepared: &[Prepared<'_>], look: impl AsyncFn(&Prepared<'_>) -> Ended) -> Pass {
    let looks = prepared
        .iter()
        .map(|it| async { served(it, look(it).instrument(span(it)).await) });
    Pass::of(together(looks).await)
}

/// Prepares the clients of all services; sends nothing.
///
/// # Errors
/// Fails with everything that is wrong, at once.
fn prepare<'a>(
    command: &Command,
    configs: &[&'a Config],
    signals: &Signals,
) -> Result<Vec<Prepared<'a>>, String> {
    let run_id = run_id(Utc::now());
    let mut prepared = Vec::new();
    let mut problems = Vec::new();
    for &config in configs {
        match Service::new(config, signals) {
            Ok(service) => prepared.push(Prepared {
                service,
                heading: Heading {
                    run_id: run_id.clone(),
                    command: name(command),
                    service: config.service.name.to_string(),
                    namespace: config.service.namespace.to_string(),
                    dry_run: config.policy.dry_run,
                },
            }),
            Err(error) if configs.len() == 1 => problems.push(error.to_string()),
            Err(error) => problems.push(format!("{}: {error}", service::key(config))),
        }
    }
    if problems.is_empty() {
        Ok(prepared)
    } else {
        Err(problems.join("; "))
    }
}

fn span(prepared: &Prepared<'_>) -> tracing::Span {
    let Prepared { service, heading } = prepared;
    tracing::info_span!("run", run.id = %heading.run_id, slo.name = %service.key)
}

fn served(prepared: &Prepared<'_>, ended: Ended) -> Served {
    Served {
        service: prepared.service.key.clone(),
        ended,
    }
}

/// Runs a command that may change something, with the memory open, and tells people what came of it. All services share one
/// memory and its lock; a dry run only reads it.
async fn remembering(prepared: &[Prepared<'_>], deed: Deed) -> Pass {
    let mut memories = Vec::new();
    let mut shared: Option<Memory> = None;
    for Prepared { service, .. } in prepared {
        let memory = match &shared {
            Some(memory) if !service.config.policy.dry_run => Ok(memory.clone()),
            Some(_) | None => Memory::open(service),
        };
        let memory = match memory {
            Ok(memory) => memory,
            Err(error) => {
                let Ended {
                    exit, complaint, ..
                } = pass::without_state(&error);
                return Pass::refused(exit, complaint.unwrap_or_default());
            }
        };
        if let Memory::Writable(_) = &memory {
            shared = Some(memory.clone());
        }
        // Noted before any service writes, which mends the file.
        let damage = memory.damage();
        memories.push((memory, damage));
    }
    let runs = prepared.iter().zip(memories);
    let runs =
        runs.map(|(it, (memory, damage))| act(deed, it, memory, damage).instrument(span(it)));
    let mut all = Vec::new();
    let mut numbers = Vec::new();
    for (it, (ended, told)) in prepared.iter().zip(together(runs).await) {
        all.push(served(it, ended));
        numbers.extend(told.map(|told| (&it.service, told)));
    }
    if let Some(Memory::Writable(mut journal)) = shared {
        tell::hand_on(&mut journal, numbers).await;
        if let Err(error) = journal.write_what_is_due() {
            tracing::warn!(error = %error, "what was seen of the branch is not written down; the next run sees it anew");
        }
    }
    Pass::of(all)
}

async fn act(
    deed: Deed,
    Prepared { service, heading }: &Prepared<'_>,
    mut memory: Memory,
    damage: Option<String>,
) -> (Ended, Option<Numbers>) {
    if service.stop.is_over() {
        return (pass::out_of_time(), None);
    }
    let ended = match deed {
        Deed::Pass => pass::run(service, heading, &mut memory).await,
        Deed::Rollback(Way::Gitops) => rollback::gitops(service, heading, &mut memory).await,
        Deed::Rollback(Way::Argocd) => argocd::argocd(service, heading, &mut memory).await,
    };
    let numbers = match &mut memory {
        Memory::Writable(journal) => {
            tell::at_the_end(service, journal, &ended, damage.as_deref()).await
        }
        Memory::ReadOnly(_) => None,
    };
    (ended, numbers)
}

/// Ends what only looks as soon as it is told to.
async fn unless_told(service: &Service<'_>, looking: impl Future<Output = Ended>) -> Ended {
    tokio::select! {
        ended = looking => ended,
        () = service.stop.told() => pass::told_to_end(),
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Run(_) => "run",
        Command::Check(_) => "check",
        Command::Rollback(_) => "rollback",
        Command::Approve(_) => "approve",
        Command::Reject(_) => "reject",
        Command::Release(_) => "release",
        Command::Status => "status",
        Command::Doctor(_) => "doctor",
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
