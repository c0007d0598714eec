//! The webhook is told.

use tokio::time::Instant;

use super::Told;
use crate::clients::webhook::Webhook;
use crate::journal::News;
use crate::notify::event::events;

pub(super) async fn tell(webhook: &Webhook, news: &News, deadline: Instant) -> Told {
    for event in events(news) {
        let body = event.envelope.to_string().into_bytes();
        if let Err(error) = webhook.send(deadline, &event.id, body).await {
            return Told::failed(&error);
        }
    }
    Told::DONE
}
