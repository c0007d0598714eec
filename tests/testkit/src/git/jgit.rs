//! A real JGit server, as it serves git inside Gerrit.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::GitRepo;
use crate::process::Guarded;
use crate::servers::built;

/// Turns JGit's protocol code into a server.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/jgit/JGitServer.java");

/// Serves bare repositories of a folder by JGit, to whoever asks; stopped on drop.
#[derive(Debug)]
pub struct JGitServer {
    // Fields are dropped in this order: the process must end before its folder goes.
    _process: Guarded,
    port: u16,
    root: PathBuf,
    _folder: TempDir,
}

impl JGitServer {
    /// Starts one on a port that the operating system chooses. Nothing where JGit was not fetched on this machine, which
    /// standard error then says.
    ///
    /// # Panics
    /// If it does not start, or was not fetched and `CI` is `true`.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().to_owned();
        Self::on(folder, root)
    }

    /// The same for the repositories of a folder that is there.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn serving(root: &Path) -> Option<Self> {
        Self::on(
            tempfile::tempdir().expect("a temporary folder"),
            root.to_owned(),
        )
    }

    fn on(folder: TempDir, root: PathBuf) -> Option<Self> {
        let jars = built("jgit", "jars.sha256")?.with_file_name("*");
        let mut process = Guarded::spawn(
            Command::new("java")
                .args(["-Xmx256m", "-Dslf4j.internal.verbosity=ERROR"])
                .arg("--class-path")
                .arg(jars)
                .arg(SOURCE)
                .arg(&root)
                // JGit reads and writes settings there.
                .env("HOME", folder.path())
                .env("XDG_CONFIG_HOME", folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
            folder.path(),
        );
        let stdout = process.take_stdout().expect("it is piped");
        let mut line = String::new();
        // Its end, where it does not start.
        let read = BufReader::new(stdout.take(64)).read_line(&mut line);
        read.expect("a pipe can be read");
        let port = line.trim().parse();
        let port = port.expect("JGit's server says its port; standard error says why it does not");
        Some(Self {
            _process: process,
            port,
            root,
            _folder: folder,
        })
    }

    /// Creates an empty repository; `name` is its path below the server's root, without `.git`.
    pub fn create(&self, name: &str) -> GitRepo {
        GitRepo::create(&self.folder_of(name))
    }

    /// Returns the URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.base_url())
    }

    /// Returns the URL of the folder.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.git"))
    }
}
