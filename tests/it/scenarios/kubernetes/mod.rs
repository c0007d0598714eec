//! `STATE=kubernetes` against a real API server, with the least rights that the program asks for.

mod many;
mod trouble;

use serde_json::{Value, json};
use testkit::kubernetes::shared_cluster;

use super::program::Program;
use super::world::World;

/// A world of a bad release whose memory is in Kubernetes; nothing where there is no API server.
fn bad_release() -> Option<(World, String)> {
    let cluster = shared_cluster()?;
    let (mut world, v2) = World::with_a_bad_release();
    world.moves_to(cluster);
    Some((world, v2))
}

fn program(world: &World) -> Program {
    world.in_kubernetes(world.program())
}

fn lease(world: &World) -> Value {
    world
        .objects()
        .leases()
        .into_iter()
        .next()
        .unwrap_or_default()
}

#[test]
fn a_healthy_pass_leaves_a_free_lease_and_one_config_map() {
    let Some(cluster) = shared_cluster() else {
        return;
    };
    let mut world = World::of("healthy");
    world.moves_to(cluster);
    let ran = program(&world).run().exits(0);
    assert_eq!(ran.text("/verdict"), "healthy");
    let lease = lease(&world);
    assert_eq!(lease["spec"]["holderIdentity"], Value::Null, "{lease}");
    assert_eq!(lease["metadata"]["name"], "error-budget-monitor");
    let map = world.object();
    assert_eq!(
        map["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "error-budget-monitor"
    );
    assert_eq!(world.objects().config_maps().len(), 1);
    let healthy = program(&world).run().exits(0);
    assert_eq!(healthy.text("/verdict"), "healthy");
}

#[test]
fn a_bad_release_is_rolled_back_once_and_remembered() {
    let Some((world, v2)) = bad_release() else {
        return;
    };
    let tip = world.repo().tip();
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &tip);
    let again = program(&world).run().exits(0);
    assert_eq!(world.rollback_commits(), 1, "{again}");
    let [rollback] = &world.remembered()[..] else {
        panic!("one is remembered");
    };
    let map = world.object();
    assert_eq!(map["data"]["lease"], "error-budget-monitor");
    assert!(
        map["data"]["state"]
            .as_str()
            .is_some_and(|text| text.contains(&rollback.id))
    );
    // Those who look need no lock and leave no trace.
    let version = map["metadata"]["resourceVersion"].clone();
    for words in [
        &["status"][..],
        &["history"],
        &["check"],
        &["run", "--dry-run"],
    ] {
        let ran = program(&world).arguments(words).run();
        assert!(matches!(ran.code, Some(0..=5)), "{words:?}: {ran}");
    }
    assert_eq!(world.object()["metadata"]["resourceVersion"], version);
}

#[test]
fn another_run_is_sent_away_and_the_holder_is_named() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    program(&world)
        .env("ROLLBACK_ENABLED", "false")
        .run()
        .exits(0);
    let mut held = lease(&world);
    // A holder that is alive is one that renews it: here, whenever it is looked at.
    held["spec"]["holderIdentity"] = json!("another-pod");
    held["spec"]["leaseDurationSeconds"] = json!(30);
    world.objects().put("leases", &held);
    let namespace = world.objects().clone();
    let renewing = world.objects().behind(move |request| {
        if request.method == "GET" && request.path().contains("/leases/") {
            let mut lease = namespace.leases().remove(0);
            let times = lease["spec"]["leaseTransitions"].as_i64().unwrap_or(0);
            lease["spec"]["leaseTransitions"] = json!(times + 1);
            namespace.put("leases", &lease);
        }
        None
    });
    world
        .objects()
        .kubeconfig_for(world.folder(), &renewing.url());
    program(&world).run().exits(75).complains_of(&[
        "another run holds Lease",
        "another-pod",
        "nothing was done",
    ]);
    assert_eq!(world.rollback_commits(), 0);
    let doctor = program(&world).arguments(&["doctor"]).run();
    assert!(
        doctor.stdout.contains("another-pod holds Lease"),
        "{doctor}"
    );
}

#[test]
fn a_run_that_died_is_waited_out_and_its_tenure_is_over() {
    let Some((world, v2)) = bad_release() else {
        return;
    };
    program(&world)
        .env("ROLLBACK_ENABLED", "false")
        .run()
        .exits(0);
    let mut dead = lease(&world);
    dead["spec"]["holderIdentity"] = json!("a-pod-that-was-killed");
    dead["spec"]["leaseDurationSeconds"] = json!(1);
    // Its clock was an hour ahead, which does not matter.
    dead["spec"]["renewTime"] = json!("2999-01-01T00:00:00.000000Z");
    world.objects().put("leases", &dead);
    let before = dead["spec"]["leaseTransitions"].as_i64();
    let tip = world.repo().tip();
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &tip);
    assert!(lease(&world)["spec"]["leaseTransitions"].as_i64() > before);
}

#[test]
fn a_lease_that_was_deleted_counts_on_from_what_was_written() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let mut map = world.object();
    map["data"]["lease"] = json!("error-budget-monitor");
    map["data"]["token"] = json!("41");
    world.objects().put("configmaps", &map);
    program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    assert_eq!(lease(&world)["spec"]["leaseTransitions"], 42);
    assert_eq!(world.object()["data"]["token"], "42");
}

#[test]
fn the_role_is_the_least_and_doctor_says_what_is_missing() {
    let Some((mut world, _)) = bad_release() else {
        return;
    };
    let diagnosis = program(&world).arguments(&["doctor"]).run();
    assert!(diagnosis.stdout.contains("all are there"), "{diagnosis}");
    let printed = program(&world)
        .arguments(&["doctor", "--print-rbac"])
        .run()
        .exits(0);
    let role: Value = serde_norway::from_str(&printed.stdout).expect("YAML");
    let rules = role["rules"].as_array().expect("rules").clone();
    // Without any one of its rules the program says what is missing.
    for left_out in 0..rules.len() {
        let cluster = shared_cluster().expect("it is there");
        let namespace = cluster.namespace();
        namespace.kubeconfig(world.folder());
        let mut less = role.clone();
        less["rules"]
            .as_array_mut()
            .expect("rules")
            .remove(left_out);
        namespace.grants(&less);
        world.namespace = Some(namespace);
        let ran = program(&world)
            .arguments(&["doctor", "--output", "json"])
            .run();
        let findings = ran.record["findings"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let rights = findings.iter().find(|it| it["subject"] == "state rights");
        let rights = rights.unwrap_or_else(|| panic!("{ran}")).to_string();
        assert!(
            rights.contains("missing: "),
            "without rule {left_out}: {rights}"
        );
        let refused = program(&world).run();
        assert!(
            matches!(refused.code, Some(1 | 78)),
            "without rule {left_out}: {refused}"
        );
        assert!(refused.stderr.contains("doctor --print-rbac"), "{refused}");
        assert_eq!(world.rollback_commits(), 0);
    }
}

#[test]
fn a_person_approves_where_the_memory_is_in_kubernetes() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let asking = program(&world).env("REQUIRE_APPROVAL", "true");
    let asked = asking.run().exits(0);
    let id = asked.text("/rollback/id");
    asking.clone().arguments(&["approve", &id]).run().exits(0);
    asking.run().exits(0);
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_rollback_that_goes_on_is_found_by_a_label() {
    let Some((world, _)) = bad_release() else {
        return;
    };
    let label = || world.object()["metadata"]["labels"]["error-budget-monitor/rollback"].clone();
    program(&world)
        .env("ROLLBACK_ENABLED", "false")
        .run()
        .exits(0);
    assert_eq!(label(), "none");
    let ran = program(&world)
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    let id = ran.text("/rollback/id");
    ran.has_outcome("verifying");
    assert_eq!(label(), "underway");
    let state = &world.object()["metadata"]["labels"]["error-budget-monitor/state"];
    assert_eq!(state, "error-budget-monitor");
    let given_up = program(&world).arguments(&["release", &id]);
    given_up.run().exits(0);
    assert_eq!(label(), "none");
}
