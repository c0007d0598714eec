//! Whether KEDA leaves the number of pods alone.

use serde_json::Value;

use super::asking::{AUTOSCALER, ClusterLook, StepPlace};
use crate::runbook::Replicas;

/// What a ScaledObject whose scaling is paused does with its workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScaledObjectHold {
    /// It leaves the number as it is.
    AsItIs,
    /// It sets this number.
    At(u32),
}

/// Tells whether the scaling is paused, by the annotations that KEDA 2.21 reads: the number goes before the switch, and a
/// switch that is no boolean of Go is on.
fn hold(annotations: &Value) -> Option<ScaledObjectHold> {
    let annotation = |name: &str| annotations[format!("autoscaling.keda.sh/{name}")].as_str();
    match (annotation("paused-replicas"), annotation("paused")) {
        // Where it cannot be read KEDA is to pause and fails: nobody knows what becomes of the number.
        (Some(count), _) => count.parse().ok().map(ScaledObjectHold::At),
        (None, Some("0" | "f" | "F" | "false" | "FALSE" | "False") | None) => None,
        (None, Some(_)) => Some(ScaledObjectHold::AsItIs),
    }
}

/// Says what becomes of a number of pods that a step sets.
pub(super) fn say(
    looking: &mut ClusterLook<'_>,
    scaled_object: &Value,
    namespace: &str,
    tried: String,
    replicas: Replicas,
) {
    let name = scaled_object["metadata"]["name"]
        .as_str()
        .unwrap_or_default();
    let annotations = annotations_by_then(looking, scaled_object, namespace);
    match hold(&annotations) {
        Some(ScaledObjectHold::AsItIs) => {
            let found = format!("KEDA's {name} does, and is paused: the number stays");
            looking.ok(AUTOSCALER, tried, found);
        }
        Some(ScaledObjectHold::At(count)) if replicas == Replicas::Count(count) => {
            let found = format!("KEDA's {name} does, and is paused at the same number");
            looking.ok(AUTOSCALER, tried, found);
        }
        Some(ScaledObjectHold::At(count)) => looking.problem(
            AUTOSCALER,
            tried,
            format!("KEDA's {name} does, and is paused at {count}: it sets that number again"),
            "write that number, or use the annotation autoscaling.keda.sh/paused: \"true\" instead of paused-replicas",
        ),
        None => looking.problem(
            AUTOSCALER,
            tried,
            format!("KEDA's {name} does, and sets its own number again, also from 0"),
            "pause it by the annotation autoscaling.keda.sh/paused: \"true\" of the ScaledObject",
        ),
    }
}

/// Returns the annotations as they are when the step is taken: earlier steps of the list may change them.
fn annotations_by_then(looking: &ClusterLook<'_>, scaled_object: &Value, namespace: &str) -> Value {
    let metadata = &scaled_object["metadata"];
    let mut annotations = metadata["annotations"].clone();
    let Some(StepPlace { place, steps, .. }) = looking.place else {
        return annotations;
    };
    for (target, fields) in steps[..place].iter().filter_map(|step| step.fields()) {
        let is_it = target.kind.name() == "ScaledObject"
            && metadata["name"] == target.name
            && looking.namespace_of(target.namespace.clone()) == namespace;
        for (path, value) in fields.into_iter().filter(|_| is_it) {
            if path == "/metadata/annotations" {
                annotations = value.cloned().unwrap_or_default();
            } else if let Some(name) = path.strip_prefix("/metadata/annotations/") {
                let name = name.replace("~1", "/").replace("~0", "~");
                let mut all = annotations.as_object().cloned().unwrap_or_default();
                all.insert(name, value.cloned().unwrap_or_default());
                annotations = all.into();
            }
        }
    }
    annotations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_number_goes_before_the_switch_and_a_switch_that_is_no_boolean_is_on() {
        let with = |annotations: &Value| hold(annotations);
        let (paused, count) = (
            "autoscaling.keda.sh/paused",
            "autoscaling.keda.sh/paused-replicas",
        );
        let as_it_is = Some(ScaledObjectHold::AsItIs);
        assert_eq!(with(&json!({paused: "true"})), as_it_is);
        assert_eq!(with(&json!({paused: "yes"})), as_it_is);
        assert_eq!(with(&json!({paused: ""})), as_it_is);
        assert_eq!(with(&json!({paused: "false"})), None);
        assert_eq!(with(&json!({paused: "0"})), None);
        let at = Some(ScaledObjectHold::At(4));
        assert_eq!(with(&json!({count: "4"})), at);
        assert_eq!(with(&json!({count: "4", paused: "false"})), at);
        assert_eq!(with(&json!({count: "four", paused: "true"})), None);
        assert_eq!(with(&json!({})), None);
        assert_eq!(with(&Value::Null), None);
    }
}
