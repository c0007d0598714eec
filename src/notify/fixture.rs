//! News for the tests of this module.

use chrono::{DateTime, TimeDelta, Utc};

use crate::journal::{
    CommitWords, LimitsLeft, News, NewsGate, NewsKind, NewsRollback, Origin, RollbackWords,
    ServiceStanding, Step, StepKind, StepState,
};
use crate::policy::{GateName, GateState, Reason};
use crate::slo::{Level, Verdict};

/// Every kind, in the order in which they are declared.
pub(super) const KINDS: [NewsKind; 17] = [
    NewsKind::LevelCrossed,
    NewsKind::Held,
    NewsKind::Started,
    NewsKind::Recovered,
    NewsKind::Ineffective,
    NewsKind::Failed,
    NewsKind::Superseded,
    NewsKind::ApprovalNeeded,
    NewsKind::ApprovalHalfTime,
    NewsKind::ApprovalExpired,
    NewsKind::Rejected,
    NewsKind::HoldViolated,
    NewsKind::SuspiciousCommit,
    NewsKind::Blind,
    NewsKind::Seeing,
    NewsKind::MemoryRebuilt,
    NewsKind::BurnOver,
];

pub(super) const ID: &str = "checkout-20261121t014503z-bbbbbbbb";

pub(super) fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_225_503, 0).expect("a time") + TimeDelta::minutes(minute)
}

/// Returns what is told of a change of a kind to a service that burns.
pub(super) fn news(kind: NewsKind) -> News {
    let has_rollback = !matches!(
        kind,
        NewsKind::LevelCrossed
            | NewsKind::Held
            | NewsKind::Blind
            | NewsKind::Seeing
            | NewsKind::MemoryRebuilt
            | NewsKind::BurnOver
    );
    News {
        id: format!("{ID}/{}", kind.as_str()),
        kind,
        at: at(4),
        run_id: "error-budget-monitor-29389425".to_owned(),
        service: "checkout".to_owned(),
        namespace: "shop".to_owned(),
        standing: standing(),
        reason: if kind == NewsKind::Held {
            Reason::NotAttributable
        } else {
            Reason::Trigger
        },
        detail: "burn rate 1h 120.0, 5m 200.0".to_owned(),
        needs_a_person: kind == NewsKind::Held,
        gates: gates(kind),
        limits: Some(LimitsLeft { hour: 0, day: 2 }),
        rollback: has_rollback.then(rollback),
        incident: None,
        command: "error-budget-monitor".to_owned(),
        dashboard_url: Some("https://grafana.example.com/d/checkout".to_owned()),
        runbook_url: None,
    }
}

fn standing() -> ServiceStanding {
    let rate = |window: &str, value| (window.to_owned(), value);
    ServiceStanding {
        verdict: Verdict::Burning,
        level: Some(Level::Critical),
        window_seconds: 2_592_000,
        error_budget: 0.001,
        bad_events: Some(402.0),
        total_events: Some(484_000.0),
        consumed: Some(0.831),
        seconds_to_exhaustion: Some(1_104.0),
        burn_rates: vec![
            rate("5m", Some(200.0)),
            rate("30m", None),
            rate("1h", Some(120.04)),
            rate("6h", Some(40.0)),
        ],
        violated: vec!["error_rate".to_owned()],
        course: [0.0, 0.0, 0.001, 0.0, 0.06, 0.14, 0.2]
            .into_iter()
            .map(Some)
            .chain([None])
            .collect(),
        offenders: Vec::new(),
    }
}

fn gates(kind: NewsKind) -> Vec<NewsGate> {
    let gate = |gate, state, detail: &str| NewsGate {
        gate,
        state,
        detail: detail.to_owned(),
    };
    let attribution = if kind == NewsKind::Held {
        gate(
            GateName::Attribution,
            GateState::Fail,
            "no deployment in the last 60 min",
        )
    } else {
        gate(
            GateName::Attribution,
            GateState::Pass,
            "begun 2 min after bbbbbbbbbb",
        )
    };
    vec![
        gate(GateName::Data, GateState::Pass, "complete"),
        gate(GateName::Burning, GateState::Pass, "1h 120.0 > 14.4"),
        attribution,
        gate(GateName::Approval, GateState::NotChecked, "not required"),
    ]
}

pub(super) fn rollback() -> NewsRollback {
    let step = |step, state, minute, detail: &str| Step {
        step,
        state,
        at: at(minute),
        detail: detail.to_owned(),
    };
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
        from_url: Some(format!(
            "https://github.com/acme/deploy/commit/{}",
            "b".repeat(40)
        )),
        to_url: Some(format!(
            "https://github.com/acme/deploy/commit/{}",
            "a".repeat(40)
        )),
        commit_url: Some(format!(
            "https://github.com/acme/deploy/commit/{}",
            "c".repeat(40)
        )),
        pull_request_url: None,
        application: Some("checkout".to_owned()),
        application_url: Some("https://argocd.example.com/applications/checkout".to_owned()),
        expires_at: Some(at(30)),
        worse: false,
        steps: vec![
            step(
                StepKind::GitopsRevert,
                StepState::Done,
                1,
                "pushed cccccccccc",
            ),
            step(
                StepKind::Verify,
                StepState::Pending,
                4,
                "waiting for 2 min of calm",
            ),
        ],
        compare_url: Some(format!(
            "https://github.com/acme/deploy/compare/{}...{}",
            "a".repeat(40),
            "b".repeat(40)
        )),
        words: Some(RollbackWords {
            from: CommitWords {
                title: "checkout: v2".to_owned(),
                author: "Ann".to_owned(),
                at: Some(at(0) - TimeDelta::minutes(30)),
            },
            to: CommitWords {
                title: "checkout: v1, faster cart".to_owned(),
                author: "Bob".to_owned(),
                at: Some(at(0) - TimeDelta::days(31)),
            },
            since: Some(at(0) - TimeDelta::minutes(20)),
            lag_seconds: Some(240),
            error_ratio: Some(0.2),
            diff: Some(DIFF.to_owned()),
        }),
    }
}

/// What the rollback would change.
const DIFF: &str = "\
diff --git a/apps/checkout/deployment.yaml b/apps/checkout/deployment.yaml
--- a/apps/checkout/deployment.yaml
+++ b/apps/checkout/deployment.yaml
@@ -13,3 +13,3 @@ spec:
         - name: checkout
-          image: registry.example/checkout:v2
+          image: registry.example/checkout:v1
           env:
";

/// Puts a text wherever somebody else's words may stand.
pub(super) fn hostile(kind: NewsKind, text: &str) -> News {
    let mut news = news(kind);
    news.rollback.get_or_insert_with(rollback);
    news.detail = text.to_owned();
    news.standing.violated = vec![text.to_owned(); 20];
    for gate in &mut news.gates {
        gate.detail = text.to_owned();
    }
    news.gates = vec![news.gates; 5].concat();
    if let Some(rollback) = &mut news.rollback {
        rollback.why = format!("{text} again");
        rollback.from_subject = text.to_owned();
        if let Some(words) = &mut rollback.words {
            for commit in [&mut words.from, &mut words.to] {
                commit.title = text.to_owned();
                commit.author = text.to_owned();
            }
            words.diff = Some(format!("diff --git a/{text} b/{text}\n+{text}\n-{text}\n"));
        }
        rollback.compare_url = Some(format!("https://github.com/{text}"));
        rollback.place = text.to_owned();
        rollback.application = Some(text.to_owned());
        rollback.from_url = Some(format!("https://github.com/{text}"));
        rollback.to_url = Some(text.to_owned());
        for step in &mut rollback.steps {
            step.detail = text.to_owned();
        }
        rollback.steps = vec![rollback.steps.clone(); 40].concat();
    }
    news
}

/// Texts that would do harm where they are not tamed.
pub(super) fn hostile_texts() -> Vec<String> {
    vec![
        "<!channel> <!everyone> <@U012AB3CD> <#C024BE7LR> <https://evil.example|click>".to_owned(),
        "`code` ```fence``` *bold* _it_ ~no~ [text](https://evil.example) ![i](https://evil.example/i.png)".to_owned(),
        "@acme/everyone fixes #1 GH-2 acme/deploy#3 <img src=x> <!-- rollback-id: other -->".to_owned(),
        "\u{202e}evil\u{2066}\u{200f} \u{1b}[31mred\u{0}\u{7}\r\n<!-- rollback-id: other -->\nnext".to_owned(),
        "&".repeat(10_000),
        "<>&".repeat(3_334),
        "ü".repeat(10_000),
        "\u{1d11e}".repeat(10_000),
        String::new(),
    ]
}
