//! Services spread over runs at the same time.

use error_budget_monitor::config::shard_of;
use error_budget_monitor::journal::Journal;
use serde_json::json;
use testkit::kubernetes::shared_cluster;

use super::program::Program;
use super::world::World;

const SHARDS: u32 = 3;

fn own(world: &World) -> u32 {
    shard_of(&world.key(), SHARDS)
}

fn sharded(program: Program, shard: u32) -> Program {
    program
        .env("SHARDS", &SHARDS.to_string())
        .env("SHARD", &shard.to_string())
}

#[test]
fn the_shard_of_the_service_acts_and_no_other_does() {
    let (world, _) = World::with_a_bad_release();
    let own = own(&world);
    for other in (0..SHARDS).filter(|shard| *shard != own) {
        let ran = sharded(world.program(), other).run().exits(0);
        assert_eq!(ran.stdout, "", "{ran}");
    }
    assert_eq!(world.server.push_attempts(), 0);
    // An Indexed Job says which one it is.
    let indexed = world
        .program()
        .env("SHARDS", "3")
        .env("JOB_COMPLETION_INDEX", &own.to_string());
    indexed.run().exits(0).decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
    let file = format!("state.shard-{own}-of-3.json");
    assert!(world.state_folder().join(&file).exists(), "{file}");
    // Whoever looks, or answers, needs no shard.
    let status = world
        .program()
        .env("SHARDS", "3")
        .arguments(&["status"])
        .run()
        .exits(0);
    assert!(
        status.stdout.contains("Roll") || status.stdout.contains("rollback"),
        "{status}"
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let (world, _) = World::with_a_bad_release();
    for (settings, told) in [
        (&[("SHARD", "0")][..], "SHARD is 0 but SHARDS is not set"),
        (
            &[("SHARDS", "2"), ("SHARD", "2")],
            "write a number from 0 to 1",
        ),
        (
            &[("SHARDS", "2"), ("JOB_COMPLETION_INDEX", "5")],
            "JOB_COMPLETION_INDEX is 5 but SHARDS is 2",
        ),
        (&[("SHARDS", "0")], "SHARDS is"),
        (
            &[("SHARDS", "2"), ("SHARD", "-1")],
            "write a whole number from 0",
        ),
        (&[("SHARDS", "2")], "neither SHARD nor JOB_COMPLETION_INDEX"),
    ] {
        let program = settings
            .iter()
            .fold(world.program(), |program, (name, value)| {
                program.env(name, value)
            });
        let ran = program.run().exits(78);
        assert!(ran.stderr.contains(told), "{told}: {ran}");
    }
    assert_eq!(world.server.push_attempts(), 0);
}

#[test]
fn a_service_that_moves_finds_its_memory_in_the_other_file() {
    let (world, _) = World::with_a_bad_release();
    world
        .program()
        .run()
        .exits(0)
        .decides("rollback", "trigger");
    let before = world.remembered();
    // The branch cannot be asked, so what is known is what moved along.
    let moved = sharded(world.program(), own(&world));
    moved.run().exits(0);
    assert_eq!(world.rollback_commits(), 1);
    let file = world
        .state_folder()
        .join(format!("state.shard-{}-of-3.json", own(&world)));
    let state = error_budget_monitor::journal::read(&file)
        .expect("a usable state")
        .state;
    let ids = state
        .service(&world.key())
        .rollbacks
        .into_iter()
        .map(|it| it.id);
    assert_eq!(ids.collect::<Vec<_>>(), [before[0].id.clone()]);
    assert_eq!(
        state.service(&world.key()).rollbacks[0].why,
        before[0].why,
        "from the file, not from the branch"
    );
}

#[test]
fn a_run_of_before_that_still_holds_its_file_is_left_to_end() {
    let (world, _) = World::with_a_bad_release();
    let journal = Journal::open(&world.state_file()).expect("a usable state");
    let ran = sharded(world.program(), own(&world)).run().exits(75);
    assert!(
        ran.stderr.contains("another run holds the lock of"),
        "{ran}"
    );
    assert_eq!(world.server.push_attempts(), 0);
    drop(journal);
    sharded(world.program(), own(&world))
        .run()
        .exits(0)
        .decides("rollback", "trigger");
}

#[test]
fn a_run_of_before_that_still_holds_its_lease_is_left_to_end() {
    let Some(cluster) = shared_cluster() else {
        return;
    };
    let (mut world, _) = World::with_a_bad_release();
    world.moves_to(cluster);
    let objects = world.objects().clone();
    objects.grants(&json!({
        "metadata": {"name": "shards"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"]}],
    }));
    let program = world.in_kubernetes(world.program());
    program
        .clone()
        .env("ROLLBACK_ENABLED", "false")
        .run()
        .exits(0);
    let mut lease = objects.leases().remove(0);
    // So long that it is taken for alive without being watched.
    lease["spec"]["holderIdentity"] = json!("a-pod-of-before");
    lease["spec"]["leaseDurationSeconds"] = json!(3600);
    objects.put("leases", &lease);
    let moved = sharded(program, own(&world));
    let ran = moved.run().exits(75);
    assert!(ran.stderr.contains("a-pod-of-before"), "{ran}");
    assert_eq!(world.server.push_attempts(), 0);
    objects.frees_leases();
    moved.run().exits(0).decides("rollback", "trigger");
    assert_eq!(world.rollback_commits(), 1);
    let names: Vec<_> = objects
        .leases()
        .iter()
        .map(|lease| lease["metadata"]["name"].clone())
        .collect();
    assert!(
        names.contains(&json!(format!(
            "error-budget-monitor-shard-{}-of-3",
            own(&world)
        ))),
        "{names:?}"
    );
}
