//! The hydrator: it writes what an application deploys, made of what people commit to a dry source.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::application::{Application, HYDRATE};
use super::clock::{delta, whole_seconds};
use super::repository::Repository;
use super::spec::Source;
use super::world::World;

/// The file that says of which commit the others were made.
const METADATA: &str = "hydrator.metadata";

/// What a hydrator does for an application, and what goes wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Hydrator {
    /// What people commit to.
    pub dry: Source,
    /// The branch that is deployed.
    pub sync_branch: String,
    /// The folder there.
    pub sync_path: String,
    /// The branch that is written instead, where somebody else brings it to the one that is deployed.
    pub staging: Option<String>,
    /// Whether it never comes to an end.
    pub is_stuck: bool,
    /// Whether each try fails.
    pub is_failing: bool,
    /// Whether it leaves out of which commit it made something.
    pub is_silent: bool,
    current: Option<HydrateOperation>,
    last: Option<(String, String)>,
}

#[derive(Clone, Debug)]
struct HydrateOperation {
    phase: &'static str,
    dry: String,
    hydrated: String,
    message: String,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl Hydrator {
    /// Returns one that makes a folder of a branch of a folder of the dry source.
    pub fn new(dry: Source, sync_branch: &str, sync_path: &str) -> Self {
        Self {
            dry,
            sync_branch: sync_branch.to_owned(),
            sync_path: sync_path.to_owned(),
            ..Self::default()
        }
    }

    /// Returns what an application with it deploys.
    pub fn sync_source(&self) -> Source {
        Source::git(&self.dry.repo_url, &self.sync_path, &self.sync_branch)
    }

    /// Returns the commit that was hydrated last, and what was made of it.
    pub fn last(&self) -> Option<&(String, String)> {
        self.last.as_ref()
    }

    pub(super) fn spec(&self) -> Value {
        let mut spec = json!({
            "drySource": self.dry,
            "syncSource": {"targetBranch": self.sync_branch, "path": self.sync_path},
        });
        if let Some(staging) = &self.staging {
            spec["hydrateTo"] = json!({"targetBranch": staging});
        }
        spec
    }

    pub(super) fn status(&self) -> Value {
        let mut status = json!({});
        if let Some((dry, hydrated)) = &self.last {
            status["lastSuccessfulOperation"] =
                json!({"drySHA": dry, "hydratedSHA": hydrated, "sourceHydrator": self.spec()});
        }
        if let Some(current) = &self.current {
            let mut operation = json!({
                "phase": current.phase,
                "message": current.message,
                "drySHA": current.dry,
                "hydratedSHA": current.hydrated,
                "sourceHydrator": self.spec(),
                "startedAt": whole_seconds::text(&current.started_at),
            });
            if let Some(at) = &current.finished_at {
                operation["finishedAt"] = json!(whole_seconds::text(at));
            }
            status["currentOperation"] = operation;
        }
        status
    }

    /// Makes the folder of a commit, and returns the commit that holds it: the one before where nothing changed.
    fn make(&self, repository: &Repository, dry: &str, now: DateTime<Utc>) -> String {
        let branch = self.staging.as_ref().unwrap_or(&self.sync_branch);
        let repo = &repository.repo;
        let rendered = repository.render(&[(self.dry.clone(), dry.to_owned())]);
        let made: BTreeMap<String, String> = rendered
            .expect("the dry source is there")
            .into_iter()
            .map(|(path, target)| {
                let name = path.strip_prefix(self.dry.path.trim_matches('/'));
                let name = name.unwrap_or(&path).trim_start_matches('/');
                (format!("{}/{name}", self.sync_path), target.text)
            })
            .collect();
        let reference = format!("refs/heads/{branch}");
        let is_there = repo.tree_at(&reference, "").is_some();
        let tip = is_there.then(|| repo.id_at(&reference));
        let below = format!("{}/", self.sync_path);
        let metadata = format!("{below}{METADATA}");
        let known: BTreeSet<String> = tip
            .iter()
            .flat_map(|tip| repo.files_at(tip).into_keys())
            .collect();
        let old: Vec<&String> = known
            .iter()
            .filter(|path| path.starts_with(&below) && **path != metadata)
            .collect();
        if let Some(tip) = &tip {
            let is_same = old.len() == made.len()
                && made
                    .iter()
                    .all(|(path, text)| repo.file_at(tip, path).as_ref() == Some(text));
            if is_same {
                return tip.clone();
            }
        }
        let parents: Vec<&str> = tip.iter().map(String::as_str).collect();
        let mut commit = repo
            .prepare(&format!("{}: hydrated", &dry[..7]), now)
            .author("Argo CD", "argo-cd@example.com")
            .branch(branch)
            .parents(&parents);
        for path in old.into_iter().filter(|path| !made.contains_key(*path)) {
            commit = commit.remove(path);
        }
        for (path, text) in &made {
            commit = commit.write(path, text);
        }
        let about = json!({"repoURL": self.dry.repo_url, "drySha": dry});
        let about = format!("{about:#}\n");
        for path in [METADATA.to_owned(), metadata] {
            match self.is_silent {
                false => commit = commit.write(&path, &about),
                true if known.contains(&path) => commit = commit.remove(&path),
                true => {}
            }
        }
        commit.create()
    }
}

impl World {
    /// Makes one step of the hydrator of an application; tells whether anything changed.
    pub(super) fn hydrate(&self, app: &mut Application, now: DateTime<Utc>) -> bool {
        let Some(mut hydrator) = app.hydrator.take() else {
            return false;
        };
        let has_changed = self.hydrate_with(app, &mut hydrator, now);
        app.hydrator = Some(hydrator);
        has_changed
    }

    fn hydrate_with(
        &self,
        app: &mut Application,
        hydrator: &mut Hydrator,
        now: DateTime<Utc>,
    ) -> bool {
        let Ok(dry) = self.repository.resolve(&hydrator.dry, "") else {
            return false;
        };
        match &mut hydrator.current {
            Some(current) if current.phase == "Hydrating" => {
                if hydrator.is_stuck || now < current.started_at + delta(self.pace.operation) {
                    return false;
                }
                let mut current = current.clone();
                current.dry.clone_from(&dry);
                current.finished_at = Some(now);
                if hydrator.is_failing {
                    current.phase = "Failed";
                    current.message = "Failed to hydrate: failed to get manifests".to_owned();
                } else {
                    let hydrated = hydrator.make(&self.repository, &dry, now);
                    current.phase = "Hydrated";
                    current.hydrated.clone_from(&hydrated);
                    hydrator.last = Some((dry, hydrated));
                    app.compare_soon();
                }
                hydrator.current = Some(current);
                true
            }
            current => {
                // A try that failed is repeated when somebody asks, or after a while.
                let is_asked = app.annotations.remove(HYDRATE).is_some();
                let is_due = current.as_ref().is_none_or(|current| {
                    let has_failed = current.phase == "Failed";
                    current.dry != dry || (has_failed && is_asked)
                });
                if !is_due {
                    return false;
                }
                *current = Some(HydrateOperation {
                    phase: "Hydrating",
                    dry: String::new(),
                    hydrated: String::new(),
                    message: String::new(),
                    started_at: now,
                    finished_at: None,
                });
                true
            }
        }
    }
}
