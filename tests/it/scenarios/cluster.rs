//! The memory in Kubernetes: a world that has its own namespace, and what is in its ConfigMap.

use error_budget_monitor::journal::{ServiceState, decode_service, encode_service};
use error_budget_monitor::state::object_name;
use serde_json::{Value, json};
use testkit::kubernetes::{Cluster, Namespace};

use super::program::Program;
use super::world::World;

/// How the names of all objects begin.
pub(crate) const BEGINNING: &str = "error-budget-monitor";

impl World {
    /// Has the memory in a namespace of its own, where the program has the least rights that it says it needs.
    pub(crate) fn moves_to(&mut self, cluster: &'static Cluster) {
        let namespace = cluster.namespace();
        namespace.kubeconfig(self.folder());
        self.namespace = Some(namespace.clone());
        let printed = self
            .in_kubernetes(self.program())
            .arguments(&["doctor", "--print-rbac"]);
        let role: Value = serde_norway::from_str(&printed.run().exits(0).stdout).expect("YAML");
        namespace.grants(&role);
        self.is_known();
    }

    /// Lets a program of this world remember there.
    pub(crate) fn in_kubernetes(&self, program: Program) -> Program {
        program
            .env("STATE", "kubernetes")
            .without("STATE_FILE")
            .env("STATE_TIMEOUT", "30s")
            .env_path("KUBECONFIG", &self.folder().join("kubeconfig"))
    }

    /// Returns the namespace of the memory.
    pub(crate) fn objects(&self) -> &Namespace {
        self.namespace
            .as_ref()
            .expect("the memory is in Kubernetes")
    }

    /// Returns the name of the ConfigMap.
    pub(crate) fn object_name(&self) -> String {
        object_name(BEGINNING, &self.key())
    }

    /// Returns the ConfigMap as it is; null where there is none.
    pub(crate) fn object(&self) -> Value {
        let name = self.object_name();
        let mut maps = self.objects().config_maps().into_iter();
        maps.find(|map| map["metadata"]["name"] == *name)
            .unwrap_or_default()
    }

    /// Returns what the ConfigMap remembers.
    pub(crate) fn kept(&self, _: &Namespace) -> ServiceState {
        match self.object()["data"]["state"].as_str() {
            Some(text) => decode_service(&self.key(), text).expect("a usable state").1,
            None => ServiceState::default(),
        }
    }

    /// Writes what the ConfigMap remembers, as an earlier run.
    pub(crate) fn keeps(&self, namespace: &Namespace, service: &ServiceState) {
        let text = encode_service(&self.key(), service, 1).expect("JSON");
        namespace.put(
            "configmaps",
            &json!({"metadata": {"name": self.object_name()}, "data": {"state": text}}),
        );
    }
}
