//! Whether Argo CD will do its part, looked at before anything is begun, and in which order.

use super::intent::Request;
use crate::clients::argocd::{
    Account, Allowed, Application, Argo, ArgoError, ArgoPermission, AutoSync,
};
use crate::clients::git::Snapshot;
use crate::journal::{ArgoOperation, HistoryTarget, Origin};
use crate::observe;
use crate::policy::{Plan, Reason, may_roll_back_first};
use crate::service::Service;
use crate::with_sources;

/// How many commits on top of the bad one are remembered. Bounds the state; an operation on an older one is not told
/// to end.
const MAX_BAD: usize = 50;

/// Why nothing is begun although every gate passed.
pub(crate) enum Stopped {
    /// Argo CD would not do it now.
    Held {
        /// The reason code.
        reason: Reason,
        /// What was found.
        why: String,
    },
    /// Argo CD could not be asked, or lets this program do nothing.
    Unavailable {
        /// Why, as a sentence.
        why: String,
    },
}

impl From<ArgoError> for Stopped {
    fn from(error: ArgoError) -> Self {
        Self::Unavailable {
            why: with_sources(&error),
        }
    }
}

/// Looks whether Argo CD will do its part before anything is begun, and in which order. Nothing where no application is
/// configured, or where a person's rollback goes on without it.
///
/// # Errors
/// Says why nothing can be begun.
pub(crate) async fn prepare(
    service: &Service<'_>,
    snapshot: &Snapshot,
    plan: &Plan,
    request: &Request,
    app: Option<&Application>,
) -> Result<Option<ArgoOperation>, Stopped> {
    let (Some(argo), Some(app)) = (&service.argo, app) else {
        return Ok(None);
    };
    let gitops = service.config.gitops.as_ref();
    if let Some(why) = gitops.and_then(|gitops| observe::not_followed(app, &gitops.git)) {
        return Err(Stopped::Held {
            reason: Reason::BranchNotFollowed,
            why,
        });
    }
    let user = may_act(argo, app).await?;
    // What the hydrated branch holds is nothing that this program puts back.
    let may_go_first = app.hydration.is_none()
        && may_roll_back_first(
            !matches!(app.auto_sync, AutoSync::Off(_) | AutoSync::Absent),
            request.origin == Origin::Automatic,
            service.config.policy.by_pull_request,
            !plan.keeps.is_empty(),
        );
    let entry = may_go_first
        .then(|| observe::entry_of(app, snapshot, &plan.to))
        .flatten();
    Ok(Some(ArgoOperation {
        application: argo.name(),
        user,
        // What is deployed of a change that stays holds the bad one too.
        bad_revisions: with_hydrated(
            argo,
            std::iter::once(&plan.from)
                .chain(&plan.keeps)
                .flat_map(|change| bad_commits(snapshot, change, app))
                .collect(),
        ),
        entry: entry.map(|(id, revisions)| HistoryTarget { id, revisions }),
        asked_at: None,
        accepted: false,
        terminated: false,
    }))
}

/// Adds what a hydrator made of the bad commits: a later run may see only that.
pub(crate) fn with_hydrated(argo: &Argo, mut bad: Vec<String>) -> Vec<String> {
    bad.extend(argo.made_of(&bad));
    bad
}

/// Returns the newest commits at which the bad revision is in effect, because Argo CD deploys the branch's tip, whoever
/// committed it; and the one of them that is deployed, which may be older.
pub(crate) fn bad_commits(snapshot: &Snapshot, from: &str, app: &Application) -> Vec<String> {
    let mut commits = snapshot.commits_with(from);
    let deployments = app.deployments().unwrap_or_default();
    let live = deployments.last();
    let older = commits.split_off(commits.len().min(MAX_BAD));
    let is_live = |commit: &String| live.is_some_and(|live| live.revisions.contains(commit));
    commits.extend(older.into_iter().find(is_live));
    commits
}

/// Returns under which name this program acts on an application that lets it act now.
///
/// # Errors
/// Says what stands in the way.
pub(crate) async fn may_act(argo: &Argo, app: &Application) -> Result<String, Stopped> {
    let name = argo.name();
    if app.deletion.is_some() {
        return Err(Stopped::Held {
            reason: Reason::NoTarget,
            why: format!("application {name} is being deleted"),
        });
    }
    if let AutoSync::Unknown = app.auto_sync {
        return Err(Stopped::Held {
            reason: Reason::UnknownData,
            why: format!("whether auto-sync of application {name} is on cannot be read"),
        });
    }
    let (account, allowed, windows) = tokio::join!(
        argo.account(),
        argo.can_i(ArgoPermission::Sync),
        argo.sync_windows()
    );
    let user = match account? {
        Account::Named { name, .. } => name,
        Account::Nobody => {
            return Err(Stopped::Unavailable {
                why: format!(
                    "Argo CD does not know who asks about application {name}; check ARGOCD_TOKEN"
                ),
            });
        }
    };
    if allowed? == Allowed::No {
        return Err(Stopped::Unavailable {
            why: format!(
                "account {user} may not sync application {name}; allow `applications, sync` for it in Argo CD's RBAC policy"
            ),
        });
    }
    match windows?.can_sync {
        Some(true) => Ok(user),
        Some(false) => Err(Stopped::Held {
            reason: Reason::Blackout,
            why: format!("a sync window of Argo CD lets no sync of application {name} through now"),
        }),
        None => Err(Stopped::Held {
            reason: Reason::UnknownData,
            why: format!("whether a sync window holds application {name} is not said"),
        }),
    }
}
