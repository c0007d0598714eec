//! A person has to agree: asked once, answered by a command, and carried out only on evidence that still holds.

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::{Phase, Rollback, short_id};
use testkit::prometheus::shared_month;
use testkit::slack::SlackServer;

use super::memory::past;
use super::program::{Program, Ran};
use super::world::World;

fn asking(world: &World) -> Program {
    world.program().env("REQUIRE_APPROVAL", "true")
}

/// Lets a run ask, and returns the id of the plan.
#[track_caller]
fn asked(world: &World) -> String {
    let before = world.repo().refs_fingerprint();
    let ran = asking(world).run().exits(0);
    let ran = ran.decides("await_approval", "awaiting_approval");
    let ran = ran
        .has_outcome("awaiting_approval")
        .fails_only(&["approval"]);
    assert_eq!(world.repo().refs_fingerprint(), before);
    ran.complains_of_nothing().text("/rollback/id")
}

fn says(world: &World, arguments: &[&str]) -> Ran {
    asking(world).arguments(arguments).run()
}

#[test]
fn a_plan_that_a_person_agreed_to_is_carried_out_once() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let id = asked(&world);
    assert_eq!(asked(&world), id, "one plan, however often it is looked at");
    assert_eq!(world.remembered().len(), 1);

    let said = says(&world, &["approve", &id, "--by", "kim"]).exits(0);
    assert_eq!(said.record["by"], "kim");
    assert_eq!(said.record["from"], *v2);
    says(&world, &["approve", &id, "--by", "alex"]).exits(0);
    assert_eq!(
        world.repo().tip(),
        tip,
        "the command itself changes nothing"
    );

    let ran = asking(&world).run().exits(0).decides("rollback", "trigger");
    let ran = ran.has_outcome("verifying").fails_only(&[]);
    assert_eq!(ran.text("/rollback/id"), id);
    let commit = world.one_commit_restores(&v2, &world.v1, &tip);
    assert!(
        commit.message.contains("approved by kim"),
        "{}",
        commit.message
    );
    let signed = world.remembered()[0].approval.clone();
    assert_eq!(
        signed.and_then(|it| it.signed).map(|it| it.by).as_deref(),
        Some("kim")
    );

    says(&world, &["reject", &id])
        .exits(1)
        .complains_of(&[&id, "begun already"]);
    assert_eq!(world.server.push_attempts(), 1);
}

#[test]
fn a_plan_that_a_person_refused_is_not_asked_about_again_before_its_release() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    says(&world, &["approve", &id]).exits(0);
    // Who agreed may change their mind until it is begun.
    says(&world, &["reject", &id, "--by", "kim"]).exits(0);
    says(&world, &["reject", &id]).exits(0);
    says(&world, &["approve", &id])
        .exits(1)
        .complains_of(&[&id, "rejected"]);
    let before = world.repo().refs_fingerprint();
    asking(&world).run().exits(0).decides("hold", "rejected");
    world.runs(&["run"]).exits(0).decides("hold", "rejected");
    assert_eq!(world.repo().refs_fingerprint(), before);

    says(&world, &["release", &id]).exits(0);
    assert_ne!(asked(&world), id);
}

#[test]
fn words_about_what_nobody_asked_are_refused() {
    let (world, _) = World::with_a_bad_release();
    says(&world, &["approve", "made-up"])
        .exits(1)
        .complains_of(&["made-up", "nothing waits"]);
    let id = asked(&world);
    let before = world.traces();
    for arguments in [
        &["approve", "made-up"][..],
        &["reject", "made-up"],
        &["release", "made-up"],
    ] {
        says(&world, arguments)
            .exits(1)
            .complains_of(&["made-up", &id]);
    }
    for arguments in [
        &["approve"][..],
        &["approve", "../../etc/passwd"],
        &["approve", &id, "--by", "two\nlines"],
        &["approve", &id, "--by", ""],
    ] {
        says(&world, arguments).exits(64);
    }
    let dry = says(&world, &["approve", &id, "--dry-run"]).exits(0);
    assert_eq!(dry.record["dry_run"], true);
    assert_eq!(world.traces(), before);
    // What waits can be given up under that word too.
    let given_up = says(&world, &["release", &id]).exits(0);
    assert!(given_up.stdout.contains("given up"), "{given_up}");
    assert_eq!(world.remembered()[0].phase, Phase::Rejected);
}

#[test]
fn nobody_who_agrees_too_late_is_heard() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    world.remembers(&[older(&world, TimeDelta::minutes(31))]);
    says(&world, &["approve", &id])
        .exits(1)
        .complains_of(&["was over at"]);
    let before = world.repo().refs_fingerprint();
    let ran = asking(&world)
        .run()
        .exits(0)
        .decides("hold", "approval_expired");
    ran.has_outcome("expired");
    assert_eq!(world.remembered()[0].phase, Phase::Expired);
    // It is asked again after COOLDOWN.
    asking(&world)
        .run()
        .exits(0)
        .decides("hold", "approval_expired");
    world.remembers(&[Rollback {
        begun_at: Utc::now() - TimeDelta::minutes(70),
        ..world.remembered()[0].clone()
    }]);
    assert_ne!(asked(&world), id);
    assert_eq!(world.repo().refs_fingerprint(), before);
}

#[test]
fn a_yes_does_not_outlive_its_time() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    says(&world, &["approve", &id]).exits(0);
    let mut plan = older(&world, TimeDelta::minutes(31));
    let approval = plan.approval.as_mut().expect("a person was asked");
    let signed = approval.signed.as_mut().expect("a person has answered");
    signed.at -= TimeDelta::minutes(31);
    world.remembers(&[plan]);
    let before = world.repo().refs_fingerprint();
    let ran = asking(&world).run().exits(0);
    ran.decides("hold", "approval_expired");
    assert_eq!(world.repo().refs_fingerprint(), before);
}

#[test]
fn a_yes_that_only_an_older_generation_remembers_is_asked_for_again() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    says(&world, &["approve", &id]).exits(0);
    says(&world, &["reject", &id]).exits(0);
    std::fs::write(world.state_file(), "torn").expect("our own file");
    let before = world.repo().refs_fingerprint();
    let ran = asking(&world).run().exits(0);
    ran.decides("await_approval", "awaiting_approval");
    assert_eq!(world.repo().refs_fingerprint(), before);
}

#[test]
fn what_was_agreed_to_is_not_done_once_the_burn_is_over() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    says(&world, &["approve", &id]).exits(0);
    let before = world.repo().refs_fingerprint();
    let calm = asking(&world)
        .env("BURN_RATE_FAST", "900")
        .env("BURN_RATE_SLOW", "800")
        .env("MAX_ERROR_RATE", "0.99")
        .env("MIN_AVAILABILITY", "0.01");
    let ran = calm.run().exits(0).decides("hold", "recovered_meanwhile");
    ran.has_outcome("superseded");
    assert_eq!(world.remembered()[0].phase, Phase::Superseded);
    assert_eq!(world.repo().refs_fingerprint(), before);
    says(&world, &["approve", &id])
        .exits(1)
        .complains_of(&["overtaken"]);
}

#[test]
fn what_was_agreed_to_waits_for_a_blackout_and_for_what_is_unknown() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let id = asked(&world);
    says(&world, &["approve", &id, "--by", "kim"]).exits(0);
    let blackout = asking(&world).env("BLACKOUT_WINDOWS", "* 00:00-24:00 UTC");
    let ran = blackout.run().exits(0).decides("hold", "blackout");
    let detail = ran.text("/decision/detail");
    assert!(detail.contains("kim agreed"), "{detail}");
    assert_eq!(world.repo().tip(), tip);
    asking(&world).run().exits(0).decides("rollback", "trigger");
    world.one_commit_restores(&v2, &world.v1, &tip);
}

#[test]
fn a_plan_that_another_deployment_overtook_is_dropped() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    says(&world, &["approve", &id]).exits(0);
    // Version 3 is as bad, and nobody was asked about it.
    world.release("v3", shared_month().deployed_at() + TimeDelta::minutes(2));
    let before = world.repo().refs_fingerprint();
    let ran = asking(&world).run().exits(0);
    assert_ne!(ran.record["decision"]["action"], "rollback", "{ran}");
    assert_eq!(world.repo().refs_fingerprint(), before);
    let dropped = world.remembered().into_iter().find(|past| past.id == id);
    let phase = dropped.map(|it| it.phase);
    assert!(
        matches!(phase, Some(Phase::Superseded | Phase::Awaiting)),
        "{phase:?}"
    );
}

#[test]
fn a_person_who_rolls_back_by_hand_overtakes_the_plan() {
    let (world, v2) = World::with_a_bad_release();
    let tip = world.repo().tip();
    let id = asked(&world);
    let ran = says(&world, &["rollback", "gitops"]).exits(0);
    ran.decides("rollback", "manual");
    world.one_commit_restores(&v2, &world.v1, &tip);
    let plan = world.remembered().into_iter().find(|past| past.id == id);
    assert_eq!(plan.map(|it| it.phase), Some(Phase::Superseded));
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_release_lifts_the_hold_and_closes_the_breaker() {
    let (world, v2) = World::with_a_bad_release();
    let ran = world.runs(&["run"]).exits(0).decides("rollback", "trigger");
    let id = ran.text("/rollback/id");
    world.recovered(TimeDelta::minutes(90));
    let check = |code| {
        let program = world.program().env("GATE_BLOCK_AT", "emergency");
        program
            .arguments(&["check", "--commit", &v2])
            .run()
            .exits(code)
    };
    check(5);
    says(&world, &["release", &id, "--by", "kim"]).exits(0);
    check(0);

    let broken = past("broken", TimeDelta::minutes(61), Phase::Ineffective);
    world.remembers(&[broken]);
    world
        .runs(&["rollback", "gitops"])
        .exits(1)
        .decides("hold", "breaker_open");
    says(&world, &["release", "broken"]).exits(0);
    // The commit itself is young, and limits count it still.
    let unlimited = world
        .program()
        .env("COOLDOWN", "0s")
        .env("MAX_ROLLBACKS_PER_HOUR", "9")
        .arguments(&["rollback", "gitops", "--dry-run"]);
    let ran = unlimited.run().exits(0);
    ran.decides("rollback", "manual");
}

#[test]
fn the_status_says_what_waits_and_how_to_answer() {
    let (world, _) = World::with_a_bad_release();
    let id = asked(&world);
    let status = says(&world, &["status"]).exits(0).record;
    assert_eq!(status["pending"]["id"], *id);
    assert!(status["in_flight"].is_null());
    let text = says(&world, &["status", "--output", "text"]).exits(0);
    let short = short_id(&id);
    assert!(
        text.stdout.contains(&format!("`approve {short}`")),
        "{text}"
    );
    assert!(text.stdout.contains("\n+          image: "), "{text}");
    says(&world, &["approve", &id, "--by", "kim"]).exits(0);
    let status = says(&world, &["status"]).exits(0).record;
    assert_eq!(status["pending"]["approved_by"], "kim");
}

/// The plan that waits, asked about some time ago.
fn older(world: &World, ago: TimeDelta) -> Rollback {
    let mut plan = world.in_flight().expect("a plan waits");
    plan.begun_at -= ago;
    let approval = plan.approval.as_mut().expect("a person was asked");
    approval.asked_at -= ago;
    approval.expires_at -= ago;
    plan
}

/// The blocks of the newest message, as text.
fn newest(slack: &SlackServer) -> String {
    let messages = slack.messages();
    let newest = messages.last().expect("a message");
    serde_json::to_string_pretty(&newest.blocks).expect("JSON")
}

#[test]
fn whoever_is_asked_sees_what_would_change_and_answers_in_short() {
    let (world, v2) = World::with_a_bad_release();
    let slack = SlackServer::start();
    let told = |arguments: &[&str]| {
        asking(&world)
            .env("SLACK_WEBHOOK", &slack.webhook_url())
            .env("MESSAGE_COMMAND", "scripts/in-cluster.sh")
            .env(
                "RUNBOOK_URL",
                "https://wiki.example.com/{namespace}/{service}",
            )
            .arguments(arguments)
            .run()
            .exits(0)
    };
    told(&["run"]);
    let message = newest(&slack);
    for part in [
        "bad-release would be put back to “Set up the platform repository” because 20.00 % of requests fail since ",
        ", as “bad-release: release v2” was deployed",
        "by Team bad-release",
        "1 file, 2 lines in, 2 lines out",
        "\\n-          image: registry.example/bad-release:v2\\n+          image: registry.example/bad-release:v1",
        &format!("`scripts/in-cluster.sh approve {}`", &v2[..8]),
        "https://wiki.example.com/shop/bad-release",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    // The whole diff is in the status, too.
    let status = says(&world, &["status"]).exits(0);
    let diff = status.text("/pending/diff");
    assert!(
        diff.contains("+          image: registry.example/bad-release:v1"),
        "{diff}"
    );

    // As git does it, a part that is not ambiguous is enough.
    says(&world, &["approve", "3"])
        .exits(1)
        .complains_of(&["no rollback"]);
    let short = &v2[..6];
    told(&[
        "reject",
        short,
        "--by",
        "kim",
        "--reason",
        "v2 holds the fix",
    ]);
    assert_eq!(world.remembered()[0].phase, Phase::Rejected);
    let ran = told(&["run"]);
    ran.decides("hold", "rejected");
    let message = newest(&slack);
    assert!(
        message.contains("kim said no: v2 holds the fix"),
        "{message}"
    );
    // What is over keeps no diff.
    let words = world.remembered()[0].words.clone().expect("words");
    assert_eq!((words.diff, words.to.author.as_str()), (None, "Dev"));
}
