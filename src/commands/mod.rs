//! The commands: each joins observing, deciding and acting for a list of services.

mod buffered;
mod check;
mod choose;
mod ci_outputs;
mod consent;
mod explain;
mod finished;
mod fleet;
mod history;
mod memories;
mod prepared;
mod rollback;
mod run;
mod runbook;
mod status;
mod together;
mod watch;

pub use ci_outputs::hand_over;
pub use finished::{CommandReport, Finished, Pass, Served};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use tracing::Instrument;

use self::buffered::buffered;
use self::choose::choose;
use self::consent::{Consent, consent};
use self::finished::exit_of;
use self::fleet::FleetView;
use self::prepared::Prepared;
use crate::cli::{Cli, Command, RollbackArgs, RollbackWay, RunArgs, RunbookVerb};
use crate::config::Config;
use crate::doctor::{self, Diagnosis};
use crate::exit::Exit;
use crate::journal::{Journal, Memory};
use crate::log_file::AUDIT;
use crate::metrics::Numbers;
use crate::notifications;
use crate::outcome::Ended;
use crate::record::Heading;
use crate::rollback::{ApprovalCommand, answer};
use crate::service::{self, Service, SetupError, Shared};
use crate::state;
use crate::stop::Signals;
use crate::terminal::Colour;

/// What may change something outside.
#[derive(Debug, Clone, Copy)]
enum ChangingCommand<'a> {
    /// One pass.
    Pass,
    /// A person's rollback, and to what they agreed.
    Rollback(RollbackWay, &'a Consent),
}

/// Everything that keeps clients from being prepared.
#[derive(Debug)]
struct SetupProblems {
    /// By the key of the service.
    problems: Vec<(String, SetupError)>,
    /// How many services there are; where there is one, its key says nothing.
    services: usize,
}

impl fmt::Display for SetupProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (key, error)) in self.problems.iter().enumerate() {
            if place > 0 {
                f.write_str("; ")?;
            }
            if self.services > 1 {
                write!(f, "{key}: ")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// Carries out one command for all services, or the one that is named. `earlier` hears of every pass but the last one
/// where passes are repeated.
pub async fn execute(cli: &Cli, configs: &[Config], earlier: &mut dyn FnMut(&Pass)) -> Pass {
    let command = cli.what_to_do();
    let chosen = match choose(&command, cli.common.service.as_deref(), configs) {
        Ok(chosen) => chosen,
        Err((exit, why)) => return Pass::refused(exit, why),
    };
    let signals = Signals::listen();
    let everyone: BTreeSet<String> = configs.iter().map(service::key).collect();
    let pass = async || once(&command, &chosen, &everyone, &signals, &Consent::Anything).await;
    match &command {
        Command::Run(RunArgs {
            watch: Some(span),
            every,
        }) => watch::watch(*span, *every, &signals, pass, earlier).await,
        Command::Rollback(arguments) => {
            let colour = cli.common.color;
            by_hand(&command, arguments, &chosen, &signals, colour).await
        }
        Command::Run(RunArgs { watch: None, .. })
        | Command::Check(_)
        | Command::Approve(_)
        | Command::Reject(_)
        | Command::Release(_)
        | Command::Status
        | Command::Explain
        | Command::History
        | Command::Runbook(_)
        | Command::Doctor(_) => pass().await,
        // They are answered before anything is configured.
        Command::Man { .. } | Command::Completions { .. } => Pass::of(Vec::new()),
    }
}

/// Says what looks like a variable of ours and is none. What may roll back does nothing while a switch is misspelt:
/// nobody knows what it was to be.
fn misspelt(command: &Command, configs: &[&Config]) -> Option<String> {
    let all = configs.iter().map(|config| &config.misspelt).next()?;
    for one in all {
        tracing::warn!(variable = one.name, nearest = one.nearest, "{one}");
    }
    let may_change = matches!(command, Command::Run(_) | Command::Rollback(_));
    let stops: Vec<String> = all
        .iter()
        .filter(|one| one.stops && may_change)
        .map(ToString::to_string)
        .collect();
    (!stops.is_empty()).then(|| stops.join("; "))
}

/// Carries out a person's rollback, once they agreed to it. One service is chosen.
async fn by_hand(
    command: &Command,
    arguments: &RollbackArgs,
    configs: &[&Config],
    signals: &Signals,
    colour: Colour,
) -> Pass {
    let [config] = configs else {
        return Pass::of(Vec::new());
    };
    let everyone: BTreeSet<String> = configs.iter().map(|config| service::key(config)).collect();
    let shows = async |shown: &Config| {
        once(command, &[shown], &everyone, signals, &Consent::Anything).await
    };
    match consent(arguments, config, signals, colour, shows).await {
        Ok(consent) => once(command, configs, &everyone, signals, &consent).await,
        Err(ended) => ended,
    }
}

/// Carries out a command once.
async fn once(
    command: &Command,
    configs: &[&Config],
    everyone: &BTreeSet<String>,
    signals: &Signals,
    consent: &Consent,
) -> Pass {
    if let Some(why) = misspelt(command, configs) {
        return Pass::refused(Exit::Configuration, why);
    }
    let prepared = match prepare(command, configs, signals) {
        Ok(prepared) => prepared,
        Err(problems) => return Pass::refused(Exit::Configuration, problems.to_string()),
    };
    match command {
        Command::Run(_) => remembering(&prepared, ChangingCommand::Pass, everyone).await,
        Command::Rollback(rollback) => {
            let command = ChangingCommand::Rollback(rollback.way, consent);
            remembering(&prepared, command, everyone).await
        }
        Command::Check(check) => {
            memories::look(&prepared).await;
            together::look(&prepared).await;
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, check::check(service, heading, check))
                    .await
                    .into()
            };
            each(&prepared, look).await
        }
        Command::Approve(word) => say(&prepared, ApprovalCommand::Approve, word).await,
        Command::Reject(word) => say(&prepared, ApprovalCommand::Reject, word).await,
        Command::Release(word) => say(&prepared, ApprovalCommand::Release, word).await,
        Command::Status => {
            memories::look(&prepared).await;
            together::look(&prepared).await;
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, status::status(service, heading)).await
            };
            each(&prepared, look).await
        }
        Command::History => {
            memories::look(&prepared).await;
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, history::history(service, heading)).await
            };
            each(&prepared, look).await
        }
        Command::Explain => {
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                unless_told(service, explain::explain(service, heading)).await
            };
            each(&prepared, look).await
        }
        Command::Man { .. } | Command::Completions { .. } => Pass::of(Vec::new()),
        Command::Runbook(wanted) => {
            let look = async |it: &Prepared<'_>| match &wanted.verb {
                RunbookVerb::Check(_) => {
                    unless_told(&it.service, async { runbook::check(it) }).await
                }
                RunbookVerb::Show(_) => runbook::show(it),
                // It is printed before anything is configured.
                RunbookVerb::Schema => runbook::nothing(),
            };
            each(&prepared, look).await
        }
        Command::Doctor(wanted) if wanted.print_rbac => role(&prepared),
        Command::Doctor(wanted) => {
            let look = async |Prepared { service, heading }: &Prepared<'_>| {
                let looking = doctor::doctor(service, heading, wanted.send_test);
                unless_told(service, async { diagnosed(looking.await) }).await
            };
            each(&prepared, look).await
        }
    }
}

async fn say(
    prepared: &[Prepared<'_>],
    word: ApprovalCommand,
    said: &crate::cli::ApprovalArgs,
) -> Pass {
    each(prepared, async |it: &Prepared<'_>| {
        match answer(
            &it.service,
            word,
            &said.id,
            &said.by,
            said.reason.as_deref(),
        ) {
            Ok(said) => Finished {
                exit: Exit::Complete,
                report: Some(CommandReport::Said(Box::new(said))),
                complaint: None,
            },
            Err(ended) => (*ended).into(),
        }
    })
    .await
}

/// Does the same for every service.
async fn each(prepared: &[Prepared<'_>], look: impl AsyncFn(&Prepared<'_>) -> Finished) -> Pass {
    let looks = prepared
        .iter()
        .map(|it| async { served(it, look(it).instrument(span(it)).await) });
    Pass::of(buffered(looks).await)
}

/// Prepares the clients of all services; sends nothing.
///
/// # Errors
/// Fails with everything that is wrong, at once.
fn prepare<'a>(
    command: &Command,
    configs: &[&'a Config],
    signals: &Signals,
) -> Result<Vec<Prepared<'a>>, SetupProblems> {
    let run_id = run_id(Utc::now());
    let mut prepared = Vec::new();
    let mut problems = Vec::new();
    let mut shared = Shared::by(configs.len());
    for &config in configs {
        match Service::new(config, signals, &mut shared) {
            Ok(service) => prepared.push(Prepared {
                service: match matches!(command, Command::Explain) {
                    true => service.noting(),
                    false => service,
                },
                heading: Heading {
                    run_id: run_id.clone(),
                    command: name(command),
                    service: config.service.name.to_string(),
                    namespace: config.service.namespace.to_string(),
                    dry_run: config.run.dry_run,
                },
            }),
            Err(error) => problems.push((service::key(config), error)),
        }
    }
    if problems.is_empty() {
        Ok(prepared)
    } else {
        Err(SetupProblems {
            problems,
            services: configs.len(),
        })
    }
}

fn span(prepared: &Prepared<'_>) -> tracing::Span {
    let Prepared { service, heading } = prepared;
    tracing::info_span!("run", run.id = %heading.run_id, slo.name = %service.key)
}

fn served(prepared: &Prepared<'_>, ended: impl Into<Finished>) -> Served {
    Served {
        service: prepared.service.key.clone(),
        ended: ended.into(),
    }
}

/// Runs a command that may change something, with the memory open, and tells people what came of it.
async fn remembering(
    prepared: &[Prepared<'_>],
    command: ChangingCommand<'_>,
    everyone: &BTreeSet<String>,
) -> Pass {
    let (mut memories, shared) = match memories::opened(prepared).await {
        Ok(opened) => opened,
        Err(ended) => return Pass::refused(ended.exit, ended.complaint.unwrap_or_default()),
    };
    let mut fleet = None;
    let mut looked: BTreeMap<&str, run::Looked> = BTreeMap::new();
    if matches!(command, ChangingCommand::Pass) {
        let known = prepared.iter().zip(&memories);
        let known = known.filter_map(|(it, remembers)| {
            let (memory, _) = remembers.as_ref().ok()?;
            Some((&it.service, memory))
        });
        fleet = together::observe(known).await;
    }
    if let Some(fleet) = fleet.as_mut().filter(|fleet| fleet.is_wide()) {
        // Whether it is one release is known once each that burns was looked at.
        let burning = prepared.iter().zip(&mut memories);
        let burning = burning.filter(|(it, _)| fleet.burns(&it.service.key));
        let looks = burning.map(|(it, remembers)| {
            let key = it.service.key.as_str();
            async move {
                let looked = match remembers {
                    Ok((memory, _)) => run::look(&it.service, &it.heading, memory).await,
                    Err(_) => return None,
                };
                Some((key, looked))
            }
            .instrument(span(it))
        });
        looked.extend(buffered(looks).await.into_iter().flatten());
        let suspects: Vec<Option<String>> = prepared
            .iter()
            .filter_map(|it| Some((it, looked.get(it.service.key.as_str())?)))
            .map(|(it, looked)| looked.suspect(&it.service))
            .collect();
        fleet.suspects(&suspects);
    }
    let runs = prepared.iter().zip(memories).map(|(it, remembers)| {
        let fleet = fleet.as_ref();
        let looked = looked.remove(it.service.key.as_str());
        async move {
            match remembers {
                Ok((memory, damage)) => act(command, it, memory, damage, looked, fleet).await,
                Err(ended) => (*ended, None),
            }
        }
        .instrument(span(it))
    });
    let mut all = Vec::new();
    let mut numbers = Vec::new();
    for (it, (ended, told)) in prepared.iter().zip(buffered(runs).await) {
        all.push(served(it, ended));
        numbers.extend(told.map(|told| (&it.service, told)));
    }
    if let Some(Memory::Writable(mut journal)) = shared {
        if matches!(command, ChangingCommand::Pass) {
            tell_of_the_left(&journal, everyone);
        }
        if matches!(command, ChangingCommand::Pass) {
            together::keep_periods(prepared, &mut journal).await;
        }
        notifications::hand_on(&mut journal, numbers).await;
        if let Err(error) = journal.write_what_is_due() {
            tracing::warn!(error = %error, "the tip of the branch could not be written to the state; the next run looks again");
        }
    }
    Pass::of(all)
}

/// Tells of rollbacks that were begun and are not finished, of services that nobody names any more: they go on once
/// their settings are back.
fn tell_of_the_left(journal: &Journal, everyone: &BTreeSet<String>) {
    for (service, rollback) in journal.unfinished() {
        if !everyone.contains(&service) {
            tracing::error!(
                target: AUDIT,
                { slo.name = %service, rollback.id = %rollback },
                "rollback {rollback} of {service} is not finished and no file of SERVICES_DIR names that service any more; put \
                 its file back until the rollback is over, or look after it by hand"
            );
        }
    }
}

async fn act(
    command: ChangingCommand<'_>,
    Prepared { service, heading }: &Prepared<'_>,
    mut memory: Memory,
    damage: Option<String>,
    looked: Option<run::Looked>,
    fleet: Option<&FleetView>,
) -> (Ended, Option<Numbers>) {
    if service.stop.is_over() {
        return (run::out_of_time(), None);
    }
    let ended = match command {
        ChangingCommand::Pass => {
            let looked = match looked {
                Some(looked) => looked,
                None => run::look(service, heading, &mut memory).await,
            };
            run::act(service, heading, &mut memory, looked, fleet).await
        }
        ChangingCommand::Rollback(RollbackWay::Gitops, consent) => {
            rollback::gitops(service, heading, &mut memory, consent).await
        }
        ChangingCommand::Rollback(RollbackWay::Argocd, consent) => {
            rollback::argocd(service, heading, &mut memory, consent).await
        }
    };
    let numbers = match &mut memory {
        Memory::Writable(journal) => {
            notifications::at_the_end(service, journal, &ended, damage.as_deref()).await
        }
        Memory::ReadOnly(_) => None,
    };
    (ended, numbers)
}

/// Prints the rights that the settings and the runbooks need; nothing is asked for that.
fn role(prepared: &[Prepared<'_>]) -> Pass {
    let Some(first) = prepared.first() else {
        return Pass::of(Vec::new());
    };
    let keys: Vec<String> = prepared.iter().map(|it| it.service.key.clone()).collect();
    let configs = prepared.iter().map(|it| it.service.config);
    let runbooks = configs.filter_map(|config| {
        let runbook = config.runbook.as_ref()?;
        Some((&*runbook.runbook, config.service.namespace.as_str()))
    });
    let roles = [
        state::role(&first.service.config.state, &keys),
        doctor::runbook_roles(runbooks),
    ];
    let roles: Vec<String> = roles.into_iter().flatten().collect();
    match roles.is_empty() {
        false => Pass::of(vec![served(
            first,
            Finished {
                exit: Exit::Complete,
                report: Some(CommandReport::Role(roles.join("---\n"))),
                complaint: None,
            },
        )]),
        true => Pass::refused(
            Exit::Configuration,
            "no rights in Kubernetes are needed: STATE is file, and no RUNBOOK_FILE names an object; set STATE=kubernetes or \
             RUNBOOK_FILE for the Roles that they would need"
                .to_owned(),
        ),
    }
}

/// Ends what only looks as soon as it is told to.
async fn unless_told<T: From<Ended>>(service: &Service<'_>, looking: impl Future<Output = T>) -> T {
    tokio::select! {
        // First, so that a command that was told to end begins with no other service.
        biased;
        () = service.stop.told() => run::told_to_end().into(),
        ended = looking => ended,
    }
}

fn diagnosed(diagnosis: Diagnosis) -> Finished {
    Finished {
        exit: exit_of(diagnosis.worst),
        complaint: diagnosis.complaint(),
        report: Some(CommandReport::Diagnosis(Box::new(diagnosis))),
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
        Command::Explain => "explain",
        Command::History => "history",
        Command::Runbook(_) => "runbook",
        Command::Man { .. } => "man",
        Command::Completions { .. } => "completions",
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
