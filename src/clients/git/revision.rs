//! A revision that a person names: a commit id, whole or shortened, or a tag.

use git2::{Commit, ErrorCode, ObjectType, Reference, Repository};

use super::commits::reachable;
use super::error::{GitFault, RevisionFault, library};

/// Where tags live. A name may begin with it, so that a tag is meant and no id.
const TAGS: &str = "refs/tags/";

/// Digits of a whole id.
const WHOLE: usize = 40;

/// Fewest digits of a shortened id, as for git itself.
const SHORTEST: usize = 4;

/// A revision that a person named, found on the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Full commit id.
    pub revision: String,
    /// Content of the watched paths there; nothing when one of them is not there.
    pub state: Option<String>,
    /// Full id of the commit that left them so: this one or the newest before it that changed them. Nothing when it
    /// lies beyond the history that is fetched.
    pub change: Option<String>,
}

/// Returns the reference to fetch for a name that may be a tag; nothing for one that cannot be.
pub(super) fn tag_reference(name: &str) -> Option<String> {
    let reference = match name.strip_prefix(TAGS) {
        Some(_) => name.to_owned(),
        None if is_id(name) && name.len() == WHOLE => return None,
        None => format!("{TAGS}{name}"),
    };
    Reference::is_valid_name(&reference).then_some(reference)
}

fn is_id(name: &str) -> bool {
    (SHORTEST..=WHOLE).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The search for a named revision along the first parents of the branch.
pub(super) struct Search<'name> {
    name: &'name str,
    /// What the id begins with, in lower case, where the name may be an id.
    id: Option<String>,
    /// The commit that the tag of this name names.
    tag: Option<String>,
    found: Vec<Resolved>,
}

impl<'name> Search<'name> {
    /// Looks up the name among the tags that were fetched.
    ///
    /// # Errors
    /// Fails when the name can be no id and is no tag, or when the tag names no commit.
    pub(super) fn new(repo: &Repository, name: &'name str) -> Result<Self, GitFault> {
        let tag = tag_reference(name)
            .map(|reference| tagged_commit(repo, &reference))
            .transpose()?
            .flatten();
        let id = is_id(name).then(|| name.to_ascii_lowercase());
        if id.is_none() && tag.is_none() {
            let name = short_tag(name).to_owned();
            return Err(RevisionFault::NoTag { name }.into());
        }
        Ok(Self {
            name,
            id,
            tag,
            found: Vec::new(),
        })
    }

    pub(super) fn look_at(&mut self, id: String, state: impl FnOnce() -> Option<String>) {
        if self.names(&id) {
            self.found.push(Resolved {
                revision: id,
                state: state(),
                change: None,
            });
        }
    }

    /// Takes note of a commit that changed the watched paths: it left them as they are at every newer commit whose
    /// change was not met yet.
    pub(super) fn meet_change(&mut self, id: &str) {
        for found in &mut self.found {
            found.change.get_or_insert_with(|| id.to_owned());
        }
    }

    /// Tells whether older commits cannot change the result. A short id may turn out to be ambiguous further back.
    pub(super) fn is_settled(&self) -> bool {
        let is_unique = self.id.as_ref().is_none_or(|id| id.len() == WHOLE);
        let is_known = |found: &Resolved| found.change.is_some() || found.state.is_none();
        self.found.len() > 1 || (is_unique && self.found.iter().any(is_known))
    }

    /// Returns what was found among the last `seen` commits of the branch.
    ///
    /// # Errors
    /// Says why there is nothing, or too much.
    pub(super) fn conclude(
        mut self,
        repo: &Repository,
        tip: &Commit<'_>,
        branch: &str,
        seen: usize,
    ) -> Result<Resolved, GitFault> {
        let is_something_else = |found: &Resolved| {
            let is_tagged = |tag: &String| *tag == found.revision;
            !self.tag.as_ref().is_none_or(is_tagged)
        };
        if self.id.is_some() && self.found.iter().any(is_something_else) {
            let name = short_tag(self.name).to_owned();
            return Err(RevisionFault::TagOrCommit { name }.into());
        }
        if self.found.len() > 1 {
            let revision = self.name.to_owned();
            return Err(RevisionFault::Ambiguous { revision }.into());
        }
        if let Some(found) = self.found.pop() {
            return Ok(found);
        }
        let inside = reachable(repo, tip.id())
            .map(|commit| commit.id().to_string())
            .find(|id| self.names(id));
        let branch = branch.to_owned();
        Err(GitFault::Revision(match (inside, self.tag) {
            (Some(commit), _) => RevisionFault::InsideMerge {
                revision: self.name.to_owned(),
                commit,
                branch,
            },
            (None, Some(commit)) => RevisionFault::TagElsewhere {
                name: short_tag(self.name).to_owned(),
                commit,
                branch,
                seen,
            },
            (None, None) => RevisionFault::NoCommit {
                revision: self.name.to_owned(),
                branch,
                seen,
            },
        }))
    }

    fn names(&self, id: &str) -> bool {
        self.tag.as_deref() == Some(id) || self.id.as_ref().is_some_and(|part| id.starts_with(part))
    }
}

fn short_tag(name: &str) -> &str {
    name.strip_prefix(TAGS).unwrap_or(name)
}

/// Returns the full id of the commit that a tag names, through tags of tags; nothing when there is no such tag.
fn tagged_commit(repo: &Repository, reference: &str) -> Result<Option<String>, GitFault> {
    let id = match repo.refname_to_id(reference) {
        Ok(id) => id,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(library(error)),
    };
    let mut object = repo.find_object(id, None).map_err(library)?;
    let (id, kind) = loop {
        let Some(tag) = object.as_tag() else {
            break (object.id(), object.kind());
        };
        match tag.target_type() {
            Some(ObjectType::Tag) => {
                object = repo.find_object(tag.target_id(), None).map_err(library)?;
            }
            // The tag says what it names, which need not be here: contents of files are left out.
            kind => break (tag.target_id(), kind),
        }
    };
    match kind {
        Some(ObjectType::Commit) => Ok(Some(id.to_string())),
        kind => Err(GitFault::Revision(RevisionFault::TagOfNoCommit {
            name: short_tag(reference).to_owned(),
            kind: kind.map_or("thing", |kind| kind.str()),
        })),
    }
}
