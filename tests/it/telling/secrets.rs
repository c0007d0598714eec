//! What is a secret appears in nothing that is printed.

use error_budget_monitor::clients::pagerduty::Pagerduty;
use error_budget_monitor::clients::webhook::Webhook;
use error_budget_monitor::config::SlackConfig;
use error_budget_monitor::notify::Slack;
use secrecy::SecretString;
use testkit::stub::{Reply, Stub};
use url::Url;

use super::*;

const HOOK: &[&str] = &["canaryHookPath", "canaryQuery"];
const SIGNED_HOOK: &[&str] = &["canaryHookPath", "canaryQuery", "canaryWebhookKey"];
const TOKEN: &[&str] = &["canarySlackToken"];
const ROUTING_KEY: &[&str] = &["canarypagerdutykey01234567890123"];

/// Says all secrets back, as a careless server does.
fn echo() -> String {
    let all = [SIGNED_HOOK, TOKEN, ROUTING_KEY].concat().join(" ");
    format!("you sent http://x/services/canaryHookPath?k=canaryQuery {all}")
}

/// Returns every channel with its secrets.
fn all(base: &str) -> Vec<(Channel, Tellers, &'static [&'static str])> {
    let hook = SecretString::from(format!("{base}/services/canaryHookPath?k=canaryQuery"));
    let url = |path: &str| Url::parse(&format!("{base}{path}")).expect("a URL");
    let slack = |config| Tellers {
        slack: Some(Slack::new(&config, impatience()).expect("usable")),
        ..Tellers::default()
    };
    let secret = SecretString::from("canaryWebhookKey");
    let webhook = Webhook::new(&hook, Some(&secret), impatience()).expect("usable");
    vec![
        (Channel::Slack, slack(SlackConfig::Webhook(hook)), HOOK),
        (
            Channel::Slack,
            slack(SlackConfig::Bot {
                token: "canarySlackToken".into(),
                channel: "#alerts".to_owned(),
                api_url: url("/api/"),
            }),
            TOKEN,
        ),
        (
            Channel::Pagerduty,
            Tellers {
                pagerduty: Some(Pagerduty::new(
                    &url("/v2/enqueue"),
                    "canarypagerdutykey01234567890123".into(),
                    impatience(),
                )),
                ..Tellers::default()
            },
            ROUTING_KEY,
        ),
        (
            Channel::Webhook,
            Tellers {
                webhook: Some(webhook),
                ..Tellers::default()
            },
            SIGNED_HOOK,
        ),
    ]
}

#[tokio::test]
async fn no_error_and_no_debug_output_holds_a_secret() {
    let replies: [fn() -> Reply; 9] = [
        || Reply::text(200, echo()),
        || Reply::text(400, echo()),
        || Reply::text(403, echo()),
        || Reply::text(500, echo()),
        || Reply::json(200, format!(r#"{{"ok":false,"error":"{}"}}"#, echo())),
        || Reply::redirect(302, "https://x.example/services/canaryHookPath"),
        Reply::hangup,
        Reply::silence,
        Reply::endless,
    ];
    for reply in replies {
        let stub = Stub::http(move |_| Some(reply()));
        for (channel, tellers, secrets) in all(&stub.url()) {
            let told = tell(&tellers, channel, &news(NewsKind::Started)).await;
            let printed = format!("{told:?} {tellers:?}");
            for secret in secrets {
                assert!(!printed.contains(secret), "{printed}");
            }
        }
    }
}
