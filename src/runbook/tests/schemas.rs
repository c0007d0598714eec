//! The schema that is shipped is that of the types, and it agrees with what reads the file.

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::super::{SCHEMA, step::Runbook};
use super::refused::BROKEN;
use super::{MIMIR, accepted, refusal};

#[test]
fn the_shipped_schema_is_made_of_the_types() {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<Runbook>();
    let mut made = schema.to_value();
    without_null(&mut made);
    let made = format!("{made:#}\n");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/runbook/schema.json");
        std::fs::write(path, &made).expect("our own folder");
        return;
    }
    assert!(
        made == SCHEMA,
        "src/runbook/schema.json is another one; UPDATE_SCHEMA=1 cargo test --lib runbook writes it anew"
    );
}

/// Takes null out of the types: a member may be left out, but not be written without a value.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = types.as_mut_slice() {
                    let only = only.take();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(any)) = members.get_mut("anyOf") {
                any.retain(|one| one["type"] != "null");
                if let [Value::Object(only)] = any.as_mut_slice() {
                    let mut only = std::mem::take(only);
                    members.remove("anyOf");
                    members.append(&mut only);
                }
            }
            if members.get("default") == Some(&Value::Null) {
                members.remove("default");
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns what the schema says against a file.
pub(super) fn complaints(text: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let validator = Validator::new(&schema).expect("a schema");
    let read: Value = serde_norway::from_str(text).expect("YAML");
    let errors = validator.iter_errors(&read);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn what_the_schema_refuses_is_refused_and_what_it_takes_is_read() {
    for text in [MIMIR, include_str!("every.yaml")] {
        accepted(text);
        assert_eq!(complaints(text), Vec::<String>::new(), "{text}");
    }
    for (text, _) in BROKEN {
        refusal(text);
        assert!(!complaints(text).is_empty(), "the schema takes:\n{text}");
    }
}
