//! Numbers that contradict each other are no evidence, and no record says two things at once.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::back_end::{BackEnd, Running};
use testkit::prometheus::{Backfill, Recording};

use super::missing_data::program;
use super::program::Program;
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// A service that counts with two counters of its own.
struct Service {
    name: &'static str,
    /// Seconds between two scrapes.
    scraped_every: i64,
    /// Since how many minutes how many requests a second fail. Ten a second are counted for three hours.
    failed: (i64, f64),
}

const fn of(name: &'static str, scraped_every: i64, failed: (i64, f64)) -> Service {
    Service {
        name,
        scraped_every,
        failed,
    }
}

const SERVICES: [Service; 6] = [
    of("orders", 15, (180, 0.001)),
    // Each retry counts as failed, and only the first try as an order.
    of("retried", 15, (25, 13.0)),
    of("down", 15, (25, 10.0)),
    of("minutely", 60, (180, 0.001)),
    of("minutely-bad", 60, (40, 3.0)),
    of("rare", 300, (180, 0.001)),
];

fn now() -> DateTime<Utc> {
    static NOW: OnceLock<DateTime<Utc>> = OnceLock::new();
    *NOW.get_or_init(Utc::now)
}

fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let now = now();
        let mut backfill = Backfill::new(now);
        for service in &SERVICES {
            let all = ("orders_total", 180, 10.0);
            let (minutes, per_second) = service.failed;
            for (counter, minutes, per_second) in
                [all, ("orders_failed_total", minutes, per_second)]
            {
                let name = service.name;
                let labels = format!(r#"instance="{name}-0:9100",job="{name}",namespace="shop""#);
                let begin = now - TimeDelta::minutes(minutes);
                let end = now + TimeDelta::hours(1);
                backfill = backfill
                    .counter(&format!("{counter}{{{labels}}}"), begin, end, per_second)
                    .scraped_every(service.scraped_every);
            }
        }
        Recording::of(&backfill)
    })
}

static SERVERS: Servers = Servers::of(recording);

on_every_server! {
    SERVERS;
    more_bad_events_than_events_lead_to_no_action;
    a_complete_outage_is_no_contradiction;
    own_queries_are_measured_at_a_scrape_a_minute;
    own_queries_at_a_scrape_every_five_minutes_are_told_so;
}

fn own(world: &World) -> Program {
    let count = |name: &str| format!(r#"sum(increase({name}{{job="${{SERVICE}}"}}[${{WINDOW}}]))"#);
    program(world)
        .env("SLI_BAD_QUERY", &count("orders_failed_total"))
        .env("SLI_TOTAL_QUERY", &count("orders_total"))
}

fn more_bad_events_than_events_lead_to_no_action(server: &Running) {
    let world = World::at(&server.url(), "orders");
    let healthy = own(&world).arguments(&["--dry-run"]).run();
    assert_eq!(healthy.record["verdict"], "healthy", "{healthy}");

    let world = World::at(&server.url(), "retried");
    world.release("v2", now() - TimeDelta::minutes(25));
    let ran = world.nothing_changed_but_the_lock_by(&own(&world));
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("more than the scrapes explain"), "{detail}");
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    for violation in ran.record["violations"].as_array().into_iter().flatten() {
        assert_ne!(violation["state"], "violated", "{ran}");
        assert_ne!(violation["state"], "ok", "{ran}");
    }
}

fn a_complete_outage_is_no_contradiction(server: &Running) {
    let world = World::at(&server.url(), "down");
    world.release("v2", now() - TimeDelta::minutes(25));
    let ran = own(&world).run();
    ran.exits(0).decides("rollback", "trigger");
}

fn own_queries_are_measured_at_a_scrape_a_minute(server: &Running) {
    let world = World::at(&server.url(), "minutely");
    let ran = own(&world).arguments(&["--dry-run"]).run();
    assert_eq!(ran.record["verdict"], "healthy", "{ran}");
    assert_eq!(ran.record["violations"][0]["state"], "ok", "{ran}");

    let world = World::at(&server.url(), "minutely-bad");
    world.release("v2", now() - TimeDelta::minutes(40));
    let ran = own(&world).run();
    ran.exits(0).decides("rollback", "trigger");
}

fn own_queries_at_a_scrape_every_five_minutes_are_told_so(server: &Running) {
    let world = World::at(&server.url(), "rare");
    let ran = world.nothing_changed_but_the_lock_by(&own(&world));
    if server.back_end() == BackEnd::VictoriaMetrics {
        // It counts from the sample before a window on, so one sample in it is enough, and it says what is true.
        let total = ran.record["budget"]["total_events"].as_f64();
        let truth = 10.0 * 7200.0;
        assert!(
            total.is_some_and(|total| (total / truth - 1.0).abs() < 0.05),
            "{ran}"
        );
        assert_ne!(ran.record["verdict"], "burning", "{ran}");
        return;
    }
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    assert!(
        detail.contains("scraped less often than once a minute"),
        "{detail}"
    );
    assert!(!detail.contains("no series matches"), "{detail}");
}
