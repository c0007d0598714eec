//! Slack by webhook and by bot.

use error_budget_monitor::config::SlackConfig;
use error_budget_monitor::notify::Slack;
use testkit::slack::SlackServer;
use testkit::stub::{ClosedPort, Reply};
use url::Url;

use super::*;

fn webhook_with(url: &str, patience: Patience) -> Tellers {
    let config = SlackConfig::Webhook(url.into());
    Tellers {
        slack: Some(Slack::new(&config, patience).expect("a URL")),
        ..Tellers::default()
    }
}

fn webhook(slack: &SlackServer) -> Tellers {
    webhook_with(&slack.webhook_url(), patience())
}

fn bot_with(slack: &SlackServer, token: &str, channel: &str) -> Tellers {
    let config = SlackConfig::Bot {
        token: token.into(),
        channel: channel.to_owned(),
        api_url: Url::parse(&slack.api_url()).expect("a URL"),
    };
    Tellers {
        slack: Some(Slack::new(&config, patience()).expect("usable")),
        ..Tellers::default()
    }
}

fn bot(slack: &SlackServer) -> Tellers {
    bot_with(slack, SlackServer::TOKEN, SlackServer::CHANNEL)
}

/// Tells one change after the other, keeping what is returned.
async fn tell_all(tellers: &Tellers, kinds: &[NewsKind]) -> Handles {
    let mut handles = Handles::default();
    for kind in kinds {
        let told = tellers
            .tell(Channel::Slack, &news(*kind), &handles, LIMIT)
            .await;
        if let Some(handle) = delivered(told) {
            handles.keep(handle);
        }
    }
    handles
}

#[tokio::test]
async fn the_webhook_gets_one_post_for_each_change() {
    let slack = SlackServer::start();
    tell_all(&webhook(&slack), &[NewsKind::Started, NewsKind::Recovered]).await;
    let texts: Vec<String> = slack
        .messages()
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].starts_with("Rollback started"), "{texts:?}");
    assert!(texts[1].starts_with("Rollback recovered"), "{texts:?}");
}

#[tokio::test]
async fn the_bot_keeps_one_message_for_a_rollback_and_tells_the_rest_in_its_thread() {
    let slack = SlackServer::start();
    let handles = tell_all(&bot(&slack), &[NewsKind::Started, NewsKind::Recovered]).await;
    let messages = slack.messages();
    let (top, thread): (Vec<_>, Vec<_>) = messages
        .iter()
        .partition(|message| message.thread.is_none());
    assert_eq!(top.len(), 1, "{messages:#?}");
    assert!(top[0].text.starts_with("Rollback recovered"));
    assert_eq!(top[0].edits, 1);
    assert_eq!(thread.len(), 2);
    assert!(
        thread
            .iter()
            .all(|reply| reply.thread.as_ref() == Some(&top[0].ts))
    );
    let posted = handles.slack.expect("it says where the message is");
    assert_eq!(
        (posted.channel.as_str(), &posted.ts),
        (SlackServer::CHANNEL_ID, &top[0].ts)
    );
}

#[tokio::test]
async fn a_change_without_a_rollback_is_a_message_of_its_own() {
    let slack = SlackServer::start();
    let mut held = news(NewsKind::Held);
    held.rollback = None;
    assert_eq!(
        delivered(tell(&bot(&slack), Channel::Slack, &held).await),
        None
    );
    assert_eq!(slack.calls(), ["chat.postMessage"]);
}

#[tokio::test]
async fn what_a_person_must_see_stands_in_the_channel_too() {
    let slack = SlackServer::start();
    tell_all(&bot(&slack), &[NewsKind::Started, NewsKind::Ineffective]).await;
    let messages = slack.messages();
    let loud: Vec<bool> = messages.iter().map(|message| message.is_loud).collect();
    assert_eq!(loud, [false, false, true]);
}

#[tokio::test]
async fn a_violated_hold_is_a_message_of_its_own_long_after_the_rollback() {
    let slack = SlackServer::start();
    let tellers = bot(&slack);
    let handles = tell_all(&tellers, &[NewsKind::Recovered]).await;
    let told = tellers
        .tell(
            Channel::Slack,
            &news(NewsKind::HoldViolated),
            &handles,
            LIMIT,
        )
        .await;
    assert_eq!(delivered(told), None);
    let messages = slack.messages();
    let newest = messages.last().expect("a message");
    assert_eq!((newest.thread.as_ref(), messages[0].edits), (None, 0));
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_posted_anew() {
    let slack = SlackServer::start();
    let tellers = bot(&slack);
    let handles = tell_all(&tellers, &[NewsKind::Started]).await;
    let before = handles.slack.clone().expect("a message");
    slack.delete(&before.ts);
    let told = tellers
        .tell(Channel::Slack, &news(NewsKind::Failed), &handles, LIMIT)
        .await;
    let Some(Handle::Slack(after)) = delivered(told) else {
        panic!("no message");
    };
    assert_ne!(after.ts, before.ts);
    let messages = slack.messages();
    assert!(messages.iter().any(|message| message.ts == after.ts));
}

#[tokio::test]
async fn a_repeat_changes_the_message_in_place() {
    let slack = SlackServer::start();
    let tellers = bot(&slack);
    let handles = tell_all(&tellers, &[NewsKind::Started]).await;
    let told = tellers
        .tell(Channel::Slack, &news(NewsKind::Started), &handles, LIMIT)
        .await;
    assert_eq!(delivered(told), handles.slack.map(Handle::Slack));
    let messages = slack.messages();
    let top = messages.iter().filter(|message| message.thread.is_none());
    assert_eq!(top.count(), 1);
}

#[tokio::test]
async fn where_the_message_is_is_kept_though_its_thread_failed() {
    let slack = SlackServer::start();
    let tellers = bot(&slack);
    let posted = Reply::json(
        200,
        r#"{"ok":true,"channel":"C0123456789","ts":"1795225503.000001"}"#,
    );
    slack.after(posted);
    slack.instead(Reply::json(200, r#"{"ok":false,"error":"not_in_channel"}"#));
    let told = tell(&tellers, Channel::Slack, &news(NewsKind::Started)).await;
    let Told::Later {
        handle: Some(handle),
        ..
    } = told
    else {
        panic!("{told:?}");
    };
    let mut handles = Handles::default();
    handles.keep(handle);
    let told = tellers
        .tell(Channel::Slack, &news(NewsKind::Started), &handles, LIMIT)
        .await;
    delivered(told);
    assert_eq!(slack.messages().len(), 2, "one message, one answer to it");
}

#[tokio::test]
async fn hostile_text_is_taken_in_both_ways() {
    let slack = SlackServer::start();
    for tellers in [webhook(&slack), bot(&slack)] {
        delivered(tell(&tellers, Channel::Slack, &hostile(NewsKind::Started)).await);
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_the_wait_is_obeyed() {
    let slack = SlackServer::start();
    let faults = [
        Reply::text(500, "rollup_error"),
        Reply::text(429, "").with_header("Retry-After", "0"),
    ];
    for fault in faults {
        slack.instead(fault);
    }
    delivered(tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await);
    for fault in ["ratelimited", "internal_error"] {
        let said = Reply::json(200, format!(r#"{{"ok":false,"error":"{fault}"}}"#));
        slack.instead(said.with_header("Retry-After", "0"));
    }
    delivered(tell(&bot(&slack), Channel::Slack, &news(NewsKind::Started)).await);
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_left_to_a_later_run() {
    let slack = SlackServer::start();
    slack.instead(Reply::text(429, "").with_header("Retry-After", "3600"));
    let told = tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await;
    let (why, retry_after) = later(told);
    assert_eq!(
        why,
        "post to the Slack webhook: asks to slow down (HTTP 429); a later run tries again"
    );
    assert_eq!(retry_after, Some(Duration::from_secs(3_600)));
    assert_eq!(slack.calls().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_asked_once_and_waits_for_a_person() {
    for (status, words) in [
        (404, "no_service"),
        (403, "action_prohibited"),
        (410, "channel_is_archived"),
    ] {
        let slack = SlackServer::start();
        slack.instead(Reply::text(status, words));
        let told = tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await;
        let (why, _) = later(told);
        assert_eq!(
            why,
            format!(
                "post to the Slack webhook: refused (HTTP {status}: {words}); the webhook is revoked or its channel is \
                 gone: make a new one and set SLACK_WEBHOOK"
            )
        );
        assert_eq!(slack.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_message_that_slack_does_not_want_is_given_up() {
    let slack = SlackServer::start();
    slack.instead(Reply::text(400, "invalid_payload"));
    let why = never(tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await);
    assert_eq!(
        why,
        "post to the Slack webhook: does not take this message (HTTP 400: invalid_payload)"
    );
    slack.instead(Reply::json(
        200,
        r#"{"ok":false,"error":"msg_blocks_too_long"}"#,
    ));
    never(tell(&bot(&slack), Channel::Slack, &news(NewsKind::Started)).await);
}

#[tokio::test]
async fn a_bot_that_is_not_let_in_says_what_to_mend() {
    let slack = SlackServer::start();
    for tellers in [
        bot_with(&slack, "xoxb-wrong", SlackServer::CHANNEL),
        bot_with(&slack, SlackServer::TOKEN, "#nowhere"),
    ] {
        let (why, _) = later(tell(&tellers, Channel::Slack, &news(NewsKind::Started)).await);
        assert!(why.contains("SLACK_BOT_TOKEN"), "{why}");
    }
    assert_eq!(slack.calls().len(), 2, "neither is tried again");
}

#[tokio::test]
async fn an_answer_that_is_not_slacks_is_no_success() {
    let slack = SlackServer::start();
    slack.instead(Reply::html(200, "<html>please log in</html>"));
    let (why, _) = later(tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await);
    assert!(why.contains("cannot be used"), "{why}");
    for reply in [
        Reply::html(200, "<html>please log in</html>"),
        Reply::json(200, r#"{"ok":true}"#),
    ] {
        slack.instead(reply);
        later(tell(&bot(&slack), Channel::Slack, &news(NewsKind::Started)).await);
    }
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_not_sent_again_at_once() {
    for loss in [Reply::hangup(), Reply::reset()] {
        let slack = SlackServer::start();
        slack.after(loss);
        later(tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await);
        assert_eq!(slack.messages().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_floods_is_given_up() {
    let slack = SlackServer::start();
    slack.instead(Reply::silence());
    let tellers = webhook_with(&slack.webhook_url(), impatience());
    let (why, _) = later(tell(&tellers, Channel::Slack, &news(NewsKind::Started)).await);
    assert!(why.contains("no complete answer within"), "{why}");
    slack.instead(Reply::silence());
    let told = webhook(&slack)
        .tell(
            Channel::Slack,
            &news(NewsKind::Started),
            &Handles::default(),
            SOON,
        )
        .await;
    later(told);
    slack.instead(Reply::endless());
    let (why, _) = later(tell(&webhook(&slack), Channel::Slack, &news(NewsKind::Started)).await);
    assert!(why.contains("larger than"), "{why}");
}

#[tokio::test]
async fn nobody_who_listens_is_a_matter_for_a_later_run() {
    let closed = ClosedPort::reserve();
    let tellers = webhook_with(&format!("{}/services/x", closed.url()), patience());
    let (why, _) = later(tell(&tellers, Channel::Slack, &news(NewsKind::Started)).await);
    assert!(why.contains("no connection"), "{why}");
    let told = tellers
        .tell(
            Channel::Slack,
            &news(NewsKind::Started),
            &Handles::default(),
            Duration::ZERO,
        )
        .await;
    assert!(later(told).0.contains("within the time for telling"));
}
