//! From a piece of news to the outside world: one attempt for one channel, bounded in time, that never fails the
//! caller.
//!
//! The outbox keeps the news and, for each rollback, what the channels want to find again ([`Handles`]). For each
//! channel of [`channels`](super::channels) that is served ([`Tellers::serves`]) it calls [`Tellers::tell`], oldest
//! news first, and does what [`Told`] says. Calling it again with the same news is always allowed: PagerDuty and the
//! webhook know repeats by their ids, a ticket and its comments are found by hidden lines, a message of a bot is
//! changed in place. Only a post to Slack whose answer was lost may be seen twice; it carries the rollback's id.

mod pagerduty;
mod slack;
mod ticket;
mod try_out;
mod webhook;

pub use try_out::{Tried, try_pushgateway};

use std::time::Duration;

use tokio::time::Instant;

use super::channels::Channel;
use super::handles::{Handle, Handles};
use crate::clients::forge::ForgeError;
use crate::clients::github::Github;
use crate::clients::pagerduty::{Pagerduty, pagerduty_patience};
use crate::clients::post::{Patience, PostError};
use crate::clients::slack::{SlackBot, SlackWebhook, slack_patience};
use crate::clients::webhook::{Webhook, webhook_patience};
use crate::config::{NotifyConfig, PagerdutyConfig, SlackConfig, WebhookConfig};
use crate::journal::News;

/// What became of a piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It arrived.
    Delivered {
        /// What a later call about the same rollback needs.
        handle: Option<Handle>,
    },
    /// It may arrive in a later run. The channel is not asked again in this one: what comes later waits.
    Later {
        /// Why, in one sentence without secrets.
        why: String,
        /// How long the channel asks to be left alone, where it does.
        retry_after: Option<Duration>,
        /// What is known of a part that arrived; kept like that of a delivery.
        handle: Option<Handle>,
    },
    /// It can never arrive; other news can.
    Never {
        /// Why, in one sentence without secrets.
        why: String,
    },
}

/// Everything that people are told by. Nothing is sent, and no connection made, before [`Tellers::tell`].
#[derive(Debug, Default)]
pub struct Tellers {
    /// Slack.
    pub slack: Option<Slack>,
    /// PagerDuty.
    pub pagerduty: Option<Pagerduty>,
    /// The incident tickets.
    pub tickets: Option<Tickets>,
    /// The webhook.
    pub webhook: Option<Webhook>,
}

/// How Slack is told.
#[derive(Debug)]
pub enum Slack {
    /// A new message for each change.
    Webhook(SlackWebhook),
    /// One message for each rollback, details in its thread.
    Bot(SlackBot),
}

/// Where tickets are.
#[derive(Debug)]
pub struct Tickets {
    github: Github,
    is_closed_on_recovery: bool,
}

/// Why the tellers cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum TellersError {
    /// The credentials of the ticket's repository cannot be used.
    #[error("prepare INCIDENT_REPO: {0}")]
    Tickets(#[from] ForgeError),
    /// A URL that the configuration has accepted is none.
    #[error("{variable} is no URL")]
    Url {
        /// The variable.
        variable: &'static str,
    },
}

impl Tellers {
    /// Prepares what the configuration names.
    ///
    /// # Errors
    /// Fails when the key of a GitHub App cannot be used.
    pub fn new(config: &NotifyConfig) -> Result<Self, TellersError> {
        let slack = config
            .slack
            .as_ref()
            .map(|slack| Slack::new(slack, slack_patience()));
        let pagerduty = config.pagerduty.as_ref().map(|config| {
            let PagerdutyConfig { key, events_url } = config;
            Pagerduty::new(events_url, key.clone(), pagerduty_patience())
        });
        let webhook = config.webhook.as_ref().map(|config| {
            let WebhookConfig { url, secret } = config;
            Webhook::new(url, secret.as_ref(), webhook_patience()).map_err(|_| TellersError::Url {
                variable: "WEBHOOK_URL",
            })
        });
        let tickets = config
            .incident_repo
            .as_ref()
            .map(|repo| Github::new(repo.clone()))
            .transpose()?
            .map(|github| Tickets::new(github, config.incident_close));
        Ok(Self {
            slack: slack.transpose()?,
            pagerduty,
            tickets,
            webhook: webhook.transpose()?,
        })
    }

    /// Tells whether a channel is configured.
    pub fn serves(&self, channel: Channel) -> bool {
        match channel {
            Channel::Slack => self.slack.is_some(),
            Channel::Pagerduty | Channel::PagerdutyChanges => self.pagerduty.is_some(),
            Channel::Ticket => self.tickets.is_some(),
            Channel::Webhook => self.webhook.is_some(),
        }
    }

    /// Tells one channel of a change, within a total time; 10 s are enough for every channel but a slow one.
    /// `handles` are those of the rollback that the news are about. A channel that is not configured has nothing to
    /// do.
    pub async fn tell(
        &self,
        channel: Channel,
        news: &News,
        handles: &Handles,
        limit: Duration,
    ) -> Told {
        let deadline = Instant::now() + limit;
        match channel {
            Channel::Slack => match &self.slack {
                Some(slack) => slack::tell(slack, news, handles.slack.as_ref(), deadline).await,
                None => Told::DONE,
            },
            Channel::Pagerduty => match &self.pagerduty {
                Some(pagerduty) => pagerduty::tell(pagerduty, news, deadline).await,
                None => Told::DONE,
            },
            Channel::PagerdutyChanges => match &self.pagerduty {
                Some(pagerduty) => pagerduty::tell_change(pagerduty, news, deadline).await,
                None => Told::DONE,
            },
            Channel::Ticket => match &self.tickets {
                Some(tickets) => ticket::tell(tickets, news, handles.ticket, deadline).await,
                None => Told::DONE,
            },
            Channel::Webhook => match &self.webhook {
                Some(webhook) => webhook::tell(webhook, news, deadline).await,
                None => Told::DONE,
            },
        }
    }
}

impl Slack {
    /// Prepares to post.
    ///
    /// # Errors
    /// Fails when the webhook is no URL, which the configuration does not let pass.
    pub fn new(config: &SlackConfig, patience: Patience) -> Result<Self, TellersError> {
        match config {
            SlackConfig::Webhook(url) => SlackWebhook::new(url, patience)
                .map(Self::Webhook)
                .map_err(|_| TellersError::Url {
                    variable: "SLACK_WEBHOOK",
                }),
            SlackConfig::Bot {
                token,
                channel,
                api_url,
            } => {
                let bot = SlackBot::new(api_url.clone(), token.clone(), channel.clone(), patience);
                Ok(Self::Bot(bot))
            }
        }
    }
}

impl Tickets {
    /// Keeps tickets in a repository; `is_closed_on_recovery` is `INCIDENT_CLOSE`.
    pub fn new(github: Github, is_closed_on_recovery: bool) -> Self {
        Self {
            github,
            is_closed_on_recovery,
        }
    }
}

impl Told {
    const DONE: Self = Self::Delivered { handle: None };

    /// Says what becomes of a message that a client could not deliver.
    fn failed(error: &PostError) -> Self {
        let why = error.to_string();
        if error.is_unfit() {
            return Self::Never { why };
        }
        Self::Later {
            why,
            retry_after: error.retry_after(),
            handle: None,
        }
    }
}
