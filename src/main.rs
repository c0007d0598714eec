//! Arguments → configuration → command → exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use error_budget_monitor::cli::{Cli, Output};
use error_budget_monitor::commands::{Ended, Report, execute};
use error_budget_monitor::config::Config;
use error_budget_monitor::exit::Exit;
use error_budget_monitor::notify;
use serde::Serialize;
use tracing::level_filters::LevelFilter;

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
    log_to_stderr();
    let config = match Config::from_env_with(cli.overrides()) {
        Ok(config) => config,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            return Exit::Configuration.into();
        }
    };
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
    let ended = runtime.block_on(execute(&cli, &config));
    // A name look-up that hangs must not keep the process alive.
    runtime.shutdown_timeout(Duration::ZERO);
    finish(&cli, &ended)
}

/// Prints the result, logs how the run ended, and returns the exit code.
fn finish(cli: &Cli, ended: &Ended) -> ExitCode {
    let exit = ended.exit.code();
    match &ended.complaint {
        Some(complaint) if io::stderr().is_terminal() => {
            let _ = writeln!(io::stderr(), "error-budget-monitor: {complaint}");
        }
        Some(complaint) => tracing::error!(exit, "{complaint}"),
        None => tracing::info!(exit, "the run is over"),
    }
    if let Some(report) = &ended.report {
        let printed = print(report, cli.common.output);
        if let Err(error) = printed {
            tracing::error!(error = %error, "the result could not be printed");
        }
    }
    ended.exit.into()
}

fn print(report: &Report, output: Option<Output>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let default = if out.is_terminal() {
        Output::Text
    } else {
        Output::Json
    };
    let output = output.unwrap_or(default);
    // Standard output writes every line on its own; a record is a hundred lines, and one system call.
    let text = match (output, report) {
        (Output::Json, Report::Record(record)) => json(record)?,
        (Output::Json, Report::Status(status)) => json(status)?,
        (Output::Json, Report::Said(said)) => json(said)?,
        (Output::Json, Report::Diagnosis(diagnosis)) => json(diagnosis)?,
        (Output::Text, Report::Record(record)) => notify::record(record).into_bytes(),
        (Output::Text, Report::Status(status)) => notify::status(status).into_bytes(),
        (Output::Text, Report::Said(said)) => notify::said(said).into_bytes(),
        (Output::Text, Report::Diagnosis(diagnosis)) => notify::diagnosis(diagnosis).into_bytes(),
    };
    out.write_all(&text)?;
    out.flush()
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Logs to stderr: text on a terminal, else one JSON object a line.
fn log_to_stderr() {
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::INFO)
        .with_target(false)
        .with_ansi(false);
    if io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .init();
    }
}
