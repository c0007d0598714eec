//! Who is told, and whether they can be: files are always looked at, messages are only sent on request.
//!
//! Nothing here is a problem: who cannot be told changes no rollback.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use chrono::Utc;

use super::finding::{Finding, split_remedy};
use crate::config::Config;
use crate::files::{self, Links};
use crate::journal::{FolderState, probe_folder, state_folder};
use crate::notify::{TestMessage, Tried, try_pushgateway};
use crate::service::Service;

const TELLING: &str = "telling";
const LOG_FILE: &str = "log file";
const TEXT_FILE: &str = "text file";

/// How long one test may take; the same as for a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks who is told, and tells them of a test where that is wanted.
pub(super) async fn look(service: &Service<'_>, send_test: bool) -> Vec<Finding> {
    let config = service.config;
    let mut findings = vec![configured(config)];
    findings.extend(config.state.log_file.as_deref().map(log_file));
    let text_file = config.notify.metrics_textfile.as_deref();
    findings.extend(text_file.map(|file| folder_of(TEXT_FILE, "METRICS_TEXTFILE", file)));
    if send_test && config.run.dry_run {
        findings.push(Finding::warning(
            TELLING,
            "send a test message",
            "nothing is sent: DRY_RUN is true, and a dry run tells nobody",
            "set DRY_RUN=false, or leave --dry-run away",
        ));
    } else if send_test {
        findings.extend(sent(service).await);
    }
    findings
}

fn configured(config: &Config) -> Finding {
    let notify = &config.notify;
    let ways = [
        ("Slack", notify.slack.is_some()),
        ("PagerDuty", notify.pagerduty.is_some()),
        ("tickets", notify.incident_repo.is_some()),
        ("the webhook", notify.webhook.is_some()),
        ("the Pushgateway", notify.pushgateway_url.is_some()),
        ("the text file", notify.metrics_textfile.is_some()),
        ("the log file", config.state.log_file.is_some()),
    ];
    let set: Vec<&str> = ways
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect();
    let found = if set.is_empty() {
        "nobody is told anything but by the log and the exit code".to_owned()
    } else {
        set.join(", ")
    };
    Finding::ok(TELLING, "look who is told", found)
}

/// Looks whether lines can be appended; appends none.
fn log_file(file: &Path) -> Finding {
    let tried = format!("look whether {} takes lines", file.display());
    let remedy = "make it a file that the program may write, or point LOG_FILE elsewhere";
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    match files::open(file, &mut options, Links::Refused) {
        Ok(_) => Finding::ok(LOG_FILE, tried, "it does"),
        Err(error) if error.kind() == ErrorKind::NotFound => folder_of(LOG_FILE, "LOG_FILE", file),
        Err(error) => {
            let found = format!("it cannot be written ({error})");
            Finding::warning(LOG_FILE, tried, found, remedy)
        }
    }
}

/// Looks whether the folder of a file takes files.
fn folder_of(subject: &'static str, name: &str, file: &Path) -> Finding {
    let folder = state_folder(file).display();
    let tried = format!("write into {folder} and leave nothing");
    let remedy = format!("make the folder, let the program write it, or point {name} elsewhere");
    match probe_folder(file) {
        FolderState::Writable => Finding::ok(subject, tried, "it takes files, and there is space"),
        FolderState::Missing { .. } => {
            Finding::warning(subject, tried, "the folder is not there", remedy)
        }
        FolderState::Refuses { tried: at, source } => {
            let found = format!("{} cannot be written ({source})", at.display());
            Finding::warning(subject, tried, found, remedy)
        }
    }
}

/// Tells everybody of a test, all at the same time.
async fn sent(service: &Service<'_>) -> Vec<Finding> {
    let config = &service.config.service;
    let message = TestMessage {
        service: config.name.as_str(),
        namespace: config.namespace.as_str(),
        at: Utc::now(),
    };
    let tellers = &service.tellers;
    let pushgateway = async {
        let url = service.config.notify.pushgateway_url.as_ref()?;
        Some(try_pushgateway(url, &message, PATIENCE).await)
    };
    let (slack, pagerduty, tickets, webhook, pushgateway) = tokio::join!(
        tellers.try_slack(&message, PATIENCE),
        tellers.try_pagerduty(&message, PATIENCE),
        tellers.try_tickets(&message, PATIENCE),
        tellers.try_webhook(&message, PATIENCE),
        pushgateway,
    );
    let tests = [
        ("slack", "post a test message", slack),
        ("pagerduty", "open a test alert and resolve it", pagerduty),
        ("tickets", "read the issues", tickets),
        ("webhook", "send a test event", webhook),
        (
            "pushgateway",
            "push a test group and remove it",
            pushgateway,
        ),
    ];
    let findings = tests
        .into_iter()
        .filter_map(|(subject, tried, came)| Some(finding(subject, tried, came?)));
    findings.collect()
}

fn finding(subject: &'static str, tried: &'static str, came: Tried) -> Finding {
    match came {
        Ok(found) => Finding::ok(subject, tried, found),
        Err(error) => {
            let remedy = "check its variables and the network, then send the test again";
            let (found, remedy) = split_remedy(&error).unwrap_or((&error, remedy));
            Finding::warning(subject, tried, found, remedy)
        }
    }
}
