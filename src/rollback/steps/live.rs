//! Looks at what runs of an application after it was put back. Nothing is asked for.

use std::time::Duration;

use crate::clients::argocd::{Application, Argo, Deployment, HealthStatus, Initiator, SyncStatus};
use crate::journal::ArgoOperation;
use crate::policy::short;
use crate::stop::Stop;

/// Pauses between two looks: the first, and the longest.
pub(crate) const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// How many looks in a row must find the application healthy.
const LOOKS: u32 = 3;

/// Says what was deployed after all that is known, and by whom.
pub(crate) fn deployed_since(live: &Deployment) -> String {
    let revisions: Vec<&str> = live.revisions.iter().map(|it| short(it)).collect();
    format!(
        "{} was deployed {} since",
        revisions.join(", "),
        by(&live.by)
    )
}

/// Says who asked.
pub(crate) fn by(initiator: &Initiator) -> String {
    match initiator {
        Initiator::User(user) => format!("by {user}"),
        Initiator::Automated => "by auto-sync".to_owned(),
        Initiator::Unknown => "by somebody".to_owned(),
    }
}

/// What is not as it was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unlike {
    /// It is not healthy, or not for long enough, or something else was deployed since: the next run looks again.
    NotYet(String),
    /// The bad revision is deployed again.
    Undone(String),
}

/// Looks until the application is healthy several times in a row and nothing else was deployed since, or this run's
/// time is over. `is_alone` tells whether the branch is not put back.
///
/// # Errors
/// Says what was seen instead.
pub(crate) async fn healthy(
    argo: &Argo,
    argo_operation: &ArgoOperation,
    is_alone: bool,
    stop: &Stop,
) -> Result<(), Unlike> {
    let mut in_a_row = 0;
    let mut pause = PAUSE.0;
    loop {
        let seen = match argo.application().await {
            Ok(app) => match (replaced(&app, argo_operation, is_alone), &app.health.status) {
                (Some(Unlike::Undone(why)), _) => return Err(Unlike::Undone(why)),
                (Some(Unlike::NotYet(why)), _) => {
                    in_a_row = 0;
                    why
                }
                (None, HealthStatus::Healthy) => {
                    in_a_row += 1;
                    pause = PAUSE.0;
                    String::new()
                }
                (
                    None,
                    other @ (HealthStatus::Progressing
                    | HealthStatus::Degraded
                    | HealthStatus::Suspended
                    | HealthStatus::Missing
                    | HealthStatus::Unknown(_)),
                ) => {
                    in_a_row = 0;
                    format!("the application is {}", health(other))
                }
            },
            Err(error) => error.to_string(),
        };
        if in_a_row >= LOOKS {
            return Ok(());
        }
        if stop.left().is_zero() {
            return Err(Unlike::NotYet(if seen.is_empty() {
                "the application was not healthy for long enough".to_owned()
            } else {
                seen
            }));
        }
        stop.pause(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Says what was deployed in the place of what was put back. Without the branch a commit that is not known may be
/// anything.
fn replaced(app: &Application, argo_operation: &ArgoOperation, is_alone: bool) -> Option<Unlike> {
    let deployments = app.deployments()?;
    let live = deployments.last()?;
    if live
        .revisions
        .iter()
        .any(|it| argo_operation.bad_revisions.contains(it))
    {
        return Some(Unlike::Undone(deployed_since(live)));
    }
    let target = argo_operation.entry.as_ref()?;
    let is_another = is_alone && live.revisions != target.revisions;
    is_another.then(|| {
        let what = deployed_since(live);
        Unlike::NotYet(format!(
            "{what}; look whether git still holds the bad revision"
        ))
    })
}

/// Names a health for people.
fn health(status: &HealthStatus) -> String {
    match status {
        HealthStatus::Unknown(said) if said.is_empty() => "of unknown health".to_owned(),
        HealthStatus::Unknown(said) => format!("of unknown health ({said})"),
        known @ (HealthStatus::Healthy
        | HealthStatus::Progressing
        | HealthStatus::Degraded
        | HealthStatus::Suspended
        | HealthStatus::Missing) => format!("{known:?}"),
    }
}

/// How many names of what differs are shown.
const SHOWN: usize = 5;

/// Says what differs from git, where something does.
pub(crate) fn left_over(app: &Application) -> Option<String> {
    let differing = app.out_of_sync.as_ref()?;
    if app.sync.status == SyncStatus::Synced || differing.is_empty() {
        return None;
    }
    let shown: Vec<&str> = differing.iter().take(SHOWN).map(String::as_str).collect();
    let more = match differing.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "OutOfSync: {}{more}; look at the application",
        shown.join(", ")
    ))
}

/// Says how the application compares with the branch after both were put back.
pub(crate) async fn compared(argo: &Argo) -> String {
    match argo.refresh().await {
        Err(error) => error.to_string(),
        Ok(refreshed) => {
            let app = refreshed.application();
            match &app.sync.status {
                SyncStatus::Synced => "Synced".to_owned(),
                SyncStatus::OutOfSync => left_over(app).unwrap_or_else(|| {
                    "OutOfSync: what the bad revision added is still there, or has to be pruned; look at the \
                     application"
                        .to_owned()
                }),
                SyncStatus::Unknown(said) => format!("Argo CD cannot compare it with git ({said}); look at the conditions of the application"),
            }
        }
    }
}
