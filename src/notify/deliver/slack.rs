//! Slack is told.

use tokio::time::Instant;

use super::{Slack, Told};
use crate::clients::post::PostError;
use crate::clients::slack::{Posted, SlackBot, SlackDestination, Updated};
use crate::journal::{News, NewsKind};
use crate::notify::handles::{Handle, Thread};
use crate::notify::slack::{details, message};

pub(super) async fn tell(
    slack: &Slack,
    news: &News,
    known: Option<&Thread>,
    deadline: Instant,
) -> Told {
    match slack {
        Slack::Webhook(webhook) => match webhook.post(deadline, &message(news)).await {
            Ok(()) => Told::DONE,
            Err(error) => Told::failed(&error),
        },
        Slack::Bot(bot) if is_of_the_rollback(news) => {
            tell_in_thread(bot, news, known, deadline).await
        }
        Slack::Bot(bot) => match bot
            .post(deadline, &message(news), SlackDestination::Channel)
            .await
        {
            Ok(_) => Told::DONE,
            Err(error) => Told::failed(&error),
        },
    }
}

/// Puts the newest state into the one message about a rollback, and what happened into its thread.
async fn tell_in_thread(
    bot: &SlackBot,
    news: &News,
    known: Option<&Thread>,
    deadline: Instant,
) -> Told {
    let at = match show(bot, news, known, deadline).await {
        Ok(at) => at,
        Err(error) => return Told::failed(&error),
    };
    let handle = Some(Handle::Slack(Thread {
        channel: at.channel.clone(),
        ts: at.ts.clone(),
    }));
    let place = if is_loud(news) {
        SlackDestination::Both(&at)
    } else {
        SlackDestination::Thread(&at)
    };
    match bot.post(deadline, &details(news), place).await {
        Ok(_) => Told::Delivered { handle },
        Err(error) => match Told::failed(&error) {
            Told::Later {
                why, retry_after, ..
            } => Told::Later {
                why,
                retry_after,
                handle,
            },
            // The message itself says what matters.
            Told::Never { why } => {
                tracing::warn!(
                    news.id = news.id,
                    why,
                    "Slack took the message, not the details in its thread"
                );
                Told::Delivered { handle }
            }
            delivered @ Told::Delivered { .. } => delivered,
        },
    }
}

async fn show(
    bot: &SlackBot,
    news: &News,
    known: Option<&Thread>,
    deadline: Instant,
) -> Result<Posted, PostError> {
    let message = message(news);
    if let Some(known) = known {
        let at = Posted {
            channel: known.channel.clone(),
            ts: known.ts.clone(),
        };
        match bot.update(deadline, &at, &message).await? {
            Updated::Done => return Ok(at),
            Updated::Gone => {}
        }
    }
    bot.post(deadline, &message, SlackDestination::Channel)
        .await
}

/// Tells whether a change belongs to the one message about its rollback. A hold is violated long after that.
fn is_of_the_rollback(news: &News) -> bool {
    news.rollback.is_some() && news.kind != NewsKind::HoldViolated
}

/// Tells whether everybody in the channel is to see a change. Nobody is notified of a message that is changed in place.
fn is_loud(news: &News) -> bool {
    match news.kind {
        NewsKind::Ineffective
        | NewsKind::Failed
        | NewsKind::ApprovalHalfTime
        | NewsKind::ApprovalExpired => true,
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::Started
        | NewsKind::Recovered
        | NewsKind::Superseded
        | NewsKind::ApprovalNeeded
        | NewsKind::Rejected
        | NewsKind::HoldViolated
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::Seeing
        | NewsKind::MemoryRebuilt
        | NewsKind::BurnOver => false,
    }
}
