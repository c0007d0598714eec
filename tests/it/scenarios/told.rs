//! People are told of each change once, whatever the channels do, and it changes nothing else.

use std::process::Command;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use error_budget_monitor::journal::Phase;
use testkit::git::Fault;
use testkit::github::GithubServer;
use testkit::pagerduty::PagerdutyServer;
use testkit::receiver::Receiver;
use testkit::slack::SlackServer;
use testkit::stub::{ClosedPort, Reply};

use super::program::Program;
use super::world::{REPOSITORY, TOKEN, World};

/// Longest wait for what a run does meanwhile: shorter than its wait for the proof.
const PATIENCE: Duration = Duration::from_secs(40);

/// Time between two looks at the state file, which tells nobody that it changed.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Everybody who is told.
struct People {
    slack: SlackServer,
    pagerduty: PagerdutyServer,
    receiver: Receiver,
}

impl People {
    fn start() -> Self {
        Self {
            slack: SlackServer::start(),
            pagerduty: PagerdutyServer::start(),
            receiver: Receiver::start(),
        }
    }

    fn are_told_by(&self, program: Program) -> Program {
        program
            .env("SLACK_WEBHOOK", &self.slack.webhook_url())
            .env("PAGERDUTY_KEY", PagerdutyServer::KEY)
            .env("PAGERDUTY_EVENTS_URL", &self.pagerduty.events_url())
            .env("WEBHOOK_URL", &self.receiver.url())
            .env("WEBHOOK_SECRET", Receiver::SECRET)
    }

    /// The texts of the messages in Slack.
    fn read(&self) -> Vec<String> {
        let messages = self.slack.messages();
        messages.into_iter().map(|message| message.text).collect()
    }

    /// What PagerDuty was told, in alphabetical order: alerts and changes are told side by side.
    fn calls(&self) -> Vec<String> {
        let mut calls = self.pagerduty.calls();
        calls.sort();
        calls
    }

    /// The words with which the messages begin.
    fn headlines(&self) -> Vec<String> {
        let words = |text: String| {
            text.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let headline = |text| words(text).trim_end_matches(':').to_owned();
        self.read().into_iter().map(headline).collect()
    }
}

fn bad_release() -> (World, People, Program) {
    let (world, _) = World::with_a_bad_release();
    let people = People::start();
    let program = people.are_told_by(world.program());
    (world, people, program)
}

#[test]
fn a_rollback_is_told_when_it_begins_and_when_it_ends_and_never_again() {
    let (world, people, program) = bad_release();
    let ran = program.run().exits(0).decides("rollback", "trigger");
    let id = ran.text("/rollback/id");
    assert_eq!(people.headlines(), ["Rollback started"]);
    assert_eq!(people.calls(), ["change", "trigger"]);
    let alert = &people.pagerduty.alerts()[0];
    assert_eq!((&alert.key, alert.is_open), (&id, true));
    program.run().exits(0).has_outcome("verifying");
    assert_eq!(people.headlines().len(), 1);

    let last = program.clone().env("VERIFY_DEADLINE", "0s");
    last.run().exits(1).has_outcome("ineffective");
    assert_eq!(
        people.headlines(),
        ["Rollback started", "Rollback ineffective"]
    );
    assert_eq!(people.calls(), ["change", "trigger", "trigger"]);
    assert!(
        people
            .read()
            .iter()
            .all(|text| text.contains("bad-release"))
    );

    // What burns on is held back now, which is told once too.
    for _ in 0..2 {
        program.run().exits(0).decides("hold", "breaker_open");
    }
    assert_eq!(people.headlines()[2..], ["Rollback held"]);
    assert_eq!(world.rollback_commits(), 1);
    for secret in [
        PagerdutyServer::KEY,
        SlackServer::WEBHOOK,
        Receiver::SECRET,
        TOKEN,
    ] {
        assert!(!world.state().contains(secret));
    }
}

/// Runs a program whose rollback is not proven in time.
fn does_not_help(program: &Program) {
    let over = program.clone().env("VERIFY_DEADLINE", "0s");
    let outcomes = std::iter::repeat_with(|| over.run().record["rollback"]["outcome"].clone());
    let ended = outcomes.take(20).find(|outcome| outcome != "verifying");
    assert_eq!(ended, Some("ineffective".into()));
}

/// The program, counting errors in a way that finds none.
fn once_it_is_well(program: &Program) -> Program {
    let total =
        r#"sum(increase(http_requests_total{namespace="shop",service="bad-release"}[${WINDOW}]))"#;
    program
        .clone()
        .env("SLI_TOTAL_QUERY", total)
        .env("SLI_BAD_QUERY", &format!("{total} * 0"))
}

#[test]
fn a_burn_is_one_alert_from_the_first_page_to_its_end() {
    let (_world, people, program) = bad_release();
    // Where nobody knows what was deployed nothing is to blame: a person is needed.
    let blameless = ["GITOPS_REPO", "GITOPS_TOKEN", "GITOPS_PATH"]
        .into_iter()
        .fold(program.clone(), Program::without);
    blameless.run().exits(0).decides("hold", "not_attributable");
    program.run().exits(0).has_outcome("verifying");
    does_not_help(&program);
    program.run().exits(0).decides("hold", "breaker_open");
    let alerts = people.pagerduty.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let first = (alerts[0].key.as_str(), alerts[0].is_open);
    assert_eq!(first, ("shop/bad-release/held", true));

    // Nobody knows that it is over but the runs that see so: not before the third in a row.
    let well = once_it_is_well(&program);
    for is_open in [true, true] {
        well.run().exits(0).decides("none", "healthy");
        assert_eq!(people.pagerduty.alerts()[0].is_open, is_open);
    }
    program.run().exits(0).decides("hold", "breaker_open");
    for is_open in [true, true, false, false] {
        well.run().exits(0).decides("none", "healthy");
        assert_eq!(people.pagerduty.alerts()[0].is_open, is_open);
    }
    let over = people.headlines().into_iter();
    assert_eq!(over.filter(|words| words == "Burn over").count(), 1);
    assert_eq!(people.pagerduty.alerts().len(), 1);

    // Another burn is another alert.
    blameless.run().exits(0);
    let alerts = people.pagerduty.alerts();
    assert!(
        alerts.last().is_some_and(|alert| alert.is_open),
        "{alerts:?}"
    );
}

#[test]
fn a_rollback_that_failed_and_what_follows_it_are_one_alert() {
    let (world, people, program) = bad_release();
    world.repo().decline_pushes("not today");
    let failed = program.run().exits(1).has_outcome("failed");
    for _ in 0..2 {
        program.run().exits(0).decides("hold", "breaker_open");
    }
    let alerts = people.pagerduty.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let (key, is_open) = (&alerts[0].key, alerts[0].is_open);
    assert_eq!((key, is_open), (&failed.text("/rollback/id"), true));
}

#[test]
fn what_cannot_be_told_now_is_told_later_and_changes_nothing_else() {
    let (world, people, program) = bad_release();
    let nobody = ClosedPort::reserve();
    let alone = program
        .clone()
        .env("SLACK_WEBHOOK", &format!("{}/services/T/B/x", nobody.url()));
    people.pagerduty.instead(Reply::text(500, "oops"));
    people.receiver.instead(Reply::text(500, "oops"));
    let ran = alone.run().exits(0).has_outcome("verifying");
    ran.complains_of_nothing().keeps_secret("/services/T/B/x");
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(people.headlines(), Vec::<String>::new());

    program.run().exits(0).has_outcome("verifying");
    assert_eq!(people.headlines(), ["Rollback started"]);
    let alert = &people.pagerduty.alerts()[0];
    assert!(alert.is_open);
    assert_eq!(people.pagerduty.changes().len(), 1);
    assert!(!world.state().contains("Rollback started"));
}

#[test]
fn a_channel_that_hangs_or_refuses_for_good_holds_up_no_other() {
    let (world, people, program) = bad_release();
    people.slack.instead(Reply::text(404, "no_service"));
    program.run().exits(0).has_outcome("verifying");
    assert_eq!(world.rollback_commits(), 1);
    assert_eq!(people.calls(), ["change", "trigger"]);
    assert_eq!(people.receiver.events().len(), 1);
}

#[test]
fn a_reason_to_hold_is_told_once_in_a_burn() {
    let (world, people, program) = bad_release();
    let held = program.clone().env("BLACKOUT_WINDOWS", "* 00:00-24:00 UTC");
    for _ in 0..3 {
        held.run().exits(0).decides("hold", "blackout");
    }
    assert_eq!(people.headlines(), ["Rollback held"]);
    assert!(people.read()[0].contains("blackout"), "{:?}", people.read());
    assert_eq!(people.pagerduty.calls(), Vec::<String>::new());
    let off = program.env("ROLLBACK_ENABLED", "false");
    for _ in 0..2 {
        off.run().exits(0).decides("hold", "disabled");
    }
    assert_eq!(people.headlines().len(), 2);
    assert_eq!(world.rollback_commits(), 0);
}

#[test]
fn what_burns_without_breaking_an_slo_is_told_once_and_wakes_nobody() {
    let (_world, people, program) = bad_release();
    let warned = program
        .env("MAX_ERROR_RATE", "0.5")
        .env("MIN_AVAILABILITY", "0.5");
    for _ in 0..3 {
        warned.run().exits(0).decides("hold", "warning_level");
    }
    assert_eq!(people.headlines(), ["Rollback held"]);
    assert_eq!(people.calls(), Vec::<String>::new());
}

#[test]
fn who_is_blind_says_so_after_three_runs_and_once_more_when_it_sees() {
    let world = World::of("healthy");
    let people = People::start();
    let program = people.are_told_by(world.program());
    let nobody = ClosedPort::reserve();
    let blind = program
        .clone()
        .env("PROMETHEUS_URL", &nobody.url())
        .env("PROMETHEUS_TIMEOUT", "1s");
    for told in [0, 0, 1, 1] {
        blind.run().exits(69);
        assert_eq!(people.read().len(), told);
    }
    assert_eq!(people.pagerduty.calls(), ["trigger"]);
    for _ in 0..2 {
        program.run().exits(0).decides("none", "healthy");
    }
    assert_eq!(people.read().len(), 2, "{:?}", people.read());
    assert_eq!(people.pagerduty.calls(), ["trigger", "resolve"]);
}

#[test]
fn a_level_is_told_when_it_is_crossed_upwards() {
    let world = World::of("healthy");
    let people = People::start();
    let program = people.are_told_by(world.program());
    // A fifth of the budget is consumed.
    let warned = program.clone().env("BUDGET_WARNING", "0.1");
    let critical = warned.clone().env("BUDGET_CRITICAL", "0.15");
    for (program, told) in [
        (&program, 0),
        (&warned, 1),
        (&warned, 1),
        (&critical, 2),
        (&warned, 2),
        (&program, 2),
        (&warned, 3),
    ] {
        program.run().exits(0);
        assert_eq!(people.read().len(), told, "{:?}", people.read());
    }
    assert_eq!(people.pagerduty.calls(), Vec::<String>::new());
}

#[test]
fn a_dry_run_and_those_who_only_look_tell_nobody() {
    let (world, people, program) = bad_release();
    for arguments in [&["--dry-run"][..], &["check"], &["status"], &["doctor"]] {
        let looks = program.clone().arguments(arguments);
        world.nothing_changed_by(&looks);
    }
    assert_eq!(people.read(), Vec::<String>::new());
    assert_eq!(people.pagerduty.calls(), Vec::<String>::new());
    assert_eq!(people.receiver.arrivals(), Vec::<String>::new());
}

#[test]
fn a_person_is_asked_reminded_and_told_that_the_time_is_over() {
    let (world, people, program) = bad_release();
    let asking = program.env("REQUIRE_APPROVAL", "true");
    for _ in 0..2 {
        asking
            .run()
            .exits(0)
            .decides("await_approval", "awaiting_approval");
    }
    assert_eq!(people.headlines(), ["Approval needed"]);
    let ages = |minutes: i64| {
        let mut plan = world.in_flight().expect("a plan waits");
        let ago = TimeDelta::minutes(minutes);
        plan.begun_at -= ago;
        let approval = plan.approval.as_mut().expect("a person was asked");
        approval.asked_at -= ago;
        approval.expires_at -= ago;
        world.remembers(&[plan]);
    };
    ages(16);
    for _ in 0..2 {
        asking
            .run()
            .exits(0)
            .decides("await_approval", "awaiting_approval");
    }
    assert_eq!(people.read().len(), 2, "{:?}", people.read());
    ages(15);
    for _ in 0..2 {
        asking.run().exits(0).decides("hold", "approval_expired");
    }
    assert_eq!(people.read().len(), 3, "{:?}", people.read());
    assert_eq!(world.rollback_commits(), 0);
}

#[test]
fn a_robot_that_brings_the_bad_revision_back_is_told_while_all_is_calm() {
    let world = World::of("healthy");
    let people = People::start();
    let program = people.are_told_by(world.program());
    let v2 = world.release("v2", Utc::now() - TimeDelta::hours(2));
    let back = program.clone().arguments(&["rollback", "--to", &world.v1]);
    back.run().exits(0).decides("rollback", "manual");
    world.recovered(TimeDelta::minutes(90));
    let before = people.read().len();
    program.run().exits(0).decides("none", "healthy");
    assert_eq!(
        people.read().len(),
        before + 1,
        "recovered: {:?}",
        people.read()
    );

    world.release("v2", Utc::now());
    for _ in 0..2 {
        program.run().exits(0).decides("none", "healthy");
    }
    let read = people.read();
    assert_eq!(read.len(), before + 2, "{read:?}");
    let last = read.last().expect("a message");
    assert!(
        last.contains(&v2[..8]) || last.contains("brings back"),
        "{last}"
    );
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn a_memory_that_was_rebuilt_is_told_and_one_that_cannot_be_wakes_somebody() {
    let (world, people, program) = bad_release();
    std::fs::write(world.state_file(), "torn").expect("our own folder");
    world.server.set_fault(Fault::Down);
    for _ in 0..2 {
        program.run().exits(69).decides("hold", "unknown_data");
    }
    assert_eq!(people.headlines(), ["Rollback held"]);
    assert_eq!(people.pagerduty.calls(), ["trigger"]);
    world.server.set_fault(Fault::None);
    program.run().exits(0).decides("rollback", "trigger");
    assert_eq!(people.headlines()[1..], ["Rollback started"]);

    std::fs::write(world.state_file(), "torn").expect("our own folder");
    program.run().exits(0).decides("resume", "resumed");
    let told = people.read().len();
    program.run().exits(0).decides("resume", "resumed");
    assert_eq!(people.read().len(), told);
    assert_eq!(world.rollback_commits(), 1);
}

#[test]
fn who_is_killed_while_the_proof_is_awaited_changes_the_message_that_was_posted() {
    let (world, _) = World::with_a_bad_release();
    let slack = SlackServer::start();
    let program = world
        .program()
        .env("SLACK_BOT_TOKEN", SlackServer::TOKEN)
        .env("SLACK_CHANNEL", SlackServer::CHANNEL)
        .env("SLACK_API_URL", &slack.api_url());
    let waiting = program
        .clone()
        .env("VERIFY_TIMEOUT", "1h")
        .env("STABILIZATION", "15m")
        .start();
    let id = waiting.id().to_string();
    // The channel's id is known to the program only by Slack's answer.
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(world.state_file())
        .is_ok_and(|state| state.contains(SlackServer::CHANNEL_ID))
    {
        assert!(Instant::now() < deadline, "nobody notes what was posted");
        std::thread::sleep(LOOK_EVERY);
    }
    let killed = Command::new("kill").args(["-KILL", &id]).status();
    assert!(killed.expect("kill is everywhere").success());
    assert_eq!(waiting.wait().code, None, "it was killed before its proof");

    let last = program.env("VERIFY_DEADLINE", "0s");
    last.run().exits(1).has_outcome("ineffective");
    let messages = slack.messages();
    let about: Vec<_> = messages
        .iter()
        .filter(|it| it.thread.is_none() && it.text.starts_with("Rollback"))
        .collect();
    assert_eq!(about.len(), 1, "{about:?}");
    assert_eq!(about[0].edits, 1);
    assert!(about[0].text.starts_with("Rollback ineffective"));
}

#[test]
fn a_ticket_follows_the_rollback_and_a_bots_message_is_changed_in_place() {
    let (world, _) = World::with_a_bad_release();
    let github = GithubServer::in_front_of(&world.server, REPOSITORY, Some(TOKEN));
    let slack = SlackServer::start();
    let program = world
        .program()
        .env("GITOPS_REPO", REPOSITORY)
        .env("GITOPS_API_URL", &github.api_url())
        .env("GITOPS_TOKEN", GithubServer::TOKEN)
        .env("GITOPS_MODE", "pull-request")
        .env("INCIDENT_REPO", REPOSITORY)
        .env("SLACK_BOT_TOKEN", SlackServer::TOKEN)
        .env("SLACK_CHANNEL", SlackServer::CHANNEL)
        .env("SLACK_API_URL", &slack.api_url());
    let ran = program.run().exits(0).has_outcome("awaiting_approval");
    ran.keeps_secret(SlackServer::TOKEN);
    assert_eq!(github.issue_count(), 0, "nothing was begun");
    let top = || {
        slack
            .messages()
            .into_iter()
            .filter(|it| it.thread.is_none())
            .count()
    };
    assert_eq!(top(), 1);
    assert_eq!(world.in_flight().map(|it| it.phase), Some(Phase::Proposed));
}
