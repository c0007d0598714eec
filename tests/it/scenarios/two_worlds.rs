//! One Prometheus holds two services of the same name, or one service twice.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::back_end::Running;
use testkit::prometheus::{Backfill, History, Recording, ServiceLabels, Traffic};
use testkit::thanos::{Shard, Thanos, Treatment};

use super::missing_data::program;
use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// Two pods with the labels that a scrape by a ServiceMonitor gives them, and further ones. Pods of a stateful set
/// keep their names, so nothing is known from them about a release.
fn pods(service: &str, errors: f64, numbers: [usize; 2], more: &[(&str, &str)]) -> Vec<History> {
    let (now, onset) = (now(), onset());
    let healthy = Traffic::healthy(10.0);
    let pod = |number: usize| {
        let mut history = History::new(ServiceLabels::new("shop", service));
        let name = format!("{service}-{number}");
        let instance = format!("{name}:8080");
        let usual = [
            ("container", "app"),
            ("endpoint", "http"),
            ("instance", &*instance),
            ("job", service),
            ("pod", &*name),
        ];
        for (label, value) in usual.iter().chain(more) {
            history = history.label(label, value);
        }
        history
            .segment(now - TimeDelta::hours(3), onset, healthy)
            .segment(onset, now + TimeDelta::hours(1), healthy.errors(errors))
    };
    numbers.map(pod).to_vec()
}

const PRODUCTION: [usize; 2] = [0, 1];
const STAGING: [usize; 2] = [2, 3];

/// Labels by which two worlds differ.
const PLACES: [&str; 4] = ["cluster", "environment", "prometheus", "tenant"];

/// Labels by which a pair of Prometheus differs.
const REPLICAS: [&str; 4] = [
    "replica",
    "prometheus_replica",
    "__replica__",
    "receive_replica",
];

fn now() -> DateTime<Utc> {
    static NOW: OnceLock<DateTime<Utc>> = OnceLock::new();
    *NOW.get_or_init(Utc::now)
}

/// When the errors began.
fn onset() -> DateTime<Utc> {
    now() - TimeDelta::minutes(25)
}

/// Returns the name of the service whose series differ in a label; no name may have an underscore.
fn by(label: &str) -> String {
    format!("by-{}", label.replace('_', "u"))
}

fn recorded(histories: impl IntoIterator<Item = History>) -> Recording {
    let backfill = histories.into_iter();
    Recording::of(&backfill.fold(Backfill::new(now()), Backfill::service))
}

fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let mut histories = Vec::new();
        for label in PLACES {
            let service = by(label);
            histories.extend(pods(&service, 0.0002, PRODUCTION, &[(label, "production")]));
            // One pod is enough there.
            let staging = pods(&service, 0.5, STAGING, &[(label, "staging")]);
            histories.extend(staging.into_iter().take(1));
        }
        for label in REPLICAS {
            for replica in ["prometheus-0", "prometheus-1"] {
                histories.extend(pods(&by(label), 0.2, PRODUCTION, &[(label, replica)]));
            }
        }
        for (cluster, numbers) in [("eu", PRODUCTION), ("us", STAGING)] {
            histories.extend(pods("healthy", 0.0002, numbers, &[("cluster", cluster)]));
        }
        histories.extend(pods("twice", 0.2, PRODUCTION, &[]));
        histories.extend(PRODUCTION.map(|number| {
            History::new(ServiceLabels::new("shop", "twice"))
                .label("container", "app")
                .label("endpoint", "metrics")
                .label("instance", &format!("twice-{number}:8080"))
                .label("job", "shop/twice-pods")
                .label("pod", &format!("twice-{number}"))
                .segment(
                    now() - TimeDelta::hours(3),
                    now() + TimeDelta::hours(1),
                    Traffic::healthy(10.0),
                )
        }));
        for (zone, node, shard, numbers) in [
            ("a", "n1", "shard-0", PRODUCTION),
            ("b", "n2", "shard-1", STAGING),
        ] {
            let more = [
                ("cluster", "production"),
                ("node", node),
                ("prometheus_replica", shard),
                ("topology_kubernetes_io_zone", zone),
                ("zone", zone),
            ];
            histories.extend(pods("spread", 0.2, numbers, &more));
        }
        recorded(histories)
    })
}

static SERVERS: Servers = Servers::of(recording);

on_every_server! {
    SERVERS;
    staging_that_fails_does_not_roll_production_back;
    two_healthy_worlds_are_not_called_healthy_and_the_doctor_says_why;
    a_pair_of_prometheus_without_deduplication_is_never_twice_as_sure;
    pods_that_are_scraped_twice_are_not_counted_twice;
    what_differs_within_one_service_is_no_world;
}

/// A world whose newest release was deployed when the errors began.
fn released(prometheus_url: &str, service: &str) -> World {
    let world = World::at(prometheus_url, service);
    world.release("v2", onset());
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

fn staging_that_fails_does_not_roll_production_back(server: &Running) {
    for label in PLACES {
        let service = by(label);
        let world = released(&server.url(), &service);
        let production = format!(r#"namespace="shop",service="{service}",{label}="production""#);
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
    let recording = |errors, numbers| recorded(pods("checkout", errors, numbers, &[]));
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
    let world = released(&thanos.querier().url(), "checkout");
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
    let world = released(&plain.url(), "checkout");
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
    let world = released(&hasty.url(), "checkout");
    let ran = world.nothing_changed_but_the_lock_by(&cluster(&world, "staging"));
    let ran = ran.exits(69).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    let words = ["gave the query up", "query timeout"];
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
}

fn two_healthy_worlds_are_not_called_healthy_and_the_doctor_says_why(server: &Running) {
    let world = released(&server.url(), "healthy");
    unknown(&world, &[r#"cluster ("eu", "us")"#]);
    let doctor = program(&world).arguments(&["doctor"]);
    let ran = world.nothing_changed_by(&doctor).exits(2);
    for word in ["cluster (", "SLI_SELECTOR", "problem"] {
        assert!(ran.stdout.contains(word), "{word:?} is missing: {ran}");
    }
    // One service over two clusters is what the operator says it is.
    let both = r#"namespace="shop",service="healthy",cluster=~"eu|us""#;
    let ran = program(&world).env("SLI_SELECTOR", both).run();
    assert_eq!(ran.record["verdict"], "healthy", "{ran}");
}

fn a_pair_of_prometheus_without_deduplication_is_never_twice_as_sure(server: &Running) {
    for label in REPLICAS {
        let service = by(label);
        let world = released(&server.url(), &service);
        let values = format!(r#"{label} ("prometheus-0", "prometheus-1")"#);
        unknown(
            &world,
            &["events are counted 2 times", &values, "deduplicate"],
        );
        let one = format!(r#"namespace="shop",service="{service}",{label}="prometheus-0""#);
        let ran = program(&world).env("SLI_SELECTOR", &one).run();
        ran.exits(0).decides("rollback", "trigger");
    }
}

fn pods_that_are_scraped_twice_are_not_counted_twice(server: &Running) {
    let world = released(&server.url(), "twice");
    unknown(&world, &["counted more than once", "job or endpoint"]);
}

fn what_differs_within_one_service_is_no_world(server: &Running) {
    let world = released(&server.url(), "spread");
    let ran = program(&world).run();
    ran.exits(0).decides("rollback", "trigger");
}
