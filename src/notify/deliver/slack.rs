//! Slack is told.

use tokio::time::Instant;

use super::{Handle, Slack, Told};
use crate::clients::post::PostError;
use crate::clients::slack::{Posted, SlackBot, Updated};
use crate::journal::News;
use crate::notify::slack::{Length, details, message};

pub(super) async fn tell(
    slack: &Slack,
    news: &News,
    known: Option<&Posted>,
    deadline: Instant,
) -> Told {
    match slack {
        Slack::Webhook(webhook) => {
            match webhook.post(deadline, &message(news, Length::Whole)).await {
                Ok(()) => Told::DONE,
                Err(error) => Told::failed(&error),
            }
        }
        Slack::Bot(bot) if news.rollback.is_some() => {
            tell_in_thread(bot, news, known, deadline).await
        }
        Slack::Bot(bot) => match bot
            .post(deadline, &message(news, Length::Whole), None)
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
    known: Option<&Posted>,
    deadline: Instant,
) -> Told {
    let at = match show(bot, news, known, deadline).await {
        Ok(at) => at,
        Err(error) => return Told::failed(&error),
    };
    let handle = Some(Handle::Slack(at.clone()));
    match bot.post(deadline, &details(news), Some(&at)).await {
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
                tracing::warn!(news.id = news.id, why, "Slack took no details");
                Told::Delivered { handle }
            }
            delivered @ Told::Delivered { .. } => delivered,
        },
    }
}

async fn show(
    bot: &SlackBot,
    news: &News,
    known: Option<&Posted>,
    deadline: Instant,
) -> Result<Posted, PostError> {
    let message = message(news, Length::Glance);
    if let Some(known) = known {
        match bot.update(deadline, known, &message).await? {
            Updated::Done => return Ok(known.clone()),
            Updated::Gone => {}
        }
    }
    bot.post(deadline, &message, None).await
}
