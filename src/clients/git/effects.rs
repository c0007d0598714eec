//! What each commit since a target did to the files below the watched paths, and a draft that takes back only some of
//! it.
//!
//! Trees are enough to know which files are concerned. Contents are fetched for two questions only: which files that
//! would go back hold a secret, and whose words a later commit replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::{Commit, ErrorCode, ObjectType, Oid, Tree};

use super::Snapshot;
use super::authored::{Authored, one_a_line};
use super::commits::{self, Entry, Older, TREE, WHOLE_REPOSITORY, is_within, older};
use super::error::{GitError, GitFault, library};
use super::restore::{Draft, PathUpdate};
use super::secrets::secret_parts;

/// Most files whose contents are looked at, of each kind of question. Protects memory and the server; a release
/// changes few files. Past it nobody knows whether a secret is among them.
const MAX_LOOKED_AT: usize = 400;

/// Largest content that is looked at (bytes). No Kubernetes object is larger than 1.5 MiB; past this it is not known
/// what is in it.
const MAX_CONTENT: usize = 2 * 1024 * 1024;

/// Largest content whose words are compared (bytes). Protects a pass from a comparison that takes seconds.
const MAX_COMPARED: usize = 256 * 1024;

/// A file below the watched paths and what a commit did to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The path from the root of the repository.
    pub path: String,
    /// Mode and id before; nothing where it was not there.
    pub before: Option<String>,
    /// Mode and id after; nothing where it is not there.
    pub after: Option<String>,
}

/// What one commit did to the watched paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEffect {
    /// Full commit id.
    pub revision: String,
    /// First line of the message.
    pub title: String,
    /// Name of the author.
    pub author: String,
    /// The files.
    pub edits: Vec<Edit>,
    /// The commits since the target whose words it replaced; what came before the suspect counts as the suspect's.
    pub overwrites: Vec<String>,
}

/// What was done to the watched paths since a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEffects {
    /// The commits, newest first.
    pub commits: Vec<CommitEffect>,
    /// Files with a secret at the target that is another one now, or none.
    pub secrets: BTreeSet<String>,
    /// Why the contents could not be looked at, where they could not.
    pub unread: Option<String>,
}

/// A file's entry before and after.
type Change = (Option<Entry>, Option<Entry>);

/// The files of one commit by the bytes of their paths.
type Changes = BTreeMap<Vec<u8>, Change>;

impl Snapshot {
    /// Looks what each commit since `target` did. What lies between the target and `suspect` is taken for the
    /// suspect's.
    ///
    /// # Errors
    /// Fails when the target is not on the first-parent line as far as that was read, or the scratch repository
    /// cannot be read. Contents that cannot be fetched are no error.
    pub fn effects(&self, suspect: &str, target: &str) -> Result<PathEffects, GitError> {
        self.read_effects(suspect, target)
            .map_err(|fault| self.git.error("look what was changed", fault))
    }

    fn read_effects(&self, suspect: &str, target: &str) -> Result<PathEffects, GitFault> {
        let since = self.since(target)?;
        let unread = match self.contents_of(&since) {
            Ok(()) => None,
            Err(GitFault::Refused { why }) => Some(why),
            Err(fault) => Some(fault.to_string()),
        };
        let secrets = match &unread {
            None => self.secrets_of(&since)?,
            Some(_) => BTreeSet::new(),
        };
        let mut overwrites = match &unread {
            None => self.overwrites(&since, suspect)?,
            Some(_) => BTreeMap::new(),
        };
        let commits = since
            .iter()
            .map(|(commit, changes)| {
                let revision = commit.id().to_string();
                let author = commit.author();
                CommitEffect {
                    title: self
                        .git
                        .readable(commit.summary_bytes().unwrap_or_default()),
                    author: self.git.readable(author.name_bytes()),
                    edits: changes
                        .iter()
                        .map(|(path, (before, after))| Edit {
                            path: self.git.readable(path),
                            before: before.map(written),
                            after: after.map(written),
                        })
                        .collect(),
                    overwrites: overwrites
                        .remove(&revision)
                        .unwrap_or_default()
                        .into_iter()
                        .collect(),
                    revision,
                }
            })
            .collect();
        Ok(PathEffects {
            commits,
            secrets,
            unread,
        })
    }

    /// Returns the commits of the first-parent line after `target` that changed the watched paths, newest first, with
    /// the files.
    fn since(&self, target: &str) -> Result<Vec<(Commit<'_>, Changes)>, GitFault> {
        let out_of_sight = || GitFault::Refused {
            why: format!("{target:?} is not among the commits that were read"),
        };
        let target = Oid::from_str(target).map_err(|_| out_of_sight())?;
        let mut found = Vec::new();
        let mut commit = self.find(&self.tip).ok_or_else(out_of_sight)?;
        while commit.id() != target {
            let Older::Parent(parent) = older(&self.repo, &commit)? else {
                return Err(out_of_sight());
            };
            let changes = self.changes_between(&parent, &commit)?;
            if !changes.is_empty() {
                found.push((commit, changes));
            }
            commit = parent;
        }
        Ok(found)
    }

    fn changes_between(&self, old: &Commit<'_>, new: &Commit<'_>) -> Result<Changes, GitFault> {
        let paths = &self.git.settings.paths;
        if commits::state(old, paths)? == commits::state(new, paths)? {
            return Ok(Changes::new());
        }
        let (old, new) = (old.tree().map_err(library)?, new.tree().map_err(library)?);
        let diff = self
            .repo
            .diff_tree_to_tree(Some(&old), Some(&new), None)
            .map_err(library)?;
        let is_watched = |path: &[u8]| {
            let path = Path::new(OsStr::from_bytes(path));
            paths.iter().any(|watched| is_within(path, watched))
        };
        let mut changes = Changes::new();
        for delta in diff.deltas() {
            for (file, is_new) in [(delta.old_file(), false), (delta.new_file(), true)] {
                let is_there = file.id() != Oid::ZERO_SHA1;
                let Some(path) = file
                    .path_bytes()
                    .filter(|path| is_there && is_watched(path))
                else {
                    continue;
                };
                let entry = Some((file.id(), i32::from(file.mode())));
                let change = changes.entry(path.to_vec()).or_default();
                if is_new {
                    change.1 = entry;
                } else {
                    change.0 = entry;
                }
            }
        }
        Ok(changes)
    }

    /// Fetches the contents of the files that differ from the target, and of those that several commits changed.
    fn contents_of(&self, since: &[(Commit<'_>, Changes)]) -> Result<(), GitFault> {
        let mut wanted = BTreeSet::new();
        let net = net(since);
        let differing: Vec<&Change> = net.values().filter(|(then, now)| then != now).collect();
        if differing.len() > MAX_LOOKED_AT {
            return Err(GitFault::Refused {
                why: format!(
                    "{} files would change, and at most {MAX_LOOKED_AT} are looked at",
                    differing.len()
                ),
            });
        }
        for (then, now) in differing {
            wanted.extend([then, now].into_iter().flatten().filter_map(content));
        }
        for path in disputed(since) {
            for (_, changes) in since {
                let (before, after) = changes.get(path).copied().unwrap_or_default();
                wanted.extend([before, after].iter().flatten().filter_map(content));
            }
        }
        let tip = Oid::from_str(&self.tip).map_err(library)?;
        self.have_contents(&wanted, tip)
    }

    /// Returns the files whose secrets at the target are not those of now.
    fn secrets_of(&self, since: &[(Commit<'_>, Changes)]) -> Result<BTreeSet<String>, GitFault> {
        let mut secrets = BTreeSet::new();
        for (path, (then, now)) in net(since) {
            if then == now {
                continue;
            }
            let parts = |entry: Option<Entry>| -> Result<Option<Vec<String>>, GitFault> {
                match entry.as_ref().and_then(content) {
                    None => Ok(Some(Vec::new())),
                    Some(id) => {
                        let content = self.content(id, MAX_CONTENT)?;
                        Ok(content.map(|content| secret_parts(&content)))
                    }
                }
            };
            // What is too large to be looked at may hold one.
            let is_one = match (parts(then)?, parts(now)?) {
                (Some(then), Some(now)) => !then.is_empty() && then != now,
                (None, _) | (_, None) => true,
            };
            if is_one {
                secrets.insert(self.git.readable(path));
            }
        }
        Ok(secrets)
    }

    /// Returns a content, or nothing where it is larger than `limit`.
    pub(super) fn content(&self, id: Oid, limit: usize) -> Result<Option<Vec<u8>>, GitFault> {
        let odb = self.repo.odb().map_err(library)?;
        let (size, _) = odb.read_header(id).map_err(library)?;
        if size > limit {
            return Ok(None);
        }
        Ok(Some(odb.read(id).map_err(library)?.data().to_vec()))
    }

    /// Finds by each later commit whose words it replaced.
    fn overwrites(
        &self,
        since: &[(Commit<'_>, Changes)],
        suspect: &str,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, GitFault> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let is_suspect = |(commit, _): &&(Commit<'_>, Changes)| commit.id().to_string() == suspect;
        let at = since.iter().position(|it| is_suspect(&it)).unwrap_or(0);
        let (later, blamed) = since.split_at(at);
        for path in disputed(since).into_iter().take(MAX_LOOKED_AT) {
            let first = since
                .iter()
                .rev()
                .find_map(|(_, changes)| changes.get(path));
            let last = blamed.iter().find_map(|(_, changes)| changes.get(path));
            let before = first.and_then(|(before, _)| *before);
            let suspected = last.map_or(before, |(_, after)| *after);
            let mut words = match self.words(before)? {
                Some(words) => Authored::new(words),
                None => continue,
            };
            match self.words(suspected)? {
                Some(then) => words.become_of(then, suspect)?,
                None => continue,
            };
            for (commit, changes) in later.iter().rev() {
                let Some((_, after)) = changes.get(path) else {
                    continue;
                };
                let Some(then) = self.words(*after)? else {
                    break;
                };
                let revision = commit.id().to_string();
                let replaced = words.become_of(then, &revision)?;
                found.entry(revision).or_default().extend(replaced);
            }
        }
        Ok(found)
    }

    /// Returns the words of a file, one a line; none where it is not there, nothing where it is too large.
    fn words(&self, entry: Option<Entry>) -> Result<Option<Vec<u8>>, GitFault> {
        let Some(id) = entry.as_ref().and_then(content) else {
            return Ok(Some(Vec::new()));
        };
        let content = self.content(id, MAX_COMPARED)?;
        Ok(content.map(|content| one_a_line(&content)))
    }

    /// Puts the files of the target back that any commit since changed but those of `keeps`, which stay as they are
    /// at the tip. With nothing to keep it is the whole state of the target. The result lives in the scratch
    /// repository only.
    ///
    /// # Errors
    /// As [`Snapshot::draft`]; refuses also when a file was changed by both kinds of commits.
    pub fn draft_keeping(&self, target: &str, keeps: &[String]) -> Result<Draft, GitError> {
        if keeps.is_empty() {
            return self.draft(target);
        }
        self.draft_some(target, keeps)
            .map_err(|fault| self.git.error("restore some of the watched paths", fault))
    }

    fn draft_some(&self, target: &str, keeps: &[String]) -> Result<Draft, GitFault> {
        let since = self.since(target)?;
        let (mut back, mut kept) = (BTreeSet::new(), BTreeSet::new());
        for (commit, changes) in &since {
            let stays = keeps.contains(&commit.id().to_string());
            let paths = changes.keys().cloned();
            if stays {
                kept.extend(paths);
            } else {
                back.extend(paths);
            }
        }
        let net = net(&since);
        back.retain(|path| {
            net.get(path.as_slice())
                .is_some_and(|(then, now)| then != now)
        });
        if let Some(path) = back.iter().find(|path| kept.contains(*path)) {
            return Err(GitFault::Refused {
                why: format!(
                    "{} was changed by what stays and by what goes back",
                    self.git.readable(path)
                ),
            });
        }
        let old = self.find(target).ok_or_else(|| GitFault::Refused {
            why: format!("{target:?} is not among the commits that were read"),
        })?;
        let tip = self.find(&self.tip).ok_or_else(|| GitFault::Refused {
            why: "the tip is not there".to_owned(),
        })?;
        let (old, new) = (old.tree().map_err(library)?, tip.tree().map_err(library)?);
        let mut update = PathUpdate::default();
        let paths = &self.git.settings.paths;
        let both = commits::entries(&old, paths)?
            .into_iter()
            .zip(commits::entries(&new, paths)?);
        for (path, (then, now)) in paths.iter().zip(both) {
            let mixed = match path.as_str() {
                WHOLE_REPOSITORY => self.mixed_folder(b"", then, now, &back)?,
                path => self.mixed(path.trim_end_matches('/').as_bytes(), then, now, &back)?,
            };
            let Some((id, mode)) = mixed else {
                return Err(GitFault::Refused {
                    why: format!("{path:?} would be deleted"),
                });
            };
            update.put(path, (id, mode))?;
        }
        let tree = update.write(&self.repo, &new)?;
        self.check_some((&old, &new), tree, &back)?;
        Ok(Draft {
            tree,
            tip: tip.id(),
        })
    }

    /// Mixes what lies at a path: the files of `back` as they were, every other as it is.
    fn mixed(
        &self,
        path: &[u8],
        then: Option<Entry>,
        now: Option<Entry>,
        back: &BTreeSet<Vec<u8>>,
    ) -> Result<Option<Entry>, GitFault> {
        let is_folder = |entry: &Entry| entry.1 == TREE;
        let below = [path, b"/"].concat();
        let is_below = back
            .range(below.clone()..)
            .next()
            .is_some_and(|first| first.starts_with(&below));
        let file = match back.contains(path) {
            true => then.filter(|entry| !is_folder(entry)),
            false => now.filter(|entry| !is_folder(entry)),
        };
        let (then, now) = (then.filter(is_folder), now.filter(is_folder));
        let folder = match (is_below, now) {
            (false, now) => now,
            (true, _) => self.mixed_folder(&below, then, now, back)?,
        };
        match (file, folder) {
            (Some(_), Some(_)) => Err(GitFault::Refused {
                why: format!("{} would be a file and a folder", self.git.readable(path)),
            }),
            (file, folder) => Ok(file.or(folder)),
        }
    }

    fn mixed_folder(
        &self,
        below: &[u8],
        then: Option<Entry>,
        now: Option<Entry>,
        back: &BTreeSet<Vec<u8>>,
    ) -> Result<Option<Entry>, GitFault> {
        let tree = |entry: Option<Entry>| -> Result<BTreeMap<Vec<u8>, Entry>, GitFault> {
            let Some((id, _)) = entry else {
                return Ok(BTreeMap::new());
            };
            let tree = self.repo.find_tree(id).map_err(library)?;
            let entries = tree.iter();
            Ok(entries
                .map(|entry| {
                    (
                        entry.name_bytes().to_vec(),
                        (entry.id(), entry.filemode_raw()),
                    )
                })
                .collect())
        };
        let (then, now) = (tree(then)?, tree(now)?);
        let names: BTreeSet<&Vec<u8>> = then.keys().chain(now.keys()).collect();
        let mut builder = self.repo.treebuilder(None).map_err(library)?;
        for name in names {
            let path = [below, name].concat();
            let mixed = self.mixed(&path, then.get(name).copied(), now.get(name).copied(), back)?;
            if let Some((id, mode)) = mixed {
                builder.insert(name.as_slice(), id, mode).map_err(library)?;
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let id = builder.write().map_err(library)?;
        let mut written = self
            .written
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        written.insert(id);
        Ok(Some((id, TREE)))
    }

    /// Looks once more whether exactly the wanted files changed, each to what it was.
    fn check_some(
        &self,
        (then, old): (&Tree<'_>, &Tree<'_>),
        new: Oid,
        back: &BTreeSet<Vec<u8>>,
    ) -> Result<(), GitFault> {
        let new = self.repo.find_tree(new).map_err(library)?;
        if old.id() == new.id() {
            return Err(GitFault::Refused {
                why: "the watched paths are already as they would be put".to_owned(),
            });
        }
        self.stays_within_paths(old, &new)?;
        let diff = self
            .repo
            .diff_tree_to_tree(Some(old), Some(&new), None)
            .map_err(library)?;
        for delta in diff.deltas() {
            let paths = [delta.old_file(), delta.new_file()];
            let paths = paths.iter().filter_map(git2::DiffFile::path_bytes);
            if let Some(path) = paths.into_iter().find(|path| !back.contains(*path)) {
                return Err(GitFault::Refused {
                    why: format!("{} stays, and would change", self.git.readable(path)),
                });
            }
        }
        for path in back {
            if entry_at(&new, path)? != entry_at(then, path)? {
                return Err(GitFault::Refused {
                    why: format!(
                        "{} cannot be put exactly as it was",
                        self.git.readable(path)
                    ),
                });
            }
        }
        Ok(())
    }

    /// Returns the content of the watched paths in a draft.
    ///
    /// # Errors
    /// Fails when the scratch repository cannot be read.
    pub fn state_of(&self, draft: Draft) -> Result<String, GitError> {
        let found = self
            .repo
            .find_tree(draft.tree)
            .map_err(library)
            .and_then(|tree| commits::entries(&tree, &self.git.settings.paths));
        found
            .map(|entries| commits::write_state(&entries))
            .map_err(|fault| self.git.error("read the watched paths", fault))
    }

    /// Tells whether every file below the watched paths that a commit changed is as at another one. Nothing where one
    /// of them was not read.
    pub fn puts_back_files_of(&self, commit: &str, target: &str) -> Option<bool> {
        let commit = self.find(commit)?;
        let target = self.find(target)?.tree().ok()?;
        let Older::Parent(parent) = older(&self.repo, &commit).ok()? else {
            return None;
        };
        let changes = self.changes_between(&parent, &commit).ok()?;
        let is_back = |(path, (_, after)): (&Vec<u8>, &Change)| {
            entry_at(&target, path).is_ok_and(|then| then == *after)
        };
        Some(!changes.is_empty() && changes.iter().all(is_back))
    }
}

/// What was at each path before the oldest commit, and is there after the newest.
fn net<'a>(since: &'a [(Commit<'_>, Changes)]) -> BTreeMap<&'a [u8], Change> {
    let mut net: BTreeMap<&[u8], Change> = BTreeMap::new();
    for (_, changes) in since {
        for (path, (before, after)) in changes {
            net.entry(path.as_slice()).or_insert((None, *after)).0 = *before;
        }
    }
    net
}

/// Returns the files that more than one commit changed.
fn disputed<'a>(since: &'a [(Commit<'_>, Changes)]) -> Vec<&'a [u8]> {
    let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (_, changes) in since {
        for path in changes.keys() {
            *counts.entry(path.as_slice()).or_default() += 1;
        }
    }
    let several = counts.into_iter().filter(|(_, count)| *count > 1);
    several.map(|(path, _)| path).take(MAX_LOOKED_AT).collect()
}

/// Returns the id of an entry that has a content: a file or a link, and no submodule.
fn content((id, mode): &Entry) -> Option<Oid> {
    (*mode != 0o160_000).then_some(*id)
}

fn entry_at(tree: &Tree<'_>, path: &[u8]) -> Result<Option<Entry>, GitFault> {
    match tree.get_path(Path::new(OsStr::from_bytes(path))) {
        Ok(entry) if entry.kind() == Some(ObjectType::Tree) => Ok(None),
        Ok(entry) => Ok(Some((entry.id(), entry.filemode_raw()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(library(error)),
    }
}

fn written((id, mode): Entry) -> String {
    format!("{mode:o}:{id}")
}
