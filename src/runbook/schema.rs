//! The JSON Schema of the file, for editors and for whoever checks a runbook without this program.
//!
//! It is made from the types that read the file, by a test, which compares it with what is shipped.

/// The schema, as `runbook schema` prints it.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
pub(super) use made::{exactly_one_kind_of_step, exactly_one_object, exactly_one_route};

#[cfg(test)]
mod made {
    use schemars::Schema;
    use serde_json::{Value, json};

    /// Demands exactly one kind of step, and `hold` for a ladder.
    pub(in crate::runbook) fn exactly_one_kind_of_step(schema: &mut Schema) {
        let kinds = [
            "undo",
            "scale",
            "replace",
            "patch",
            "route",
            "flagger",
            "file",
            "command",
            "http",
            "prometheus",
            "wait",
        ];
        exactly_one(schema, &kinds);
        let ladder = json!({"required": ["weights"], "properties": {"weights": {"minItems": 2}}});
        schema.insert(
            "if".to_owned(),
            json!({"required": ["route"], "properties": {"route": ladder}}),
        );
        schema.insert("then".to_owned(), json!({"required": ["hold"]}));
    }

    /// Demands exactly one object.
    pub(in crate::runbook) fn exactly_one_object(schema: &mut Schema) {
        let kinds = [
            "service",
            "deployment",
            "statefulset",
            "daemonset",
            "configmap",
            "ingress",
            "httproute",
            "virtualservice",
            "canary",
            "object",
        ];
        exactly_one(schema, &kinds);
    }

    /// Demands exactly one route, and either weights or a mirror.
    pub(in crate::runbook) fn exactly_one_route(schema: &mut Schema) {
        let kinds = ["httproute", "virtualservice", "traefikservice", "ingress"];
        exactly_one(schema, &kinds);
        let ways = json!([{"oneOf": [
            {"required": ["to", "stable", "weights"], "not": {"anyOf": [
                {"required": ["mirror"]}, {"required": ["percent"]}
            ]}},
            {"required": ["mirror", "percent"], "not": {"anyOf": [
                {"required": ["to"]}, {"required": ["stable"]}, {"required": ["weights"]}, {"required": ["ingress"]}
            ]}},
        ]}]);
        schema.insert("allOf".to_owned(), ways);
    }

    fn exactly_one(schema: &mut Schema, names: &[&str]) {
        let one: Vec<Value> = names
            .iter()
            .map(|name| json!({"required": [name]}))
            .collect();
        schema.insert("oneOf".to_owned(), Value::Array(one));
    }
}
