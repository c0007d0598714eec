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

/// Serves bare repositories of its own folder by JGit, to whoever asks; stopped on drop.
#[derive(Debug)]
pub struct JGitServer {
    // Fields are dropped in this order: the process must end before its folder goes.
    _process: Guarded,
    port: u16,
    folder: TempDir,
}

impl JGitServer {
    /// Starts one on a port that the operating system chooses. Nothing where JGit was not fetched on this machine, which
    /// standard error then says.
    ///
    /// # Panics
    /// If it does not start, or was not fetched and `CI` is `true`.
    pub fn start() -> Option<Self> {
        let jars = built("jgit", "jars.sha256")?.with_file_name("*");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = Guarded::spawn(
            Command::new("java")
                .args(["-Xmx256m", "-Dslf4j.internal.verbosity=ERROR"])
                .arg("--class-path")
                .arg(jars)
                .arg(SOURCE)
                .arg(folder.path())
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
            folder,
        })
    }

    /// Creates an empty repository; `name` is its path below the server's root, without `.git`.
    pub fn create(&self, name: &str) -> GitRepo {
        GitRepo::create(&self.folder_of(name))
    }

    /// Returns the URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}.git", self.port)
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(format!("{name}.git"))
    }
}
