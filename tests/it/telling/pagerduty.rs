//! PagerDuty: alerts and changes.

use error_budget_monitor::clients::pagerduty::Pagerduty;
use testkit::pagerduty::PagerdutyServer;
use testkit::stub::Reply;
use url::Url;

use super::*;

fn with(server: &PagerdutyServer, key: &str, patience: Patience) -> Tellers {
    let url = Url::parse(&server.events_url()).expect("a URL");
    Tellers {
        pagerduty: Some(Pagerduty::new(&url, key.into(), patience)),
        ..Tellers::default()
    }
}

fn tellers(server: &PagerdutyServer) -> Tellers {
    with(server, PagerdutyServer::KEY, patience())
}

#[tokio::test]
async fn a_rollback_is_one_incident_that_ends_with_the_proof() {
    let server = PagerdutyServer::start();
    let tellers = tellers(&server);
    for kind in [NewsKind::Started, NewsKind::Recovered] {
        delivered(tell(&tellers, Channel::Pagerduty, &news(kind)).await);
    }
    let alerts = server.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].key.as_str(), alerts[0].is_open), (ID, false));
    assert_eq!(alerts[0].severity, "error");
    assert_eq!(
        alerts[0].details["rollback"]["from_subject"],
        "checkout: v2"
    );
}

#[tokio::test]
async fn a_rollback_that_did_not_help_makes_the_same_incident_critical() {
    for kind in [NewsKind::Failed, NewsKind::Ineffective] {
        let server = PagerdutyServer::start();
        let tellers = tellers(&server);
        delivered(tell(&tellers, Channel::Pagerduty, &news(NewsKind::Started)).await);
        delivered(tell(&tellers, Channel::Pagerduty, &news(kind)).await);
        let alerts = server.alerts();
        assert_eq!(alerts.len(), 1);
        assert_eq!((alerts[0].triggers, alerts[0].is_open), (2, true));
        assert_eq!(alerts[0].severity, "critical");
    }
}

#[tokio::test]
async fn all_that_is_told_of_a_burn_joins_its_first_alert() {
    let server = PagerdutyServer::start();
    let tellers = tellers(&server);
    for kind in [NewsKind::Failed, NewsKind::Held, NewsKind::BurnOver] {
        let mut news = news(kind);
        news.incident = Some(ID.to_owned());
        if kind != NewsKind::Failed {
            news.rollback = None;
        }
        delivered(tell(&tellers, Channel::Pagerduty, &news).await);
    }
    let alerts = server.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].key.as_str(), alerts[0].is_open), (ID, false));
}

#[tokio::test]
async fn being_blind_ends_with_seeing_again() {
    let server = PagerdutyServer::start();
    let tellers = tellers(&server);
    for kind in [NewsKind::Blind, NewsKind::Seeing] {
        let mut news = news(kind);
        news.rollback = None;
        delivered(tell(&tellers, Channel::Pagerduty, &news).await);
    }
    let alerts = server.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        (alerts[0].key.as_str(), alerts[0].is_open),
        ("shop/checkout/blind", false)
    );
}

#[tokio::test]
async fn the_change_goes_beside_the_alerts() {
    let server = PagerdutyServer::start();
    delivered(
        tell(
            &tellers(&server),
            Channel::PagerdutyChanges,
            &news(NewsKind::Started),
        )
        .await,
    );
    assert_eq!(server.calls(), ["change"]);
    let changes = server.changes();
    let summary = changes[0]["summary"].as_str().expect("a text");
    assert!(summary.starts_with("Rollback started"), "{summary}");
}

#[tokio::test]
async fn an_alert_that_was_taken_after_all_is_joined_by_its_repeat() {
    for loss in [Reply::hangup(), Reply::reset(), Reply::json(502, "{}")] {
        let server = PagerdutyServer::start();
        server.after(loss);
        delivered(
            tell(
                &tellers(&server),
                Channel::Pagerduty,
                &news(NewsKind::Started),
            )
            .await,
        );
        let alerts = server.alerts();
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0].triggers, 2);
    }
}

#[tokio::test]
async fn an_alert_that_was_taken_after_a_time_out_is_joined_by_the_next_run() {
    let server = PagerdutyServer::start();
    server.after(Reply::silence());
    let hasty = with(&server, PagerdutyServer::KEY, impatience());
    later(tell(&hasty, Channel::Pagerduty, &news(NewsKind::Started)).await);
    delivered(
        tell(
            &tellers(&server),
            Channel::Pagerduty,
            &news(NewsKind::Started),
        )
        .await,
    );
    assert_eq!(server.alerts().len(), 1);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_not_sent_again_at_once() {
    let server = PagerdutyServer::start();
    server.after(Reply::hangup());
    later(
        tell(
            &tellers(&server),
            Channel::PagerdutyChanges,
            &news(NewsKind::Started),
        )
        .await,
    );
    assert_eq!(server.changes().len(), 1);
}

#[tokio::test]
async fn a_wrong_key_names_its_remedy_and_is_kept_for_later() {
    let server = PagerdutyServer::start();
    for key in ["short", "00000000000000000000000000000000"] {
        let told = tell(
            &with(&server, key, patience()),
            Channel::Pagerduty,
            &news(NewsKind::Started),
        )
        .await;
        let (why, _) = later(told);
        assert!(why.ends_with("check PAGERDUTY_KEY, and that PAGERDUTY_EVENTS_URL is that of its region (US or EU)"), "{why}");
        assert!(!why.contains(key), "{why}");
    }
    assert_eq!(server.calls().len(), 2, "neither is tried again");
}

#[tokio::test]
async fn an_event_that_is_refused_is_given_up() {
    let server = PagerdutyServer::start();
    let refusal = r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is invalid"]}"#;
    server.instead(Reply::json(400, refusal));
    let why = never(
        tell(
            &tellers(&server),
            Channel::Pagerduty,
            &news(NewsKind::Started),
        )
        .await,
    );
    assert!(why.contains("payload.severity"), "{why}");
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn too_many_events_wait_for_a_later_run() {
    let server = PagerdutyServer::start();
    server.instead(Reply::json(429, "{}"));
    let (why, retry_after) = later(
        tell(
            &tellers(&server),
            Channel::Pagerduty,
            &news(NewsKind::Started),
        )
        .await,
    );
    assert!(why.contains("asks to slow down"), "{why}");
    assert_eq!((retry_after, server.calls().len()), (None, 1));
}

#[tokio::test]
async fn hostile_text_keeps_every_limit() {
    let server = PagerdutyServer::start();
    let tellers = tellers(&server);
    for channel in [Channel::Pagerduty, Channel::PagerdutyChanges] {
        delivered(tell(&tellers, channel, &hostile(NewsKind::Started)).await);
    }
}
