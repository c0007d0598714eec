//! What a channel is sent to see whether it works: plainly a test, which asks nobody to do anything.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use crate::clients::pagerduty::{Alert, AlertAction, AlertPayload, Severity};
use crate::clients::slack::SlackMessage;

/// About which service a test is sent, and when.
#[derive(Debug, Clone)]
pub struct TestMessage<'a> {
    /// The service.
    pub service: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Now.
    pub at: DateTime<Utc>,
}

impl TestMessage<'_> {
    fn words(&self) -> String {
        format!(
            "Test message of error-budget-monitor for {}/{}: nothing happened, and nothing is to be done",
            self.namespace, self.service
        )
    }

    /// Returns what is the same for all parts of one test, and for no other.
    pub(super) fn id(&self) -> String {
        let at = self.at.format("%Y%m%dt%H%M%S%3fz");
        format!("{}/{}/test/{at}", self.namespace, self.service)
    }

    fn time(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    pub(super) fn slack(&self) -> SlackMessage {
        let words = self.words();
        SlackMessage {
            blocks: vec![json!({
                "type": "section",
                "text": { "type": "mrkdwn", "text": words, "verbatim": true },
            })],
            text: words,
        }
    }

    /// Writes the alert, or its end.
    pub(super) fn alert(&self, event_action: AlertAction) -> Alert {
        let payload = || AlertPayload {
            summary: self.words(),
            source: format!("{}/{}", self.namespace, self.service),
            severity: Severity::Info,
            timestamp: self.time(),
            component: self.service.to_owned(),
            group: self.namespace.to_owned(),
            class: "error-budget-test",
            custom_details: json!({ "test": true }),
        };
        Alert {
            event_action,
            dedup_key: self.id().chars().take(255).collect(),
            payload: (event_action == AlertAction::Trigger).then(payload),
            links: Vec::new(),
            client: "error-budget-monitor",
        }
    }

    pub(super) fn event(&self) -> Vec<u8> {
        let event = json!({
            "specversion": "1.0",
            "id": self.id(),
            "source": format!("/error-budget-monitor/{}/{}", self.namespace, self.service),
            "type": "error-budget-monitor.test.v1",
            "subject": self.service,
            "time": self.time(),
            "datacontenttype": "application/json",
            "data": { "detail": self.words() },
        });
        event.to_string().into_bytes()
    }

    pub(super) fn exposition(&self) -> String {
        format!(
            "# HELP error_budget_monitor_test_timestamp_seconds When a test message was last sent.\n\
             # TYPE error_budget_monitor_test_timestamp_seconds gauge\n\
             error_budget_monitor_test_timestamp_seconds {}\n",
            self.at.timestamp()
        )
    }
}
