//! The ticket as people see it, and what hostile text does to it.

use super::*;
use crate::notify::fixture::{at, hostile, hostile_texts, news, rollback};

fn body_of(kind: NewsKind) -> String {
    body(&news(kind), &rollback())
}

#[test]
fn the_body_is_the_draft_of_a_post_mortem() {
    insta::assert_snapshot!(body_of(NewsKind::Started), @r"
    This is the draft of a post-mortem. The program keeps it up to date until a person changes it.

    ## Summary

    Rollback started: shop/checkout goes back to aaaaaaaaaa.

    `checkout` is being put back to `“checkout: v1, faster cart”` because 20.00 % of requests fail since 01:25 UTC, 4 min after `“checkout: v2”`

    - **Revision**: [bbbbbbbbbb](https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb) `checkout: v2` → [aaaaaaaaaa](https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
    - **Where**: `main of acme/deploy, apps/checkout`
    - **Commit**: [cccccccccc](https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc)
    - **Application**: [checkout](https://argocd.example.com/applications/checkout)

    ## Impact

    - **Budget**: 35.9 of 43.2 budget minutes (as if nothing had worked for that long)
    - **Events**: 402 bad of 484000 events in 30.0 d
    - **Since the rollback began**: 4 min, so far, and not over

    ## Timeline (UTC)

    - 2026-11-21 01:45:03 UTC rollback begun
    - `2026-11-21 01:46:03 UTC gitops_revert done: pushed cccccccccc`
    - `2026-11-21 01:49:03 UTC verify pending: waiting for 2 min of calm`
    - 2026-11-21 01:49:03 UTC Rollback started: shop/checkout goes back to aaaaaaaaaa

    ## Trigger and evidence

    - **Why**: `burn rate 1h 120.0, 5m 200.0`
    - **Budget**: 83.10 % consumed of 0.10 % over 30.0 d (critical), gone in 18 min
    - **Burn rate**: 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00
    - **Last hour**: ▁▁▁▁▃▆█· errors up to 20.00 %
    - **Violated**: `error_rate`
    - **Gates passed**: `data, burning, attribution`
    - **Not checked**: `approval`
    - **Limits left**: 0 within the hour, 2 within the day

    ## What was done

    The program began the rollback by itself.

    - [bad revision bbbbbbbbbb](https://github.com/acme/deploy/commit/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)
    - [restored revision aaaaaaaaaa](https://github.com/acme/deploy/commit/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
    - [what it changed](https://github.com/acme/deploy/compare/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)
    - [commit of the rollback cccccccccc](https://github.com/acme/deploy/commit/cccccccccccccccccccccccccccccccccccccccc)
    - [application checkout](https://argocd.example.com/applications/checkout)
    - [dashboard](https://grafana.example.com/d/checkout)
    - **Next**: nothing to do: the proof is awaited; to watch it: `error-budget-monitor status`

    ## Cause

    _To be written by a person._

    ## Action items

    _To be written by a person._

    ## Lessons

    _To be written by a person._

    <!-- rollback-id: checkout-20261121t014503z-bbbbbbbb -->
    <!-- draft: 3e3ee5561bf358cc2f04f87e634ea89e -->
    ");
}

#[test]
fn a_comment_says_what_changed() {
    insta::assert_snapshot!(comment(&news(NewsKind::Recovered)), @r"
    **Rollback recovered: shop/checkout, the burn stopped**

    `checkout` is back at `“checkout: v1, faster cart”`, and the burn stopped: `burn rate 1h 120.0, 5m 200.0`

    - **Proof**: `burn rate 1h 120.0, 5m 200.0`
    - **Budget**: 83.10 % consumed of 0.10 % over 30.0 d (critical)
    - **Last hour**: ▁▁▁▁▃▆█· errors up to 20.00 %
    - **Next**: repair what was bad, then let it through: `error-budget-monitor release bbbbbbbb`

    - `2026-11-21 01:46:03 UTC gitops_revert done: pushed cccccccccc`
    - `2026-11-21 01:49:03 UTC verify pending: waiting for 2 min of calm`

    2026-11-21 01:49:03 UTC, run `error-budget-monitor-29389425`

    <!-- news-id: checkout-20261121t014503z-bbbbbbbb/recovered -->
    ");
}

#[test]
fn the_title_names_service_and_rollback() {
    insta::assert_snapshot!(title(&news(NewsKind::Started)), @"Rollback of shop/checkout: checkout-20261121t014503z-bbbbbbbb");
}

#[test]
fn a_body_that_a_person_changed_is_known() {
    let body = body_of(NewsKind::Started);
    let ours = rollback();
    assert!(is_untouched(&body, &ours));
    // GitHub takes blanks away at the end.
    assert!(is_untouched(body.trim_end(), &ours));
    let changed = body.replace("_To be written by a person._", "A missing index.");
    assert!(!is_untouched(&changed, &ours));
    assert!(!is_untouched("", &ours));
    let other = NewsRollback {
        id: "other".to_owned(),
        ..rollback()
    };
    assert!(!is_untouched(&body, &other));
}

#[test]
fn hostile_text_breaks_no_limit_calls_nobody_and_hides_no_line() {
    for text in hostile_texts() {
        for kind in [NewsKind::Started, NewsKind::Recovered] {
            let news = hostile(kind, &text);
            let ours = news.rollback.as_ref().expect("a rollback");
            let (body, comment) = (body(&news, ours), comment(&news));
            for written in [&body, &comment] {
                assert!(written.chars().count() <= MAX_BODY);
                is_tame(written);
            }
            assert!(title(&news).chars().count() <= MAX_TITLE);
            assert!(is_untouched(&body, ours));
            let hidden = body.lines().filter(|line| line.starts_with("<!--")).count();
            assert_eq!(hidden, 2, "{body}");
        }
    }
}

/// Checks that outside of code no mention, reference, HTML or image is left.
#[track_caller]
fn is_tame(text: &str) {
    for line in text.lines().filter(|line| !line.starts_with("<!-- ")) {
        let outside: String = line.split('`').step_by(2).collect();
        let outside = without_destinations(&outside.replace("\\[", "").replace("\\]", ""));
        assert!(line.matches('`').count().is_multiple_of(2), "{line}");
        for wild in ["@acme", "#1", "<img", "<!--", "!["] {
            assert!(!outside.contains(wild), "{line}");
        }
    }
}

/// Takes out where links lead: only their texts are read as words.
fn without_destinations(line: &str) -> String {
    let mut parts = line.split("](https://");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| {
        kept + part.split_once(')').expect("a link ends").1
    })
}

#[test]
fn a_later_time_makes_a_newer_draft() {
    let mut later = news(NewsKind::Recovered);
    later.at = at(9);
    assert_ne!(body_of(NewsKind::Recovered), body(&later, &rollback()));
}
