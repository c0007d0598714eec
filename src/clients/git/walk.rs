//! The history of the watched paths: first parents, compared by tree ids.

use std::collections::{BinaryHeap, HashSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use git2::{Commit, ErrorCode, Oid, Repository, Tree};

use super::error::GitFault;
use super::ignore::Contents;
use super::revision::{Resolved, Search};
use super::{GitSettings, Snapshot, Want, library};

/// How many commits a search beside the first-parent line looks at. Protects a run from a history of many merges; what lies
/// beyond counts as not there.
const MAX_SEARCHED: usize = 5_000;

/// A commit that changed the watched paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// Full commit id.
    pub revision: String,
    /// Committer time.
    pub committed_at: DateTime<Utc>,
    /// What is deployed of the watched paths after it.
    pub state: String,
    /// First line of the message.
    pub subject: String,
    /// The trailers in the last paragraph of the message, in order.
    pub trailers: Vec<(String, String)>,
}

/// Where a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At the commit without parents.
    Root,
    /// Where enough changes were seen.
    Enough,
    /// At the deepest history that is fetched.
    DepthLimit,
}

pub(super) enum Walked {
    NeedsDepth,
    Seen {
        tip: String,
        tip_state: String,
        changes: Vec<PathChange>,
        end: End,
        revision: Option<Resolved>,
    },
}

/// One step towards older commits.
pub(super) enum Older<'repo> {
    Parent(Commit<'repo>),
    Root,
    /// The boundary of a shallow history, where libgit2 says that a commit has no parents.
    Boundary,
}

pub(super) fn walk(
    repo: &Repository,
    settings: &GitSettings,
    want: &Want,
    is_deepest: bool,
) -> Result<Walked, GitFault> {
    let tip = tip(repo, &settings.branch)?;
    let mut contents = Contents::new(repo, &settings.ignore);
    let mut content =
        |commit: &Commit<'_>| contents.of(&settings.paths, state(commit, &settings.paths)?);
    let tip_state = content(&tip)?;
    let Some(complete_tip) = complete(&tip_state) else {
        return Err(missing_path(&tip_state, settings));
    };
    let mut seen = Seen {
        want,
        changes: Vec::new(),
        search: want
            .revision
            .as_deref()
            .map(|name| Search::new(repo, name))
            .transpose()?,
        is_back: want.back_to.is_none(),
        count: 0,
    };
    let mut commit = tip.clone();
    let mut here = tip_state;
    let end = loop {
        seen.look_at(&commit, &here);
        if seen.is_enough() {
            break End::Enough;
        }
        match older(repo, &commit)? {
            Older::Root => {
                if here.iter().any(Option::is_some) {
                    seen.change(&commit, &here)?;
                }
                break End::Root;
            }
            Older::Boundary if is_deepest => break End::DepthLimit,
            Older::Boundary => return Ok(Walked::NeedsDepth),
            Older::Parent(parent) => {
                let before = content(&parent)?;
                if before != here {
                    seen.change(&commit, &here)?;
                }
                here = before;
                commit = parent;
            }
        }
    };
    let revision = seen
        .search
        .map(|search| search.conclude(repo, &tip, &settings.branch, seen.count))
        .transpose()?;
    Ok(Walked::Seen {
        tip: tip.id().to_string(),
        tip_state: complete_tip,
        changes: seen.changes,
        end,
        revision,
    })
}

struct Seen<'want> {
    want: &'want Want,
    changes: Vec<PathChange>,
    search: Option<Search<'want>>,
    /// Whether the commit was seen down to which the history is wanted.
    is_back: bool,
    count: usize,
}

impl Seen<'_> {
    fn look_at(&mut self, commit: &Commit<'_>, here: &[Option<Entry>]) {
        self.count += 1;
        let id = commit.id().to_string();
        self.is_back |= self.want.back_to.as_ref() == Some(&id);
        if let Some(search) = &mut self.search {
            search.look_at(id, || complete(here));
        }
    }

    fn change(&mut self, commit: &Commit<'_>, here: &[Option<Entry>]) -> Result<(), GitFault> {
        let revision = commit.id().to_string();
        if let Some(search) = &mut self.search {
            search.meet_change(&revision);
        }
        self.changes.push(PathChange {
            revision,
            committed_at: committed_at(commit)?,
            state: write_state(here),
            subject: String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default())
                .into_owned(),
            trailers: trailers(&String::from_utf8_lossy(commit.message_bytes())),
        });
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.changes.len() >= self.want.changes
            && self.is_back
            && self.search.as_ref().is_none_or(Search::is_settled)
    }
}

/// Goes through all that is reachable from a commit, the newest first, as far as it was fetched.
pub(super) fn reachable<'repo>(
    repo: &'repo Repository,
    from: Oid,
) -> impl Iterator<Item = Commit<'repo>> {
    let mut open = BinaryHeap::new();
    let mut known = HashSet::new();
    let mut meet = move |open: &mut BinaryHeap<(i64, Oid)>, id: Oid| {
        // What lies beyond a shallow boundary is not there.
        let commit = repo.find_commit(id).ok();
        if let Some(commit) = commit.filter(|_| known.insert(id)) {
            open.push((commit.time().seconds(), id));
        }
    };
    meet(&mut open, from);
    std::iter::from_fn(move || {
        let (_, id) = open.pop()?;
        let commit = repo.find_commit(id).ok()?;
        for parent in commit.parent_ids() {
            meet(&mut open, parent);
        }
        Some(commit)
    })
    .take(MAX_SEARCHED)
}

impl Snapshot {
    /// Returns the content of the watched paths at a commit; nothing when the commit was not fetched, lies beyond what is
    /// known, or lacks one of the paths.
    pub fn state_at(&self, revision: &str) -> Option<String> {
        let commit = self.find(revision)?;
        let mut contents = Contents::new(&self.repo, &self.git.settings.ignore);
        complete(&self.deployed(&mut contents, &commit).ok()?)
    }

    /// Returns what is deployed of the watched paths at a commit.
    fn deployed(
        &self,
        contents: &mut Contents<'_>,
        commit: &Commit<'_>,
    ) -> Result<Vec<Option<Entry>>, GitFault> {
        let paths = &self.git.settings.paths;
        contents.of(paths, state(commit, paths)?)
    }

    /// Returns the id of the change that was in effect at a commit of the branch's first-parent line: the newest one at or
    /// before it. Nothing where the commit is not on that line, or lies beyond what is known.
    pub fn change_at(&self, revision: &str) -> Option<&str> {
        let mut id = self.tip.clone();
        let mut is_met = false;
        loop {
            is_met |= id == revision;
            let change = self.changes.iter().find(|change| change.revision == id);
            if let (true, Some(change)) = (is_met, change) {
                return Some(&change.revision);
            }
            let commit = self.find(&id)?;
            match older(&self.repo, &commit).ok()? {
                Older::Parent(parent) => id = parent.id().to_string(),
                Older::Root | Older::Boundary => return None,
            }
        }
    }

    /// Returns for each of the commits what [`Self::change_at`] does, by one walk for all of them.
    pub fn changes_at(&self, revisions: &[&str]) -> Vec<Option<String>> {
        let mut found = vec![None; revisions.len()];
        let mut met: Vec<usize> = Vec::new();
        let mut id = self.tip.clone();
        loop {
            let here = |(_, revision): &(usize, &&str)| **revision == id;
            met.extend(
                revisions
                    .iter()
                    .enumerate()
                    .filter(here)
                    .map(|(place, _)| place),
            );
            if let Some(change) = self.changes.iter().find(|change| change.revision == id) {
                for place in met.drain(..) {
                    found[place] = Some(change.revision.clone());
                }
                if Some(change) == self.changes.last() {
                    return found;
                }
            }
            let parent = self
                .find(&id)
                .and_then(|commit| older(&self.repo, &commit).ok());
            match parent {
                Some(Older::Parent(parent)) => id = parent.id().to_string(),
                Some(Older::Root | Older::Boundary) | None => return found,
            }
        }
    }

    /// Returns the commits of the branch's first-parent line at which a change is in effect: itself, and those on top of it that
    /// leave the watched paths alone. None where the change lies beyond what is known.
    pub fn commits_with(&self, change: &str) -> Vec<String> {
        let mut commits = Vec::new();
        let mut id = self.tip.clone();
        loop {
            if id == change {
                commits.push(id);
                return commits;
            }
            if self.changes.iter().any(|other| other.revision == id) {
                commits.clear();
            } else {
                commits.push(id.clone());
            }
            let parent = self
                .find(&id)
                .and_then(|commit| older(&self.repo, &commit).ok());
            match parent {
                Some(Older::Parent(parent)) => id = parent.id().to_string(),
                Some(Older::Root | Older::Boundary) | None => return Vec::new(),
            }
        }
    }

    /// Finds the commit on the branch that carries a trailer: among all that is reachable from the tip, because a merge
    /// may have put it on a side line. The newest commits are looked at first; what was not read is not searched.
    pub fn find_trailer(&self, key: &str, value: &str) -> Option<String> {
        let tip = Oid::from_str(&self.tip).ok()?;
        reachable(&self.repo, tip)
            .find(|commit| {
                trailers(&String::from_utf8_lossy(commit.message_bytes()))
                    .iter()
                    .any(|(k, v)| k == key && v == value)
            })
            .map(|commit| commit.id().to_string())
    }

    /// Tells what happened to the watched paths between an older tip and this one. An older tip beyond what was read
    /// counts as [`Moved::Rewritten`]: who must know asks for it as [`Want::back_to`], or for something older.
    pub fn moved_since(&self, older_tip: &str) -> Moved {
        let mut id = self.tip.clone();
        let mut newer_state: Option<Option<String>> = None;
        let mut contents = Contents::new(&self.repo, &self.git.settings.ignore);
        loop {
            let Some(commit) = Oid::from_str(&id)
                .ok()
                .and_then(|oid| self.repo.find_commit(oid).ok())
            else {
                return Moved::Rewritten;
            };
            let Ok(entries) = self.deployed(&mut contents, &commit) else {
                return Moved::Rewritten;
            };
            let here = complete(&entries);
            if newer_state.is_some_and(|newer| newer != here) {
                return Moved::PathTouched;
            }
            if id == older_tip {
                return if id == self.tip {
                    Moved::Not
                } else {
                    Moved::Elsewhere
                };
            }
            newer_state = Some(here);
            match older(&self.repo, &commit) {
                Ok(Older::Parent(parent)) => id = parent.id().to_string(),
                Ok(Older::Root | Older::Boundary) | Err(_) => return Moved::Rewritten,
            }
        }
    }
}

/// How the branch moved since it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It did not.
    Not,
    /// Commits were added that leave the watched paths alone.
    Elsewhere,
    /// A commit touched the watched paths.
    PathTouched,
    /// The older tip is not on the branch's first-parent line any more.
    Rewritten,
}

fn tip<'repo>(repo: &'repo Repository, branch: &str) -> Result<Commit<'repo>, GitFault> {
    match repo.find_reference(&format!("refs/heads/{branch}")) {
        Ok(reference) => reference.peel_to_commit().map_err(library),
        Err(error) if error.code() == ErrorCode::NotFound => Err(GitFault::NoBranch {
            branch: branch.to_owned(),
        }),
        Err(error) => Err(library(error)),
    }
}

pub(super) fn older<'repo>(
    repo: &'repo Repository,
    commit: &Commit<'repo>,
) -> Result<Older<'repo>, GitFault> {
    let named = commit
        .raw_header_bytes()
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"parent "))
        .count();
    if named != commit.parent_count() {
        return Ok(Older::Boundary);
    }
    if named == 0 {
        return Ok(Older::Root);
    }
    let id = commit.parent_id(0).map_err(library)?;
    match repo.find_commit(id) {
        Ok(parent) => Ok(Older::Parent(parent)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(Older::Boundary),
        Err(error) => Err(library(error)),
    }
}

/// What lies at a path: object id and file mode.
pub(super) type Entry = (Oid, i32);

pub(super) fn state(commit: &Commit<'_>, paths: &[String]) -> Result<Vec<Option<Entry>>, GitFault> {
    entries(&commit.tree().map_err(library)?, paths)
}

pub(super) fn entries(tree: &Tree<'_>, paths: &[String]) -> Result<Vec<Option<Entry>>, GitFault> {
    paths
        .iter()
        .map(|path| match tree.get_path(Path::new(path)) {
            Ok(entry) => Ok(Some((entry.id(), entry.filemode_raw()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(library(error)),
        })
        .collect()
}

pub(super) fn write_state(entries: &[Option<Entry>]) -> String {
    let written: Vec<String> = entries
        .iter()
        .map(|entry| entry.map_or_else(|| "-".to_owned(), |(id, mode)| format!("{mode:o}:{id}")))
        .collect();
    written.join(",")
}

/// Returns the state when every path is there.
fn complete(entries: &[Option<Entry>]) -> Option<String> {
    entries
        .iter()
        .all(Option::is_some)
        .then(|| write_state(entries))
}

fn missing_path(entries: &[Option<Entry>], settings: &GitSettings) -> GitFault {
    let missing = entries
        .iter()
        .zip(&settings.paths)
        .find(|(entry, _)| entry.is_none())
        .map(|(_, path)| path.clone());
    GitFault::NoPath {
        path: missing.unwrap_or_default(),
        branch: settings.branch.clone(),
    }
}

fn committed_at(commit: &Commit<'_>) -> Result<DateTime<Utc>, GitFault> {
    DateTime::from_timestamp(commit.time().seconds(), 0)
        .ok_or_else(|| GitFault::Library(format!("commit {} has an impossible time", commit.id())))
}

/// Reads the last paragraph as trailers: `Key: value`, one a line. A paragraph with any other line has none, so that
/// prose which quotes a trailer is not one.
fn trailers(message: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = message.trim_end().lines().map(str::trim_end).collect();
    let Some(blank) = lines.iter().rposition(|line| line.is_empty()) else {
        return Vec::new();
    };
    if lines[..blank].iter().all(|line| line.is_empty()) {
        return Vec::new();
    }
    let last = &lines[blank + 1..];
    let parsed: Option<Vec<(String, String)>> = last
        .iter()
        .map(|line| {
            let (key, value) = line.split_once(": ")?;
            let is_key = !key.is_empty()
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            is_key.then(|| (key.to_owned(), value.trim().to_owned()))
        })
        .collect();
    parsed.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::trailers;

    #[test]
    fn reads_trailers_from_the_last_paragraph_only() {
        let message = "subject\n\nbody: not a trailer here\n\nRolls-Back: abc\nRestores: def\n";
        assert_eq!(
            trailers(message),
            vec![
                ("Rolls-Back".to_owned(), "abc".to_owned()),
                ("Restores".to_owned(), "def".to_owned())
            ]
        );
    }

    #[test]
    fn prose_that_quotes_a_trailer_is_not_one() {
        let reverted = "Revert \"x\"\n\nThis reverts a commit that said\nRolls-Back: abc\n";
        assert_eq!(trailers(reverted), Vec::new());
        assert_eq!(
            trailers("Rolls-Back: abc"),
            Vec::new(),
            "a subject is not a trailer"
        );
        assert_eq!(trailers("\n\nRolls-Back: abc\n"), Vec::new());
        assert_eq!(trailers(""), Vec::new());
    }
}
