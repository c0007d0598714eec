//! The only way for a text or a duration from outside to get into a query. Pure.

use std::time::Duration;

/// Characters with a meaning in RE2, as in Go's `regexp.QuoteMeta`.
const REGEX_META: &str = r"\.+*?()|[]{}^$";

/// Returns `text` as a PromQL string, quotes included.
pub fn string_literal(text: &str) -> String {
    format!("\"{}\"", string_content(text))
}

/// Returns what stands between the quotes of a PromQL string in double quotes that means `text`.
pub fn string_content(text: &str) -> String {
    let mut content = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => content.push_str(r"\\"),
            '"' => content.push_str("\\\""),
            '\n' => content.push_str(r"\n"),
            c => content.push(c),
        }
    }
    content
}

/// Returns a regular expression that matches exactly `text`, to be made part of a longer one. It still has to become a
/// string.
pub fn regex_escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if REGEX_META.contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Returns a duration for a range or an offset in whole seconds, a fraction rounded up: `1800s`. Prometheus refuses a
/// range of `0s`.
pub fn range_seconds(range: Duration) -> String {
    let fraction = u64::from(range.subsec_nanos() > 0);
    format!("{}s", range.as_secs().saturating_add(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_text_inside_its_quotes() {
        for (text, expected) in [
            ("checkout", r#""checkout""#),
            (r#"a"b"#, r#""a\"b""#),
            (r"a\", r#""a\\""#),
            ("a\nb", r#""a\nb""#),
            (
                r#"x"}[5m])) or vector(1) or sum(rate(y{a=""#,
                r#""x\"}[5m])) or vector(1) or sum(rate(y{a=\"""#,
            ),
        ] {
            assert_eq!(string_literal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn escapes_for_the_expression_first_and_for_the_string_second() {
        for (text, expected) in [
            ("check.out", r#""check\\.out""#),
            ("nope|.*", r#""nope\\|\\.\\*""#),
            ("a-b", r#""a-b""#),
            (r#"\""#, r#""\\\\\"""#),
        ] {
            assert_eq!(string_literal(&regex_escape(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn writes_durations_in_whole_seconds() {
        assert_eq!(range_seconds(Duration::from_secs(1800)), "1800s");
        assert_eq!(range_seconds(Duration::from_millis(1500)), "2s");
        assert_eq!(range_seconds(Duration::ZERO), "0s");
    }
}
