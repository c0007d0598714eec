//! Whether KEDA leaves the number of pods alone.

use serde_json::Value;

use super::asking::{AUTOSCALER, ClusterLook, StepPlace};
use crate::runbook::{ObjectTarget, PatchOperation, Replicas, StepAction};

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
pub(super) fn hold(scaled_object: &Value) -> Option<ScaledObjectHold> {
    let annotation = |name: &str| {
        let all = &scaled_object["metadata"]["annotations"];
        all[format!("autoscaling.keda.sh/{name}")].as_str()
    };
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
    (name, namespace): (&str, &str),
    tried: String,
    hold: Option<ScaledObjectHold>,
    replicas: Replicas,
) {
    if is_annotated_before(looking, name, namespace) {
        let found = format!("KEDA's {name} does, and an earlier step changes its annotations");
        return looking.ok(AUTOSCALER, tried, found);
    }
    match hold {
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

/// Tells whether an earlier step of the list changes annotations of the ScaledObject.
fn is_annotated_before(looking: &ClusterLook<'_>, name: &str, namespace: &str) -> bool {
    let Some(StepPlace { place, steps, .. }) = looking.place else {
        return false;
    };
    let is_it = |target: &ObjectTarget| {
        target.kind.name() == "ScaledObject"
            && target.name == name
            && looking.namespace_of(target.namespace.clone()) == namespace
    };
    let annotates = |path: &str| path.starts_with("/metadata/annotations");
    steps[..place].iter().any(|step| match &step.action {
        StepAction::Replace(step) => is_it(&step.target) && annotates(step.field.as_str()),
        StepAction::Patch(step) => {
            let mut changes = step.operations.iter().filter(|one| one.changes());
            is_it(&step.target) && changes.any(|one: &PatchOperation| annotates(one.path()))
        }
        StepAction::Undo(_)
        | StepAction::Scale(_)
        | StepAction::Route(_)
        | StepAction::Flagger(_)
        | StepAction::File(_)
        | StepAction::Command(_)
        | StepAction::Http(_)
        | StepAction::Prometheus(_)
        | StepAction::Wait(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_number_goes_before_the_switch_and_a_switch_that_is_no_boolean_is_on() {
        let with = |annotations: &Value| hold(&json!({"metadata": {"annotations": annotations}}));
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
        assert_eq!(hold(&json!({"metadata": {}})), None);
    }
}
