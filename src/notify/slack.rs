//! What Slack shows: one message for a change, and for a bot the details in its thread.

use serde_json::{Value, json};

use super::piece::{Line, TextPiece, escaped, moment};
use super::story::{gates, headline, limits, next, numbers, revisions, steps, why};
use crate::clients::slack::SlackMessage;
use crate::journal::News;

/// Longest header (characters). Source: Slack's reference of the header block.
const MAX_HEADER: usize = 150;

/// Longest text of a section (characters). Source: Slack's reference of the section block.
const MAX_SECTION: usize = 3_000;

/// Most characters of all blocks together. Source: our rule, below Slack's own bound near 12,000, which is not
/// documented.
const MAX_TOTAL: usize = 9_000;

/// Longest piece of a line (characters, escaped). Protects the lines beside it.
const MAX_PIECE: usize = 300;

/// Longest notification (characters). Source: Slack advises at most 4,000; a phone shows a few lines.
const MAX_TEXT: usize = 600;

/// Most steps that are shown; the newest count.
const MAX_STEPS: usize = 12;

/// How much of a change a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Everything: nothing else will follow it.
    Whole,
    /// What one sees at a glance: the details are in the thread.
    Glance,
}

/// Writes the message about a change.
pub(super) fn message(news: &News, length: Length) -> SlackMessage {
    let header = json!({
        "type": "header",
        "text": { "type": "plain_text", "text": plain(&headline(news), MAX_HEADER), "emoji": false },
    });
    let mut what = why(news);
    if let Some(rollback) = &news.rollback {
        what.extend(revisions(rollback));
    }
    let mut groups = vec![what, numbers(news)];
    if length == Length::Whole {
        groups.push(evidence(news));
    }
    groups.push(next(news).into_iter().collect());
    with_groups(news, Some(header), &groups)
}

/// Writes what stands in the thread under the message about a rollback: what happened, the gates and the steps.
pub(super) fn details(news: &News) -> SlackMessage {
    let mut what = vec![Line::words("Now", headline(news))];
    what.extend(why(news));
    let groups = [what, evidence(news), done(news)];
    with_groups(news, None, &groups)
}

fn evidence(news: &News) -> Vec<Line> {
    gates(news).into_iter().chain(limits(news)).collect()
}

fn done(news: &News) -> Vec<Line> {
    let all = news.rollback.as_ref().map(steps).unwrap_or_default();
    let older = all.len().saturating_sub(MAX_STEPS);
    all.into_iter()
        .skip(older)
        .map(|step| Line::new("Step", [TextPiece::Said(step)]))
        .collect()
}

fn with_groups(news: &News, header: Option<Value>, groups: &[Vec<Line>]) -> SlackMessage {
    let footer = footer(news);
    let mut left = MAX_TOTAL - MAX_HEADER - footer.chars().count();
    let mut blocks: Vec<Value> = header.into_iter().collect();
    for group in groups {
        let text = section(group, left.min(MAX_SECTION));
        if text.is_empty() {
            continue;
        }
        left -= text.chars().count();
        blocks.push(json!({ "type": "section", "text": markup(&text) }));
    }
    blocks.push(json!({ "type": "context", "elements": [markup(&footer)] }));
    let detail = escaped(&news.detail, MAX_PIECE, escape);
    let headline = escaped(&headline(news), MAX_TEXT - MAX_PIECE - 2, escape);
    SlackMessage {
        text: if detail.is_empty() {
            headline
        } else {
            format!("{headline}: {detail}")
        },
        blocks,
    }
}

/// Writes as many lines as fit.
fn section(lines: &[Line], limit: usize) -> String {
    let mut text = String::new();
    let mut length = 0;
    for line in lines {
        let written = written(line);
        let more = written.chars().count() + usize::from(length > 0);
        if length + more > limit {
            break;
        }
        if length > 0 {
            text.push('\n');
        }
        text.push_str(&written);
        length += more;
    }
    text
}

fn written(line: &Line) -> String {
    let pieces: String = line.pieces.iter().map(piece).collect();
    format!("*{}* {pieces}", line.label)
}

fn piece(piece: &TextPiece) -> String {
    let tame = |text: &str| escaped(text, MAX_PIECE, escape);
    match piece {
        // Blanks at the edges of our own words part them from their neighbours.
        TextPiece::Words(words) => {
            let edge = |is_there: bool| if is_there { " " } else { "" };
            let trimmed = words.trim();
            if trimmed.is_empty() {
                return edge(!words.is_empty()).to_owned();
            }
            let (before, after) = (words.starts_with(' '), words.ends_with(' '));
            format!("{}{}{}", edge(before), tame(trimmed), edge(after))
        }
        TextPiece::Said(text) => tame(text),
        TextPiece::Code(text) => format!("`{}`", tame(text)),
        TextPiece::Link { text, url } => {
            let url = url.replace('&', "&amp;");
            format!("<{url}|{}>", tame(text).replace('|', "¦"))
        }
    }
}

fn footer(news: &News) -> String {
    let id = match &news.rollback {
        Some(rollback) => format!("rollback {} · ", rollback.id),
        None => String::new(),
    };
    let text = format!("{id}{} · run {}", moment(news.at), news.run_id);
    escaped(&text, MAX_PIECE, escape)
}

fn markup(text: &str) -> Value {
    // Verbatim: nothing becomes a link that was not written as one.
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn plain(text: &str, limit: usize) -> String {
    escaped(text, limit, |_| None)
}

/// What stands for a character in Slack's markup. A backtick would end a code span.
fn escape(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '`' => Some("'"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
