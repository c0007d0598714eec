//! The history of the watched paths: first parents, compared by tree ids.

use chrono::{DateTime, Utc};
use git2::{Commit, ErrorCode, Repository};

use super::commits::{Entry, Older, complete, older, state, write_state};
use super::error::{GitFault, library};
use super::ignore::Contents;
use super::revision::{Resolved, Search};
use super::settings::{GitSettings, Want};

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

fn tip<'repo>(repo: &'repo Repository, branch: &str) -> Result<Commit<'repo>, GitFault> {
    match repo.find_reference(&format!("refs/heads/{branch}")) {
        Ok(reference) => reference.peel_to_commit().map_err(library),
        Err(error) if error.code() == ErrorCode::NotFound => Err(GitFault::NoBranch {
            branch: branch.to_owned(),
        }),
        Err(error) => Err(library(error)),
    }
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
pub(super) fn trailers(message: &str) -> Vec<(String, String)> {
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
