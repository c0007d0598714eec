//! What the first working version was asked to do.

use testkit::git::{Fault, MonoRepo};
use testkit::prometheus::Prometheus;
use testkit::stub::ClosedPort;

use super::program::Ran;
use super::world::World;

#[test]
fn a_bad_release_is_put_back_by_exactly_one_commit() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();

    let first = world.runs(&[]).exits(0).decides("rollback", "trigger");
    let first = first.fails_only(&[]).complains_of_nothing();

    assert_eq!(first.record["command"], "run");
    assert_eq!(first.record["verdict"], "burning");
    assert_eq!(first.record["deployment"]["revision"], *v2);
    assert_eq!(first.record["rollback"]["from"], *v2);
    assert_eq!(first.record["rollback"]["to"], *world.v1);
    let outcome = first.text("/rollback/outcome");
    assert!(["verifying", "recovered"].contains(&&*outcome), "{first}");
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    let id = first.text("/rollback/id");
    assert!(
        commit
            .message
            .contains(&format!("\nError-Budget-Rollback: {id}\n")),
        "{}",
        commit.message
    );
    assert_eq!(first.text("/rollback/commit"), commit.id);
    assert_eq!(world.server.push_attempts(), 1);
    assert!(world.state().contains(&id), "{}", world.state());
    // The references and the pack for reading, the references and the pack for writing; the first of them is
    // repeated where the server wants the token first.
    assert!(world.server.requests().len() <= 6, "{}", requests(&world));

    let second = world.runs(&["run"]).exits(0).decides("resume", "resumed");

    assert_eq!(second.text("/rollback/id"), id);
    assert_eq!(world.repo().tip(), commit.id, "{second}");
    assert_eq!(world.server.push_attempts(), 1);
    for ran in [&first, &second] {
        let asked = prometheus_requests(ran);
        assert!((1..=12).contains(&asked), "{asked} requests\n{ran}");
    }
}

#[test]
fn a_dry_run_decides_the_same_and_leaves_no_trace() {
    let (world, v2) = World::with_a_bad_release();
    world.forgets();
    let dry_runs = [
        world.program().env("DRY_RUN", "true"),
        world.program().arguments(&["--dry-run"]),
        world.program().arguments(&["run", "--dry-run"]),
        // It shows what would be done if rollbacks were switched on.
        world
            .program()
            .without("ROLLBACK_ENABLED")
            .arguments(&["--dry-run"]),
    ];
    for dry_run in dry_runs {
        let ran = world.nothing_changed_by(&dry_run).exits(0);
        let ran = ran.decides("rollback", "trigger").fails_only(&[]);
        let ran = ran.has_outcome("would_roll_back").complains_of_nothing();
        assert_eq!(ran.record["dry_run"], true);
        assert_eq!(ran.record["rollback"]["from"], *v2);
        assert_eq!(ran.record["rollback"]["to"], *world.v1);
        let diff = ran.text("/rollback/diff");
        for expected in [
            &MonoRepo::manifest_path("bad-release"),
            "-          image: registry.example/bad-release:v2",
            "+          image: registry.example/bad-release:v1",
        ] {
            assert!(diff.contains(expected), "{diff}");
        }
        assert!(!diff.contains("payments"), "{diff}");
    }
    assert!(!world.state_folder().exists());
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn a_server_that_leaves_out_contents_changes_neither_the_shown_diff_nor_the_rollback() {
    let (world, v2) = World::with_a_bad_release();
    let dry_run = world.program().arguments(&["run", "--dry-run"]);
    let expected = world.nothing_changed_by(&dry_run).text("/rollback/diff");
    world.repo().configure("uploadpack.allowFilter", true);
    for may_name_contents in [false, true] {
        world
            .repo()
            .configure("uploadpack.allowAnySHA1InWant", may_name_contents);
        let ran = world.nothing_changed_by(&dry_run).exits(0);
        assert_eq!(ran.text("/rollback/diff"), expected);
    }
    let tip = world.repo().tip();
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &tip);
}

#[test]
fn a_dry_run_beside_remembered_rollbacks_leaves_them_as_they_are() {
    let (world, _) = World::with_a_bad_release();
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.release("v3", chrono::Utc::now());

    // Only the guard against loops is left.
    let dry_run = world
        .program()
        .env("REQUIRE_ATTRIBUTION", "false")
        .arguments(&["run", "--dry-run"]);
    let ran = world.nothing_changed_by(&dry_run).exits(0);

    ran.decides("hold", "deployment_in_progress");
}

#[test]
fn without_prometheus_nothing_is_known_and_nothing_is_done() {
    let stopped = Prometheus::start_empty();
    let gone = stopped.url();
    stopped.stop();
    let world = World::at(&gone, "bad-release");
    world.release("v2", chrono::Utc::now());
    for arguments in [&["run"][..], &["check"], &["run", "--dry-run"]] {
        let program = world.program().env("PROMETHEUS_TIMEOUT", "1s");
        let ran = world.nothing_changed_but_the_lock_by(&program.arguments(arguments));
        is_unknown(
            ran.exits(69)
                .complains_of(&["Prometheus", "PROMETHEUS_URL"]),
        );
    }
    assert_eq!(world.reads_of_the_branch(), 0, "git was asked");
}

#[test]
fn without_prometheus_a_gate_that_was_told_so_opens() {
    let nobody = ClosedPort::reserve();
    let world = World::at(&nobody.url(), "bad-release");
    let program = world
        .program()
        .env("PROMETHEUS_TIMEOUT", "1s")
        .env("GATE_ON_UNKNOWN", "allow")
        .arguments(&["check"]);
    is_unknown(world.nothing_changed_by(&program).exits(0));
}

#[test]
fn a_budget_that_was_spent_ten_days_ago_rolls_nothing_back_and_still_closes_the_gate() {
    let world = World::of("exhausted");
    // Something was deployed just now, which must not be blamed for an outage of last week.
    let deployed_at = testkit::prometheus::shared_month().deployed_at();
    world.release("v2", deployed_at);

    let held = world.nothing_changed_but_the_lock_by(&world.program().arguments(&["run"]));
    let held = held.exits(0).decides("hold", "not_burning");
    assert_eq!(held.record["budget"]["level"], "emergency", "{held}");

    let gate = world.nothing_changed_by(&world.program().arguments(&["check"]));
    gate.exits(3).complains_of(&["blocked", "error budget"]);
}

#[test]
fn a_healthy_service_needs_no_repository() {
    let world = World::of("healthy");
    world.release("v2", testkit::prometheus::shared_month().deployed_at());
    world.server.set_fault(Fault::Down);

    let ran = world.nothing_changed_but_the_lock_by(&world.program().arguments(&["run"]));

    let ran = ran.exits(0).decides("none", "healthy");
    assert_eq!(ran.complains_of_nothing().record["verdict"], "healthy");
    // Where the tip is was asked in both versions of git's protocol, and nothing else.
    assert!(world.server.requests().len() <= 2, "{}", requests(&world));
}

/// Checks that a record says of every number that it is not known.
#[track_caller]
fn is_unknown(ran: Ran) {
    let ran = ran.decides("hold", "unknown_data");
    assert_eq!(ran.record["verdict"], "unknown", "{ran}");
    assert_eq!(ran.record["budget"]["level"], "unknown", "{ran}");
    for number in [
        "/budget/bad_events",
        "/budget/total_events",
        "/budget/consumed",
        "/budget/remaining",
        "/budget/coverage",
        "/budget/seconds_to_exhaustion",
        "/burn_rates/5m",
        "/burn_rates/30m",
        "/burn_rates/1h",
        "/burn_rates/6h",
        "/deployment",
        "/attribution",
        "/rollback",
    ] {
        let value = ran.record.pointer(number);
        assert!(
            value.is_some_and(serde_json::Value::is_null),
            "{number} {ran}"
        );
    }
    assert_eq!(ran.record["unknowns"][0]["source"], "prometheus", "{ran}");
}

/// Returns how many requests a run says it sent to Prometheus.
#[track_caller]
fn prometheus_requests(ran: &Ran) -> u64 {
    let log = ran.log();
    let evaluated = log.iter().find(|line| line["message"] == "evaluated");
    evaluated
        .and_then(|line| line["queries"].as_u64())
        .unwrap_or_else(|| panic!("the log counts no requests\n{ran}"))
}

fn requests(world: &World) -> String {
    let requests = world.server.requests();
    requests
        .iter()
        .map(|request| format!("{request}\n"))
        .collect()
}
