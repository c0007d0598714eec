//! The rights that the memory in Kubernetes needs, and no more.

use super::names::{corrupt_names, lease_name, object_name};
use crate::config::StateConfig;

/// How many services' ConfigMaps a Role names one by one. A Role of more would be long, and large for the API server.
const NAMED: usize = 50;

/// Writes the Role for these settings as YAML; nothing where no right is needed.
///
/// Making an object cannot be limited to its name: a rule with names never allows it.
pub(crate) fn role(state: &StateConfig, keys: &[String]) -> Option<String> {
    let objects = state.objects.as_ref()?;
    let shards = state.sharding.shards;
    let leases = (0..shards).map(|shard| lease_name(&objects.name, shard, shards));
    let maps = keys.iter().flat_map(|key| {
        let name = object_name(&objects.name, key);
        let corrupt = corrupt_names(&name);
        std::iter::once(name).chain(corrupt)
    });
    let maps: Vec<String> = match keys.len() {
        0..=NAMED => maps.collect(),
        _ => Vec::new(),
    };
    let namespace = match &objects.cluster.namespace {
        Some(namespace) => format!("\n  namespace: \"{namespace}\""),
        None => String::new(),
    };
    let mut text = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: {}-state{namespace}\nrules:\n",
        objects.name
    );
    text.push_str(&rule("coordination.k8s.io", "leases", &["create"], &[]));
    text.push_str(&rule(
        "coordination.k8s.io",
        "leases",
        &["get", "update"],
        &leases.collect::<Vec<_>>(),
    ));
    text.push_str(&rule("", "configmaps", &["create"], &[]));
    text.push_str(&rule("", "configmaps", &["get", "update"], &maps));
    Some(text)
}

fn rule(group: &str, resource: &str, verbs: &[&str], names: &[String]) -> String {
    let mut text = format!(
        "  - apiGroups: [\"{group}\"]\n    resources: [{resource}]\n    verbs: [{}]\n",
        verbs.join(", ")
    );
    if !names.is_empty() {
        text.push_str("    resourceNames:\n");
        for name in names {
            text.push_str(&format!("      - \"{name}\"\n"));
        }
    }
    text
}
