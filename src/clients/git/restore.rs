//! Writes one commit that puts the watched paths back, and pushes it without force.

use std::cell::RefCell;
use std::path::Path;

use chrono::{DateTime, Utc};
use git2::build::TreeUpdateBuilder;
use git2::{DiffFormat, FileMode, Oid, PushOptions, RemoteCallbacks, Signature, Time, Tree};

use super::error::{GitError, GitFault};
use super::walk::{self, Entry};
use super::{Snapshot, library};
use crate::clients::http::quote;

/// Longest text of the server that is kept from a push.
const MAX_SIDEBAND: usize = 8 * 1024;

/// Longest diff that is shown.
const MAX_DIFF: usize = 64 * 1024;

/// A tree in which the watched paths are as at an earlier commit and everything else is as at the tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft {
    tree: Oid,
    tip: Oid,
}

/// How the server answered a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The branch now points to the commit.
    Accepted,
    /// The branch moved first, or a rule forbids it.
    Refused {
        /// The server's words.
        words: String,
    },
}

impl Snapshot {
    /// Puts the watched paths of an earlier commit into the tip's tree. The result lives in the scratch repository only.
    ///
    /// # Errors
    /// Refuses when the earlier commit lacks a path (restoring would delete it), when a path is another kind of thing
    /// there, when nothing would change, or when anything outside the watched paths would.
    pub fn draft(&self, target: &str) -> Result<Draft, GitError> {
        self.draft_inner(target)
            .map_err(|fault| self.git.error("restoring the watched paths", fault))
    }

    fn draft_inner(&self, target: &str) -> Result<Draft, GitFault> {
        let paths = &self.git.settings.paths;
        let tip = self.repo.find_commit(oid(&self.tip)?).map_err(library)?;
        let target = self.repo.find_commit(oid(target)?).map_err(library)?;
        let here = walk::state(&tip, paths)?;
        let there = walk::state(&target, paths)?;
        let mut update = TreeUpdateBuilder::new();
        for ((path, here), there) in paths.iter().zip(here).zip(there) {
            let Some((id, mode)) = there else {
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
            update.upsert(path.as_str(), id, file_mode(mode)?);
        }
        let tip_tree = tip.tree().map_err(library)?;
        let tree = update
            .create_updated(&self.repo, &tip_tree)
            .map_err(library)?;
        let draft = Draft {
            tree,
            tip: tip.id(),
        };
        if tree == tip_tree.id() {
            return Err(GitFault::Refused {
                why: format!("the watched paths are already as at {}", target.id()),
            });
        }
        self.stays_within_paths(&tip_tree, &self.repo.find_tree(tree).map_err(library)?)?;
        Ok(draft)
    }

    /// The last guard before anything is sent: what differs from the tip lies below the watched paths.
    fn stays_within_paths(&self, old: &Tree<'_>, new: &Tree<'_>) -> Result<(), GitFault> {
        let diff = self
            .repo
            .diff_tree_to_tree(Some(old), Some(new), None)
            .map_err(library)?;
        for delta in diff.deltas() {
            for file in [delta.old_file(), delta.new_file()] {
                let Some(changed) = file.path() else {
                    continue;
                };
                if !self
                    .git
                    .settings
                    .paths
                    .iter()
                    .any(|path| changed.starts_with(Path::new(path)))
                {
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

    /// Returns what the draft would change, as a unified diff, cut at a bounded length.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be read.
    pub fn diff(&self, draft: Draft) -> Result<String, GitError> {
        self.diff_inner(draft)
            .map_err(|fault| self.git.error("comparing the watched paths", fault))
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
        let mut text = String::new();
        let printed = diff.print(DiffFormat::Patch, |_, _, line| {
            if matches!(line.origin(), '+' | '-' | ' ') {
                text.push(line.origin());
            }
            text.push_str(&String::from_utf8_lossy(line.content()));
            text.len() < MAX_DIFF
        });
        if text.len() >= MAX_DIFF {
            let mut end = MAX_DIFF;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str("\n[the rest of the diff is not shown]\n");
        } else {
            printed.map_err(library)?;
        }
        Ok(text)
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
            .map_err(|error| self.git.error("writing the commit", library(error)))
    }

    /// Pushes a commit of the scratch repository to the branch, without force: the server takes it only while the branch
    /// is where the draft found it.
    ///
    /// # Errors
    /// After an error the commit may have landed, or may land later: read the branch before anything is repeated.
    pub fn push(&self, commit: &str) -> Result<Push, GitError> {
        self.push_inner(commit)
            .map_err(|fault| self.git.error("pushing to the branch", fault))
    }

    fn push_inner(&self, commit: &str) -> Result<Push, GitFault> {
        let reference = format!("refs/heads/{}", self.git.settings.branch);
        let answers: RefCell<Vec<Option<String>>> = RefCell::new(Vec::new());
        let words: RefCell<Vec<u8>> = RefCell::new(Vec::new());
        let session = self.git.session()?;
        let pushed = {
            let mut remote = self
                .repo
                .remote_anonymous(&session.url())
                .map_err(library)?;
            let mut callbacks = RemoteCallbacks::new();
            callbacks.push_update_reference(|name, status| {
                if name == reference {
                    answers.borrow_mut().push(status.map(str::to_owned));
                }
                Ok(())
            });
            callbacks.sideband_progress(|text| {
                let mut words = words.borrow_mut();
                let room = MAX_SIDEBAND.saturating_sub(words.len());
                words.extend_from_slice(&text[..text.len().min(room)]);
                true
            });
            let mut options = PushOptions::new();
            options
                .remote_callbacks(callbacks)
                .packbuilder_parallelism(1);
            remote.push(&[format!("{commit}:{reference}")], Some(&mut options))
        };
        let said = quote(&words.into_inner());
        match pushed {
            Err(error) if error.code() == git2::ErrorCode::NotFastForward => Ok(Push::Refused {
                words: "the branch moved first".to_owned(),
            }),
            Err(error) => Err(session.take_fault().unwrap_or_else(|| library(error))),
            // libgit2 says Ok although the server refused the reference; only its answer for it tells.
            Ok(()) => match answers.into_inner().as_slice() {
                [None] => Ok(Push::Accepted),
                [Some(status)] => Ok(Push::Refused {
                    words: if said.is_empty() {
                        quote(status.as_bytes())
                    } else {
                        format!("{}: {said}", quote(status.as_bytes()))
                    },
                }),
                _ => Err(GitFault::Library(
                    "the server did not say what became of the branch".to_owned(),
                )),
            },
        }
    }
}

fn oid(revision: &str) -> Result<Oid, GitFault> {
    Oid::from_str(revision).map_err(library)
}

/// Directory, file, symbolic link or submodule: the type bits of a mode.
fn kind((_, mode): Entry) -> i32 {
    mode & 0o170_000
}

fn file_mode(mode: i32) -> Result<FileMode, GitFault> {
    match mode {
        0o040_000 => Ok(FileMode::Tree),
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
