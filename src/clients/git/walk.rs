//! The history of the watched paths: first parents, compared by tree ids.

use std::path::Path;

use chrono::{DateTime, Utc};
use git2::{Commit, ErrorCode, Repository};

use super::commits::{Entry, Older, complete, older, readable, state, write_state};
use super::error::{GitFault, library};
use super::ignore::DeployedContents;
use super::revision::{Resolved, Search};
use super::settings::{GitSettings, Want};
use crate::clients::http::Deadline;
use crate::redact::Scanner;

/// First and last second whose year has four digits (Unix time): what RFC 3339 can write. Source: RFC 3339, section 1.
const TIMES: (i64, i64) = (-62_135_596_800, 253_402_300_799);

/// A commit that changed the watched paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// Full commit id.
    pub revision: String,
    /// Committer time.
    pub committed_at: DateTime<Utc>,
    /// Author time; nothing where it is impossible.
    pub authored_at: Option<DateTime<Utc>>,
    /// What is deployed of the watched paths after it.
    pub state: String,
    /// The author's name, without secrets.
    pub author: String,
    /// First line of the message.
    pub subject: String,
    /// The whole message.
    pub message: String,
}

/// Where a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkEnd {
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
        end: WalkEnd,
        revision: Option<Resolved>,
    },
}

pub(super) fn walk(
    repo: &Repository,
    settings: &GitSettings,
    secrets: &Scanner,
    want: &Want,
    is_deepest: bool,
    deadline: Deadline,
) -> Result<Walked, GitFault> {
    let tip = tip(repo, &settings.branch)?;
    let mut contents = DeployedContents::new(repo, &settings.ignore);
    let mut content =
        |commit: &Commit<'_>| contents.of(&settings.paths, state(commit, &settings.paths)?);
    let tip_state = content(&tip)?;
    let Some(complete_tip) = complete(&tip_state) else {
        return Err(missing_path(repo, &tip, &tip_state, settings));
    };
    let mut seen = HistoryWalk {
        secrets,
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
        // A server can make each commit take long: by folders with very many files.
        if deadline.is_over() {
            return Err(GitFault::Deadline);
        }
        seen.look_at(&commit, &here);
        if seen.is_enough() {
            break WalkEnd::Enough;
        }
        match older(repo, &commit)? {
            Older::Root => {
                if here.iter().any(Option::is_some) {
                    seen.change(&commit, &here)?;
                }
                break WalkEnd::Root;
            }
            Older::Boundary if is_deepest => break WalkEnd::DepthLimit,
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

struct HistoryWalk<'want> {
    secrets: &'want Scanner,
    want: &'want Want,
    changes: Vec<PathChange>,
    search: Option<Search<'want>>,
    /// Whether the commit was seen down to which the history is wanted.
    is_back: bool,
    count: usize,
}

impl HistoryWalk<'_> {
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
            committed_at: committed_at(commit),
            authored_at: DateTime::from_timestamp(commit.author().when().seconds(), 0),
            state: write_state(here),
            author: readable(commit.author().name_bytes(), self.secrets),
            subject: readable(commit.summary_bytes().unwrap_or_default(), self.secrets),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        });
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.changes.len() >= self.want.changes
            && self.is_back
            && self.search.as_ref().is_none_or(Search::is_settled)
    }
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

fn missing_path(
    repo: &Repository,
    tip: &Commit<'_>,
    entries: &[Option<Entry>],
    settings: &GitSettings,
) -> GitFault {
    let missing = entries
        .iter()
        .zip(&settings.paths)
        .find(|(entry, _)| entry.is_none())
        .map(|(_, path)| path.clone())
        .unwrap_or_default();
    GitFault::NoPath {
        near: near(repo, tip, &missing),
        path: missing,
        branch: settings.branch.clone(),
    }
}

/// Most letters that may differ between a path and what was meant.
const MAX_TYPOS: usize = 2;

/// Returns what lies beside a missing path under nearly its name.
fn near(repo: &Repository, tip: &Commit<'_>, path: &str) -> Option<String> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    let mut folder = tip.tree().ok()?;
    if let Some(above) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        folder = repo.find_tree(folder.get_path(above).ok()?.id()).ok()?;
    }
    let beside = folder.iter().filter_map(|entry| {
        let found = entry.name().ok()?.to_owned();
        Some((strsim::osa_distance(name, &found), found))
    });
    let (_, nearest) = beside.filter(|(typos, _)| *typos <= MAX_TYPOS).min()?;
    Some(path.with_file_name(nearest).display().to_string())
}

/// Returns the committer time. One before the year 1 or after 9999 counts as the nearest that is not: a mistaken commit
/// must not hide the others, and times in a far past or future are doubted where they matter.
fn committed_at(commit: &Commit<'_>) -> DateTime<Utc> {
    let seconds = commit.time().seconds().clamp(TIMES.0, TIMES.1);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
