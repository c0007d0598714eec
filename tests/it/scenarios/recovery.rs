//! The proof: did the burn stop? A service is scraped that runs what git says, and one that does not get well.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::{MonoRepo, Release};
use testkit::prometheus::{Backfill, History, Month, Prometheus, ServiceLabels, Spacing, Traffic};
use testkit::receiver::Receiver;
use testkit::service::LiveService;
use testkit::slack::SlackServer;

use super::program::{Program, Ran};
use super::world::World;

/// How often a run is started until the scraped samples are enough to act on.
const PASSES: usize = 60;

const HEALTHY: Traffic = Traffic {
    requests_per_second: 50.0,
    error_ratio: 0.0,
    slow_ratio: 0.0,
    very_slow_ratio: 0.0,
};

#[test]
fn a_burn_that_stops_is_recovered_and_one_that_goes_on_is_not() {
    let now = Utc::now();
    let deployed = now - TimeDelta::minutes(20);
    let bad = HEALTHY.errors(0.2);
    let labels = |name: &str| ServiceLabels::new(Month::NAMESPACE, name);
    let history = |name: &str| {
        History::new(labels(name))
            .segment(now - TimeDelta::hours(3), deployed, HEALTHY)
            .segment(deployed, now, bad)
    };
    let backfill = Backfill::new(now)
        .spacing(Spacing {
            recent_secs: 2,
            ..Spacing::default()
        })
        .service(history("curable"))
        .service(history("incurable"));
    let curable = LiveService::start(labels("curable"), bad);
    let incurable = LiveService::start(labels("incurable"), bad);
    let targets = [curable.address(), incurable.address()].map(|address| address.to_string());
    let prometheus =
        Prometheus::start_scraping_after(&backfill, &targets, Duration::from_millis(250));
    let worlds = ["curable", "incurable"].map(|name| {
        let world = World::at(&prometheus.url(), name);
        world.release("v2", deployed);
        world
    });
    for world in &worlds {
        let begun = acts(world);
        begun.has_outcome("verifying");
    }

    // The cluster runs what git says; only one of the services gets well by that.
    curable.set_traffic(HEALTHY.errors(fail_ratio(&worlds[0], "curable")));
    assert_eq!(curable.traffic(), HEALTHY);
    let (slack, receiver) = (SlackServer::start(), Receiver::start());
    let running = worlds.each_ref().map(|world| {
        let program = quick(world)
            .env("SLACK_WEBHOOK", &slack.webhook_url())
            .env("WEBHOOK_URL", &receiver.url())
            .env("WEBHOOK_SECRET", Receiver::SECRET)
            .env("VERIFY_TIMEOUT", "50s")
            .env("VERIFY_DEADLINE", "15s");
        program.start()
    });
    let [recovered, ineffective] = running.map(super::program::Running::wait);

    let recovered = recovered.exits(0).decides("resume", "resumed");
    recovered.has_outcome("recovered").complains_of_nothing();
    assert_eq!(worlds[0].remembered()[0].phase, Phase::Recovered);
    tells_the_proof(&slack, &receiver);

    let ineffective = ineffective.exits(1).has_outcome("ineffective");
    ineffective.complains_of(&["did not help", "VERIFY_DEADLINE"]);
    assert_eq!(worlds[1].remembered()[0].phase, Phase::Ineffective);

    // After one that did not help only a person goes on.
    let held = worlds[1].nothing_changed_but_the_lock_by(&unlimited(quick(&worlds[1])));
    held.exits(0).decides("hold", "breaker_open");
    for world in &worlds {
        assert_eq!(world.rollback_commits(), 1);
        assert_eq!(world.server.push_attempts(), 1);
    }
}

#[test]
fn a_deadline_that_passes_without_the_proof_needs_a_person() {
    let (world, v2) = World::with_a_bad_release();
    let program = world.program().env("VERIFY_DEADLINE", "0s");
    // The deadline is over at once; whether that is seen in this run or the next depends on the moment.
    let first = program.run();
    let ran = if first.record["rollback"]["outcome"] == "verifying" {
        program.run()
    } else {
        first
    };
    ran.exits(1)
        .has_outcome("ineffective")
        .complains_of(&["did not help"]);

    let held = world.nothing_changed_but_the_lock_by(&unlimited(world.program()));
    held.exits(0).decides("hold", "breaker_open");
    let person = world.program().arguments(&["rollback", "--to", &v2]);
    let refused = world.nothing_changed_but_the_lock_by(&person).exits(1);
    refused.decides("hold", "breaker_open");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn errors_from_before_the_rollback_are_no_proof_either_way() {
    let (world, _) = World::with_a_bad_release();
    world.runs(&["run"]).exits(0).has_outcome("verifying");
    // The month goes on failing, and not a minute has passed.
    for _ in 0..2 {
        let ran = world.runs(&["run"]).exits(0).has_outcome("verifying");
        let detail = ran.text("/rollback/steps/1/detail");
        assert!(detail.contains("since the rollback took effect"), "{ran}");
    }
}

/// Checks that the messages about the recovery have the numbers of the proof, and none of the burn.
#[track_caller]
fn tells_the_proof(slack: &SlackServer, receiver: &Receiver) {
    let messages = slack.messages().into_iter();
    let blocks: Vec<String> = messages
        .filter(|message| message.text.starts_with("Rollback recovered: shop/curable"))
        .map(|message| serde_json::to_string(&message.blocks).expect("blocks"))
        .collect();
    let [recovered] = &blocks[..] else {
        panic!("one message is expected: {blocks:?}");
    };
    assert!(
        recovered.contains("the burn stopped: 0 bad of"),
        "{recovered}"
    );
    for of_the_burn in ["*Violated*", "*Burn rate*", "*Fails most*", "gone in"] {
        assert!(
            !recovered.contains(of_the_burn),
            "{of_the_burn}: {recovered}"
        );
    }
    let resolved = receiver.events().into_iter().find(|event| {
        event["type"]
            .as_str()
            .unwrap_or_default()
            .contains("incident.resolved")
    });
    let resolved = resolved.expect("the webhook hears of it");
    let standing = &resolved["data"]["customData"]["standing"];
    assert_eq!(standing["violated"], serde_json::json!([]), "{standing}");
    assert!(standing["consumed"].is_number(), "{standing}");
}

/// Starts runs until one acts; those before it have too few samples from after the start of Prometheus.
#[track_caller]
fn acts(world: &World) -> Ran {
    for _ in 0..PASSES {
        let ran = quick(world).run().exits(0);
        if ran.record["decision"]["action"] == "rollback" {
            return ran.decides("rollback", "trigger");
        }
    }
    let last = quick(world).run();
    panic!("{PASSES} runs did nothing; the last one:\n{last}");
}

/// The program with windows that fit into a test.
fn quick(world: &World) -> Program {
    world
        .program()
        .env("SLO_WINDOW", "1h")
        .env("VIOLATION_FOR", "20s")
        .env("STABILIZATION", "2s")
}

/// The program with every limit out of the way.
fn unlimited(program: Program) -> Program {
    program
        .env("COOLDOWN", "0s")
        .env("MAX_ROLLBACKS_PER_HOUR", "9")
        .env("REQUIRE_ATTRIBUTION", "false")
}

/// Returns what the manifest in git makes the service do.
fn fail_ratio(world: &World, service: &str) -> f64 {
    let manifest = world
        .repo()
        .file_at("main", &MonoRepo::manifest_path(service));
    let release = Release::read(&manifest.expect("a manifest")).expect("a release");
    release.fail_ratio
}
