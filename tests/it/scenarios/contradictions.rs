//! Numbers that contradict each other are no evidence, and no record says two things at once.

use chrono::{DateTime, TimeDelta, Utc};
use testkit::prometheus::{Backfill, Prometheus, Spacing};

use super::missing_data::program;
use super::program::Program;
use super::world::World;

const SERVICE: &str = "checkout";

/// Two counters of the operator's own, with labels as a job has them.
fn counters(now: DateTime<Utc>, spacing: i64, counted: &[(&str, i64, f64)]) -> Prometheus {
    let spacing = Spacing {
        recent_secs: spacing,
        day_secs: spacing,
        old_secs: spacing,
    };
    let end = now + TimeDelta::hours(1);
    let backfill = Backfill::new(now).spacing(spacing);
    Prometheus::start(
        &counted
            .iter()
            .fold(backfill, |backfill, (name, minutes, per_second)| {
                let labels = r#"instance="checkout-0:9100",job="checkout",namespace="shop""#;
                let series = format!("{name}{{{labels}}}");
                backfill.counter(
                    &series,
                    now - TimeDelta::minutes(*minutes),
                    end,
                    *per_second,
                )
            }),
    )
}

fn own(world: &World) -> Program {
    let count = |name: &str| format!(r#"sum(increase({name}{{job="${{SERVICE}}"}}[${{WINDOW}}]))"#);
    program(world)
        .env("SLI_BAD_QUERY", &count("orders_failed_total"))
        .env("SLI_TOTAL_QUERY", &count("orders_total"))
}

#[test]
fn more_bad_events_than_events_lead_to_no_action() {
    let now = Utc::now();
    // Each retry counts as failed, and only the first try as an order.
    let failed = [
        ("orders_total", 180, 10.0),
        ("orders_failed_total", 180, 0.001),
        ("orders_failed_total", 25, 13.0),
    ];
    let [all, some, retried] = failed;
    let prometheus = counters(now, 15, &[all, some]);
    let world = World::at(&prometheus.url(), SERVICE);
    let healthy = own(&world).arguments(&["--dry-run"]).run();
    assert_eq!(healthy.record["verdict"], "healthy", "{healthy}");

    let prometheus = counters(now, 15, &[all, retried]);
    let world = World::at(&prometheus.url(), SERVICE);
    world.release("v2", now - TimeDelta::minutes(25));
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

#[test]
fn a_complete_outage_is_no_contradiction() {
    let now = Utc::now();
    let prometheus = counters(
        now,
        15,
        &[
            ("orders_total", 180, 10.0),
            ("orders_failed_total", 25, 10.0),
        ],
    );
    let world = World::at(&prometheus.url(), SERVICE);
    world.release("v2", now - TimeDelta::minutes(25));
    let ran = own(&world).run();
    ran.exits(0).decides("rollback", "trigger");
}

#[test]
fn own_queries_are_measured_at_a_scrape_a_minute() {
    let now = Utc::now();
    let prometheus = counters(
        now,
        60,
        &[
            ("orders_total", 180, 10.0),
            ("orders_failed_total", 180, 0.001),
        ],
    );
    let world = World::at(&prometheus.url(), SERVICE);
    let ran = own(&world).arguments(&["--dry-run"]).run();
    assert_eq!(ran.record["verdict"], "healthy", "{ran}");
    assert_eq!(ran.record["violations"][0]["state"], "ok", "{ran}");

    let prometheus = counters(
        now,
        60,
        &[
            ("orders_total", 180, 10.0),
            ("orders_failed_total", 40, 3.0),
        ],
    );
    let world = World::at(&prometheus.url(), SERVICE);
    world.release("v2", now - TimeDelta::minutes(40));
    let ran = own(&world).run();
    ran.exits(0).decides("rollback", "trigger");
}

#[test]
fn own_queries_at_a_scrape_every_five_minutes_are_told_so() {
    let now = Utc::now();
    let prometheus = counters(
        now,
        300,
        &[
            ("orders_total", 180, 10.0),
            ("orders_failed_total", 180, 0.001),
        ],
    );
    let world = World::at(&prometheus.url(), SERVICE);
    let ran = world.nothing_changed_but_the_lock_by(&own(&world));
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    assert!(
        detail.contains("scraped less often than once a minute"),
        "{detail}"
    );
    assert!(!detail.contains("no series matches"), "{detail}");
}
