//! The stand-ins notice what Slack, PagerDuty and a receiver would not forgive, or would forgive silently.

use testkit::http;
use testkit::pagerduty::PagerdutyServer;
use testkit::receiver::Receiver;
use testkit::slack::SlackServer;

/// Posts a body to a URL with some headers and returns the status and the text of the answer.
fn post(url: &str, headers: &str, body: &str) -> String {
    let headers: Vec<&str> = headers.lines().chain(["User-Agent: test"]).collect();
    let answer = http::send("POST", url, &headers, body).expect("an answer");
    format!("{} {}", answer.status, answer.text())
}

const JSON: &str = "Content-Type: application/json\r\n";

#[track_caller]
fn notices(violations: &[String], what: &str) {
    assert!(
        violations.iter().any(|violation| violation.contains(what)),
        "{violations:?}"
    );
}

fn section(text: &str) -> String {
    format!(r#"{{"type":"section","text":{{"type":"mrkdwn","text":"{text}"}}}}"#)
}

#[test]
fn slack_refuses_what_exceeds_its_limits() {
    let slack = SlackServer::start();
    let send = |blocks: &str| {
        let body = format!(r#"{{"text":"t","blocks":[{blocks}]}}"#);
        let answer = post(&slack.webhook_url(), JSON, &body);
        (answer, slack.take_violations())
    };
    let (answer, wrong) = send(&section(&"a".repeat(3_001)));
    assert!(answer.ends_with("invalid_blocks"), "{answer}");
    notices(&wrong, "3001 characters");
    let header = format!(
        r#"{{"type":"header","text":{{"type":"plain_text","text":"{}"}}}}"#,
        "a".repeat(151)
    );
    notices(&send(&header).1, "151 characters");
    notices(&send(&vec![section("a"); 51].join(",")).1, "51 blocks");
    let (answer, _) = send(&vec![section(&"a".repeat(2_900)); 5].join(","));
    assert!(answer.ends_with("msg_blocks_too_long"), "{answer}");
    notices(&send(&section("<!channel>")).1, "it calls people");
    notices(&send(r#"{"type":"image"}"#).1, "a block of type");
    let (answer, wrong) = send(&section("fine"));
    assert!(
        answer.ends_with("ok") && wrong.is_empty(),
        "{answer} {wrong:?}"
    );
    assert_eq!(slack.messages().len(), 1, "the last one");
}

#[test]
fn slack_knows_only_its_bot_its_channel_and_its_threads() {
    let slack = SlackServer::start();
    let call = |method: &str, token: &str, body: &str| {
        let headers = format!("{JSON}Authorization: Bearer {token}\r\n");
        post(&format!("{}{method}", slack.api_url()), &headers, body)
    };
    let here = r##"{"channel":"#alerts","text":"t"}"##;
    assert!(call("chat.postMessage", "wrong", here).contains("invalid_auth"));
    let there = here.replace("#alerts", "#other");
    assert!(call("chat.postMessage", SlackServer::TOKEN, &there).contains("channel_not_found"));
    let change = r#"{"channel":"C0123456789","ts":"1.2","text":"t"}"#;
    assert!(call("chat.update", SlackServer::TOKEN, change).contains("message_not_found"));
    let reply = r##"{"channel":"#alerts","text":"t","thread_ts":"1.2"}"##;
    call("chat.postMessage", SlackServer::TOKEN, reply);
    notices(&slack.take_violations(), "no thread");
}

#[test]
fn pagerduty_notices_unknown_fields_and_keeps_the_life_of_alerts() {
    let server = PagerdutyServer::start();
    let send = |action: &str, payload: &str| {
        let body = format!(
            r#"{{"routing_key":"{}","event_action":"{action}","dedup_key":"k"{payload}}}"#,
            PagerdutyServer::KEY
        );
        post(&server.events_url(), JSON, &body)
    };
    let trigger = r#","payload":{"summary":"s","source":"x","severity":"error","timestamp":"2026-11-21T01:45:03Z","custom_details":{}}"#;
    for (action, payload) in [
        ("resolve", ""),
        ("trigger", trigger),
        ("trigger", trigger),
        ("resolve", ""),
        ("trigger", trigger),
    ] {
        assert!(send(action, payload).starts_with("202"));
    }
    let alerts = server.alerts();
    let lives: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.triggers, alert.is_open))
        .collect();
    assert_eq!(lives, [(2, false), (1, true)]);
    send("acknowledge", "");
    notices(&server.take_violations(), "acknowledge");
    send("trigger", &trigger.replace("error", "bad"));
    notices(&server.take_violations(), "the severity");
    send("trigger", &format!(r#","colour":"red"{trigger}"#));
    notices(&server.take_violations(), "unknown colour");
}

#[test]
fn the_receiver_wants_a_signature_and_an_envelope() {
    let receiver = Receiver::start();
    let kind = "Content-Type: application/cloudevents+json\r\n";
    assert!(post(&receiver.url(), kind, "{}").starts_with("401"));
    let unsigned = Receiver::unsigned();
    post(
        &unsigned.url(),
        &format!("{kind}webhook-id: a\r\nwebhook-timestamp: 1\r\n"),
        r#"{"id":"b"}"#,
    );
    let wrong = unsigned.take_violations();
    for what in ["sent at", "no specversion", "an envelope of"] {
        notices(&wrong, what);
    }
}

#[test]
#[should_panic(expected = "the rules of Slack were broken")]
fn what_was_noticed_fails_the_test() {
    let slack = SlackServer::start();
    post(&slack.webhook_url(), JSON, r#"{"text":"<!here>"}"#);
}
