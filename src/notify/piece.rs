//! What a message is made of before a channel gives it its form, and how text from outside is tamed.

use chrono::{DateTime, Utc};

use crate::redact::is_unseen;

/// One line of a message: what it is about, and what there is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) pieces: Vec<TextPiece>,
}

/// A piece of a line. Each channel escapes every piece; none is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextPiece {
    /// Our own words and numbers.
    Words(String),
    /// What somebody else wrote, or may have written.
    Said(String),
    /// What a person types, or an id.
    Code(String),
    /// Several lines that stand as they are, such as a diff.
    Block(String),
    /// A page to look at.
    Link { text: String, url: String },
}

impl Line {
    pub(super) fn new(label: &'static str, pieces: impl IntoIterator<Item = TextPiece>) -> Self {
        Self {
            label,
            pieces: pieces.into_iter().collect(),
        }
    }

    pub(super) fn words(label: &'static str, words: impl Into<String>) -> Self {
        Self::new(label, [TextPiece::Words(words.into())])
    }

    /// Writes the line without any form.
    pub(super) fn plain(&self) -> String {
        self.pieces.iter().map(TextPiece::plain).collect()
    }
}

impl TextPiece {
    /// Returns a link where there is a page, else the text alone.
    pub(super) fn link(text: impl Into<String>, url: Option<&str>) -> Self {
        let text = text.into();
        match url.and_then(page) {
            Some(url) => Self::Link { text, url },
            None => Self::Code(text),
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Words(text) | Self::Said(text) | Self::Code(text) | Self::Block(text) => {
                text.clone()
            }
            Self::Link { text, url } => format!("{text} ({url})"),
        }
    }
}

/// Longest value of a label in a message (characters).
pub(super) const MAX_VALUE: usize = 60;

/// Longest URL of a page (characters). Source: Slack's limit of 3,000 for URLs, halved.
const MAX_URL: usize = 1_500;

/// Returns the URL of a web page in a form that ends no link too early; nothing for anything else.
pub(super) fn page(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    let is_web = matches!(parsed.scheme(), "http" | "https");
    let has_user = !parsed.username().is_empty() || parsed.password().is_some();
    let (host, behind) = parsed
        .as_str()
        .split_at(parsed[..url::Position::BeforePath].len());
    let behind: String = behind
        .chars()
        .map(|c| match c {
            '|' | '(' | ')' | '[' | ']' | '`' => format!("%{:02X}", u32::from(c)),
            other => other.to_string(),
        })
        .collect();
    let text = format!("{host}{behind}");
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte));
    (is_web && !has_user && is_plain && text.len() <= MAX_URL).then_some(text)
}

/// Longest text that is looked at (characters). Nothing that is shown is longer, and others may write megabytes.
const MAX_CLEAN: usize = 2_000;

/// Folds a text to one line without control characters, without marks that turn the direction of writing, and without
/// characters that nobody sees. What is beyond 2,000 characters is gone, with `…` in its place.
pub(super) fn clean(text: &str) -> String {
    clipped(text, MAX_CLEAN)
}

/// The same, shortened to a number of characters, with `…` where something is gone.
pub(super) fn clipped(text: &str, limit: usize) -> String {
    let mut kept = String::new();
    let mut length = 0;
    let mut is_gap = false;
    for c in text.chars().filter(|c| !is_unseen(*c)) {
        if c.is_whitespace() || c.is_control() {
            is_gap = !kept.is_empty();
            continue;
        }
        if length > limit {
            break;
        }
        if std::mem::take(&mut is_gap) {
            kept.push(' ');
            length += 1;
        }
        kept.push(c);
        length += 1;
    }
    cut(&kept, limit)
}

/// Shortens a text to a number of characters, with `…` where something is gone.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    if limit == 0 { kept } else { kept + "…" }
}

/// Cleans, shortens and escapes a text so that the escaped one fits: escaping makes it longer, and no cut may fall
/// into what stands for a character.
pub(super) fn escaped(
    text: &str,
    limit: usize,
    escape: impl Fn(char) -> Option<&'static str>,
) -> String {
    let clean = clipped(text, limit);
    let mut kept = limit;
    loop {
        let mut written = String::new();
        for c in cut(&clean, kept).chars() {
            match escape(c) {
                Some(stands_for) => written.push_str(stands_for),
                None => written.push(c),
            }
        }
        let excess = written.chars().count().saturating_sub(limit);
        if excess == 0 {
            return written;
        }
        // One character stands for seven at most.
        kept -= excess.div_ceil(7).min(kept);
    }
}

/// Writes a time for people.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Draws a course as blocks, the highest value filling its place; a slice without data is a dot. Returns nothing
/// where no slice has data.
pub(super) fn sparkline(course: &[Option<f64>]) -> Option<String> {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = highest(course)?;
    let block = |value: &Option<f64>| match value {
        Some(value) if highest > 0.0 => {
            let step = (value.clamp(0.0, highest) / highest * 7.0).round();
            BLOCKS[(step as usize).min(7)]
        }
        Some(_) => BLOCKS[0],
        None => '·',
    };
    Some(course.iter().map(block).collect())
}

/// Returns the highest value of a course, where any slice has data.
pub(super) fn highest(course: &[Option<f64>]) -> Option<f64> {
    let values = course
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite());
    values.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escape(c: char) -> Option<&'static str> {
        (c == '&').then_some("&amp;")
    }

    #[test]
    fn cleaning_leaves_one_line_that_reads_as_it_looks() {
        let hostile =
            "  v2\r\n\u{1b}[31m\t\u{202e}live\u{200b}\u{2066} \u{0}\u{85}x\u{2028}y\u{e0041} ";
        assert_eq!(clean(hostile), "v2 [31m live x y");
    }

    #[test]
    fn escaping_never_exceeds_the_limit_nor_cuts_what_stands_for_a_character() {
        for limit in 0..40 {
            for text in [
                "&".repeat(50),
                "a&".repeat(25),
                "ü".repeat(50),
                "short".to_owned(),
            ] {
                let written = escaped(&text, limit, escape);
                assert!(written.chars().count() <= limit, "{limit}: {written}");
                let rest = written.replace("&amp;", "");
                assert!(!rest.contains('&'), "{limit}: {written}");
            }
        }
        assert_eq!(escaped("a&b", 40, escape), "a&amp;b");
        assert_eq!(escaped(&"&".repeat(10), 13, escape), "&amp;&amp;…");
    }

    #[test]
    fn only_web_pages_without_credentials_are_linked() {
        let encoded = page("https://h/a|b(c)`?q=1&r=2");
        assert_eq!(
            encoded.as_deref(),
            Some("https://h/a%7Cb%28c%29%60?q=1&r=2")
        );
        for url in [
            "javascript:alert(1)",
            "https://me:secret@h/",
            "no url",
            "ftp://h/",
        ] {
            assert_eq!(page(url), None, "{url}");
        }
        assert_eq!(page(&format!("https://h/{}", "a".repeat(2_000))), None);
    }

    #[test]
    fn a_sparkline_shows_gaps_and_fills_its_height() {
        let course = [Some(0.0), Some(0.05), None, Some(0.1)];
        assert_eq!(sparkline(&course).as_deref(), Some("▁▅·█"));
        assert_eq!(sparkline(&[Some(0.0), Some(0.0)]).as_deref(), Some("▁▁"));
        assert_eq!(sparkline(&[None, None]), None);
        assert_eq!(sparkline(&[]), None);
    }
}
