//! Just enough of manifests to name the objects in them.

use serde_json::{Value, json};

/// What Kubernetes calls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    group: String,
    version: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Identity {
    /// Reads a manifest; text that is none becomes a ConfigMap with the name of its file.
    pub(super) fn of(file: &str, text: &str) -> Self {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(|value| value.trim().to_owned())
        };
        let api = value("apiVersion:").unwrap_or_else(|| "v1".to_owned());
        let (group, version) = api.split_once('/').unwrap_or(("", &api));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: value("kind:").unwrap_or_else(|| "ConfigMap".to_owned()),
            namespace: value("  namespace:").unwrap_or_else(|| "shop".to_owned()),
            name: value("  name:").unwrap_or_else(|| file.to_owned()),
        }
    }

    /// Tells whether it is one of the objects that an operation is limited to.
    pub(super) fn is_among(&self, resources: &[Value]) -> bool {
        resources.iter().any(|resource| {
            resource["kind"] == self.kind
                && resource["name"] == self.name
                && resource["group"].as_str().unwrap_or_default() == self.group
        })
    }

    /// Returns it as an operation is limited to it.
    pub(super) fn selector(&self) -> Value {
        json!({ "group": self.group, "kind": self.kind, "namespace": self.namespace, "name": self.name })
    }

    /// Returns it as the result of a sync shows it.
    pub(super) fn result(&self) -> Value {
        let mut result = self.selector();
        result["version"] = json!(self.version);
        result["status"] = json!("Synced");
        result["message"] = json!(format!(
            "{}/{} configured",
            self.kind.to_lowercase(),
            self.name
        ));
        result["hookPhase"] = json!("Running");
        result["syncPhase"] = json!("Sync");
        result
    }

    /// Returns it as the status of an application shows it.
    pub(super) fn status(&self, is_synced: bool, requires_pruning: bool) -> Value {
        let mut status = self.selector();
        status["version"] = json!(self.version);
        status["status"] = json!(if is_synced { "Synced" } else { "OutOfSync" });
        if requires_pruning {
            status["requiresPruning"] = json!(true);
        }
        status
    }
}

/// Returns the images that manifests name.
pub(super) fn images<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut images: Vec<String> = texts
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("image:"))
        .map(|image| image.trim().to_owned())
        .collect();
    images.sort();
    images.dedup();
    images
}
