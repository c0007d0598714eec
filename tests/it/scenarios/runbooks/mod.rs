//! `runbook check|show|schema`, with the objects at a real API server. Nothing is carried out, so nothing may change.

mod changes;
mod mirrors;
mod nginx;
mod rights;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use testkit::kubernetes::{Cluster, Namespace, published_kinds, shared_cluster};

use super::program::{Program, Ran};

/// What stands in the environment of a pod and must be seen nowhere.
const SECRET: &str = "hunter2-of-the-pod";

/// Protects the tests from a kind that never comes.
const SERVED_WITHIN: Duration = Duration::from_secs(120);

/// Whether the API server knows the kinds of others, as they are published.
static KINDS: LazyLock<bool> = LazyLock::new(|| {
    let Some(published) = published_kinds() else {
        return false;
    };
    let cluster = shared_cluster().expect("a test has it");
    for (file, plural) in published {
        let documents = serde_norway::Deserializer::from_str(&file);
        let definition = documents
            .filter_map(|one| Value::deserialize(one).ok())
            .find(|one| one["spec"]["names"]["plural"] == plural)
            .expect("it is in the file");
        let made = cluster.admin(
            "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &definition,
        );
        assert_eq!(made.status, 201, "{}", made.text());
        // It is served a moment later.
        let (group, versions) = (
            &definition["spec"]["group"],
            &definition["spec"]["versions"],
        );
        let served = versions.as_array().expect("versions").iter();
        for version in served.filter(|version| version["served"] == true) {
            let listed = format!(
                "/apis/{}/{}/namespaces/default/{plural}",
                group.as_str().expect("a group"),
                version["name"].as_str().expect("a name")
            );
            let begun = Instant::now();
            while cluster.admin("GET", &listed, &Value::Null).status != 200 {
                assert!(begun.elapsed() < SERVED_WITHIN, "{listed} is not served");
                std::thread::yield_now();
            }
        }
    }
    true
});

/// A namespace with a service whose pods are there, and a runbook.
struct Shop {
    cluster: &'static Cluster,
    namespace: Namespace,
    folder: tempfile::TempDir,
}

impl Shop {
    /// Makes one in which the program may do what the verbs say with everything; nothing where there is no API server.
    fn new(verbs: &[&str]) -> Option<Self> {
        let cluster = shared_cluster()?;
        if !*KINDS {
            return None;
        }
        let namespace = cluster.namespace();
        let folder = tempfile::tempdir().expect("a temporary folder");
        namespace.kubeconfig(folder.path());
        if !verbs.is_empty() {
            namespace.grants(&json!({
                "metadata": {"name": "all"},
                "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}],
            }));
        }
        Some(Self {
            cluster,
            namespace,
            folder,
        })
    }

    fn make(&self, place: &str, object: &Value) -> Value {
        let target = format!("/{}", place.replace("{}", &self.namespace.name));
        let made = self.cluster.admin("POST", &target, object);
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()
    }

    /// Makes a Deployment of two revisions, the newer one live.
    fn deployment(&self, name: &str, metadata: &Value) -> Value {
        let template = |image: &str| {
            json!({
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "c", "image": image, "ports": [{"name": "web", "containerPort": 8080}],
                    "env": [{"name": "PASSWORD", "value": SECRET}],
                }]},
            })
        };
        let mut metadata = metadata.clone();
        metadata["name"] = json!(name);
        let selector = json!({"matchLabels": {"app": name}});
        let made = self.make(
            "apis/apps/v1/namespaces/{}/deployments",
            &json!({"metadata": metadata, "spec": {"replicas": 2, "selector": selector, "template": template("shop:2")}}),
        );
        for (revision, image) in [(1, "shop:1"), (2, "shop:2")] {
            let mut template = template(image);
            template["metadata"]["labels"]["pod-template-hash"] = json!(format!("hash{revision}"));
            let mut labels = selector["matchLabels"].clone();
            labels["pod-template-hash"] = json!(format!("hash{revision}"));
            self.make(
                "apis/apps/v1/namespaces/{}/replicasets",
                &json!({
                    "metadata": {
                        "name": format!("{name}-{revision}"),
                        "labels": labels,
                        "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
                        "ownerReferences": [{
                            "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": made["metadata"]["uid"],
                            "controller": true,
                        }],
                    },
                    "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
                }),
            );
        }
        made
    }

    /// Makes a Deployment that is paused.
    fn paused(&self, name: &str) {
        self.deployment(name, &json!({}));
        let place = format!(
            "/apis/apps/v1/namespaces/{}/deployments/{name}",
            self.namespace.name
        );
        let mut paused = self.cluster.admin("GET", &place, &Value::Null).json();
        paused["spec"]["paused"] = json!(true);
        let written = self.cluster.admin("PUT", &place, &paused);
        assert_eq!(written.status, 200, "{}", written.text());
    }

    /// Makes an autoscaler of a Deployment.
    fn scaler(&self, name: &str) {
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
        self.make(
            "apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
            &json!({
                "metadata": {"name": "scaler"},
                "spec": {"scaleTargetRef": target, "maxReplicas": 5},
            }),
        );
    }

    /// Makes a Service.
    fn service(&self, name: &str) -> Value {
        self.make(
            "api/v1/namespaces/{}/services",
            &json!({
                "metadata": {"name": name},
                "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "web"}]},
            }),
        )
    }

    /// Makes an HTTPRoute, the first of whose backends gets half.
    fn route(&self, name: &str, backends: &[&str]) {
        let side = |name: &&str| json!({"name": name, "port": 80});
        let mut backends: Vec<Value> = backends.iter().map(side).collect();
        backends[0]["weight"] = json!(50);
        self.make(
            "apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
            &json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": name}, "spec": {"rules": [{"backendRefs": backends}]},
            }),
        );
    }

    /// Makes a pod that is ready, as a kubelet would say.
    fn pod(&self, name: &str, app: &str, port: &str) {
        self.make(
            "api/v1/namespaces/{}/pods",
            &json!({
                "metadata": {"name": name, "labels": {"app": app}},
                "spec": {"containers": [{"name": "c", "image": "shop:1", "ports": [{"name": port, "containerPort": 8080}]}]},
            }),
        );
        let place = format!(
            "/api/v1/namespaces/{}/pods/{name}/status",
            self.namespace.name
        );
        let mut pod = self.cluster.admin("GET", &place, &Value::Null).json();
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        let written = self.cluster.admin("PUT", &place, &pod);
        assert_eq!(written.status, 200, "{}", written.text());
    }

    /// Makes a Canary of Flagger that watches a Deployment of its name.
    fn canary(&self, name: &str, phase: &str) {
        let place = "apis/flagger.app/v1beta1/namespaces/{}/canaries";
        let mut made = self.make(
            place,
            &json!({
                "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name},
                "spec": {
                    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                    "service": {"port": 80},
                    "analysis": {"interval": "1m", "threshold": 5, "maxWeight": 50, "stepWeight": 10},
                },
            }),
        );
        made["status"] = json!({"phase": phase, "canaryWeight": 0});
        let place = place.replace("{}", &self.namespace.name);
        let status = format!("/{place}/{name}/status");
        let written = self.cluster.admin("PUT", &status, &made);
        assert_eq!(written.status, 200, "{}", written.text());
    }

    fn object(&self, place: &str) -> Value {
        let target = format!("/{}", place.replace("{}", &self.namespace.name));
        self.cluster.admin("GET", &target, &Value::Null).json()
    }

    fn program(&self, runbook: &str) -> Program {
        program(self.folder.path().join("runbook.yaml"), runbook)
            .env("NAMESPACE", &self.namespace.name)
            .env("STATE_TIMEOUT", "30s")
            .env_path("KUBECONFIG", &self.folder.path().join("kubeconfig"))
    }

    fn check(&self, runbook: &str, code: i32) -> Ran {
        let ran = self.program(runbook).arguments(&["runbook", "check"]).run();
        ran.keeps_secret(SECRET).exits(code)
    }
}

/// Prepares the program with a runbook, and with nothing else but what every command needs.
fn program(file: PathBuf, runbook: &str) -> Program {
    std::fs::write(&file, runbook).expect("the folder of the test");
    Program::bare()
        .env("SERVICE_NAME", "checkout")
        .env("NAMESPACE", "shop")
        .env("PROMETHEUS_URL", "http://127.0.0.1:9")
        .env_path("RUNBOOK_FILE", &file)
}

/// Checks that a finding is there, by its state, its subject and words of it.
#[track_caller]
fn finds(ran: &Ran, state: &str, subject: &str, words: &str) {
    let findings = ran.record["findings"].as_array();
    let is_there = findings.into_iter().flatten().any(|found| {
        found["state"] == state && found["subject"] == subject && found.to_string().contains(words)
    });
    assert!(is_there, "no {state} of {subject} with {words:?}\n{ran}");
}

#[test]
fn what_would_be_done_is_tried_by_the_api_server_and_nothing_is_changed() {
    let Some(shop) = Shop::new(&["get", "list", "patch", "delete"]) else {
        return;
    };
    let places = [
        "apis/apps/v1/namespaces/{}/deployments/checkout",
        "api/v1/namespaces/{}/services/front",
        "apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/checkout",
    ];
    shop.deployment("checkout", &json!({}));
    shop.service("front");
    shop.service("checkout");
    shop.service("checkout-new");
    shop.pod("checkout-a", "checkout", "web");
    shop.route("checkout", &["checkout-new", "checkout"]);
    let before = places.map(|place| shop.object(place));
    let ran = shop.check(
        "name: back\nrollback:\n\
         - name: the route\n  route: {httproute: checkout, to: checkout-new, stable: checkout, weights: [0]}\n\
         - name: the front\n  replace: {service: front, field: /spec/selector, value: {app: checkout}}\n  expect: {endpoints: 1}\n\
         - name: the code\n  undo: {workloads: [deployment/checkout]}\n\
         - name: more pods\n  scale: {workloads: [deployment/checkout], replicas: 5}\n",
        0,
    );
    let route = "/spec/rules/0/backendRefs/0/weight from 50 to 0";
    finds(&ran, "ok", "dry run", route);
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/rules/0/backendRefs/1/weight from 1 to 100",
    );
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/selector/app from front to checkout",
    );
    finds(&ran, "ok", "endpoints", "1 of 1 pods");
    finds(
        &ran,
        "ok",
        "revisions",
        "2 are kept; it could be revision 1",
    );
    finds(&ran, "ok", "dry run", "image from shop:2 to shop:1");
    finds(&ran, "ok", "dry run", "/spec/replicas from 2 to 5");
    assert_eq!(places.map(|place| shop.object(place)), before);
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.deployment("checkout", &json!({}));
    shop.service("checkout");
    shop.pod("another-port", "other", "metrics");
    shop.route("checkout", &["checkout-new", "checkout"]);
    let ran = shop.check(
        "name: back\nrollback:\n\
         - name: nowhere\n  scale: {workloads: [deployment/chekout], replicas: 0}\n\
         - name: no kind\n  replace: {object: {apiVersion: example.com/v1, kind: Widget, name: a}, field: /spec/size, value: 1}\n\
         - name: no port\n  replace: {service: checkout, field: /spec/selector, value: {app: other}}\n\
         - name: nobody\n  route: {httproute: checkout, to: checkout-new, stable: checkout, weights: [0]}\n\
         - name: no side\n  route: {httproute: checkout, to: other, stable: checkout, weights: [0]}\n\
         - name: misspelt\n  replace: {deployment: checkout, field: /spec/replica, value: 3}\n\
         - name: refused\n  replace: {deployment: checkout, field: /spec/replicas, value: -1}\n\
         - name: no such revision\n  undo: {workloads: [deployment/checkout], to: 7}\n\
         - name: moved on\n  patch: {deployment: checkout, operations: [{op: test, path: /spec/replicas, value: 9}, {op: replace, path: /spec/replicas, value: 1}]}\n",
        2,
    );
    finds(&ran, "problem", "object", "deployments");
    finds(&ran, "problem", "object", "it is not there (404)");
    finds(&ran, "problem", "object", "Widget of example.com/v1");
    finds(&ran, "problem", "endpoints", "0 of 1 pods, and 1 must be");
    finds(&ran, "problem", "endpoints", "0 of 0 pods, and 1 must be");
    finds(&ran, "problem", "route", "no rule has both");
    finds(
        &ran,
        "problem",
        "dry run",
        "the object has no field spec.replica",
    );
    finds(&ran, "problem", "dry run", "spec.replicas");
    finds(
        &ran,
        "problem",
        "revisions",
        "there is no revision 7, there are 2, 1",
    );
    finds(
        &ran,
        "problem",
        "test",
        "/spec/replicas is 2, and the test wants 9",
    );
    ran.complains_of(&["the runbook would fail today", "rollback 1 (nowhere)"]);
}

#[test]
fn who_would_undo_it_is_found() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.service("flagged");
    shop.deployment(
        "argo",
        &json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:x/argo"}}),
    );
    shop.deployment(
        "flux",
        &json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
    );
    shop.deployment(
        "left",
        &json!({
            "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"},
            "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
        }),
    );
    shop.deployment(
        "helm",
        &json!({
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "shop"},
        }),
    );
    shop.deployment("scaled", &json!({}));
    shop.deployment("queued", &json!({}));
    shop.make(
        "apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects",
        &json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "queue"},
            "spec": {
                "scaleTargetRef": {"name": "queued"},
                "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "3"}}],
            },
        }),
    );
    shop.deployment("flagged", &json!({}));
    shop.scaler("scaled");
    shop.canary("flagged", "Progressing");
    let ran = shop.check(
        "name: back\nrollback:\n\
         - name: argo\n  undo: {workloads: [deployment/argo]}\n\
         - name: flux\n  undo: {workloads: [deployment/flux]}\n\
         - name: left\n  undo: {workloads: [deployment/left]}\n\
         - name: helm\n  undo: {workloads: [deployment/helm]}\n\
         - name: scaled\n  scale: {workloads: [deployment/scaled], replicas: 5}\n\
         - name: queued\n  scale: {workloads: [deployment/queued], replicas: 0}\n\
         - name: flagged\n  undo: {workloads: [deployment/flagged]}\n\
         - name: canary\n  flagger: {canary: flagged}\n\
         - name: after it\n  scale: {workloads: [deployment/flagged], replicas: 0}\n\
         return:\n- name: to zero\n  scale: {workloads: [deployment/scaled], replicas: 0}\n\
         - name: as before\n  scale: {workloads: [deployment/scaled], replicas: previous}\n",
        2,
    );
    finds(&ran, "problem", "owner", "Argo CD, application shop");
    finds(&ran, "problem", "owner", "Flux: its next reconciliation");
    finds(&ran, "warning", "owner", "Helm, release shop");
    finds(
        &ran,
        "problem",
        "scaling",
        "scaler does: within seconds the autoscaler decides",
    );
    finds(&ran, "ok", "scaling", "scaler does: 0 stays");
    finds(&ran, "problem", "scaling", "KEDA's queue does");
    finds(
        &ran,
        "problem",
        "owner",
        "write a flagger step with canary: flagged before it",
    );
    finds(&ran, "ok", "owner", "a flagger step comes before");
    finds(&ran, "warning", "object", "Progressing: Flagger is judging");
    finds(&ran, "warning", "traffic", "flagged: whoever asks there");
    let findings = ran.record["findings"].as_array();
    let of_left = findings
        .into_iter()
        .flatten()
        .filter(|found| found["name"] == "left");
    assert!(
        of_left.into_iter().all(|found| found["state"] == "ok"),
        "{ran}"
    );
}

#[test]
fn rights_that_are_missing_are_named_one_by_one() {
    let Some(shop) = Shop::new(&["get"]) else {
        return;
    };
    shop.deployment("checkout", &json!({}));
    let ran = shop.check(
        "name: back\nrollback:\n- name: a\n  undo: {workloads: [deployment/checkout]}\n",
        2,
    );
    let missing = format!(
        "missing: patch of deployments.apps in {0}, list of replicasets.apps in {0}",
        shop.namespace.name
    );
    finds(&ran, "problem", "rights", &missing);
    // Where the API server cannot be reached, that is said once.
    let unreachable = shop
        .program("name: back\nrollback:\n- name: a\n  undo: {workloads: [deployment/checkout, deployment/cart]}\n")
        .env("KUBECONFIG", "/nonexistent")
        .arguments(&["runbook", "check"]);
    let ran = unreachable.run().exits(2);
    finds(&ran, "problem", "cluster", "KUBECONFIG names /nonexistent");
    assert_eq!(ran.record["findings"].as_array().map(Vec::len), Some(2));
}

/// Returns an example of the repository, its names of namespaces being those of a test.
fn example(name: &str, namespace: &str) -> String {
    let path = crate::documentation::at("examples/runbooks").join(name);
    let text = std::fs::read_to_string(path).expect("it is there");
    text.replace("mimir-edge-enforcement", namespace)
}

#[test]
fn the_examples_would_work_where_their_objects_are_with_the_least_rights() {
    let Some(shop) = Shop::new(&[]) else {
        return;
    };
    for name in [
        "catalogue",
        "cart",
        "checkout",
        "frontend",
        "checkout-worker",
        "mimir-envoy",
        "mimir-rls",
        "overrides-sync",
    ] {
        shop.deployment(name, &json!({}));
    }
    shop.service("mimir-envoy");
    shop.pod("distributor", "mimir-distributor", "web");
    shop.pod("edge", "mimir-envoy", "web");
    shop.route("mimir-push", &["mimir-envoy", "mimir-distributor"]);
    let side = |subset: &str, weight: u8| json!({"destination": {"host": "checkout", "subset": subset}, "weight": weight});
    shop.make(
        "apis/networking.istio.io/v1/namespaces/{}/virtualservices",
        &json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "checkout"},
            "spec": {"http": [{"route": [side("stable", 90), side("canary", 10)]}]},
        }),
    );
    let check = |name: &str| {
        let runbook = example(name, &shop.namespace.name);
        for mut role in shop.roles(&runbook).1 {
            role["metadata"]["name"] = json!(name);
            shop.namespace.grants(&role);
        }
        let ran = shop.check(&runbook, 0);
        assert_eq!(ran.text("/worst"), "ok", "{name}: {ran}");
        ran
    };
    check("deployment-undo.yaml");
    check("namespace-undo.yaml");
    check("database-migration.yaml");
    check("mimir-edge.yaml");
    let ran = check("istio-weights.yaml");
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/http/0/route/0/weight from 90 to 100, /spec/http/0/route/1/weight from 10 to 0",
    );
    shop.canary("checkout", "Succeeded");
    check("flagger.yaml");
    // Those that name no object need nobody.
    for name in [
        "compose-blue-green.yaml",
        "compose-rolling.yaml",
        "nginx-direct.yaml",
        "regional-failover.yaml",
    ] {
        let ran = shop.check(&example(name, &shop.namespace.name), 0);
        assert_eq!(ran.text("/worst"), "ok", "{name}: {ran}");
    }
}

#[test]
fn a_runbook_without_objects_needs_no_cluster() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("runbook.yaml");
    let well = "name: back\nrollback:\n- name: it answers\n  http: {url: 'http://127.0.0.1:9/${SERVICE}', within: 1m}\n";
    let program = |text: &str, words: &[&str]| program(file.clone(), text).arguments(words);
    let ran = program(well, &["runbook", "check"]).run().exits(0);
    assert_eq!(ran.text("/worst"), "ok");
    let ran = program(well, &["runbook", "show"]).run().exits(0);
    assert_eq!(ran.text("/rollback/0/kind"), "http");
    assert_eq!(
        ran.text("/rollback/0/does"),
        "asks http://127.0.0.1:9/checkout by GET"
    );
    let shown = program(well, &["runbook", "show", "--output", "text"]).run();
    assert!(shown.stdout.contains("  1. it answers\n"), "{shown}");
    let trapped = "name: back\nrollback:\n- name: a\n  command: {argv: [sh, -c, 'cat /state || echo blue']}\n";
    let ran = program(trapped, &["runbook", "check", "--output", "text"]).run();
    let ran = ran.exits(2);
    assert!(
        ran.stdout
            .contains("→ write a probe, whose exit code says 0 done"),
        "{ran}"
    );
    let broken = "name: back\nrollback:\n- name: a\n  wate: 1s\n";
    let ran = program(broken, &["runbook", "show"]).run().exits(78);
    assert!(
        ran.stderr.contains("unknown field `wate`") && ran.stderr.contains("line 4 column 3"),
        "{ran}"
    );
    let ran = program(broken, &["status"]).run().exits(78);
    assert!(ran.stderr.contains("RUNBOOK_FILE is"), "{ran}");
    let ran = program(well, &["runbook", "check"])
        .without("RUNBOOK_FILE")
        .run();
    ran.exits(78).complains_of(&["RUNBOOK_FILE is not set"]);
    let named = file.to_str().expect("test paths are text");
    let ran = program(well, &["runbook", "check", named])
        .without("RUNBOOK_FILE")
        .run();
    ran.exits(0).complains_of_nothing();
    let schema = Program::bare().arguments(&["runbook", "schema"]).run();
    let schema = schema.exits(0);
    assert_eq!(
        schema.text("/$schema"),
        "https://json-schema.org/draft/2020-12/schema"
    );
    Program::bare().arguments(&["runbook"]).run().exits(64);
}
