//! What would stop a rollback today: each access and each setting looked at, nothing changed.
//!
//! Every system is looked at, whatever became of the others, and all of them at the same time. The clients bound every wait.

mod application;
mod argocd;
mod finding;
mod git;
mod github;
mod prometheus;
mod rights;
mod settings;
mod source;
mod state;

pub use finding::{Diagnosis, Finding, FindingState};

use chrono::Utc;

use super::service::Service;
use super::{Ended, Report};
use crate::exit::Exit;
use crate::observe;
use crate::record::Heading;

/// Looks at everything that a rollback of the service needs.
pub(super) async fn doctor(service: &Service<'_>, heading: &Heading) -> Ended {
    let config = service.config;
    let (prometheus, (git, branch), github, argocd) = tokio::join!(
        prometheus::look(service),
        git::look(service),
        github::look(service),
        argocd::look(config),
    );
    let timeline = branch.as_ref().map(observe::timeline);
    let state = state::look(service, timeline.as_ref(), Utc::now());
    let findings = [
        settings::look(config),
        prometheus,
        git,
        github,
        argocd,
        state,
    ]
    .concat();
    let diagnosis = Diagnosis::new(
        heading.service.clone(),
        heading.namespace.clone(),
        config.settings.clone(),
        findings,
    );
    let (exit, complaint) = match diagnosis.worst {
        FindingState::Ok => (Exit::Complete, None),
        FindingState::Warning => (Exit::DoctorWarns, None),
        FindingState::Problem => (Exit::DoctorObjects, Some(complaint(&diagnosis))),
    };
    Ended {
        exit,
        report: Some(Report::Diagnosis(Box::new(diagnosis))),
        complaint,
        back: None,
    }
}

fn complaint(diagnosis: &Diagnosis) -> String {
    let problems = diagnosis.findings.iter();
    let subjects: Vec<&str> = problems
        .filter(|finding| finding.state == FindingState::Problem)
        .map(|finding| finding.subject)
        .collect();
    format!("a rollback would fail today: {}", subjects.join(", "))
}
