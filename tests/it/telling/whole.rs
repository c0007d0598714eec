//! From the configuration to everybody who is told.

use error_budget_monitor::config::Config;
use error_budget_monitor::notify::{TestMessage, channels};
use testkit::github::GithubServer;
use testkit::pagerduty::PagerdutyServer;
use testkit::receiver::Receiver;
use testkit::slack::SlackServer;

use super::*;

/// Everybody who is told.
struct World {
    slack: SlackServer,
    pagerduty: PagerdutyServer,
    github: GithubServer,
    receiver: Receiver,
}

impl World {
    fn start() -> Self {
        Self {
            slack: SlackServer::start(),
            pagerduty: PagerdutyServer::start(),
            github: GithubServer::start(),
            receiver: Receiver::start(),
        }
    }

    fn tellers(&self, slack: &[(&str, String)]) -> Tellers {
        let others = [
            ("SERVICE_NAME", "checkout".to_owned()),
            ("NAMESPACE", "shop".to_owned()),
            ("PROMETHEUS_URL", "http://127.0.0.1:9".to_owned()),
            ("PAGERDUTY_KEY", PagerdutyServer::KEY.to_owned()),
            ("PAGERDUTY_EVENTS_URL", self.pagerduty.events_url()),
            ("INCIDENT_REPO", "acme/deploy".to_owned()),
            ("GITOPS_API_URL", self.github.api_url()),
            ("GITOPS_TOKEN", GithubServer::TOKEN.to_owned()),
            ("WEBHOOK_URL", self.receiver.url()),
            ("WEBHOOK_SECRET", Receiver::SECRET.to_owned()),
        ];
        let variables = others.iter().chain(slack);
        let variables = variables.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let config = Config::from_vars(variables).expect("a configuration");
        Tellers::new(&config.notify).expect("usable")
    }
}

/// Tells a rollback from its beginning to its proof. Runs that died before they wrote down that it was told repeat
/// everything.
async fn tell_a_rollback(tellers: &Tellers, repeats: usize) {
    let mut handles = Handles::default();
    for kind in [NewsKind::Started, NewsKind::Recovered] {
        let news = news(kind);
        for channel in channels(&news) {
            assert!(tellers.serves(channel), "{channel:?}");
            for _ in 0..repeats {
                let told = tellers.tell(channel, &news, &handles, LIMIT).await;
                if let Some(handle) = delivered(told) {
                    handles.keep(handle);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_rollback_is_one_message_one_incident_one_change_one_ticket_and_three_events() {
    let world = World::start();
    let tellers = world.tellers(&[
        ("SLACK_BOT_TOKEN", SlackServer::TOKEN.to_owned()),
        ("SLACK_CHANNEL", SlackServer::CHANNEL.to_owned()),
        ("SLACK_API_URL", world.slack.api_url()),
    ]);
    tell_a_rollback(&tellers, 1).await;
    let messages = world.slack.messages();
    let top = messages.iter().filter(|message| message.thread.is_none());
    assert_eq!(top.map(|message| message.edits).collect::<Vec<_>>(), [1]);
    assert_eq!(world.pagerduty.calls(), ["trigger", "change", "resolve"]);
    assert!(
        world
            .pagerduty
            .alerts()
            .iter()
            .all(|alert| alert.key == ID && !alert.is_open)
    );
    assert_eq!(world.github.issue_count(), 1);
    assert!(!world.github.is_open(1));
    assert_eq!(world.receiver.events().len(), 3);
}

#[tokio::test]
async fn by_webhook_it_is_two_posts() {
    let world = World::start();
    let tellers = world.tellers(&[("SLACK_WEBHOOK", world.slack.webhook_url())]);
    tell_a_rollback(&tellers, 1).await;
    assert_eq!(world.slack.messages().len(), 2);
}

#[tokio::test]
async fn told_twice_it_is_still_one_incident_one_ticket_and_three_events() {
    let world = World::start();
    let tellers = world.tellers(&[
        ("SLACK_BOT_TOKEN", SlackServer::TOKEN.to_owned()),
        ("SLACK_CHANNEL", SlackServer::CHANNEL.to_owned()),
        ("SLACK_API_URL", world.slack.api_url()),
    ]);
    tell_a_rollback(&tellers, 2).await;
    let messages = world.slack.messages();
    let top = messages.iter().filter(|message| message.thread.is_none());
    assert_eq!(top.count(), 1);
    assert_eq!(world.pagerduty.alerts().len(), 1);
    assert_eq!(
        (world.github.issue_count(), world.github.comments(1).len()),
        (1, 1)
    );
    assert_eq!(world.receiver.events().len(), 3);
}

#[tokio::test]
async fn a_test_opens_no_ticket() {
    let world = World::start();
    let tellers = world.tellers(&[("SLACK_WEBHOOK", world.slack.webhook_url())]);
    let message = TestMessage {
        service: "checkout",
        namespace: "shop",
        at: Utc::now(),
    };
    let tried = tellers.try_tickets(&message, LIMIT).await;
    assert!(matches!(tried, Some(Ok(_))), "{tried:?}");
    assert_eq!(world.github.issue_count(), 0);
    let tried = tellers.try_slack(&message, LIMIT).await;
    assert!(matches!(tried, Some(Ok(_))), "{tried:?}");
    assert_eq!(world.slack.messages().len(), 1);
    let tried = Tellers::default().try_tickets(&message, LIMIT).await;
    assert_eq!(tried, None);
}
