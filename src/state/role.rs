//! The rights that the memory in Kubernetes needs, and no more.

use super::names::{corrupt_names, lease_name, object_name};
use crate::clients::kubernetes::{RoleRule, role_text};
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
    let rule = |group, plural, verbs: &[&'static str], names: Vec<String>| RoleRule {
        group,
        plural,
        verbs: verbs.to_vec(),
        names,
    };
    Some(role_text(
        &format!("{}-state", objects.name),
        objects.cluster.namespace.as_deref(),
        &[
            rule("coordination.k8s.io", "leases", &["create"], Vec::new()),
            rule(
                "coordination.k8s.io",
                "leases",
                &["get", "update"],
                leases.collect(),
            ),
            rule("", "configmaps", &["create"], Vec::new()),
            rule("", "configmaps", &["get", "update"], maps),
        ],
    ))
}
