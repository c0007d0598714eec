//! What a person wants of an application: its sources, and how they are synced.
//!
//! Only the fields that tests have are kept; others are dropped when a request is read, as Argo CD drops what it does
//! not know.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The `spec` of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The only source; absent where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Several sources; they count where there is at least one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Where it is deployed.
    pub destination: Value,
    /// The project it belongs to; empty means `default`.
    pub project: String,
    /// How it is synced; absent means by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_policy: Option<SyncPolicy>,
    /// How many entries the history keeps; absent means 10, none below 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i64>,
}

/// Where manifests come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// The repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// The folder within it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A branch, tag or commit; empty means `HEAD`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_revision: String,
}

/// How an application is synced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPolicy {
    /// Present where new commits are deployed without being asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// Such as `CreateNamespace=true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// How often a failing sync is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// Auto-sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Automated {
    /// Whether what is gone from git is removed.
    #[serde(skip_serializing_if = "is_false")]
    pub prune: bool,
    /// Whether what was changed by hand is put back.
    #[serde(skip_serializing_if = "is_false")]
    pub self_heal: bool,
    /// Whether it is on; absent means yes. Servers up to 3.0 do not know the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// How often and how fast a failing sync is tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// How often; below zero means without end.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: i64,
    /// Whether each try takes the newest revision.
    #[serde(skip_serializing_if = "is_false")]
    pub refresh: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            source: None,
            sources: Vec::new(),
            destination: json!({ "server": "https://kubernetes.default.svc", "namespace": "shop" }),
            project: String::new(),
            sync_policy: None,
            revision_history_limit: None,
        }
    }
}

impl Spec {
    /// Returns a spec with one source, synced by hand.
    pub fn of(project: &str, source: Source) -> Self {
        Self {
            project: project.to_owned(),
            source: Some(source),
            ..Self::default()
        }
    }

    /// Returns a spec with several sources, synced by hand.
    pub fn of_many(project: &str, sources: Vec<Source>) -> Self {
        Self {
            project: project.to_owned(),
            sources,
            ..Self::default()
        }
    }

    /// Switches auto-sync on or off without a trace of it left.
    pub fn set_auto_sync(&mut self, automated: Option<Automated>) {
        match &mut self.sync_policy {
            Some(policy) => policy.automated = automated,
            None => {
                self.sync_policy = automated.map(|automated| SyncPolicy {
                    automated: Some(automated),
                    ..SyncPolicy::default()
                });
            }
        }
    }

    /// Returns auto-sync if it is on.
    pub fn auto_sync(&self) -> Option<&Automated> {
        let automated = self.sync_policy.as_ref()?.automated.as_ref()?;
        (automated.enabled != Some(false)).then_some(automated)
    }

    /// Tells whether there are several sources.
    pub fn is_multi_source(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Returns every source.
    pub fn all_sources(&self) -> Vec<Source> {
        if self.is_multi_source() {
            self.sources.clone()
        } else {
            vec![self.only_source()]
        }
    }

    /// Returns the only source; an empty one where there are several.
    pub fn only_source(&self) -> Source {
        match &self.source {
            Some(source) if !self.is_multi_source() => source.clone(),
            _ => Source::default(),
        }
    }

    /// Returns the project's name.
    pub fn project(&self) -> &str {
        if self.project.is_empty() {
            "default"
        } else {
            &self.project
        }
    }
}

impl Source {
    /// Returns a folder of a git repository at a branch.
    pub fn git(repo_url: &str, path: &str, target_revision: &str) -> Self {
        Self {
            repo_url: repo_url.to_owned(),
            path: path.to_owned(),
            target_revision: target_revision.to_owned(),
        }
    }

    /// Returns what is deployed if nobody names a revision.
    pub fn wanted(&self) -> &str {
        if self.target_revision.is_empty() {
            "HEAD"
        } else {
            &self.target_revision
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) fn is_zero(value: &i64) -> bool {
    *value == 0
}
