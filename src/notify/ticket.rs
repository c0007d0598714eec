//! The incident ticket: the draft of a post-mortem, and a comment for each change.
//!
//! Two hidden lines stand at the end of the draft: the rollback's id, by which the ticket is found again, and the
//! hash of all that stands above, by which a person's change is seen. A draft that a person changed is never
//! replaced.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::numbers::span;
use super::piece::{Line, TextPiece, escaped, moment};
use super::sentence::happened;
use super::story::{gates, headline, impact, limits, next, numbers, pages, revisions, steps, why};
use crate::journal::{News, NewsKind, NewsRollback, Origin};

/// The labels of a ticket; the second is the one by which tickets are listed.
pub(super) const LABELS: [&str; 2] = ["incident", LISTED];

/// The label by which tickets are listed.
pub(super) const LISTED: &str = "error-budget";

/// Longest title (characters). Source: GitHub takes 256.
const MAX_TITLE: usize = 200;

/// Longest body (characters). Source: GitHub takes 65,536.
const MAX_BODY: usize = 60_000;

/// Longest piece of a line (characters). Protects the lines beside it.
const MAX_PIECE: usize = 400;

/// Most steps and lines of a list.
const MAX_LINES: usize = 50;

/// Returns the hidden line by which the ticket of a rollback is found.
pub(super) fn marker(rollback: &NewsRollback) -> String {
    format!("<!-- rollback-id: {} -->", in_comment(&rollback.id))
}

/// Returns the hidden line by which the comment about a change is found.
pub(super) fn comment_marker(news: &News) -> String {
    format!("<!-- news-id: {} -->", in_comment(&news.id))
}

/// Writes the title.
pub(super) fn title(news: &News) -> String {
    let title = match &news.rollback {
        Some(rollback) => format!(
            "Rollback of {}/{}: {}",
            news.namespace, news.service, rollback.id
        ),
        None => headline(news),
    };
    escaped(&title, MAX_TITLE, |_| None)
}

/// Writes the body: the draft and its hidden lines.
pub(super) fn body(news: &News, rollback: &NewsRollback) -> String {
    let draft = draft(news, rollback);
    format!(
        "{draft}\n{}\n<!-- draft: {} -->\n",
        marker(rollback),
        hash(&draft, rollback)
    )
}

/// Tells whether a body is as this program wrote it, so that a newer draft may take its place.
pub(super) fn is_untouched(body: &str, rollback: &NewsRollback) -> bool {
    let marker = marker(rollback);
    let Some((draft, rest)) = body.split_once(&format!("\n{marker}\n")) else {
        return false;
    };
    rest.trim_end() == format!("<!-- draft: {} -->", hash(draft, rollback))
}

/// Writes the comment about a change.
pub(super) fn comment(news: &News) -> String {
    let mut text = format!(
        "**{}**\n\n{}\n\n",
        words(&headline(news)),
        sentence(&happened(news))
    );
    let mut lines = why(news);
    lines.extend(numbers(news));
    lines.extend(next(news));
    list(&mut text, &lines);
    if let Some(rollback) = &news.rollback
        && !rollback.steps.is_empty()
    {
        text.push('\n');
        timeline(&mut text, rollback);
    }
    let _ = write!(
        text,
        "\n{}, run {}\n\n{}\n",
        moment(news.at),
        said(&news.run_id),
        comment_marker(news)
    );
    text
}

fn draft(news: &News, rollback: &NewsRollback) -> String {
    let mut text = String::from(
        "This is the draft of a post-mortem. The program keeps it up to date until a person changes it.\n",
    );
    heading(&mut text, "Summary");
    let _ = writeln!(text, "{}.\n", words(&headline(news)));
    let _ = writeln!(text, "{}\n", sentence(&happened(news)));
    list(&mut text, &revisions(rollback));
    heading(&mut text, "Impact");
    list(&mut text, &impact_lines(news, rollback));
    heading(&mut text, "Timeline (UTC)");
    let _ = writeln!(text, "- {} rollback begun", moment(rollback.begun_at));
    timeline(&mut text, rollback);
    let _ = writeln!(text, "- {} {}", moment(news.at), words(&headline(news)));
    heading(&mut text, "Trigger and evidence");
    let mut evidence = why(news);
    evidence.extend(numbers(news));
    evidence.extend(gates(news));
    evidence.extend(limits(news));
    list(&mut text, &evidence);
    heading(&mut text, "What was done");
    done(&mut text, news, rollback);
    for section in ["Cause", "Action items", "Lessons"] {
        heading(&mut text, section);
        text.push_str("_To be written by a person._\n");
    }
    debug_assert!(text.chars().count() <= MAX_BODY);
    text
}

fn impact_lines(news: &News, rollback: &NewsRollback) -> Vec<Line> {
    let standing = &news.standing;
    let mut lines = Vec::new();
    if let Some(minutes) = impact(standing) {
        lines.push(Line::words("Budget", minutes));
    }
    if let Some((bad, total)) = standing.bad_events.zip(standing.total_events) {
        let window = span(standing.window_seconds as f64);
        let counted = format!("{bad:.0} bad of {total:.0} events in {window}");
        lines.push(Line::words("Events", counted));
    }
    let since = (news.at - rollback.begun_at).num_seconds().max(0);
    let state = match news.kind {
        NewsKind::Recovered => "until the burn was seen to have stopped",
        NewsKind::LevelCrossed
        | NewsKind::Held
        | NewsKind::Started
        | NewsKind::Ineffective
        | NewsKind::Failed
        | NewsKind::Superseded
        | NewsKind::ApprovalNeeded
        | NewsKind::ApprovalHalfTime
        | NewsKind::ApprovalExpired
        | NewsKind::Rejected
        | NewsKind::HoldViolated
        | NewsKind::SuspiciousCommit
        | NewsKind::Blind
        | NewsKind::Seeing
        | NewsKind::MemoryRebuilt
        | NewsKind::BurnOver => "so far, and not over",
    };
    lines.push(Line::words(
        "Since the rollback began",
        format!("{}, {state}", span(since as f64)),
    ));
    lines
}

fn done(text: &mut String, news: &News, rollback: &NewsRollback) {
    let who = match rollback.origin {
        Origin::Manual => "A person asked for the rollback.",
        Origin::Automatic => "The program began the rollback by itself.",
    };
    let _ = writeln!(text, "{who}\n");
    for (what, url) in pages(news).into_iter().take(MAX_LINES) {
        let _ = writeln!(text, "- [{}]({url})", words(&what));
    }
    let next: Vec<Line> = next(news).into_iter().collect();
    list(text, &next);
}

fn heading(text: &mut String, title: &str) {
    let _ = write!(text, "\n## {title}\n\n");
}

/// Writes a line without its label.
fn sentence(line: &Line) -> String {
    line.pieces.iter().map(piece).collect()
}

fn list(text: &mut String, lines: &[Line]) {
    for line in lines.iter().take(MAX_LINES) {
        let pieces: String = line.pieces.iter().map(piece).collect();
        let _ = writeln!(text, "- **{}**: {pieces}", line.label);
    }
}

fn timeline(text: &mut String, rollback: &NewsRollback) {
    let all = steps(rollback);
    let older = all.len().saturating_sub(MAX_LINES);
    for step in all.iter().skip(older) {
        let _ = writeln!(text, "- {}", said(step));
    }
}

fn piece(piece: &TextPiece) -> String {
    match piece {
        TextPiece::Words(text) => {
            let edge = |is_there: bool| if is_there { " " } else { "" };
            if text.trim().is_empty() {
                return edge(!text.is_empty()).to_owned();
            }
            let (before, after) = (text.starts_with(' '), text.ends_with(' '));
            format!("{}{}{}", edge(before), words(text), edge(after))
        }
        TextPiece::Said(text) | TextPiece::Code(text) | TextPiece::Block(text) => said(text),
        TextPiece::Link { text, url } => format!("[{}]({url})", words(text)),
    }
}

/// Writes somebody else's words as code: there nothing is a link, a mention, a reference or HTML.
fn said(text: &str) -> String {
    let tame = escaped(text, MAX_PIECE, |c| (c == '`').then_some("'"));
    if tame.is_empty() {
        String::new()
    } else {
        format!("`{tame}`")
    }
}

/// Writes our own words so that no character of a name counts as markup.
fn words(text: &str) -> String {
    escaped(text, MAX_PIECE, |c| {
        Some(match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\\' => "\\\\",
            '`' => "'",
            '*' => "\\*",
            '_' => "\\_",
            '[' => "\\[",
            ']' => "\\]",
            '~' => "\\~",
            '|' => "\\|",
            // A word joiner: nobody is called, and no other issue is named.
            '@' => "@\u{2060}",
            '#' => "#\u{2060}",
            _ => return None,
        })
    })
}

/// Keeps what stands in a hidden line from ending it.
fn in_comment(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "-_./:".contains(*c);
    let kept: String = text.chars().filter(allowed).take(300).collect();
    kept.replace("--", "-")
}

fn hash(draft: &str, rollback: &NewsRollback) -> String {
    let digest = Sha256::new()
        .chain_update(draft.trim_end())
        .chain_update(&rollback.id)
        .finalize();
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
