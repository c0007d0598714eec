//! `check`: may a deploy go ahead? It never changes anything.

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::{Fault, MonoRepo, deployment};
use testkit::stub::ClosedPort;

use super::memory::past;
use super::program::{Program, Ran};
use super::world::{World, budget_unknown};

/// Exit codes with `GATE_BLOCK_AT` set to warning, critical and emergency.
type Codes = [i32; 3];

#[test]
fn the_code_says_how_much_of_the_budget_is_gone() {
    // The outage of ten days ago took 97 % of the budget; nothing burns.
    let world = World::of("exhausted");
    let levels: [(&str, &str, [&str; 3], Codes); 4] = [
        ("ok", "0 %", ["0.98", "0.985", "0.99"], [0, 0, 0]),
        ("warning", "97", ["0.5", "0.98", "0.99"], [1, 0, 0]),
        ("critical", "97", ["0.5", "0.8", "0.99"], [2, 2, 0]),
        ("emergency", "97", ["0.5", "0.8", "0.95"], [3, 3, 3]),
    ];
    for (level, consumed, [warning, critical, emergency], codes) in levels {
        let program = world
            .program()
            .env("BUDGET_WARNING", warning)
            .env("BUDGET_CRITICAL", critical)
            .env("BUDGET_EMERGENCY", emergency);
        for ran in at_every_threshold(&world, &program, codes) {
            assert_eq!(ran.record["budget"]["level"], level, "{ran}");
            assert_eq!(ran.record["command"], "check", "{ran}");
            if ran.code != Some(0) {
                ran.complains_of(&["blocked", consumed]);
            }
        }
    }
}

#[test]
fn a_spent_budget_blocks_at_every_threshold() {
    let world = World::of("exhausted");
    let program = world.program().env("ERROR_BUDGET", "0.0005");
    for ran in at_every_threshold(&world, &program, [3, 3, 3]) {
        assert_eq!(ran.record["verdict"], "exhausted", "{ran}");
        assert!(
            ran.record["budget"]["consumed"].as_f64() > Some(1.0),
            "{ran}"
        );
    }
}

#[test]
fn a_healthy_service_may_be_deployed() {
    for service in ["healthy", "never-failed", "no-histogram"] {
        let world = World::of(service);
        at_every_threshold(&world, &world.program(), [0, 0, 0]);
        assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
    }
}

#[test]
fn a_burn_that_stopped_minutes_ago_blocks_nothing() {
    let world = World::of("recovered");
    at_every_threshold(&world, &world.program(), [0, 0, 0]);
}

#[test]
fn a_violated_slo_blocks_although_most_of_the_budget_is_left() {
    for (service, slo) in [
        ("bad-release", "error_rate"),
        ("slow-release", "latency_p99"),
    ] {
        let world = World::of(service);
        let codes = [2, 2, 0];
        for ran in at_every_threshold(&world, &world.program(), codes) {
            assert_eq!(ran.record["budget"]["level"], "ok", "{ran}");
            if ran.code != Some(0) {
                ran.complains_of(&["blocked", slo, "violated"]);
            }
        }
    }
}

#[test]
fn a_service_that_is_too_young_can_only_warn() {
    let world = World::of("young");
    let program = world
        .program()
        .env("BUDGET_WARNING", "0.05")
        .env("BUDGET_CRITICAL", "0.1")
        .env("BUDGET_EMERGENCY", "0.15");
    for ran in at_every_threshold(&world, &program, [1, 0, 0]) {
        assert_eq!(ran.record["budget"]["level"], "emergency", "{ran}");
        let coverage = ran.record["budget"]["coverage"].as_f64();
        assert!(coverage < Some(0.1), "{ran}");
    }
}

#[test]
fn what_cannot_be_measured_blocks_unless_told_otherwise() {
    let world = World::of("stale");
    for ran in at_every_threshold(&world, &world.program(), [4, 4, 4]) {
        ran.decides("hold", "unknown_data");
    }
    let told = world.program().env("GATE_ON_UNKNOWN", "allow");
    at_every_threshold(&world, &told, [0, 0, 0]);
}

#[test]
fn a_violated_slo_blocks_although_an_unknown_budget_is_allowed() {
    let world = World::of("bad-release");
    let program = budget_unknown(&world).env("GATE_ON_UNKNOWN", "allow");
    for ran in at_every_threshold(&world, &program, [2, 2, 0]) {
        assert_eq!(ran.record["budget"]["level"], "unknown", "{ran}");
        if ran.code != Some(0) {
            ran.complains_of(&["error_rate violated", "an unknown share"]);
        }
    }
    at_every_threshold(&world, &budget_unknown(&world), [4, 4, 4]);
}

#[test]
fn only_the_unknown_is_allowed_and_not_what_was_measured_or_is_remembered() {
    let (world, v2) = World::with_a_bad_release();
    world.server.set_fault(Fault::Status(503));
    let allow = world.program().env("GATE_ON_UNKNOWN", "allow");
    // Prometheus answers, and the repository does not: an SLO is violated.
    for ran in at_every_threshold(&world, &allow, [2, 2, 0]) {
        assert_eq!(ran.record["unknowns"][0]["source"], "git", "{ran}");
    }
    let commit = allow.clone().arguments(&["check", "--commit", &v2]);
    world.nothing_changed_by(&commit).exits(69);
    at_every_threshold(&world, &world.program(), [69, 69, 69]);

    let nobody = ClosedPort::reserve();
    let blind = allow
        .env("PROMETHEUS_URL", &nobody.url())
        .env("PROMETHEUS_TIMEOUT", "1s");
    let check = blind.clone().arguments(&["check"]);
    world.nothing_changed_by(&check).exits(0);
    let mut recovered = past("first", TimeDelta::hours(2), Phase::Recovered);
    recovered.from = v2.clone();
    world.remembers(&[recovered]);
    let check = blind.clone().arguments(&["check", "--commit", &v2[..9]]);
    let ran = world.nothing_changed_by(&check).exits(5);
    ran.complains_of(&["first", "on hold"]);
    world.remembers(&[past("second", TimeDelta::minutes(1), Phase::Verifying)]);
    let check = blind.arguments(&["check"]);
    let ran = world.nothing_changed_by(&check).exits(5);
    ran.complains_of(&["second", "not finished"]);
}

#[test]
fn no_deploy_goes_ahead_while_a_rollback_is_in_flight() {
    let (world, _) = World::with_a_bad_release();
    let run = world.runs(&["run"]).exits(0).has_outcome("verifying");
    let id = run.text("/rollback/id");
    for ran in at_every_threshold(&world, &world.program(), [5, 5, 5]) {
        ran.complains_of(&[&id, "not finished"]);
    }
}

#[test]
fn a_revision_that_was_rolled_back_is_on_hold_and_so_is_its_content() {
    let world = World::of("healthy");
    let v2 = world.release("v2", Utc::now() - TimeDelta::hours(2));
    world.runs(&["rollback"]).exits(0).has_outcome("verifying");
    world.recovered(TimeDelta::minutes(40));
    let manifest = deployment("healthy", "v2", 0.2);
    let again = world.repo().commit(
        "healthy: once more",
        Utc::now(),
        &[(&MonoRepo::manifest_path("healthy"), Some(&manifest))],
    );
    let v3 = world.release("v3", Utc::now());

    let check = |commit: &str| {
        let program = world.program().arguments(&["check", "--commit", commit]);
        world.nothing_changed_by(&program)
    };
    let shouted = v2.to_uppercase();
    for held in [&*v2, &v2[..7], &shouted, &again, &again[..9]] {
        let ran = check(held);
        assert_eq!(ran.code, Some(5), "{held}\n{ran}");
        let ran = ran.decides("hold", "already_rolled_back");
        ran.complains_of(&["rolled back", "on hold"]);
    }
    for free in [&*v3, &v3[..7], &world.v1, &"0123456789".repeat(4)] {
        check(free).exits(0).complains_of_nothing();
    }
    // Without a commit the gate looks at the budget only.
    let program = world.program().arguments(&["check"]);
    world.nothing_changed_by(&program).exits(0);
}

#[test]
fn what_a_rollback_passed_over_is_on_hold_too() {
    let world = World::of("healthy");
    let v2 = world.release("v2", Utc::now() - TimeDelta::hours(3));
    world.release("v3", Utc::now() - TimeDelta::hours(2));
    let to_v1 = ["rollback", "gitops", "--to", &world.v1];
    world.runs(&to_v1).exits(0).has_outcome("verifying");
    world.recovered(TimeDelta::minutes(40));
    for (commit, code) in [(&*v2, 5), (&v2[..8], 5), (&world.v1, 0)] {
        let program = world.program().arguments(&["check", "--commit", commit]);
        world.nothing_changed_by(&program).exits(code);
    }
}

#[test]
fn an_attempt_that_left_nothing_on_the_branch_holds_nothing() {
    let world = World::of("healthy");
    let v2 = world.release("v2", Utc::now());
    let mut superseded = past("first", TimeDelta::minutes(5), Phase::Superseded);
    superseded.from = v2.clone();
    world.remembers(&[superseded]);
    let program = world.program().arguments(&["check", "--commit", &v2]);
    world.nothing_changed_by(&program).exits(0);
}

#[test]
fn a_commit_cannot_be_judged_without_the_repository() {
    let world = World::of("healthy");
    world.server.set_fault(Fault::Status(503));
    let program = world.program().arguments(&["check", "--commit", &world.v1]);
    let ran = world.nothing_changed_by(&program).exits(69);
    ran.complains_of(&["HTTP 503"]);
}

/// Runs the gate with every `GATE_BLOCK_AT`, checks the codes and that nothing changes.
#[track_caller]
fn at_every_threshold(world: &World, program: &Program, codes: Codes) -> Vec<Ran> {
    let thresholds = ["warning", "critical", "emergency"];
    let mut ran = Vec::new();
    for (threshold, code) in thresholds.into_iter().zip(codes) {
        let program = program
            .clone()
            .env("GATE_BLOCK_AT", threshold)
            .arguments(&["check"]);
        ran.push(world.nothing_changed_by(&program).exits(code));
    }
    ran
}
