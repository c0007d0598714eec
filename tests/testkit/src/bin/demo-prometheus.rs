//! The demo's Prometheus: begins with some hours of healthy history of one service or several, then scrapes them until
//! killed, and a Pushgateway beside them if there is one.
#![expect(
    clippy::print_stdout,
    reason = "the demo keeps what this program prints as its log"
)]

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
    let targets = read(arguments.required("target-file"));
    let targets: Vec<&str> = targets.lines().collect();
    let gateways = arguments.optional("gateway-file").map(read);
    let gateways: Vec<&str> = gateways.as_deref().into_iter().collect();
    let now = Utc::now();
    let minutes = TimeDelta::minutes(arguments.number("history-minutes", 120.0) as i64);
    let traffic = Traffic::healthy(arguments.number("requests-per-second", 40.0));
    let namespace = arguments.required("namespace");
    let services = arguments.required("service").split(',');
    let spacing = Spacing {
        recent_secs: HISTORY_EVERY_SECS,
        ..Spacing::default()
    };
    let backfill = services.fold(Backfill::new(now).spacing(spacing), |backfill, service| {
        let history = History::new(ServiceLabels::new(namespace, service));
        backfill.service(history.segment(now - minutes, now, traffic))
    });

    let prometheus =
        Prometheus::start_scraping_with_gateways(&backfill, &targets, &gateways, SCRAPE_EVERY);
    publish(
        Path::new(arguments.required("address-file")),
        &prometheus.url(),
    );
    println!("open at {}", prometheus.url());
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
