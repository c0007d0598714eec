//! Arguments → configuration → command → exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use error_budget_monitor::cli::{Cli, Command, Output, RunbookArgs, RunbookVerb};
use error_budget_monitor::commands::{CommandReport, Finished, Pass, Served, execute, hand_over};
use error_budget_monitor::config::{CiConfig, Config, LogConfig};
use error_budget_monitor::doctor::{diagnosis as diagnosis_text, runbook_diagnosis};
use error_budget_monitor::exit::Exit;
use error_budget_monitor::log_file::{AUDIT, LogFile};
use error_budget_monitor::notify::Row;
use error_budget_monitor::{manual, notify, runbook, terminal};
use serde::Serialize;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) {
                Exit::Complete
            } else {
                Exit::Usage
            };
            // Where not even the message can be written, the exit code still says it.
            let _ = error.print();
            return exit.into();
        }
    };
    // What says how the program is used needs no configuration.
    if let Some(written) = written_without_configuration(&cli) {
        return written.into();
    }
    // Reading the configuration logs nothing: it says everything at once, as an error.
    let configs = match Config::all_from_env_with(cli.overrides()) {
        Ok(configs) => configs,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            log_to_stderr_and(&cli, None);
            hand_over_to_pipeline(&cli, Exit::Configuration, &[], Some(&error.to_string()));
            return Exit::Configuration.into();
        }
    };
    let log_file = log_file(&cli, &configs);
    log_to_stderr_and(&cli, log_file.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "error-budget-monitor: start the event loop: {error}"
            );
            return Exit::PersonNeeded.into();
        }
    };
    let mut earlier = |pass: &Pass| {
        finish(&cli, pass, TextLength::Briefly);
    };
    let pass = runtime.block_on(execute(&cli, &configs, &mut earlier));
    // A name look-up that hangs must not keep the process alive.
    runtime.shutdown_timeout(Duration::ZERO);
    hand_over_to_pipeline(&cli, pass.exit, &pass.served, pass.complaint.as_deref());
    let is_written = finish(&cli, &pass, TextLength::Whole);
    let lost = log_file.and_then(|log_file| Some((log_file.trouble()?, log_file.lost())));
    if let Some((trouble, lines)) = lost {
        tracing::warn!(lines, "{trouble}");
    }
    match pass.exit == Exit::Complete && !is_written {
        true => Exit::Unwritten.into(),
        false => pass.exit.into(),
    }
}

/// Prints a manual page or completions, where that is what is wanted, and says how it ended.
fn written_without_configuration(cli: &Cli) -> Option<Exit> {
    let text = match cli.command.as_ref()? {
        Command::Completions { shell } => Ok(Some(manual::completions(*shell))),
        Command::Man { command } => manual::page(command.as_deref()),
        Command::Runbook(RunbookArgs {
            verb: RunbookVerb::Schema,
        }) => Ok(Some(runbook::SCHEMA.as_bytes().to_vec())),
        Command::Run(_)
        | Command::Check(_)
        | Command::Rollback(_)
        | Command::Approve(_)
        | Command::Reject(_)
        | Command::Release(_)
        | Command::Status
        | Command::Explain
        | Command::History
        | Command::Runbook(_)
        | Command::Doctor(_) => return None,
    };
    let written = text.and_then(|text| match text {
        Some(text) => io::stdout().write_all(&text).map(|()| Exit::Complete),
        None => {
            let _ = writeln!(
                io::stderr(),
                "error-budget-monitor: there is no such command; --help lists them"
            );
            Ok(Exit::Usage)
        }
    });
    Some(written.unwrap_or_else(|error| unwritten(&error)))
}

/// Says that a result could not be written. A reader that has read enough, as `head` does, is no trouble.
fn unwritten(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Complete;
    }
    tracing::error!(error = %error, "the result could not be written to standard output");
    if io::stderr().is_terminal() {
        let _ = writeln!(
            io::stderr(),
            "error-budget-monitor: write the result to standard output: {error}"
        );
    }
    Exit::Unwritten
}

/// How much of a result is printed as text.
#[derive(Clone, Copy)]
enum TextLength {
    Whole,
    /// A line, for a pass that is followed by another one.
    Briefly,
}

/// Leaves the gate's result for the steps of a pipeline that follow. Annotations go to standard output where that is
/// text, else to standard error, so that the result can be parsed; a runner takes them from both. Source:
/// actions/runner, ScriptHandler.cs.
fn hand_over_to_pipeline(cli: &Cli, exit: Exit, served: &[Served], complaint: Option<&str>) {
    let Some(Command::Check(check)) = &cli.command else {
        return;
    };
    let dotenv = check.dotenv.as_deref();
    let annotations = hand_over(&CiConfig::from_env(), dotenv, exit, served, complaint);
    // Annotations are not the result: without them it is still there.
    let _ = match output(cli) {
        Output::Text => io::stdout().write_all(annotations.as_bytes()),
        Output::Json => io::stderr().write_all(annotations.as_bytes()),
    };
}

/// Returns how results are printed.
fn output(cli: &Cli) -> Output {
    let by_default = || match io::stdout().is_terminal() {
        true => Output::Text,
        false => Output::Json,
    };
    cli.common.output.unwrap_or_else(by_default)
}

/// Prints the results and logs how the pass ended, for each service. Returns whether all of it was written.
fn finish(cli: &Cli, pass: &Pass, shown: TextLength) -> bool {
    let mut is_written = true;
    if let Some(complaint) = &pass.complaint {
        complain(complaint, None, pass.exit, None);
    }
    let is_one = pass.served.len() == 1;
    let is_many = pass.is_crowd();
    if is_many {
        let (exit, services) = (pass.exit.code(), pass.served.len());
        tracing::info!(exit, services, "the run is over");
    }
    let table = table(cli, pass).filter(|_| matches!(shown, TextLength::Whole));
    for (position, Served { service, ended }) in pass.served.iter().enumerate() {
        let run_id = ended.record().map(|record| record.run_id.as_str());
        let name = (!is_one).then_some(service.as_str());
        match &ended.complaint {
            Some(_) if is_shown(cli, ended) => {}
            Some(complaint) => complain(complaint, name, ended.exit, run_id),
            // Of many, those that are well would hide the others.
            None if is_many && ended.exit == Exit::Complete => {
                tracing::debug!(exit = ended.exit.code(), slo.name = name, "the run is over");
            }
            None => {
                tracing::info!(exit = ended.exit.code(), slo.name = name, "the run is over");
            }
        }
        let Some(report) = ended.report.as_ref().filter(|_| table.is_none()) else {
            continue;
        };
        let between = if position > 0 && matches!(shown, TextLength::Whole) {
            "\n"
        } else {
            ""
        };
        if let Err(error) = print(cli, report, shown, between) {
            is_written &= unwritten(&error) == Exit::Complete;
        }
    }
    if let Some(table) = table
        && let Err(error) = terminal::show(&table, cli.common.color)
    {
        is_written &= unwritten(&error) == Exit::Complete;
    }
    is_written
}

/// Writes several services as a table, where people read it and they are all of a kind that has one.
fn table(cli: &Cli, pass: &Pass) -> Option<String> {
    if pass.served.len() < 2 || output(cli) != Output::Text {
        return None;
    }
    let served = || pass.served.iter().map(|served| &served.ended);
    let passes: Option<Vec<Row>> = served()
        .map(|ended| Some(Row::of_record(ended.record()?, ended.exit.rank())))
        .collect();
    let standings: Option<Vec<Row>> = served()
        .map(|ended| match &ended.report {
            Some(CommandReport::Status(status)) => Some(Row::of_status(status, ended.exit.rank())),
            Some(_) | None => None,
        })
        .collect();
    passes
        .map(notify::passes)
        .or_else(|| standings.map(notify::standings))
}

/// Tells whether the answer of the gate, which is what it complains of, is on the terminal anyway.
fn is_shown(cli: &Cli, ended: &Finished) -> bool {
    let is_answered = ended.record().is_some_and(|record| record.gate.is_some());
    let is_on_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
    is_answered && is_on_terminal && output(cli) == Output::Text
}

/// Says what is wrong: once, as the one error in the log of a service.
fn complain(complaint: &str, service: Option<&str>, exit: Exit, run_id: Option<&str>) {
    if io::stderr().is_terminal() {
        let service = service.map_or_else(String::new, |service| format!("{service}: "));
        let _ = writeln!(io::stderr(), "error-budget-monitor: {service}{complaint}");
    } else {
        let exit = exit.code();
        tracing::error!(target: AUDIT, { run.id = run_id, slo.name = service, exit }, "{complaint}");
    }
}

fn print(cli: &Cli, report: &CommandReport, shown: TextLength, between: &str) -> io::Result<()> {
    match output(cli) {
        Output::Json => match report {
            CommandReport::Record(record) => json(record),
            CommandReport::Status(status) => json(status),
            CommandReport::Said(said) => json(said),
            CommandReport::Diagnosis(diagnosis) => json(diagnosis),
            CommandReport::Explained(explained) => json(explained),
            CommandReport::History(history) => json(history),
            CommandReport::Runbook(shown) => json(shown),
            CommandReport::RunbookChecked(diagnosis) => json(diagnosis),
            CommandReport::Role(role) => io::stdout().write_all(role.as_bytes()),
        },
        Output::Text => {
            // It is for a program, also on a terminal.
            if let CommandReport::Role(role) = report {
                return io::stdout().write_all(role.as_bytes());
            }
            let text = text(report, shown);
            terminal::show(&format!("{between}{text}"), cli.common.color)
        }
    }
}

/// Writes a result for people.
fn text(report: &CommandReport, shown: TextLength) -> String {
    match report {
        CommandReport::Record(record) => match shown {
            TextLength::Whole => notify::record(record),
            TextLength::Briefly => notify::brief(record),
        },
        CommandReport::Status(status) => notify::status(status),
        CommandReport::Said(said) => notify::said(said),
        CommandReport::Explained(explained) => notify::explained(explained),
        CommandReport::History(history) => notify::history(history),
        CommandReport::Diagnosis(diagnosis) => diagnosis_text(diagnosis),
        CommandReport::Runbook(shown) => runbook::text(shown),
        CommandReport::RunbookChecked(diagnosis) => runbook_diagnosis(diagnosis),
        CommandReport::Role(role) => role.clone(),
    }
}

fn json(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}

/// Returns the log file of a command that may change something; the others leave no trace, and so does a dry run. All
/// services have the same.
fn log_file(cli: &Cli, configs: &[Config]) -> Option<LogFile> {
    let acts = match cli.what_to_do() {
        Command::Run(_)
        | Command::Rollback(_)
        | Command::Approve(_)
        | Command::Reject(_)
        | Command::Release(_) => true,
        Command::Check(_)
        | Command::Status
        | Command::Explain
        | Command::History
        | Command::Doctor(_)
        | Command::Runbook(_)
        | Command::Man { .. }
        | Command::Completions { .. } => false,
    };
    let mut configs = configs.iter();
    let may_act = configs.find(|config| acts && !config.run.dry_run)?;
    may_act.state.log_file.as_ref().map(LogFile::new)
}

/// Logs to stderr, text on a terminal, else one JSON object a line; what is marked for it also to the log file. A
/// person at a terminal sees what went on worse than planned and asks for more; elsewhere each stage is logged.
fn log_to_stderr_and(cli: &Cli, log_file: Option<LogFile>) {
    let is_terminal = io::stderr().is_terminal();
    let level = match (cli.common.quiet, cli.common.verbose, is_terminal) {
        (true, _, _) => LevelFilter::ERROR,
        (false, 0, true) => LevelFilter::WARN,
        (false, 0, false) | (false, 1, _) => LevelFilter::INFO,
        (false, _, _) => LevelFilter::DEBUG,
    };
    let wanted = LogConfig::from_env().filter;
    let wanted = wanted.unwrap_or_else(|| Targets::new().with_default(level));
    // It logs each answer that is no success as an error, and whole; what matters of it is said by us.
    let wanted = wanted.with_target("kube_client", LevelFilter::OFF);
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false);
    let to_stderr = if is_terminal {
        to_stderr.compact().boxed()
    } else {
        let json = to_stderr.json();
        json.flatten_event(true).with_span_list(false).boxed()
    };
    let to_file = log_file.map(|log_file| {
        tracing_subscriber::fmt::layer()
            .with_writer(log_file)
            .with_target(false)
            .json()
            .flatten_event(true)
            .with_span_list(false)
            // The span names the run in every line.
            .with_filter(filter_fn(|event| {
                (event.is_span() || event.target() == AUDIT) && *event.level() <= Level::INFO
            }))
    });
    // The span carries the names that stand in every line of both.
    let to_stderr = to_stderr.with_filter(filter_fn(move |event| {
        event.is_span() || wanted.would_enable(event.target(), event.level())
    }));
    tracing_subscriber::registry()
        .with(to_stderr)
        .with(to_file)
        .init();
}
