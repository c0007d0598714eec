//! Many services whose memory is in Kubernetes: what is asked of the API server, and how much of it at once.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::back_end::{BackEnd, Running};
use testkit::fleet::Fleet;
use testkit::kubernetes::{Namespace, shared_cluster};

use crate::scenarios::program::Program;

const SERVICES: usize = 60;

/// How many requests the program has under way at once.
const AT_ONCE: usize = 8;

/// Protects a test from a program that has fewer under way.
const SILENCE: Duration = Duration::from_secs(20);

/// Healthy services, each with a ConfigMap.
struct Many {
    prometheus: Running,
    namespace: Namespace,
    services: TempDir,
    folder: TempDir,
}

/// Counts the reads of ConfigMaps, and lets none through before as many as may be are under way.
#[derive(Default)]
struct Gate {
    reads: Mutex<Reads>,
    changed: Condvar,
}

#[derive(Default, Clone, Copy)]
struct Reads {
    arrived: usize,
    underway: usize,
    most: usize,
}

impl Many {
    fn start() -> Option<Self> {
        let cluster = shared_cluster()?;
        let fleet = Fleet::of(SERVICES);
        let many = Self {
            prometheus: fleet
                .start(BackEnd::DebianPrometheus)
                .expect("Debian has it"),
            namespace: cluster.namespace(),
            services: fleet.services_dir(|_| String::new()),
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        many.namespace.kubeconfig(many.folder.path());
        let printed = many.program(&["doctor", "--print-rbac"]).run().exits(0);
        assert!(!printed.stdout.contains("list"), "{printed}");
        let role: Value = serde_norway::from_str(&printed.stdout).expect("YAML");
        many.namespace.grants(&role);
        many.program(&["run"]).run().exits(0);
        assert_eq!(many.namespace.config_maps().len(), SERVICES);
        Some(many)
    }

    fn program(&self, words: &[&str]) -> Program {
        Program::bare()
            .env_path("SERVICES_DIR", self.services.path())
            .env("PROMETHEUS_URL", &self.prometheus.url())
            .env("PROMETHEUS_TIMEOUT", "60s")
            .env("SLO_WINDOW", "1h")
            .env("BLACKOUT_WINDOWS", "none")
            .env("STATE", "kubernetes")
            .env("STATE_TIMEOUT", "60s")
            .env_path("KUBECONFIG", &self.folder.path().join("kubeconfig"))
            .arguments(words)
    }
}

impl Gate {
    fn enters(&self) {
        let mut reads = self.reads.lock().expect("no panic");
        reads.arrived += 1;
        reads.underway += 1;
        reads.most = reads.most.max(reads.underway);
        // Those of the last round are fewer.
        let round = reads.arrived.div_ceil(AT_ONCE) * AT_ONCE;
        let awaited = round.min(SERVICES);
        self.changed.notify_all();
        let waits = |reads: &mut Reads| reads.arrived < awaited;
        let waited = self.changed.wait_timeout_while(reads, SILENCE, waits);
        drop(waited.expect("no panic"));
    }

    fn leaves(&self) {
        self.reads.lock().expect("no panic").underway -= 1;
    }
}

#[test]
fn whoever_only_looks_reads_each_config_map_once_and_eight_at_a_time() {
    let Some(many) = Many::start() else {
        return;
    };
    for words in [
        &["status"][..],
        &["check"],
        &["history"],
        &["run", "--dry-run"],
    ] {
        let gate = Arc::new(Gate::default());
        let namespace = many.namespace.clone();
        let counting = many.namespace.behind({
            let gate = Arc::clone(&gate);
            move |request| {
                assert_eq!(request.method, "GET", "nothing is written");
                assert!(request.path().contains("/configmaps/"), "nothing is listed");
                gate.enters();
                let reply = namespace.pass_on(request).ok();
                gate.leaves();
                reply
            }
        });
        let kubeconfig = many.folder.path();
        many.namespace.kubeconfig_for(kubeconfig, &counting.url());
        let ran = many.program(words).run().exits(0);
        let reads = *gate.reads.lock().expect("no panic");
        assert_eq!(reads.arrived, SERVICES, "{words:?}: {ran}");
        assert_eq!(reads.most, AT_ONCE, "{words:?}");
    }
}
