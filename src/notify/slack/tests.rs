//! Slack messages as people see them, and what hostile text does to them.

use super::*;
use crate::journal::NewsKind;
use crate::notify::fixture::{KINDS, hostile, hostile_texts, news};

/// Writes a message as text: each block with its kind.
fn shown(message: &SlackMessage) -> String {
    let blocks = message.blocks.iter().map(|block| {
        let kind = block["type"].as_str().expect("a kind");
        let text = texts(block).join(" ");
        format!("[{kind}] {text}")
    });
    let blocks: Vec<String> = blocks.collect();
    format!("[text] {}\n{}", message.text, blocks.join("\n"))
}

fn texts(block: &Value) -> Vec<&str> {
    let elements = block["elements"].as_array();
    let objects = elements.map_or_else(|| vec![&block["text"]], |all| all.iter().collect());
    objects
        .into_iter()
        .map(|object| object["text"].as_str().expect("a text"))
        .collect()
}

fn whole(kind: NewsKind) -> String {
    shown(&message(&news(kind), Length::Whole))
}

#[test]
fn shows_a_rollback_that_was_started() {
    insta::assert_snapshot!(whole(NewsKind::Started), @r"
    [text] Rollback started: shop/checkout goes back to aaaaaaaaaa: burn rate 1h 120.0, 5m 200.0
    [header] Rollback started: shop/checkout goes back to aaaaaaaaaa
    [section] *Why* burn rate 1h 120.0, 5m 200.0
    *Revision* <https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|bbbbbbbbbb> checkout: v2 → <https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|aaaaaaaaaa>
    *Where* main of acme/deploy, apps/checkout
    *Commit* <https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc|cccccccccc>
    *Application* <https://argocd.example.com/applications/checkout|checkout>
    [section] *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    *Burn rate* 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    *Violated* error_rate
    [section] *Gates passed* data, burning, attribution
    *Not checked* approval
    *Limits left* 0 within the hour, 2 within the day
    [section] *Next* watch it: `error-budget-monitor status`
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
}

#[test]
fn shows_a_rollback_that_is_held_back() {
    insta::assert_snapshot!(whole(NewsKind::Held), @r"
    [text] Rollback held: shop/checkout, not_attributable: burn rate 1h 120.0, 5m 200.0
    [header] Rollback held: shop/checkout, not_attributable
    [section] *Why* burn rate 1h 120.0, 5m 200.0
    [section] *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    *Burn rate* 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    *Violated* error_rate
    [section] *Gates passed* data, burning
    *Holds* attribution: no deployment in the last 60 min
    *Not checked* approval
    *Limits left* 0 within the hour, 2 within the day
    [section] *Next* look at dependencies and the platform, and freeze deployments until it is over; all numbers: `error-budget-monitor status`
    [context] 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
}

#[test]
fn shows_what_waits_for_approval_with_both_answers_or_the_pull_request() {
    insta::assert_snapshot!(whole(NewsKind::ApprovalNeeded), @r"
    [text] Approval needed: shop/checkout goes back to aaaaaaaaaa: burn rate 1h 120.0, 5m 200.0
    [header] Approval needed: shop/checkout goes back to aaaaaaaaaa
    [section] *Why* burn rate 1h 120.0, 5m 200.0
    *Revision* <https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|bbbbbbbbbb> checkout: v2 → <https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|aaaaaaaaaa>
    *Where* main of acme/deploy, apps/checkout
    *Commit* <https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc|cccccccccc>
    *Application* <https://argocd.example.com/applications/checkout|checkout>
    [section] *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    *Burn rate* 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    *Violated* error_rate
    [section] *Gates passed* data, burning, attribution
    *Not checked* approval
    *Limits left* 0 within the hour, 2 within the day
    [section] *Next* `error-budget-monitor approve checkout-20261121t014503z-bbbbbbbb` or `error-budget-monitor reject checkout-20261121t014503z-bbbbbbbb` until 2026-11-21 02:15 UTC
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
    let mut news = news(NewsKind::ApprovalNeeded);
    let rollback = news.rollback.as_mut().expect("a plan");
    rollback.pull_request_url = Some("https://github.com/acme/deploy/pull/7".to_owned());
    let text = shown(&message(&news, Length::Whole));
    let next = text.lines().find(|line| line.contains("*Next*"));
    insta::assert_snapshot!(next.expect("a next step"), @"[section] *Next* merge to approve, close to reject: <https://github.com/acme/deploy/pull/7|the pull request> until 2026-11-21 02:15 UTC");
}

#[test]
fn every_kind_has_words_of_its_own_and_a_next_step() {
    let lines: Vec<String> = KINDS
        .into_iter()
        .map(|kind| {
            let text = whole(kind);
            let next = text.lines().find(|line| line.contains("*Next*"));
            format!(
                "{}\n    {}",
                text.lines().next().expect("a notification"),
                next.unwrap_or("-")
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    [text] Budget at level critical: shop/checkout, 83.10 % consumed: burn rate 1h 120.0, 5m 200.0
        [section] *Next* look at the service; all numbers: `error-budget-monitor status`
    [text] Rollback held: shop/checkout, not_attributable: burn rate 1h 120.0, 5m 200.0
        [section] *Next* look at dependencies and the platform, and freeze deployments until it is over; all numbers: `error-budget-monitor status`
    [text] Rollback started: shop/checkout goes back to aaaaaaaaaa: burn rate 1h 120.0, 5m 200.0
        [section] *Next* watch it: `error-budget-monitor status`
    [text] Rollback recovered: shop/checkout, the burn stopped: burn rate 1h 120.0, 5m 200.0
        [section] *Next* mend what was bad, then let it through: `error-budget-monitor release checkout-20261121t014503z-bbbbbbbb`
    [text] Rollback ineffective: shop/checkout, a person is needed: burn rate 1h 120.0, 5m 200.0
        [section] *Next* look for another cause; to go further back: `error-budget-monitor rollback gitops --to REV`
    [text] Rollback failed: shop/checkout, a person is needed: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see what stands in the way: `error-budget-monitor doctor`, then `error-budget-monitor rollback gitops --to aaaaaaaaaa`
    [text] Rollback superseded: shop/checkout, nothing of ours is there: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see how it stands: `error-budget-monitor status`
    [text] Approval needed: shop/checkout goes back to aaaaaaaaaa: burn rate 1h 120.0, 5m 200.0
        [section] *Next* `error-budget-monitor approve checkout-20261121t014503z-bbbbbbbb` or `error-budget-monitor reject checkout-20261121t014503z-bbbbbbbb` until 2026-11-21 02:15 UTC
    [text] Approval still needed: shop/checkout goes back to aaaaaaaaaa: burn rate 1h 120.0, 5m 200.0
        [section] *Next* `error-budget-monitor approve checkout-20261121t014503z-bbbbbbbb` or `error-budget-monitor reject checkout-20261121t014503z-bbbbbbbb` until 2026-11-21 02:15 UTC
    [text] Approval expired: shop/checkout, nothing was done: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see what stands in the way: `error-budget-monitor doctor`, then `error-budget-monitor rollback gitops --to aaaaaaaaaa`
    [text] Rollback rejected: shop/checkout, nothing was done: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see how it stands: `error-budget-monitor status`
    [text] Hold violated: shop/checkout runs a revision that was rolled back: burn rate 1h 120.0, 5m 200.0
        [section] *Next* find out who brought it back; if it is meant to be there: `error-budget-monitor release checkout-20261121t014503z-bbbbbbbb`
    [text] Suspicious commit: it says that it rolled shop/checkout back, and is not believed: burn rate 1h 120.0, 5m 200.0
        [section] *Next* find out who wrote it; nothing rests on it, and with TRAILER_KEY only what is signed does
    [text] Monitoring blind: shop/checkout cannot be measured: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see what is wrong: `error-budget-monitor doctor`
    [text] Monitoring sees again: shop/checkout: burn rate 1h 120.0, 5m 200.0
        -
    [text] Memory rebuilt: shop/checkout: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see how it stands: `error-budget-monitor status`
    [text] Burn over: shop/checkout burns no more: burn rate 1h 120.0, 5m 200.0
        [section] *Next* see how it stands: `error-budget-monitor status`
    ");
}

#[test]
fn the_thread_holds_gates_and_steps_and_the_message_above_it_does_not() {
    let news = news(NewsKind::Recovered);
    insta::assert_snapshot!(shown(&message(&news, Length::Glance)), @r"
    [text] Rollback recovered: shop/checkout, the burn stopped: burn rate 1h 120.0, 5m 200.0
    [header] Rollback recovered: shop/checkout, the burn stopped
    [section] *Proof* burn rate 1h 120.0, 5m 200.0
    *Revision* <https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|bbbbbbbbbb> checkout: v2 → <https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|aaaaaaaaaa>
    *Where* main of acme/deploy, apps/checkout
    *Commit* <https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc|cccccccccc>
    *Application* <https://argocd.example.com/applications/checkout|checkout>
    [section] *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical)
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    [section] *Next* mend what was bad, then let it through: `error-budget-monitor release checkout-20261121t014503z-bbbbbbbb`
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
    insta::assert_snapshot!(shown(&details(&news)), @r"
    [text] Rollback recovered: shop/checkout, the burn stopped: burn rate 1h 120.0, 5m 200.0
    [section] *Now* Rollback recovered: shop/checkout, the burn stopped
    *Proof* burn rate 1h 120.0, 5m 200.0
    [section] *Gates passed* data, burning, attribution
    *Not checked* approval
    *Limits left* 0 within the hour, 2 within the day
    [section] *Step* 2026-11-21 01:46:03 UTC gitops_revert done: pushed cccccccccc
    *Step* 2026-11-21 01:49:03 UTC verify pending: waiting for 2 min of calm
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
}

#[test]
fn hostile_text_breaks_no_limit_calls_nobody_and_leaves_no_span() {
    for text in hostile_texts() {
        for kind in KINDS {
            let news = hostile(kind, &text);
            for message in [
                message(&news, Length::Whole),
                message(&news, Length::Glance),
                details(&news),
            ] {
                keeps_the_limits(&message);
                is_tame(&message);
            }
        }
    }
}

#[track_caller]
fn keeps_the_limits(message: &SlackMessage) {
    let length = |text: &str| text.chars().count();
    assert!(length(&message.text) <= MAX_TEXT);
    assert!(!message.text.is_empty());
    assert!(message.blocks.len() <= 20);
    let mut total = 0;
    for block in &message.blocks {
        let most = if block["type"] == "header" {
            MAX_HEADER
        } else {
            MAX_SECTION
        };
        for text in texts(block) {
            assert!(!text.is_empty());
            assert!(length(text) <= most, "{} characters", length(text));
            total += length(text);
        }
    }
    assert!(total <= MAX_TOTAL, "{total} characters");
}

#[track_caller]
fn is_tame(message: &SlackMessage) {
    let shown = shown(message);
    // A header is plain text: nothing in it means anything.
    let (before, after) = shown.split_once("[section]").expect("a section");
    let marked = format!("{} {after}", before.lines().next().unwrap_or_default());
    for call in ["<!", "<@", "<#", "<https://evil"] {
        assert!(!marked.contains(call), "{shown}");
    }
    let is_wild = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!shown.contains(is_wild), "{shown:?}");
    for block in &message.blocks {
        for text in texts(block) {
            if block["type"] == "header" {
                continue;
            }
            // Every backtick is ours, so they come in pairs on a line.
            let is_paired = |line: &str| line.matches('`').count().is_multiple_of(2);
            assert!(text.lines().all(is_paired), "{text}");
            for (at, _) in text.match_indices('&') {
                let entity = ["&amp;", "&lt;", "&gt;"]
                    .iter()
                    .any(|entity| text[at..].starts_with(entity));
                assert!(entity, "{text}");
            }
        }
    }
}
