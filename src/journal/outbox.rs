//! What people are still to be told, and what they were told last.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::news::News;
use crate::slo::Level;

/// Most items that wait. The oldest goes first, with a trace in the log.
const MAX_WAITING: usize = 100;

/// How long an item is tried. Source: the contract of messages, "dropped with a trace after 24 h".
const MAX_AGE: TimeDelta = TimeDelta::hours(24);

/// Of how many rollbacks it is remembered where people were told.
const MAX_PLACES: usize = 50;

/// Most names of one kind that are counted; what comes beyond them is not.
const MAX_NAMES: usize = 50;

/// All about telling people of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// What is still to be delivered, oldest first.
    pub outbox: Vec<OutboxItem>,
    /// What they were told last.
    pub last_told: LastTold,
    /// Where they were told of a rollback, by its id: what a channel wants to find again.
    pub places: BTreeMap<String, Value>,
    /// What is counted for the metrics.
    pub counters: Counters,
}

/// News that are to be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxItem {
    /// What happened.
    pub news: News,
    /// The channels that have not taken it yet, by name.
    pub channels: Vec<String>,
}

/// What people know of a service, so that each change is told once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastTold {
    /// The level they were told of; nothing where all was well.
    pub level: Option<Level>,
    /// The reasons for which a rollback is held back in this burn.
    pub held: Vec<String>,
    /// How many runs in a row could not measure the service.
    pub blind_runs: u32,
    /// Whether they know that.
    pub blind: bool,
    /// The revisions that were told to be back, with the rollback that took each away.
    pub back: Vec<String>,
    /// Whether the branch held such a revision when it was last read.
    pub violated: bool,
    /// The commits that were told to carry our trailers and not to be believed.
    #[serde(default)]
    pub suspicious: Vec<String>,
    /// The key of the alert that is open about the burn: whatever is told until it is over belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// How many runs in a row saw nothing burn while it is open.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calm_runs: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Counts since the state began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Ended rollbacks by outcome.
    pub rollbacks: BTreeMap<String, u64>,
    /// Decisions to hold back while it burnt, by reason.
    pub held: BTreeMap<String, u64>,
    /// Runs by how they ended.
    pub runs: BTreeMap<String, u64>,
    /// Messages that could not be delivered, by channel; each attempt counts.
    pub failures: BTreeMap<String, u64>,
    /// When a rollback recovered last.
    pub last_success: Option<DateTime<Utc>>,
    /// When one failed or did not help last.
    pub last_failure: Option<DateTime<Utc>>,
    /// When a run was complete last.
    pub last_run: Option<DateTime<Utc>>,
}

impl Notifications {
    /// Puts news into the outbox, for channels that serve it.
    pub fn post(&mut self, news: News, channels: Vec<String>) {
        if channels.is_empty() || self.outbox.iter().any(|item| item.news.id == news.id) {
            return;
        }
        self.outbox.push(OutboxItem { news, channels });
    }

    /// Takes out what is too old, and the oldest beyond the limit. Returns what was dropped.
    pub fn drop_old(&mut self, now: DateTime<Utc>) -> Vec<OutboxItem> {
        let excess = self.outbox.len().saturating_sub(MAX_WAITING);
        let mut dropped: Vec<OutboxItem> = self.outbox.drain(..excess).collect();
        let is_old = |item: &mut OutboxItem| now - item.news.at > MAX_AGE;
        dropped.extend(self.outbox.extract_if(.., is_old));
        dropped
    }

    /// Notes that a channel took an item, or never will.
    pub fn settle(&mut self, news: &str, channel: &str) {
        for item in &mut self.outbox {
            if item.news.id == news {
                item.channels.retain(|waiting| waiting != channel);
            }
        }
        self.outbox.retain(|item| !item.channels.is_empty());
    }

    /// Remembers where people were told of a rollback.
    pub fn keep_place(&mut self, rollback: &str, place: Value) {
        self.places.insert(rollback.to_owned(), place);
        // Ids hold the time, so the first in order are the oldest of a service.
        while self.places.len() > MAX_PLACES {
            self.places.pop_first();
        }
    }
}

/// Counts one more of a name.
pub fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_add(1);
    } else if counts.len() < MAX_NAMES {
        counts.insert(name.to_owned(), 1);
    }
}
