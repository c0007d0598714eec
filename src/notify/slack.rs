//! What Slack shows: one message for a change, and for a bot the details in its thread.

use serde_json::{Value, json};

use super::piece::{Line, TextPiece, escaped, moment};
use super::sentence::happened;
use super::story::{besides, facts, gates, headline, limits, next, pages, shown_diff, steps, why};
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

/// Most buttons, and the longest text of one (characters). Source: Slack's reference of the actions block and of the
/// button element: 25 and 75.
const MAX_BUTTONS: usize = 6;
const MAX_BUTTON: usize = 75;

/// Writes the message about a change: what happened, what to do, what one has to know, and pages to look at. What else
/// there is to tell stands in the thread of a bot, in the ticket and in `status`.
pub(super) fn message(news: &News) -> SlackMessage {
    let header = json!({
        "type": "header",
        "text": { "type": "plain_text", "text": plain(&headline(news), MAX_HEADER), "emoji": false },
    });
    let mut first = vec![happened(news)];
    first.extend(next(news));
    let mut groups = vec![first, facts(news)];
    if let Some((stat, diff)) = shown_diff(news) {
        groups.push(vec![
            Line::words("Diff", stat),
            Line::new("", [TextPiece::Block(diff)]),
        ]);
    }
    with_groups(news, Some(header), &groups, buttons(news))
}

/// Writes what stands in the thread under the message about a rollback: what happened, the gates and the steps.
pub(super) fn details(news: &News) -> SlackMessage {
    let mut what = vec![Line::words("Now", headline(news))];
    what.extend(why(news));
    let groups = [what, besides(news), evidence(news), done(news)];
    with_groups(news, None, &groups, None)
}

/// Returns the pages to look at as buttons; nothing where there is none.
fn buttons(news: &News) -> Option<Value> {
    let elements: Vec<Value> = pages(news)
        .into_iter()
        .take(MAX_BUTTONS)
        .enumerate()
        .map(|(place, (text, url))| {
            json!({
                "type": "button",
                "action_id": format!("page-{place}"),
                "text": { "type": "plain_text", "text": plain(&text, MAX_BUTTON), "emoji": false },
                "url": url,
            })
        })
        .collect();
    (!elements.is_empty()).then(|| json!({ "type": "actions", "elements": elements }))
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

fn with_groups(
    news: &News,
    header: Option<Value>,
    groups: &[Vec<Line>],
    buttons: Option<Value>,
) -> SlackMessage {
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
    blocks.extend(buttons);
    blocks.push(json!({ "type": "context", "elements": [markup(&footer)] }));
    let detail = escaped(&happened(news).plain(), MAX_PIECE, escape);
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
    match line.label {
        "" => pieces,
        label => format!("*{label}* {pieces}"),
    }
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
        TextPiece::Block(text) => {
            let lines = text.lines().map(escaped_line);
            format!("```\n{}\n```", lines.collect::<Vec<_>>().join("\n"))
        }
        TextPiece::Link { text, url } => {
            let url = url.replace('&', "&amp;");
            format!("<{url}|{}>", tame(text).replace('|', "¦"))
        }
    }
}

/// Escapes a line of a diff, blanks and all.
fn escaped_line(line: &str) -> String {
    line.chars().fold(String::new(), |mut all, c| {
        match escape(c) {
            Some(escaped) => all.push_str(escaped),
            None => all.push(c),
        }
        all
    })
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
