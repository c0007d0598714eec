//! Something burns and something was deployed, and the one is not the fault of the other.

use chrono::{DateTime, TimeDelta, Utc};
use testkit::git::{MonoRepo, deployment};
use testkit::prometheus::shared_month;

use super::program::Ran;
use super::world::World;

#[test]
fn a_service_that_always_failed_did_not_fail_because_of_its_last_deployment() {
    let world = World::of("always-bad");
    world.release("v2", shared_month().deployed_at());
    not_attributable(&world);
}

#[test]
fn a_deployment_in_the_middle_of_an_outage_did_not_cause_it() {
    let world = World::of("bad-release");
    world.release("v2", Utc::now() - TimeDelta::minutes(2));
    not_attributable(&world);
}

#[test]
fn of_two_bad_versions_in_a_row_the_older_one_is_never_restored() {
    let world = World::of("bad-release");
    let deployed_at = shared_month().deployed_at();
    let v2 = world.release("v2", deployed_at);
    let v3 = world.release("v3", deployed_at + TimeDelta::minutes(8));
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v3, &world.v1, &v3);
    assert_eq!(ran.record["attribution"]["suspect"], *v2);
    // Both are on hold now.
    for revision in [&v2, &v3] {
        world.runs(&["check", "--commit", revision]).exits(5);
    }
}

#[test]
fn a_deployment_of_tomorrow_is_a_clock_that_runs_ahead() {
    let world = World::of("bad-release");
    world.release("v2", Utc::now() + TimeDelta::hours(20));
    not_attributable(&world);
}

#[test]
fn a_slow_release_is_put_back_although_nothing_failed() {
    let world = World::of("slow-release");
    let v2 = world.release("v2", shared_month().deployed_at());
    let tip = world.other_team_commits();
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert_eq!(ran.record["attribution"]["suspect"], *v2);
    // Nobody collects the metrics of the pods here; the latency is compared with itself.
    let signals: Vec<String> = ran.record["signals"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|signal| format!("{} {}", signal["name"], signal["state"]).replace('"', ""))
        .collect();
    let expected = [
        "latency_p95_doubled raised",
        "latency_p95_tripled raised",
        "pods_not_ready not_applicable",
        "restarts not_applicable",
        "memory not_applicable",
        "cpu not_applicable",
    ];
    assert_eq!(signals, expected, "{ran}");
}

#[test]
fn bad_content_that_comes_back_under_another_name_is_not_rolled_back_again_to_the_same() {
    let (world, v2) = World::with_a_bad_release();
    world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    world.recovered(TimeDelta::hours(2));
    let manifest = deployment("bad-release", "v2", 0.2);
    let again = world.repo().commit(
        "bad-release: try once more",
        Utc::now(),
        &[(&MonoRepo::manifest_path("bad-release"), Some(&manifest))],
    );
    let tree = |revision: &str| world.repo().tree_at(revision, &world.path());
    assert_eq!(tree(&again), tree(&v2));
    let program = world.program().env("REQUIRE_ATTRIBUTION", "false");
    let ran = world.nothing_changed_but_the_lock_by(&program).exits(0);
    ran.decides("hold", "already_rolled_back");
}

#[test]
fn the_record_says_what_the_blame_rests_on() {
    let (world, _) = World::with_a_bad_release();
    let program = world.program().arguments(&["--dry-run"]);
    let ran = world.nothing_changed_by(&program).exits(0);
    let found = &ran.record["attribution"];
    assert_eq!(found["verdict"], "deployment", "{ran}");
    let number = |name: &str| found[name].as_f64().unwrap_or(f64::NAN);
    let before = number("bad_before") / number("total_before");
    let after = number("bad_after") / number("total_after");
    assert!(before < 0.01 && (0.1..0.3).contains(&after), "{ran}");
    assert!(number("p_value") <= 0.001, "{ran}");
    // A slice that holds some of the first errors is over the threshold already.
    assert!(number("lag_seconds").abs() <= 90.0, "{ran}");
    let onset = DateTime::parse_from_rfc3339(&ran.text("/attribution/onset")).expect("a time");
    let deployed = DateTime::parse_from_rfc3339(&ran.text("/deployment/deployed_at"));
    let lag = (onset - deployed.expect("a time")).num_seconds() as f64;
    // Times are printed in whole seconds.
    assert!((lag - number("lag_seconds")).abs() <= 1.0, "{ran}");
}

#[track_caller]
fn not_attributable(world: &World) -> Ran {
    let ran = world.nothing_changed_but_the_lock_by(&world.program());
    let ran = ran.exits(0).decides("hold", "not_attributable");
    let failed: Vec<String> = ran
        .gates()
        .into_iter()
        .filter(|(_, state)| state == "fail")
        .map(|(gate, _)| gate)
        .collect();
    // What was live before failed too, or cannot be judged: nothing to go back to either.
    assert!(
        failed == ["attribution"] || failed == ["attribution", "target"],
        "{ran}"
    );
    ran.complains_of_nothing()
}
