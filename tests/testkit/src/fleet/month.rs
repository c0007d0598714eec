//! A month of a thousand services: 31 days at 60 s, two pods each, some 180 million samples. `tests/testkit/fleet`
//! makes it, once, in the user's cache folder; what came since is added at each start.
//!
//! Services have the names and the traffic of [`Fleet`](super::Fleet), half of it on each pod. Their counters are there
//! for 31 days and until two hours after now, their latency histograms begin six hours ago.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::labels;
use crate::prometheus::Prometheus;
use crate::servers;
use crate::victoria_metrics::VictoriaMetrics;

/// How many services there are.
pub const SERVICES: usize = 1000;

/// How many days of history there are before now: one more than the usual SLO window.
pub const DAYS: i64 = 31;

/// How old whole days in VictoriaMetrics' cached folder may be before all of it is made anew: what is newer is sent at
/// each start, some 2 s for each day.
const OLDEST_CACHE_DAYS: i64 = 7;

/// The program that makes the data.
const MAKER: &str = "fleet";

/// A service that burns.
#[derive(Clone, Copy, Debug)]
pub struct Burning {
    /// Its number.
    pub service: usize,
    /// Share of its requests that fail, from 0 to 1.
    pub ratio: f64,
    /// Since when, at most six hours before now.
    pub since: DateTime<Utc>,
}

/// Starts a Prometheus that knows the month, Debian's, with its own defaults for connections and queries; nothing where
/// the month cannot be made on this machine. The first start on a machine takes half a minute and 300 MB, a later one
/// two seconds.
///
/// # Panics
/// If it does not start, or the month cannot be made and `CI` is `true`.
pub fn prometheus(burning: &[Burning]) -> Option<Prometheus> {
    let maker = servers::built(MAKER, MAKER)?;
    Some(Prometheus::start_on(|data| {
        let mut command = Command::new(&maker);
        command.arg("prometheus").arg("--cache").arg(cache());
        run(command.arg("--data").arg(data), burning);
    }))
}

/// Starts a VictoriaMetrics that knows the month; nothing where it was not built, or the month cannot be made on this
/// machine. The first start on a machine takes a minute and 100 MB, a later one some seconds.
///
/// # Panics
/// If it does not start, or it or the month cannot be made and `CI` is `true`.
pub fn victoria_metrics(burning: &[Burning]) -> Option<VictoriaMetrics> {
    let maker = servers::built(MAKER, MAKER)?;
    let end = whole_days_end(Utc::now());
    let kept = cache().join("victoria-metrics");
    fs::create_dir_all(&kept).expect("the cache folder is writable");
    let lock = File::create(kept.join(".lock")).expect("the cache folder is writable");
    lock.lock().expect("a local file can be locked");
    let (until, days) = match kept_days(&kept, end) {
        Some(found) => found,
        None => (end, keep_days(&maker, &kept, end)?),
    };
    let server = VictoriaMetrics::start_on(|data| copy(&days, data))?;
    send(&maker, &server, (until, None), burning);
    Some(server)
}

/// Returns the newest whole days that are kept and not too old, and when they end.
fn kept_days(kept: &Path, end: DateTime<Utc>) -> Option<(DateTime<Utc>, PathBuf)> {
    let entries = fs::read_dir(kept).expect("the cache folder is readable");
    let folders = entries.flatten().filter_map(|entry| {
        let seconds: i64 = entry.file_name().to_str()?.parse().ok()?;
        Some((DateTime::from_timestamp(seconds, 0)?, entry.path()))
    });
    folders
        .filter(|(until, _)| *until <= end && end - *until <= TimeDelta::days(OLDEST_CACHE_DAYS))
        .max()
}

/// Makes the whole days, keeps them in place of those that were, and returns where.
fn keep_days(maker: &Path, kept: &Path, end: DateTime<Utc>) -> Option<PathBuf> {
    let server = VictoriaMetrics::start_on(|_| {})?;
    let begin = end - TimeDelta::days(DAYS);
    send(maker, &server, (begin, Some(end)), &[]);
    let draft = TempDir::with_prefix_in(".days-", kept).expect("the cache folder is writable");
    copy(&server.snapshot(), draft.path());
    for entry in fs::read_dir(kept).expect("the cache folder is readable") {
        let path = entry.expect("the cache folder is readable").path();
        if path.is_dir() && path != draft.path() {
            fs::remove_dir_all(path).expect("the cache folder is writable");
        }
    }
    let days = kept.join(end.timestamp().to_string());
    fs::rename(draft.keep(), &days).expect("the cache folder is writable");
    Some(days)
}

fn send(
    maker: &Path,
    server: &VictoriaMetrics,
    (from, to): (DateTime<Utc>, Option<DateTime<Utc>>),
    burning: &[Burning],
) {
    let mut command = Command::new(maker);
    command
        .arg("victoria-metrics")
        .arg("--url")
        .arg(server.url());
    command.arg(format!("--from={}", from.timestamp()));
    if let Some(to) = to {
        command.arg(format!("--to={}", to.timestamp()));
    }
    run(&mut command, burning);
    server.flush();
}

fn run(command: &mut Command, burning: &[Burning]) {
    let burning: Vec<String> = burning
        .iter()
        .map(|it| {
            let name = labels(it.service).service;
            format!("{name}={}@{}", it.ratio, it.since.timestamp())
        })
        .collect();
    command
        .arg(format!("--services={SERVICES}"))
        .arg(format!("--burning={}", burning.join(",")));
    let output = command.output().expect("it was built");
    assert!(
        output.status.success(),
        "the month cannot be made: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns when whole days end that are kept: the midnight that is at least six hours ago. `tests/testkit/fleet` says
/// the same of the blocks of Prometheus.
fn whole_days_end(now: DateTime<Utc>) -> DateTime<Utc> {
    let begun = now - TimeDelta::hours(6);
    let day = begun.date_naive().and_hms_opt(0, 0, 0);
    day.expect("every day has a midnight").and_utc()
}

/// Copies a folder, following links: a snapshot of VictoriaMetrics consists of them.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-rL")
        .arg(from.join("."))
        .arg(to)
        .status()
        .expect("cp is everywhere");
    assert!(copied.success(), "cannot copy {}", from.display());
}

/// Returns where the data stay; another version of the program keeps its own.
fn cache() -> PathBuf {
    servers::cache().join(servers::name(MAKER))
}
