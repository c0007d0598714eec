//! Nothing is measured, and the program says why: gone, old, never there, or not labelled.

use std::sync::OnceLock;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use testkit::back_end::Running;
use testkit::prometheus::{Backfill, History, Layout, Recording, ServiceLabels, Traffic};

use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// Services whose pods counted requests until so many minutes ago; one still does.
const ENDED: [(&str, i64); 3] = [("checkout", -60), ("gone", 20), ("long-gone", 90)];

/// A service that was first counted after the last of the moments, so many seconds apart, at which Prometheus looks
/// whether any data were there; where that was just now, some minutes ago.
const NEWBORN: &str = "newborn";
const SLOT: i64 = 3_541;

/// A service whose series do not say how a request ended.
const UNLABELLED: &str = "unlabelled";

fn recording() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let now = Utc::now();
        let (begin, end) = (now - TimeDelta::hours(3), now + TimeDelta::hours(1));
        let mut backfill = Backfill::new(now);
        for (service, minutes) in ENDED {
            let labels = ServiceLabels::new("shop", service);
            for pod in ["x2x4z", "bbbbb"] {
                let name = format!("{service}-5d9f7c6b8-{pod}");
                let until = now - TimeDelta::minutes(minutes);
                let history = History::new(labels.clone())
                    .label("pod", &name)
                    .label("instance", &format!("{name}:8080"))
                    .segment(begin, until, Traffic::healthy(10.0));
                backfill = backfill.service(history);
            }
        }
        let newborn = History::new(ServiceLabels::new("shop", NEWBORN));
        let age = (now.timestamp() % SLOT - 30).max(480);
        let born = now - TimeDelta::seconds(age);
        backfill = backfill.service(newborn.segment(born, end, Traffic::healthy(10.0)));
        let layout = Layout {
            good: r#"method="GET""#.to_owned(),
            bad: r#"method="POST""#.to_owned(),
            ..Layout::http(&ServiceLabels::new("shop", UNLABELLED))
        };
        let history = History::laid_out(layout).segment(begin, end, Traffic::healthy(20.0));
        let elsewhere = [
            r#"http_requests_total{namespace="store",service="wares",status="200"}"#,
            r#"istio_requests_total{reporter="destination",destination_workload_namespace="shop",destination_workload="meshed",response_code="200"}"#,
            r#"traefik_service_requests_total{service="shop-edge-http-80@file",code="200"}"#,
        ];
        let backfill = elsewhere
            .into_iter()
            .fold(backfill.service(history), |backfill, series| {
                backfill.counter(series, begin, end, 5.0)
            });
        Recording::of(&backfill)
    })
}

static SERVERS: Servers = Servers::of(recording);

/// The program with a window that the history fills.
pub(super) fn program(world: &World) -> Program {
    world.program().env("SLO_WINDOW", "2h")
}

#[track_caller]
fn unknown(world: &World, words: &[&str]) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(&program(world));
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    for word in words {
        assert!(detail.contains(word), "{word:?} is missing in {detail:?}");
    }
    assert!(!detail.contains("carries the label"), "{detail}");
    ran
}

on_every_server! {
    SERVERS;
    series_that_have_ended_are_gone_and_their_budget_is_still_known;
    a_service_that_never_was_there_is_a_wrong_name;
    series_without_an_outcome_are_said_to_lack_it;
    a_service_that_is_new_is_not_called_a_wrong_name;
    the_doctor_proposes_names_that_are_there;
}

fn series_that_have_ended_are_gone_and_their_budget_is_still_known(server: &Running) {
    for (service, words) in [
        (
            "gone",
            ["series of the service have ended", "whether its pods run"],
        ),
        ("long-gone", ["at least 3600 s old", "whether its pods run"]),
    ] {
        let world = World::at(&server.url(), service);
        let ran = unknown(&world, &words);
        assert!(ran.record["budget"]["consumed"].is_number(), "{ran}");
        assert_eq!(ran.record["burn_rates"]["5m"], Value::Null, "{ran}");
        assert!(!ran.text("/decision/detail").contains("no series"), "{ran}");
        for violation in ran.record["violations"].as_array().into_iter().flatten() {
            assert_eq!(violation["state"], "unknown", "{ran}");
        }
    }
}

/// Whatever a server makes of hours that nobody counted, the service is there.
fn a_service_that_is_new_is_not_called_a_wrong_name(server: &Running) {
    let world = World::at(&server.url(), NEWBORN);
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0);
    assert!(ran.record["burn_rates"]["5m"].is_number(), "{ran}");
    for wrong in ["no series matches", "SERVICE_NAME"] {
        assert!(!ran.record.to_string().contains(wrong), "{ran}");
    }
}

fn a_service_that_never_was_there_is_a_wrong_name(server: &Running) {
    let world = World::at(&server.url(), "chekout");
    unknown(
        &world,
        &["no series matches the service", "check SERVICE_NAME"],
    );
}

fn series_without_an_outcome_are_said_to_lack_it(server: &Running) {
    let world = World::at(&server.url(), UNLABELLED);
    let metrics = world.folder().join("error-budget.prom");
    let told = program(&world).env_path("METRICS_TEXTFILE", &metrics);
    let ran = world.nothing_changed_but_the_lock_by(&told);
    let ran = ran.exits(0).decides("hold", "unknown_data");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("carries the label status"), "{detail}");
    let metrics = std::fs::read_to_string(&metrics).expect("the metrics were written");
    assert!(metrics.contains("verdict=\"unknown\"} 1"), "{metrics}");
    assert!(!metrics.contains("error_budget_slo_violated{"), "{metrics}");
    // What was counted without knowing how it ended is not availability.
    for violation in ran.record["violations"].as_array().into_iter().flatten() {
        assert_ne!(violation["state"], "ok", "{ran}");
    }
}

fn the_doctor_proposes_names_that_are_there(server: &Running) {
    for (service, family, words) in [
        (
            "chekout",
            "http",
            &[
                "http_requests_total counts checkout",
                "SERVICE_NAME=checkout\"",
            ][..],
        ),
        ("wares", "http", &["wares is in store", "NAMESPACE=store"]),
        (
            "meshed",
            "http",
            &["counted as istio", "METRICS_FAMILY=istio"],
        ),
        (
            "edge",
            "traefik",
            &["shop-edge-http-80@file", "SLI_SELECTOR"],
        ),
        (
            "checkout",
            "grpc",
            &["counted as http", "METRICS_FAMILY=http"],
        ),
        (
            "nobody",
            "envoy",
            &["envoy_cluster_upstream_rq_xx has no series at all"],
        ),
    ] {
        let world = World::at(&server.url(), service);
        let doctor = program(&world)
            .env("METRICS_FAMILY", family)
            .arguments(&["doctor"]);
        let ran = world.nothing_changed_by(&doctor).exits(2);
        ran.finds("prometheus names", "warning", words).finds(
            "kube-state-metrics",
            "ok",
            &["they are not there"],
        );
    }
    let world = World::at(&server.url(), "checkout");
    let doctor = program(&world).arguments(&["doctor"]);
    let ran = world.nothing_changed_by(&doctor);
    assert!(!ran.stdout.contains("prometheus names"), "{ran}");
}
