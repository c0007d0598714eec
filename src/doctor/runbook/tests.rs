//! What is judged of answers of an API server.

use serde_json::{Value, json};

use super::changes::{changes, replacing};
use super::endpoints;
use super::owners::{appliers, owners};
use super::revisions::{choose, revisions};
use crate::redact::Scanner;
use crate::runbook::{UndoTo, WorkloadKind};

#[test]
fn marks_name_who_would_undo_a_change() {
    let table = [
        (json!({}), vec![]),
        (
            json!({"labels": {"app.kubernetes.io/instance": "shop"}}),
            vec![],
        ),
        (
            json!({"managedFields": [{"manager": "argocd-controller"}]}),
            vec!["Argo CD"],
        ),
        (
            json!({"labels": {"helm.toolkit.fluxcd.io/name": "a"}}),
            vec!["Flux"],
        ),
        (
            json!({"annotations": {"helm.toolkit.fluxcd.io/driftDetection": "disabled"}}),
            vec![],
        ),
        // The switch of one of its controllers is none of the other's.
        (
            json!({
                "labels": {"kustomize.toolkit.fluxcd.io/name": "a"},
                "annotations": {"helm.toolkit.fluxcd.io/driftDetection": "disabled"},
            }),
            vec!["Flux"],
        ),
        (
            json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
            vec![],
        ),
        (
            json!({"annotations": {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"}}),
            vec!["Argo Rollouts, rollout web"],
        ),
        (
            json!({"ownerReferences": [{"kind": "Canary", "name": "web", "controller": true}]}),
            vec!["Canary web, its controller"],
        ),
        (
            json!({"ownerReferences": [{"kind": "Canary", "name": "web"}]}),
            vec![],
        ),
    ];
    for (metadata, expected) in table {
        let found = owners(&json!({"metadata": metadata}));
        let found: Vec<String> = found.into_iter().map(|owner| owner.who).collect();
        assert_eq!(found, expected, "{metadata}");
    }
}

#[test]
fn whoever_applies_the_field_is_named() {
    let object = json!({"metadata": {"managedFields": [
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:selector": {}, "f:ports": {"k:{}": {}}}}},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
        {"manager": "error-budget-monitor", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
    ]}});
    assert_eq!(appliers(&object, "/spec/selector"), ["kubectl"]);
    assert_eq!(appliers(&object, "/spec/ports/0/port"), ["kubectl"]);
    assert_eq!(appliers(&object, "/spec/type"), Vec::<String>::new());
}

#[test]
fn changes_show_no_value_that_may_be_a_secret() {
    let object = |image: &str, password: &str| {
        json!({
            "metadata": {"name": "a", "generation": 1, "resourceVersion": "7"},
            "spec": {"containers": [{"image": image, "env": [{"name": "P", "value": password}]}]},
            "status": {"replicas": 1},
        })
    };
    let (before, mut after) = (object("a:1", "hunter1"), object("a:2", "hunter2"));
    after["metadata"]["generation"] = json!(2);
    let found = changes(&before, &after, &Scanner::default());
    assert_eq!(
        found.as_deref(),
        Some(
            "/spec/containers/0/env/0/value from (not shown) to (not shown), /spec/containers/0/image from a:1 to a:2"
        )
    );
    assert_eq!(changes(&before, &before, &Scanner::default()), None);
    let whole = json!({"spec": {"containers": []}});
    let found = changes(&before, &whole, &Scanner::default()).unwrap_or_default();
    assert!(!found.contains("hunter1"), "{found}");
}

#[test]
fn of_texts_only_known_members_are_shown_and_no_member_is_left_out() {
    let before = json!({"kind": "Role"});
    for (changed, expected) in [
        (
            json!({"spec": {"args": ["--password=hunter2"]}}),
            "(not shown)",
        ),
        (
            json!({"metadata": {"annotations": {"token": "hunter2"}}}),
            "(not shown)",
        ),
        (json!({"binaryData": {"a": "hunter2"}}), "(not shown)"),
        (json!({"rules": [{"verbs": ["hunter2"]}]}), "(not shown)"),
    ] {
        let mut after = changed;
        after["kind"] = json!("Role");
        let found = changes(&before, &after, &Scanner::default()).unwrap_or_default();
        assert!(found.contains(expected), "{after}: {found}");
        assert!(!found.contains("hunter2"), "{after}: {found}");
    }
    let spec = |value: Value| json!({"spec": value});
    for (before, after, expected) in [
        (
            json!({"replicas": 1}),
            json!({"replicas": 0}),
            "/spec/replicas from 1 to 0",
        ),
        (
            json!({"selector": {"app": "a"}}),
            json!({"selector": {"app": "b"}}),
            "/spec/selector/app from a to b",
        ),
    ] {
        let found = changes(&spec(before), &spec(after), &Scanner::default());
        assert_eq!(found.as_deref(), Some(expected));
    }
}

#[test]
fn a_patch_holds_the_object_the_version_and_the_old_value() {
    let object = json!({"metadata": {"uid": "u", "resourceVersion": "7"}, "spec": {"replicas": 2}});
    let patch = replacing(&object, "/spec/replicas", &json!(0));
    let expected = json!([
        {"op": "test", "path": "/metadata/uid", "value": "u"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    ]);
    assert_eq!(Value::Array(patch), expected);
}

#[test]
fn revisions_of_a_restart_are_no_way_back() {
    let template = |image: &str, restarted: &str| {
        json!({
            "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": restarted}},
            "spec": {"containers": [{"image": image}]},
        })
    };
    let workload = json!({"metadata": {"uid": "u"}, "spec": {"template": template("a:2", "now")}});
    let held = |number: u64, owner: &str, template: Value| {
        let mut data = json!({"spec": {"template": template}});
        data["spec"]["template"]["$patch"] = json!("replace");
        json!({
            "metadata": {"ownerReferences": [{"controller": true, "uid": owner}]},
            "revision": number,
            "data": data,
        })
    };
    let all = [
        held(1, "u", template("a:1", "then")),
        held(9, "another", template("a:0", "then")),
        held(2, "u", template("a:2", "then")),
        held(3, "u", template("a:2", "now")),
    ];
    let known = revisions(WorkloadKind::StatefulSet, &workload, &all);
    let numbers: Vec<u64> = known.iter().map(|revision| revision.number).collect();
    assert_eq!(numbers, [3, 2, 1]);
    let chosen = choose(&workload, &known, UndoTo::Healthy).map(|chosen| chosen.number);
    assert_eq!(chosen, Ok(1));
    assert_eq!(known[2].template, template("a:1", "then"));
    let restarts = choose(&workload, &known[..2], UndoTo::Previous);
    let (found, _) = restarts.expect_err("all have the same containers");
    assert_eq!(
        found,
        "2 revisions, and all have the containers that run now: there is nothing to go back to"
    );
}

#[test]
fn pods_count_once_and_only_with_the_port_of_the_service() {
    let service = json!({"spec": {"ports": [{"targetPort": "web"}, {"targetPort": 9090}]}});
    let pod = |uid: &str, port: &str, ready: &str| {
        json!({
            "metadata": {"uid": uid},
            "spec": {"containers": [{"ports": [{"name": port}]}, {}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    };
    let mut going = pod("d", "web", "True");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-28T20:58:58Z");
    let pods = [
        pod("a", "web", "True"),
        pod("a", "web", "True"),
        pod("b", "metrics", "True"),
        pod("c", "web", "False"),
        going,
    ];
    assert_eq!(endpoints::ready(&service, &pods), 1);
    assert_eq!(
        endpoints::labels(&json!({"app": "a", "tier": "b"})).as_deref(),
        Some("app=a,tier=b")
    );
    assert_eq!(endpoints::labels(&json!({})), None);
    assert_eq!(endpoints::labels(&Value::Null), None);
}
