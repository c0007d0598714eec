//! What applications are made from: bare repositories.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid, TreeWalkMode, TreeWalkResult};

use super::spec::Source;
use crate::git::GitRepo;

/// What the controller and the server see of git.
#[derive(Debug)]
pub struct Repository {
    /// The bare repository, which is the truth.
    pub repo: GitRepo,
    /// What applications call it.
    pub url: String,
    /// Other bare repositories, by what applications call them.
    pub others: BTreeMap<String, GitRepo>,
    /// Whether nothing can be read at present.
    pub is_unreachable: bool,
    /// Revisions whose manifests cannot be rendered.
    pub unrenderable: BTreeSet<String>,
}

/// An object to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) text: String,
    /// The revision it comes from.
    pub(super) revision: String,
}

/// Objects by the path of their file.
pub(super) type Targets = BTreeMap<String, Target>;

impl Repository {
    pub(super) fn new(repo: GitRepo, url: &str) -> Self {
        Self {
            repo,
            url: url.to_owned(),
            others: BTreeMap::new(),
            is_unreachable: false,
            unrenderable: BTreeSet::new(),
        }
    }

    /// Returns the commit that `revision` means for a source; empty means the source's own.
    pub(super) fn resolve(&self, source: &Source, revision: &str) -> Result<String, String> {
        let wanted = if revision.is_empty() {
            source.wanted()
        } else {
            revision
        };
        // A whole commit id stands for itself: nobody is asked.
        if wanted.len() == 40 && Oid::from_str(wanted).is_ok() {
            return Ok(wanted.to_owned());
        }
        self.reach(source)?;
        let unknown = || format!("unable to resolve '{wanted}' to a commit SHA");
        let repo = self.repo_of(source).ok_or_else(unknown)?;
        let repository = git2::Repository::open_bare(repo.path()).map_err(|_| unknown())?;
        let object = repository
            .revparse_single(wanted)
            .and_then(|object| object.peel_to_commit())
            .map_err(|_| unknown())?;
        Ok(object.id().to_string())
    }

    /// Returns with what a source is rendered at a revision.
    pub(super) fn source_type(&self, source: &Source, revision: &str) -> &'static str {
        let file = format!("{}/kustomization.yaml", source.path.trim_matches('/'));
        let repo = self.repo_of(source);
        let repo = repo.and_then(|repo| git2::Repository::open_bare(repo.path()).ok());
        let is_kustomized = repo.is_some_and(|repo| {
            let commit = repo.revparse_single(revision);
            let tree = commit.and_then(|commit| commit.peel_to_tree());
            tree.is_ok_and(|tree| tree.get_path(std::path::Path::new(&file)).is_ok())
        });
        if is_kustomized {
            "Kustomize"
        } else {
            "Directory"
        }
    }

    /// Renders sources at revisions that are resolved already.
    pub(super) fn render(&self, sources: &[(Source, String)]) -> Result<Targets, String> {
        let mut targets = Targets::new();
        for (index, (source, revision)) in sources.iter().enumerate() {
            let rendered = self.render_one(source, revision).map_err(|why| {
                format!(
                    "failed to generate manifest for source {} of {}: rpc error: code = Unknown desc = {why}",
                    index + 1,
                    sources.len()
                )
            })?;
            targets.extend(rendered);
        }
        Ok(targets)
    }

    fn render_one(&self, source: &Source, revision: &str) -> Result<Targets, String> {
        self.reach(source)?;
        if self.unrenderable.contains(revision) {
            return Err("Manifest generation error (cached): exit status 1".to_owned());
        }
        let target = |text: String| Target {
            text,
            revision: revision.to_owned(),
        };
        let mut targets = Targets::new();
        if !source.path.is_empty() {
            for (path, text) in self.files(source, revision)? {
                targets.insert(path, target(text));
            }
        }
        Ok(targets)
    }

    fn reach(&self, source: &Source) -> Result<(), String> {
        let url = &source.repo_url;
        if self.is_unreachable {
            return Err(format!(
                "failed to list refs: Get \"{url}/info/refs?service=git-upload-pack\": dial tcp: connect: connection refused"
            ));
        }
        let repo = self.repo_of(source);
        repo.map(drop)
            .ok_or_else(|| format!("repository not accessible: {url}: not found"))
    }

    fn repo_of(&self, source: &Source) -> Option<&GitRepo> {
        let url = &source.repo_url;
        if *url == self.url {
            Some(&self.repo)
        } else {
            self.others.get(url)
        }
    }

    /// Returns every file below a source's folder with its text.
    fn files(&self, source: &Source, revision: &str) -> Result<Vec<(String, String)>, String> {
        let folder = &source.path;
        let failed = |_| {
            format!(
                "failed to initialize repository resources: rpc error: code = Internal desc = Failed to checkout \
                 revision {revision}: `git fetch origin {revision} --tags --force --prune` failed exit status 128: \
                 fatal: remote error: upload-pack: not our ref {revision}"
            )
        };
        let repo = self
            .repo_of(source)
            .ok_or_else(|| format!("repository not accessible: {}", source.repo_url))?;
        let repository = git2::Repository::open_bare(repo.path()).map_err(failed)?;
        let commit = repository.revparse_single(revision).map_err(failed)?;
        let tree = commit.peel_to_tree().map_err(failed)?;
        let folder = folder.trim_matches('/');
        let below = match folder {
            "" | "." => tree,
            _ => tree
                .get_path(std::path::Path::new(folder))
                .and_then(|entry| entry.to_object(&repository)?.peel_to_tree())
                .map_err(|_| format!("{folder}: app path does not exist"))?,
        };
        let mut files = Vec::new();
        below
            .walk(TreeWalkMode::PreOrder, |parent, entry| {
                if entry.kind() == Some(ObjectType::Blob)
                    && entry.name() != Ok("kustomization.yaml")
                    && entry.name().is_ok_and(is_manifest)
                    && let Ok(blob) = repository.find_blob(entry.id())
                {
                    let path = format!("{folder}/{parent}{}", entry.name().unwrap_or_default());
                    let text = String::from_utf8_lossy(blob.content()).into_owned();
                    files.push((path, text));
                }
                TreeWalkResult::Ok
            })
            .map_err(failed)?;
        Ok(files)
    }
}

/// Tells whether Argo CD takes a file of a folder for a manifest.
fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending))
}
