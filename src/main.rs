//! Arguments → configuration → command → exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use error_budget_monitor::cli::{Cli, Command, Output};
use error_budget_monitor::commands::{CommandReport, Pass, Served, execute, hand_over};
use error_budget_monitor::config::{CiConfig, Config};
use error_budget_monitor::doctor::diagnosis as diagnosis_text;
use error_budget_monitor::exit::Exit;
use error_budget_monitor::log_file::{AUDIT, LogFile};
use error_budget_monitor::notify;
use serde::Serialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
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
    // Reading the configuration logs nothing: it says everything at once, as an error.
    let configs = match Config::all_from_env_with(cli.overrides()) {
        Ok(configs) => configs,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            log_to_stderr_and(None);
            hand_over_to_pipeline(&cli, Exit::Configuration, &[], Some(&error.to_string()));
            return Exit::Configuration.into();
        }
    };
    let log_file = log_file(&cli, &configs);
    log_to_stderr_and(log_file.clone());
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
    let mut earlier = |pass: &Pass| finish(&cli, pass, TextLength::Briefly);
    let pass = runtime.block_on(execute(&cli, &configs, &mut earlier));
    // A name look-up that hangs must not keep the process alive.
    runtime.shutdown_timeout(Duration::ZERO);
    hand_over_to_pipeline(&cli, pass.exit, &pass.served, pass.complaint.as_deref());
    finish(&cli, &pass, TextLength::Whole);
    let lost = log_file.and_then(|log_file| Some((log_file.trouble()?, log_file.lost())));
    if let Some((trouble, lines)) = lost {
        tracing::warn!(lines, "{trouble}");
    }
    pass.exit.into()
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

/// Prints the results and logs how the pass ended, for each service.
fn finish(cli: &Cli, pass: &Pass, shown: TextLength) {
    if let Some(complaint) = &pass.complaint {
        complain(complaint, None, pass.exit, None);
    }
    let is_one = pass.served.len() == 1;
    for (position, Served { service, ended }) in pass.served.iter().enumerate() {
        let run_id = ended.record().map(|record| record.run_id.as_str());
        let name = (!is_one).then_some(service.as_str());
        match &ended.complaint {
            Some(complaint) => complain(complaint, name, ended.exit, run_id),
            None => {
                tracing::info!(exit = ended.exit.code(), slo.name = name, "the run is over");
            }
        }
        let Some(report) = &ended.report else {
            continue;
        };
        let between = if position > 0 && matches!(shown, TextLength::Whole) {
            "\n"
        } else {
            ""
        };
        if let Err(error) = print(report, output(cli), shown, between) {
            tracing::error!(error = %error, "the result could not be printed");
        }
    }
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

fn print(
    report: &CommandReport,
    output: Output,
    shown: TextLength,
    between: &str,
) -> io::Result<()> {
    // Standard output writes every line on its own; a record is a hundred lines, and one system call.
    let text = match (output, report) {
        (Output::Json, CommandReport::Record(record)) => json(record)?,
        (Output::Json, CommandReport::Status(status)) => json(status)?,
        (Output::Json, CommandReport::Said(said)) => json(said)?,
        (Output::Json, CommandReport::Diagnosis(diagnosis)) => json(diagnosis)?,
        (Output::Text, CommandReport::Record(record)) => match shown {
            TextLength::Whole => notify::record(record).into_bytes(),
            TextLength::Briefly => notify::brief(record).into_bytes(),
        },
        (Output::Text, CommandReport::Status(status)) => notify::status(status).into_bytes(),
        (Output::Text, CommandReport::Said(said)) => notify::said(said).into_bytes(),
        (Output::Json, CommandReport::Explained(explained)) => json(explained)?,
        (Output::Text, CommandReport::Explained(explained)) => {
            notify::explained(explained).into_bytes()
        }
        (Output::Text, CommandReport::Diagnosis(diagnosis)) => {
            diagnosis_text(diagnosis).into_bytes()
        }
    };
    let mut out = io::stdout().lock();
    if output == Output::Text {
        out.write_all(between.as_bytes())?;
    }
    out.write_all(&text)?;
    out.flush()
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(text)
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
        Command::Check(_) | Command::Status | Command::Explain | Command::Doctor(_) => false,
    };
    let mut configs = configs.iter();
    let may_act = configs.find(|config| acts && !config.run.dry_run)?;
    may_act.state.log_file.as_ref().map(LogFile::new)
}

/// Logs to stderr, text on a terminal, else one JSON object a line; what is marked for it also to the log file.
fn log_to_stderr_and(log_file: Option<LogFile>) {
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false);
    let to_stderr = if io::stderr().is_terminal() {
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
                event.is_span() || event.target() == AUDIT
            }))
    });
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(to_stderr)
        .with(to_file)
        .init();
}
