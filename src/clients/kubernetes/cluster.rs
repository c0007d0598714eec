//! A connection to an API server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::job::Job;

/// How the API server is found, and how long it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// The files that `KUBECONFIG` names. Without any the program runs in the cluster, with its service account.
    pub kubeconfig: Vec<PathBuf>,
    /// The context of those files; their own choice where none is named.
    pub context: Option<String>,
    /// The namespace of the objects; that of the service account or the context where none is named.
    pub namespace: Option<String>,
    /// Longest wait for the answer to one call, with its repetitions.
    pub timeout: Duration,
}

/// A connection to the API server. Copies share it.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(super) jobs: UnboundedSender<Job>,
    pub(super) namespace: Arc<str>,
    pub(super) timeout: Duration,
}

impl Cluster {
    /// Returns the namespace of the objects.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}
