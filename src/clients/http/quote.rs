//! Short pieces of what a server said, safe to print.

use crate::redact::redact;

/// Longest quotation, in characters. Protects log lines and messages; what is beyond is cut and marked with `…`.
const MAX_CHARS: usize = 200;

/// How much of the beginning and of the end of a body is looked at (bytes): more than can be shown, and a long secret
/// more.
const QUOTABLE: usize = 16 * 1024;

/// How many of them come from the beginning where the end is shown too.
const BEGINNING: usize = 80;

/// Returns at most 200 characters of `body` on one line, without control or invisible formatting characters.
pub fn quote(body: &[u8]) -> String {
    let text = redact(&quotable(body));
    // Four bytes hold any character; what is beyond cannot be shown.
    let text = String::from_utf8_lossy(&text.as_bytes()[..text.len().min(MAX_CHARS * 16)]);
    let mut quoted = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = word.chars().filter(|c| !is_invisible(*c));
        let mut gap = !quoted.is_empty();
        for c in word {
            if length >= MAX_CHARS - 1 {
                quoted.push('…');
                return quoted;
            }
            if std::mem::take(&mut gap) {
                quoted.push(' ');
                length += 1;
            }
            quoted.push(c);
            length += 1;
        }
    }
    quoted
}

/// Returns the beginning and the end of a body, as far as they could be quoted. Protects time and memory: what is shown
/// is looked through for secrets before.
pub(super) fn quotable(body: &[u8]) -> String {
    match body.len() > 2 * QUOTABLE {
        false => String::from_utf8_lossy(body).into_owned(),
        true => format!(
            "{} … {}",
            String::from_utf8_lossy(&body[..QUOTABLE]),
            String::from_utf8_lossy(&body[body.len() - QUOTABLE..])
        ),
    }
}

/// Returns at most 200 characters of `body` like [`quote`], but of its beginning and its end where it is longer: an
/// error that wraps others names what happened at its end.
pub fn quote_ends(body: &[u8]) -> String {
    let quoted = quote(body);
    if quoted.chars().count() < MAX_CHARS {
        return quoted;
    }
    let text = redact(&quotable(body));
    let text =
        String::from_utf8_lossy(&text.as_bytes()[text.len().saturating_sub(MAX_CHARS * 16)..]);
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .map(|word| word.chars().filter(|c| !is_invisible(*c)).collect())
        .filter(|word: &String| !word.is_empty())
        .collect();
    let text = words.join(" ");
    let beginning: String = quoted.chars().take(BEGINNING).collect();
    let skipped = text
        .chars()
        .count()
        .saturating_sub(MAX_CHARS - BEGINNING - 1);
    let end: String = text.chars().skip(skipped).collect();
    format!("{beginning}…{end}")
}

/// Zero-width characters and those that turn the direction of writing, which could make a log line read otherwise.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_one_clean_line() {
        let body = "  first\r\n\tsecond\u{1b}[31m \u{202e}third\0  ".as_bytes();
        assert_eq!(quote(body), "first second [31m third");
    }

    #[test]
    fn never_exceeds_two_hundred_characters() {
        let long = quote("ü ".repeat(5_000).as_bytes());
        assert!(
            long.chars().count() <= MAX_CHARS,
            "{}",
            long.chars().count()
        );
        assert!(long.ends_with('…'));
    }

    #[test]
    fn shows_how_a_long_text_ends() {
        let long = format!(
            "expanding \u{202e}series:\n{} connection\t refused ",
            "ü ".repeat(5_000)
        );
        let ends = quote_ends(long.as_bytes());
        assert_eq!(ends.chars().count(), MAX_CHARS);
        assert!(ends.starts_with("expanding series: ü ü"), "{ends}");
        assert!(ends.ends_with("ü connection refused"), "{ends}");
        for length in 0..300 {
            let text: String = "0123456789".chars().cycle().take(length).collect();
            let ends = quote_ends(text.as_bytes());
            assert_eq!(ends == text, length < MAX_CHARS, "{ends}");
            assert!(ends.chars().count() <= MAX_CHARS, "{ends}");
        }
    }

    #[test]
    fn replaces_bytes_that_are_no_text() {
        assert_eq!(quote(&[b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(quote(b""), "");
    }
}
