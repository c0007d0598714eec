//! What a hydrator makes of commits: people commit to a dry source, and the application deploys what is made of it.
//!
//! An application names the commits that it deploys by what the hydrator made of them. Where it is known of which
//! commit of the dry source each of them was made, it is read in the words of that source, and nobody above has to know
//! of two.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{line, present, text};

/// From where a hydrator writes the manifests that an application deploys, and how far it is. What cannot be read is
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hydration {
    /// The repository that people commit to.
    pub repo_url: Option<String>,
    /// The branch there.
    pub target_revision: Option<String>,
    /// The folder there.
    pub path: Option<String>,
    /// Another repository that is deployed from, where it is not the same one.
    pub sync_repo_url: Option<String>,
    /// The branch that is deployed.
    pub sync_branch: Option<String>,
    /// The folder there.
    pub sync_path: Option<String>,
    /// The branch that the hydrator writes to, where somebody else brings from there what is deployed.
    pub staging: Option<String>,
    /// What was hydrated last.
    pub last: Option<Hydrated>,
    /// What the hydrator works on, or worked on last.
    pub current: Option<HydrateOperation>,
    /// What was deployed and is not known to be made of any commit; only known once it is read as the dry source names
    /// it.
    pub unknown: Vec<String>,
}

/// A commit and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hydrated {
    /// The commit of the dry source.
    pub dry: String,
    /// The commit that the hydrator made of it, or had made before of one that renders the same.
    pub hydrated: String,
}

/// What the hydrator works on, or worked on last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HydrateOperation {
    /// How far it is.
    pub phase: HydratePhase,
    /// The commit of the dry source, once it is known.
    pub dry: Option<String>,
    /// What is said about it, as one short line; empty where nothing is said.
    pub message: String,
}

/// How far the hydrator is. Source: Argo CD's API, `HydrateOperation.phase`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HydratePhase {
    /// At work.
    Hydrating,
    /// Done.
    Hydrated,
    /// It failed, and is tried again after two minutes.
    Failed,
    /// Anything else, as it is said.
    Unknown(String),
}

/// Of which commit of the dry source each hydrated commit was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hydrations(BTreeMap<String, String>);

impl Hydration {
    pub(super) fn read(spec: &Value, status: &Value) -> Self {
        let of = |field: &str| text(spec, &format!("/sourceHydrator/{field}"));
        let last = present(status, "/sourceHydrator/lastSuccessfulOperation");
        let current = present(status, "/sourceHydrator/currentOperation");
        Self {
            repo_url: of("drySource/repoURL"),
            target_revision: of("drySource/targetRevision"),
            path: of("drySource/path"),
            sync_repo_url: of("syncSource/repoURL"),
            sync_branch: of("syncSource/targetBranch"),
            sync_path: of("syncSource/path"),
            staging: of("hydrateTo/targetBranch"),
            last: last.and_then(|last| {
                Some(Hydrated {
                    dry: text(last, "/drySHA")?,
                    hydrated: text(last, "/hydratedSHA")?,
                })
            }),
            current: current.map(HydrateOperation::read),
            unknown: Vec::new(),
        }
    }

    /// Says why nothing that is to be deployed was made yet of one of these commits of the dry source; nothing where it
    /// was.
    pub fn still_to_come(&self, wanted: &[String]) -> Option<String> {
        let last = self.last.as_ref();
        if last.is_some_and(|last| wanted.contains(&last.dry)) {
            return None;
        }
        let current = self.current.as_ref();
        Some(match current.map(|current| (&current.phase, current)) {
            Some((HydratePhase::Failed, current)) => format!(
                "the hydrator failed and will try again: {}",
                current.message
            ),
            Some((HydratePhase::Hydrating, _)) => "the hydrator is at work".to_owned(),
            Some((HydratePhase::Hydrated | HydratePhase::Unknown(_), _)) | None => {
                "the hydrator has made nothing of what was put back yet".to_owned()
            }
        })
    }
}

impl HydrateOperation {
    fn read(value: &Value) -> Self {
        let phase = line(value, "/phase");
        Self {
            phase: match phase.as_str() {
                "Hydrating" => HydratePhase::Hydrating,
                "Hydrated" => HydratePhase::Hydrated,
                "Failed" => HydratePhase::Failed,
                _ => HydratePhase::Unknown(phase),
            },
            dry: text(value, "/drySHA"),
            message: line(value, "/message"),
        }
    }
}

impl Hydrations {
    /// Learns of which commit a hydrated one was made. What was learned first counts: later the same may stand for
    /// newer commits that render the same.
    pub fn learn(&mut self, hydrated: String, dry: String) {
        self.0.entry(hydrated).or_insert(dry);
    }

    /// Returns what was made of some commits.
    pub fn made_of(&self, dry: &[String]) -> Vec<String> {
        let all = self.0.iter().filter(|(_, from)| dry.contains(from));
        all.map(|(hydrated, _)| hydrated.clone()).collect()
    }

    /// Names the commits of the dry source in the place of those that were made of them, and returns those of which
    /// that is not known.
    pub(super) fn in_dry_terms(&self, revisions: &mut [String]) -> Vec<String> {
        let mut unknown = Vec::new();
        for revision in revisions {
            match self.0.get(revision) {
                Some(dry) => revision.clone_from(dry),
                None => unknown.push(revision.clone()),
            }
        }
        unknown
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_still_to_come_is_said() {
        let of = |value: &Value| {
            let status = json!({"sourceHydrator": value});
            Hydration::read(&json!({"sourceHydrator": {}}), &status)
        };
        let wanted = ["d2".to_owned()];
        let last = json!({"drySHA": "d1", "hydratedSHA": "h1"});
        let said = |phase: &str| {
            let current = json!({"phase": phase, "message": "it is broken"});
            of(&json!({"lastSuccessfulOperation": last, "currentOperation": current}))
                .still_to_come(&wanted)
        };
        assert!(said("Failed").is_some_and(|why| why.contains("it is broken")));
        assert!(said("Hydrating").is_some_and(|why| why.contains("at work")));
        assert!(said("Hydrated").is_some_and(|why| why.contains("nothing")));
        let done = of(&json!({"lastSuccessfulOperation": {"drySHA": "d2", "hydratedSHA": "h2"}}));
        assert_eq!(done.still_to_come(&wanted), None);
    }
}
