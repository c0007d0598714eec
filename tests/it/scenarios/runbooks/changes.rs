//! What a step meets that changes one field, one rule of a route, or nothing that can be looked at.

use serde_json::{Value, json};
use testkit::stub::Reply;

use super::{Shop, finds, program};

#[test]
fn a_field_of_a_workload_meets_what_the_workload_meets() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.paused("paused");
    shop.deployment("scaled", &json!({}));
    shop.scaler("scaled");
    shop.deployment("asked", &json!({}));
    shop.service("asked");
    let image = "field: /spec/template/spec/containers/0/image, value: 'shop:1'";
    let ran = shop.check(
        &format!(
            "name: back\nrollback:\n\
             - name: paused\n  replace: {{deployment: paused, {image}}}\n\
             - name: scaled\n  patch: {{deployment: scaled, operations: [{{op: test, path: /spec/replicas, value: 2}}, \
             {{op: replace, path: /spec/replicas, value: 5}}]}}\n\
             - name: asked\n  replace: {{deployment: asked, field: /spec/replicas, value: 0}}\n"
        ),
        2,
    );
    finds(&ran, "problem", "object", "it is paused");
    finds(&ran, "problem", "scaling", "scaler does");
    finds(&ran, "warning", "traffic", "asked: whoever asks there");
    // A step before it lets the Deployment go on.
    let ran = shop.check(
        &format!(
            "name: back\nrollback:\n\
             - name: go on\n  replace: {{deployment: paused, field: /spec/paused, value: false}}\n\
             - name: image\n  replace: {{deployment: paused, {image}}}\n"
        ),
        0,
    );
    finds(&ran, "ok", "dry run", "/spec/paused from true to ");
}

#[test]
fn requests_that_a_weight_does_not_reach_are_named() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.route("three", &["a", "b", "c"]);
    shop.route("two", &["a", "b"]);
    let backend = |name: &str| json!({"service": {"name": name, "port": {"number": 80}}});
    for (name, annotations) in [
        (
            "beside",
            json!({"nginx.ingress.kubernetes.io/canary-weight": "0"}),
        ),
        (
            "canary",
            json!({
                "nginx.ingress.kubernetes.io/canary": "true",
                "nginx.ingress.kubernetes.io/canary-weight": "0",
            }),
        ),
    ] {
        shop.make(
            "apis/networking.k8s.io/v1/namespaces/{}/ingresses",
            &json!({
                "metadata": {"name": name, "annotations": annotations},
                "spec": {"defaultBackend": backend("a")},
            }),
        );
    }
    let step = |route: &str| {
        format!(
            "name: back\nreturn:\n- name: a\n  route: {{{route}, to: a, stable: b, weights: [10]}}\n"
        )
    };
    let ran = shop.check(&step("httproute: three"), 2);
    finds(
        &ran,
        "problem",
        "route",
        "1 more in the same rule have a weight",
    );
    shop.check(&step("httproute: two"), 0);
    let ran = shop.check(&step("ingress: beside"), 2);
    finds(&ran, "problem", "route", "no annotation canary");
    shop.check(&step("ingress: canary"), 0);
    let side = |name: &str, weight: u8| json!({"name": name, "port": 80, "weight": weight});
    shop.make(
        "apis/traefik.io/v1alpha1/namespaces/{}/traefikservices",
        &json!({
            "apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": {"name": "weighted"},
            "spec": {"weighted": {"services": [side("a", 0), side("b", 100)]}},
        }),
    );
    let ran = shop.check(&step("traefikservice: weighted"), 0);
    let moved = "/spec/weighted/services/0/weight from 0 to 10, /spec/weighted/services/1/weight from 100 to 90";
    finds(&ran, "ok", "dry run", moved);
}

#[test]
fn what_only_its_doing_shows_is_said_and_no_secret_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secret = "s3cret-of-prometheus-1234";
    let runbook = format!(
        "name: {secret}\nrollback:\n- name: the pages answer {secret}\n  http: {{url: 'https://shop.example.com/', within: 60s}}\n"
    );
    let check = program(folder.path().join("runbook.yaml"), &runbook)
        .env("PROMETHEUS_TOKEN", secret)
        .env("PROMETHEUS_URL", "https://prometheus.example.com");
    let ran = check.arguments(&["runbook", "check"]).run();
    let ran = ran.keeps_secret(secret).exits(0);
    finds(&ran, "ok", "not asked", "whether the address answers");
    let runbook = runbook.replace("within: 60s", &format!("within: {secret}"));
    let wrong = program(folder.path().join("runbook.yaml"), &runbook)
        .env("PROMETHEUS_TOKEN", secret)
        .env("PROMETHEUS_URL", "https://prometheus.example.com");
    let ran = wrong.arguments(&["runbook", "check"]).run();
    ran.keeps_secret(secret).exits(78);
}

#[test]
fn a_paused_deployment_and_one_of_a_single_revision_are_no_way_back() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.paused("paused");
    shop.deployment("single", &json!({}));
    let first = format!(
        "/apis/apps/v1/namespaces/{}/replicasets/single-1",
        shop.namespace.name
    );
    assert_eq!(
        shop.cluster.admin("DELETE", &first, &Value::Null).status,
        200
    );
    let ran = shop.check(
        "name: back\nrollback:\n- name: a\n  undo: {workloads: [deployment/paused, deployment/single]}\n",
        2,
    );
    finds(&ran, "problem", "object", "it is paused");
    finds(
        &ran,
        "problem",
        "revisions",
        "1 revisions, and all have the containers that run now",
    );
}

#[test]
fn keda_leaves_a_number_alone_where_it_is_paused() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    let cron = json!({"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "3"});
    for (name, annotations) in [
        ("switch", json!({"autoscaling.keda.sh/paused": "true"})),
        (
            "number",
            json!({"autoscaling.keda.sh/paused-replicas": "4"}),
        ),
        ("later", json!({"team": "shop"})),
    ] {
        shop.deployment(name, &json!({}));
        shop.make(
            "apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects",
            &json!({
                "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                "metadata": {"name": name, "annotations": annotations},
                "spec": {"scaleTargetRef": {"name": name}, "triggers": [{"type": "cron", "metadata": cron}]},
            }),
        );
    }
    let ran = shop.check(
        "name: back\nrollback:\n\
         - name: fits\n  scale: {workloads: [deployment/switch], replicas: 5}\n\
         - name: at four\n  scale: {workloads: [deployment/number], replicas: 4}\n\
         - name: pauses\n  patch: {object: {apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: later}, operations: [\
         {op: test, path: /metadata/annotations/team, value: shop}, \
         {op: add, path: /metadata/annotations/autoscaling.keda.sh~1paused, value: \"true\"}]}\n\
         - name: then\n  scale: {workloads: [deployment/later], replicas: 5}\n",
        0,
    );
    finds(&ran, "ok", "scaling", "KEDA's switch does, and is paused");
    finds(&ran, "ok", "scaling", "paused at the same number");
    finds(&ran, "ok", "scaling", "KEDA's later does, and is paused");
    // What an earlier step leaves counts, not that it was there.
    let after = |operation: &str, name: &str| {
        format!(
            "name: back\nrollback:\n- name: a\n  patch: {{object: {{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: \
             {name}}}, operations: [{{op: test, path: /spec/scaleTargetRef/name, value: {name}}}, {{{operation}}}]}}\n\
             - name: b\n  scale: {{workloads: [deployment/{name}], replicas: 5}}\n"
        )
    };
    let goes_on = after(
        "op: remove, path: /metadata/annotations/autoscaling.keda.sh~1paused",
        "switch",
    );
    finds(
        &shop.check(&goes_on, 2),
        "problem",
        "scaling",
        "also from 0",
    );
    let of_team = after(
        "op: replace, path: /metadata/annotations/team, value: other",
        "later",
    );
    finds(
        &shop.check(&of_team, 2),
        "problem",
        "scaling",
        "also from 0",
    );
    let step = |step: &str| format!("name: back\nrollback:\n- name: a\n  scale: {{{step}}}\n");
    let other = step("workloads: [deployment/number], replicas: 5");
    finds(&shop.check(&other, 2), "problem", "scaling", "paused at 4");
    let none = step("workloads: [deployment/later], replicas: 5");
    finds(&shop.check(&none, 2), "problem", "scaling", "also from 0");
}

#[test]
fn a_kind_is_found_in_an_older_version_unless_the_file_names_one() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.deployment("flagged", &json!({}));
    shop.route("checkout", &["a", "b"]);
    // As before the Gateway API 1.0.
    let hidden = "/apis/gateway.networking.k8s.io/v1";
    let older = shop.namespace.behind(move |request| {
        let is_hidden =
            request.path() == hidden || request.path().starts_with(&format!("{hidden}/"));
        is_hidden.then(|| Reply::text(404, "404 page not found\n"))
    });
    shop.namespace
        .kubeconfig_for(shop.folder.path(), &older.url());
    let step = "name: back\nreturn:\n- name: a\n  route: {httproute: checkout, to: a, stable: b, weights: [10]}\n";
    let ran = shop.check(step, 0);
    let found = "it is there, in version gateway.networking.k8s.io/v1beta1";
    finds(&ran, "ok", "object", found);
    let moved = "/spec/rules/0/backendRefs/0/weight from 50 to 10";
    finds(&ran, "ok", "dry run", moved);
    let named = "name: back\nrollback:\n- name: a\n  replace: {object: {apiVersion: gateway.networking.k8s.io/v1alpha2, \
                 kind: HTTPRoute, name: checkout}, field: /spec/hostnames, value: [shop.example.com]}\n";
    let unknown = "HTTPRoute of gateway.networking.k8s.io/v1alpha2";
    finds(&shop.check(named, 2), "problem", "object", unknown);
}

#[test]
fn the_pods_of_a_service_are_counted_as_it_would_be() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.service("front");
    shop.pod("front-a", "front", "web");
    let check = |step: &str, code: i32| {
        shop.check(
            &format!("name: back\nrollback:\n- name: a\n  {step}\n"),
            code,
        )
    };
    let ports =
        "replace: {service: front, field: /spec/ports, value: [{port: 80, targetPort: admin}]}";
    finds(&check(ports, 2), "problem", "endpoints", "0 of 1 pods");
    let one = "patch: {service: front, operations: [{op: test, path: /spec/ports/0/port, value: 80}, \
               {op: replace, path: /spec/ports/0/targetPort, value: admin}]}";
    finds(&check(one, 2), "problem", "endpoints", "0 of 1 pods");
    let whole = "replace: {service: front, field: /spec, value: {selector: {app: nobody}, ports: [{port: 80, targetPort: web}]}}";
    let ran = check(whole, 2);
    finds(&ran, "problem", "endpoints", "0 of 0 pods");
    // What finds pods and is not touched needs none.
    let kind = "replace: {service: front, field: /spec/sessionAffinity, value: ClientIP}";
    let ran = check(kind, 0);
    assert!(!ran.stdout.contains("endpoints"), "{ran}");
    let expected = format!("{kind}\n  expect: {{endpoints: 2}}");
    let ran = check(&expected, 2);
    finds(&ran, "problem", "endpoints", "1 of 1 pods, and 2 must be");
    // One that leads elsewhere finds none, and never did.
    shop.make(
        "api/v1/namespaces/{}/services",
        &json!({"metadata": {"name": "elsewhere"}, "spec": {"ports": [{"port": 80}]}}),
    );
    let port = "replace: {service: elsewhere, field: /spec/ports/0/port, value: 81}";
    let ran = check(port, 0);
    assert!(!ran.stdout.contains("endpoints"), "{ran}");
}
