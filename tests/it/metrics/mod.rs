//! Metrics, alerts and dashboard: what the program writes, held against the real Prometheus, Pushgateway and promtool.

mod dashboard;
mod documentation;
mod exposition;
mod publish;
mod pushgateway;
mod rules;
mod textfile;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::metrics::{
    BudgetNumbers, Decided, DeliveryNumbers, Numbers, Remembered, RunNumbers, Thresholds,
    exposition,
};
use error_budget_monitor::policy::Reason;
use error_budget_monitor::record::ActionKind;
use error_budget_monitor::slo::{Level, Slo, Verdict};

/// A service of which everything is known, in the middle of an emergency.
fn numbers() -> Numbers {
    Numbers {
        service: "checkout".to_owned(),
        namespace: "shop".to_owned(),
        standing: BudgetNumbers {
            consumed: Some(1.25),
            remaining: Some(-0.25),
            burn_rates: vec![
                ("5m", Some(20.5)),
                ("30m", None),
                ("1h", Some(16.0)),
                ("6h", Some(0.0)),
            ],
            verdict: Verdict::Burning,
            level: Some(Level::Emergency),
            violated: vec![
                (Slo::Availability, Some(true)),
                (Slo::ErrorRate, Some(true)),
                (Slo::LatencyP95, Some(false)),
                (Slo::LatencyP99, None),
            ],
        },
        thresholds: Some(Thresholds {
            warning: 0.5,
            critical: 0.8,
            emergency: 0.95,
            burn_rate_fast: 14.4,
            burn_rate_slow: 6.0,
        }),
        decision: Some(Decided {
            action: ActionKind::Hold,
            reason: Reason::Cooldown,
        }),
        memory: Some(Remembered {
            in_progress: false,
            approval_pending: false,
            holds: 2,
            hold_violated: Some(false),
            left_this_hour: Some(0),
            left_this_day: Some(2),
            last_success: Some(noon() - TimeDelta::minutes(20)),
            last_failure: Some(noon() - TimeDelta::days(3)),
            ended: counts(&[("recovered", 4), ("ineffective", 1)]),
            held_back: counts(&[("cooldown", 3), ("blackout", 12)]),
        }),
        run: RunNumbers {
            ended_at: Some(noon()),
            took: Some(Duration::from_millis(1_250)),
            last_success: Some(noon()),
            ended: counts(&[("complete", 8_640), ("unavailable", 2)]),
        },
        telling: DeliveryNumbers {
            failures: counts(&[("slack", 1)]),
            undelivered: Some(1),
        },
    }
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_250).expect("a time")
}

fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let counts = counts.iter();
    counts
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// Returns the name of every metric with a sample in a text.
fn names(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.split_once(['{', ' ']))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Returns the name of every metric that the program emits when everything is known.
fn emitted() -> BTreeSet<String> {
    names(&exposition(&[numbers()]))
}

/// Returns the words of an expression that look like names of our metrics.
fn ours(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words
        .filter(|word| word.starts_with("error_budget_"))
        .map(str::to_owned)
        .collect()
}

/// Returns a file of the repository.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs promtool with some text as its input.
fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed by scripts/test.sh");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    child.wait_with_output().expect("our own child")
}

/// Checks that promtool has nothing to say against something.
#[track_caller]
fn promtool_is_content(arguments: &[&str], input: &str) {
    let output = promtool(arguments, input);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
