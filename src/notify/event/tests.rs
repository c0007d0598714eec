//! What the webhook gets.

use super::*;
use crate::notify::fixture::{ID, KINDS, hostile, hostile_texts, news};

#[test]
fn each_kind_has_its_types_and_stable_ids() {
    let table: Vec<String> = KINDS
        .into_iter()
        .flat_map(|kind| events(&news(kind)))
        .map(|event| {
            let kind = event.envelope["type"].as_str().expect("a type");
            format!("{kind} {}", event.id.replace(ID, "ID"))
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    error-budget-monitor.level_crossed.v1 ID/level_crossed
    error-budget-monitor.held.v1 ID/held
    dev.cdevents.incident.detected.0.3.0 ID/started
    dev.cdevents.service.rolledback.0.3.0 ID/rolledback
    dev.cdevents.incident.resolved.0.3.0 ID/recovered
    dev.cdevents.service.rolledback.0.3.0 ID/rolledback
    error-budget-monitor.ineffective.v1 ID/ineffective
    dev.cdevents.service.rolledback.0.3.0 ID/rolledback
    error-budget-monitor.failed.v1 ID/failed
    error-budget-monitor.superseded.v1 ID/superseded
    error-budget-monitor.approval_needed.v1 ID/approval_needed
    error-budget-monitor.approval_half_time.v1 ID/approval_half_time
    error-budget-monitor.approval_expired.v1 ID/approval_expired
    error-budget-monitor.rejected.v1 ID/rejected
    error-budget-monitor.hold_violated.v1 ID/hold_violated
    error-budget-monitor.suspicious_commit.v1 ID/suspicious_commit
    error-budget-monitor.blind.v1 ID/blind
    error-budget-monitor.seeing.v1 ID/seeing
    error-budget-monitor.memory_rebuilt.v1 ID/memory_rebuilt
    error-budget-monitor.burn_over.v1 ID/burn_over
    ");
}

#[test]
fn what_did_not_take_effect_was_not_rolled_back() {
    let mut failed = news(NewsKind::Failed);
    let rollback = failed.rollback.as_mut().expect("a rollback");
    rollback.commit = None;
    rollback.steps[0].state = StepState::Failed;
    let types: Vec<Value> = events(&failed)
        .into_iter()
        .map(|event| event.envelope["type"].clone())
        .collect();
    assert_eq!(types, ["error-budget-monitor.failed.v1"]);
}

#[test]
fn an_event_is_a_cloudevent_around_a_cdevent() {
    let mut events = events(&news(NewsKind::Recovered));
    for event in &mut events {
        event.envelope["data"]["customData"] = json!("the news");
    }
    let shown: Vec<String> = events
        .iter()
        .map(|event| serde_json::to_string_pretty(&event.envelope).expect("JSON"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    {
      "data": {
        "context": {
          "chainId": "checkout-20261121t014503z-bbbbbbbb",
          "id": "checkout-20261121t014503z-bbbbbbbb/rolledback",
          "source": "/error-budget-monitor/shop/checkout",
          "specversion": "0.5.0",
          "timestamp": "2026-11-21T01:49:03Z",
          "type": "dev.cdevents.service.rolledback.0.3.0"
        },
        "customData": "the news",
        "customDataContentType": "application/json",
        "subject": {
          "content": {
            "artifactId": "pkg:generic/checkout@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "environment": {
              "id": "shop"
            }
          },
          "id": "checkout",
          "source": "/error-budget-monitor/shop/checkout"
        }
      },
      "datacontenttype": "application/json",
      "id": "checkout-20261121t014503z-bbbbbbbb/rolledback",
      "source": "/error-budget-monitor/shop/checkout",
      "specversion": "1.0",
      "subject": "checkout-20261121t014503z-bbbbbbbb",
      "time": "2026-11-21T01:49:03Z",
      "type": "dev.cdevents.service.rolledback.0.3.0"
    }
    {
      "data": {
        "context": {
          "chainId": "checkout-20261121t014503z-bbbbbbbb",
          "id": "checkout-20261121t014503z-bbbbbbbb/recovered",
          "source": "/error-budget-monitor/shop/checkout",
          "specversion": "0.5.0",
          "timestamp": "2026-11-21T01:49:03Z",
          "type": "dev.cdevents.incident.resolved.0.3.0"
        },
        "customData": "the news",
        "customDataContentType": "application/json",
        "subject": {
          "content": {
            "description": "Rollback recovered: shop/checkout, the burn stopped",
            "environment": {
              "id": "shop"
            },
            "service": {
              "id": "checkout"
            }
          },
          "id": "checkout-20261121t014503z-bbbbbbbb",
          "source": "/error-budget-monitor/shop/checkout"
        }
      },
      "datacontenttype": "application/json",
      "id": "checkout-20261121t014503z-bbbbbbbb/recovered",
      "source": "/error-budget-monitor/shop/checkout",
      "specversion": "1.0",
      "subject": "checkout-20261121t014503z-bbbbbbbb",
      "time": "2026-11-21T01:49:03Z",
      "type": "dev.cdevents.incident.resolved.0.3.0"
    }
    "#);
}

#[test]
fn a_held_rollback_is_told_with_all_its_numbers() {
    let held = events(&news(NewsKind::Held)).remove(0).envelope;
    assert_eq!(held["type"], "error-budget-monitor.held.v1");
    assert_eq!(held["data"]["reason"], "not_attributable");
    assert_eq!(held["data"]["standing"]["consumed"], 0.831);
    assert_eq!(held["data"]["gates"][2]["state"], "fail");
}

#[test]
fn hostile_text_makes_no_event_long() {
    for text in hostile_texts() {
        for kind in [NewsKind::Started, NewsKind::Held, NewsKind::Recovered] {
            for event in events(&hostile(kind, &text)) {
                let written = event.envelope.to_string();
                assert!(written.len() < 1_000_000, "{} bytes", written.len());
                assert!(!written.contains(['\u{202e}', '\u{2066}', '\u{200f}']));
            }
        }
    }
}
