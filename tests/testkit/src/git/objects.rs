//! Trees, commits and references by git's own plumbing, so that the stand-ins and the program share no code.

use std::io::Write;
use std::process::Stdio;

use chrono::{SecondsFormat, Utc};

use crate::git::{GitRepo, git_command};

/// One line of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What a commit says.
pub(crate) struct Commit {
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Person,
    pub(crate) committer: Person,
    pub(crate) message: String,
}

/// Who is named in a commit, and when (RFC 3339).
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) date: String,
}

/// How a person merges a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A commit with two parents.
    Commit,
    /// One new commit on the base branch with the changes of all.
    Squash,
    /// The same commits written anew on the base branch.
    Rebase,
}

/// Merges one branch into another as a forge does, and returns the commit that is on the base branch then. A rebase
/// keeps the message of the commit.
///
/// # Panics
/// If a branch is not there, or does not merge without a conflict.
pub(crate) fn merge(
    repo: &GitRepo,
    base: &str,
    head: &str,
    how: Merge,
    message: &str,
    forge: (&str, &str),
) -> String {
    let tip = branch(repo, base).expect("the base is there");
    let ours = branch(repo, head).expect("the branch is there");
    let merged = git(repo, &["merge-tree", "--write-tree", &tip, &ours], &[], b"");
    let tree = merged.expect("no conflict").trim().to_owned();
    let written = read_commit(repo, &ours);
    let commit = Commit {
        tree,
        parents: match how {
            Merge::Commit => vec![tip.clone(), ours],
            Merge::Squash | Merge::Rebase => vec![tip.clone()],
        },
        author: written.author.clone(),
        committer: Person {
            name: forge.0.to_owned(),
            email: forge.1.to_owned(),
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        },
        message: match how {
            Merge::Commit | Merge::Squash => message.to_owned(),
            Merge::Rebase => written.message,
        },
    };
    let id = write_commit(repo, &commit).expect("a writable repository");
    move_branch(repo, base, &tip, &id).expect("nobody else moves it");
    id
}

/// The id that stands for nothing.
const NOTHING: &str = "0000000000000000000000000000000000000000";

pub(crate) fn git(
    repo: &GitRepo,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &[u8],
) -> Result<String, String> {
    let mut child = git_command()
        .arg("--git-dir")
        .arg(repo.path())
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is installed");
    // git may end before it has read everything.
    child
        .stdin
        .take()
        .expect("a pipe was asked for")
        .write_all(input)
        .ok();
    let output = child.wait_with_output().expect("a child of ours");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr).trim().to_owned())
    }
}

pub(crate) fn kind(repo: &GitRepo, id: &str) -> Option<String> {
    let is_id = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let kind = git(repo, &["cat-file", "-t", id], &[], b"").ok()?;
    is_id.then(|| kind.trim().to_owned())
}

pub(crate) fn branch(repo: &GitRepo, name: &str) -> Option<String> {
    let name = format!("refs/heads/{name}");
    let found = git(repo, &["rev-parse", "--verify", "-q", &name], &[], b"").ok()?;
    Some(found.trim().to_owned())
}

pub(crate) fn create_branch(repo: &GitRepo, name: &str, id: &str) -> Result<(), String> {
    let name = format!("refs/heads/{name}");
    git(repo, &["update-ref", &name, id, NOTHING], &[], b"").map(drop)
}

/// Moves a branch if it is still where it is said to be.
pub(crate) fn move_branch(repo: &GitRepo, name: &str, old: &str, new: &str) -> Result<(), String> {
    let name = format!("refs/heads/{name}");
    git(repo, &["update-ref", &name, new, old], &[], b"").map(drop)
}

pub(crate) fn delete_branch(repo: &GitRepo, name: &str) {
    let name = format!("refs/heads/{name}");
    git(repo, &["update-ref", "-d", &name], &[], b"").expect("the branch is there");
}

pub(crate) fn is_ancestor(repo: &GitRepo, old: &str, new: &str) -> bool {
    git(repo, &["merge-base", "--is-ancestor", old, new], &[], b"").is_ok()
}

pub(crate) fn lines(repo: &GitRepo, tree: &str) -> Vec<Line> {
    let listed = git(repo, &["ls-tree", "-z", tree], &[], b"").expect("a tree");
    listed
        .split_terminator('\0')
        .map(|line| {
            let (entry, name) = line.split_once('\t').expect("ls-tree separates by tab");
            let mut words = entry.split(' ').map(str::to_owned);
            let mut word = || words.next().expect("ls-tree names three things");
            Line {
                mode: word(),
                kind: word(),
                id: word(),
                name: name.to_owned(),
            }
        })
        .collect()
}

/// Puts an entry at a path of a tree and returns the new tree; folders on the way are made.
pub(crate) fn put(
    repo: &GitRepo,
    tree: Option<&str>,
    path: &str,
    entry: &Line,
) -> Result<String, String> {
    let mut kept = tree.map_or_else(Vec::new, |tree| lines(repo, tree));
    let (name, rest) = match path.split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let before = kept.iter().position(|line| line.name == name);
    let before = before.map(|index| kept.remove(index));
    let line = match rest {
        None => Line {
            name: name.to_owned(),
            ..entry.clone()
        },
        Some(rest) => {
            let folder = before.filter(|line| line.kind == "tree");
            let id = put(
                repo,
                folder.as_ref().map(|line| line.id.as_str()),
                rest,
                entry,
            )?;
            Line {
                mode: "040000".to_owned(),
                kind: "tree".to_owned(),
                id,
                name: name.to_owned(),
            }
        }
    };
    kept.push(line);
    let listed: String = kept
        .iter()
        .map(|line| format!("{} {} {}\t{}\0", line.mode, line.kind, line.id, line.name))
        .collect();
    let made = git(repo, &["mktree", "-z"], &[], listed.as_bytes())?;
    Ok(made.trim().to_owned())
}

/// Removes what lies at a path of a tree and returns the new tree; folders that become empty go too.
pub(crate) fn remove(repo: &GitRepo, tree: &str, path: &str) -> Result<String, String> {
    without(repo, tree, path)?.ok_or_else(|| "the tree would be empty".to_owned())
}

fn without(repo: &GitRepo, tree: &str, path: &str) -> Result<Option<String>, String> {
    let mut kept = lines(repo, tree);
    let (name, rest) = match path.split_once('/') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let found = kept.iter().position(|line| line.name == name);
    let mut line = kept.remove(found.ok_or_else(|| format!("{path} is not there"))?);
    if let Some(rest) = rest
        && let Some(id) = without(repo, &line.id, rest)?
    {
        line.id = id;
        kept.push(line);
    }
    if kept.is_empty() {
        return Ok(None);
    }
    let listed: String = kept
        .iter()
        .map(|line| format!("{} {} {}\t{}\0", line.mode, line.kind, line.id, line.name))
        .collect();
    let made = git(repo, &["mktree", "-z"], &[], listed.as_bytes())?;
    Ok(Some(made.trim().to_owned()))
}

pub(crate) fn write_commit(repo: &GitRepo, commit: &Commit) -> Result<String, String> {
    let mut arguments = vec!["commit-tree", &commit.tree];
    for parent in &commit.parents {
        arguments.extend(["-p", parent]);
    }
    let environment = [
        ("GIT_AUTHOR_NAME", commit.author.name.as_str()),
        ("GIT_AUTHOR_EMAIL", &commit.author.email),
        ("GIT_AUTHOR_DATE", &commit.author.date),
        ("GIT_COMMITTER_NAME", &commit.committer.name),
        ("GIT_COMMITTER_EMAIL", &commit.committer.email),
        ("GIT_COMMITTER_DATE", &commit.committer.date),
        ("TZ", "UTC"),
    ];
    let made = git(repo, &arguments, &environment, commit.message.as_bytes())?;
    Ok(made.trim().to_owned())
}

pub(crate) fn read_commit(repo: &GitRepo, id: &str) -> Commit {
    let format = "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B";
    let shown = git(
        repo,
        &["log", "-1", "--no-show-signature", format, id],
        &[],
        b"",
    )
    .expect("a commit");
    let mut parts = shown.splitn(9, '\0').map(str::to_owned);
    let mut part = || parts.next().expect("as many parts as were asked for");
    let tree = part();
    let parents = part().split_whitespace().map(str::to_owned).collect();
    let mut person = || Person {
        name: part(),
        email: part(),
        date: part(),
    };
    let (author, committer) = (person(), person());
    Commit {
        tree,
        parents,
        author,
        committer,
        message: part(),
    }
}
