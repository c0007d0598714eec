//! Nothing is counted any more: all pods are gone, or something else is.

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use testkit::back_end::Running;
use testkit::prometheus::{Backfill, History, Month, Recording, ServiceLabels, Traffic};

use super::memory::past;
use super::program::{Program, Ran};
use super::world::World;
use crate::servers::{Servers, on_every_server};

/// How many pods each service wants.
const WANTED: f64 = 3.0;

/// Some hours of several services whose traffic ended, with what kube-state-metrics say of them.
struct Silence {
    recording: Recording,
    now: DateTime<Utc>,
}

impl Silence {
    /// Returns when the traffic of most services ended.
    fn ended_at(&self) -> DateTime<Utc> {
        ended_at(self.now)
    }

    /// Returns the world of one of the services, whose newest version was deployed a minute before its traffic ended.
    fn world(&self, server: &Running, service: &str) -> (World, String) {
        let world = World::at(&server.url(), service);
        let v2 = world.release("v2", self.ended_at() - TimeDelta::minutes(1));
        (world, v2)
    }
}

fn ended_at(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::minutes(12)
}

/// Returns when the traffic of what was rolled back began anew.
fn back_at(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::minutes(10)
}

/// Writes series as kube-state-metrics name them.
struct Cluster {
    backfill: Backfill,
    begin: DateTime<Utc>,
    ended: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Cluster {
    fn of(now: DateTime<Utc>) -> Self {
        Self {
            backfill: Backfill::new(now),
            begin: now - TimeDelta::hours(9),
            ended: ended_at(now),
            end: now + TimeDelta::minutes(Month::FUTURE_MINUTES),
        }
    }

    /// A service with 20 requests per second until its traffic ended, and so many since; nobody counts where there
    /// are none.
    fn service(self, name: &str, since: Option<Traffic>) -> Self {
        let ended = self.ended;
        self.service_until(name, ended, since)
    }

    fn service_until(mut self, name: &str, ended: DateTime<Utc>, since: Option<Traffic>) -> Self {
        let labels = ServiceLabels::new(Month::NAMESPACE, name);
        let history = History::new(labels).segment(self.begin, ended, Traffic::healthy(20.0));
        let history = match since {
            Some(traffic) => history.segment(ended, self.end, traffic),
            None => history,
        };
        self.backfill = self.backfill.service(history);
        self
    }

    /// A gauge that has one value until `at` and another one since; nothing where it is not collected.
    fn gauge(
        mut self,
        series: &str,
        at: DateTime<Utc>,
        before: Option<f64>,
        since: Option<f64>,
    ) -> Self {
        if let Some(value) = before {
            self.backfill = self.backfill.gauge(series, self.begin, at, value);
        }
        if let Some(value) = since {
            let from = at + TimeDelta::seconds(15);
            self.backfill = self.backfill.gauge(series, from, self.end, value);
        }
        self
    }

    /// A Deployment that wanted three pods and had them, and what it wants and has since its traffic ended.
    fn deployment(self, name: &str, since: Option<(f64, f64)>) -> Self {
        let ended = self.ended;
        self.deployment_until(name, ended, since)
    }

    fn deployment_until(self, name: &str, at: DateTime<Utc>, since: Option<(f64, f64)>) -> Self {
        let series = |what: &str| {
            format!(
                "kube_deployment_{what}{{namespace=\"{}\",deployment=\"{name}\"}}",
                Month::NAMESPACE
            )
        };
        let (wanted, ready) = (
            since.map(|(wanted, _)| wanted),
            since.map(|(_, ready)| ready),
        );
        self.gauge(&series("spec_replicas"), at, Some(WANTED), wanted)
            .gauge(
                &series("status_replicas_available"),
                at,
                Some(WANTED),
                ready,
            )
    }

    /// A pod that crashes again and again since the traffic ended.
    fn crashing(mut self, pod: &str) -> Self {
        let series = |what: &str, more: &str| {
            format!(
                "{what}{{namespace=\"{}\",pod=\"{pod}\"{more}}}",
                Month::NAMESPACE
            )
        };
        let at = self.ended;
        self.backfill = self.backfill.counter(
            &series(
                "kube_pod_container_status_restarts_total",
                ",container=\"app\"",
            ),
            at,
            self.end,
            0.02,
        );
        self.gauge(
            &series("kube_pod_status_ready", ",condition=\"true\""),
            at,
            None,
            Some(0.0),
        )
        .gauge(
            &series(
                "kube_pod_container_status_waiting_reason",
                ",container=\"app\",reason=\"CrashLoopBackOff\"",
            ),
            at,
            None,
            Some(1.0),
        )
    }
}

/// Returns the silence that all tests of this process share.
fn silence() -> &'static Silence {
    static SILENCE: OnceLock<Silence> = OnceLock::new();
    SILENCE.get_or_init(|| {
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("a time");
        let long_ago = now - TimeDelta::minutes(45);
        let healthy = Some(Traffic::healthy(20.0));
        let cluster = Cluster::of(now)
            // A release that crash-loops: nobody is left to be counted.
            .service("crash-loop", None)
            .deployment("crash-loop", Some((WANTED, 0.0)))
            .crashing("crash-loop-7f8b9c4d5-bbbbb")
            // The same with a few requests that the edge still counts.
            .service("dribble", Some(Traffic::healthy(0.8)))
            .deployment("dribble", Some((WANTED, 0.0)))
            // The same where no Deployment has the service's name.
            .service("by-pods", None)
            .crashing("by-pods-7f8b9c4d5-bbbbb")
            // Prometheus cannot reach the pods, which are ready.
            .service("scrape-outage", None)
            .deployment("scrape-outage", Some((WANTED, WANTED)))
            // Nor can it reach kube-state-metrics.
            .service("blind", None)
            .deployment("blind", None)
            // Nobody collects those at all.
            .service("no-witness", None)
            .service("to-zero", None)
            .deployment("to-zero", Some((0.0, 0.0)))
            .service("night", Some(Traffic::healthy(0.5)))
            .deployment("night", Some((WANTED, WANTED)))
            // A panic that is caught and not counted.
            .service("panics", Some(Traffic::idle()))
            .deployment("panics", Some((WANTED, WANTED)))
            .service_until("gone-before", long_ago, None)
            .deployment_until("gone-before", long_ago, Some((WANTED, 0.0)))
            // Its errors began before the deployment that ended it.
            .service("well", healthy)
            .deployment("well", Some((WANTED, WANTED)))
            // What a rollback brought back, and what counts again without its pods.
            .service_until("back", back_at(now), healthy)
            .deployment_until("back", back_at(now), Some((WANTED, WANTED)))
            .service_until("half-back", back_at(now), healthy)
            .deployment_until("half-back", back_at(now), Some((WANTED, 0.0)));
        Silence {
            recording: Recording::of(&cluster.backfill),
            now,
        }
    })
}

static SERVERS: Servers = Servers::of(|| &silence().recording);

on_every_server! {
    SERVERS;
    a_release_that_crash_loops_is_put_back_although_nobody_is_counted;
    a_silence_that_has_another_reason_is_told_and_never_acted_on;
    traffic_that_falls_at_night_with_ready_pods_is_told_and_healthy;
    an_outage_that_began_before_the_deployment_is_not_its_fault;
    an_outage_is_only_told_where_that_is_switched_off;
    the_doctor_says_who_would_see_an_outage;
    a_service_is_back_when_its_pods_are_ready_and_its_events_flow;
}

fn a_release_that_crash_loops_is_put_back_although_nobody_is_counted(server: &Running) {
    for service in ["crash-loop", "dribble", "by-pods"] {
        let (world, v2) = silence().world(server, service);
        let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
        world.one_commit_restores(&v2, &world.v1, &v2);
        assert_eq!(ran.text("/verdict"), "burning", "{ran}");
        let availability = &ran.record["violations"][0];
        assert_eq!(availability["name"], "availability", "{ran}");
        assert_eq!(availability["state"], "violated", "{ran}");
        assert!(availability["value"].is_null(), "{ran}");
        let detail = ran.text("/violations/0/detail");
        assert!(detail.starts_with("no ready pods"), "{detail}");
        // What was measured of the budget stays.
        assert!(ran.record["budget"]["consumed"].is_number(), "{ran}");
        assert!(ran.record["budget"]["coverage"].is_number(), "{ran}");
        assert_eq!(ran.text("/attribution/verdict"), "deployment", "{ran}");
        assert_eq!(ran.record["attribution"]["suspect"], *v2, "{ran}");
        // The gate says so too.
        let (world, _) = silence().world(server, service);
        let checked = world.runs(&["check"]).exits(2);
        checked.complains_of(&["availability: no ready pods"]);
    }
}

fn a_silence_that_has_another_reason_is_told_and_never_acted_on(server: &Running) {
    for (service, why) in [
        ("scrape-outage", "3.0 of 3 pods are ready"),
        ("blind", " s old, so nothing says whether they are there"),
        ("no-witness", "kube-state-metrics know no Deployment"),
        ("to-zero", "scaled to zero"),
        ("panics", "whether a request that fails is counted at all"),
    ] {
        let (world, _) = silence().world(server, service);
        let ran = held(&world, &world.program(), "unknown_data");
        told(&ran, why);
        assert!(ran.record["budget"]["consumed"].is_number(), "{ran}");
        assert!(ran.record["budget"]["coverage"].is_number(), "{ran}");
    }
}

fn traffic_that_falls_at_night_with_ready_pods_is_told_and_healthy(server: &Running) {
    let (world, _) = silence().world(server, "night");
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("none", "healthy");
    told(&ran, "3.0 of 3 pods are ready");
}

fn an_outage_that_began_before_the_deployment_is_not_its_fault(server: &Running) {
    let (world, _) = silence().world(server, "gone-before");
    held(&world, &world.program(), "not_attributable");
}

fn an_outage_is_only_told_where_that_is_switched_off(server: &Running) {
    let (world, _) = silence().world(server, "crash-loop");
    let program = world.program().env("OUTAGE_DETECTION", "false");
    let ran = held(&world, &program, "unknown_data");
    told(&ran, "OUTAGE_DETECTION is false");
}

fn a_service_is_back_when_its_pods_are_ready_and_its_events_flow(server: &Running) {
    let now = silence().now;
    for (service, ready, outcome) in [
        ("back", WANTED, "recovered"),
        ("half-back", 0.0, "verifying"),
    ] {
        let world = World::at(&server.url(), service);
        let mut rollback = past(
            "gone-1",
            now - back_at(now),
            error_budget_monitor::journal::Phase::Verifying,
        );
        rollback.outage = true;
        world.remembers(&[rollback]);
        let program = world.program().env("STABILIZATION", "2m");
        let ran = program.run().exits(0).has_outcome(outcome);
        let detail = ran.record["rollback"]["steps"][0]["detail"].to_string();
        let words = if ready > 0.0 {
            "3 pods are ready"
        } else {
            "no pod is ready"
        };
        assert!(detail.contains(words), "{ran}");
    }
}

fn the_doctor_says_who_would_see_an_outage(server: &Running) {
    for (service, state, words) in [
        ("well", "ok", "its Deployment or StatefulSet"),
        ("by-pods", "ok", "pods that are named after it"),
        ("no-witness", "warning", "none of the service"),
    ] {
        let (world, _) = silence().world(server, service);
        let doctor = world.nothing_changed_by(&world.program().arguments(&["doctor"]));
        doctor.finds("kube-state-metrics", state, &[words]);
    }
}

#[track_caller]
fn held(world: &World, program: &Program, reason: &str) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(program);
    ran.exits(0).decides("hold", reason)
}

/// Checks that the record tells of the traffic, and why.
#[track_caller]
fn told(ran: &Ran, why: &str) {
    let unknowns = ran.record["unknowns"].as_array().into_iter().flatten();
    let told: Vec<String> = unknowns
        .filter(|unknown| unknown["source"] == "traffic")
        .map(|unknown| unknown["why"].to_string())
        .collect();
    assert!(told.len() == 1 && told[0].contains(why), "{told:?}\n{ran}");
}
