//! Commits as far as they were fetched: what came before them, and what lies at the watched paths.

use std::collections::{BinaryHeap, HashSet};
use std::path::Path;

use git2::{Commit, ErrorClass, ErrorCode, ObjectType, Oid, Repository, Tree};

use super::error::{GitFault, library};
use crate::redact::Scanner;

/// Longest title, name or path that is looked at (bytes). Nobody reads more, and others may write megabytes.
const MAX_READABLE: usize = 4 * 1024;

/// How many commits a search beside the first-parent line looks at. Protects a run from a history of many merges;
/// what lies beyond counts as not there.
const MAX_SEARCHED: usize = 5_000;

/// The watched path that is the whole repository.
pub const WHOLE_REPOSITORY: &str = ".";

/// Git's mode of a folder.
pub(super) const TREE: i32 = 0o040_000;

/// What lies at a path: object id and file mode.
pub(super) type Entry = (Oid, i32);

/// One step towards older commits.
pub(super) enum Older<'repo> {
    Parent(Commit<'repo>),
    Root,
    /// The boundary of a shallow history, where libgit2 says that a commit has no parents.
    Boundary,
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
        // One commit that libgit2 cannot read, such as one whose author has no address, does not hide what is newer.
        Err(error) if error.class() != ErrorClass::Os && is_commit(repo, id) => {
            tracing::warn!(
                commit.sha = %id,
                error = %crate::clients::http::quote(error.message().as_bytes()),
                "a commit cannot be read; it and what is older count as not known"
            );
            Ok(Older::Boundary)
        }
        Err(error) => Err(library(error)),
    }
}

fn is_commit(repo: &Repository, id: Oid) -> bool {
    let header = repo.odb().and_then(|odb| odb.read_header(id));
    header.is_ok_and(|(_, kind)| kind == ObjectType::Commit)
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

/// Returns what somebody wrote into the repository without secrets, and not more than anybody reads.
pub(super) fn readable(written: &[u8], secrets: &Scanner) -> String {
    let beginning = &written[..written.len().min(MAX_READABLE)];
    secrets.redact(&String::from_utf8_lossy(beginning))
}

pub(super) fn state(commit: &Commit<'_>, paths: &[String]) -> Result<Vec<Option<Entry>>, GitFault> {
    entries(&commit.tree().map_err(library)?, paths)
}

pub(super) fn entries(tree: &Tree<'_>, paths: &[String]) -> Result<Vec<Option<Entry>>, GitFault> {
    paths
        .iter()
        .map(|path| match tree.get_path(Path::new(path)) {
            _ if path == WHOLE_REPOSITORY => Ok(Some((tree.id(), TREE))),
            Ok(entry) => Ok(Some((entry.id(), entry.filemode_raw()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(library(error)),
        })
        .collect()
}

/// Tells whether a path is a watched one or lies below it.
pub(super) fn is_within(path: &Path, watched: &str) -> bool {
    watched == WHOLE_REPOSITORY || path.starts_with(watched)
}

pub(super) fn write_state(entries: &[Option<Entry>]) -> String {
    let written: Vec<String> = entries
        .iter()
        .map(|entry| entry.map_or_else(|| "-".to_owned(), |(id, mode)| format!("{mode:o}:{id}")))
        .collect();
    written.join(",")
}

/// Returns the state when every path is there.
pub(super) fn complete(entries: &[Option<Entry>]) -> Option<String> {
    entries
        .iter()
        .all(Option::is_some)
        .then(|| write_state(entries))
}
