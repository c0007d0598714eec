//! Everybody whom the demo's program tells, and the desk at which one asks what they were told.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;

use super::publish;
use super::reading::{alert_text, message_text, rollback_of, ticket_text};
use crate::git::GitRepo;
use crate::github::GithubServer;
use crate::pagerduty::PagerdutyServer;
use crate::pushgateway::Pushgateway;
use crate::receiver::Receiver;
use crate::slack::{Message, SlackServer};
use crate::standin::lock;
use crate::stub::{Reply, Request, Stub};

/// A Slack, a PagerDuty, a GitHub in front of the demo's git server, a receiver of the webhook, and a real Pushgateway.
pub struct People {
    slack: SlackServer,
    pagerduty: PagerdutyServer,
    github: GithubServer,
    receiver: Receiver,
    pushgateway: Pushgateway,
    repository: String,
    /// What was wrong with what they were told, so far.
    wrong: Mutex<Vec<String>>,
}

impl People {
    /// Starts them. `repository` is called `owner/name` below `git_url`, a git server that wants `git_token`.
    ///
    /// # Panics
    /// If `prometheus-pushgateway` is missing.
    pub fn start(repo: GitRepo, repository: &str, git_url: &str, git_token: &str) -> Self {
        Self {
            slack: SlackServer::start(),
            pagerduty: PagerdutyServer::start(),
            github: GithubServer::standing_before(repo, repository, git_url, Some(git_token)),
            receiver: Receiver::start(),
            pushgateway: Pushgateway::start(),
            repository: repository.to_owned(),
            wrong: Mutex::default(),
        }
    }

    /// Returns the variables with which the program tells them, `NAME=value` on each line. Secrets are files in a
    /// folder.
    ///
    /// # Panics
    /// If the folder is not writable.
    pub fn settings(&self, secrets: &Path) -> String {
        fs::create_dir_all(secrets).expect("the folder is writable");
        let secret = |name: &str, text: &str| {
            let file = secrets.join(name);
            publish(&file, text);
            file.display().to_string()
        };
        let settings = [
            (
                "GITOPS_REPO",
                format!("{}/{}.git", self.github.url(), self.repository),
            ),
            ("GITOPS_API_URL", self.github.api_url()),
            ("GITOPS_TOKEN_FILE", secret("github", GithubServer::TOKEN)),
            ("INCIDENT_REPO", self.repository.clone()),
            ("SLACK_BOT_TOKEN_FILE", secret("slack", SlackServer::TOKEN)),
            ("SLACK_CHANNEL", SlackServer::CHANNEL.to_owned()),
            ("SLACK_API_URL", self.slack.api_url()),
            (
                "PAGERDUTY_KEY_FILE",
                secret("pagerduty", PagerdutyServer::KEY),
            ),
            ("PAGERDUTY_EVENTS_URL", self.pagerduty.events_url()),
            ("WEBHOOK_URL_FILE", secret("webhook", &self.receiver.url())),
            (
                "WEBHOOK_SECRET_FILE",
                secret("webhook-secret", Receiver::SECRET),
            ),
            ("PUSHGATEWAY_URL", self.pushgateway.url()),
        ];
        let lines = settings.map(|(name, value)| format!("{name}={value}\n"));
        lines.concat()
    }

    /// Returns the address of the Pushgateway, to be scraped.
    pub fn gateway(&self) -> String {
        self.pushgateway.target()
    }

    /// Opens the desk. It answers with what they know at that moment: `/slack`, `/pagerduty`, `/ticket`, `/webhook`
    /// as people read it, `/counts/<rollback>` with a number on each line, and `/violations` with what was against
    /// the rules.
    pub fn open_desk(self) -> Stub {
        Stub::http(move |request| self.answer(request))
    }

    fn answer(&self, request: &Request) -> Option<Reply> {
        let text = match request.path() {
            "/slack" => self.read_slack(),
            "/pagerduty" => self.pagerduty.alerts().iter().map(alert_text).collect(),
            "/ticket" => self.read_tickets(),
            "/webhook" => lines(&self.kinds()),
            "/violations" => lines(&self.violations()),
            path => self.count(path.strip_prefix("/counts/")?),
        };
        Some(Reply::text(200, text))
    }

    /// Returns the channel: each message, and what stands in its thread.
    fn read_slack(&self) -> String {
        let all = self.slack.messages();
        let mut text = String::new();
        for message in all.iter().filter(|message| message.thread.is_none()) {
            text.push_str(&message_text(message, ""));
            let in_thread = |answer: &&Message| answer.thread.as_ref() == Some(&message.ts);
            for answer in all.iter().filter(in_thread) {
                text.push_str(&message_text(answer, "    "));
            }
        }
        text
    }

    fn read_tickets(&self) -> String {
        let ticket = |number| {
            let (title, body) = self.github.issue(number);
            let comments = self.github.issue_comments(number);
            ticket_text(&title, &body, self.github.is_open(number), &comments)
        };
        self.tickets().map(ticket).collect()
    }

    /// The numbers of the issues; the demo has no pull requests, which would share them.
    fn tickets(&self) -> impl Iterator<Item = u64> {
        (1..).take(self.github.issue_count())
    }

    /// The types of the events, in the order in which they came.
    fn kinds(&self) -> Vec<String> {
        let kind = |event: Value| event["type"].as_str().unwrap_or_default().to_owned();
        self.receiver.events().into_iter().map(kind).collect()
    }

    /// Counts what was told: of a rollback, of anything else, and against the rules.
    fn count(&self, rollback: &str) -> String {
        let messages = self.slack.messages();
        let top: Vec<_> = messages
            .iter()
            .filter(|message| message.thread.is_none())
            .collect();
        let told: Vec<_> = top
            .iter()
            .filter(|message| rollback_of(message).as_deref() == Some(rollback))
            .collect();
        let alerts = self.pagerduty.alerts();
        let ours = |key: &str| alerts.iter().filter(|alert| alert.key == key).count();
        let calls = self.pagerduty.calls();
        let called = |name: &str| calls.iter().filter(|call| *call == name).count();
        let marker = format!("<!-- rollback-id: {rollback} -->");
        let is_marked = |number: &u64| self.github.issue(*number).1.contains(&marker);
        let kinds = self.kinds();
        let sent = |part: &str| kinds.iter().filter(|kind| kind.contains(part)).count();
        let counts = [
            ("slack-messages", told.len()),
            (
                "slack-changes",
                told.iter().map(|message| message.edits).sum(),
            ),
            ("slack-others", top.len() - told.len()),
            ("alerts", ours(rollback)),
            ("alerts-others", alerts.len() - ours(rollback)),
            (
                "alerts-open",
                alerts.iter().filter(|alert| alert.is_open).count(),
            ),
            ("triggers", called("trigger")),
            ("resolves", called("resolve")),
            ("change-events", self.pagerduty.changes().len()),
            ("tickets", self.tickets().filter(is_marked).count()),
            (
                "tickets-others",
                self.tickets().filter(|number| !is_marked(number)).count(),
            ),
            (
                "tickets-open",
                self.tickets()
                    .filter(|number| self.github.is_open(*number))
                    .count(),
            ),
            ("events-detected", sent(".incident.detected.")),
            ("events-rolledback", sent(".service.rolledback.")),
            ("events-resolved", sent(".incident.resolved.")),
            ("groups", self.pushgateway.groups().len()),
            ("violations", self.violations().len()),
        ];
        let counts = counts.map(|(name, count)| format!("{name} {count}"));
        lines(&counts)
    }

    /// Returns what was against the rules of somebody's API, so far.
    fn violations(&self) -> Vec<String> {
        let mut wrong = lock(&self.wrong);
        wrong.extend(self.slack.take_violations());
        wrong.extend(self.pagerduty.take_violations());
        wrong.extend(self.github.take_violations());
        wrong.extend(self.receiver.take_violations());
        wrong.clone()
    }
}

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text}\n")).collect()
}
