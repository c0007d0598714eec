//! The only way for a text or a duration from outside to get into a query. Pure.

use std::time::Duration;

/// Characters with a meaning in RE2, as in Go's `regexp.QuoteMeta`.
const REGEX_META: &str = r"\.+*?()|[]{}^$";

/// Returns `text` as a PromQL string, quotes included.
pub fn string_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '\\' => literal.push_str(r"\\"),
            '"' => literal.push_str("\\\""),
            '\n' => literal.push_str(r"\n"),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// Returns a PromQL string, quotes included, that as a regular expression matches exactly `text`.
pub fn regex_literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if REGEX_META.contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    string_literal(&pattern)
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
            assert_eq!(regex_literal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn writes_durations_in_whole_seconds() {
        assert_eq!(range_seconds(Duration::from_secs(1800)), "1800s");
        assert_eq!(range_seconds(Duration::from_millis(1500)), "2s");
        assert_eq!(range_seconds(Duration::ZERO), "0s");
    }
}
