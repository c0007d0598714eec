//! The chart and the examples that make secrets. `scripts/check-manifests.sh` renders the chart and compares it with kustomize.

use std::collections::BTreeSet;

use error_budget_monitor::config::VARIABLES;
use serde_json::Value;

use super::{at, documents, list, pod, read, text};

fn values() -> Value {
    documents(&read(&at("k8s/helm/values.yaml"))).remove(0)
}

fn schema() -> Value {
    serde_json::from_str(&read(&at("k8s/helm/values.schema.json"))).expect("the schema is JSON")
}

#[test]
fn the_chart_takes_no_secret_as_a_setting() {
    let schema = schema();
    let names = &schema["properties"]["settings"]["propertyNames"];
    let pattern = text(&names["allOf"][1]["not"]["pattern"]);
    let refused = pattern
        .strip_prefix("^(")
        .and_then(|rest| rest.strip_suffix(")$"));
    let refused: BTreeSet<&str> = refused.expect("a list of names").split('|').collect();
    let secrets = VARIABLES.iter().filter(|variable| variable.secret);
    let mut secrets: BTreeSet<&str> = secrets.map(|variable| variable.name).collect();
    // The name of a tenant is none, and it has no other way into the pod but a file.
    secrets.remove("PROMETHEUS_HEADERS");
    assert_eq!(refused, secrets);
}

#[test]
fn the_chart_sets_only_variables_that_there_are() {
    let values = values();
    for name in values["settings"].as_object().expect("settings").keys() {
        assert!(
            VARIABLES.iter().any(|variable| variable.name == name),
            "{name}"
        );
    }
}

#[test]
fn every_value_of_the_chart_is_known_to_its_schema() {
    fn compare(values: &Value, schema: &Value, path: &str) {
        let Some(values) = values.as_object() else {
            return;
        };
        for (name, value) in values {
            let known = &schema["properties"][name];
            if schema["additionalProperties"] == false {
                assert!(known.is_object(), "{path}.{name}");
                compare(value, known, &format!("{path}.{name}"));
            }
        }
    }
    let schema = schema();
    assert_eq!(schema["additionalProperties"], false);
    compare(&values(), &schema, "");
}

/// Returns the names of the secrets that the pod reads, each with the keys.
fn wanted() -> BTreeSet<(String, String)> {
    let pod = pod();
    let container = super::container(&pod);
    let mut wanted = BTreeSet::new();
    for variable in list(&container["env"]) {
        let key = &variable["valueFrom"]["secretKeyRef"];
        if key.is_object() {
            wanted.insert((text(&key["name"]).to_owned(), text(&key["key"]).to_owned()));
        } else if let Some(path) = text(&variable["value"]).strip_prefix("/run/secrets/") {
            let (folder, key) = path.split_once('/').expect("a file in a folder");
            wanted.insert((format!("{folder}-credentials"), key.to_owned()));
        }
    }
    wanted
}

#[test]
fn the_examples_make_the_secrets_that_the_pod_reads() {
    let external = documents(&read(&at("k8s/examples/external-secrets/secrets.yaml")));
    let made: BTreeSet<(String, String)> = external
        .iter()
        .flat_map(|secret| {
            let name = text(&secret["spec"]["target"]["name"]);
            let keys = list(&secret["spec"]["data"]).iter();
            keys.map(move |key| (name.to_owned(), text(&key["secretKey"]).to_owned()))
        })
        .collect();
    assert_eq!(made, wanted());

    let sealed = documents(&read(&at("k8s/examples/sealed-secrets/secrets.yaml")));
    let made: BTreeSet<(String, String)> = sealed
        .iter()
        .flat_map(|secret| {
            let name = text(&secret["metadata"]["name"]);
            assert_eq!(secret["spec"]["template"]["metadata"]["name"], name);
            let keys = secret["spec"]["encryptedData"]
                .as_object()
                .expect("keys")
                .keys();
            keys.map(move |key| (name.to_owned(), key.clone()))
        })
        .collect();
    assert_eq!(made, wanted());
}

#[test]
fn the_application_gives_the_chart_values_that_it_knows() {
    let application = documents(&read(&at(
        "k8s/examples/argocd-application/application.yaml",
    )))
    .remove(0);
    let source = &application["spec"]["source"];
    assert!(at(text(&source["path"])).join("Chart.yaml").is_file());
    let given = source["helm"]["valuesObject"].as_object().expect("values");
    let values = values();
    for (name, value) in given {
        let known = values[name.as_str()].clone();
        assert_ne!(known, Value::Null, "{name}");
        let nested = value.as_object().into_iter().flatten();
        for (inner, _) in nested {
            assert_ne!(known[inner.as_str()], Value::Null, "{name}.{inner}");
        }
    }
}
