//! The commands and their arguments.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::parse_duration;
use crate::terminal::Colour;

/// How help looks on a terminal.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// What stands below the arguments: how it is used, what it needs, how it ends.
const AFTER_HELP: &str = "\
Examples:
  export PROMETHEUS_URL=http://localhost:9090 SERVICE_NAME=checkout NAMESPACE=shop
  error-budget-monitor --dry-run
  error-budget-monitor check --commit \"$(git rev-parse HEAD)\"
  error-budget-monitor rollback gitops --to v1.2.0 --reason 'pager'

Important variables (all of them: error-budget-monitor man | man -l -):
  SERVICE_NAME, NAMESPACE      the service
  PROMETHEUS_URL               who is asked: Prometheus, Thanos, Mimir or VictoriaMetrics
  ERROR_BUDGET, SLO_WINDOW     the share of events that may fail [0.001], and over what time [30d]
  GITOPS_REPO, GITOPS_PATH     what is put back; GITOPS_TOKEN lets the program in
  ROLLBACK_ENABLED             whether anything is rolled back without a person [false]
  STATE_FILE                   where earlier rollbacks are kept

Exit codes:
  0 complete, or a deploy may go ahead       64 wrong arguments
  1 a person is needed; check: warning       69 Prometheus, git or Argo CD cannot be reached
  2 check: critical, or an SLO is violated   74 the result could not be written
  3 check: emergency                         75 another run holds the lock
  4 check: the budget cannot be measured     78 the configuration or the state cannot be used
  5 check: on hold, or a rollback in flight";

/// Watches a service's error budget and puts GitOps back to the last good revision when a deployment burns it.
///
/// Configured by environment variables; without a command it does one pass (`run`).
#[derive(Debug, Clone, Parser)]
#[command(
    name = "error-budget-monitor",
    version,
    max_term_width = 100,
    styles = STYLES,
    after_help = AFTER_HELP
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// How the result is printed: text for people, json for programs [default: text on a terminal, else json]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Decide as if rollbacks were enabled, show what would be done, change nothing, tell nobody
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// When text is in colour
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Colour,
    /// Log more: -v each stage and decision (as where standard error is no terminal), -vv everything; RUST_LOG says it
    /// more finely
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// One of several services: NAME or NAMESPACE/NAME [default: all; what changes something by hand needs one]
    #[arg(long, global = true, value_name = "NAME")]
    pub service: Option<String>,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// One pass: evaluate, decide, and roll back if every gate passes
    Run(RunArgs),
    /// The gate: evaluate, change nothing; the first line and the exit code say whether a deploy may go ahead
    Check(Check),
    /// Roll back by hand: no trigger is needed; limits and the state still count
    Rollback(RollbackArgs),
    /// Approve a pending rollback; the next run measures again and carries it out
    Approve(ApprovalArgs),
    /// Reject a pending rollback; nothing is rolled back
    Reject(ApprovalArgs),
    /// Lift the hold on a revision that was rolled back, and close the breaker that the rollback opened
    Release(ApprovalArgs),
    /// Budget, burn, limits left, what is in flight, holds and the last rollbacks
    Status,
    /// Which revisions could be gone back to, with their health while they were live, and what was rolled back
    History,
    /// Every query of a pass, ready to paste into Prometheus
    Explain,
    /// What would stop a rollback today: each access and setting looked at, nothing changed
    Doctor(Doctor),
    /// The steps of RUNBOOK_FILE: look at them before they are needed, or print them; nothing is changed
    Runbook(RunbookArgs),
    /// The manual page of the program or of one command, to be shown by `man -l -`
    Man {
        /// The command [default: the program]
        command: Option<String>,
    },
    /// Completions for a shell, to be read by its start-up file
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Arguments of a pass.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Repeat the pass for so long (1s to 6h), as after a deployment, until a rollback is decided or waits for
    /// approval, and follow it; JSON prints a record for each pass, text a short line and the last one whole; the
    /// exit code is the last pass's
    #[arg(long, value_name = "DURATION", value_parser = watch_span)]
    pub watch: Option<Duration>,
    /// Time from the beginning of a pass to that of the next (1s to 10m)
    #[arg(long, value_name = "DURATION", value_parser = watch_pause, default_value = "30s", requires = "watch")]
    pub every: Duration,
}

/// Arguments of the gate.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// The commit that is about to be deployed; refused while it is on hold
    #[arg(long, value_name = "SHA", value_parser = commit_id)]
    pub commit: Option<String>,
    /// What --commit fixes: the revision that is broken now, or was rolled back. The fix goes ahead although the
    /// budget, an SLO or the proof of a rollback blocks other deploys
    #[arg(long, value_name = "REVISION", value_parser = commit_id, requires = "commit")]
    pub fixes: Option<String>,
    /// Also write the result as NAME=VALUE lines into this file, for GitLab's dotenv reports
    #[arg(long, value_name = "FILE")]
    pub dotenv: Option<PathBuf>,
}

/// Arguments of a person's rollback.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// What to roll back
    #[arg(value_enum, default_value_t = RollbackWay::Gitops)]
    pub way: RollbackWay,
    /// The revision to go back to: a commit id or a tag [default: TARGET_COMMIT, else the last good one]
    #[arg(long, value_name = "REV")]
    pub to: Option<String>,
    /// Why; written into the commit and the state [default: ROLLBACK_REASON]
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Do not show the plan and ask first. Without a terminal it is needed, unless TARGET_COMMIT, TARGET_REVISION or
    /// ROLLBACK_REASON is set in the environment, as scripts do: that is a yes, too. A dry run never asks
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of the doctor.
#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Also send a test message to every channel: Slack, PagerDuty (resolved at once), the webhook, the
    /// Pushgateway; tickets are only looked at
    #[arg(long)]
    pub send_test: bool,

    /// Print the least Roles that STATE=kubernetes and the steps of RUNBOOK_FILE need, as YAML for kubectl, and look at
    /// nothing
    #[arg(long, conflicts_with = "send_test")]
    pub print_rbac: bool,
}

/// Arguments of a look at a runbook.
#[derive(Debug, Clone, Args)]
pub struct RunbookArgs {
    /// What is wanted of it.
    #[command(subcommand)]
    pub verb: RunbookVerb,
}

/// What is wanted of a runbook.
#[derive(Debug, Clone, Subcommand)]
pub enum RunbookVerb {
    /// What of it would fail or do something else than it says: the file, then the objects, owners and rights in the
    /// cluster, and a dry run by the API server
    Check(RunbookFile),
    /// Its steps in plain English, with what each waits for and how it is undone
    Show(RunbookFile),
    /// The JSON Schema of the file, for editors
    Schema,
}

/// The file that is looked at.
#[derive(Debug, Clone, Args)]
pub struct RunbookFile {
    /// The file [default: RUNBOOK_FILE]
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
}

/// Arguments of an approval, a rejection and a release.
#[derive(Debug, Clone, Args)]
pub struct ApprovalArgs {
    /// The rollback: its id, the beginning of it, or of the part that names the bad revision, as messages show it
    #[arg(value_name = "ID", value_parser = rollback_id)]
    pub id: String,
    /// Who decides; written into the state
    #[arg(long, value_name = "NAME", default_value = "a person who gave no name", value_parser = name)]
    pub by: String,
    /// Why; written into the state and into the messages
    #[arg(long, value_name = "TEXT", value_parser = name)]
    pub reason: Option<String>,
}

/// What to roll back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RollbackWay {
    /// The path in the GitOps repository.
    Gitops,
    /// The Argo CD application.
    Argocd,
}

impl Cli {
    /// Returns the command; without one it is a single pass.
    pub fn what_to_do(&self) -> Command {
        let pass = || Command::Run(RunArgs::default());
        self.command.clone().unwrap_or_else(pass)
    }

    /// Returns what the arguments say in the words of the environment, which they rank above.
    pub fn overrides(&self) -> Vec<(&'static str, String)> {
        let mut overrides = Vec::new();
        if self.common.dry_run {
            overrides.push(("DRY_RUN", "true".to_owned()));
        }
        if let Some(Command::Runbook(RunbookArgs {
            verb: RunbookVerb::Check(named) | RunbookVerb::Show(named),
        })) = &self.command
        {
            overrides.extend(named.file.clone().map(|file| ("RUNBOOK_FILE", file)));
        }
        if let Some(Command::Rollback(rollback)) = &self.command {
            let target = match rollback.way {
                RollbackWay::Gitops => "TARGET_COMMIT",
                RollbackWay::Argocd => "TARGET_REVISION",
            };
            overrides.extend(rollback.to.clone().map(|to| (target, to)));
            overrides.extend(
                rollback
                    .reason
                    .clone()
                    .map(|reason| ("ROLLBACK_REASON", reason)),
            );
        }
        overrides
    }
}

fn watch_span(text: &str) -> Result<Duration, String> {
    duration(
        text,
        Duration::from_secs(1)..=Duration::from_secs(6 * 60 * 60),
    )
}

fn watch_pause(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_secs(1)..=Duration::from_secs(10 * 60))
}

fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    parse_duration(text, &range).map_err(|invalid| invalid.to_string())
}

fn rollback_id(text: &str) -> Result<String, String> {
    let is_id = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_id && (1..=200).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("expected an id such as checkout-20261101t100000z-1a2b3c4d-0011aabb".to_owned())
    }
}

fn name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if (1..=100).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("expected a name of 1 to 100 characters on one line".to_owned())
    }
}

fn commit_id(text: &str) -> Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (7..=64).contains(&text.len()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected 7 to 64 hexadecimal digits".to_owned())
    }
}
