//! Sees whether the channels work: a test message to each, or a look where a message would stay for ever.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Slack, Tellers};
use crate::clients::http::HttpSettings;
use crate::clients::pagerduty::AlertAction;
use crate::clients::post::PostError;
use crate::clients::pushgateway::{Group, Pushgateway};
use crate::clients::slack::SlackDestination;
use crate::notify::test_message::TestMessage;
use crate::notify::ticket::LISTED;

/// The value of `job` of the group that is pushed and taken away; never that of the numbers.
const TEST_JOB: &str = "error-budget-monitor-test";

/// Largest answer of a Pushgateway that is read (bytes).
const MAX_ANSWER: usize = 64 * 1024;

/// What came of a test: words for a person, of success or of failure.
pub type Tried = Result<&'static str, String>;

impl Tellers {
    /// Posts a test message to Slack; nothing where Slack is not configured.
    pub async fn try_slack(&self, message: &TestMessage<'_>, limit: Duration) -> Option<Tried> {
        let deadline = Instant::now() + limit;
        let message = message.slack();
        let posted = match self.slack.as_ref()? {
            Slack::Webhook(webhook) => webhook.post(deadline, &message).await,
            Slack::Bot(bot) => {
                let posted = bot
                    .post(deadline, &message, SlackDestination::Channel)
                    .await;
                posted.map(|_| ())
            }
        };
        Some(said(posted, "the test message was taken"))
    }

    /// Opens an alert of severity info and resolves it; nothing where PagerDuty is not configured.
    pub async fn try_pagerduty(&self, message: &TestMessage<'_>, limit: Duration) -> Option<Tried> {
        let deadline = Instant::now() + limit;
        let pagerduty = self.pagerduty.as_ref()?;
        let opened = pagerduty
            .alert(deadline, &message.alert(AlertAction::Trigger))
            .await;
        // Also after an error: an alert whose answer was lost must not stay open.
        let resolved = pagerduty
            .alert(deadline, &message.alert(AlertAction::Resolve))
            .await;
        Some(said(
            opened.and(resolved),
            "an alert of severity info was taken and resolved",
        ))
    }

    /// Looks whether the issues can be read; nothing where no tickets are configured. A ticket could not be taken
    /// away again.
    pub async fn try_tickets(&self, message: &TestMessage<'_>, limit: Duration) -> Option<Tried> {
        let tickets = self.tickets.as_ref()?;
        let deadline = Instant::now() + limit;
        let marker = message.id();
        let looking = tickets.github.find_issue(LISTED, &marker);
        Some(match timeout_at(deadline, looking).await {
            Ok(Ok(_)) => Ok("the issues can be read; whether one can be opened is not tried"),
            Ok(Err(error)) => Err(format!("{error} (INCIDENT_REPO)")),
            Err(_) => Err("GitHub did not answer in time (INCIDENT_REPO)".to_owned()),
        })
    }

    /// Sends a test event to the webhook; nothing where none is configured.
    pub async fn try_webhook(&self, message: &TestMessage<'_>, limit: Duration) -> Option<Tried> {
        let deadline = Instant::now() + limit;
        let webhook = self.webhook.as_ref()?;
        let sent = webhook.send(deadline, &message.id(), message.event()).await;
        Some(said(sent, "the test event was taken"))
    }
}

fn said(sent: Result<(), PostError>, well: &'static str) -> Tried {
    sent.map(|()| well).map_err(|error| error.to_string())
}

/// Pushes a group of its own and takes it away again.
pub async fn try_pushgateway(url: &url::Url, message: &TestMessage<'_>, limit: Duration) -> Tried {
    let settings = HttpSettings {
        timeout: limit,
        max_body: MAX_ANSWER,
        ..HttpSettings::default()
    };
    let group = Group {
        job: TEST_JOB,
        labels: &[
            ("namespace", message.namespace),
            ("service", message.service),
        ],
    };
    let gateway =
        Pushgateway::new(url.clone(), &settings).map_err(|error| crate::with_sources(&error))?;
    let pushed = gateway.put(&group, message.exposition()).await;
    let removed = gateway.remove(&group).await;
    match pushed.and(removed) {
        Ok(()) => Ok("a test group was taken and removed"),
        Err(error) => Err(crate::with_sources(&error)),
    }
}
