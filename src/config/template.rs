//! Query text with placeholders. Pure.
//!
//! `${SERVICE}` and `${NAMESPACE}` stand for names, which are escaped as their place asks; `${WINDOW}` stays for the
//! one who knows the window. Strings and comments are told apart as PromQL does.

use std::fmt;

use crate::clients::prometheus::promql::{regex_escape, string_content};

use super::{
    problems::Invalid,
    service::{Namespace, ServiceConfig, ServiceName},
};

/// Query text whose placeholders all stand where they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<TemplatePart>,
    /// Whether `${WINDOW}` stands outside of strings and comments.
    pub(super) has_window: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    Name { name: Name, place: Place },
}

/// Which name a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Service,
    Namespace,
}

/// Where a name stands, and so how it is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    is_expression: bool,
    is_raw: bool,
}

/// What a string is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The value of `=` or `!=`.
    Value,
    /// The expression of `=~` or `!~`.
    Expression,
    /// Anything else, such as an argument of a function.
    Other,
}

/// Where the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scan {
    Code,
    Comment,
    Text { quote: char, role: Role },
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "${SERVICE}",
            Self::Namespace => "${NAMESPACE}",
        })
    }
}

impl Template {
    /// Reads query text.
    ///
    /// # Errors
    /// Fails when a placeholder is unknown or a name stands anywhere but in the value of a label.
    pub(super) fn parse(query: &str) -> Result<Self, Invalid> {
        let mut template = Self {
            pieces: Vec::new(),
            has_window: false,
        };
        let mut state = Scan::Code;
        // The last two characters of code that are not blank: the operator before a string.
        let mut before = [' ', ' '];
        let mut rest = query;
        while let Some(c) = rest.chars().next() {
            if state != Scan::Comment
                && let Some((placeholder, after)) = placeholder(rest)
            {
                template.place(placeholder, state)?;
                if state == Scan::Code {
                    before = [' ', ' '];
                }
                rest = after;
                continue;
            }
            let (taken, after) = rest.split_at(c.len_utf8());
            template.push(taken);
            rest = after;
            match state {
                Scan::Comment => {
                    if c == '\n' {
                        state = Scan::Code;
                    }
                }
                Scan::Code => match c {
                    '#' => state = Scan::Comment,
                    '"' | '\'' | '`' => {
                        let role = Role::after(before);
                        state = Scan::Text { quote: c, role };
                    }
                    c if c.is_whitespace() => {}
                    c => before = [before[1], c],
                },
                Scan::Text { quote, .. } => {
                    if c == quote {
                        state = Scan::Code;
                        before = [' ', ' '];
                    } else if c == '\\'
                        && quote != '`'
                        && let Some(escaped) = rest.chars().next()
                    {
                        let (escaped, after) = rest.split_at(escaped.len_utf8());
                        template.push(escaped);
                        rest = after;
                    }
                }
            }
        }
        match state {
            Scan::Code | Scan::Comment => Ok(template),
            Scan::Text { quote, .. } => Err(Invalid::because(format!(
                "has a string without an end; close it with {quote}"
            ))),
        }
    }

    fn push(&mut self, text: &str) {
        if let Some(TemplatePart::Text(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(TemplatePart::Text(text.to_owned()));
        }
    }

    fn place(&mut self, placeholder: &str, state: Scan) -> Result<(), Invalid> {
        let name = match placeholder {
            "WINDOW" => {
                self.has_window |= state == Scan::Code;
                self.push("${WINDOW}");
                return Ok(());
            }
            "SERVICE" => Name::Service,
            "NAMESPACE" => Name::Namespace,
            unknown => {
                return Err(Invalid::because(format!(
                    "contains ${{{unknown}}}, which stands for nothing; write ${{WINDOW}}, ${{SERVICE}} or ${{NAMESPACE}}"
                )));
            }
        };
        let (quote, is_expression) = match state {
            Scan::Text {
                quote,
                role: Role::Value,
            } => (quote, false),
            Scan::Text {
                quote,
                role: Role::Expression,
            } => (quote, true),
            Scan::Code
            | Scan::Comment
            | Scan::Text {
                role: Role::Other, ..
            } => {
                let label = match name {
                    Name::Service => "service",
                    Name::Namespace => "namespace",
                };
                return Err(Invalid::because(format!(
                    "has {name} outside of a label's value; put it in quotes after a label, such as {label}=\"{name}\""
                )));
            }
        };
        let place = Place {
            is_expression,
            is_raw: quote == '`',
        };
        self.pieces.push(TemplatePart::Name { name, place });
        Ok(())
    }

    /// Writes the text with the names of a service; `${WINDOW}` stays.
    pub(super) fn fill(&self, service: &ServiceConfig) -> String {
        self.fill_with(&service.name, &service.namespace)
    }

    fn fill_with(&self, service: &ServiceName, namespace: &Namespace) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                TemplatePart::Text(piece) => text.push_str(piece),
                TemplatePart::Name { name, place } => text.push_str(&place.escape(match name {
                    Name::Service => service.as_str(),
                    Name::Namespace => namespace.as_str(),
                })),
            }
        }
        text
    }
}

impl Role {
    fn after(operator: [char; 2]) -> Self {
        match operator {
            ['=' | '!', '~'] => Self::Expression,
            ['=' | '<' | '>', '='] => Self::Other,
            [_, '='] => Self::Value,
            _ => Self::Other,
        }
    }
}

impl Place {
    /// Names have no quotes, so nothing in them can end a string of any kind.
    fn escape(self, name: &str) -> String {
        let content = if self.is_expression {
            regex_escape(name)
        } else {
            name.to_owned()
        };
        if self.is_raw {
            content
        } else {
            string_content(&content)
        }
    }
}

/// Splits `${NAME}` off the beginning of a text. `${1}` is no placeholder: it names a group in `label_replace`.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix("${")?.split_once('}')?;
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name =
        name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    is_name.then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(query: &str) -> String {
        let service = "check.out".parse().expect("a name");
        let namespace = "shop".parse().expect("a namespace");
        let template = Template::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        template.fill_with(&service, &namespace)
    }

    #[test]
    fn a_name_is_escaped_as_its_place_asks() {
        for (query, expected) in [
            (r#"m{a="${SERVICE}"}"#, r#"m{a="check.out"}"#),
            (r#"m{a!="${SERVICE}"}"#, r#"m{a!="check.out"}"#),
            (r#"m{a=~"${SERVICE}-.+"}"#, r#"m{a=~"check\\.out-.+"}"#),
            (r#"m{a!~"${SERVICE}"}"#, r#"m{a!~"check\\.out"}"#),
            (r#"m{a =~ '${SERVICE}'}"#, r#"m{a =~ 'check\\.out'}"#),
            (r#"m{a=~`${SERVICE}\.x`}"#, r#"m{a=~`check\.out\.x`}"#),
            (r#"m{a=`${SERVICE}`}"#, r#"m{a=`check.out`}"#),
            (
                "m{a=~ # of \"${SERVICE}\n\"${SERVICE}\"}",
                "m{a=~ # of \"${SERVICE}\n\"check\\\\.out\"}",
            ),
            (
                r#"m{a="\"${SERVICE}\"",b=~"\\${NAMESPACE}"}"#,
                r#"m{a="\"check.out\"",b=~"\\shop"}"#,
            ),
            (
                r#"m{a=~"${NAMESPACE}/${SERVICE}",b="${SERVICE}"}"#,
                r#"m{a=~"shop/check\\.out",b="check.out"}"#,
            ),
            (r#"m{a='it"s ${SERVICE}'}"#, r#"m{a='it"s check.out'}"#),
        ] {
            assert_eq!(filled(query), expected);
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for query in [
            "sum(increase(m[${WINDOW}]))",
            r#"label_replace(m, "a", "${1}", "b", "(.*)")"#,
            "m # ${SERVICE} and ${ANYTHING}, and an open \"",
            r#"m{a=~"x${2}$"} == 1"#,
            "",
            "ünïcödé $ { } ${",
        ] {
            assert_eq!(filled(query), query);
        }
    }

    #[test]
    fn the_window_counts_only_where_a_range_can_stand() {
        for (query, expected) in [
            ("m[${WINDOW}]", true),
            ("m # [${WINDOW}]", false),
            (r#"m{a="${WINDOW}"}"#, false),
            ("# all\nm[${WINDOW}]", true),
            (r##"m{a="\"#"}[${WINDOW}]"##, true),
        ] {
            let template = Template::parse(query).expect(query);
            assert_eq!(template.has_window, expected, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        let refused = [
            "${SERVICE}_requests_total",
            r#"label_replace(m, "a", "${SERVICE}", "", "")"#,
            r#"m == "${NAMESPACE}""#,
            r#"m{a="${service}"}"#,
            "m[${RANGE}]",
            r#"m{a="x}[5m]"#,
            r#"m{a="x\"}"#,
        ];
        let told: Vec<String> = refused
            .iter()
            .map(|query| match Template::parse(query) {
                Ok(template) => panic!("{query} is accepted: {template:?}"),
                Err(invalid) => invalid.to_string(),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        has ${SERVICE} outside of a label's value; put it in quotes after a label, such as service="${SERVICE}"
        has ${SERVICE} outside of a label's value; put it in quotes after a label, such as service="${SERVICE}"
        has ${NAMESPACE} outside of a label's value; put it in quotes after a label, such as namespace="${NAMESPACE}"
        contains ${service}, which stands for nothing; write ${WINDOW}, ${SERVICE} or ${NAMESPACE}
        contains ${RANGE}, which stands for nothing; write ${WINDOW}, ${SERVICE} or ${NAMESPACE}
        has a string without an end; close it with "
        has a string without an end; close it with "
        "#);
    }
}
