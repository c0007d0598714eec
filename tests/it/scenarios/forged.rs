//! Commits of others that carry our trailers: nothing rests on them, people hear of them once, and no person is held
//! up.

use chrono::{DateTime, TimeDelta, Utc};
use testkit::git::MonoRepo;
use testkit::prometheus::shared_month;
use testkit::slack::SlackServer;

use super::program::Program;
use super::world::World;

/// A service whose bad release follows a commit that claims to be a rollback; `claim` writes its trailers, and `at` is
/// its date.
fn forged(
    claim: impl FnOnce(&World, &str) -> String,
    at: DateTime<Utc>,
) -> (World, String, String) {
    let world = World::of("bad-release");
    let tried = shared_month().deployed_at() - TimeDelta::days(4);
    let v1b = world.release("v1b", tried);
    let path = MonoRepo::manifest_path(&world.service());
    let before = world.repo().file_at(&world.v1, &path).expect("a manifest");
    let message = format!("Tidy up\n\nNothing to see.\n\n{}", claim(&world, &v1b));
    let written = world.repo().prepare(&message, at);
    let forged = written.write(&path, &before).create();
    world.release("v2", shared_month().deployed_at());
    (world, v1b, forged)
}

fn trailers(world: &World, from: &str) -> String {
    format!(
        "Error-Budget-Rollback: x\nRolls-Back: {from}\nRestores: {}\n",
        world.v1
    )
}

/// The program, which tells Slack.
fn telling(world: &World, slack: &SlackServer) -> Program {
    world.program().env("SLACK_WEBHOOK", &slack.webhook_url())
}

fn suspicions(slack: &SlackServer) -> Vec<String> {
    let messages = slack.messages().into_iter().map(|message| message.text);
    messages
        .filter(|text| text.starts_with("Suspicious commit"))
        .collect()
}

#[test]
fn a_date_in_the_future_holds_up_nobody() {
    let in_decades = Utc::now() + TimeDelta::days(20_000);
    let (world, _, found) = forged(trailers, in_decades);
    let slack = SlackServer::start();
    let ran = telling(&world, &slack).run().exits(0);
    ran.decides("rollback", "trigger");
    assert!(
        !world.state().contains("\"id\": \"x\""),
        "{}",
        world.state()
    );
    let told = suspicions(&slack);
    assert_eq!(told.len(), 1, "{told:?}");
    telling(&world, &slack).run();
    assert_eq!(suspicions(&slack).len(), 1, "told once");
    let doctor = world.runs(&["doctor"]);
    assert!(doctor.stdout.contains(&found), "{doctor}");

    // A person goes back by name, whatever the commit says.
    let (world, ..) = forged(trailers, in_decades);
    let by_hand = world
        .program()
        .arguments(&["rollback", "gitops", "--to", &world.v1])
        .run();
    by_hand.exits(0).decides("rollback", "manual");
    let path = world.path();
    let tree = |revision: &str| world.repo().tree_at(revision, &path);
    assert_eq!(tree("main"), tree(&world.v1));
}

#[test]
fn revisions_that_are_not_there_and_content_that_is_another_are_not_believed() {
    let at = shared_month().deployed_at() - TimeDelta::days(3);
    let absent = |_: &World, from: &str| {
        let nobody = "ab".repeat(20);
        format!("Error-Budget-Rollback: x\nRolls-Back: {from}\nRestores: {nobody}\n")
    };
    let short = |world: &World, from: &str| {
        let short = &world.v1[..12];
        format!("Error-Budget-Rollback: x\nRolls-Back: {from}\nRestores: {short}\n")
    };
    let another = |_: &World, from: &str| {
        format!("Error-Budget-Rollback: x\nRolls-Back: {from}\nRestores: {from}\n")
    };
    let claims: [fn(&World, &str) -> String; 3] = [absent, short, another];
    for claim in claims {
        let (world, _, forged) = forged(claim, at);
        let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
        // What was restored is blamed on nobody, and is the target.
        assert_eq!(ran.text("/rollback/to"), forged, "{ran}");
    }
}

#[test]
fn with_a_key_only_what_is_signed_is_believed() {
    const KEY: &str = "canary key of the trailers";
    let at = shared_month().deployed_at() - TimeDelta::days(3);
    let (world, v1b, _) = forged(trailers, at);
    let program = || world.program().env("TRAILER_KEY", KEY);
    let ran = program().run().exits(0).decides("rollback", "trigger");
    let ran = ran.keeps_secret(KEY);
    let message = world.repo().log().remove(0).message;
    assert!(message.contains("\nError-Budget-Signature: "), "{message}");
    // The state is lost: our own commit is known again, and the one that is not signed is not.
    std::fs::remove_dir_all(world.state_folder()).expect("our own folder");
    let status = program().arguments(&["status"]).run().exits(0);
    assert_eq!(status.record["in_flight"]["id"], *ran.text("/rollback/id"));
    assert!(!status.stdout.contains(&v1b), "{status}");
    // Without the key both are believed.
    let status = world.runs(&["status"]).exits(0);
    assert!(status.stdout.contains(&v1b), "{status}");
    // With another one neither is.
    let other = world.program().env("TRAILER_KEY", "another key");
    let status = other.arguments(&["status"]).run().exits(0);
    assert_eq!(status.record["in_flight"], serde_json::Value::Null);
}

#[test]
fn a_person_gives_up_what_does_not_end() {
    let (world, v2) = World::with_a_bad_release();
    let first = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let id = first.text("/rollback/id");
    let held = world.runs(&["rollback", "gitops", "--to", &v2]).exits(1);
    held.complains_of(&["is unfinished", &format!("release {id}")]);
    let said = world.runs(&["release", &id]).exits(0);
    assert!(said.stdout.contains("given up"), "{said}");
    // It is over, and nobody goes on with it.
    let status = world.runs(&["status"]).exits(0);
    assert_eq!(status.record["in_flight"], serde_json::Value::Null);
    let next = world.runs(&["run"]);
    assert_ne!(next.record["decision"]["action"], "resume", "{next}");
    assert_eq!(world.rollback_commits(), 1);
}
