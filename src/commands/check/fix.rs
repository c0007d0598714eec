//! The way through for the commit that fixes what burns: whoever asks for it has to name what is broken.

use super::look::Look;
use crate::policy::short;
use crate::record::AttributionPart;

/// Whether the deploy is said to fix something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    /// Nobody says so.
    NotAsked,
    /// It is, of what this says for people.
    Confirmed(String),
    /// What is named is not what may be broken; this says so.
    Refused(String),
}

/// Says what the commit is said to fix, and whether that may be broken: the newest deployment, the one that is blamed,
/// or one that was rolled back.
pub(super) fn fix(look: &Look<'_>, attribution: Option<&AttributionPart>) -> Fix {
    let Some(revision) = look.asked.fixes.as_deref() else {
        return Fix::NotAsked;
    };
    let is_itself = |commit: &str| commit.starts_with(revision) || revision.starts_with(commit);
    if look.asked.commit.as_deref().is_some_and(is_itself) {
        return Fix::Refused("--fixes names the commit itself".to_owned());
    }
    let newest = look
        .timeline()
        .and_then(|timeline| timeline.newest_deployment());
    if let Some(newest) = newest.filter(|newest| newest.revision.starts_with(revision)) {
        return Fix::Confirmed(format!(
            "{}, the newest deployment",
            short(&newest.revision)
        ));
    }
    if let Some(blamed) = attribution.filter(|blamed| blamed.suspect.starts_with(revision)) {
        return Fix::Confirmed(format!("{}, which is suspected", short(&blamed.suspect)));
    }
    let in_flight = look.state.in_flight();
    let in_flight = in_flight.filter(|rollback| rollback.from.starts_with(revision));
    let rolled_back_by = in_flight.map(|rollback| rollback.id.as_str());
    if let Some(id) = rolled_back_by.or_else(|| look.held_by(revision)) {
        return Fix::Confirmed(format!("{}, which {id} is about", short(revision)));
    }
    Fix::Refused(match newest {
        Some(newest) => format!(
            "--fixes names {}, which is neither the newest deployment ({}) nor suspected nor rolled back",
            short(revision),
            short(&newest.revision)
        ),
        None => format!(
            "--fixes names {}, and it is not known what was deployed: set GITOPS_REPO and GITOPS_PATH",
            short(revision)
        ),
    })
}
