//! Joins what the branch holds with what Argo CD deployed of it.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::followed::not_followed;
use crate::clients::argocd::{
    Application, Deployment, HealthStatus, HydratePhase, Initiator, SyncStatus,
};
use crate::clients::git::{GitSettings, PathChange, Snapshot};
use crate::policy::{Beside, Change, End, Lived, Source, Timeline, Unsettled, Witness, short};

/// What Argo CD ran for a while: deployments of the same content, one after the other.
struct LiveRun<'a> {
    /// The change of the branch that the last of them deployed; nothing where the branch does not know the revision.
    change: Option<&'a PathChange>,
    revisions: &'a [String],
    began: Option<DateTime<Utc>>,
    /// What of other sources was deployed since.
    beside: Option<Beside>,
}

impl LiveRun<'_> {
    fn holds(&self, state: &str) -> bool {
        self.change.is_some_and(|change| change.state == state)
    }
}

/// Gives the changes of the branch the times at which Argo CD deployed them, and leaves out those that it never
/// deployed, or that something older replaced. What is older than its history keeps the time of its commit. Where the
/// two disagree on what is live, the timeline is unsettled.
pub fn joined(
    mut timeline: Timeline,
    snapshot: &Snapshot,
    app: &Application,
    git: &GitSettings,
) -> Timeline {
    timeline.source = Source::Argocd;
    timeline.witness = Witness::Argocd;
    let not_followed = not_followed(app, git).map(Unsettled::NotFollowed);
    timeline.unsettled = not_followed.or_else(|| under_way(app).map(Unsettled::UnderWay));
    let Some(deployments) = app.deployments() else {
        let why = "Argo CD's history cannot be read".to_owned();
        timeline.unsettled.get_or_insert(Unsettled::UnderWay(why));
        return timeline;
    };
    if let Some(why) = unhydrated(&deployments, app) {
        timeline
            .unsettled
            .get_or_insert(Unsettled::NotFollowed(why));
        return timeline;
    }
    let runs = runs(&deployments, snapshot);
    if let Some(why) = disagreement(&timeline, snapshot, runs.last(), app) {
        // Nothing is rolled back now, and people see the branch as it is.
        timeline.unsettled.get_or_insert(Unsettled::UnderWay(why));
        return timeline;
    }
    date(&mut timeline.changes, &runs);
    timeline.beside = runs.last().and_then(|run| run.beside.clone());
    timeline.trouble = trouble(&deployments);
    timeline
}

/// Says that it is not known of which commit of the branch the newest deployments of a hydrated application were made:
/// the one that is to blame would be guessed, or the one to go back to.
fn unhydrated(deployments: &[Deployment], app: &Application) -> Option<String> {
    let hydration = app.hydration.as_ref()?;
    let newest = deployments.iter().rev().take(2);
    let mut revisions = newest.flat_map(|deployment| &deployment.revisions);
    let unknown = revisions.find(|revision| hydration.unknown.contains(revision))?;
    Some(format!(
        "{} was deployed, and of which commit a hydrator made it is not known: hydrator.metadata on {} does not say so; revert \
         on {} by hand",
        short(unknown),
        hydration.sync_branch.as_deref().unwrap_or("its branch"),
        hydration.target_revision.as_deref().unwrap_or("HEAD"),
    ))
}

/// Says how the operation of the newest deployment stands, where it did not succeed.
fn trouble(deployments: &[Deployment]) -> Option<String> {
    let trouble = deployments.last()?.trouble.as_ref()?;
    Some(format!("its operation in Argo CD {trouble}"))
}

fn runs<'a>(deployments: &'a [Deployment], snapshot: &'a Snapshot) -> Vec<LiveRun<'a>> {
    let mut runs: Vec<LiveRun<'_>> = Vec::new();
    for deployment in deployments {
        let change = change_of(deployment, snapshot);
        match (runs.last_mut(), change) {
            (Some(last), Some(same)) if last.holds(&same.state) => {
                let others = others(&deployment.revisions, snapshot);
                let at = began(deployment);
                if let (Some(at), true) = (at, others != self::others(last.revisions, snapshot)) {
                    let named: Vec<&str> = others.iter().map(|it| short(it)).collect();
                    last.beside = Some(Beside {
                        at,
                        revisions: named.join(", "),
                    });
                }
                last.change = change;
                last.revisions = &deployment.revisions;
            }
            (Some(_) | None, _) => runs.push(LiveRun {
                change,
                revisions: &deployment.revisions,
                began: began(deployment),
                beside: None,
            }),
        }
    }
    runs
}

/// Returns the revisions that the branch does not know: those of other sources.
fn others<'a>(revisions: &'a [String], snapshot: &Snapshot) -> Vec<&'a String> {
    let all = revisions.iter();
    all.filter(|it| snapshot.change_at(it).is_none()).collect()
}

/// Finds the run of each change by its content, the newest first: a commit that restores what an application was
/// rolled back to is never deployed by itself. What is newer than the last run renders nothing new: it is on the branch
/// and never lived.
fn date(changes: &mut Vec<Change>, runs: &[LiveRun<'_>]) {
    let live = runs.last();
    let is_live = |change: &Change| live.is_some_and(|live| live.holds(&change.state));
    let newer = changes.iter().position(is_live).unwrap_or_default();
    for change in &mut changes[..newer] {
        change.lived = Lived::NotSeen;
    }
    let mut kept = changes.split_off(newer);
    dated(&mut kept, runs);
    changes.extend(kept);
}

fn dated(changes: &mut Vec<Change>, runs: &[LiveRun<'_>]) {
    let first_known = runs.iter().find(|run| run.change.is_some());
    let first_known = first_known.and_then(|run| run.began);
    let mut older: VecDeque<String> = changes.iter().map(|it| it.state.clone()).collect();
    let mut left = runs;
    changes.retain_mut(|change| {
        older.pop_front();
        // The limits and the holds are counted by the trailers of our own commits.
        let is_ours = change.rollback.is_some();
        let Some(found) = left.iter().rposition(|run| run.holds(&change.state)) else {
            // It came after what the history begins with and is not in it: it was never deployed.
            return is_ours || first_known.is_none_or(|first| change.deployed_at < first);
        };
        let is_older = |run: &LiveRun<'_>| older.iter().any(|state| run.holds(state));
        if left[found + 1..].iter().any(is_older) {
            // Its life ended with that, and not with the next change.
            return is_ours;
        }
        if let Some(began) = left[found].began {
            change.deployed_at = began;
            change.not_before = Some(began);
        }
        change.lived = Lived::Yes;
        left = &left[..found];
        true
    });
}

/// Returns the deployments as Argo CD alone knows them: revisions and sources are what tells them apart. Nothing
/// where its history cannot be read.
pub fn of_application(app: &Application) -> Option<Timeline> {
    let deployments = app.deployments()?;
    let mut changes = Vec::new();
    for deployment in deployments.iter().rev() {
        changes.push(Change {
            revision: deployment.revisions.join("+"),
            deployed_at: began(deployment)?,
            not_before: began(deployment),
            lived: Lived::Yes,
            state: deployment_state(deployment),
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
        witness: Witness::Argocd,
        unsettled: under_way(app).map(Unsettled::UnderWay),
        trouble: trouble(&deployments),
        beside: None,
        suspicious: Vec::new(),
        changes,
    })
}

/// Returns the id of the history entry to go back to: the newest one that deployed what a change of the branch holds.
pub fn entry_of(
    app: &Application,
    snapshot: &Snapshot,
    revision: &str,
) -> Option<(i64, Vec<String>)> {
    let deployments = app.deployments()?;
    let wanted = change_named(snapshot, revision)?;
    let found = deployments.iter().rev().find(|deployment| {
        let change = change_of(deployment, snapshot);
        let is_wanted = change.is_some_and(|change| change.state == wanted.state);
        is_wanted && deployment.newest_id().is_some()
    })?;
    Some((found.newest_id()?, found.revisions.clone()))
}

/// Returns the change of the branch that one of the revisions names.
fn change_of<'a>(deployment: &Deployment, snapshot: &'a Snapshot) -> Option<&'a PathChange> {
    let mut revisions = deployment.revisions.iter();
    let change = revisions.find_map(|revision| snapshot.change_at(revision))?;
    change_named(snapshot, change)
}

fn change_named<'a>(snapshot: &'a Snapshot, revision: &str) -> Option<&'a PathChange> {
    let mut changes = snapshot.changes.iter();
    changes.find(|change| change.revision == revision)
}

/// Returns the moment from which pods of a deployment may serve.
fn began(deployment: &Deployment) -> Option<DateTime<Utc>> {
    deployment.deploy_started_at.or(deployment.deployed_at)
}

/// Tells deployments apart, for who knows no content: the same revision with other sources is another one.
pub fn deployment_state(deployment: &Deployment) -> String {
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
    // Its workloads run already: how they do is told by what they serve, and not by whether its hooks come to an end.
    let is_live = app.unrecorded().is_some();
    if app.operation.is_some() && !is_retrying && !is_live {
        let by = match app.operation.as_ref().map(|request| &request.by) {
            Some(Initiator::User(user)) => format!("by {user}"),
            Some(Initiator::Automated) => "by auto-sync".to_owned(),
            Some(Initiator::Unknown) | None => "by somebody".to_owned(),
        };
        return Some(format!(
            "an operation {by} is under way on application {name}"
        ));
    }
    let hydrating = app.hydration.as_ref().and_then(|it| it.current.as_ref());
    match hydrating.map(|current| (&current.phase, current)) {
        Some((HydratePhase::Hydrating, _)) => {
            return Some(format!("the hydrator of application {name} is at work"));
        }
        Some((HydratePhase::Failed, current)) => {
            let what = current.dry.as_deref().map_or("its source", short);
            return Some(format!(
                "the hydrator of application {name} failed on {what} and will try again: {}",
                current.message
            ));
        }
        Some((HydratePhase::Hydrated | HydratePhase::Unknown(_), _)) | None => {}
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

/// Tells whether Argo CD compared what runs with the newest change and found no difference: a commit that renders
/// nothing new is never deployed, and leaves no entry in the history.
fn renders_the_same(newest: &Change, snapshot: &Snapshot, app: &Application) -> bool {
    let is_at_rest = app.operation.is_none() && app.sync.status == SyncStatus::Synced;
    let mut compared = app.sync.revisions.iter();
    is_at_rest
        && compared.any(|revision| snapshot.change_at(revision) == Some(newest.revision.as_str()))
}

/// Says how Argo CD and the branch disagree on what is live.
fn disagreement(
    timeline: &Timeline,
    snapshot: &Snapshot,
    live: Option<&LiveRun<'_>>,
    app: &Application,
) -> Option<String> {
    let Some(live) = live else {
        return Some(match app.history_limit {
            Some(..=0) => {
                "Argo CD keeps no history of the application; raise its revisionHistoryLimit"
                    .to_owned()
            }
            Some(_) | None => "Argo CD has deployed nothing yet".to_owned(),
        });
    };
    let newest = timeline.changes.first()?;
    match live.change {
        None => Some(format!(
            "Argo CD has {} deployed, which the branch does not know as far as it was read",
            short(&live.revisions.join(", "))
        )),
        Some(change)
            if change.state != newest.state && !renders_the_same(newest, snapshot, app) =>
        {
            Some(format!(
                "Argo CD has {} deployed and the branch holds {}: one of them is still to follow",
                short(&change.revision),
                short(&newest.revision)
            ))
        }
        Some(_) => None,
    }
}
