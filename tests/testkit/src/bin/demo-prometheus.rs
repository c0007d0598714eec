//! The demo's Prometheus: begins with some hours of healthy history of one service, then scrapes it until killed, and a
//! Pushgateway beside it if there is one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use testkit::demo::{Arguments, publish};
use testkit::prometheus::{Backfill, History, Prometheus, ServiceLabels, Spacing, Traffic};

/// Time between two scrapes: the demo is in a hurry.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// Seconds between two samples of the history: four of them fit into the demo's shortest window of 20 s.
const HISTORY_EVERY_SECS: i64 = 4;

fn main() {
    let arguments = Arguments::from_env(&[
        "target-file",
        "gateway-file",
        "namespace",
        "service",
        "requests-per-second",
        "history-minutes",
        "address-file",
    ]);
    let target = read(arguments.required("target-file"));
    let gateways: Vec<String> = arguments
        .optional("gateway-file")
        .map(read)
        .into_iter()
        .collect();
    let now = Utc::now();
    let minutes = TimeDelta::minutes(arguments.number("history-minutes", 120.0) as i64);
    let traffic = Traffic::healthy(arguments.number("requests-per-second", 40.0));
    let labels = ServiceLabels::new(
        arguments.required("namespace"),
        arguments.required("service"),
    );
    let history = History::new(labels).segment(now - minutes, now, traffic);
    let spacing = Spacing {
        recent_secs: HISTORY_EVERY_SECS,
        ..Spacing::default()
    };
    let backfill = Backfill::new(now).spacing(spacing).service(history);

    let prometheus =
        Prometheus::start_scraping_with_gateways(&backfill, &[target], &gateways, SCRAPE_EVERY);
    publish(
        Path::new(arguments.required("address-file")),
        &prometheus.url(),
    );
    loop {
        std::thread::park();
    }
}

/// Returns the address in a file.
fn read(file: &str) -> String {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"));
    text.trim().to_owned()
}
