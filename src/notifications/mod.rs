//! Tells people what is new. Done and told are different: what is new is written into the outbox first, and what
//! could not be delivered goes out with a later run. Nothing here changes an outcome or an exit code.

mod changes;
mod metrics;
mod news;
mod post;

use std::time::Duration;

use chrono::Utc;
use tokio::task::{JoinError, JoinHandle};

use self::changes::{RunView, changes, incident};
use self::post::{Batch, Delivery, note};
use crate::exit::Exit;
use crate::journal::{Journal, NewsKind};
use crate::log_file::AUDIT;
use crate::metrics::Numbers;
use crate::notify::{Channel, channels};
use crate::outcome::{Ended, Holds};
use crate::record::Record;
use crate::service::Service;

pub(crate) use metrics::hand_on;

/// How long a run waits for its messages before it waits for its proof. Everything is done by then, and nothing is
/// held up.
const MOMENT: Duration = Duration::from_secs(2);

/// Messages that are on their way while a run goes on.
pub(crate) struct Underway(Option<JoinHandle<Vec<Delivery>>>);

/// Tells what is new right after something was done, and does not wait for anybody to take it.
pub(crate) async fn at_once(
    service: &Service<'_>,
    journal: &mut Journal,
    record: &Record,
) -> Underway {
    let seen = RunView {
        record,
        is_unavailable: false,
        levels: service.config.objective.levels,
        at: Utc::now(),
        damage: None,
        holds: &Holds::NotLookedAt,
        suspicious: &[],
        is_person_needed: false,
        is_told_of_another: false,
    };
    post_what_is_new(service, journal, &seen).await;
    let state = journal.service(&service.key);
    let batch = Batch::of(&service.tellers, &state);
    Underway(batch.map(|batch| tokio::spawn(batch.deliver())))
}

/// Gives the messages a moment to arrive and notes what became of them, before a run waits long for its proof: were
/// it killed then, a bot would post again what it has posted. Messages that need longer go on beside the run.
pub(crate) async fn collect_soon(
    service: &Service<'_>,
    journal: &mut Journal,
    underway: &mut Underway,
) {
    let Some(delivery) = &mut underway.0 else {
        return;
    };
    if let Ok(delivered) = tokio::time::timeout(MOMENT, delivery).await {
        underway.0 = None;
        settle(service, journal, delivered);
    }
}

/// Notes what became of the messages that were on their way.
pub(crate) async fn collect(service: &Service<'_>, journal: &mut Journal, underway: Underway) {
    if let Some(delivery) = underway.0 {
        settle(service, journal, delivery.await);
    }
}

fn settle(
    service: &Service<'_>,
    journal: &mut Journal,
    delivered: Result<Vec<Delivery>, JoinError>,
) {
    match delivered {
        Ok(deliveries) => take(service, journal, &deliveries),
        Err(error) => {
            tracing::warn!(error = %error, "it is not known which messages were sent; they are sent again")
        }
    }
}

/// Tells what is new at the end of a run, and returns the numbers, where somebody wants them.
pub(crate) async fn at_the_end(
    service: &Service<'_>,
    journal: &mut Journal,
    ended: &Ended,
    damage: Option<&str>,
) -> Option<Numbers> {
    // Without a record nothing was looked at.
    let record = ended.record.as_deref()?;
    let seen = RunView {
        record,
        is_unavailable: ended.exit == Exit::Unavailable,
        levels: service.config.objective.levels,
        at: Utc::now(),
        damage,
        holds: &ended.holds,
        suspicious: &ended.suspicious,
        is_person_needed: ended.exit == Exit::PersonNeeded,
        is_told_of_another: ended.is_told_of_another,
    };
    // A run that was told to end before it saw anything has nothing to tell.
    if ended.exit != Exit::TryAgain {
        post_what_is_new(service, journal, &seen).await;
    }
    if !service.stop.is_told() {
        let state = journal.service(&service.key);
        if let Some(batch) = Batch::of(&service.tellers, &state) {
            let deliveries = batch.deliver().await;
            take(service, journal, &deliveries);
        }
    }
    metrics::of_the_run(service, journal, record, ended.exit)
}

/// Puts what is new into the outbox.
async fn post_what_is_new(service: &Service<'_>, journal: &mut Journal, seen: &RunView<'_>) {
    let mut state = journal.service(&service.key);
    let new = changes(&mut state, seen);
    let is_shown = new.iter().any(|_| service.tellers.serves(Channel::Slack));
    let course = match is_shown {
        true => news::course(service).await,
        false => Vec::new(),
    };
    let proven = new.iter().any(|change| change.kind == NewsKind::Recovered);
    let after = match proven {
        true => Some(news::measured_after(service, seen.record).await),
        false => None,
    };
    for change in &new {
        let stands = after
            .as_ref()
            .filter(|_| change.kind == NewsKind::Recovered);
        let mut news = news::news(
            service,
            &state,
            seen.record,
            stands.unwrap_or(seen.record),
            change,
            &course,
        );
        tracing::info!(
            target: AUDIT,
            kind = change.kind.as_str(),
            news = %news.id,
            detail = %news.detail,
            "a message to send"
        );
        let to = channels(&news);
        let told = &mut state.notifications.last_told;
        let wakes = to.contains(&Channel::Pagerduty);
        news.incident = incident(told, &service.key, change, wakes);
        let served = to
            .into_iter()
            .filter(|channel| service.tellers.serves(*channel))
            .map(|channel| channel.as_str().to_owned())
            .collect();
        state.notifications.post(news, served);
    }
    let dropped = state.notifications.drop_old(seen.at);
    let is_said = !new.is_empty() || !dropped.is_empty();
    for dropped in dropped {
        tracing::error!(
            target: AUDIT,
            news = %dropped.news.id,
            channels = dropped.channels.join(", "),
            "dropped: the message could not be delivered for too long"
        );
    }
    if is_said {
        remember(service, journal, |known| *known = state);
    } else {
        // How it was when nothing was to be said can be found out again, and hundreds may change at once.
        journal.note(&service.key, |known| *known = state);
    }
}

fn take(service: &Service<'_>, journal: &mut Journal, deliveries: &[Delivery]) {
    remember(service, journal, |state| note(state, deliveries));
}

/// Writes down what people were told. Where that fails they may be told twice, which changes nothing else.
fn remember(
    service: &Service<'_>,
    journal: &mut Journal,
    change: impl FnOnce(&mut crate::journal::ServiceState),
) {
    if let Err(error) = journal.tell(&service.key, change) {
        tracing::warn!(error = %error, "the sent messages could not be written to the state; they may be sent again");
    }
}
