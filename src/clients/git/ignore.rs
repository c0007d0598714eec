//! Files that change nothing that is deployed, and the content of the watched paths without them.

use std::collections::HashMap;
use std::fmt;

use git2::{ObjectType, Oid, Repository, Tree};

use super::commits::{Entry, TREE, WHOLE_REPOSITORY};
use super::error::{GitFault, library};

/// Most patterns, and the longest one. Protects the walk: each file of a changed folder is compared with each of them.
const MAX_PATTERNS: usize = 64;
const MAX_LENGTH: usize = 200;

/// How deep folders are looked into. Protects the stack from a tree that was made to overflow it; what lies deeper
/// counts whole.
const MAX_DEPTH: usize = 64;

/// Patterns for files that change nothing that is deployed, such as `**/*.md`. They speak of paths from the root of
/// the repository: `*` stands for what is in one name, `**` for any number of folders, `?` for one character. A
/// pattern without a slash is a name anywhere, and one that names a folder is about all that lies in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    patterns: Vec<Vec<String>>,
}

impl Ignore {
    /// Reads patterns separated by commas.
    ///
    /// # Errors
    /// Says what is wrong with the first one that cannot be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for pattern in text.split(',').map(str::trim) {
            if pattern.is_empty() {
                return Err("holds an empty pattern".to_owned());
            }
            if pattern.len() > MAX_LENGTH || pattern.chars().any(char::is_control) {
                return Err(format!(
                    "holds a pattern of more than {MAX_LENGTH} characters, or with a control character"
                ));
            }
            let named = pattern.trim_start_matches('/').trim_end_matches('/');
            let mut parts: Vec<String> = named.split('/').map(str::to_owned).collect();
            if parts
                .iter()
                .any(|part| part.is_empty() || part == "." || part == "..")
            {
                return Err(format!(
                    "holds {pattern:?}, which is no path from the root of the repository"
                ));
            }
            if parts
                .iter()
                .all(|part| part.bytes().all(|byte| byte == b'*'))
            {
                return Err(format!(
                    "holds {pattern:?}, which would leave nothing to watch"
                ));
            }
            if parts.len() == 1 && !pattern.starts_with('/') {
                parts.insert(0, "**".to_owned());
            }
            patterns.push(parts);
        }
        if patterns.len() > MAX_PATTERNS {
            return Err(format!("holds more than {MAX_PATTERNS} patterns"));
        }
        Ok(Self { patterns })
    }

    /// Tells whether a path, or a folder that it lies in, is named.
    pub fn names(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let depths = 1..=parts.len();
        self.patterns
            .iter()
            .any(|pattern| depths.clone().any(|depth| fits(pattern, &parts[..depth])))
    }

    fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl fmt::Display for Ignore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<String> = self.patterns.iter().map(|parts| parts.join("/")).collect();
        formatter.write_str(&patterns.join(","))
    }
}

/// Compares name by name; `**` takes any number of them. The row says which beginnings of the path the pattern so far
/// fits.
fn fits(pattern: &[String], path: &[&str]) -> bool {
    let mut row = vec![false; path.len() + 1];
    row[0] = true;
    for part in pattern {
        let before = row;
        row = vec![false; path.len() + 1];
        for end in 0..=path.len() {
            row[end] = match part.as_str() {
                "**" => before[end] || (end > 0 && row[end - 1]),
                name => {
                    end > 0 && before[end - 1] && is_like(name.as_bytes(), path[end - 1].as_bytes())
                }
            };
        }
    }
    row[path.len()]
}

/// Compares one name. After a mismatch the last `*` takes one byte more, so the time is bounded by the product of the
/// lengths.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[here] => {
                at += 1;
                here += 1;
            }
            Some(_) | None => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    here = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Tells what is deployed of the watched paths: the entry that git has, where nothing in it is ignored, else the id
/// that the folder would have without what is. Folders that were looked at are known.
pub(super) struct DeployedContents<'repo> {
    repo: &'repo Repository,
    ignore: &'repo Ignore,
    known: HashMap<(Oid, String), Option<Oid>>,
}

impl<'repo> DeployedContents<'repo> {
    pub(super) fn new(repo: &'repo Repository, ignore: &'repo Ignore) -> Self {
        Self {
            repo,
            ignore,
            known: HashMap::new(),
        }
    }

    /// Returns what is deployed of each path. A path that is itself ignored is watched all the same: it was named.
    pub(super) fn of(
        &mut self,
        paths: &[String],
        entries: Vec<Option<Entry>>,
    ) -> Result<Vec<Option<Entry>>, GitFault> {
        if self.ignore.is_empty() {
            return Ok(entries);
        }
        let all = paths.iter().zip(entries);
        all.map(|(path, entry)| match entry {
            Some((id, TREE)) => {
                let folder = if path == WHOLE_REPOSITORY { "" } else { path };
                let left = self.folder(id, folder, 0)?;
                // A folder of nothing but ignored files is there, and empty.
                Ok(Some((left.map_or_else(|| hash(&[]), Ok)?, TREE)))
            }
            Some(_) | None => Ok(entry),
        })
        .collect()
    }

    /// Returns the id of a folder without what is ignored; nothing where nothing is left.
    fn folder(&mut self, id: Oid, path: &str, depth: usize) -> Result<Option<Oid>, GitFault> {
        if depth >= MAX_DEPTH {
            return Ok(Some(id));
        }
        let key = (id, path.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let tree: Tree<'_> = self.repo.find_tree(id).map_err(library)?;
        let mut written = Vec::new();
        let mut is_same = true;
        for entry in &tree {
            let name = String::from_utf8_lossy(entry.name_bytes());
            let below = match path {
                "" => name.into_owned(),
                path => format!("{path}/{name}"),
            };
            let mode = entry.filemode_raw();
            let left = match mode {
                TREE => self.folder(entry.id(), &below, depth + 1)?,
                _ if self.ignore.names(&below) => None,
                _ => Some(entry.id()),
            };
            is_same &= left == Some(entry.id());
            if let Some(left) = left {
                written.extend(format!("{mode:o} ").into_bytes());
                written.extend(entry.name_bytes());
                written.push(0);
                written.extend(left.as_bytes());
            }
        }
        let left = match (is_same, written.is_empty()) {
            (true, _) => Some(id),
            (false, true) => None,
            (false, false) => Some(hash(&written)?),
        };
        self.known.insert(key, left);
        Ok(left)
    }
}

fn hash(tree: &[u8]) -> Result<Oid, GitFault> {
    Oid::hash_object(ObjectType::Tree, tree).map_err(library)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn patterns_name_what_people_mean() {
        let cases = [
            ("**/*.md", "README.md", true),
            ("**/*.md", "apps/checkout/docs/a.md", true),
            ("**/*.md", "apps/checkout/md", false),
            ("**/*.md", "apps/checkout/a.md.yaml", false),
            ("*.md", "apps/checkout/a.md", true),
            ("/*.md", "apps/a.md", false),
            ("/*.md", "a.md", true),
            ("CODEOWNERS", "apps/checkout/CODEOWNERS", true),
            (".github", "apps/.github/workflows/ci.yml", true),
            ("apps/*/docs", "apps/checkout/docs/deep/a.txt", true),
            ("apps/*/docs/", "apps/checkout/docs/a.txt", true),
            ("apps/*/docs", "apps/a/b/docs/a.txt", false),
            ("apps/**/docs/*.txt", "apps/docs/a.txt", true),
            ("apps/**/docs/*.txt", "apps/a/b/docs/a.txt", true),
            ("a?.yaml", "apps/ab.yaml", true),
            ("a?.yaml", "apps/a.yaml", false),
            ("*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("x.yaml,*.md", "a.md", true),
        ];
        for (patterns, path, expected) in cases {
            let ignore = Ignore::parse(patterns).unwrap();
            assert_eq!(ignore.names(path), expected, "{patterns} {path}");
        }
    }

    #[test]
    fn patterns_that_mean_nothing_or_everything_are_refused() {
        for patterns in [
            "",
            "a,,b",
            "**",
            "*",
            "**/*",
            "../a",
            "a//b",
            &"a".repeat(300),
            "a\tb",
        ] {
            assert!(Ignore::parse(patterns).is_err(), "{patterns:?}");
        }
    }
}
