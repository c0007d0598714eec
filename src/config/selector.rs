//! Label matchers that name a service.

use super::{
    problems::{Invalid, quoted},
    template::Template,
};

/// Reads `label="value",…`. What is accepted stays within the braces of a selector, whatever the values are.
///
/// # Errors
/// Fails when it is anything but a list of label matchers, or when a placeholder in it cannot be filled in.
pub(super) fn parse(text: &str) -> Result<Template, Invalid> {
    if text.contains("${WINDOW}") {
        return Err(Invalid::because(
            "contains ${WINDOW}, but labels have no window; write ${SERVICE} and ${NAMESPACE} only",
        ));
    }
    let mut rest = text;
    loop {
        rest = matcher(rest).ok_or_else(|| {
            Invalid::because(format!(
                "is {}; write label matchers separated by commas, such as namespace=\"shop\",app=~\"checkout|cart\"",
                quoted(text)
            ))
        })?;
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
    }
    if !rest.is_empty() {
        return Err(Invalid::because(format!(
            "does not end after its last label matcher but goes on with {}; remove that",
            quoted(rest)
        )));
    }
    Template::parse(text)
}

/// Splits one matcher off the beginning of a text, with the blanks around it.
fn matcher(text: &str) -> Option<&str> {
    let text = label(text.trim_start())?.trim_start();
    let text = ["=~", "!~", "!=", "="]
        .into_iter()
        .find_map(|operator| text.strip_prefix(operator))?;
    string(text.trim_start())
}

/// Splits a label off the beginning of a text. One that is no plain name, as OpenTelemetry's with their dots, stands in
/// quotes, which Prometheus reads since version 3.
fn label(text: &str) -> Option<&str> {
    if text.starts_with('"') {
        let rest = string(text)?;
        let name = text[1..text.len() - rest.len()].trim_end();
        // Nothing in a name needs an escape; an empty one is none, and a lone one would be the metric's.
        return (name.len() > 1 && !name.contains('\\') && !name.contains('$')).then_some(rest);
    }
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let label = text
        .find(|c: char| !is_letter(c) && !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (label, text) = text.split_at(label);
    label.starts_with(is_letter).then_some(text)
}

/// Splits a string in double quotes off the beginning of a text, with the blanks after it.
fn string(text: &str) -> Option<&str> {
    let value = text.strip_prefix('"')?;
    let mut characters = value.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some(value[at + 1..].trim_start()),
            '\n' => return None,
            '\\' => match characters.next() {
                Some((_, 'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '"')) => {}
                Some(_) | None => return None,
            },
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_lists_of_matchers() {
        for text in [
            r#"service="checkout""#,
            r#"namespace="shop",app="checkout""#,
            r#" namespace = "shop" , app =~ "checkout|cart" "#,
            r#"a!="b",c!~"d.*",_e1="""#,
            r#"a="}[5m])) or vector(1)""#,
            r#"a=~"check\\.out\"""#,
            r#"exported_service="${SERVICE}""#,
            r#"a="ünïcödé, #""#,
            r#""service.name"="${SERVICE}","service.namespace" =~ "${NAMESPACE}""#,
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "checkout",
            r#"{service="checkout"}"#,
            r#"service="checkout"}"#,
            r#"service="checkout"} or up{a="b""#,
            r#"service="checkout",,a="b""#,
            r#"service="checkout","#,
            r#",service="checkout""#,
            r#"service='checkout'"#,
            "service=`checkout`",
            r#"service=="checkout""#,
            r#"service="checkout" # all"#,
            r#"service="checkout\""#,
            r#"service="check\.out""#,
            "service=\"check\nout\"",
            r#"1service="checkout""#,
            r#""service.name""#,
            r#"""="checkout""#,
            r#""service.${SERVICE}"="checkout""#,
            r#""service\.name"="checkout""#,
            r#""a"} or up{"b"="checkout""#,
            r#"sërvice="checkout""#,
            r#"service="checkout" app="x""#,
            r#"service="${NAME}""#,
            r#"service="${WINDOW}""#,
            r#"${SERVICE}="checkout""#,
            "",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
