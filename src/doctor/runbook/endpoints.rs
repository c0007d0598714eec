//! The pods that a selector of a Service finds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::asking::ClusterLook;

const ENDPOINTS: &str = "endpoints";

/// Counts the pods that a selector of a Service finds, and says where there are fewer than must be.
pub(super) fn look(
    looking: &mut ClusterLook<'_>,
    namespace: &str,
    service: &Value,
    selector: &Value,
    wanted: usize,
) {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let Some(labels) = labels(selector) else {
        looking.problem(
            ENDPOINTS,
            format!("read the selector of Service {namespace}/{name}"),
            "it is no map of labels: a Service without a selector keeps its last endpoints for ever",
            "write the whole map, such as {app: checkout}",
        );
        return;
    };
    let tried = format!("count ready pods in {namespace} with {labels} and the port of {name}");
    let pods = looking.collection("v1", "pods", namespace);
    match looking.cluster.objects(&pods, &labels) {
        Ok(pods) => {
            let ready = ready(service, &pods);
            let found = format!("{ready} of {} pods", pods.len());
            match ready >= wanted {
                true => looking.ok(ENDPOINTS, tried, found),
                false => looking.problem(
                    ENDPOINTS,
                    tried,
                    format!("{found}, and {wanted} must be there"),
                    "correct the labels, or start the pods first; a Service finds only pods of its own namespace that are \
                     ready and have its port",
                ),
            }
        }
        Err(error) => looking.failed(ENDPOINTS, &error),
    }
}

/// Writes a selector as a question for labels.
pub(super) fn labels(selector: &Value) -> Option<String> {
    let labels = selector.as_object()?.iter();
    let labels: Option<Vec<String>> = labels
        .map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    labels
        .filter(|labels| !labels.is_empty())
        .map(|labels| labels.join(","))
}

/// Counts distinct pods that are ready and have every port that the Service sends to.
pub(super) fn ready(service: &Value, pods: &[Value]) -> usize {
    let ports: Vec<&str> = service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        // A number needs no container that names it.
        .filter_map(|port| port["targetPort"].as_str())
        .collect();
    let serving = pods.iter().filter(|pod| {
        let conditions = pod["status"]["conditions"].as_array();
        let is_ready = conditions
            .into_iter()
            .flatten()
            .any(|one| one["type"] == "Ready" && one["status"] == "True");
        is_ready
            && pod["metadata"]["deletionTimestamp"].is_null()
            && ports.iter().all(|port| has_port(pod, port))
    });
    let uids: BTreeSet<&str> = serving
        .filter_map(|pod| pod["metadata"]["uid"].as_str())
        .collect();
    uids.len()
}

fn has_port(pod: &Value, name: &str) -> bool {
    let containers = pod["spec"]["containers"].as_array();
    containers
        .into_iter()
        .flatten()
        .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        .any(|port| port["name"] == name)
}
