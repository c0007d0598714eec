//! Who is told what by default.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::journal::{News, NewsKind};

/// A way to tell people. Each has an order of its own: what comes later waits for what comes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Channel {
    /// `SLACK_WEBHOOK`, or `SLACK_BOT_TOKEN` and `SLACK_CHANNEL`.
    Slack,
    /// `PAGERDUTY_KEY`: alerts, which wake people.
    Pagerduty,
    /// `PAGERDUTY_KEY`: changes, which stand beside incidents.
    PagerdutyChanges,
    /// `INCIDENT_REPO`.
    Ticket,
    /// `WEBHOOK_URL`.
    Webhook,
}

impl Channel {
    /// Every channel, in the order in which they are told: who has to wake up first.
    pub const ALL: [Self; 5] = [
        Self::Pagerduty,
        Self::Slack,
        Self::Ticket,
        Self::PagerdutyChanges,
        Self::Webhook,
    ];

    /// Returns the name used in logs, metrics and the state.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Returns who is told of a change, whether they are configured or not.
///
/// Slack and the webhook hear of everything. PagerDuty is woken where a person is needed, and told when a rollback
/// begins and when it is proven. The ticket is about rollbacks that were begun.
pub fn channels(news: &News) -> Vec<Channel> {
    let (wakes, is_of_the_ticket) = match news.kind {
        NewsKind::Started | NewsKind::Recovered | NewsKind::Ineffective | NewsKind::Failed => {
            (true, true)
        }
        NewsKind::HoldViolated => (true, true),
        NewsKind::Superseded => (news.needs_a_person, true),
        // The end of being blind, or of a burn, ends its alert; without an open one nothing happens.
        NewsKind::ApprovalNeeded
        | NewsKind::ApprovalExpired
        | NewsKind::Seeing
        | NewsKind::BurnOver => (true, false),
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::ApprovalHalfTime
        | NewsKind::Rejected
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::MemoryRebuilt => (news.needs_a_person, false),
    };
    let has_rollback = news.rollback.is_some();
    Channel::ALL
        .into_iter()
        .filter(|channel| match channel {
            Channel::Slack | Channel::Webhook => true,
            Channel::Pagerduty => wakes,
            Channel::PagerdutyChanges => news.kind == NewsKind::Started && has_rollback,
            Channel::Ticket => is_of_the_ticket && has_rollback,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::fixture::{KINDS, news};

    #[test]
    fn tells_who_needs_to_know() {
        let table: Vec<String> = KINDS
            .into_iter()
            .flat_map(|kind| [false, true].map(|needs| (kind, needs)))
            .map(|(kind, needs_a_person)| {
                let news = News {
                    needs_a_person,
                    ..news(kind)
                };
                let names: Vec<&str> = channels(&news).into_iter().map(Channel::as_str).collect();
                let person = if needs_a_person { "person" } else { "-" };
                format!("{} {person}: {}", kind.as_str(), names.join(" "))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        level_crossed -: slack webhook
        level_crossed person: pagerduty slack webhook
        held -: slack webhook
        held person: pagerduty slack webhook
        started -: pagerduty slack ticket pagerduty_changes webhook
        started person: pagerduty slack ticket pagerduty_changes webhook
        recovered -: pagerduty slack ticket webhook
        recovered person: pagerduty slack ticket webhook
        ineffective -: pagerduty slack ticket webhook
        ineffective person: pagerduty slack ticket webhook
        failed -: pagerduty slack ticket webhook
        failed person: pagerduty slack ticket webhook
        superseded -: slack ticket webhook
        superseded person: pagerduty slack ticket webhook
        approval_needed -: pagerduty slack webhook
        approval_needed person: pagerduty slack webhook
        approval_half_time -: slack webhook
        approval_half_time person: pagerduty slack webhook
        approval_expired -: pagerduty slack webhook
        approval_expired person: pagerduty slack webhook
        rejected -: slack webhook
        rejected person: pagerduty slack webhook
        hold_violated -: pagerduty slack ticket webhook
        hold_violated person: pagerduty slack ticket webhook
        suspicious_commit -: slack webhook
        suspicious_commit person: pagerduty slack webhook
        blind -: slack webhook
        blind person: pagerduty slack webhook
        seeing -: pagerduty slack webhook
        seeing person: pagerduty slack webhook
        memory_rebuilt -: slack webhook
        memory_rebuilt person: pagerduty slack webhook
        burn_over -: pagerduty slack webhook
        burn_over person: pagerduty slack webhook
        ");
    }
}
