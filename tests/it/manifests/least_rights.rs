//! What the pods may not do: the profile `restricted` of the Pod Security Standards, field by field, and a little more.
//! Source of the fields: Kubernetes, "Pod Security Standards", profile restricted.

use serde_json::{Value, json};

use super::{at, container, documents, list, object, pod, read, text};

/// Volumes that the profile allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Returns the fields of a pod that the profile forbids or misses.
fn violations(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, field: &str| {
        if !holds {
            found.push(field.to_owned());
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        must(is_off(&pod[field]), field);
    }
    for volume in list(&pod["volumes"]) {
        let kinds = volume.as_object().expect("a volume is an object");
        let allowed = kinds
            .keys()
            .all(|kind| kind == "name" || VOLUMES.contains(&kind.as_str()));
        must(allowed, "volumes");
    }
    let of_pod = &pod["securityContext"];
    let own = container(pod);
    let of_container = &own["securityContext"];
    // What the container says ranks above what the pod says.
    let effective = |field: &str| {
        let own = &of_container[field];
        if own.is_null() { &of_pod[field] } else { own }
    };
    must(effective("runAsNonRoot") == true, "runAsNonRoot");
    must(effective("runAsUser") != 0, "runAsUser");
    let seccomp = &effective("seccompProfile")["type"];
    must(
        seccomp == "RuntimeDefault" || seccomp == "Localhost",
        "seccompProfile",
    );
    for context in [of_pod, of_container] {
        must(context["seLinuxOptions"].is_null(), "seLinuxOptions");
        must(context["windowsOptions"].is_null(), "windowsOptions");
        must(context["appArmorProfile"].is_null(), "appArmorProfile");
    }
    must(list(&of_pod["sysctls"]).is_empty(), "sysctls");
    must(
        of_container["allowPrivilegeEscalation"] == false,
        "allowPrivilegeEscalation",
    );
    must(is_off(&of_container["privileged"]), "privileged");
    let capabilities = &of_container["capabilities"];
    must(capabilities["drop"] == json!(["ALL"]), "capabilities.drop");
    must(list(&capabilities["add"]).is_empty(), "capabilities.add");
    must(of_container["procMount"].is_null(), "procMount");
    must(list(&own["ports"]).is_empty(), "ports");
    for probe in [
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ] {
        must(own[probe].is_null(), probe);
    }
    found
}

fn is_off(value: &Value) -> bool {
    value.is_null() || *value == false
}

#[test]
fn the_pods_keep_to_the_profile_restricted() {
    assert_eq!(violations(&pod()), [] as [&str; 0]);
}

#[test]
fn each_field_of_the_profile_is_looked_at() {
    let broken = [
        ("/hostNetwork", json!(true), "hostNetwork"),
        ("/hostPID", json!(true), "hostPID"),
        ("/hostIPC", json!(true), "hostIPC"),
        (
            "/volumes/0",
            json!({"name": "x", "hostPath": {"path": "/"}}),
            "volumes",
        ),
        (
            "/securityContext/runAsNonRoot",
            json!(false),
            "runAsNonRoot",
        ),
        ("/securityContext/runAsUser", json!(0), "runAsUser"),
        (
            "/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
            "seccompProfile",
        ),
        (
            "/securityContext/seLinuxOptions",
            json!({"user": "root"}),
            "seLinuxOptions",
        ),
        (
            "/securityContext/sysctls",
            json!([{"name": "kernel.msgmax", "value": "1"}]),
            "sysctls",
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
            "allowPrivilegeEscalation",
        ),
        (
            "/containers/0/securityContext/privileged",
            json!(true),
            "privileged",
        ),
        (
            "/containers/0/securityContext/capabilities/drop",
            json!([]),
            "capabilities.drop",
        ),
        (
            "/containers/0/securityContext/capabilities/add",
            json!(["SYS_ADMIN"]),
            "capabilities.add",
        ),
        (
            "/containers/0/securityContext/procMount",
            json!("Unmasked"),
            "procMount",
        ),
        (
            "/containers/0/ports",
            json!([{"containerPort": 80, "hostPort": 80}]),
            "ports",
        ),
        (
            "/containers/0/lifecycle",
            json!({"postStart": {}}),
            "lifecycle",
        ),
    ];
    for (pointer, value, field) in broken {
        let mut pod = pod();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let parent = pod.pointer_mut(parent).expect("its parent is there");
        match parent.as_array_mut() {
            Some(items) => items[0] = value,
            None => parent[name] = value,
        }
        assert_eq!(violations(&pod), [field], "{pointer}");
    }
}

#[test]
fn the_pods_have_a_user_limits_and_no_way_into_kubernetes() {
    let pod = pod();
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["runAsGroup"], 65532);
    assert_eq!(pod["securityContext"]["fsGroup"], 65532);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["serviceAccountName"], "error-budget-monitor");
    assert_eq!(
        object("ServiceAccount")["automountServiceAccountToken"],
        false
    );
    let resources = &container(&pod)["resources"];
    for kind in ["requests", "limits"] {
        for what in ["cpu", "memory"] {
            assert!(resources[kind][what].is_string(), "{kind} of {what}");
        }
    }
}

#[test]
fn nobody_may_reach_the_pods_and_they_may_not_reach_the_nodes_own_services() {
    let policy = documents(&read(&at("k8s/monitoring/network-policy.yaml"))).remove(0);
    let spec = &policy["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["ingress"], json!([]));
    assert_eq!(
        spec["podSelector"],
        json!({"matchLabels": {"app": "error-budget-monitor"}})
    );
    let rules = list(&spec["egress"]);
    assert!(!rules.is_empty());
    for rule in rules {
        assert!(!list(&rule["to"]).is_empty(), "{rule} names where to");
        assert!(!list(&rule["ports"]).is_empty(), "{rule} names ports");
        for peer in list(&rule["to"]) {
            let block = &peer["ipBlock"];
            if block["cidr"] == "0.0.0.0/0" {
                assert_eq!(text(&block["except"][0]), "169.254.0.0/16");
            }
        }
    }
}

#[test]
fn no_manifest_grants_a_right_but_the_fleets_to_its_own_state() {
    let fleet = at("k8s/overlays/fleet/state.yaml");
    for path in super::files_below(&at("k8s")) {
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let content = read(&path);
        // What helm fills in is no YAML yet, but the kind of an object is written out.
        let kinds: Vec<String> = if path.starts_with(at("k8s/helm/templates")) {
            let lines = content.lines();
            let kinds = lines.filter_map(|line| line.trim().strip_prefix("kind: "));
            kinds.map(str::to_owned).collect()
        } else {
            let objects = documents(&content).into_iter();
            let kinds = objects.map(|object| object["kind"].as_str().map(str::to_owned));
            kinds.flatten().collect()
        };
        for kind in kinds {
            let is_right = kind.contains("Role") && path != fleet;
            assert!(
                !is_right && kind != "Secret",
                "{} holds a {kind}",
                path.display()
            );
        }
    }
    let objects = documents(&read(&fleet));
    let role = objects.iter().find(|object| object["kind"] == "Role");
    let role = role.expect("a Role, which ends at its namespace");
    assert_ne!(role["metadata"]["namespace"], "monitoring");
    let mut granted = Vec::new();
    for rule in list(&role["rules"]) {
        assert_eq!(list(&rule["verbs"]), ["get", "create", "update"]);
        granted.push((
            rule["apiGroups"][0].clone(),
            list(&rule["resources"]).to_vec(),
        ));
    }
    let expected = [("coordination.k8s.io", "leases"), ("", "configmaps")];
    let expected = expected.map(|(group, kind)| (group.into(), vec![kind.into()]));
    assert_eq!(granted, expected);
}
