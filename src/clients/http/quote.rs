//! Short pieces of what a server said, safe to print.

/// Longest quotation, in characters. Protects log lines and messages; what is beyond is cut and marked with `…`.
const MAX_CHARS: usize = 200;

/// Returns at most 200 characters of `body` on one line, without control or invisible formatting characters.
pub fn quote(body: &[u8]) -> String {
    // Four bytes hold any character; what is beyond cannot be shown.
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_CHARS * 16)]);
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
    fn replaces_bytes_that_are_no_text() {
        assert_eq!(quote(&[b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(quote(b""), "");
    }
}
