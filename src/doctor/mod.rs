//! What would stop a rollback today: each access and each setting looked at, nothing changed; only test messages are
//! sent, on request.
//!
//! Every system is looked at, whatever became of the others, and all of them at the same time. The clients bound
//! every wait.

mod application;
mod argocd;
mod finding;
mod forge;
mod git;
mod github;
mod overlay;
mod prometheus;
mod rights;
mod runbook;
mod settings;
mod source;
mod state;
mod telling;
mod text;

pub use finding::{Diagnosis, Finding, FindingState};
pub use runbook::{RunbookDiagnosis, StepFinding, runbook_diagnosis};
pub(crate) use runbook::{check as check_runbook, roles as runbook_roles};
pub use text::diagnosis;

use chrono::Utc;

use crate::observe;
use crate::record::Heading;
use crate::service::Service;

/// Looks at everything that a rollback of the service needs, and sends test messages where that is wanted.
pub(crate) async fn doctor(service: &Service<'_>, heading: &Heading, send_test: bool) -> Diagnosis {
    let config = service.config;
    let (prometheus, (git, branch), github, forge, argocd, telling) = tokio::join!(
        prometheus::look(service),
        git::look(service),
        github::look(service),
        forge::look(service),
        argocd::look(config),
        telling::look(service, send_test),
    );
    let timeline = branch
        .as_ref()
        .map(|snapshot| observe::timeline(snapshot, service.trust()));
    let suspicious = timeline.as_ref().map_or_else(Vec::new, git::suspicious);
    let state = state::look(service, timeline.as_ref(), Utc::now());
    let findings = [
        settings::look(config),
        telling,
        prometheus,
        git,
        suspicious,
        github,
        forge,
        argocd,
        state,
    ]
    .concat();
    Diagnosis::new(
        heading.service.clone(),
        heading.namespace.clone(),
        config.settings(),
        findings,
    )
}

impl Diagnosis {
    /// Says what would fail, where something would.
    pub fn complaint(&self) -> Option<String> {
        let problems = self.findings.iter();
        let subjects: Vec<&str> = problems
            .filter(|finding| finding.state == FindingState::Problem)
            .map(|finding| finding.subject)
            .collect();
        (!subjects.is_empty())
            .then(|| format!("a rollback would fail today: {}", subjects.join(", ")))
    }
}
