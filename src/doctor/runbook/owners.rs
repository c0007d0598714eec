//! Who else writes an object, as its own marks say.

use serde_json::Value;

/// Somebody who would undo a change, or who is to be asked before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectOwner {
    /// Who it is.
    pub(super) who: String,
    /// What becomes of a change.
    pub(super) undoes: &'static str,
    /// What to do.
    pub(super) remedy: &'static str,
    /// Whether a change lasts until somebody acts.
    pub(super) lasts: bool,
}

/// Returns the owners that the marks of an object name.
pub(super) fn owners(object: &Value) -> Vec<ObjectOwner> {
    let metadata = &object["metadata"];
    let marks = |part: &str, begins: &str| {
        let marks = metadata[part].as_object().into_iter().flatten();
        marks
            .filter(|(name, _)| name.starts_with(begins))
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    let manages = |manager: &str| {
        let entries = metadata["managedFields"].as_array().into_iter().flatten();
        entries
            .filter(|entry| entry["subresource"].is_null())
            .any(|entry| entry["manager"] == manager)
    };
    let mut found = Vec::new();
    if let Some((_, id)) = marks("annotations", "argocd.argoproj.io/tracking-id").first() {
        let application = id.split(':').next().unwrap_or_default();
        found.push(ObjectOwner {
            who: format!("Argo CD, application {application}"),
            undoes: "its next sync puts back what git says, with self-heal at once",
            remedy: "go back in git or in Argo CD (GITOPS_*, ARGOCD_*), or let the application ignore this field",
            lasts: false,
        });
    } else if manages("argocd-controller") {
        found.push(ObjectOwner {
            who: "Argo CD".to_owned(),
            undoes: "its next sync puts back what git says, with self-heal at once",
            remedy: "go back in git or in Argo CD (GITOPS_*, ARGOCD_*), or let the application ignore this field",
            lasts: false,
        });
    }
    let flux: Vec<Vec<(String, String)>> =
        ["kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"]
            .iter()
            .map(|begins| [marks("labels", begins), marks("annotations", begins)].concat())
            .collect();
    // Each of its controllers has a switch of its own.
    let keeps_off = |marks: &[(String, String)]| {
        marks.iter().any(|(name, value)| {
            let is_switch = name.ends_with("/reconcile") || name.ends_with("/driftDetection");
            is_switch && value.eq_ignore_ascii_case("disabled")
        })
    };
    let is_marked = flux
        .iter()
        .any(|marks| !marks.is_empty() && !keeps_off(marks));
    let is_written = manages("kustomize-controller") && !keeps_off(&flux[0]);
    if is_marked || is_written {
        found.push(ObjectOwner {
            who: "Flux".to_owned(),
            undoes: "its next reconciliation puts back what git says",
            remedy: "go back in git, or suspend the Kustomization before",
            lasts: false,
        });
    }
    let is_helm = metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm";
    if let Some((_, release)) = marks("annotations", "meta.helm.sh/release-name")
        .first()
        .filter(|_| is_helm && flux.iter().all(Vec::is_empty))
    {
        found.push(ObjectOwner {
            who: format!("Helm, release {release}"),
            undoes: "the next `helm upgrade` puts back what the chart says",
            remedy: "know it, and put the values right before the next upgrade",
            lasts: true,
        });
    }
    let rollouts = marks(
        "annotations",
        "argo-rollouts.argoproj.io/managed-by-rollouts",
    );
    if let Some((_, rollout)) = rollouts.first() {
        found.push(ObjectOwner {
            who: format!("Argo Rollouts, rollout {rollout}"),
            undoes: "it sets selectors and weights itself",
            remedy: "abort the Rollout instead (`kubectl argo rollouts abort`)",
            lasts: false,
        });
    }
    let references = metadata["ownerReferences"].as_array().into_iter().flatten();
    for reference in references.filter(|reference| reference["controller"] == true) {
        let part = |name: &str| reference[name].as_str().unwrap_or_default().to_owned();
        found.push(ObjectOwner {
            who: format!("{} {}, its controller", part("kind"), part("name")),
            undoes: "the controller puts back what it wants",
            remedy: "change that object instead",
            lasts: false,
        });
    }
    found
}

/// Returns who applied a field from the server's side, but for this program.
pub(super) fn appliers(object: &Value, path: &str) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array();
    let applied = entries.into_iter().flatten().filter(|entry| {
        entry["operation"] == "Apply"
            && entry["manager"] != "error-budget-monitor"
            && has_field(&entry["fieldsV1"], path)
    });
    applied
        .filter_map(|entry| entry["manager"].as_str())
        .map(str::to_owned)
        .collect()
}

/// Tells whether fields have a path, as far as it names members: elements of lists are found by other means.
fn has_field(fields: &Value, path: &str) -> bool {
    let mut at = fields;
    for part in path.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        let name = part.replace("~1", "/").replace("~0", "~");
        match at.get(format!("f:{name}")) {
            // All that is below belongs to whoever has it as a whole.
            Some(below) if below.as_object().is_some_and(serde_json::Map::is_empty) => return true,
            Some(below) => at = below,
            None => return false,
        }
    }
    true
}
