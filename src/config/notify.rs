//! Who is told, and how.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use crate::clients::github::{GithubAuth, GithubSettings};

use super::{
    address::{self, PlainHttp, base_url},
    forge::RestForge,
    gitops::{ApiAccess, GitopsConfig},
    problems::{Checked, Invalid, quoted},
    reader::Reader,
    remote::{GitopsRepo, Slug},
    secret,
    service::ServiceConfig,
    variables::{
        DASHBOARD_URL, INCIDENT_CLOSE, INCIDENT_REPO, MESSAGE_COMMAND, METRICS_TEXTFILE,
        PAGERDUTY_EVENTS_URL, PAGERDUTY_KEY, PUSHGATEWAY_URL, RUNBOOK_URL, SLACK_API_URL,
        SLACK_BOT_TOKEN, SLACK_CHANNEL, SLACK_WEBHOOK, WEBHOOK_SECRET, WEBHOOK_URL,
    },
};

/// Who is told, and how. Everything is off by default.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// `SLACK_WEBHOOK`, or `SLACK_BOT_TOKEN` and `SLACK_CHANNEL`.
    pub slack: Option<SlackConfig>,
    /// `PAGERDUTY_KEY`, `PAGERDUTY_EVENTS_URL`.
    pub pagerduty: Option<PagerdutyConfig>,
    /// `INCIDENT_REPO`: gets an issue per rollback. It takes the credentials of the GitOps repository.
    pub incident_repo: Option<GithubSettings>,
    /// `INCIDENT_CLOSE` (true): whether the issue is closed when the rollback is proven.
    pub incident_close: bool,
    /// `WEBHOOK_URL`, `WEBHOOK_SECRET`.
    pub webhook: Option<WebhookConfig>,
    /// `PUSHGATEWAY_URL`: its path ends in `/`.
    pub pushgateway_url: Option<Url>,
    /// `METRICS_TEXTFILE`: a file for node_exporter's textfile collector.
    pub metrics_textfile: Option<PathBuf>,
    /// `MESSAGE_COMMAND` (error-budget-monitor): what stands before a command in messages.
    pub message_command: String,
    /// `DASHBOARD_URL`, none by default, for this service.
    pub dashboard_url: Option<Url>,
    /// `RUNBOOK_URL`, none by default, for this service.
    pub runbook_url: Option<Url>,
}

/// How Slack is reached.
#[derive(Debug, Clone)]
pub enum SlackConfig {
    /// `SLACK_WEBHOOK`: an incoming webhook, a valid URL and itself the secret.
    Webhook(SecretString),
    /// A bot, which can answer in threads and change its messages.
    Bot {
        /// `SLACK_BOT_TOKEN`.
        token: SecretString,
        /// `SLACK_CHANNEL`: name or id.
        channel: String,
        /// `SLACK_API_URL` (`https://slack.com/api/`): its path ends in `/`.
        api_url: Url,
    },
}

/// How PagerDuty is reached; it wakes whoever is on call.
#[derive(Debug, Clone)]
pub struct PagerdutyConfig {
    /// `PAGERDUTY_KEY`: the routing key of Events API v2.
    pub key: SecretString,
    /// `PAGERDUTY_EVENTS_URL` (`https://events.pagerduty.com/v2/enqueue`): the full URL of the enqueue call.
    pub events_url: Url,
}

/// A URL that gets every message as JSON.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// `WEBHOOK_URL`: a valid URL, kept as a secret because such URLs often carry one.
    pub url: SecretString,
    /// `WEBHOOK_SECRET`, none by default: the key that signs the messages.
    pub secret: Option<SecretString>,
}

pub(super) fn read(
    reader: &mut Reader,
    access: &ApiAccess,
    gitops: &Checked<Option<GitopsConfig>>,
    service: &Checked<ServiceConfig>,
) -> Checked<NotifyConfig> {
    let slack = read_slack(reader);
    let pagerduty = read_pagerduty(reader);
    let incident_repo = read_incident_repo(reader, access, gitops);
    let incident_close = reader.flag(&INCIDENT_CLOSE);
    let webhook = read_webhook(reader);
    let pushgateway_url = reader.optional(&PUSHGATEWAY_URL, |text| {
        base_url(
            text,
            PlainHttp::Anywhere,
            "a Pushgateway is used without them",
        )
    });
    let metrics_textfile = reader.file(&METRICS_TEXTFILE);
    let message_command = reader.required(&MESSAGE_COMMAND, parse_command);
    let dashboard_url = reader.optional(&DASHBOARD_URL, |text| page_of(text, service));
    let runbook_url = reader.optional(&RUNBOOK_URL, |text| page_of(text, service));
    Ok(NotifyConfig {
        slack: slack?,
        pagerduty: pagerduty?,
        incident_repo: incident_repo?,
        incident_close: incident_close?,
        webhook: webhook?,
        pushgateway_url: pushgateway_url?,
        metrics_textfile: metrics_textfile?,
        message_command: message_command?,
        dashboard_url: dashboard_url?,
        runbook_url: runbook_url?,
    })
}

/// Accepts what a person can paste before the words of a command.
fn parse_command(text: &str) -> Result<String, Invalid> {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '`' | '<' | '>' | '&');
    if text.chars().count() > 200 || !text.chars().all(is_plain) {
        return Err(Invalid::because(
            "is longer than 200 characters, or holds a character that messages cannot show; write a command such as \
             scripts/in-cluster.sh",
        ));
    }
    Ok(text.to_owned())
}

/// Accepts the address of a web page with places for the names of the service, and puts them in.
fn page_of(text: &str, service: &Checked<ServiceConfig>) -> Result<Url, Invalid> {
    let (namespace, name) = match service {
        Ok(service) => (service.namespace.as_str(), service.name.as_str()),
        // What is wrong with the names is said elsewhere.
        Err(_) => ("namespace", "service"),
    };
    let text = text
        .replace("{namespace}", namespace)
        .replace("{service}", name);
    let is_page = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    };
    Url::parse(&text).ok().filter(is_page).ok_or_else(|| {
        Invalid::because(
            "is no address of a web page without credentials; write one such as \
             https://grafana.example.com/d/error-budget?var-service={service}",
        )
    })
}

fn read_slack(reader: &mut Reader) -> Checked<Option<SlackConfig>> {
    let together = reader.both_or_neither(&SLACK_BOT_TOKEN, &SLACK_CHANNEL);
    let webhook = reader.secret(&SLACK_WEBHOOK, secret_url);
    let token = reader.secret(&SLACK_BOT_TOKEN, secret::header_token);
    let channel = reader.optional(&SLACK_CHANNEL, parse_channel);
    let api_url = reader.required(&SLACK_API_URL, |text| {
        let plain = PlainHttp::LoopbackOnly { unless: None };
        base_url(text, plain, "the token belongs into SLACK_BOT_TOKEN")
    });
    together?;
    let api_url = api_url?;
    match (webhook?, token?.zip(channel?)) {
        (Some(_), Some(_)) => Err(reader.report(
            "SLACK_WEBHOOK and SLACK_BOT_TOKEN are both set; set the webhook or the bot with its channel, not both",
        )),
        (Some(webhook), None) => Ok(Some(SlackConfig::Webhook(webhook))),
        (None, Some((token, channel))) => Ok(Some(SlackConfig::Bot {
            token,
            channel,
            api_url,
        })),
        (None, None) => Ok(None),
    }
}

fn parse_channel(text: &str) -> Result<String, Invalid> {
    if text.chars().count() > 81 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Invalid::because(format!(
            "is {}; write one channel, by name or id, such as #alerts or C0123456789",
            quoted(text)
        )));
    }
    Ok(text.to_owned())
}

fn read_pagerduty(reader: &mut Reader) -> Checked<Option<PagerdutyConfig>> {
    let key = reader.secret(&PAGERDUTY_KEY, secret::header_token);
    let events_url = reader.required(&PAGERDUTY_EVENTS_URL, |text| {
        let url = address::url(text, PlainHttp::LoopbackOnly { unless: None }, "the key belongs into PAGERDUTY_KEY")?;
        if url.path().ends_with("/enqueue") && url.query().is_none() {
            Ok(url)
        } else {
            Err(Invalid::because(
                "does not end with /enqueue; write the full URL, such as https://events.pagerduty.com/v2/enqueue",
            ))
        }
    });
    let events_url = events_url?;
    Ok(key?.map(|key| PagerdutyConfig { key, events_url }))
}

/// Reads the incident repository. It shares the credentials of the GitOps repository, so it must be on the same GitHub:
/// a token must not go to a host that it was not made for.
fn read_incident_repo(
    reader: &mut Reader,
    access: &ApiAccess,
    gitops: &Checked<Option<GitopsConfig>>,
) -> Checked<Option<GithubSettings>> {
    let slug = reader.optional(&INCIDENT_REPO, |text| {
        Slug::parse(text)
            .ok_or_else(|| Invalid::because("is not owner/name; write it like acme/incidents"))
    });
    let Some(slug) = slug? else { return Ok(None) };
    let auth = access.auth.clone()?;
    if matches!(auth, GithubAuth::Anonymous) {
        return Err(reader.report(
            "INCIDENT_REPO is set without credentials; set GITOPS_TOKEN, or GITHUB_APP_ID with the other two, with \
             permission to write issues",
        ));
    }
    // A key lets this program in over SSH, so the token there is GitHub's, unless the forge's API takes it.
    let api_url = access.api_url.clone()?;
    let is_elsewhere = RestForge::of_api(&api_url).is_some()
        || gitops.as_ref().is_ok_and(|gitops| {
            gitops.as_ref().is_some_and(|it| match it.repo {
                GitopsRepo::Github { .. } => false,
                GitopsRepo::Url(_) => true,
                GitopsRepo::Ssh(_) => it.forge.is_some(),
            })
        });
    if is_elsewhere {
        return Err(reader.report(
            "INCIDENT_REPO is on GitHub but GITOPS_REPO is not, and its token must not be sent there; unset \
             INCIDENT_REPO",
        ));
    }
    Ok(Some(GithubSettings::new(
        api_url,
        &slug.owner,
        &slug.name,
        auth,
    )))
}

fn read_webhook(reader: &mut Reader) -> Checked<Option<WebhookConfig>> {
    let together = reader.needs(&WEBHOOK_SECRET, &WEBHOOK_URL);
    let url = reader.secret(&WEBHOOK_URL, secret_url);
    let secret = reader.secret(&WEBHOOK_SECRET, secret::password);
    together?;
    let (url, secret) = (url?, secret?);
    Ok(url.map(|url| WebhookConfig { url, secret }))
}

/// Accepts the URL of a webhook.
fn secret_url(text: &str) -> Result<(), Invalid> {
    address::url(
        text,
        PlainHttp::LoopbackOnly { unless: None },
        "write the URL without them",
    )
    .map(|_| ())
}
