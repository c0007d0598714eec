//! Who is told: only looked at, unless a test is wanted.

use std::fs;

use testkit::pagerduty::PagerdutyServer;
use testkit::pushgateway::Pushgateway;
use testkit::receiver::Receiver;
use testkit::slack::SlackServer;
use testkit::stub::ClosedPort;

use super::*;

/// Everybody who is told.
struct People {
    slack: SlackServer,
    pagerduty: PagerdutyServer,
    receiver: Receiver,
    pushgateway: Pushgateway,
}

impl People {
    fn start() -> Self {
        Self {
            slack: SlackServer::start(),
            pagerduty: PagerdutyServer::start(),
            receiver: Receiver::start(),
            pushgateway: Pushgateway::start(),
        }
    }

    fn configured_in(&self, program: Program) -> Program {
        program
            .env("SLACK_BOT_TOKEN", SlackServer::TOKEN)
            .env("SLACK_CHANNEL", SlackServer::CHANNEL)
            .env("SLACK_API_URL", &self.slack.api_url())
            .env("PAGERDUTY_KEY", PagerdutyServer::KEY)
            .env("PAGERDUTY_EVENTS_URL", &self.pagerduty.events_url())
            .env("WEBHOOK_URL", &self.receiver.url())
            .env("WEBHOOK_SECRET", Receiver::SECRET)
            .env("PUSHGATEWAY_URL", &self.pushgateway.url())
    }

    #[track_caller]
    fn heard(&self, messages: usize, alerts: &[&str], events: usize) {
        assert_eq!(self.slack.messages().len(), messages);
        assert_eq!(self.pagerduty.calls(), alerts);
        assert_eq!(self.receiver.events().len(), events);
    }
}

#[test]
fn a_test_reaches_everybody_and_leaves_nothing_open() {
    let (world, people) = (world(), People::start());
    let program = people.configured_in(program(&world));
    let ran = world.nothing_changed_by(&program);
    ran.finds("telling", "ok", &["Slack", "PagerDuty", "the webhook"]);
    people.heard(0, &[], 0);

    let program = program.arguments(&["doctor", "--send-test"]);
    let ran = world.nothing_changed_by(&program);
    let ran = ran
        .keeps_secret(SlackServer::TOKEN)
        .keeps_secret(PagerdutyServer::KEY)
        .keeps_secret(Receiver::SECRET);
    ran.finds("slack", "ok", &["taken"])
        .finds("pagerduty", "ok", &["info", "resolved"])
        .finds("webhook", "ok", &["taken"])
        .finds("pushgateway", "ok", &["removed"]);
    people.heard(1, &["trigger", "resolve"], 1);
    assert!(people.slack.messages()[0].text.contains("shop/healthy"));
    assert!(people.pagerduty.alerts().iter().all(|alert| !alert.is_open));
    assert_eq!(people.pushgateway.groups(), Vec::<Value>::new());
}

#[test]
fn who_cannot_be_told_is_a_warning_with_the_reason() {
    let (world, people) = (world(), People::start());
    let nobody = ClosedPort::reserve().url();
    let program = people
        .configured_in(program(&world))
        .env("SLACK_BOT_TOKEN", "xoxb-canary-wrong")
        .env("PAGERDUTY_KEY", "canarykeythatiswrong")
        .env("WEBHOOK_SECRET", "canary-secret-that-is-wrong")
        .env("PUSHGATEWAY_URL", &nobody)
        .arguments(&["doctor", "--send-test"]);
    let ran = world.nothing_changed_by(&program).exits(1);
    let ran = ran.keeps_secret("canary");
    ran.finds("slack", "warning", &["invalid_auth"])
        .finds("pagerduty", "warning", &["PagerDuty"])
        .finds("webhook", "warning", &[])
        .finds("pushgateway", "warning", &["127.0.0.1"]);
    people.heard(
        0,
        &people
            .pagerduty
            .calls()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        0,
    );
    assert_eq!(people.pagerduty.alerts().len(), 0);
}

#[test]
fn a_dry_run_tells_nobody_even_of_a_test() {
    let (world, people) = (world(), People::start());
    let program = people.configured_in(program(&world));
    let program = program.arguments(&["doctor", "--send-test", "--dry-run"]);
    let ran = world.nothing_changed_by(&program).exits(1);
    assert!(ran.stdout.contains("a dry run tells nobody"), "{ran}");
    people.heard(0, &[], 0);
}

#[test]
fn files_that_cannot_be_written_are_named() {
    let world = world();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log_file = folder.path().join("log");
    fs::write(&log_file, "a line\n").expect("our own folder");
    let text_file = folder.path().join("numbers.prom");
    let program = program(&world)
        .env_path("LOG_FILE", &log_file)
        .env_path("METRICS_TEXTFILE", &text_file);
    let ran = world.nothing_changed_by(&program);
    ran.finds("log file", "ok", &[])
        .finds("text file", "ok", &[]);
    assert_eq!(fs::read_to_string(&log_file).expect("ours"), "a line\n");
    assert!(!text_file.exists());

    let program = program.env_path("LOG_FILE", folder.path()).env_path(
        "METRICS_TEXTFILE",
        &folder.path().join("missing/numbers.prom"),
    );
    let ran = world.nothing_changed_by(&program).exits(1);
    ran.finds("log file", "warning", &["regular file", "LOG_FILE"])
        .finds("text file", "warning", &["not there", "METRICS_TEXTFILE"]);
}
