//! Joins what the branch holds with what Argo CD deployed of it.

use chrono::{DateTime, Utc};

use crate::clients::argocd::{Application, Deployment, HealthStatus, Initiator};
use crate::clients::git::Snapshot;
use crate::policy::{Change, End, Source, Timeline, short};

/// A deployment of one of the branch's changes.
struct Live<'a> {
    deployment: &'a Deployment,
    /// The change that was in effect there; nothing where the branch does not know the revision.
    change: Option<&'a str>,
}

/// Gives the changes of the branch the times at which Argo CD deployed them, and leaves out those that it never deployed. What
/// is older than its history keeps the time of its commit. Where the two disagree on what is live, the timeline is unsettled.
pub fn joined(mut timeline: Timeline, snapshot: &Snapshot, app: &Application) -> Timeline {
    timeline.source = Source::Argocd;
    timeline.unsettled = under_way(app);
    let Some(deployments) = app.deployments() else {
        timeline.unsettled = Some("Argo CD's history cannot be read".to_owned());
        return timeline;
    };
    let live: Vec<Live<'_>> = deployments
        .iter()
        .map(|deployment| Live {
            deployment,
            change: change_of(deployment, snapshot),
        })
        .collect();
    if let Some(why) = disagreement(&timeline, live.last()) {
        // Nothing is rolled back now, and people see the branch as it is.
        timeline.unsettled.get_or_insert(why);
        return timeline;
    }
    let first_known = live
        .iter()
        .find_map(|live| live.change.map(|_| began(live.deployment)))
        .flatten();
    timeline.changes.retain_mut(|change| {
        let deployed = live
            .iter()
            .find(|live| live.change == Some(&change.revision))
            .and_then(|live| began(live.deployment));
        match (deployed, first_known) {
            (Some(at), _) => change.deployed_at = at,
            // It came after what the history begins with and is not in it: it was never deployed.
            (None, Some(first)) => return change.deployed_at < first,
            (None, None) => {}
        }
        true
    });
    timeline
}

/// Returns the deployments as Argo CD alone knows them: revisions and sources are what tells them apart. Nothing where its
/// history cannot be read.
pub fn of_application(app: &Application) -> Option<Timeline> {
    let deployments = app.deployments()?;
    let mut changes = Vec::new();
    for deployment in deployments.iter().rev() {
        changes.push(Change {
            revision: deployment.revisions.join("+"),
            deployed_at: began(deployment)?,
            state: state(deployment),
            rollback: None,
            subject: String::new(),
        });
    }
    let newest: &Change = changes.first()?;
    Some(Timeline {
        tip: newest.revision.clone(),
        tip_state: newest.state.clone(),
        end: match deployments.first().and_then(|oldest| oldest.ids.first()) {
            Some(0) => End::Root,
            Some(_) | None => End::DepthLimit,
        },
        source: Source::Argocd,
        unsettled: under_way(app),
        changes,
    })
}

/// Returns the id of the history entry to go back to: the newest one that deployed a change of the branch.
pub fn entry_of(
    app: &Application,
    snapshot: &Snapshot,
    change: &str,
) -> Option<(i64, Vec<String>)> {
    let deployments = app.deployments()?;
    let found = deployments
        .iter()
        .rev()
        .find(|deployment| change_of(deployment, snapshot) == Some(change))?;
    Some((found.newest_id()?, found.revisions.clone()))
}

/// Returns the change of the branch that one of the revisions names.
fn change_of<'a>(deployment: &Deployment, snapshot: &'a Snapshot) -> Option<&'a str> {
    let mut revisions = deployment.revisions.iter();
    revisions.find_map(|revision| snapshot.change_at(revision))
}

/// Returns the moment from which pods of a deployment may serve.
fn began(deployment: &Deployment) -> Option<DateTime<Utc>> {
    deployment.deploy_started_at.or(deployment.deployed_at)
}

/// Tells deployments apart, for who knows no content: the same revision with other sources is another one.
fn state(deployment: &Deployment) -> String {
    format!(
        "{}:{:?}",
        deployment.revisions.join("+"),
        deployment.sources
    )
}

/// Says what is being deployed now.
fn under_way(app: &Application) -> Option<String> {
    let name = app.name.as_deref().unwrap_or("of unknown name");
    if app.deletion.is_some() {
        return Some(format!("application {name} is being deleted"));
    }
    let is_retrying = app
        .operation_state
        .as_ref()
        .is_some_and(|state| state.is_waiting_for_retry || state.retry_count.unwrap_or(0) > 0);
    if app.operation.is_some() && !is_retrying {
        let by = match app.operation.as_ref().map(|request| &request.by) {
            Some(Initiator::User(user)) => format!("by {user}"),
            Some(Initiator::Automated) => "by auto-sync".to_owned(),
            Some(Initiator::Unknown) | None => "by somebody".to_owned(),
        };
        return Some(format!(
            "an operation {by} is under way on application {name}"
        ));
    }
    match &app.health.status {
        HealthStatus::Progressing => {
            Some(format!("the rollout of application {name} is in progress"))
        }
        HealthStatus::Healthy
        | HealthStatus::Degraded
        | HealthStatus::Suspended
        | HealthStatus::Missing
        | HealthStatus::Unknown(_) => None,
    }
}

/// Says how Argo CD and the branch disagree on what is live.
fn disagreement(timeline: &Timeline, live: Option<&Live<'_>>) -> Option<String> {
    let Some(live) = live else {
        return Some("Argo CD has deployed nothing yet".to_owned());
    };
    let newest = timeline.changes.first()?;
    let revision = live.deployment.revisions.join(", ");
    match live.change {
        None => Some(format!(
            "Argo CD has {} deployed, which the branch does not know as far as it was read",
            short(&revision)
        )),
        Some(change) if change != newest.revision => Some(format!(
            "Argo CD has {} deployed and the branch holds {}: one of them is still to follow",
            short(change),
            short(&newest.revision)
        )),
        Some(_) => None,
    }
}
