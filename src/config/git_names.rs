//! Names that git and this program agree on: branches and paths.

use std::str::FromStr;

use super::problems::{Invalid, quoted};
use crate::clients::git::WHOLE_REPOSITORY;

/// The name of a branch, without `refs/heads/`: everything that `git check-ref-format` accepts, except a leading `-`,
/// `@` and `HEAD`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BranchName(String);

/// A path inside the repository: `.`, which is all of it, or one that is relative, of ordinary components, and never
/// `.git` or the workflows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(String);

impl RepoPath {
    /// Returns the path, its components separated by `/`, without a slash at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the other path is this one or lies beneath it.
    pub fn contains(&self, other: &Self) -> bool {
        if self.0 == WHOLE_REPOSITORY {
            return true;
        }
        other
            .0
            .strip_prefix(&self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl From<BranchName> for String {
    fn from(name: BranchName) -> Self {
        name.0
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0
    }
}

impl FromStr for BranchName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(name) = text.strip_prefix("refs/heads/") {
            return Err(Invalid::because(format!(
                "begins with refs/heads/; write {} alone",
                quoted(name)
            )));
        }
        if text == "HEAD" {
            return Err(Invalid::because("is \"HEAD\"; write the name of a branch"));
        }
        check_ref(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for RepoPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let refuse = |why: &str| Err(Invalid::because(format!("has {}, {why}", quoted(text))));
        if path == WHOLE_REPOSITORY {
            return Ok(Self(path.to_owned()));
        }
        if text.starts_with('/') {
            return refuse(
                "which is absolute; write it relative to the top of the repository, which is .",
            );
        }
        if path.len() > 4096 || path.chars().any(|c| c.is_control() || c == '\\') {
            return refuse(
                "which is too long or has a backslash or a control character; separate components with /",
            );
        }
        for component in path.split('/') {
            match component {
                "" | "." | ".." => {
                    return refuse("which has an empty, . or .. component; write the plain path");
                }
                _ if component.eq_ignore_ascii_case(".git") => {
                    return refuse("which has a .git component; git keeps its own files there");
                }
                _ => {}
            }
        }
        let lower = path.to_ascii_lowercase();
        if lower == ".github"
            || lower == ".github/workflows"
            || lower.starts_with(".github/workflows/")
        {
            return refuse(
                "which has the workflows in it; a rollback must not change what CI runs",
            );
        }
        Ok(Self(path.to_owned()))
    }
}

/// Accepts a name under the rules of `git check-ref-format`, and refuses what git would take for an option or `HEAD`.
pub(super) fn check_ref(name: &str) -> Result<(), Invalid> {
    const LONGEST: usize = 240;
    let wrong = if name.len() > LONGEST {
        "is too long"
    } else if name == "@" {
        "is @ alone"
    } else if name.starts_with('-') {
        "begins with -"
    } else if name.ends_with('.') {
        "ends with a dot"
    } else if name.contains("..") {
        "contains two dots in a row"
    } else if name.contains("@{") {
        "contains @{"
    } else if name
        .chars()
        .any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c))
    {
        "contains a blank, a control character or one of ~ ^ : ? * [ \\"
    } else if name.split('/').any(str::is_empty) {
        "has an empty part before, after or between slashes"
    } else if name
        .split('/')
        .any(|part| part.starts_with('.') || part.ends_with(".lock"))
    {
        "has a part that begins with a dot or ends with .lock"
    } else {
        return Ok(());
    };
    Err(Invalid::because(format!(
        "is {}, which {wrong}; write a name that git accepts",
        quoted(name)
    )))
}

/// Parses paths separated by commas: none twice, none inside another.
pub(super) fn parse_paths(text: &str) -> Result<Vec<RepoPath>, Invalid> {
    let mut paths: Vec<RepoPath> = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            return Err(Invalid::because(
                "has an empty entry between commas; remove the comma",
            ));
        }
        let path: RepoPath = entry.parse()?;
        for other in &paths {
            if *other == path {
                return Err(Invalid::because(format!(
                    "names {} twice; write it once",
                    quoted(entry)
                )));
            }
            if other.contains(&path) || path.contains(other) {
                return Err(Invalid::because(format!(
                    "names {} and {}, one inside the other; keep the one that belongs to the service",
                    quoted(other.as_str()),
                    quoted(path.as_str())
                )));
            }
        }
        paths.push(path);
    }
    Ok(paths)
}
