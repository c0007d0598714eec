//! Writes one commit that puts the watched paths back.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use git2::build::TreeUpdateBuilder;
use git2::{Commit, Diff, DiffFormat, FileMode, Oid, Repository, Signature, Time, Tree};

use super::commits::{self, Entry, TREE, WHOLE_REPOSITORY, is_within};
use super::error::{GitError, GitFault, library};
use super::secrets::secret_parts;
use super::{Snapshot, fetch};

/// Largest file that is shown (bytes).
const MAX_SHOWN: usize = 2 * 1024 * 1024;

/// Longest diff that is shown.
const MAX_DIFF: usize = 64 * 1024;

/// A tree in which the watched paths are as at an earlier commit and everything else is as at the tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft {
    pub(super) tree: Oid,
    pub(super) tip: Oid,
}

/// What a draft puts at a watched path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEntry {
    /// The path.
    pub path: String,
    /// Git's mode in six octal digits, such as `040000`.
    pub mode: String,
    /// The object's id; nothing where it is removed.
    pub id: Option<String>,
}

impl Draft {
    /// Returns the id of the whole tree.
    pub fn tree(&self) -> String {
        self.tree.to_string()
    }
}

impl Snapshot {
    /// Returns what a draft puts in place, for another way to make the same tree: what lies at the watched paths, or
    /// each file where the whole repository is watched, or only some go back, because their folders are nowhere else
    /// yet.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be read.
    pub fn entries(&self, draft: Draft) -> Result<Vec<PathEntry>, GitError> {
        let paths = &self.git.settings.paths;
        let is_mixed = !self
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        // The top of a repository has no name by which it could be put in place as one.
        if is_mixed || paths.iter().any(|path| path == WHOLE_REPOSITORY) {
            let entries = self.file_entries(draft);
            return entries.map_err(|fault| self.git.error("read the watched paths", fault));
        }
        let found = self
            .repo
            .find_tree(draft.tree)
            .map_err(library)
            .and_then(|tree| commits::entries(&tree, paths));
        let found = found.map_err(|fault| self.git.error("read the watched paths", fault))?;
        Ok(paths
            .iter()
            .zip(found)
            .filter_map(|(path, entry)| {
                let (id, mode) = entry?;
                Some(PathEntry {
                    path: path.clone(),
                    mode: format!("{mode:06o}"),
                    id: Some(id.to_string()),
                })
            })
            .collect())
    }

    /// Returns each file that differs between the tip and a draft.
    fn file_entries(&self, draft: Draft) -> Result<Vec<PathEntry>, GitFault> {
        let tip = self.repo.find_commit(draft.tip).map_err(library)?;
        let old = tip.tree().map_err(library)?;
        let new = self.repo.find_tree(draft.tree).map_err(library)?;
        let diff = self
            .repo
            .diff_tree_to_tree(Some(&old), Some(&new), None)
            .map_err(library)?;
        let entries = diff.deltas().map(|delta| {
            let (old, new) = (delta.old_file(), delta.new_file());
            let is_gone = new.id() == Oid::ZERO_SHA1;
            let file = if is_gone { &old } else { &new };
            let path = file
                .path_bytes()
                .and_then(|path| String::from_utf8(path.to_vec()).ok())
                .ok_or_else(|| GitFault::Refused {
                    why: "a path that GitHub's API cannot name would change".to_owned(),
                })?;
            Ok(PathEntry {
                path,
                mode: format!("{:06o}", i32::from(file.mode())),
                id: (!is_gone).then(|| file.id().to_string()),
            })
        });
        entries.collect()
    }

    /// Puts the watched paths of an earlier commit into the tip's tree. The result lives in the scratch repository
    /// only.
    ///
    /// # Errors
    /// Refuses when the earlier commit was not read, lacks a path or holds nothing there (restoring would delete it),
    /// when a path is another kind of thing there, when nothing would change, when anything outside the watched paths
    /// would, or when the result is not exactly what was there.
    pub fn draft(&self, target: &str) -> Result<Draft, GitError> {
        self.draft_inner(target)
            .map_err(|fault| self.git.error("restore the watched paths", fault))
    }

    fn draft_inner(&self, target: &str) -> Result<Draft, GitFault> {
        let paths = &self.git.settings.paths;
        let tip = self
            .repo
            .find_commit(Oid::from_str(&self.tip).map_err(library)?)
            .map_err(library)?;
        let target = self.find(target).ok_or_else(|| GitFault::Refused {
            why: format!("{target:?} is not among the commits that were read"),
        })?;
        let here = commits::state(&tip, paths)?;
        let there = commits::state(&target, paths)?;
        let mut update = PathUpdate::default();
        for ((path, here), there) in paths.iter().zip(here).zip(&there) {
            let Some((id, mode)) = *there else {
                return Err(GitFault::Refused {
                    why: format!(
                        "{path:?} does not exist at {}: restoring would delete it",
                        target.id()
                    ),
                });
            };
            if here.is_some_and(|here| kind(here) != kind((id, mode))) {
                return Err(GitFault::Refused {
                    why: format!("{path:?} is another kind of thing at {}", target.id()),
                });
            }
            if kind((id, mode)) == TREE && self.repo.find_tree(id).map_err(library)?.is_empty() {
                return Err(GitFault::Refused {
                    why: format!(
                        "{path:?} is empty at {}: restoring would delete everything in it",
                        target.id()
                    ),
                });
            }
            update.put(path, (id, mode))?;
        }
        let tip_tree = tip.tree().map_err(library)?;
        let tree = update.write(&self.repo, &tip_tree)?;
        let draft = Draft {
            tree,
            tip: tip.id(),
        };
        if tree == tip_tree.id() {
            return Err(GitFault::Refused {
                why: format!("the watched paths are already as at {}", target.id()),
            });
        }
        let new_tree = self.repo.find_tree(tree).map_err(library)?;
        if commits::entries(&new_tree, paths)? != there {
            return Err(GitFault::Refused {
                why: format!(
                    "the watched paths cannot be put exactly as at {}",
                    target.id()
                ),
            });
        }
        self.stays_within_paths(&tip_tree, &new_tree)?;
        Ok(draft)
    }

    /// Returns a commit that was read, by its full id.
    pub(super) fn find(&self, revision: &str) -> Option<Commit<'_>> {
        self.repo.find_commit(Oid::from_str(revision).ok()?).ok()
    }

    /// The last guard before anything is sent: what differs from the tip lies below the watched paths, and is not
    /// what CI runs.
    pub(super) fn stays_within_paths(
        &self,
        old: &Tree<'_>,
        new: &Tree<'_>,
    ) -> Result<(), GitFault> {
        let diff = self
            .repo
            .diff_tree_to_tree(Some(old), Some(new), None)
            .map_err(library)?;
        for delta in diff.deltas() {
            for file in [delta.old_file(), delta.new_file()] {
                let Some(changed) = file.path() else {
                    continue;
                };
                if is_workflow(changed) {
                    return Err(GitFault::Refused {
                        why: format!(
                            "{} is what CI runs, which no rollback changes, and is another one there",
                            changed.display()
                        ),
                    });
                }
                let paths = &self.git.settings.paths;
                if !paths.iter().any(|path| is_within(changed, path)) {
                    return Err(GitFault::Refused {
                        why: format!(
                            "{} lies outside GITOPS_PATH and would change",
                            changed.display()
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns what the draft would change, as a unified diff, cut at a bounded length. Contents that were left out are
    /// fetched for it; where that fails the files are named instead.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be read.
    pub fn diff(&self, draft: Draft) -> Result<String, GitError> {
        self.diff_inner(draft)
            .map_err(|fault| self.git.error("compare the watched paths", fault))
    }

    fn diff_inner(&self, draft: Draft) -> Result<String, GitFault> {
        let old = self
            .repo
            .find_commit(draft.tip)
            .and_then(|tip| tip.tree())
            .map_err(library)?;
        let new = self.repo.find_tree(draft.tree).map_err(library)?;
        let diff = self
            .repo
            .diff_tree_to_tree(Some(&old), Some(&new), None)
            .map_err(library)?;
        let text = match self.complete(&diff, draft.tip) {
            Ok(()) => unified(&diff, &self.hiding(&diff)?)?,
            Err(fault) => {
                tracing::warn!(error = %fault, "the contents of the changed files cannot be read; naming the files instead");
                named(&diff)
            }
        };
        Ok(self.git.secrets.redact(&text))
    }

    /// Returns the contents of a diff that hold a secret.
    fn hiding(&self, diff: &Diff<'_>) -> Result<BTreeSet<Oid>, GitFault> {
        let files = diff
            .deltas()
            .flat_map(|delta| [delta.old_file(), delta.new_file()])
            .filter(|file| file.mode() != FileMode::Commit && file.id() != Oid::ZERO_SHA1)
            .map(|file| file.id());
        let mut hidden = BTreeSet::new();
        for id in files {
            let content = self.content(id, MAX_SHOWN)?;
            // What is too large to be looked at is too large to be shown.
            if content.is_none_or(|content| !secret_parts(&content).is_empty()) {
                hidden.insert(id);
            }
        }
        Ok(hidden)
    }

    /// Fetches the contents that a diff shows, where they are not there.
    fn complete(&self, diff: &Diff<'_>, tip: Oid) -> Result<(), GitFault> {
        let wanted = diff
            .deltas()
            .flat_map(|delta| [delta.old_file(), delta.new_file()])
            .filter(|file| file.mode() != FileMode::Commit)
            .map(|file| file.id())
            .filter(|id| *id != Oid::ZERO_SHA1)
            .collect();
        self.have_contents(&wanted, tip)
    }

    /// Fetches contents, where they are not there.
    pub(super) fn have_contents(&self, wanted: &BTreeSet<Oid>, tip: Oid) -> Result<(), GitFault> {
        let odb = self.repo.odb().map_err(library)?;
        let missing: Vec<Oid> = wanted
            .iter()
            .copied()
            .filter(|id| !odb.exists(*id))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut session = self.git.session()?;
        let branch = &self.git.settings.branch;
        let at = (tip, self.depth);
        fetch::fetch_contents(&mut session, &self.repo, branch, at, &missing)?;
        match missing.iter().find(|id| !odb.exists(**id)) {
            None => Ok(()),
            Some(id) => Err(GitFault::Protocol {
                what: format!("the server did not send {id}"),
            }),
        }
    }

    /// Writes the commit into the scratch repository. The same draft, message and time always give the same id, so that
    /// landing twice is landing once.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be written.
    pub fn commit(
        &self,
        draft: Draft,
        message: &str,
        at: DateTime<Utc>,
    ) -> Result<String, GitError> {
        let settings = &self.git.settings;
        let written = (|| {
            let who = Signature::new(
                &settings.author_name,
                &settings.author_email,
                &Time::new(at.timestamp(), 0),
            )?;
            let tip = self.repo.find_commit(draft.tip)?;
            let tree = self.repo.find_tree(draft.tree)?;
            self.repo.commit(None, &who, &who, message, &tree, &[&tip])
        })();
        written
            .map(|id| id.to_string())
            .map_err(|error| self.git.error("write a commit", library(error)))
    }
}

/// What is put at the watched paths of a tree.
#[derive(Default)]
pub(super) struct PathUpdate {
    /// The tree that takes the place of all, where the whole repository is watched.
    whole: Option<Oid>,
    update: TreeUpdateBuilder,
}

impl PathUpdate {
    pub(super) fn put(&mut self, path: &str, (id, mode): Entry) -> Result<(), GitFault> {
        match path {
            WHOLE_REPOSITORY => self.whole = Some(id),
            path => {
                self.update.upsert(path, id, file_mode(mode)?);
            }
        }
        Ok(())
    }

    /// Writes the tree into the scratch repository and returns its id.
    pub(super) fn write(mut self, repo: &Repository, tree: &Tree<'_>) -> Result<Oid, GitFault> {
        match self.whole {
            Some(id) => Ok(id),
            None => self.update.create_updated(repo, tree).map_err(library),
        }
    }
}

/// Tells whether GitHub runs what lies at a path.
fn is_workflow(path: &Path) -> bool {
    path.to_string_lossy()
        .to_ascii_lowercase()
        .starts_with(".github/workflows/")
}

fn unified(diff: &Diff<'_>, hidden: &BTreeSet<Oid>) -> Result<String, GitFault> {
    let mut text = String::new();
    let mut last_hidden = None;
    let printed = diff.print(DiffFormat::Patch, |delta, _, line| {
        let ids = (delta.old_file().id(), delta.new_file().id());
        if hidden.contains(&ids.0) || hidden.contains(&ids.1) {
            if line.origin() == 'F' {
                push_clean(&mut text, line.content());
            } else if last_hidden != Some(ids) {
                last_hidden = Some(ids);
                text.push_str("[not shown: it holds a secret, or is too large]\n");
            }
            return text.len() < MAX_DIFF;
        }
        if matches!(line.origin(), '+' | '-' | ' ') {
            text.push(line.origin());
        }
        push_clean(&mut text, line.content());
        text.len() < MAX_DIFF
    });
    if text.len() < MAX_DIFF {
        printed.map_err(library)?;
    }
    Ok(cut(text))
}

/// Names what changes, with the ids before and after, which `git show` takes.
fn named(diff: &Diff<'_>) -> String {
    let mut text =
        "The contents of these files were not fetched; their ids before and after:\n".to_owned();
    for delta in diff.deltas() {
        let (old, new) = (delta.old_file(), delta.new_file());
        let path = new.path_bytes().or_else(|| old.path_bytes());
        push_clean(&mut text, path.unwrap_or_default());
        text.push_str(&format!(": {} -> {}\n", old.id(), new.id()));
        if text.len() >= MAX_DIFF {
            break;
        }
    }
    cut(text)
}

/// A file must not be able to drive the terminal of who reads it.
fn push_clean(text: &mut String, content: &[u8]) {
    let content = String::from_utf8_lossy(content);
    text.extend(
        content
            .chars()
            .filter(|c| matches!(c, '\n' | '\t') || !c.is_control()),
    );
}

fn cut(mut text: String) -> String {
    if text.len() >= MAX_DIFF {
        let mut end = MAX_DIFF;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n[the rest of the diff is not shown]\n");
    }
    text
}

/// Directory, file, symbolic link or submodule: the type bits of a mode.
fn kind((_, mode): Entry) -> i32 {
    mode & 0o170_000
}

fn file_mode(mode: i32) -> Result<FileMode, GitFault> {
    match mode {
        TREE => Ok(FileMode::Tree),
        0o100_644 => Ok(FileMode::Blob),
        0o100_664 => Ok(FileMode::BlobGroupWritable),
        0o100_755 => Ok(FileMode::BlobExecutable),
        0o120_000 => Ok(FileMode::Link),
        0o160_000 => Ok(FileMode::Commit),
        other => Err(GitFault::Refused {
            why: format!("mode {other:o} of a watched path is not one of git's"),
        }),
    }
}
