//! What people were told, as they read it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::pagerduty::AlertRecord;
use crate::slack::Message;

/// Returns a message as text, every line behind a margin.
pub(super) fn message_text(message: &Message, margin: &str) -> String {
    let mut text = String::new();
    for block in &message.blocks {
        for line in texts(block).iter().flat_map(|text| text.lines()) {
            let _ = writeln!(text, "{margin}{}", plain(line));
        }
    }
    text
}

/// Returns the rollback that a message is about, which stands in its last line.
pub(super) fn rollback_of(message: &Message) -> Option<String> {
    let footer = texts(message.blocks.last()?).pop()?;
    let (id, _) = footer.strip_prefix("rollback ")?.split_once(" · ")?;
    Some(id.to_owned())
}

/// Returns an alert as text.
pub(super) fn alert_text(alert: &AlertRecord) -> String {
    let state = if alert.is_open { "open" } else { "resolved" };
    format!(
        "{} [{}] {}\nkey {}\n",
        alert.summary, alert.severity, state, alert.key
    )
}

/// Returns an issue as text, without the lines that its page hides.
pub(super) fn ticket_text(title: &str, body: &str, is_open: bool, comments: &[String]) -> String {
    let state = if is_open { "open" } else { "closed" };
    let mut text = format!("{title} [{state}, comments: {}]\n", comments.len());
    for line in body.lines() {
        if !line.is_empty() && !line.starts_with("<!--") {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// Returns the texts of a block: its own, and those of its elements.
fn texts(block: &Value) -> Vec<&str> {
    let elements = block["elements"].as_array().into_iter().flatten();
    let objects = elements.chain([&block["text"]]);
    objects
        .filter_map(|object| object["text"].as_str())
        .collect()
}

/// Returns a line of Slack's markup as it looks: links by their text, and no marks of bold words and code.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once('<') {
        let Some((link, after)) = link.split_once('>') else {
            break;
        };
        text.push_str(before);
        text.push_str(link.split_once('|').map_or(link, |(_, shown)| shown));
        rest = after;
    }
    text.push_str(rest);
    text.replace(['*', '`'], "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_slack_shows_it() {
        let line = "*Commit* <https://git.example.com/c/1?a=1&amp;b=2|1a2b &amp; more> `a &lt; b`";
        assert_eq!(plain(line), "Commit 1a2b & more a < b");
        assert_eq!(
            plain("<https://git.example.com>"),
            "https://git.example.com"
        );
    }

    #[test]
    fn a_ticket_hides_what_its_page_hides() {
        let text = ticket_text(
            "Rollback",
            "## Summary\n\nIt burned.\n<!-- draft: 0 -->\n",
            false,
            &[],
        );
        assert_eq!(
            text,
            "Rollback [closed, comments: 0]\n## Summary\nIt burned.\n"
        );
    }
}
