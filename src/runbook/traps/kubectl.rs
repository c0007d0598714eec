//! Traps of a call of kubectl.

use serde_json::Value;

use super::kinds::Trap;
use super::objects;
use crate::runbook::object::ObjectKind;
use crate::runbook::parse::{Null, count};

/// Options whose value is the next word.
const WITH_VALUE: [&str; 40] = [
    "-n",
    "--namespace",
    "--context",
    "--cluster",
    "--kubeconfig",
    "--user",
    "--as",
    "--as-group",
    "--as-uid",
    "-s",
    "--server",
    "--token",
    "--username",
    "--password",
    "--cache-dir",
    "--certificate-authority",
    "--client-certificate",
    "--client-key",
    "--tls-server-name",
    "--request-timeout",
    "--profile",
    "--profile-output",
    "-v",
    "-p",
    "--patch",
    "--patch-file",
    "--type",
    "-f",
    "--filename",
    "-k",
    "--kustomize",
    "-o",
    "--output",
    "-l",
    "--selector",
    "--field-selector",
    "--field-manager",
    "--grace-period",
    "--timeout",
    "--to-revision",
];

/// Looks at what follows the word kubectl.
pub(super) fn look(arguments: &[&str]) -> Vec<Trap> {
    let words = positional(arguments);
    match words.as_slice() {
        ["rollout", "undo", ..] => vec![Trap::RolloutUndo],
        ["delete", objects @ ..] if kinds(objects).contains(&ObjectKind::Canary) => {
            vec![Trap::CanaryDeleted]
        }
        ["patch", objects @ ..] => {
            let mut found = patch(arguments, &kinds(objects));
            found.sort();
            found.dedup();
            found
        }
        _ => Vec::new(),
    }
}

fn positional<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(word) {
            words.next();
        } else if !word.starts_with('-') {
            found.push(*word);
        }
    }
    found
}

/// Returns the kinds that are known: before the names, or before the slash of each.
fn kinds(objects: &[&str]) -> Vec<ObjectKind> {
    let named: Vec<&str> = objects
        .iter()
        .filter_map(|word| Some(word.split_once('/')?.0))
        .collect();
    let listed = objects.first().map(|kinds| kinds.split(','));
    match named.is_empty() {
        true => listed.into_iter().flatten().filter_map(kind).collect(),
        false => named.into_iter().filter_map(kind).collect(),
    }
}

/// Returns the kind that kubectl finds by a name such as `svc`, `Service` or `canaries.v1beta1.flagger.app`.
fn kind(name: &str) -> Option<ObjectKind> {
    let name = name.to_ascii_lowercase();
    let (name, place) = name.split_once('.').unwrap_or((&name, ""));
    let (group, kind) = match name {
        "service" | "services" | "svc" => ("", ObjectKind::Service),
        "configmap" | "configmaps" | "cm" => ("", ObjectKind::ConfigMap),
        "deployment" | "deployments" | "deploy" => ("apps", ObjectKind::Deployment),
        "statefulset" | "statefulsets" | "sts" => ("apps", ObjectKind::StatefulSet),
        "daemonset" | "daemonsets" | "ds" => ("apps", ObjectKind::DaemonSet),
        "ingress" | "ingresses" | "ing" => ("networking.k8s.io", ObjectKind::Ingress),
        "httproute" | "httproutes" => ("gateway.networking.k8s.io", ObjectKind::HttpRoute),
        "virtualservice" | "virtualservices" | "vs" => {
            ("networking.istio.io", ObjectKind::VirtualService)
        }
        "canary" | "canaries" => ("flagger.app", ObjectKind::Canary),
        _ => return None,
    };
    let version = match place.strip_suffix(group) {
        Some(version) => version.trim_end_matches('.'),
        None => place,
    };
    let is_version = version.is_empty() || (version.starts_with('v') && !version.contains('.'));
    is_version.then_some(kind)
}

fn patch(arguments: &[&str], kinds: &[ObjectKind]) -> Vec<Trap> {
    let mut found = Vec::new();
    let body = match option(arguments, "-p", "--patch").map(patch_body) {
        Some(Some(body)) => body,
        Some(None) => return vec![Trap::PatchUnread],
        None => return found,
    };
    if sets(&body, "skipAnalysis", &|value| value == true) {
        found.push(Trap::SkipAnalysis);
    }
    match option(arguments, "", "--type").unwrap_or("strategic") {
        "json" => {
            let operations = body.as_array().into_iter().flatten();
            let operations: Vec<_> = operations
                .filter_map(|one| serde_json::from_value(one.clone()).ok())
                .collect();
            for kind in kinds {
                let traps = objects::operations(kind, &operations);
                found.extend(traps.into_iter().map(|(trap, _)| trap));
            }
        }
        kind => {
            let is_service = kinds.contains(&ObjectKind::Service);
            if is_service && sets(&body, "selector", &Value::is_object) {
                found.push(Trap::PartOfSelector);
            }
            if kind == "merge" && has_list(&body) {
                found.push(Trap::MergeOfList);
            }
        }
    }
    found
}

/// Reads a patch as kubectl does: JSON, or YAML, whose aliases are bounded by the length of the text.
fn patch_body(text: &str) -> Option<Value> {
    let read = serde_json::from_str(text).ok();
    read.or_else(|| {
        let most = u32::try_from(text.len()).unwrap_or(u32::MAX);
        count(text, most, most.into(), Null::IsValue).ok()?;
        serde_norway::from_str(text).ok()
    })
}

/// Returns the value of an option, which follows it, stands behind an equals sign, or right behind a short name.
fn option<'a>(arguments: &[&'a str], short: &str, long: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(at, word)| {
        if *word == short || *word == long {
            return arguments.get(at + 1).copied();
        }
        if let Some(value) = word.strip_prefix(long) {
            return value.strip_prefix('=');
        }
        let value = word.strip_prefix(short).filter(|_| !short.is_empty())?;
        Some(value.strip_prefix('=').unwrap_or(value))
    })
}

/// Tells whether a member with the name has such a value, anywhere; in a JSON patch the name ends a path.
fn sets(body: &Value, name: &str, is_so: &dyn Fn(&Value) -> bool) -> bool {
    match body {
        Value::Object(map) => {
            let by_path = map
                .get("path")
                .and_then(Value::as_str)
                .is_some_and(|path| path.ends_with(&format!("/{name}")));
            map.iter()
                .any(|(member, value)| (member == name && is_so(value)) || sets(value, name, is_so))
                || (by_path && map.get("value").is_some_and(is_so))
        }
        Value::Array(list) => list.iter().any(|one| sets(one, name, is_so)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_list(body: &Value) -> bool {
    match body {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(has_list),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
