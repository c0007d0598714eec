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
    let mut verifying = past("second", TimeDelta::minutes(1), Phase::Verifying);
    verifying.from = v2.clone();
    world.remembers(&[verifying]);
    // No repository says what else this commit is, so nobody's word lets it through.
    let arguments = ["check", "--commit", "0123456789", "--fixes", &v2];
    let fix = blind.clone().arguments(&arguments);
    world.nothing_changed_by(&fix).exits(5);
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

#[test]
fn the_first_line_answers_and_says_what_ends_a_block() {
    let answers = |program: &Program, code: i32| {
        let json = program.clone().arguments(&["check"]).run().exits(code);
        let gate = &json.record["gate"];
        let text = program.clone().arguments(&["check", "--output", "text"]);
        let text = text.run().exits(code);
        let first = text.stdout.lines().next().unwrap_or_default().to_owned();
        let why = gate["why"].as_str().unwrap_or_default();
        let word = if code == 0 { "may deploy" } else { "blocked" };
        assert_eq!(first.split(": ").next(), Some(word), "{text}");
        assert!(!why.is_empty(), "{json}");
        assert_eq!(gate["until"].is_null(), code == 0, "{json}");
        let second = text.stdout.lines().nth(1).unwrap_or_default();
        assert_eq!(second.starts_with("until "), code != 0, "{text}");
        first
    };
    let world = World::of("healthy");
    let first = answers(&world.program(), 0);
    assert!(first.starts_with("may deploy: nothing burns, 2"), "{first}");

    // It burns, and too little for the gate: what a run would do is not the answer.
    let (world, _) = World::with_a_bad_release();
    let lax = world
        .program()
        .env("MIN_AVAILABILITY", "0.5")
        .env("MAX_ERROR_RATE", "0.5");
    let first = answers(&lax, 0);
    assert!(first.contains("though it burns: burn rate 1h"), "{first}");
    let held = lax.arguments(&["check"]).run();
    held.decides("hold", "warning_level");

    let first = answers(&world.program(), 2);
    assert!(
        first.starts_with("blocked: availability and error_rate violated"),
        "{first}"
    );
    let first = answers(&World::of("exhausted").program(), 3);
    assert!(first.contains("of the error budget is consumed"), "{first}");
    let first = answers(&World::of("stale").program(), 4);
    assert!(
        first.starts_with("blocked: the budget cannot be measured"),
        "{first}"
    );
    world.server.set_fault(Fault::Status(503));
    let first = answers(&world.program(), 69);
    assert!(first.contains("HTTP 503"), "{first}");
    world.server.set_fault(Fault::None);
    world.runs(&["run"]).exits(0).has_outcome("verifying");
    let first = answers(&world.program(), 5);
    assert!(first.contains("is not finished"), "{first}");
}

#[test]
fn the_commit_that_fixes_what_burns_goes_ahead_by_name() {
    let (world, v2) = World::with_a_bad_release();
    let check = |arguments: &[&str], code: i32| {
        let program = world.program().arguments(arguments);
        world.nothing_changed_by(&program).exits(code)
    };
    // Nobody has pushed it yet.
    let fix = "0123456789".repeat(4);
    check(&["check", "--commit", &fix], 2);
    for broken in [&*v2, &v2[..8]] {
        let ran = check(&["check", "--commit", &fix, "--fixes", broken], 0).complains_of_nothing();
        assert_eq!(ran.record["gate"]["answer"], "may_deploy", "{ran}");
        let why = ran.text("/gate/why");
        assert!(why.contains("fix") && why.contains(&v2[..8]), "{why}");
        assert!(why.contains("error_rate violated"), "{why}");
    }
    // What is not broken cannot be fixed, a commit does not fix itself, and a fix has a name.
    for [commit, broken] in [[&*fix, &*world.v1], [&*fix, "fedcba9876"], [&*v2, &v2[..8]]] {
        let ran = check(&["check", "--commit", commit, "--fixes", broken], 2);
        ran.complains_of(&["blocked", "--fixes names"]);
    }
    check(&["check", "--fixes", &v2], 64);

    // While a rollback is proven, and once it did not help, the fix is on top of it.
    world.runs(&["run"]).exits(0).has_outcome("verifying");
    check(&["check", "--commit", &fix], 5).complains_of(&["not finished", "until", "--fixes"]);
    check(&["check", "--commit", &fix, "--fixes", &v2], 0);
    let over = world.program().env("VERIFY_DEADLINE", "0s");
    let outcomes = std::iter::repeat_with(|| over.run().record["rollback"]["outcome"].clone());
    let ended = outcomes.take(20).find(|outcome| outcome != "verifying");
    assert_eq!(ended, Some("ineffective".into()));
    check(&["check", "--commit", &fix], 2);
    check(&["check", "--commit", &fix, "--fixes", &v2], 0);
    // What was rolled back is no fix.
    let rollback = world.repo().tip();
    let again = check(&["check", "--commit", &v2, "--fixes", &rollback], 5);
    again.complains_of(&["on hold", "release"]);
}

#[test]
fn a_fix_waits_only_for_a_rollback_that_is_about_to_be_pushed() {
    let (world, v2) = World::with_a_bad_release();
    let fix = "0123456789".repeat(4);
    for (phase, code) in [
        (Phase::Begun, 5),
        (Phase::Verifying, 0),
        (Phase::Awaiting, 0),
        (Phase::Proposed, 0),
    ] {
        let mut rollback = past("first", TimeDelta::minutes(1), phase);
        rollback.from = v2.clone();
        world.remembers(&[rollback]);
        let check = |arguments: &[&str]| {
            let program = world.program().arguments(arguments);
            world.nothing_changed_by(&program)
        };
        let ran = check(&["check", "--commit", &fix, "--fixes", &v2]);
        assert_eq!(ran.code, Some(code), "{phase:?}\n{ran}");
        let others = check(&["check", "--commit", &fix]).exits(5);
        others.complains_of(&["first", "not finished", "until "]);
    }
}

#[test]
fn a_fix_goes_ahead_where_nobody_can_measure_what_it_fixes() {
    let world = World::of("stale");
    let fix = "0123456789".repeat(4);
    let arguments = ["check", "--commit", &fix, "--fixes", &world.v1];
    let program = world.program().arguments(&arguments);
    let ran = world.nothing_changed_by(&program).exits(0);
    let why = ran.text("/gate/why");
    assert!(why.contains("cannot be measured"), "{why}");
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
