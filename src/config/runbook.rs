//! The runbook of a service.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    problems::Checked,
    reader::{Reader, file_path},
    service::ServiceConfig,
    variables::RUNBOOK_FILE,
};
use crate::clients::kubernetes::KubernetesSettings;
use crate::files;
use crate::runbook::{self, Runbook};

/// A runbook that was read, and how its objects are reached.
#[derive(Debug, Clone, PartialEq)]
pub struct RunbookConfig {
    /// `RUNBOOK_FILE`: a regular file of at most 256 KiB.
    pub file: PathBuf,
    /// What it says.
    pub runbook: Arc<Runbook>,
    /// `KUBECONFIG`, `KUBERNETES_CONTEXT` and `STATE_TIMEOUT` (10s); the namespace is that of the service.
    pub cluster: KubernetesSettings,
}

pub(super) fn read(
    reader: &mut Reader,
    service: &Checked<ServiceConfig>,
    cluster: &Checked<KubernetesSettings>,
) -> Checked<Option<RunbookConfig>> {
    let Some(file) = reader.optional(&RUNBOOK_FILE, file_path)? else {
        return Ok(None);
    };
    let shown = file.display();
    let text = match files::read_text(&file, runbook::LARGEST) {
        Ok(text) => text,
        Err(error) => {
            return Err(reader.report(format!(
                "RUNBOOK_FILE is {shown}, which cannot be read ({error}); name a YAML file of at most 256 KiB"
            )));
        }
    };
    let ServiceConfig { name, namespace } = service.as_ref().map_err(|reported| *reported)?;
    match runbook::parse(&text, name.as_str(), namespace.as_str()) {
        Ok(runbook) => Ok(Some(RunbookConfig {
            runbook: Arc::new(runbook),
            cluster: KubernetesSettings {
                namespace: Some(namespace.to_string()),
                ..cluster.clone()?
            },
            file,
        })),
        Err(error) => Err(reader.report(format!(
            "RUNBOOK_FILE is {shown}, which is no runbook: {}; `runbook schema` has every member",
            reader.secrets().redact(&error.to_string())
        ))),
    }
}
