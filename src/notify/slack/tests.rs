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
        .map(|object| {
            let text = object["text"].as_str().or(object["text"]["text"].as_str());
            text.expect("a text")
        })
        .collect()
}

fn whole(kind: NewsKind) -> String {
    shown(&message(&news(kind)))
}

#[test]
fn shows_a_rollback_that_was_started() {
    insta::assert_snapshot!(whole(NewsKind::Started), @r"
    [text] Rollback started: shop/checkout goes back to aaaaaaaaaa: checkout is being put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
    [header] Rollback started: shop/checkout goes back to aaaaaaaaaa
    [section] checkout is being put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
    *Next* nothing to do: the proof is awaited; to watch it: `error-budget-monitor status`
    [section] *Change* <https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|bbbbbbbbbb> “checkout: v2” by Ann, 34 min old → <https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|aaaaaaaaaa> “checkout: v1, faster cart” by Bob, 31.0 d old
    *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    *Violated* error_rate
    [actions] bad revision bbbbbbbbbb restored revision aaaaaaaaaa what it changed commit of the rollback cccccccccc application checkout dashboard
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
}

#[test]
fn shows_a_rollback_that_is_held_back() {
    insta::assert_snapshot!(whole(NewsKind::Held), @r"
    [text] Rollback held: shop/checkout, not_attributable: burn rate 1h 120.0, 5m 200.0
    [header] Rollback held: shop/checkout, not_attributable
    [section] burn rate 1h 120.0, 5m 200.0
    *Next* look at dependencies and the platform, and freeze deployments until it is over; all numbers: `error-budget-monitor status`
    [section] *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    *Violated* error_rate
    [actions] dashboard
    [context] 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
}

#[test]
fn shows_what_waits_for_approval_with_both_answers_or_the_pull_request() {
    insta::assert_snapshot!(whole(NewsKind::ApprovalNeeded), @r"
    [text] Approval needed: shop/checkout goes back to aaaaaaaaaa: checkout would be put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
    [header] Approval needed: shop/checkout goes back to aaaaaaaaaa
    [section] checkout would be put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
    *Next* `error-budget-monitor approve bbbbbbbb` or `error-budget-monitor reject bbbbbbbb` until 2026-11-21 02:15 UTC
    [section] *Change* <https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|bbbbbbbbbb> “checkout: v2” by Ann, 34 min old → <https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|aaaaaaaaaa> “checkout: v1, faster cart” by Bob, 31.0 d old
    *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    *Violated* error_rate
    [section] *Diff* 1 file, 1 lines in, 1 lines out
    ```
    diff --git a/apps/checkout/deployment.yaml b/apps/checkout/deployment.yaml
    --- a/apps/checkout/deployment.yaml
    +++ b/apps/checkout/deployment.yaml
    @@ -13,3 +13,3 @@ spec:
             - name: checkout
    -          image: registry.example/checkout:v2
    +          image: registry.example/checkout:v1
               env:
    ```
    [actions] bad revision bbbbbbbbbb restored revision aaaaaaaaaa what it changed commit of the rollback cccccccccc application checkout dashboard
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
    let mut news = news(NewsKind::ApprovalNeeded);
    let rollback = news.rollback.as_mut().expect("a plan");
    rollback.pull_request_url = Some("https://github.com/acme/deploy/pull/7".to_owned());
    let text = shown(&message(&news));
    let next = text.lines().find(|line| line.contains("*Next*"));
    insta::assert_snapshot!(next.expect("a next step"), @"*Next* merge to approve, close to reject: <https://github.com/acme/deploy/pull/7|the pull request> until 2026-11-21 02:15 UTC");
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
        *Next* look at the service; all numbers: `error-budget-monitor status`
    [text] Rollback held: shop/checkout, not_attributable: burn rate 1h 120.0, 5m 200.0
        *Next* look at dependencies and the platform, and freeze deployments until it is over; all numbers: `error-budget-monitor status`
    [text] Rollback started: shop/checkout goes back to aaaaaaaaaa: checkout is being put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
        *Next* nothing to do: the proof is awaited; to watch it: `error-budget-monitor status`
    [text] Rollback recovered: shop/checkout, the burn stopped: checkout is back at “checkout: v1, faster cart”, and the burn stopped: burn rate 1h 120.0, 5m 200.0
        *Next* repair what was bad, then let it through: `error-budget-monitor release bbbbbbbb`
    [text] Rollback ineffective: shop/checkout, a person is needed: checkout was put back to “checkout: v1, faster cart”, and it did not help: burn rate 1h 120.0, 5m 200.0
        *Next* look for another cause; to go further back: `error-budget-monitor rollback gitops --to REV`
    [text] Rollback failed: shop/checkout, a person is needed: checkout could not be put back to “checkout: v1, faster cart”: burn rate 1h 120.0, 5m 200.0
        *Next* see what stands in the way: `error-budget-monitor doctor`, then `error-budget-monitor rollback gitops --to aaaaaaaaaa`
    [text] Rollback superseded: shop/checkout, nothing of ours is there: checkout was not put back to “checkout: v1, faster cart”: burn rate 1h 120.0, 5m 200.0
        *Next* see how it stands: `error-budget-monitor status`
    [text] Approval needed: shop/checkout goes back to aaaaaaaaaa: checkout would be put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
        *Next* `error-budget-monitor approve bbbbbbbb` or `error-budget-monitor reject bbbbbbbb` until 2026-11-21 02:15 UTC
    [text] Approval still needed: shop/checkout goes back to aaaaaaaaaa: checkout would be put back to “checkout: v1, faster cart” because 20.00 % of requests fail since 01:25 UTC, 4 min after “checkout: v2”
        *Next* `error-budget-monitor approve bbbbbbbb` or `error-budget-monitor reject bbbbbbbb` until 2026-11-21 02:15 UTC
    [text] Approval expired: shop/checkout, nothing was done: checkout was not put back to “checkout: v1, faster cart”: burn rate 1h 120.0, 5m 200.0
        *Next* see what stands in the way: `error-budget-monitor doctor`, then `error-budget-monitor rollback gitops --to aaaaaaaaaa`
    [text] Rollback rejected: shop/checkout, nothing was done: checkout was not put back to “checkout: v1, faster cart”: burn rate 1h 120.0, 5m 200.0
        *Next* see how it stands: `error-budget-monitor status`
    [text] Hold violated: shop/checkout runs a revision that was rolled back: burn rate 1h 120.0, 5m 200.0
        *Next* find out who brought it back; if it is meant to be there: `error-budget-monitor release bbbbbbbb`
    [text] Suspicious commit: it says that it rolled shop/checkout back, and is not believed: burn rate 1h 120.0, 5m 200.0
        *Next* find out who wrote it; nothing rests on it, and with TRAILER_KEY only what is signed does
    [text] Monitoring blind: shop/checkout cannot be measured: burn rate 1h 120.0, 5m 200.0
        *Next* see what is wrong: `error-budget-monitor doctor`
    [text] Monitoring sees again: shop/checkout: burn rate 1h 120.0, 5m 200.0
        *Next* nothing to do
    [text] Memory rebuilt: shop/checkout: burn rate 1h 120.0, 5m 200.0
        *Next* see how it stands: `error-budget-monitor status`
    [text] Burn over: shop/checkout burns no more: burn rate 1h 120.0, 5m 200.0
        *Next* nothing to do
    ");
}

#[test]
fn the_thread_holds_gates_and_steps_and_the_message_above_it_does_not() {
    let news = news(NewsKind::Recovered);
    insta::assert_snapshot!(shown(&message(&news)), @r"
    [text] Rollback recovered: shop/checkout, the burn stopped: checkout is back at “checkout: v1, faster cart”, and the burn stopped: burn rate 1h 120.0, 5m 200.0
    [header] Rollback recovered: shop/checkout, the burn stopped
    [section] checkout is back at “checkout: v1, faster cart”, and the burn stopped: burn rate 1h 120.0, 5m 200.0
    *Next* repair what was bad, then let it through: `error-budget-monitor release bbbbbbbb`
    [section] *Change* <https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|bbbbbbbbbb> “checkout: v2” by Ann, 34 min old → <https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|aaaaaaaaaa> “checkout: v1, faster cart” by Bob, 31.0 d old
    *Budget* 83.10 % consumed of 0.10 % over 30.0 d (critical)
    *Last hour* ▁▁▁▁▃▆█· errors up to 20.00 %
    [actions] bad revision bbbbbbbbbb restored revision aaaaaaaaaa what it changed commit of the rollback cccccccccc application checkout dashboard
    [context] rollback checkout-20261121t014503z-bbbbbbbb · 2026-11-21 01:49:03 UTC · run error-budget-monitor-29389425
    ");
    insta::assert_snapshot!(shown(&details(&news)), @r"
    [text] Rollback recovered: shop/checkout, the burn stopped: checkout is back at “checkout: v1, faster cart”, and the burn stopped: burn rate 1h 120.0, 5m 200.0
    [section] *Now* Rollback recovered: shop/checkout, the burn stopped
    *Proof* burn rate 1h 120.0, 5m 200.0
    [section] *Where* main of acme/deploy, apps/checkout
    *Commit* <https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc|cccccccccc>
    *Application* <https://argocd.example.com/applications/checkout|checkout>
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
            for message in [message(&news), details(&news)] {
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
    // A header and a button are plain text: nothing in them means anything.
    let (before, after) = shown.split_once("[section]").expect("a section");
    let after = after.lines().filter(|line| !line.starts_with("[actions]"));
    let after = after.collect::<Vec<_>>().join("\n");
    let marked = format!("{} {after}", before.lines().next().unwrap_or_default());
    for call in ["<!", "<@", "<#", "<https://evil"] {
        assert!(!marked.contains(call), "{shown}");
    }
    let is_wild = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!shown.contains(is_wild), "{shown:?}");
    for block in &message.blocks {
        for text in texts(block) {
            if block["type"] == "header" || block["type"] == "actions" {
                continue;
            }
            // Every backtick is ours, so they come in pairs on a line.
            let is_paired =
                |line: &str| line == "```" || line.matches('`').count().is_multiple_of(2);
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

/// Writes a message as a person reads it: without links, marks and ids.
fn read(message: &SlackMessage) -> String {
    let mut lines = Vec::new();
    for block in &message.blocks {
        match block["type"].as_str() {
            Some("actions") => {
                let buttons = texts(block).into_iter().map(|text| format!("[{text}]"));
                lines.push(buttons.collect::<Vec<_>>().join(" "));
            }
            Some("context") => {}
            _ => lines.push(texts(block).join(" ")),
        }
    }
    let text = lines.join("\n").replace(['*', '`'], "");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once('<') {
        let (link, after) = link.split_once('>').expect("a link ends");
        plain.push_str(before);
        plain.push_str(link.split_once('|').expect("a link has a text").1);
        rest = after;
    }
    plain + rest
}

#[test]
fn the_documents_show_the_message_as_it_is() {
    let message = read(&message(&news(NewsKind::Started)));
    for (name, document) in [
        ("README.md", include_str!("../../../README.md")),
        (
            "docs/messages.md",
            include_str!("../../../docs/messages.md"),
        ),
    ] {
        let sample = format!("```text\n{message}\n```");
        assert!(document.contains(&sample), "{name} should show:\n{sample}");
    }
}

#[test]
fn the_picture_shows_the_message_as_it_is() {
    let picture = include_str!("../../../docs/pictures/slack.svg");
    let mut words = String::new();
    for line in picture.lines().filter(|line| line.contains("<text ")) {
        for piece in line.split('<').skip(1) {
            words.push_str(piece.split_once('>').expect("an element ends").1);
        }
        words.push('\n');
    }
    let message = read(&message(&news(NewsKind::Started)));
    let lines = message.lines().flat_map(|line| {
        let buttons = line.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let whole = buttons.unwrap_or(line);
        whole.split("] [").map(str::to_owned).collect::<Vec<_>>()
    });
    let lines: Vec<String> = lines.collect();
    assert_eq!(words.lines().collect::<Vec<_>>(), lines);
}
