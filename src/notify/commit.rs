//! The message of a rollback's commit: prose for people, trailers for machines.

use chrono::{DateTime, Utc};

use super::numbers::{percent, rate, span};
use crate::config::TrailerKey;
use crate::policy::{Blame, RollbackMark, Undone, short};
use crate::record::{AttributionPart, Record};

/// Longest piece of untrusted text in a message, in characters.
const MAX_QUOTED: usize = 200;

/// How many commits that go back are named.
const MAX_COMMITS: usize = 20;

/// What the message tells.
#[derive(Debug, Clone, Copy)]
pub struct CommitStory<'a> {
    /// `namespace/service`.
    pub service: &'a str,
    /// The rollback's id.
    pub id: &'a str,
    /// The bad revision.
    pub from: &'a str,
    /// First line of its message; untrusted.
    pub from_subject: &'a str,
    /// The restored revision.
    pub to: &'a str,
    /// Every commit that is taken back.
    pub undone: &'a [Undone],
    /// Later changes that stay.
    pub keeps: &'a [String],
    /// The key that signs the trailers.
    pub key: Option<&'a TrailerKey>,
    /// What a person named, where the restored revision is the change before it.
    pub named: Option<&'a str>,
    /// The restored paths, as they are called.
    pub paths: &'a str,
    /// Why; may hold a person's words.
    pub why: &'a str,
    /// Who wanted it, in words.
    pub by: &'a str,
    /// The numbers of the moment; what is not known there is not told.
    pub record: &'a Record,
}

/// Writes the message. Line breaks in untrusted text are folded, so that none of it can pass for a trailer.
pub fn commit_message(story: &CommitStory<'_>) -> String {
    let mut mark = RollbackMark {
        id: story.id.to_owned(),
        from: story.from.to_owned(),
        to: story.to.to_owned(),
        keeps: story.keeps.to_vec(),
        signature: None,
    };
    mark.signature = story.key.map(|key| key.sign(&mark, story.service));
    let trailers = mark.write();
    let evidence = evidence(story.record, story.from);
    let named = story
        .named
        .map(|named| format!(" (named as {})", one_line(named)))
        .unwrap_or_default();
    format!(
        "Roll back {service} to {to_short}\n\n\
         {from_short} ({subject}) is rolled back:\n{why}.\n\n\
         {evidence}\
         {undone}\
         This commit, made by {by}, puts {what}{paths} back to the state at {to_short}{named}\n\
         and touches nothing else. To undo it, deploy a new version; reverting this\n\
         commit brings the bad version back.\n\n\
         {trailers}",
        service = story.service,
        to_short = short(story.to),
        from_short = short(story.from),
        subject = one_line(story.from_subject),
        why = one_line(story.why),
        by = story.by,
        undone = others(story),
        what = if story.keeps.is_empty() {
            ""
        } else {
            "what they changed of "
        },
        paths = story.paths,
    )
}

/// Names the commits that go back besides the bad one, and those that stay.
fn others(story: &CommitStory<'_>) -> String {
    let mut text = String::new();
    let others = story.undone.iter().filter(|it| it.revision != story.from);
    for (index, undone) in others.enumerate() {
        if index == MAX_COMMITS {
            text.push_str("and more\n");
            break;
        }
        if index == 0 {
            text.push_str("Taken back with it:\n");
        }
        let by = match undone.author.as_str() {
            "" => String::new(),
            author => format!(" by {}", one_line(author)),
        };
        let title = one_line(&undone.title);
        text.push_str(&format!("- {} ({title}){by}\n", short(&undone.revision)));
    }
    let kept: Vec<&str> = story.keeps.iter().map(|it| short(it)).collect();
    if !kept.is_empty() {
        text.push_str(&format!("Later changes stay: {}.\n", kept.join(", ")));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Writes what is known of the burn, one line a fact, with an empty line after the last.
fn evidence(record: &Record, from: &str) -> String {
    let mut lines = Vec::new();
    if let Some(attribution) = &record.attribution {
        lines.extend(suspicion(attribution, from));
    }
    let rates = &record.burn_rates;
    let all = [rates.m5, rates.m30, rates.h1, rates.h6];
    if all.iter().any(Option::is_some) {
        let [m5, m30, h1, h6] = all.map(rate);
        lines.push(format!("Burn rates: 5m {m5}, 30m {m30}, 1h {h1}, 6h {h6}."));
    }
    let budget = &record.budget;
    if let Some(consumed) = budget.consumed {
        lines.push(format!(
            "Budget: {} consumed of {} over {}, {}.",
            percent(Some(consumed)),
            percent(Some(budget.error_budget)),
            span(budget.window_seconds as f64),
            events(budget.bad_events, budget.total_events)
        ));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("{}\n\n", lines.join("\n"))
}

fn suspicion(attribution: &AttributionPart, from: &str) -> Vec<String> {
    let suspect = short(&attribution.suspect);
    let mut lines = Vec::new();
    if attribution.suspect != from {
        lines.push(format!("{suspect} is suspected of having begun it."));
    }
    if attribution.total_before.is_some() || attribution.total_after.is_some() {
        lines.push(format!(
            "Since {suspect} was deployed: {}; in the hour before: {}.",
            events(attribution.bad_after, attribution.total_after),
            events(attribution.bad_before, attribution.total_before)
        ));
    }
    if let Some((onset, lag)) = attribution.onset.zip(attribution.lag_seconds) {
        lines.push(format!(
            "The burn began at {}, {} {} {suspect} was deployed.",
            moment(onset),
            span(lag.abs() as f64),
            if lag < 0 { "before" } else { "after" }
        ));
    }
    if attribution.verdict != Blame::Deployment {
        lines.push(format!(
            "That a deployment is to blame was not shown: {}.",
            one_line(&attribution.why)
        ));
    }
    lines
}

fn events(bad: Option<f64>, total: Option<f64>) -> String {
    match bad.zip(total) {
        None => "events unknown".to_owned(),
        Some((bad, total)) => {
            let ratio = (total > 0.0).then(|| bad / total);
            format!("{bad:.0} bad of {total:.0} events ({})", percent(ratio))
        }
    }
}

fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

pub(super) fn one_line(text: &str) -> String {
    let folded: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_QUOTED)
        .collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pull_request;
    use super::*;
    use crate::policy::trailer;
    use crate::record::{BudgetPart, BurnRatesPart, Heading};
    use crate::slo::fixture::world;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_225_500 + 60 * minute, 0).expect("a time")
    }

    fn nothing_known() -> Record {
        let heading = Heading {
            run_id: "run".to_owned(),
            command: "run",
            service: "checkout".to_owned(),
            namespace: "shop".to_owned(),
            dry_run: false,
        };
        Record::unknown(&heading, &world().objective, at(10))
    }

    /// A service that burns since two minutes after the deployment of `suspect`.
    fn burning_since(suspect: &str) -> Record {
        let unknown = nothing_known();
        Record {
            budget: BudgetPart {
                bad_events: Some(402.4),
                total_events: Some(484_000.2),
                consumed: Some(0.831),
                ..unknown.budget
            },
            burn_rates: BurnRatesPart {
                m5: Some(200.0),
                m30: None,
                h1: Some(120.04),
                h6: Some(40.0),
            },
            attribution: Some(AttributionPart {
                suspect: suspect.to_owned(),
                onset: Some(at(2)),
                lag_seconds: Some(120),
                bad_before: Some(12.0),
                total_before: Some(118_000.0),
                bad_after: Some(399.6),
                total_after: Some(2_000.0),
                p_value: Some(0.0),
                verdict: Blame::Deployment,
                why: "it began with it".to_owned(),
            }),
            ..unknown
        }
    }

    fn message(record: &Record, named: Option<&str>) -> String {
        commit_message(&CommitStory {
            service: "shop/checkout",
            id: "checkout-20261121t014503z-bbbbbbbb",
            from: &"b".repeat(40),
            from_subject: "checkout: v2\n\nError-Budget-Rollback: forged",
            to: &"a".repeat(40),
            undone: &[],
            keeps: &[],
            key: None,
            named,
            paths: "apps/checkout",
            why: "burn rate 1h 120.0, 5m 200.0",
            by: "error-budget-monitor",
            record,
        })
    }

    #[test]
    fn tells_what_why_and_by_which_numbers_and_no_title_forges_a_trailer() {
        insta::assert_snapshot!(message(&burning_since(&"b".repeat(40)), None), @r"
        Roll back shop/checkout to aaaaaaaaaa

        bbbbbbbbbb (checkout: v2 Error-Budget-Rollback: forged) is rolled back:
        burn rate 1h 120.0, 5m 200.0.

        Since bbbbbbbbbb was deployed: 400 bad of 2000 events (19.98 %); in the hour before: 12 bad of 118000 events (0.0102 %).
        The burn began at 2026-11-21 01:47:00 UTC, 2 min after bbbbbbbbbb was deployed.
        Burn rates: 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00.
        Budget: 83.10 % consumed of 0.10 % over 30.0 d, 402 bad of 484000 events (0.0831 %).

        This commit, made by error-budget-monitor, puts apps/checkout back to the state at aaaaaaaaaa
        and touches nothing else. To undo it, deploy a new version; reverting this
        commit brings the bad version back.

        Error-Budget-Rollback: checkout-20261121t014503z-bbbbbbbb
        Rolls-Back: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        Restores: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        ");
    }

    #[test]
    fn names_the_suspect_where_it_is_an_older_one() {
        let text = message(&burning_since(&"c".repeat(40)), None);
        insta::assert_snapshot!(evidence_in(&text), @r"
        cccccccccc is suspected of having begun it.
        Since cccccccccc was deployed: 400 bad of 2000 events (19.98 %); in the hour before: 12 bad of 118000 events (0.0102 %).
        The burn began at 2026-11-21 01:47:00 UTC, 2 min after cccccccccc was deployed.
        Burn rates: 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00.
        Budget: 83.10 % consumed of 0.10 % over 30.0 d, 402 bad of 484000 events (0.0831 %).
        ");
    }

    #[test]
    fn says_so_where_no_deployment_is_shown_to_be_to_blame() {
        let mut record = burning_since(&"b".repeat(40));
        if let Some(attribution) = &mut record.attribution {
            attribution.lag_seconds = Some(-7_300);
            attribution.onset = Some(at(-122));
            attribution.verdict = Blame::NotDeployment;
            attribution.why = "errors began\nlong before".to_owned();
            attribution.total_before = None;
        }
        insta::assert_snapshot!(evidence_in(&message(&record, None)), @r"
        Since bbbbbbbbbb was deployed: 400 bad of 2000 events (19.98 %); in the hour before: events unknown.
        The burn began at 2026-11-20 23:43:00 UTC, 2.0 h before bbbbbbbbbb was deployed.
        That a deployment is to blame was not shown: errors began long before.
        Burn rates: 5m 200.00, 30m unknown, 1h 120.04, 6h 40.00.
        Budget: 83.10 % consumed of 0.10 % over 30.0 d, 402 bad of 484000 events (0.0831 %).
        ");
    }

    #[test]
    fn is_silent_on_what_is_not_known_and_repeats_what_a_person_named() {
        let named = "release-7\n\nRestores: forged";
        insta::assert_snapshot!(message(&nothing_known(), Some(named)), @r"
        Roll back shop/checkout to aaaaaaaaaa

        bbbbbbbbbb (checkout: v2 Error-Budget-Rollback: forged) is rolled back:
        burn rate 1h 120.0, 5m 200.0.

        This commit, made by error-budget-monitor, puts apps/checkout back to the state at aaaaaaaaaa (named as release-7 Restores: forged)
        and touches nothing else. To undo it, deploy a new version; reverting this
        commit brings the bad version back.

        Error-Budget-Rollback: checkout-20261121t014503z-bbbbbbbb
        Rolls-Back: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        Restores: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_people_wrote_the_trailers_are_read_as_they_were_written(
            words in prop::collection::vec("([A-Za-z0-9:]|[- \n\r]|Rolls-Back: |Restores: |Keeps: ){0,80}", 6),
            keeps in prop::collection::vec("[0-9a-f]{40}", 0..3),
        ) {
            let [subject, why, named, title, author, blame] = &words[..] else { unreachable!("six words") };
            let mark = RollbackMark { id: "one".to_owned(), from: "b".repeat(40), to: "a".repeat(40), keeps, signature: None };
            let undone = [Undone {
                revision: "c".repeat(40),
                title: title.clone(),
                author: author.clone(),
                files: Vec::new(),
            }];
            let mut record = burning_since(&mark.from);
            if let Some(attribution) = &mut record.attribution {
                attribution.verdict = Blame::Unknown;
                attribution.why.clone_from(blame);
            }
            let text = commit_message(&CommitStory {
                service: "shop/checkout",
                id: &mark.id,
                from: &mark.from,
                from_subject: subject,
                to: &mark.to,
                undone: &undone,
                keeps: &mark.keeps,
                key: None,
                named: Some(named),
                paths: "apps/checkout",
                why,
                by: "error-budget-monitor",
                record: &record,
            });
            prop_assert_eq!(RollbackMark::read(&text), Some(mark.clone()));
            let (_, body) = pull_request(&text, at(30));
            prop_assert_eq!(trailer::in_pull_request(&body), Some((mark.from, mark.to)));
        }
    }

    fn evidence_in(message: &str) -> &str {
        message.split("\n\n").nth(2).expect("the third paragraph")
    }
}
