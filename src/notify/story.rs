//! What all channels share beside the sentence: what a change is called, what there is to say about it, and what a
//! person does next.

use super::advice::next_step;
use super::numbers::{percent, rate, span};
use super::piece::{Line, MAX_VALUE, TextPiece, clean, clipped, highest, moment, sparkline};
use crate::journal::{
    CommitWords, News, NewsGate, NewsKind, NewsRollback, ServiceStanding, short_id,
};
use crate::policy::{GateState, Reason, short};
use crate::record::level_word;
use crate::redact::is_unseen;
use chrono::{DateTime, Utc};

/// Longest detail of a step (characters).
const MAX_DETAIL: usize = 400;

/// Says in one line what changed, beginning with the words of the contract.
pub(super) fn headline(news: &News) -> String {
    let service = format!("{}/{}", clean(&news.namespace), clean(&news.service));
    let back_to = match &news.rollback {
        Some(rollback) => format!("{service} goes back to {}", short(&rollback.to)),
        None => service.clone(),
    };
    match news.kind {
        NewsKind::LevelCrossed => format!(
            "Budget at level {}: {service}, {} consumed",
            level_word(news.standing.level),
            percent(news.standing.consumed)
        ),
        NewsKind::Held => format!("Rollback held: {service}, {}", news.reason),
        NewsKind::Started => format!("Rollback started: {back_to}"),
        NewsKind::Recovered => format!("Rollback recovered: {service}, the burn stopped"),
        NewsKind::Ineffective if made_it_worse(news) => {
            format!("Rollback ineffective: {service} fails more than before, a person is needed")
        }
        NewsKind::Ineffective => format!("Rollback ineffective: {service}, a person is needed"),
        NewsKind::Failed => format!("Rollback failed: {service}, a person is needed"),
        NewsKind::Superseded => format!("Rollback superseded: {service}, nothing of ours is there"),
        NewsKind::ApprovalNeeded => format!("Approval needed: {back_to}"),
        NewsKind::ApprovalHalfTime => format!("Approval still needed: {back_to}"),
        NewsKind::ApprovalExpired => format!("Approval expired: {service}, nothing was done"),
        NewsKind::Rejected => format!("Rollback rejected: {service}, nothing was done"),
        NewsKind::HoldViolated => {
            format!("Hold violated: {service} runs a revision that was rolled back")
        }
        NewsKind::SuspiciousCommit => {
            format!("Suspicious commit: it says that it rolled {service} back, and is not believed")
        }
        NewsKind::Blind => format!("Monitoring blind: {service} cannot be measured"),
        NewsKind::Seeing => format!("Monitoring sees again: {service}"),
        NewsKind::MemoryRebuilt => format!("Memory rebuilt: {service}"),
        NewsKind::BurnOver => format!("Burn over: {service} burns no more"),
    }
}

/// Tells whether the service is proven to fail more since the rollback.
fn made_it_worse(news: &News) -> bool {
    news.rollback
        .as_ref()
        .is_some_and(|rollback| rollback.worse)
}

/// Most facts in a message: more are not read at night.
const MAX_FACTS: usize = 6;

/// Says what else one has to know, the most telling first; everything beyond stands in the thread, the ticket and
/// `status`.
pub(super) fn facts(news: &News) -> Vec<Line> {
    let mut facts: Vec<Line> = news.rollback.iter().map(|it| change(it, news.at)).collect();
    let all = numbers(news);
    let pick = |labels: &[&str]| -> Vec<Line> {
        let picked = all.iter().filter(|line| labels.contains(&line.label));
        picked.cloned().collect()
    };
    facts.extend(pick(&["Last hour", "Budget"]));
    if let Some(rollback) = news.rollback.as_ref().filter(|it| !it.also.is_empty()) {
        let also = TextPiece::Said(rollback.also.join("; "));
        facts.push(Line::new("Goes back too", [also]));
    }
    facts.extend(pick(&["Violated", "Fails most"]));
    facts.truncate(MAX_FACTS);
    facts
}

/// Says what everything is about that no fact of a message is.
pub(super) fn besides(news: &News) -> Vec<Line> {
    let facts: Vec<&str> = facts(news).iter().map(|fact| fact.label).collect();
    let mut lines = news.rollback.as_ref().map(revisions).unwrap_or_default();
    lines.retain(|line| line.label != "Revision");
    lines.extend(numbers(news));
    lines.retain(|line| !facts.contains(&line.label));
    lines
}

/// Names both revisions: title, author and age.
fn change(rollback: &NewsRollback, at: DateTime<Utc>) -> Line {
    let side = |id: &str, url: &Option<String>, words: Option<&CommitWords>| {
        let mut pieces = vec![TextPiece::link(short(id), url.as_deref())];
        let Some(words) = words else { return pieces };
        let mut said = String::new();
        if !words.title.is_empty() {
            said.push_str(&format!(" “{}”", clipped(&words.title, MAX_VALUE)));
        }
        if !words.author.is_empty() {
            said.push_str(&format!(" by {}", clipped(&words.author, MAX_VALUE)));
        }
        if let Some(age) = words
            .at
            .map(|then| (at - then).num_seconds())
            .filter(|age| *age >= 0)
        {
            said.push_str(&format!(", {} old", span(age as f64)));
        }
        if !said.is_empty() {
            pieces.push(TextPiece::Words(" ".to_owned()));
            pieces.push(TextPiece::Said(said.trim_start().to_owned()));
        }
        pieces
    };
    let known = rollback.words.as_ref();
    let subject = CommitWords {
        title: rollback.from_subject.clone(),
        ..CommitWords::default()
    };
    let from = known.map_or(&subject, |known| &known.from);
    let mut pieces = side(&rollback.from, &rollback.from_url, Some(from));
    pieces.push(TextPiece::Words(" → ".to_owned()));
    pieces.extend(side(
        &rollback.to,
        &rollback.to_url,
        known.map(|known| &known.to),
    ));
    Line::new("Change", pieces)
}

/// Longest piece of a diff in a message (lines, characters).
const MAX_SHOWN: (usize, usize) = (24, 1_500);

/// Shows what a rollback would change, where somebody is asked about it: how much, and how it begins.
pub(super) fn shown_diff(news: &News) -> Option<(String, String)> {
    let is_asked = matches!(
        news.kind,
        NewsKind::ApprovalNeeded | NewsKind::ApprovalHalfTime
    );
    let known = news.rollback.as_ref()?.words.as_ref()?;
    let diff = known.diff.as_ref().filter(|_| is_asked)?;
    let begins = |beginning: &str| {
        diff.lines()
            .filter(|line| line.starts_with(beginning))
            .count()
    };
    let files = begins("diff --git ");
    let (more, less) = (begins("+") - begins("+++"), begins("-") - begins("---"));
    let plural = if files == 1 { "file" } else { "files" };
    let stat = format!("{files} {plural}, {more} lines in, {less} lines out");
    let mut shown = String::new();
    for line in diff.lines().take(MAX_SHOWN.0) {
        let line = clipped_line(line);
        if shown.chars().count() + line.chars().count() >= MAX_SHOWN.1 {
            break;
        }
        shown.push_str(&line);
        shown.push('\n');
    }
    Some((stat, shown))
}

/// Takes out of a line of a diff what a screen would act on, and keeps its blanks.
fn clipped_line(line: &str) -> String {
    line.chars()
        .filter(|c| !is_unseen(*c) && !c.is_control())
        .take(MAX_DETAIL)
        .collect()
}

/// Says why: the reason now, and where it is another one, why the rollback was begun.
pub(super) fn why(news: &News) -> Vec<Line> {
    let mut lines = Vec::new();
    if !news.detail.is_empty() {
        let label = if news.kind == NewsKind::Recovered {
            "Proof"
        } else {
            "Why"
        };
        lines.push(Line::new(label, [TextPiece::Said(news.detail.clone())]));
    }
    if let Some(rollback) = &news.rollback
        && rollback.why != news.detail
        && !rollback.why.is_empty()
    {
        lines.push(Line::new(
            "Begun because",
            [TextPiece::Said(rollback.why.clone())],
        ));
    }
    lines
}

/// Says where and from what to what.
pub(super) fn revisions(rollback: &NewsRollback) -> Vec<Line> {
    let revision = |id: &str, url: &Option<String>| TextPiece::link(short(id), url.as_deref());
    let mut from = vec![revision(&rollback.from, &rollback.from_url)];
    if !rollback.from_subject.is_empty() {
        from.push(TextPiece::Words(" ".to_owned()));
        from.push(TextPiece::Said(rollback.from_subject.clone()));
    }
    from.push(TextPiece::Words(" → ".to_owned()));
    from.push(revision(&rollback.to, &rollback.to_url));
    let mut lines = vec![Line::new("Revision", from)];
    if !rollback.also.is_empty() {
        let also = TextPiece::Said(rollback.also.join("; "));
        lines.push(Line::new("Goes back too", [also]));
    }
    if !rollback.place.is_empty() {
        lines.push(Line::new(
            "Where",
            [TextPiece::Said(rollback.place.clone())],
        ));
    }
    if let Some(commit) = &rollback.commit {
        lines.push(Line::new(
            "Commit",
            [revision(commit, &rollback.commit_url)],
        ));
    }
    if let Some(url) = &rollback.pull_request_url {
        lines.push(Line::new(
            "Pull request",
            [TextPiece::link("open it", Some(url))],
        ));
    }
    if let Some(application) = &rollback.application {
        let link = TextPiece::link(application, rollback.application_url.as_deref());
        lines.push(Line::new("Application", [link]));
    }
    lines
}

/// Says how the service stood. Once the burn stopped, the burn rates and the SLOs still look back at it, and the proof
/// says how it stands.
pub(super) fn numbers(news: &News) -> Vec<Line> {
    let standing = &news.standing;
    let is_over = news.kind == NewsKind::Recovered;
    let mut budget = format!(
        "{} consumed of {} over {} ({})",
        percent(standing.consumed),
        percent(Some(standing.error_budget)),
        span(standing.window_seconds as f64),
        level_word(standing.level)
    );
    if let Some(seconds) = standing
        .seconds_to_exhaustion
        .filter(|seconds| *seconds > 0.0 && !is_over)
    {
        budget.push_str(&format!(", gone in {}", span(seconds)));
    }
    let mut lines = Vec::new();
    if standing.consumed.is_some() || !is_over {
        lines.push(Line::words("Budget", budget));
    }
    if !standing.burn_rates.is_empty() && !is_over {
        let rates = standing.burn_rates.iter();
        let rates: Vec<String> = rates
            .map(|(window, value)| format!("{} {}", clean(window), rate(*value)))
            .collect();
        lines.push(Line::words("Burn rate", rates.join(", ")));
    }
    if let Some(drawn) = sparkline(&standing.course) {
        let most = percent(highest(&standing.course));
        lines.push(Line::words(
            "Last hour",
            format!("{drawn} errors up to {most}"),
        ));
    }
    if let Some(worst) = worst(&standing.offenders).filter(|_| !is_over) {
        lines.push(Line::new("Fails most", [TextPiece::Said(worst)]));
    }
    if !standing.violated.is_empty() && !is_over {
        let violated = standing.violated.join(", ");
        lines.push(Line::new("Violated", [TextPiece::Said(violated)]));
    }
    lines
}

/// Says what fails most: the worst value of each label.
fn worst(offenders: &[(String, String, f64, Option<f64>)]) -> Option<String> {
    let mut named: Vec<&str> = Vec::new();
    let mut worst = Vec::new();
    for (label, value, bad, total) in offenders {
        if named.contains(&label.as_str()) {
            continue;
        }
        named.push(label);
        worst.push(offence(label, &clipped(value, MAX_VALUE), *bad, *total));
    }
    (!worst.is_empty()).then(|| worst.join("; "))
}

/// Says how many of the events with a value of a label are bad.
pub(super) fn offence(label: &str, value: &str, bad: f64, total: Option<f64>) -> String {
    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
    format!("{label} {value}: {bad}{of} bad in 30 min")
}

/// Says how much of the budget is gone as minutes in which nothing worked: a share of a window is hard to feel.
pub(super) fn impact(standing: &ServiceStanding) -> Option<String> {
    let whole = standing.error_budget * standing.window_seconds as f64 / 60.0;
    let consumed = standing.consumed?;
    // A window of minutes has a budget of seconds.
    let digits = if whole < 1.0 { 3 } else { 1 };
    Some(format!(
        "{:.digits$} of {whole:.digits$} budget minutes (as if nothing had worked for that long)",
        consumed * whole
    ))
}

/// Says how often a rollback may still happen.
pub(super) fn limits(news: &News) -> Option<Line> {
    let limits = news.limits?;
    Some(Line::words(
        "Limits left",
        format!(
            "{} within the hour, {} within the day",
            limits.hour, limits.day
        ),
    ))
}

/// Says which gates passed, and which one holds: the first that failed, else the first that could not be checked.
pub(super) fn gates(news: &News) -> Vec<Line> {
    let named = |state: GateState| -> Vec<&NewsGate> {
        news.gates
            .iter()
            .filter(|gate| gate.state == state)
            .collect()
    };
    let names = |gates: &[&NewsGate]| {
        let names: Vec<String> = gates.iter().map(|gate| gate.gate.to_string()).collect();
        names.join(", ")
    };
    let (passed, failed, unchecked) = (
        named(GateState::Pass),
        named(GateState::Fail),
        named(GateState::NotChecked),
    );
    let mut lines = Vec::new();
    if !passed.is_empty() {
        lines.push(Line::new("Gates passed", [TextPiece::Said(names(&passed))]));
    }
    // Where nothing burns nothing is held back.
    let is_calm = matches!(news.reason, Reason::Healthy | Reason::NotBurning);
    for gate in failed.iter().filter(|_| !is_calm) {
        let label = if lines.iter().any(|line| line.label == "Holds") {
            "Holds too"
        } else {
            "Holds"
        };
        let detail = format!("{}: {}", gate.gate, gate.detail);
        lines.push(Line::new(label, [TextPiece::Said(detail)]));
    }
    if !unchecked.is_empty() && !is_calm {
        lines.push(Line::new(
            "Not checked",
            [TextPiece::Said(names(&unchecked))],
        ));
    }
    lines
}

/// Says what a person does next, with the command.
pub(super) fn next(news: &News) -> Option<Line> {
    let words = |text: &str| TextPiece::Words(text.to_owned());
    let command = |rest: &str| TextPiece::Code(command(news, rest));
    let pieces = match (news.kind, &news.rollback) {
        (NewsKind::Started, _) => vec![
            words("nothing to do: the proof is awaited; to watch it: "),
            command("status"),
        ],
        (NewsKind::Recovered, Some(rollback)) => vec![
            words("repair what was bad, then let it through: "),
            command(&format!("release {}", short_id(&rollback.id))),
        ],
        (NewsKind::Ineffective, Some(rollback)) if rollback.worse => vec![
            words(
                "what was put back may not fit what changed since (a migrated database): repair it forward, or return to what was \
                 rolled back: ",
            ),
            command(&format!("release {}", short_id(&rollback.id))),
            words(", then deploy it again"),
        ],
        (NewsKind::Ineffective, _) => vec![
            words("look for another cause; to go further back: "),
            command("rollback gitops --to REV"),
        ],
        (NewsKind::Failed | NewsKind::ApprovalExpired, Some(rollback)) => vec![
            words("see what stands in the way: "),
            command("doctor"),
            words(", then "),
            command(&format!("rollback gitops --to {}", short(&rollback.to))),
        ],
        (NewsKind::ApprovalNeeded | NewsKind::ApprovalHalfTime, Some(rollback)) => {
            approval(news, rollback)
        }
        (NewsKind::HoldViolated, Some(rollback)) => vec![
            words("find out who brought it back; if it is meant to be there: "),
            command(&format!("release {}", short_id(&rollback.id))),
        ],
        (NewsKind::SuspiciousCommit, _) => vec![words(
            "find out who wrote it; nothing rests on it, and with TRAILER_KEY only what is signed does",
        )],
        (NewsKind::Blind, _) => vec![words("see what is wrong: "), command("doctor")],
        (NewsKind::Held | NewsKind::LevelCrossed, _) => vec![
            words(next_step(news.reason).unwrap_or("look at the service")),
            words("; all numbers: "),
            command("status"),
        ],
        (
            NewsKind::Superseded
            | NewsKind::Rejected
            | NewsKind::MemoryRebuilt
            | NewsKind::Recovered
            | NewsKind::Failed
            | NewsKind::ApprovalNeeded
            | NewsKind::ApprovalHalfTime
            | NewsKind::ApprovalExpired
            | NewsKind::HoldViolated,
            _,
        ) => vec![words("see how it stands: "), command("status")],
        (NewsKind::Seeing | NewsKind::BurnOver, _) => vec![words("nothing to do")],
    };
    Some(Line::new("Next", pieces))
}

/// Returns a command as it is pasted where messages are read.
fn command(news: &News, rest: &str) -> String {
    let program = match news.command.as_str() {
        "" => "error-budget-monitor",
        program => program,
    };
    format!("{program} {rest}")
}

fn approval(news: &News, rollback: &NewsRollback) -> Vec<TextPiece> {
    let until = rollback.expires_at.map_or_else(String::new, |at| {
        format!(" until {}", at.format("%Y-%m-%d %H:%M UTC"))
    });
    if let Some(url) = &rollback.pull_request_url {
        return vec![
            TextPiece::Words("merge to approve, close to reject: ".to_owned()),
            TextPiece::link("the pull request", Some(url)),
            TextPiece::Words(until),
        ];
    }
    vec![
        TextPiece::Code(command(
            news,
            &format!("approve {}", short_id(&rollback.id)),
        )),
        TextPiece::Words(" or ".to_owned()),
        TextPiece::Code(command(news, &format!("reject {}", short_id(&rollback.id)))),
        TextPiece::Words(until),
    ]
}

/// Says what was done, a line for each step.
pub(super) fn steps(rollback: &NewsRollback) -> Vec<String> {
    rollback
        .steps
        .iter()
        .map(|step| {
            format!(
                "{} {} {}: {}",
                moment(step.at),
                step.step,
                step.state,
                clipped(&step.detail, MAX_DETAIL)
            )
        })
        .collect()
}

/// Returns the pages to look at, with what they show.
pub(super) fn pages(news: &News) -> Vec<(String, String)> {
    let ours = [
        ("dashboard", "", &news.dashboard_url),
        ("runbook", "", &news.runbook_url),
    ];
    let of_rollback = news.rollback.as_ref().map(|rollback| {
        let commit = rollback.commit.as_deref().unwrap_or_default();
        [
            ("pull request", "", &rollback.pull_request_url),
            ("bad revision", short(&rollback.from), &rollback.from_url),
            ("restored revision", short(&rollback.to), &rollback.to_url),
            ("what it changed", "", &rollback.compare_url),
            (
                "commit of the rollback",
                short(commit),
                &rollback.commit_url,
            ),
            (
                "application",
                rollback.application.as_deref().unwrap_or_default(),
                &rollback.application_url,
            ),
        ]
    });
    of_rollback
        .into_iter()
        .flatten()
        .chain(ours)
        .filter_map(|(what, name, url)| {
            let url = super::piece::page(url.as_deref()?)?;
            Some((clean(&format!("{what} {name}")), url))
        })
        .collect()
}
