//! What an application would do to a rollback: its own state, auto-sync, history, and who else writes it.

use chrono::{DateTime, Duration, Utc};

use super::finding::Finding;
use super::source;
use crate::clients::argocd::{Application, AutoSync, HealthStatus, Owner, SyncStatus};
use crate::config::{ArgocdConfig, Config};

const APPLICATION: &str = "argocd application";
const CONDITION: &str = "argocd condition";
const AUTO_SYNC: &str = "argocd auto-sync";
const HISTORY: &str = "argocd history";
const OWNER: &str = "argocd owner";
const IMAGE_UPDATER: &str = "argocd image updater";
const ROLLOUTS: &str = "argocd rollouts";

/// Age of a comparison with git above which the application's state says little: Argo CD compares every two to three
/// minutes. Source: facts, section 11, rule 10.
const OLD_COMPARISON: Duration = Duration::minutes(10);

/// Looks at an application that was read at `now`.
pub(super) fn look(
    config: &Config,
    argocd: &ArgocdConfig,
    app: &Application,
    now: DateTime<Utc>,
) -> Vec<Finding> {
    let case = Case {
        has_git: config.gitops.is_some(),
        may_switch_off: argocd.may_disable_auto_sync,
        name: &argocd.client.app_name,
        app,
    };
    let mut findings = vec![case.itself(now)];
    findings.extend(case.conditions());
    findings.extend(source::look(config, app));
    findings.extend([
        case.auto_sync(),
        case.history(),
        case.owner(),
        case.image_updater(),
        case.rollouts(),
    ]);
    findings
}

struct Case<'a> {
    has_git: bool,
    may_switch_off: bool,
    name: &'a str,
    app: &'a Application,
}

impl Case<'_> {
    fn itself(&self, now: DateTime<Utc>) -> Finding {
        let tried = format!("read application {:?}", self.name);
        let found = self.in_words(now);
        if self.app.deletion.is_some() {
            let found = format!("{found}; it is being deleted");
            return Finding::problem(
                APPLICATION,
                tried,
                found,
                "name another one in ARGOCD_APP_NAME",
            );
        }
        if self.app.is_parked_by_window() {
            let found = format!("{found}; its operation waits for a sync window");
            return Finding::problem(
                APPLICATION,
                tried,
                found,
                "wait for the window: nothing can take the operation's place until then",
            );
        }
        if self.app.is_in_progress() {
            let found = format!("{found}; an operation is in progress");
            let remedy = "wait for its end or terminate it: Argo CD refuses a rollback until then";
            return Finding::warning(APPLICATION, tried, found, remedy);
        }
        let is_fresh = self
            .app
            .reconciled_at
            .is_some_and(|at| now - at < OLD_COMPARISON);
        if !is_fresh || matches!(self.app.sync.status, SyncStatus::Unknown(_)) {
            let remedy = "look at argocd-application-controller and at the repository: Argo CD does not know what runs";
            return Finding::warning(APPLICATION, tried, found, remedy);
        }
        Finding::ok(APPLICATION, tried, found)
    }

    fn in_words(&self, now: DateTime<Utc>) -> String {
        let sync = match &self.app.sync.status {
            SyncStatus::Synced => "Synced",
            SyncStatus::OutOfSync => "OutOfSync",
            SyncStatus::Unknown(_) => "sync status unknown",
        };
        let health = match &self.app.health.status {
            HealthStatus::Healthy => "Healthy",
            HealthStatus::Progressing => "Progressing",
            HealthStatus::Degraded => "Degraded",
            HealthStatus::Suspended => "Suspended",
            HealthStatus::Missing => "Missing",
            HealthStatus::Unknown(_) => "health unknown",
        };
        let compared = self.app.reconciled_at.map_or_else(
            || "never compared with git".to_owned(),
            |at| {
                format!(
                    "compared with git {} s ago",
                    (now - at).num_seconds().max(0)
                )
            },
        );
        format!("{sync}, {health}, {compared}")
    }

    fn conditions(&self) -> Vec<Finding> {
        let tried = "read what Argo CD complains of";
        let Some(conditions) = &self.app.conditions else {
            return vec![self.unreadable(CONDITION, tried)];
        };
        let told = conditions.iter().map(|condition| {
            let found = format!("{}: {}", condition.kind, condition.message);
            Finding::warning(
                CONDITION,
                tried,
                found,
                "fix it: a sync to an older state may fail on it too",
            )
        });
        told.collect()
    }

    fn auto_sync(&self) -> Finding {
        let tried = "read spec.syncPolicy.automated";
        match &self.app.auto_sync {
            AutoSync::On(block) => {
                let flag = |flag: Option<bool>| match flag {
                    Some(true) => "on",
                    Some(false) => "off",
                    None => "unknown",
                };
                let (prune, self_heal) = (flag(block.prune()), flag(block.self_heal()));
                let found = format!("on (prune {prune}, self-heal {self_heal})");
                self.with_auto_sync(tried, &found)
            }
            AutoSync::Off(_) => self.without_auto_sync(tried, "off, its settings are kept"),
            AutoSync::Absent => self.without_auto_sync(tried, "off"),
            AutoSync::Unknown => Finding::problem(
                AUTO_SYNC,
                tried,
                "it cannot be read whether it is on",
                "correct spec.syncPolicy.automated of the application",
            ),
        }
    }

    /// Argo CD refuses its own rollback while auto-sync is on, so the way leads through git.
    fn with_auto_sync(&self, tried: &str, found: &str) -> Finding {
        match (self.has_git, self.may_switch_off) {
            (true, _) => Finding::ok(
                AUTO_SYNC,
                tried,
                format!(
                    "{found}: a revert in git is deployed; Argo CD refuses a rollback of its own"
                ),
            ),
            (false, true) => Finding::warning(
                AUTO_SYNC,
                tried,
                format!("{found}: a rollback switches it off, and it stays off"),
                "set GITOPS_REPO and GITOPS_PATH, so that git is put back instead",
            ),
            (false, false) => Finding::problem(
                AUTO_SYNC,
                tried,
                format!(
                    "{found}: Argo CD refuses a rollback, and no repository is configured to revert in"
                ),
                "set GITOPS_REPO and GITOPS_PATH, or switch auto-sync off, or set ARGOCD_MAY_DISABLE_AUTO_SYNC=true",
            ),
        }
    }

    fn without_auto_sync(&self, tried: &str, found: &str) -> Finding {
        let found = if self.has_git {
            format!("{found}: Argo CD rolls back at once, and git follows")
        } else {
            format!("{found}: Argo CD rolls back at once; git keeps the bad revision")
        };
        Finding::ok(AUTO_SYNC, tried, found)
    }

    /// Tells whether a rollback goes by Argo CD's history: with auto-sync on and a repository it goes by git.
    fn needs_history(&self) -> bool {
        match self.app.auto_sync {
            AutoSync::On(_) => !self.has_git,
            AutoSync::Off(_) | AutoSync::Absent | AutoSync::Unknown => true,
        }
    }

    fn history(&self) -> Finding {
        let tried = "read status.history and spec.revisionHistoryLimit";
        let Some(deployments) = self.app.deployments() else {
            return self.unreadable(HISTORY, tried);
        };
        let entries = self.app.history.as_ref().map_or(0, Vec::len);
        let limit = self.app.history_limit;
        let limit_in_words =
            limit.map_or_else(|| "unreadable".to_owned(), |limit| limit.to_string());
        let found = format!(
            "entries: {entries}, of different states: {}, kept: {limit_in_words}",
            deployments.len()
        );
        let too_few_kept = limit.is_none_or(|limit| limit < 2);
        if !too_few_kept && deployments.len() >= 2 {
            return Finding::ok(HISTORY, tried, found);
        }
        let remedy = if too_few_kept {
            "set spec.revisionHistoryLimit to 10, or leave it out: without history Argo CD has nothing to go back to"
        } else {
            "nothing but time helps: Argo CD can go back once it has deployed a second state"
        };
        if self.needs_history() {
            Finding::problem(HISTORY, tried, found, remedy)
        } else {
            Finding::warning(HISTORY, tried, found, remedy)
        }
    }

    fn owner(&self) -> Finding {
        let tried = "look for who writes the application";
        let remedy = "let it ignore spec.syncPolicy, or leave rollbacks to git: what is changed in the application may be put \
                      back";
        match &self.app.owner {
            Owner::Nobody => Finding::ok(OWNER, tried, "no sign of an owner"),
            Owner::ApplicationSet { name } => {
                let name = name.as_deref().unwrap_or("without a name");
                Finding::warning(
                    OWNER,
                    tried,
                    format!("ApplicationSet {name} writes it"),
                    remedy,
                )
            }
            Owner::Application { name } => Finding::warning(
                OWNER,
                tried,
                format!("application {name} deploys it"),
                remedy,
            ),
            Owner::Unknown => self.unreadable(OWNER, tried),
        }
    }

    fn image_updater(&self) -> Finding {
        let tried = "look for annotations of Argo CD Image Updater";
        match self.app.image_updater.as_deref() {
            Some([]) => Finding::ok(IMAGE_UPDATER, tried, "none"),
            Some(names) => Finding::warning(
                IMAGE_UPDATER,
                tried,
                format!("it chooses images besides git ({})", names.join(", ")),
                "let it write back to git, and pin the image after a rollback: it deploys the bad image again",
            ),
            None => self.unreadable(IMAGE_UPDATER, tried),
        }
    }

    fn rollouts(&self) -> Finding {
        let tried = "look for Argo Rollouts among the resources";
        match self.app.rollouts.as_deref() {
            Some([]) => Finding::ok(ROLLOUTS, tried, "none"),
            Some(rollouts) => {
                let names: Vec<&str> = rollouts
                    .iter()
                    .map(|rollout| rollout.name.as_str())
                    .collect();
                Finding::warning(
                    ROLLOUTS,
                    tried,
                    format!(
                        "{} goes forward and back by its own rules",
                        names.join(", ")
                    ),
                    "know that a rollback is one more canary for it, and takes as long as its steps",
                )
            }
            None => self.unreadable(ROLLOUTS, tried),
        }
    }

    fn unreadable(&self, subject: &'static str, tried: &str) -> Finding {
        Finding::warning(
            subject,
            tried,
            "it cannot be read",
            format!(
                "look at application {:?} in Argo CD, and at its version",
                self.name
            ),
        )
    }
}
