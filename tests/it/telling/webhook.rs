//! The webhook.

use error_budget_monitor::clients::webhook::Webhook;
use secrecy::SecretString;
use testkit::receiver::Receiver;
use testkit::stub::Reply;

use super::*;

fn with(receiver: &Receiver, secret: Option<&str>, patience: Patience) -> Tellers {
    let secret = secret.map(SecretString::from);
    let webhook = Webhook::new(&receiver.url().into(), secret.as_ref(), patience);
    Tellers {
        webhook: Some(webhook.expect("a URL")),
        ..Tellers::default()
    }
}

fn tellers(receiver: &Receiver) -> Tellers {
    with(receiver, Some(Receiver::SECRET), patience())
}

fn types(receiver: &Receiver) -> Vec<String> {
    let events = receiver.events();
    let types = events.iter().filter_map(|event| event["type"].as_str());
    types.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_rollback_is_told_as_signed_events_of_its_life() {
    let receiver = Receiver::start();
    let tellers = tellers(&receiver);
    for kind in [NewsKind::Started, NewsKind::Recovered, NewsKind::Held] {
        delivered(tell(&tellers, Channel::Webhook, &news(kind)).await);
    }
    assert_eq!(
        types(&receiver),
        [
            "dev.cdevents.incident.detected.0.3.0",
            "dev.cdevents.service.rolledback.0.3.0",
            "dev.cdevents.incident.resolved.0.3.0",
            "error-budget-monitor.held.v1",
        ]
    );
}

#[tokio::test]
async fn repeats_carry_the_same_id_and_are_dropped_by_it() {
    let receiver = Receiver::start();
    let tellers = tellers(&receiver);
    receiver.after(Reply::hangup());
    for _ in 0..2 {
        delivered(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
    }
    assert_eq!(receiver.arrivals().len(), 3);
    assert_eq!(receiver.events().len(), 1);
}

#[tokio::test]
async fn any_text_is_a_key_and_none_means_no_signature() {
    let receiver = Receiver::with_key(Some(b"plain words"));
    let tellers = with(&receiver, Some("plain words"), patience());
    delivered(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
    let unsigned = Receiver::unsigned();
    let tellers = with(&unsigned, None, patience());
    delivered(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
}

#[tokio::test]
async fn a_wrong_secret_waits_for_a_person() {
    let receiver = Receiver::start();
    let tellers = with(&receiver, Some("whsec_d3Jvbmc="), patience());
    let (why, _) = later(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
    assert_eq!(
        why,
        "send an event to the webhook: refused (HTTP 401: the signature is wrong); check WEBHOOK_URL and WEBHOOK_SECRET"
    );
}

#[tokio::test]
async fn what_the_receiver_does_not_want_is_given_up_and_what_passes_is_not() {
    let receiver = Receiver::start();
    let tellers = tellers(&receiver);
    for status in [400, 413, 422] {
        receiver.instead(Reply::text(status, "no"));
        never(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
    }
    for status in [404, 410] {
        receiver.instead(Reply::text(status, "no"));
        later(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
    }
    receiver.instead(Reply::redirect(302, "https://elsewhere.example/"));
    later(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
    receiver.instead(Reply::text(503, ""));
    receiver.instead(Reply::text(429, "").with_header("Retry-After", "0"));
    delivered(tell(&tellers, Channel::Webhook, &news(NewsKind::Started)).await);
}

#[tokio::test]
async fn hostile_text_is_an_event_like_any_other() {
    let receiver = Receiver::start();
    delivered(
        tell(
            &tellers(&receiver),
            Channel::Webhook,
            &hostile(NewsKind::Recovered),
        )
        .await,
    );
}
