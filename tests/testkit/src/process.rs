//! Child processes that never outlive the test.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A running child process; killed and reaped on drop, and also when the test process itself is killed.
#[derive(Debug)]
pub(crate) struct Guarded {
    child: Child,
    watchdog: Child,
}

impl Guarded {
    /// Starts `command`; `folder` is removed by the watchdog if this process dies without cleaning up.
    pub(crate) fn spawn(command: &mut Command, folder: &Path) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}", missing(&program, &error)));
        // The watchdog reads from a pipe that only this process holds open: the read ends when this process dies,
        // whatever killed it. A static is never dropped, so this is also how the shared fixtures end.
        let watchdog = Command::new("sh")
            .args([
                "-c",
                "read -r _; kill -9 \"$1\"; sleep 0.2; rm -rf \"$2\"",
                "watchdog",
            ])
            .arg(child.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a POSIX shell is installed");
        Self { child, watchdog }
    }

    /// Returns what the child writes to its standard error, if that is piped and not taken yet.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Returns what the child writes to its standard output, if that is piped and not taken yet.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Returns how the child ended, or nothing while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the child is ours to wait for")
    }
}

/// Protects a test from a server that never listens: the start fails with what it logged.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Waits for the line of a log in which something is found, and returns it, or the log if there never is one. What is
/// logged later is read and dropped, so that the process never waits for a reader.
pub(crate) fn logged<T>(
    log: impl Read + Send + 'static,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // Nobody listens once it is found.
            let _ = sender.send(line);
        }
    });
    let mut seen = String::new();
    while let Ok(line) = receiver.recv_timeout(START_LIMIT) {
        if let Some(found) = find(&line) {
            return Ok(found);
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    Err(seen)
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The watchdog goes first: after the child is reaped its process id may belong to somebody else.
        // A kill fails only when the process has already ended, which is what is wanted.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says what to do about a program that could not be started.
pub(crate) fn missing(program: &str, error: &std::io::Error) -> String {
    format!("cannot start `{program}` ({error}): run scripts/test.sh, which installs it")
}
