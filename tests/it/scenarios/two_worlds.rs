//! One Prometheus holds two services of the same name, or one service twice.

use chrono::{DateTime, TimeDelta, Utc};
use testkit::prometheus::{Backfill, History, Prometheus, Recording, ServiceLabels, Traffic};
use testkit::thanos::{Shard, Thanos, Treatment};

use super::missing_data::program;
use super::program::{Program, Ran};
use super::world::World;

const SERVICE: &str = "checkout";

/// Two pods with the labels that a scrape by a ServiceMonitor gives them, and further ones.
fn pods(
    (now, onset): (DateTime<Utc>, DateTime<Utc>),
    errors: f64,
    names: [&str; 2],
    more: &[(&str, &str)],
) -> Vec<History> {
    let healthy = Traffic::healthy(10.0);
    let pod = |name: &str| {
        let mut history = History::new(ServiceLabels::new("shop", SERVICE));
        let instance = format!("{name}:8080");
        let usual = [
            ("container", "app"),
            ("endpoint", "http"),
            ("instance", &*instance),
            ("job", SERVICE),
            ("pod", name),
        ];
        for (label, value) in usual.iter().chain(more) {
            history = history.label(label, value);
        }
        history
            .segment(now - TimeDelta::hours(3), onset, healthy)
            .segment(onset, now + TimeDelta::hours(1), healthy.errors(errors))
    };
    names.map(pod).to_vec()
}

fn backfill(now: DateTime<Utc>, histories: impl IntoIterator<Item = Vec<History>>) -> Backfill {
    let histories = histories.into_iter().flatten();
    histories.fold(Backfill::new(now), Backfill::service)
}

fn prometheus(now: DateTime<Utc>, histories: impl IntoIterator<Item = Vec<History>>) -> Prometheus {
    Prometheus::start(&backfill(now, histories))
}

/// Pods of a stateful set keep their names, so nothing is known from them about a release.
const PRODUCTION: [&str; 2] = ["checkout-0", "checkout-1"];
const STAGING: [&str; 2] = ["checkout-2", "checkout-3"];

/// A world whose newest release was deployed when the errors began.
fn released(prometheus: &Prometheus, onset: DateTime<Utc>) -> World {
    released_at(&prometheus.url(), onset)
}

fn released_at(prometheus_url: &str, onset: DateTime<Utc>) -> World {
    let world = World::at(prometheus_url, SERVICE);
    world.release("v2", onset);
    world
}

#[track_caller]
fn unknown(world: &World, words: &[&str]) -> Ran {
    unknown_to(&program(world), world, words)
}

#[track_caller]
fn unknown_to(program: &Program, world: &World, words: &[&str]) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(program);
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    for violation in ran.record["violations"].as_array().into_iter().flatten() {
        assert_eq!(violation["state"], "unknown", "{ran}");
    }
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
    ran
}

#[test]
fn staging_that_fails_does_not_roll_production_back() {
    let now = Utc::now();
    let onset = now - TimeDelta::minutes(25);
    for label in ["cluster", "environment", "prometheus", "tenant"] {
        let place = |value| [(label, value)];
        let prometheus = prometheus(
            now,
            [
                pods((now, onset), 0.0002, PRODUCTION, &place("production")),
                // One pod is enough there.
                pods((now, onset), 0.5, STAGING, &place("staging"))[..1].to_vec(),
            ],
        );
        let world = released(&prometheus, onset);
        let production = format!(r#"namespace="shop",service="checkout",{label}="production""#);
        let values = format!(r#"{label} ("production", "staging")"#);
        unknown(&world, &[&values, "SLI_SELECTOR", &production]);
        let check = program(&world).arguments(&["check"]);
        world.nothing_changed_by(&check).exits(4);

        // What is proposed is what helps, and each of the two is then seen as it is.
        let selected = |value: &str| {
            let selector = production.replace("\"production\"", &format!("\"{value}\""));
            program(&world).env("SLI_SELECTOR", &selector)
        };
        let dry = ["--dry-run"];
        let ran = selected("production").arguments(&dry).run();
        assert_eq!(ran.record["verdict"], "healthy", "{ran}");
        let ran = selected("staging").arguments(&dry).run();
        assert_eq!(ran.record["verdict"], "burning", "{ran}");
    }
}

#[test]
fn two_clusters_behind_a_real_thanos_are_told_apart_and_a_pair_of_replicas_counts_once() {
    let now = Utc::now();
    let onset = now - TimeDelta::minutes(25);
    let recording = |errors, pods_of| {
        let pods = pods((now, onset), errors, pods_of, &[]);
        Recording::of(&backfill(now, [pods]))
    };
    let production = recording(0.0002, PRODUCTION);
    let staging = recording(0.5, STAGING);
    let shard = |labels, recording| Shard {
        labels,
        recording,
        flags: &[],
    };
    let shards = [
        shard(&[("cluster", "production"), ("replica", "a")], &production),
        shard(&[("cluster", "staging"), ("replica", "a")], &staging),
        shard(&[("cluster", "staging"), ("replica", "b")], &staging),
    ];
    let Some(mut thanos) = Thanos::start_shards(&shards) else {
        return;
    };
    let cluster = |world: &World, cluster: &str| {
        let selector = format!(r#"namespace="shop",service="checkout",cluster="{cluster}""#);
        program(world).env("SLI_SELECTOR", &selector)
    };
    let world = released_at(&thanos.querier().url(), onset);
    let values = r#"cluster ("production", "staging")"#;
    unknown(&world, &[values, "SLI_SELECTOR"]);
    let check = program(&world).arguments(&["check"]);
    world.nothing_changed_by(&check).exits(4);
    for (name, verdict) in [("production", "healthy"), ("staging", "burning")] {
        let ran = cluster(&world, name).arguments(&["--dry-run"]).run();
        assert_eq!(ran.record["verdict"], verdict, "{ran}");
        // Two pods with ten requests a second each, also where two Prometheus saw them.
        let total = ran.record["budget"]["total_events"].as_f64();
        let truth = 2.0 * 10.0 * 7200.0;
        let is_close = total.is_some_and(|total| (total - truth).abs() < 0.01 * truth);
        assert!(is_close, "{total:?} instead of {truth}");
    }

    let plain = thanos.another(Treatment {
        is_strict: false,
        flags: &[],
    });
    let world = released_at(&plain.url(), onset);
    let words = [
        "events are counted 2 times",
        r#"replica ("a", "b")"#,
        "deduplicate",
    ];
    unknown_to(&cluster(&world, "staging"), &world, &words);
    let one = r#"namespace="shop",service="checkout",cluster="staging",replica="b""#;
    let dry = program(&world).arguments(&["--dry-run"]);
    let ran = dry.env("SLI_SELECTOR", one).run();
    assert_eq!(ran.record["verdict"], "burning", "{ran}");

    // What a querier gives up because of its time is no fault of a store.
    let hasty = thanos.another(Treatment {
        is_strict: false,
        flags: &["--query.timeout=1ms"],
    });
    let world = released_at(&hasty.url(), onset);
    let ran = world.nothing_changed_but_the_lock_by(&cluster(&world, "staging"));
    let ran = ran.exits(69).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    let words = ["gave the query up", "query timeout"];
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
}

#[test]
fn two_healthy_worlds_are_not_called_healthy_and_the_doctor_says_why() {
    let now = Utc::now();
    let onset = now - TimeDelta::minutes(25);
    let prometheus = prometheus(
        now,
        [
            pods((now, onset), 0.0002, PRODUCTION, &[("cluster", "eu")]),
            pods((now, onset), 0.0002, STAGING, &[("cluster", "us")]),
        ],
    );
    let world = released(&prometheus, onset);
    unknown(&world, &[r#"cluster ("eu", "us")"#]);
    let doctor = program(&world).arguments(&["doctor"]);
    let ran = world.nothing_changed_by(&doctor).exits(2);
    for word in ["cluster (", "SLI_SELECTOR", "problem"] {
        assert!(ran.stdout.contains(word), "{word:?} is missing: {ran}");
    }
    // One service over two clusters is what the operator says it is.
    let both = r#"namespace="shop",service="checkout",cluster=~"eu|us""#;
    let ran = program(&world).env("SLI_SELECTOR", both).run();
    assert_eq!(ran.record["verdict"], "healthy", "{ran}");
}

#[test]
fn a_pair_of_prometheus_without_deduplication_is_never_twice_as_sure() {
    let now = Utc::now();
    let onset = now - TimeDelta::minutes(25);
    for label in [
        "replica",
        "prometheus_replica",
        "__replica__",
        "receive_replica",
    ] {
        let seen_by = |replica| pods((now, onset), 0.2, PRODUCTION, &[(label, replica)]);
        let prometheus = prometheus(now, [seen_by("prometheus-0"), seen_by("prometheus-1")]);
        let world = released(&prometheus, onset);
        let values = format!(r#"{label} ("prometheus-0", "prometheus-1")"#);
        unknown(
            &world,
            &["events are counted 2 times", &values, "deduplicate"],
        );
        let one = format!(r#"namespace="shop",service="checkout",{label}="prometheus-0""#);
        let ran = program(&world).env("SLI_SELECTOR", &one).run();
        ran.exits(0).decides("rollback", "trigger");
    }
}

#[test]
fn pods_that_are_scraped_twice_are_not_counted_twice() {
    let now = Utc::now();
    let onset = now - TimeDelta::minutes(25);
    let mut twice = pods((now, onset), 0.2, PRODUCTION, &[]);
    twice.extend(PRODUCTION.map(|name| {
        History::new(ServiceLabels::new("shop", SERVICE))
            .label("container", "app")
            .label("endpoint", "metrics")
            .label("instance", &format!("{name}:8080"))
            .label("job", "shop/checkout-pods")
            .label("pod", name)
            .segment(
                now - TimeDelta::hours(3),
                now + TimeDelta::hours(1),
                Traffic::healthy(10.0),
            )
    }));
    let prometheus = prometheus(now, [twice]);
    let world = released(&prometheus, onset);
    unknown(&world, &["counted more than once", "job or endpoint"]);
}

#[test]
fn what_differs_within_one_service_is_no_world() {
    let now = Utc::now();
    let onset = now - TimeDelta::minutes(25);
    let on = |zone, node, shard| {
        let names = if shard == "shard-0" {
            PRODUCTION
        } else {
            STAGING
        };
        let more = [
            ("cluster", "production"),
            ("node", node),
            ("prometheus_replica", shard),
            ("topology_kubernetes_io_zone", zone),
            ("zone", zone),
        ];
        pods((now, onset), 0.2, names, &more)
    };
    let prometheus = prometheus(now, [on("a", "n1", "shard-0"), on("b", "n2", "shard-1")]);
    let world = released(&prometheus, onset);
    let ran = program(&world).run();
    ran.exits(0).decides("rollback", "trigger");
}
