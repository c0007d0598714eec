//! Git's protocol over SSH: the packets travel through the standard streams of the OpenSSH client.
//!
//! The program `ssh` asks nobody anything, trusts only host keys that it was given, and never outlives its
//! connection. Three threads carry its streams, so that every wait here has an end and a server that writes while it
//! reads blocks nobody.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::{GitFault, SshFault};
use super::service::GitService;

/// How much of an answer is read at once (bytes), and how many such pieces may wait. Protects memory: a server that
/// sends faster than its answer is read waits itself.
const PIECE_BYTES: usize = 32 * 1024;
const PIECES: usize = 4;

/// How much of what `ssh` and the server say last is kept (bytes).
const WORDS_BYTES: usize = 4 * 1024;

/// Longest quotation of it, in characters; it keeps the end, where the reason stands.
const WORDS_CHARS: usize = 190;

/// How long `ssh` may take to end once its answer has ended. Past this it is killed, and its last words are lost.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where a repository is, and with what `ssh` gets there. Nothing in it begins with `-` or holds control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshRemote {
    /// The program: `ssh`, looked up in `PATH`.
    pub program: PathBuf,
    /// The user; nothing where `ssh` has its own settings for the host.
    pub user: Option<String>,
    /// A name or an address without brackets, or an alias of the user's own settings.
    pub host: String,
    /// The port, where it is not that of SSH or of the user's own settings.
    pub port: Option<u16>,
    /// The path as the server is told; relative to the home folder where it begins with no `/`.
    pub path: String,
    /// File with the private key, instead of those of the agent and of the home folder.
    pub key_file: Option<PathBuf>,
    /// File with the keys of known hosts, instead of the one in the home folder.
    pub known_hosts_file: Option<PathBuf>,
    /// Variables of this program that `ssh` does not get to see, because they may hold secrets.
    pub hidden_variables: Vec<String>,
}

impl SshRemote {
    /// Starts `ssh`, and with it git on the server, which begins by saying what it has.
    ///
    /// # Errors
    /// Fails when the program cannot be started. What it says comes by reading.
    pub(super) fn connect(
        &self,
        service: GitService,
        left: Duration,
    ) -> Result<Connection, GitFault> {
        let mut child = self.command(service, left).spawn().map_err(not_started)?;
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (pieces, received) = mpsc::sync_channel(PIECES);
        let (last, words) = mpsc::sync_channel(1);
        // From here on it is killed on every way out.
        let connection = Connection {
            service,
            child,
            input,
            sender: None,
            pieces: received,
            words,
        };
        if let Some(output) = output {
            thread::Builder::new()
                .spawn(move || pass_on(output, &pieces))
                .map_err(not_started)?;
        }
        if let Some(errors) = errors {
            thread::Builder::new()
                .spawn(move || keep_last(errors, &last))
                .map_err(not_started)?;
        }
        Ok(connection)
    }

    fn command(&self, service: GitService, left: Duration) -> Command {
        let mut command = Command::new(&self.program);
        for setting in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            // A key that the server offers beside its own would be written into the user's files.
            "UpdateHostKeys=no",
            // A shared connection would live on in the background, out of reach of the deadline.
            "ControlMaster=no",
            "ControlPath=none",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "PermitLocalCommand=no",
            "EscapeChar=none",
            // Where this program is killed, nobody else ends a connection to a host that is gone.
            "ServerAliveInterval=15",
            // Failures only: neither banners nor warnings.
            "LogLevel=ERROR",
        ] {
            command.args(["-o", setting]);
        }
        let seconds = left.as_secs().saturating_add(1);
        command.args(["-T", "-x", "-o", &format!("ConnectTimeout={seconds}")]);
        if let Some(file) = &self.key_file {
            command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(file);
        }
        if let Some(file) = &self.known_hosts_file {
            let setting = format!("UserKnownHostsFile={}", file.display());
            command.args(["-o", &setting, "-o", "GlobalKnownHostsFile=none"]);
        }
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &self.user {
            command.args(["-l", user]);
        }
        command.args(["--", &self.host]);
        command.arg(format!("{} {}", service.name(), quoted(&self.path)));
        for variable in &self.hidden_variables {
            command.env_remove(variable);
        }
        command
            // The user's settings may pass it on, and it would ask for another version of the protocol.
            .env_remove("GIT_PROTOCOL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn not_started(error: io::Error) -> GitFault {
    let why = error.to_string();
    GitFault::Ssh(SshFault::NotStarted { why })
}

/// Quotes a path for the shell on the server.
fn quoted(path: &str) -> String {
    let path = path.replace('\'', r"'\''").replace('!', r"'\!'");
    format!("'{path}'")
}

/// A running `ssh`, which is killed when this goes.
pub(super) struct Connection {
    service: GitService,
    child: Child,
    /// Nothing once the request is on its way.
    input: Option<ChildStdin>,
    /// Sends the request and, where the server then sends history, keeps the stream open: git too lets go of it only
    /// after the answer, and a server may take the end of the stream for that of the client.
    sender: Option<JoinHandle<Option<ChildStdin>>>,
    pieces: Receiver<Vec<u8>>,
    words: Receiver<Vec<u8>>,
}

impl Connection {
    /// Tells whether no request was sent yet to this service.
    pub(super) fn waits_for(&self, service: GitService) -> bool {
        self.service == service && self.input.is_some()
    }

    /// Sends the request, and then no more; what cannot be sent shows in the answer.
    ///
    /// # Errors
    /// Fails when no thread can be started.
    pub(super) fn send(&mut self, request: Vec<u8>) -> Result<(), GitFault> {
        let Some(mut input) = self.input.take() else {
            return Ok(());
        };
        let stays_open = self.service == GitService::UploadPack;
        let send = move || {
            input.write_all(&request).unwrap_or_default();
            stays_open.then_some(input)
        };
        let sender = thread::Builder::new().spawn(send).map_err(not_started)?;
        self.sender = Some(sender);
        Ok(())
    }

    /// Tells the server that there is nothing more to come.
    pub(super) fn hang_up(&mut self) {
        self.sender = None;
    }

    /// Returns the next piece of what the server sends, waiting for it; nothing at the end.
    ///
    /// # Errors
    /// Fails when none came in the time that is left.
    pub(super) fn receive(&mut self, left: Duration) -> Result<Option<Vec<u8>>, GitFault> {
        match self.pieces.recv_timeout(left) {
            Ok(piece) => Ok(Some(piece)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(GitFault::Deadline),
        }
    }

    /// Returns why the stream ended, after it did.
    pub(super) fn end(&mut self, left: Duration) -> GitFault {
        let words = self.words.recv_timeout(left.min(LAST_WORDS));
        let words = words.unwrap_or_default();
        // It has ended, or it never will.
        let code = self.stop();
        fault(code, &last_words(&words))
    }

    /// Ends the program; returns its exit code where it ended by itself.
    fn stop(&mut self) -> Option<i32> {
        // This fails only where it has ended.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok().and_then(|status| status.code())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Passes a stream on in pieces until it ends or nobody listens.
fn pass_on(mut stream: impl Read, pieces: &SyncSender<Vec<u8>>) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        if pieces.send(piece[..length].to_vec()).is_err() {
            return;
        }
    }
}

/// Reads a stream to its end and passes on what came last.
fn keep_last(mut stream: impl Read, last: &SyncSender<Vec<u8>>) {
    let mut kept = Vec::new();
    let mut piece = [0; WORDS_BYTES];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        kept.extend_from_slice(&piece[..length]);
        kept.drain(..kept.len().saturating_sub(WORDS_BYTES));
    }
    // Nobody listens any more where nothing went wrong.
    last.send(kept).unwrap_or_default();
}

/// Returns the last lines that say something, as far as they are short enough to be quoted.
fn last_words(text: &[u8]) -> String {
    let mut words = String::new();
    for line in text.split(|byte| *byte == b'\n').rev() {
        let line = crate::clients::http::quote(line);
        if !line.contains(char::is_alphanumeric) {
            continue;
        }
        if words.is_empty() {
            words = line;
        } else if words.chars().count() + line.chars().count() < WORDS_CHARS {
            words = format!("{line} {words}");
        } else {
            break;
        }
    }
    words
}

/// The exit code by which `ssh` says that it failed itself; any other is that of the program on the server. Source:
/// ssh(1), "EXIT STATUS".
const SSH_FAILED: i32 = 255;

fn fault(code: Option<i32>, words: &str) -> GitFault {
    let words = match words {
        "" => "it said nothing".to_owned(),
        words => words.to_owned(),
    };
    GitFault::Ssh(match code {
        Some(0) => return GitFault::Cut,
        None => SshFault::Broken { words },
        Some(SSH_FAILED) if words.contains("Host key verification failed") => {
            SshFault::HostKey { words }
        }
        Some(SSH_FAILED) if words.contains("Permission denied") => SshFault::Denied { words },
        Some(SSH_FAILED) => SshFault::Broken { words },
        Some(_) => SshFault::Refused { words },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_to_the_shell_of_the_server() {
        for (path, shown) in [
            ("/srv/git/deploy.git", "'/srv/git/deploy.git'"),
            ("a b;$(c)`d`", "'a b;$(c)`d`'"),
            ("it's!", r"'it'\''s'\!''"),
        ] {
            assert_eq!(quoted(path), shown);
            let output = Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(path))])
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), path);
        }
    }

    #[test]
    fn the_end_of_what_was_said_is_kept() {
        assert_eq!(last_words(b""), "");
        assert_eq!(last_words(b"one\n====\n\ntwo\r\n"), "one two");
        let long = format!("{}\n{}\nthe reason\n", "x".repeat(300), "y".repeat(150));
        assert_eq!(
            last_words(long.as_bytes()),
            format!("{} the reason", "y".repeat(150))
        );
        let (last, words) = mpsc::sync_channel(1);
        keep_last(
            &[vec![b'x'; 3 * WORDS_BYTES], b"end".to_vec()].concat()[..],
            &last,
        );
        let kept = words.recv().expect("what was kept");
        assert!(kept.len() == WORDS_BYTES && kept.ends_with(b"xend"));
    }

    #[test]
    fn the_exit_code_says_who_failed() {
        for (code, words, name, is_transient) in [
            (
                Some(255),
                "git@h: Permission denied (publickey).",
                "Denied",
                false,
            ),
            (Some(255), "Host key verification failed.", "HostKey", false),
            (
                Some(255),
                "connect to host h port 22: Connection refused",
                "Broken",
                true,
            ),
            (Some(128), "fatal: Permission denied", "Refused", false),
            (None, "", "Broken", true),
            (Some(0), "", "Cut", true),
        ] {
            let fault = fault(code, words);
            assert!(format!("{fault:?}").contains(name), "{fault}");
            assert_eq!(fault.is_transient(), is_transient, "{fault}");
        }
    }
}
