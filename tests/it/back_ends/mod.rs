//! The real program on every back end on which it must run: fourteen normal histories, compared with what truly
//! happened.

mod anchored;
mod normal;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use testkit::back_end::{BackEnd, Running};
use testkit::prometheus::{Backfill, Recording};

use crate::scenarios::program::{Program, Ran};
use crate::together::Crowd;
use normal::{NAMESPACE, Normal, fourteen};

/// The share of a count by which an answer may be wrong: 1 %, what a scrape more or less makes in five minutes.
const TOLERANCE: f64 = 0.01;

/// Events by which a small count may be wrong: two pods count whole numbers, and a window has two ends.
const ROUNDING: f64 = 4.0;

/// The windows whose burn rates a record says, with their seconds.
const BURN_WINDOWS: [(&str, i64); 4] = [("5m", 300), ("30m", 1800), ("1h", 3600), ("6h", 21_600)];

/// The histories, written down once for all back ends.
struct Made {
    now: DateTime<Utc>,
    normals: Vec<Normal>,
    recording: Recording,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("the present");
        let normals = fourteen(now);
        let pods = normals.iter().flat_map(|normal| normal.pods.clone());
        let backfill = pods.fold(Backfill::new(now), Backfill::service);
        Made {
            now,
            normals,
            recording: Recording::of(&backfill),
        }
    })
}

impl Normal {
    /// Returns bad and total events of the window that ends at a time.
    fn events(&self, to: DateTime<Utc>, seconds: i64) -> (f64, f64) {
        let from = to - TimeDelta::seconds(seconds);
        let pods = self.pods.iter().map(|pod| pod.events(from, to));
        pods.fold((0.0, 0.0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
    }

    fn asks(&self, server: &Running) -> Ran {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Program::bare()
            .arguments(&["check", "--output", "json"])
            .env("SERVICE_NAME", self.service)
            .env("NAMESPACE", NAMESPACE)
            .env("PROMETHEUS_URL", &server.url())
            .env("PROMETHEUS_TIMEOUT", "60s")
            .env_path("STATE_FILE", &folder.path().join("state.json"))
            .run()
    }

    /// Compares what the program says with the truth, and returns what is wrong.
    fn differs(&self, ran: &Ran, table: &mut String) -> Vec<String> {
        let record = &ran.record;
        let mut wrong = Vec::new();
        let verdict = record["verdict"].as_str().unwrap_or("none");
        if (verdict, ran.code) != (self.verdict, Some(self.code)) {
            wrong.push(format!(
                "verdict {verdict}, exit code {:?}, instead of {} and {}",
                ran.code, self.verdict, self.code
            ));
        }
        let level = record["budget"]["level"].as_str().unwrap_or("none");
        let at = record["evaluated_at"].as_str().expect("a time");
        let at: DateTime<Utc> = at.parse().expect("a time");
        let (bad, total) = self.events(at, 30 * 86_400);
        let true_level = level_of(bad, total);
        if level != true_level {
            wrong.push(format!("level {level} instead of {true_level}"));
        }
        let mut compare = |what: &str, found: &Value, truth: Option<f64>| {
            let found = found.as_f64();
            let close = match (found, truth) {
                (Some(found), Some(truth)) => {
                    (found - truth).abs() <= TOLERANCE * truth + ROUNDING + self.blur
                }
                (found, truth) => found.is_none() && truth.is_none(),
            };
            if let (Some(found), Some(truth)) = (found, truth)
                && truth > 200.0
            {
                let percent = (found / truth - 1.0) * 100.0;
                write!(table, " {what} {percent:+.2}").expect("text takes text");
            }
            if !close {
                wrong.push(format!("{what}: {found:?} instead of {truth:?}"));
            }
        };
        let known = (total > 0.0).then_some(());
        compare("bad", &record["budget"]["bad_events"], known.map(|()| bad));
        compare(
            "total",
            &record["budget"]["total_events"],
            known.map(|()| total),
        );
        for (name, seconds) in BURN_WINDOWS {
            let (bad, total) = self.events(at, seconds);
            let rate = record["burn_rates"][name].as_f64();
            // Told as events, so that few of them may be rounded.
            let found = rate.map(|rate| rate * 0.001 * total);
            let known = (total > 0.0).then_some(bad);
            compare(name, &found.into(), known);
        }
        wrong
    }
}

/// The level that a share of bad events means with the usual thresholds.
fn level_of(bad: f64, total: f64) -> &'static str {
    if total == 0.0 {
        return "unknown";
    }
    match bad / total / 0.001 {
        consumed if consumed >= 0.95 => "emergency",
        consumed if consumed >= 0.8 => "critical",
        consumed if consumed >= 0.5 => "warning",
        _ => "ok",
    }
}

fn agrees_with_the_truth(back_end: BackEnd) {
    let made = made();
    let Some(server) = back_end.start(&made.recording) else {
        return;
    };
    let mut table = String::new();
    let mut wrong = Vec::new();
    for normal in &made.normals {
        let ran = normal.asks(&server);
        write!(table, "{back_end} | {} |", normal.service).expect("text takes text");
        let found = normal.differs(&ran, &mut table);
        table.push('\n');
        if !found.is_empty() {
            wrong.push(format!("{}: {}\n{ran}", normal.service, found.join("; ")));
        }
    }
    keep(&format!("{back_end:?}"), &table);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(are_known_together(&server, &made.normals));
    assert!(wrong.is_empty(), "{back_end}:\n{}", wrong.join("\n"));
}

/// Asks about all of them together and alone, without and with the periods that are over: the same is known.
async fn are_known_together(server: &Running, normals: &[Normal]) {
    let names = normals
        .iter()
        .map(|normal| (NAMESPACE.to_owned(), normal.service.to_owned()));
    let mut crowd = Crowd::of(server, names);
    let at_once = crowd.is_known_alike().await;
    crowd.keeps_periods(&at_once).await;
    let kept = crowd.kept();
    // All but the one of which nothing counts the events.
    let read_from_kept = kept.iter().filter(|periods| **periods >= 57).count();
    assert_eq!(read_from_kept, normals.len() - 1, "{kept:?}");
    let by_periods = crowd.is_known_alike().await;
    for (normal, (at_once, by_periods)) in normals.iter().zip(at_once.iter().zip(&by_periods)) {
        let events = [at_once, by_periods].map(|it| it.measurement.budget.value().copied());
        let [Some(at_once), Some(by_periods)] = events else {
            assert_eq!(
                events[0].is_some(),
                events[1].is_some(),
                "{}",
                normal.service
            );
            continue;
        };
        // What is extrapolated at midnight, and the moments between the two.
        for (one, other) in [
            (at_once.bad(), by_periods.bad()),
            (at_once.total(), by_periods.total()),
        ] {
            let close = (one - other).abs() <= TOLERANCE * one + ROUNDING + normal.blur;
            assert!(
                close,
                "{}: {at_once:?} at once, {by_periods:?} by half days",
                normal.service
            );
        }
    }
}

/// Writes what was compared into `target/back-ends/`, which `scripts/test.sh` prints.
fn keep(name: &str, table: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("back-ends");
    fs::create_dir_all(&folder).expect("the folder of what is built");
    fs::write(folder.join(format!("{name}.txt")), table).expect("our own folder");
}

#[test]
fn debian_prometheus_agrees_with_the_truth_in_fourteen_histories() {
    agrees_with_the_truth(BackEnd::DebianPrometheus);
}

#[test]
fn prometheus_3_agrees_with_the_truth_in_fourteen_histories() {
    agrees_with_the_truth(BackEnd::Prometheus3);
}

#[test]
fn victoria_metrics_agrees_with_the_truth_in_fourteen_histories() {
    agrees_with_the_truth(BackEnd::VictoriaMetrics);
}

#[test]
fn thanos_agrees_with_the_truth_in_fourteen_histories() {
    agrees_with_the_truth(BackEnd::Thanos);
}
