//! What PagerDuty gets, and what hostile text does to it.

use super::*;
use crate::notify::fixture::{ID, KINDS, hostile, hostile_texts, news};

#[test]
fn begins_and_ends_with_the_same_key() {
    let table: Vec<String> = KINDS
        .into_iter()
        .map(|kind| {
            let alert = alert(&news(kind));
            let severity = alert.payload.as_ref().map(|payload| payload.severity);
            format!(
                "{}: {:?} {severity:?} {}",
                kind.as_str(),
                alert.event_action,
                alert.dedup_key.replace(ID, "ID")
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    level_crossed: Trigger Some(Error) shop/checkout/level_crossed
    held: Trigger Some(Error) shop/checkout/held
    started: Trigger Some(Error) ID
    recovered: Resolve None ID
    ineffective: Trigger Some(Critical) ID
    failed: Trigger Some(Critical) ID
    superseded: Trigger Some(Error) ID
    approval_needed: Trigger Some(Error) ID
    approval_half_time: Trigger Some(Error) ID
    approval_expired: Trigger Some(Error) ID
    rejected: Trigger Some(Error) ID
    hold_violated: Trigger Some(Error) shop/checkout/hold_violated
    suspicious_commit: Trigger Some(Error) shop/checkout/suspicious_commit
    blind: Trigger Some(Error) shop/checkout/blind
    seeing: Resolve None shop/checkout/blind
    memory_rebuilt: Trigger Some(Error) shop/checkout/memory_rebuilt
    burn_over: Resolve None shop/checkout/burn_over
    ");
}

#[test]
fn an_emergency_is_critical() {
    let mut started = news(NewsKind::Started);
    started.standing.level = Some(Level::Emergency);
    let payload = alert(&started).payload.expect("a trigger");
    assert_eq!(payload.severity, Severity::Critical);
}

#[test]
fn the_alert_holds_the_evidence() {
    let alert = serde_json::to_string_pretty(&alert(&news(NewsKind::Started))).expect("JSON");
    insta::assert_snapshot!(alert, @r#"
    {
      "event_action": "trigger",
      "dedup_key": "checkout-20261121t014503z-bbbbbbbb",
      "payload": {
        "summary": "Rollback started: shop/checkout goes back to aaaaaaaaaa: checkout is being put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”",
        "source": "shop/checkout",
        "severity": "error",
        "timestamp": "2026-11-21T01:49:03Z",
        "component": "checkout",
        "group": "shop",
        "class": "error-budget-burn",
        "custom_details": {
          "bad_events": 402.0,
          "budget_consumed": 0.831,
          "budget_left": 0.16900000000000004,
          "burn_rates": {
            "1h": 120.04,
            "30m": null,
            "5m": 200.0,
            "6h": 40.0
          },
          "detail": "burn rate 1h 120.0, 5m 200.0",
          "gates": [
            "pass data: complete",
            "pass burning: 1h 120.0 > 14.4",
            "pass attribution: begun 2 min after bbbbbbbbbb",
            "not_checked approval: not required"
          ],
          "happened": "checkout is being put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”",
          "id": "checkout-20261121t014503z-bbbbbbbb/started",
          "level": "critical",
          "next": "nothing to do: the proof is awaited; to watch it: error-budget-monitor status",
          "reason": "trigger",
          "rollback": {
            "application": "checkout",
            "commit": "cccccccccccccccccccccccccccccccccccccccc",
            "from": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            "from_subject": "checkout: v2",
            "id": "checkout-20261121t014503z-bbbbbbbb",
            "origin": "automatic",
            "place": "main of acme/deploy, apps/checkout",
            "steps": [
              "2026-11-21 01:46:03 UTC gitops_revert done: pushed cccccccccc",
              "2026-11-21 01:49:03 UTC verify pending: waiting for 2 min of calm"
            ],
            "to": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "why": "burn rate 1h 120.0, 5m 200.0"
          },
          "rollbacks_left": {
            "day": 2,
            "hour": 0
          },
          "run_id": "error-budget-monitor-29389425",
          "total_events": 484000.0,
          "verdict": "burning",
          "violated": [
            "error_rate"
          ]
        }
      },
      "links": [
        {
          "href": "https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          "text": "bad revision bbbbbbbbbb"
        },
        {
          "href": "https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "text": "restored revision aaaaaaaaaa"
        },
        {
          "href": "https://github.com/acme/deploy/compare/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
          "text": "what it changed"
        },
        {
          "href": "https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc",
          "text": "commit of the rollback cccccccccc"
        },
        {
          "href": "https://argocd.example.com/applications/checkout",
          "text": "application checkout"
        },
        {
          "href": "https://grafana.example.com/d/checkout",
          "text": "dashboard"
        }
      ],
      "client": "error-budget-monitor"
    }
    "#);
}

#[test]
fn the_change_names_the_rollback() {
    let change = change(&news(NewsKind::Started));
    insta::assert_snapshot!(change.payload.summary, @"Rollback started: shop/checkout goes back to aaaaaaaaaa: checkout is being put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”");
    assert_eq!(change.links.len(), 6);
}

#[test]
fn hostile_text_breaks_no_limit() {
    for text in hostile_texts() {
        for kind in [NewsKind::Started, NewsKind::Held, NewsKind::Recovered] {
            let news = hostile(kind, &text);
            let (alert, change) = (alert(&news), change(&news));
            assert!(alert.dedup_key.chars().count() <= 255);
            if let Some(payload) = &alert.payload {
                assert!(payload.summary.chars().count() <= MAX_SUMMARY);
                assert!(!payload.summary.is_empty() && !payload.source.is_empty());
                assert!(payload.custom_details.is_object());
            }
            let bytes = serde_json::to_vec(&alert).expect("JSON").len();
            assert!(bytes <= MAX_EVENT - 1_024, "{bytes} bytes");
            let bytes = serde_json::to_vec(&change).expect("JSON").len();
            assert!(bytes <= MAX_EVENT - 1_024, "{bytes} bytes");
        }
    }
}

#[test]
fn details_beyond_all_bounds_give_way_and_the_alert_stays() {
    let mut news = hostile(NewsKind::Started, &"\u{1d11e}".repeat(1_000));
    let window = |number: usize| ("\u{1d11e}".repeat(1_000) + &number.to_string(), Some(1.0));
    news.standing.burn_rates = (0..200).map(window).collect();
    let payload = alert(&news).payload.expect("a trigger");
    assert!(payload.custom_details["note"].is_string());
    assert!(payload.summary.starts_with("Rollback started: "));
}
