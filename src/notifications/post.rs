//! Delivers what is in the outbox: every channel on its own and in its own order, so that one that hangs holds up no
//! other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::{OutboxItem, ServiceState, count};
use crate::notify::{Channel, Handle, Handles, Tellers, Told};

/// How long one message on one channel may take, with its further tries. All channels are told at the same time.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one channel may take for all its messages of a run.
const ALL: Duration = Duration::from_secs(30);

/// What became of one item on one channel.
pub(super) struct Delivery {
    news: String,
    rollback: Option<String>,
    channel: Channel,
    told: Told,
}

/// What waits, with all that is needed to deliver it.
pub(super) struct Batch {
    tellers: Arc<Tellers>,
    items: Vec<OutboxItem>,
    places: BTreeMap<String, Handles>,
}

impl Batch {
    /// Takes a copy of what waits; nothing where nothing does.
    pub(super) fn of(tellers: &Arc<Tellers>, state: &ServiceState) -> Option<Self> {
        let notifications = &state.notifications;
        if notifications.outbox.is_empty() {
            return None;
        }
        let places = notifications.places.iter().filter_map(|(id, place)| {
            let handles = serde_json::from_value(place.clone());
            Some((id.clone(), handles.ok()?))
        });
        Some(Self {
            tellers: Arc::clone(tellers),
            items: notifications.outbox.clone(),
            places: places.collect(),
        })
    }

    /// Delivers all of it, as far as that can be done now.
    pub(super) async fn deliver(self) -> Vec<Delivery> {
        let (one, two, three, four, five) = tokio::join!(
            self.deliver_on(Channel::Pagerduty),
            self.deliver_on(Channel::Slack),
            self.deliver_on(Channel::Ticket),
            self.deliver_on(Channel::PagerdutyChanges),
            self.deliver_on(Channel::Webhook),
        );
        [one, two, three, four, five]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Delivers what one channel has not taken yet, in order, until it cannot take more.
    async fn deliver_on(&self, channel: Channel) -> Vec<Delivery> {
        let waiting = self
            .items
            .iter()
            .filter(|item| item.channels.iter().any(|name| name == channel.as_str()));
        let mut deliveries = Vec::new();
        let mut places = self.places.clone();
        let until = tokio::time::Instant::now() + ALL;
        for item in waiting {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                break;
            }
            let rollback = item.news.rollback.as_ref().map(|it| it.id.clone());
            let handles = rollback.as_ref().and_then(|id| places.get(id));
            let handles = handles.cloned().unwrap_or_default();
            let told = self
                .tellers
                .tell(channel, &item.news, &handles, PATIENCE.min(left))
                .await;
            if let (Some(id), Some(handle)) = (&rollback, handle_of(&told)) {
                places.entry(id.clone()).or_default().keep(handle);
            }
            let has_to_wait = matches!(told, Told::Later { .. });
            deliveries.push(Delivery {
                news: item.news.id.clone(),
                rollback,
                channel,
                told,
            });
            if has_to_wait {
                break;
            }
        }
        deliveries
    }
}

fn handle_of(told: &Told) -> Option<Handle> {
    match told {
        Told::Delivered { handle } | Told::Later { handle, .. } => handle.clone(),
        Told::Never { .. } => None,
    }
}

/// Notes what became of the items.
pub(super) fn note(state: &mut ServiceState, deliveries: &[Delivery]) {
    for delivery in deliveries {
        let channel = delivery.channel.as_str();
        let notifications = &mut state.notifications;
        if let (Some(id), Some(handle)) = (&delivery.rollback, handle_of(&delivery.told)) {
            let known = notifications.places.get(id).cloned();
            let known = known.and_then(|place| serde_json::from_value::<Handles>(place).ok());
            let mut handles = known.unwrap_or_default();
            handles.keep(handle);
            // Numbers and strings are always JSON.
            if let Ok(place) = serde_json::to_value(handles) {
                notifications.keep_place(id, place);
            }
        }
        let news = delivery.news.as_str();
        match &delivery.told {
            Told::Delivered { .. } => notifications.settle(news, channel),
            Told::Later { why, .. } => {
                tracing::warn!(target: crate::log_file::AUDIT, channel, news, why, "not delivered yet");
                count(&mut notifications.counters.failures, channel);
            }
            Told::Never { why } => {
                tracing::error!(target: crate::log_file::AUDIT, channel, news, why, "cannot be delivered");
                count(&mut notifications.counters.failures, channel);
                notifications.settle(news, channel);
            }
        }
    }
}
