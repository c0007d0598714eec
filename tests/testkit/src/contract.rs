//! The published descriptions of the forges' APIs: what every request and answer of the stand-ins is held against.

use std::sync::{LazyLock, OnceLock};

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// GitHub's.
pub(crate) static GITHUB: LazyLock<Contract> =
    LazyLock::new(|| Contract::load(include_str!("../openapi/github.json")));

/// GitLab's.
pub(crate) static GITLAB: LazyLock<Contract> =
    LazyLock::new(|| Contract::load(include_str!("../openapi/gitlab.json")));

/// Answers that any operation may give, whether its description lists them or not. Source: GitHub's documentation,
/// "Troubleshooting the REST API" and "Rate limits for the REST API".
const ANYWHERE: [u16; 3] = [401, 403, 429];

/// How many violations of one answer are said; the first few tell it.
const SHOWN: usize = 3;

/// What one forge describes.
pub(crate) struct Contract {
    operations: Vec<Operation>,
    definitions: Map<String, Value>,
}

#[derive(Deserialize)]
struct Trimmed {
    operations: Vec<Described>,
    #[serde(rename = "$defs")]
    definitions: Map<String, Value>,
}

#[derive(Deserialize)]
struct Described {
    method: String,
    path: String,
    query: Vec<String>,
    request: Option<Value>,
    responses: Map<String, Value>,
}

/// One operation of an API.
struct Operation {
    method: String,
    path: String,
    query: Vec<String>,
    request: Option<Schema>,
    responses: Vec<(u16, Option<Schema>)>,
}

struct Schema {
    text: Value,
    compiled: OnceLock<Validator>,
}

impl Contract {
    fn load(text: &str) -> Self {
        let trimmed: Trimmed =
            serde_json::from_str(text).expect("the trimmed description is as its script writes it");
        let schema = |text: Value| {
            (!text.is_null()).then(|| Schema {
                text,
                compiled: OnceLock::new(),
            })
        };
        let operations = trimmed
            .operations
            .into_iter()
            .map(|described| Operation {
                method: described.method,
                path: described.path,
                query: described.query,
                request: described.request.and_then(schema),
                responses: described
                    .responses
                    .into_iter()
                    .map(|(status, text)| {
                        let status = status.parse().expect("statuses are numbers");
                        (status, schema(text))
                    })
                    .collect(),
            })
            .collect();
        Self {
            operations,
            definitions: trimmed.definitions,
        }
    }

    /// Finds the operation of a request. A name in braces stands for one part of a path; `{ref}` and `{branch}` for the
    /// rest of it, because names of branches have slashes.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<Terms<'_>> {
        let operation = self
            .operations
            .iter()
            .find(|operation| operation.method == method && fits(&operation.path, path))?;
        Some(Terms {
            contract: self,
            operation,
        })
    }

    /// Returns an object of a described kind: what is known, and for every other field that must be there the plainest
    /// value.
    pub(crate) fn filled(&self, kind: &str, known: Value) -> Value {
        let named = json!({ "$ref": format!("#/$defs/{kind}") });
        merge(self.plainest(&named), known)
    }

    fn plainest(&self, schema: &Value) -> Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.trim_start_matches("#/$defs/");
            return self.plainest(&self.definitions[name]);
        }
        if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
            return first.clone();
        }
        if let Some(choice) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            let choices = choice.as_array().map_or(&[][..], Vec::as_slice);
            let is_nullable = choices.iter().any(|choice| choice["type"] == "null");
            return match choices.first() {
                Some(first) if !is_nullable => self.plainest(first),
                _ => Value::Null,
            };
        }
        let kinds = schema["type"].as_array();
        let kind = if kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "null")) {
            "null"
        } else {
            schema["type"].as_str().unwrap_or("object")
        };
        match kind {
            "null" => Value::Null,
            "string" => json!(match schema["format"].as_str() {
                Some("uri") => "https://github.invalid/",
                Some("date-time") => "2026-01-01T00:00:00Z",
                Some("email") => "someone@example.invalid",
                _ => "",
            }),
            "integer" | "number" => json!(0),
            "boolean" => json!(false),
            "array" => json!([]),
            _ => {
                let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
                let fields = required.iter().filter_map(Value::as_str);
                fields
                    .map(|name| {
                        let value = self.plainest(&schema["properties"][name]);
                        // Templates of URLs are not described as such.
                        let is_url = value == "" && (name.ends_with("url") || name == "href");
                        let value = if is_url {
                            json!("https://github.invalid/")
                        } else {
                            value
                        };
                        (name.to_owned(), value)
                    })
                    .collect::<Map<_, _>>()
                    .into()
            }
        }
    }

    fn violations(&self, schema: &Schema, value: &Value) -> Vec<String> {
        let compiled = schema.compiled.get_or_init(|| {
            let whole = json!({ "allOf": [schema.text], "$defs": self.definitions });
            jsonschema::options()
                .should_validate_formats(true)
                .build(&whole)
                .expect("the description holds valid schemas")
        });
        compiled
            .iter_errors(value)
            .take(SHOWN)
            .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
            .collect()
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        match (wanted, parts.next()) {
            ("{ref}" | "{branch}", Some(_)) => return true,
            (_, None) => return false,
            (wanted, Some(part)) => {
                let is_any = wanted.starts_with('{') && !part.is_empty();
                if !is_any && wanted != part {
                    return false;
                }
            }
        }
    }
    parts.next().is_none()
}

/// What is described for one request.
pub(crate) struct Terms<'a> {
    contract: &'a Contract,
    operation: &'a Operation,
}

impl Terms<'_> {
    /// Says what is wrong with a request.
    pub(crate) fn check_request(&self, query: &str, body: &[u8]) -> Vec<String> {
        let mut wrong: Vec<String> = query
            .split('&')
            .filter_map(|pair| pair.split('=').next().filter(|name| !name.is_empty()))
            .filter(|name| !self.operation.query.iter().any(|known| known == name))
            .map(|name| format!("unknown query parameter {name:?}"))
            .collect();
        match (&self.operation.request, body.is_empty()) {
            (None, true) => {}
            (None, false) => wrong.push("a body where none belongs".to_owned()),
            (Some(schema), _) => match serde_json::from_slice(body) {
                Ok(value) => wrong.extend(self.contract.violations(schema, &value)),
                Err(error) => wrong.push(format!("a body that is no JSON: {error}")),
            },
        }
        wrong
    }

    /// Says what is wrong with an answer.
    pub(crate) fn check_answer(&self, status: u16, body: Option<&Value>) -> Vec<String> {
        let described = self
            .operation
            .responses
            .iter()
            .find(|(known, _)| *known == status);
        match (described, body) {
            (None, _) if ANYWHERE.contains(&status) => Vec::new(),
            (None, _) => vec![format!("status {status} is not described")],
            (Some((_, Some(schema))), Some(body)) => self.contract.violations(schema, body),
            (Some((_, Some(_))), None) => vec!["an answer without a body".to_owned()],
            (Some((_, None)), _) => Vec::new(),
        }
    }
}

fn merge(base: Value, known: Value) -> Value {
    match (base, known) {
        (Value::Object(mut base), Value::Object(known)) => {
            for (name, value) in known {
                let merged = match base.remove(&name) {
                    Some(inner) => merge(inner, value),
                    None => value,
                };
                base.insert(name, merged);
            }
            Value::Object(base)
        }
        (_, known) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_with_slashes_is_one_parameter() {
        let path = "/repos/acme/deploy/git/refs/heads/rollback/r-1";
        assert!(GITHUB.operation("PATCH", path).is_some());
        assert!(GITHUB.operation("GET", path).is_none());
        assert!(
            GITHUB
                .operation("GET", "/repos/acme/deploy/pulls/7/files")
                .is_none()
        );
    }

    #[test]
    fn a_misspelt_or_missing_field_is_a_violation() {
        let trees = GITHUB
            .operation("POST", "/repos/a/b/git/trees")
            .expect("described");
        let wrong = |body: &str| trees.check_request("", body.as_bytes()).len();
        let entry = r#"{"path":"a","mode":"040000","type":"tree","sha":"0"}"#;
        assert_eq!(
            wrong(&format!(r#"{{"base_tree":"0","tree":[{entry}]}}"#)),
            0
        );
        assert_ne!(wrong(&format!(r#"{{"basetree":"0","tree":[{entry}]}}"#)), 0);
        assert_ne!(wrong(r#"{"base_tree":"0"}"#), 0);
        assert_ne!(wrong(r#"{"tree":[{"path":"a","mode":"40000"}]}"#), 0);
    }

    #[test]
    fn what_is_filled_in_keeps_the_contract() {
        for (method, path, status, kind) in [
            ("GET", "/repos/a/b/pulls/1", 200, "pull-request"),
            ("POST", "/repos/a/b/git/commits", 201, "git-commit"),
            ("POST", "/repos/a/b/issues/1/comments", 201, "issue-comment"),
        ] {
            let operation = GITHUB.operation(method, path).expect("described");
            let answer = GITHUB.filled(kind, json!({}));
            assert_eq!(
                operation.check_answer(status, Some(&answer)),
                Vec::<String>::new()
            );
            assert_ne!(
                operation.check_answer(418, Some(&answer)),
                Vec::<String>::new()
            );
            assert_ne!(
                operation.check_answer(status, Some(&json!({}))),
                Vec::<String>::new()
            );
        }
    }
}
