//! A bare repository and commits made without a working copy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{DateTime, Utc};
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, Signature, Sort, Time, Tree};

use crate::process;

/// A bare repository that accepts pushes over HTTP; its default branch is `main`.
#[derive(Clone, Debug)]
pub struct GitRepo {
    path: PathBuf,
}

/// One commit of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Commit id in hexadecimal.
    pub id: String,
    /// Ids of the parents, first parent first.
    pub parents: Vec<String>,
    /// Author as `Name <address>`.
    pub author: String,
    /// Committer time.
    pub committed_at: DateTime<Utc>,
    /// Whole message.
    pub message: String,
}

impl GitRepo {
    /// Creates a bare repository in the folder `path`, which must not exist yet.
    pub fn create(path: &Path) -> Self {
        let mut options = git2::RepositoryInitOptions::new();
        options
            .bare(true)
            .mkpath(true)
            .no_reinit(true)
            .external_template(false)
            .initial_head("main");
        let repository = Repository::init_opts(path, &options).expect("a new folder");
        let mut config = repository.config().expect("a new repository has settings");
        config
            .set_bool("http.receivepack", true)
            .expect("settings of our own repository");
        // A cleanup in the background would still be at work when the folder is removed.
        config
            .set_bool("receive.autogc", false)
            .expect("settings of our own repository");
        Self {
            path: path.to_owned(),
        }
    }

    /// Opens an existing bare repository.
    pub fn open(path: &Path) -> Self {
        Repository::open_bare(path).expect("a bare repository");
        Self {
            path: path.to_owned(),
        }
    }

    /// Returns the folder of the repository.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits file changes on top of `main` and returns the id; `None` as content removes the file.
    ///
    /// Author and committer time are both `at`, in whole seconds.
    pub fn commit(
        &self,
        message: &str,
        at: DateTime<Utc>,
        changes: &[(&str, Option<&str>)],
    ) -> String {
        changes
            .iter()
            .fold(
                self.prepare(message, at),
                |commit, (path, content)| match content {
                    Some(content) => commit.write(path, content),
                    None => commit.remove(path),
                },
            )
            .create()
    }

    /// Prepares a commit that needs more than [`commit`](Self::commit) offers.
    pub fn prepare(&self, message: &str, at: DateTime<Utc>) -> NewCommit<'_> {
        NewCommit {
            repo: self,
            message: message.to_owned(),
            at,
            author: ("Dev".to_owned(), "dev@example.com".to_owned()),
            committed_at: at,
            branch: "main".to_owned(),
            parents: None,
            changes: Vec::new(),
        }
    }

    /// Returns the id of the newest commit of `main`.
    ///
    /// # Panics
    /// If nothing was committed yet.
    pub fn tip(&self) -> String {
        self.id_at("main")
    }

    /// Returns the id of the commit that `revision` names.
    ///
    /// # Panics
    /// If there is none.
    pub fn id_at(&self, revision: &str) -> String {
        let repository = self.repository();
        let object = repository
            .revparse_single(revision)
            .expect("a known revision");
        object.peel_to_commit().expect("a commit").id().to_string()
    }

    /// Returns the id of the tree or file at `path` in `revision`, if it is there; an empty path is the whole tree.
    pub fn tree_at(&self, revision: &str, path: &str) -> Option<String> {
        let repository = self.repository();
        let tree = repository
            .revparse_single(revision)
            .ok()?
            .peel_to_tree()
            .ok()?;
        if path.is_empty() {
            return Some(tree.id().to_string());
        }
        tree.get_path(Path::new(path))
            .ok()
            .map(|entry| entry.id().to_string())
    }

    /// Returns the text of the file at `path` in `revision`, if it is there.
    pub fn file_at(&self, revision: &str, path: &str) -> Option<String> {
        let repository = self.repository();
        let tree = repository
            .revparse_single(revision)
            .ok()?
            .peel_to_tree()
            .ok()?;
        let entry = tree.get_path(Path::new(path)).ok()?;
        let blob = entry.to_object(&repository).ok()?.peel_to_blob().ok()?;
        Some(String::from_utf8(blob.content().to_vec()).expect("test files are text"))
    }

    /// Returns the commits of `main`, newest first, each after all its children.
    pub fn log(&self) -> Vec<LogEntry> {
        self.log_of("main")
    }

    /// Returns the commits of `revision`, newest first, each after all its children; none if it does not exist.
    pub fn log_of(&self, revision: &str) -> Vec<LogEntry> {
        let repository = self.repository();
        let Ok(tip) = repository.revparse_single(revision) else {
            return Vec::new();
        };
        let mut walk = repository.revwalk().expect("our own repository");
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)
            .expect("a fresh walk");
        walk.push(tip.id()).expect("a commit");
        walk.map(|id| log_entry(&repository, id.expect("a complete history")))
            .collect()
    }

    /// Returns all references and what they point to, one a line: equal before and after when nothing was pushed.
    pub fn refs_fingerprint(&self) -> String {
        let output = self.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        assert!(
            output.status.success(),
            "git for-each-ref: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("references are text")
    }

    /// Checks every object with `git fsck --full --strict`.
    ///
    /// # Panics
    /// If git finds fault with the repository.
    pub fn fsck(&self) {
        let output = self.git(&[
            "fsck",
            "--full",
            "--strict",
            "--no-dangling",
            "--no-progress",
        ]);
        assert!(
            output.status.success() && output.stdout.is_empty(),
            "git fsck: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Installs a hook, for example `set_hook("pre-receive", "#!/bin/sh\necho no >&2\nexit 1\n")`.
    pub fn set_hook(&self, name: &str, script: &str) {
        let hooks = self.path.join("hooks");
        fs::create_dir_all(&hooks).expect("our own repository");
        // A script that is still open for writing in another thread's child cannot be run: it is written elsewhere
        // first.
        let draft = hooks.join(format!("{name}.draft"));
        fs::write(&draft, script).expect("our own repository");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("our own file");
        fs::rename(&draft, hooks.join(name)).expect("our own repository");
    }

    /// Makes the server refuse every push with a message, as a branch protection does.
    pub fn decline_pushes(&self, message: &str) {
        self.set_hook(
            "pre-receive",
            &format!("#!/bin/sh\ncat >/dev/null\necho '{message}' >&2\nexit 1\n"),
        );
    }

    /// Removes a hook; nothing happens if there is none.
    pub fn remove_hook(&self, name: &str) {
        let hook = self.path.join("hooks").join(name);
        if hook.exists() {
            fs::remove_file(hook).expect("our own file");
        }
    }

    pub(super) fn git(&self, arguments: &[&str]) -> Output {
        git_command()
            .arg("--git-dir")
            .arg(&self.path)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{}", process::missing("git", &error)))
    }

    pub(super) fn repository(&self) -> Repository {
        Repository::open_bare(&self.path).expect("our own repository")
    }
}

/// A commit in the making; [`create`](Self::create) writes it.
#[derive(Debug)]
#[must_use = "nothing is written before `create`"]
pub struct NewCommit<'a> {
    repo: &'a GitRepo,
    message: String,
    at: DateTime<Utc>,
    author: (String, String),
    committed_at: DateTime<Utc>,
    branch: String,
    parents: Option<Vec<String>>,
    changes: Vec<(String, Change)>,
}

#[derive(Debug)]
enum Change {
    Write(String, FileMode),
    EmptyFolder,
    Remove,
}

impl NewCommit<'_> {
    /// Sets author and committer.
    pub fn author(mut self, name: &str, email: &str) -> Self {
        self.author = (name.to_owned(), email.to_owned());
        self
    }

    /// Sets the committer time apart from the author time, as a rebase does.
    pub fn committed_at(mut self, at: DateTime<Utc>) -> Self {
        self.committed_at = at;
        self
    }

    /// Commits on another branch than `main`; a new branch without explicit parents begins at `main`.
    pub fn branch(mut self, branch: &str) -> Self {
        self.branch = branch.to_owned();
        self
    }

    /// Sets the parents, first parent first; several make a merge. The files are those of the first parent.
    pub fn parents(mut self, parents: &[&str]) -> Self {
        self.parents = Some(parents.iter().map(|parent| (*parent).to_owned()).collect());
        self
    }

    /// Writes a file.
    pub fn write(mut self, path: &str, content: &str) -> Self {
        self.changes.push((
            path.to_owned(),
            Change::Write(content.to_owned(), FileMode::Blob),
        ));
        self
    }

    /// Writes an executable file.
    pub fn write_executable(mut self, path: &str, content: &str) -> Self {
        self.changes.push((
            path.to_owned(),
            Change::Write(content.to_owned(), FileMode::BlobExecutable),
        ));
        self
    }

    /// Writes a symbolic link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.changes.push((
            path.to_owned(),
            Change::Write(target.to_owned(), FileMode::Link),
        ));
        self
    }

    /// Puts a folder with nothing in it at `path`, which no working copy can make, in place of what is there.
    pub fn empty_folder(mut self, path: &str) -> Self {
        self.changes.push((path.to_owned(), Change::EmptyFolder));
        self
    }

    /// Removes a file or a whole folder.
    pub fn remove(mut self, path: &str) -> Self {
        self.changes.push((path.to_owned(), Change::Remove));
        self
    }

    /// Writes the commit, moves the branch to it and returns its id.
    ///
    /// # Panics
    /// If a parent is unknown or a removed path is not there.
    pub fn create(self) -> String {
        let repository = self.repo.repository();
        let reference = format!("refs/heads/{}", self.branch);
        let parents: Vec<Oid> = match &self.parents {
            Some(parents) => parents
                .iter()
                .map(|id| Oid::from_str(id).expect("a commit id"))
                .collect(),
            None => [reference.as_str(), "refs/heads/main"]
                .into_iter()
                .find_map(|name| repository.refname_to_id(name).ok())
                .into_iter()
                .collect(),
        };
        let parents: Vec<_> = parents
            .into_iter()
            .map(|id| repository.find_commit(id).expect("a known parent"))
            .collect();
        let base = parents
            .first()
            .map(|parent| parent.tree().expect("a commit has a tree"));
        let tree = updated_tree(&repository, base, &self.changes);
        let author = signature(&self.author, self.at);
        let committer = signature(&self.author, self.committed_at);
        let parents: Vec<_> = parents.iter().collect();
        let id = repository
            .commit(None, &author, &committer, &self.message, &tree, &parents)
            .expect("our own repository is writable");
        repository
            .reference(&reference, id, true, &self.message)
            .expect("our own repository is writable");
        id.to_string()
    }
}

/// Returns a git command that sees neither the settings nor the environment of the person who runs the tests.
pub(crate) fn git_command() -> Command {
    let mut command = Command::new("git");
    command.env_clear().envs(git_environment());
    command
}

/// Returns the environment in which git runs.
pub(super) fn git_environment() -> Vec<(&'static str, String)> {
    vec![
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", "/nonexistent".to_owned()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        ("LC_ALL", "C".to_owned()),
    ]
}

fn updated_tree<'r>(
    repository: &'r Repository,
    base: Option<Tree<'r>>,
    changes: &[(String, Change)],
) -> Tree<'r> {
    let base = base.unwrap_or_else(|| {
        let empty = repository
            .treebuilder(None)
            .and_then(|builder| builder.write())
            .expect("an empty tree");
        repository.find_tree(empty).expect("just written")
    });
    let mut builder = TreeUpdateBuilder::new();
    for (path, change) in changes {
        match change {
            Change::Write(content, mode) => {
                let blob = repository
                    .blob(content.as_bytes())
                    .expect("our own repository is writable");
                builder.upsert(path.as_str(), blob, *mode);
            }
            Change::EmptyFolder => {
                let empty = repository
                    .treebuilder(None)
                    .and_then(|builder| builder.write())
                    .expect("our own repository is writable");
                builder.upsert(path.as_str(), empty, FileMode::Tree);
            }
            Change::Remove => {
                builder.remove(path.as_str());
            }
        }
    }
    let id = builder
        .create_updated(repository, &base)
        .expect("every removed path is there");
    repository.find_tree(id).expect("just written")
}

fn log_entry(repository: &Repository, id: Oid) -> LogEntry {
    let commit = repository.find_commit(id).expect("a complete history");
    let author = commit.author();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    LogEntry {
        id: id.to_string(),
        parents: commit
            .parent_ids()
            .map(|parent| parent.to_string())
            .collect(),
        author: format!(
            "{} <{}>",
            text(author.name_bytes()),
            text(author.email_bytes())
        ),
        committed_at: DateTime::from_timestamp(commit.time().seconds(), 0)
            .expect("a representable time"),
        message: text(commit.message_bytes()),
    }
}

fn signature((name, email): &(String, String), at: DateTime<Utc>) -> Signature<'static> {
    Signature::new(name, email, &Time::new(at.timestamp(), 0)).expect("a valid name and address")
}
