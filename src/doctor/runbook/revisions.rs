//! The revisions that a workload could go back to.

use serde_json::Value;

use crate::runbook::{UndoTo, WorkloadKind};

/// A revision of a workload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WorkloadRevision {
    /// Its number.
    pub(super) number: u64,
    /// Its template, as the workload has it.
    pub(super) template: Value,
}

/// Returns the kind of objects that hold the revisions of a workload.
pub(super) fn holders(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "replicasets",
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => "controllerrevisions",
    }
}

/// Returns the labels by which a workload finds what belongs to it.
pub(super) fn labels(workload: &Value) -> String {
    let labels = workload["spec"]["selector"]["matchLabels"].as_object();
    let labels = labels.into_iter().flatten();
    let labels: Vec<String> = labels
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    labels.join(",")
}

/// Returns the revisions of a workload among the objects that hold such, the newest first.
pub(super) fn revisions(
    kind: WorkloadKind,
    workload: &Value,
    holders: &[Value],
) -> Vec<WorkloadRevision> {
    let uid = &workload["metadata"]["uid"];
    let is_of_it = |holder: &&Value| {
        let references = holder["metadata"]["ownerReferences"].as_array();
        references
            .into_iter()
            .flatten()
            .any(|one| one["controller"] == true && one["uid"] == *uid)
    };
    let mut found: Vec<WorkloadRevision> = holders
        .iter()
        .filter(is_of_it)
        .filter_map(|holder| match kind {
            WorkloadKind::Deployment => {
                let number =
                    holder.pointer("/metadata/annotations/deployment.kubernetes.io~1revision");
                let mut template = holder["spec"]["template"].clone();
                if let Some(labels) = template.pointer_mut("/metadata/labels") {
                    labels.as_object_mut()?.remove("pod-template-hash");
                }
                Some(WorkloadRevision {
                    number: number?.as_str()?.parse().ok()?,
                    template,
                })
            }
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
                let mut template = holder.pointer("/data/spec/template")?.clone();
                template.as_object_mut()?.remove("$patch");
                Some(WorkloadRevision {
                    number: holder["revision"].as_u64()?,
                    template,
                })
            }
        })
        .collect();
    found.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    found
}

/// Chooses the revision that a step would go back to, as far as that is known before something burns.
///
/// # Errors
/// Fails with what is found instead, and what to do.
pub(super) fn choose(
    workload: &Value,
    revisions: &[WorkloadRevision],
    to: UndoTo,
) -> Result<WorkloadRevision, (String, String)> {
    let containers = |template: &Value| template["spec"]["containers"].clone();
    let now = containers(&workload["spec"]["template"]);
    let numbers: Vec<String> = revisions
        .iter()
        .map(|revision| revision.number.to_string())
        .collect();
    let numbers = numbers.join(", ");
    let found = match to {
        UndoTo::Revision(number) => revisions.iter().find(|revision| revision.number == number),
        UndoTo::Healthy | UndoTo::Previous => revisions
            .iter()
            .find(|revision| containers(&revision.template) != now),
    };
    found.cloned().ok_or_else(|| match to {
        UndoTo::Revision(number) => (
            format!("there is no revision {number}, there are {numbers}"),
            "write previous or healthy: a revision that is gone back to gets a new number".to_owned(),
        ),
        UndoTo::Healthy | UndoTo::Previous => (
            format!(
                "{} revisions, and all have the containers that run now: there is nothing to go back to",
                revisions.len()
            ),
            "deploy once more, or raise revisionHistoryLimit; a restart makes a revision with the same containers".to_owned(),
        ),
    })
}
