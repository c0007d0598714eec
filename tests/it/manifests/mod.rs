//! The manifests in `k8s/`: what can be said of them without kubectl. `scripts/check-manifests.sh` does the rest.

mod cron_job;
mod fleet;
mod helm;
mod image;
mod in_cluster;
mod least_rights;
mod overlays;
mod settings;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

const JOB: &str = "k8s/monitoring/error-budget-rollback-job.yaml";

/// Returns a path of this repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file of this repository.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// Returns the documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    serde_norway::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("YAML that JSON can say"))
        .collect()
}

/// Returns the object of a kind from the file that works alone.
fn object(kind: &str) -> Value {
    let mut found: Vec<Value> = documents(&read(&at(JOB)))
        .into_iter()
        .filter(|object| object["kind"] == kind)
        .collect();
    assert_eq!(found.len(), 1, "objects of kind {kind} in {JOB}");
    found.remove(0)
}

/// Returns the specification of the job that the CronJob makes.
fn job() -> Value {
    object("CronJob")["spec"]["jobTemplate"]["spec"].clone()
}

/// Returns the specification of its pods.
fn pod() -> Value {
    job()["template"]["spec"].clone()
}

/// Returns the only container of a pod.
fn container(pod: &Value) -> &Value {
    let containers = list(&pod["containers"]);
    assert_eq!(containers.len(), 1, "one container, nothing beside it");
    assert_eq!(pod["initContainers"], Value::Null);
    &containers[0]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

/// Returns what a ConfigMap sets; `null` takes a variable away.
fn settings_of(config_map: &Value) -> BTreeMap<String, Option<String>> {
    let data = config_map["data"].as_object().expect("it has data");
    data.iter()
        .map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned)))
        .collect()
}

/// Returns every kustomization below `k8s/`, with its path.
fn kustomizations() -> Vec<(PathBuf, Value)> {
    let mut found: Vec<_> = files_below(&at("k8s"))
        .into_iter()
        .filter(|path| path.ends_with("kustomization.yaml"))
        .map(|path| {
            let mut documents = documents(&read(&path));
            assert_eq!(documents.len(), 1, "{}", path.display());
            (path, documents.remove(0))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Returns the objects that a kustomization changes.
fn patches(kustomization: &Value) -> Vec<Value> {
    list(&kustomization["patches"])
        .iter()
        .flat_map(|patch| documents(text(&patch["patch"])))
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
