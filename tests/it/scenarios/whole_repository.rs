//! A repository that belongs to one service: `GITOPS_PATH=.`, or a manifest at its top.

use testkit::git::deployment;
use testkit::prometheus::shared_month;

use super::world::World;

#[test]
fn the_whole_repository_is_watched_and_what_others_changed_later_stays() {
    let world = World::of("bad-release");
    let deployed_at = shared_month().deployed_at();
    let v2 = world.release("v2", deployed_at);
    let later = deployed_at + chrono::TimeDelta::minutes(5);
    let tip = world.team.release("payments", "v9", 0.0, later);
    let program = world.program().env("GITOPS_PATH", ".");
    let text = program
        .clone()
        .arguments(&["--dry-run", "--output", "text"])
        .run()
        .exits(0);
    assert!(
        text.stdout.contains("restores the whole repository"),
        "{text}"
    );
    program.run().exits(0).decides("rollback", "trigger");
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert!(
        commit
            .message
            .contains("of the whole repository back to the state at"),
        "{}",
        commit.message
    );
    program.run().exits(0).has_outcome("verifying");
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_manifest_at_the_top_of_the_repository_is_put_back() {
    let world = World::of("bad-release");
    let service = world.service();
    let manifest = |version, at| {
        let content = deployment(&service, version, 0.0);
        world
            .repo()
            .commit(version, at, &[("deploy.yaml", Some(&content))])
    };
    let begin = shared_month().deployed_at() - chrono::TimeDelta::days(20);
    let v1 = manifest("v1", begin);
    let v2 = manifest("v2", shared_month().deployed_at());
    world.other_team_commits();
    let program = world.program().env("GITOPS_PATH", "deploy.yaml");
    program.run().exits(0).decides("rollback", "trigger");
    let repo = world.repo();
    assert_eq!(
        repo.file_at("main", "deploy.yaml"),
        repo.file_at(&v1, "deploy.yaml")
    );
    let message = &repo.log()[0].message;
    assert!(
        message.contains(&format!("Rolls-Back: {v2}\n")),
        "{message}"
    );
}

#[test]
fn doctor_looks_at_the_whole_repository() {
    let (world, _) = World::with_a_bad_release();
    let ran = world
        .program()
        .env("GITOPS_PATH", ".")
        .arguments(&["doctor", "--output", "text"])
        .run();
    let looked = "look for changes of the whole repository";
    let line = ran.stdout.lines().find(|line| line.contains(looked));
    assert!(
        line.is_some_and(|line| line.trim_start().starts_with("ok")),
        "{ran}"
    );
}
