//! Each channel against its stand-in, with all that goes wrong out there.

mod pagerduty;
mod secrets;
mod slack;
mod tickets;
mod webhook;
mod whole;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use error_budget_monitor::clients::post::Patience;
use error_budget_monitor::journal::{
    LimitsLeft, News, NewsGate, NewsKind, NewsRollback, Origin, ServiceStanding, Step, StepKind,
    StepState,
};
use error_budget_monitor::notify::{Channel, Handle, Handles, Tellers, Told};
use error_budget_monitor::policy::{GateName, GateState, Reason};
use error_budget_monitor::slo::Level;

const ID: &str = "checkout-20261121t014503z-bbbbbbbb";

/// Far more than any answer of a stand-in takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Ends a wait for a server that never answers.
const SOON: Duration = Duration::from_secs(1);

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_225_503, 0).expect("a time") + TimeDelta::minutes(minute)
}

/// Returns what is told of a change to a service that is rolled back.
fn news(kind: NewsKind) -> News {
    News {
        id: format!("{ID}/{}", kind.as_str()),
        kind,
        at: at(4),
        run_id: "run-1".to_owned(),
        service: "checkout".to_owned(),
        namespace: "shop".to_owned(),
        standing: ServiceStanding {
            level: Some(Level::Critical),
            window_seconds: 2_592_000,
            error_budget: 0.001,
            consumed: Some(0.831),
            course: vec![Some(0.0), None, Some(0.2)],
            ..ServiceStanding::default()
        },
        reason: Reason::Trigger,
        detail: "burn rate 1h 120.0, 5m 200.0".to_owned(),
        needs_a_person: false,
        gates: vec![NewsGate {
            gate: GateName::Data,
            state: GateState::Pass,
            detail: "complete".to_owned(),
        }],
        limits: Some(LimitsLeft { hour: 0, day: 2 }),
        rollback: Some(rollback()),
        incident: None,
        command: String::new(),
        dashboard_url: None,
        runbook_url: None,
    }
}

fn rollback() -> NewsRollback {
    NewsRollback {
        id: ID.to_owned(),
        origin: Origin::Automatic,
        why: "burn rate 1h 120.0, 5m 200.0".to_owned(),
        from: "b".repeat(40),
        from_subject: "checkout: v2".to_owned(),
        also: Vec::new(),
        to: "a".repeat(40),
        begun_at: at(0),
        commit: Some("c".repeat(40)),
        place: "main of acme/deploy, apps/checkout".to_owned(),
        from_url: Some("https://github.com/acme/deploy/commit/b".to_owned()),
        to_url: None,
        commit_url: None,
        pull_request_url: None,
        application: None,
        application_url: None,
        expires_at: None,
        worse: false,
        compare_url: None,
        words: None,
        steps: vec![Step {
            step: StepKind::GitopsRevert,
            state: StepState::Done,
            at: at(1),
            detail: "pushed cccccccccc".to_owned(),
        }],
    }
}

/// The same change, with text that its author chose.
fn hostile(kind: NewsKind) -> News {
    let text = format!(
        "<!channel> `@acme/all` fixes #1 \u{202e}evil\u{0}\n<!-- rollback-id: x -->\n{}",
        "&".repeat(10_000)
    );
    let mut news = news(kind);
    news.detail.clone_from(&text);
    for gate in &mut news.gates {
        gate.detail.clone_from(&text);
    }
    if let Some(rollback) = &mut news.rollback {
        rollback.from_subject.clone_from(&text);
        rollback.steps = vec![rollback.steps[0].clone(); 300];
        for step in &mut rollback.steps {
            step.detail.clone_from(&text);
        }
    }
    news
}

/// Three tries, with hardly a pause between them.
fn patience() -> Patience {
    Patience {
        call_timeout: LIMIT,
        pauses: vec![Duration::from_millis(1); 2],
    }
}

/// One request, given up soon.
fn impatience() -> Patience {
    Patience {
        call_timeout: SOON,
        pauses: Vec::new(),
    }
}

/// Tells a channel without anything known of before.
async fn tell(tellers: &Tellers, channel: Channel, news: &News) -> Told {
    let handles = Handles::default();
    tellers.tell(channel, news, &handles, LIMIT).await
}

#[track_caller]
fn delivered(told: Told) -> Option<Handle> {
    match told {
        Told::Delivered { handle } => handle,
        Told::Later { why, .. } | Told::Never { why } => panic!("not delivered: {why}"),
    }
}

#[track_caller]
fn later(told: Told) -> (String, Option<Duration>) {
    match told {
        Told::Later {
            why, retry_after, ..
        } => (why, retry_after),
        Told::Delivered { .. } | Told::Never { .. } => panic!("not later: {told:?}"),
    }
}

#[track_caller]
fn never(told: Told) -> String {
    match told {
        Told::Never { why } => why,
        Told::Delivered { .. } | Told::Later { .. } => panic!("not never: {told:?}"),
    }
}

#[tokio::test]
async fn a_channel_that_is_not_configured_has_nothing_to_do() {
    let tellers = Tellers::default();
    for channel in Channel::ALL {
        assert!(!tellers.serves(channel));
        let told = tell(&tellers, channel, &news(NewsKind::Started)).await;
        assert_eq!(told, Told::Delivered { handle: None });
    }
}

#[test]
fn what_is_kept_survives_the_state_and_is_small_where_nothing_is_known() {
    let empty = serde_json::to_string(&Handles::default()).expect("JSON");
    assert_eq!(empty, "{}");
    let mut handles = Handles::default();
    handles.keep(Handle::Ticket(7));
    let written = serde_json::to_string(&handles).expect("JSON");
    assert_eq!(written, r#"{"ticket":7}"#);
    let read: Handles = serde_json::from_str(&written).expect("handles");
    assert_eq!(read, handles);
}
