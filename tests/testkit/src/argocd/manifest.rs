//! Just enough of manifests to name the objects in them.

use serde_json::{Value, json};

use super::status::HealthCode;

/// Kinds of which Argo CD tells how they are; the others are simply there. Source: `gitops-engine/pkg/health`.
const WITH_HEALTH: &[&str] = &[
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "Service",
    "Rollout",
];

/// What Kubernetes calls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    group: String,
    version: String,
    kind: String,
    namespace: String,
    name: String,
}

/// What a sync did with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Created,
    Configured,
    Unchanged,
    Pruned,
    PruneSkipped,
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

    /// Reads a hook such as `batch/Job/migrate`.
    pub(super) fn of_hook(hook: &str) -> Self {
        let mut parts = hook.splitn(3, '/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Self {
            group: part(),
            kind: part(),
            name: part(),
            version: "v1".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    /// Tells whether it is one of the objects that an operation is limited to.
    pub(super) fn is_among(&self, resources: &[Value]) -> bool {
        resources.iter().any(|resource| self.is(resource))
    }

    /// Tells whether it is the object that a value names.
    pub(super) fn is(&self, resource: &Value) -> bool {
        resource["kind"] == self.kind
            && resource["name"] == self.name
            && resource["group"].as_str().unwrap_or_default() == self.group
    }

    /// Tells whether Argo CD says how it is.
    pub(super) fn has_health(&self) -> bool {
        WITH_HEALTH.contains(&self.kind.as_str())
    }

    /// Returns it as an operation is limited to it.
    pub(super) fn selector(&self) -> Value {
        let mut selector = json!({ "kind": self.kind, "name": self.name });
        if !self.group.is_empty() {
            selector["group"] = json!(self.group);
        }
        selector
    }

    /// Returns it as the result of a sync shows it. `text` is its manifest.
    pub(super) fn result(&self, text: &str, done: Done, phase: &str) -> Value {
        let kind = self.kind.to_lowercase();
        let dot = if self.group.is_empty() { "" } else { "." };
        let (group, name) = (&self.group, &self.name);
        let told = |verb: &str| format!("{kind}{dot}{group}/{name} {verb}");
        let (status, message, phase) = match done {
            Done::Created => ("Synced", told("created"), phase),
            Done::Configured => ("Synced", told("configured"), phase),
            Done::Unchanged => ("Synced", told("unchanged"), phase),
            Done::Pruned => ("Pruned", "pruned".to_owned(), "Succeeded"),
            Done::PruneSkipped => {
                let message = "ignored (requires pruning)".to_owned();
                ("PruneSkipped", message, "Succeeded")
            }
        };
        let mut result = self.outcome(status, &message, phase, "Sync");
        let images = images(std::iter::once(text));
        if !images.is_empty() {
            result["images"] = json!(images);
        }
        result
    }

    /// Returns it, an object that could not be applied, as the result of a sync shows it.
    pub(super) fn refused(&self, why: &str) -> Value {
        self.outcome("SyncFailed", why, "Failed", "Sync")
    }

    /// Returns it, a hook that failed, as the result of a sync shows it.
    pub(super) fn failed_hook(&self, kind: &str, message: &str) -> Value {
        let mut result = self.outcome("Synced", message, "Failed", kind);
        result["hookType"] = json!(kind);
        result["images"] = json!([format!("registry.example/{}", self.name)]);
        result
    }

    fn outcome(&self, status: &str, message: &str, hook_phase: &str, sync_phase: &str) -> Value {
        json!({
            "group": self.group,
            "version": self.version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "status": status,
            "message": message,
            "hookPhase": hook_phase,
            "syncPhase": sync_phase,
        })
    }

    /// Returns it as the status of an application shows it.
    pub(super) fn status(&self, is_synced: bool, requires_pruning: bool) -> Value {
        let mut status = self.selector();
        status["version"] = json!(self.version);
        status["namespace"] = json!(self.namespace);
        status["status"] = json!(if is_synced { "Synced" } else { "OutOfSync" });
        if requires_pruning {
            status["requiresPruning"] = json!(true);
        }
        status
    }

    /// Says of it, in the status of an application, how it is; what says so already stays.
    pub(super) fn tell_health(&self, status: &mut Value, health: HealthCode) {
        if !self.has_health() || !status["health"].is_null() {
            return;
        }
        status["health"] = json!({ "status": health });
        let message = match health {
            HealthCode::Progressing => "Waiting for rollout to finish".to_owned(),
            HealthCode::Degraded => {
                format!(
                    "{} {:?} exceeded its progress deadline",
                    self.kind, self.name
                )
            }
            HealthCode::Healthy
            | HealthCode::Suspended
            | HealthCode::Missing
            | HealthCode::Unknown => return,
        };
        status["health"]["message"] = json!(message);
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
