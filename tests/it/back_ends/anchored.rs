//! `increase(… anchored)` of Prometheus 3.16, which counts from sample to sample: exact where `increase` extrapolates.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::back_end::BackEnd;

use super::normal::{NAMESPACE, Normal};
use super::{keep, made};

/// The windows of a pass, with their seconds.
const WINDOWS: [(&str, i64); 5] = [
    ("5m", 300),
    ("30m", 1800),
    ("1h", 3600),
    ("6h", 21_600),
    ("30d", 30 * 86_400),
];

/// Requests per second of all services that are not idle.
const RATE: f64 = 20.0;

/// Seconds between two samples, in the coarsest part of any history.
fn spacing(normal: &Normal, seconds: i64) -> f64 {
    match seconds {
        86_401.. => 300.0,
        _ if normal.service == "scraped-each-minute" => 60.0,
        _ => 15.0,
    }
}

#[test]
fn anchored_ranges_count_what_happened_between_two_samples() {
    let made = made();
    let Some(server) = BackEnd::Prometheus3.start(&made.recording) else {
        return;
    };
    // A time at which every service was scraped, and one between two scrapes.
    let scraped = made.now.timestamp().div_euclid(300) * 300;
    let scraped = DateTime::from_timestamp(scraped, 0).expect("a time of today");
    let mut table = String::new();
    let mut wrong = Vec::new();
    for (window, seconds) in WINDOWS {
        let mut largest = (0.0_f64, 0.0_f64);
        for at in [scraped, scraped - TimeDelta::seconds(7)] {
            for normal in made.normals.iter().filter(|normal| !normal.pods.is_empty()) {
                let found = Found::of(&server, normal, window, at);
                let (_, truth) = normal.events(at, seconds);
                // What came after the last sample is not seen yet, and what came before the first one is. A restart
                // loses what came after the last sample before it.
                let restarts = match normal.service {
                    "restarted" => (seconds / 86_400) as f64,
                    _ => 0.0,
                };
                let edge = RATE * spacing(normal, seconds) * (1.0 + restarts) + 2.0;
                if (found.anchored - truth).abs() > edge || found.anchored.fract() != 0.0 {
                    wrong.push(format!("{} {window} at {at}: {found:?}", normal.service));
                }
                largest.0 = largest.0.max((found.anchored - truth).abs());
                largest.1 = largest.1.max((found.extrapolated - truth).abs());
            }
        }
        writeln!(
            table,
            "Prometheus 3.16 | {window} | anchored wrong by {:.1} events at most | extrapolated by {:.1}",
            largest.0, largest.1
        )
        .expect("text takes text");
    }
    keep("anchored", &table);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What Prometheus counts in one window.
#[derive(Debug)]
struct Found {
    anchored: f64,
    extrapolated: f64,
}

impl Found {
    fn of(
        server: &testkit::back_end::Running,
        normal: &Normal,
        window: &str,
        at: DateTime<Utc>,
    ) -> Self {
        let count = |modifier: &str| {
            let query = format!(
                "sum(increase(http_requests_total{{namespace=\"{NAMESPACE}\",service=\"{}\"}}[{window}]{modifier}))",
                normal.service
            );
            let found = server.api().number_at(&query, at);
            found.unwrap_or_else(|| panic!("no answer to {query}"))
        };
        Self {
            anchored: count(" anchored"),
            extrapolated: count(""),
        }
    }
}
