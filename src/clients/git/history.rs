//! Questions about the history of a snapshot.

use git2::{Commit, Oid};

use super::Snapshot;
use super::commits::{Entry, Older, complete, older, reachable, state};
use super::error::GitFault;
use super::ignore::DeployedContents;

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

impl Snapshot {
    /// Returns the content of the watched paths at a commit; nothing when the commit was not fetched, lies beyond
    /// what is known, or lacks one of the paths.
    pub fn state_at(&self, revision: &str) -> Option<String> {
        let commit = self.find(revision)?;
        let mut contents = DeployedContents::new(&self.repo, &self.git.settings.ignore);
        complete(&self.deployed(&mut contents, &commit).ok()?)
    }

    /// Tells whether there is such a commit; nothing where it may lie beyond what was fetched.
    pub fn has(&self, revision: &str) -> Option<bool> {
        let is_whole = !self.repo.is_shallow();
        match self.find(revision) {
            Some(_) => Some(true),
            None => is_whole.then_some(false),
        }
    }

    /// Returns what is deployed of the watched paths at a commit.
    fn deployed(
        &self,
        contents: &mut DeployedContents<'_>,
        commit: &Commit<'_>,
    ) -> Result<Vec<Option<Entry>>, GitFault> {
        let paths = &self.git.settings.paths;
        contents.of(paths, state(commit, paths)?)
    }

    /// Returns the id of the change that was in effect at a commit of the branch's first-parent line: the newest one
    /// at or before it. Nothing where the commit is not on that line, or lies beyond what is known.
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

    /// Returns the commits of the branch's first-parent line at which a change is in effect: itself, and those on top
    /// of it that leave the watched paths alone. None where the change lies beyond what is known.
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

    /// Finds the commit on the branch whose message is the one: among all that is reachable from the tip, because a
    /// merge may have put it on a side line. The newest commits are looked at first; what was not read is not searched.
    pub fn find_message(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let tip = Oid::from_str(&self.tip).ok()?;
        reachable(&self.repo, tip)
            .find(|commit| is_it(&String::from_utf8_lossy(commit.message_bytes())))
            .map(|commit| commit.id().to_string())
    }

    /// Tells what happened to the watched paths between an older tip and this one. An older tip beyond what was read
    /// counts as [`Moved::Rewritten`]: who must know asks for it as [`Want::back_to`](super::Want::back_to), or for
    /// something older.
    pub fn moved_since(&self, older_tip: &str) -> Moved {
        let mut id = self.tip.clone();
        let mut newer_state: Option<Option<String>> = None;
        let mut contents = DeployedContents::new(&self.repo, &self.git.settings.ignore);
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
