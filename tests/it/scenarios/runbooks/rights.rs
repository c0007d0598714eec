//! The Roles that `doctor --print-rbac` prints for the steps of a runbook: they suffice, and nothing in them is too much.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ran, Shop};

/// A runbook with every kind of step that the API server is asked about.
const STEPS: &str = "name: back\nrollback:\n\
    - name: the route\n  route: {httproute: checkout, to: checkout-new, stable: checkout, weights: [0]}\n\
    - name: the front\n  replace: {service: front, field: /spec/selector, value: {app: checkout}}\n\
    - name: the code\n  undo: {workloads: [deployment/checkout]}\n\
    - name: no more pods\n  scale: {workloads: [deployment/batch], replicas: 0}\n\
    - name: the flag\n  patch: {configmap: flags, operations: [{op: test, path: /data/new, value: \"yes\"}, {op: replace, path: /data/new, value: \"no\"}]}\n\
    - name: the canary\n  flagger: {canary: flagged}\n\
    - name: another kind\n  replace: {object: {apiVersion: policy/v1, kind: PodDisruptionBudget, name: checkout}, field: /spec/minAvailable, value: 2}\n\
    return:\n\
    - name: a mirror\n  route: {httproute: checkout, mirror: checkout-new, percent: 100}\n";

/// Makes everything that the steps name.
fn furnished() -> Option<Shop> {
    let shop = Shop::new(&[])?;
    shop.deployment("checkout", &json!({}));
    shop.deployment("batch", &json!({}));
    shop.service("front");
    shop.service("checkout");
    shop.service("checkout-new");
    shop.pod("checkout-a", "checkout", "web");
    shop.route("checkout", &["checkout-new", "checkout"]);
    shop.make(
        "api/v1/namespaces/{}/configmaps",
        &json!({"metadata": {"name": "flags"}, "data": {"new": "yes"}}),
    );
    shop.canary("flagged", "Succeeded");
    shop.make(
        "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
        &json!({"metadata": {"name": "checkout"}, "spec": {"minAvailable": 1}}),
    );
    Some(shop)
}

impl Shop {
    /// Returns the Roles for a runbook.
    pub(super) fn roles(&self, runbook: &str) -> (String, Vec<Value>) {
        let asked = self
            .program(runbook)
            .arguments(&["doctor", "--print-rbac"])
            .without("KUBECONFIG");
        let printed = asked.run().exits(0).stdout;
        let documents = serde_norway::Deserializer::from_str(&printed);
        let roles = documents.map(|one| Value::deserialize(one).expect("YAML"));
        (printed.clone(), roles.collect())
    }

    fn grant(&self, role: &Value) {
        let place = format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/error-budget-monitor-runbook",
            self.namespace.name
        );
        let written = self.cluster.admin("PUT", &place, role);
        assert_eq!(written.status, 200, "{}", written.text());
    }
}

/// Tells whether a look at a runbook names a right, such as `list of pods`, as one that it does not have.
fn misses(ran: &Ran, right: &str) -> bool {
    let findings = ran.record["findings"].as_array().into_iter().flatten();
    findings
        .filter(|found| found["state"] != "ok")
        .any(|found| found.to_string().contains(right))
}

/// Returns a Role without one verb of one of its rules, for each.
fn less_by_one(role: &Value) -> Vec<(String, Value)> {
    let rules = role["rules"].as_array().expect("rules");
    let mut less = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        for (number, verb) in rule["verbs"].as_array().expect("verbs").iter().enumerate() {
            let mut role = role.clone();
            // A rule must have a verb; nothing here watches.
            role["rules"][place]["verbs"][number] = json!("watch");
            let (verb, plural) = (verb.as_str(), rule["resources"][0].as_str());
            less.push((
                format!("{} of {}", verb.expect("text"), plural.expect("text")),
                role,
            ));
        }
    }
    less
}

#[test]
fn the_role_of_a_runbook_suffices_and_no_verb_of_it_is_too_much() {
    let Some(shop) = furnished() else {
        return;
    };
    let (printed, roles) = shop.roles(STEPS);
    let [role] = roles.as_slice() else {
        panic!("one Role\n{printed}");
    };
    assert_eq!(role["metadata"]["namespace"], *shop.namespace.name);
    let guessed = "# poddisruptionbudgets is taken to be the plural of PodDisruptionBudget";
    assert!(printed.contains(guessed), "{printed}");
    shop.namespace.grants(role);
    let ran = shop.check(STEPS, 0);
    assert_eq!(ran.text("/worst"), "ok", "{ran}");
    for (left_out, less) in less_by_one(role) {
        shop.grant(&less);
        // The authorizer comes to know of it a moment later.
        let mut ran = shop.program(STEPS).arguments(&["runbook", "check"]).run();
        for _ in 0..50 {
            if misses(&ran, &left_out) {
                break;
            }
            ran = shop.program(STEPS).arguments(&["runbook", "check"]).run();
        }
        assert!(misses(&ran, &left_out), "without {left_out}\n{ran}");
    }
}

#[test]
fn each_namespace_has_a_role_of_its_own_and_pods_are_not_deleted_by_default() {
    let Some(shop) = Shop::new(&[]) else {
        return;
    };
    let (printed, roles) = shop.roles(
        "name: back\nrollback:\n\
         - name: here\n  scale: {workloads: [deployment/a, deployment/b], replicas: 1}\n\
         - name: there\n  undo: {workloads: [statefulset/c], namespace: \"1234\"}\n",
    );
    assert_eq!(roles.len(), 2, "{printed}");
    let there = &roles[0];
    assert_eq!(there["metadata"]["namespace"], "1234");
    let is_of = |rule: &&Value, plural: &str| rule["resources"][0] == plural;
    let rules = there["rules"].as_array().expect("rules");
    assert!(!rules.iter().any(|rule| is_of(&rule, "pods")), "{printed}");
    assert!(printed.contains("#   verbs: [delete]"), "{printed}");
    let mut here = roles[1]["rules"].as_array().expect("rules").iter();
    let deployments = here.find(|rule| is_of(rule, "deployments"));
    let deployments = deployments.unwrap_or_else(|| panic!("{printed}"));
    assert_eq!(deployments["resourceNames"], json!(["a", "b"]));
    assert_eq!(deployments["verbs"], json!(["get", "patch"]));
    // Without a step that names an object there is nothing to grant.
    let none = "name: back\nrollback:\n- name: a\n  wait: 1s\n";
    let refused = shop.program(none).arguments(&["doctor", "--print-rbac"]);
    refused
        .run()
        .exits(78)
        .complains_of(&["no rights in Kubernetes are needed"]);
}
