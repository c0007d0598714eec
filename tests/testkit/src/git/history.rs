//! What git itself says about a repository, and long histories made quickly.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use chrono::{DateTime, Utc};
use git2::{Oid, Signature, Time};

use super::repo::{GitRepo, git_command};

impl GitRepo {
    /// Appends `count` commits to `main`; each of them rewrites the file at `path`, one second after the other.
    ///
    /// # Panics
    /// If nothing was committed yet.
    pub fn commit_many(&self, count: usize, path: &str, from: DateTime<Utc>) {
        let mut stream = String::new();
        let mut parent = format!("from {}\n", self.tip());
        for number in 0..count {
            let message = format!("{path}: change {number}\n");
            let content = format!("{}-{number}\n", from.timestamp());
            let at = from.timestamp() + i64::try_from(number).expect("a small number");
            stream.push_str(&format!(
                "commit refs/heads/main\ncommitter Bot <bot@example.com> {at} +0000\ndata {}\n{message}\n{parent}M 100644 inline \"{path}\"\ndata {}\n{content}\n",
                message.len(),
                content.len(),
            ));
            parent.clear();
        }
        let mut import = git_command()
            .arg("--git-dir")
            .arg(self.path())
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("git is there");
        import
            .stdin
            .take()
            .expect("a pipe was asked for")
            .write_all(stream.as_bytes())
            .expect("git reads it all");
        assert!(import.wait().expect("our own child").success());
    }

    /// Returns the ids of the commits that changed `path` along the first parents of `main`, newest first, as git sees
    /// them.
    pub fn path_history(&self, path: &str) -> Vec<String> {
        self.path_history_of("main", path)
    }

    /// The same along the first parents of any revision.
    pub fn path_history_of(&self, revision: &str, path: &str) -> Vec<String> {
        let revisions = ["log", "--first-parent", "--format=%H", revision, "--", path];
        self.lines(&revisions)
    }

    /// Returns the ids of a commit's parents, first parent first.
    pub fn parents_of(&self, revision: &str) -> Vec<String> {
        let line = self.lines(&["log", "-1", "--format=%P", revision]).join("");
        line.split_whitespace().map(str::to_owned).collect()
    }

    /// Returns mode, id and path of every file of a revision.
    pub fn files_at(&self, revision: &str) -> BTreeMap<String, String> {
        self.lines(&["-c", "core.quotePath=false", "ls-tree", "-r", revision])
            .into_iter()
            .map(|line| {
                let (object, path) = line.split_once('\t').expect("a line of ls-tree");
                (path.to_owned(), object.to_owned())
            })
            .collect()
    }

    /// Points a branch to a commit, whatever it pointed to before: the other end of a forced push.
    pub fn reset(&self, branch: &str, revision: &str) {
        let id = Oid::from_str(revision).expect("a commit id");
        self.repository()
            .reference(&format!("refs/heads/{branch}"), id, true, "reset")
            .expect("our own repository is writable");
    }

    /// Gives a commit, a tree or a file a light tag.
    pub fn tag(&self, name: &str, id: &str) {
        let id = Oid::from_str(id).expect("an object id");
        self.repository()
            .reference(&format!("refs/tags/{name}"), id, true, "tag")
            .expect("our own repository is writable");
    }

    /// Gives an object an annotated tag and returns the id of the tag, which may be tagged in turn.
    pub fn annotate(&self, name: &str, id: &str) -> String {
        let repository = self.repository();
        let object = Oid::from_str(id)
            .and_then(|id| repository.find_object(id, None))
            .expect("an object id");
        let who = Signature::new("Release", "release@example.com", &Time::new(0, 0))
            .expect("a valid name and address");
        repository
            .tag(name, &object, &who, "a release", true)
            .expect("our own repository is writable")
            .to_string()
    }

    /// Adds `count` pull requests' references to a commit at once, in one packed file, as old repositories have them.
    ///
    /// # Panics
    /// If references were packed before.
    pub fn pack_many_refs(&self, count: usize, revision: &str) {
        let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        let mut names: Vec<String> = (0..count)
            .map(|number| format!("refs/pull/{number}/head"))
            .collect();
        names.sort();
        for name in names {
            packed.push_str(&format!("{revision} {name}\n"));
        }
        let file = self.path().join("packed-refs");
        assert!(!file.exists(), "references are packed already");
        fs::write(file, packed).expect("our own repository");
    }

    /// Changes a setting of the repository, such as `receive.denyNonFastForwards`.
    pub fn configure(&self, name: &str, value: impl Display) {
        self.repository()
            .config()
            .and_then(|mut config| config.set_str(name, &value.to_string()))
            .expect("settings of our own repository");
    }

    /// Gives a branch another name.
    pub fn rename_branch(&self, from: &str, to: &str) {
        self.repository()
            .find_reference(&format!("refs/heads/{from}"))
            .and_then(|mut reference| reference.rename(&format!("refs/heads/{to}"), true, "rename"))
            .expect("the branch is there");
    }

    /// Deletes a branch.
    pub fn delete_branch(&self, branch: &str) {
        self.repository()
            .find_reference(&format!("refs/heads/{branch}"))
            .and_then(|mut reference| reference.delete())
            .expect("the branch is there");
    }

    fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.git(arguments);
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .expect("test files have readable names")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}
