//! What the channels want to find again: plain data for the state.

use serde::{Deserialize, Serialize};

/// What the channels want to find again about one rollback. Empty where nothing was told yet, and for news without a
/// rollback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handles {
    /// The one message of the bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<Thread>,
    /// The number of the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<u64>,
}

/// Where the one message about a rollback is in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thread {
    /// The channel's id.
    pub channel: String,
    /// The message's time, which is its name in the channel.
    pub ts: String,
}

/// What one channel wants to find again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    /// The one message about a rollback.
    Slack(Thread),
    /// The number of the ticket.
    Ticket(u64),
}

impl Handles {
    /// Keeps what a call returned.
    pub fn keep(&mut self, handle: Handle) {
        match handle {
            Handle::Slack(thread) => self.slack = Some(thread),
            Handle::Ticket(number) => self.ticket = Some(number),
        }
    }
}
