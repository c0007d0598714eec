//! What would stop a rollback today: each access and each setting looked at, nothing changed; only test messages are sent, on request.
//!
//! Every system is looked at, whatever became of the others, and all of them at the same time. The clients bound every wait.

mod application;
mod argocd;
mod finding;
mod git;
mod github;
mod overlay;
mod prometheus;
mod rights;
mod settings;
mod source;
mod state;
mod telling;

pub use finding::{Diagnosis, Finding, FindingState};

use chrono::Utc;

use super::service::Service;
use super::tell::Holds;
use super::{Ended, Report};
use crate::exit::Exit;
use crate::observe;
use crate::record::Heading;

/// Looks at everything that a rollback of the service needs, and sends test messages where that is wanted.
pub(super) async fn doctor(service: &Service<'_>, heading: &Heading, send_test: bool) -> Ended {
    let config = service.config;
    let (prometheus, (git, branch), github, argocd, telling) = tokio::join!(
        prometheus::look(service),
        git::look(service),
        github::look(service),
        argocd::look(config),
        telling::look(service, send_test),
    );
    let timeline = branch.as_ref().map(observe::timeline);
    let state = state::look(service, timeline.as_ref(), Utc::now());
    let findings = [
        settings::look(config),
        telling,
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
        holds: Holds::NotLookedAt,
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
