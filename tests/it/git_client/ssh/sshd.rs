//! An SSH server of the test's own: any user may run it, and it serves nobody else.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use error_budget_monitor::clients::git::SshRemote;
use tempfile::TempDir;

/// It must be called by its whole path.
const SSHD: &str = "/usr/sbin/sshd";

/// A host on loopback with one user, who has one key. Each connection is served by an `sshd` of its own, as inetd
/// does it, so that the port is ours before the first of them.
pub(super) struct SshHost {
    folder: TempDir,
    port: u16,
    connections: Arc<AtomicUsize>,
    server: Option<JoinHandle<()>>,
}

impl SshHost {
    /// Starts one. Nothing where no `sshd` is installed, which standard error then says.
    ///
    /// # Panics
    /// If it does not start, or is not installed and `CI` is `true`.
    pub(super) fn start() -> Option<Self> {
        if !Path::new(SSHD).is_file() {
            let whole = std::env::var("CI").is_ok_and(|ci| ci == "true");
            let missing = format!("NOT RUN: {SSHD} is missing: install openssh-server");
            assert!(!whole, "{missing}");
            // Not by a macro, whose words the test runner hides where a test passes.
            writeln!(std::io::stderr(), "{missing}").expect("standard error is open");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for key in ["host_key", "user_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"])
                .arg(folder.path().join(key))
                .status();
            assert!(made.expect("OpenSSH is installed").success());
        }
        // Where sshd is run by root it wants this folder, which Debian makes when the service starts. It stays empty.
        fs::create_dir_all("/run/sshd").unwrap_or_default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut host = Self {
            folder,
            port,
            connections: Arc::clone(&connections),
            server: None,
        };
        host.write("sshd_config", &host.settings());
        host.write("known_hosts", &host.known_line(&host));
        host.write("authorized_keys", &host.read("user_key.pub"));
        let folder = host.folder().to_owned();
        host.server = Some(thread::spawn(move || {
            serve(&listener, &folder, &connections)
        }));
        Some(host)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many connections were made so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the way to a repository on this host.
    pub(super) fn remote(&self, repository: &Path) -> SshRemote {
        SshRemote {
            program: "ssh".into(),
            user: None,
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            path: repository.to_str().expect("a plain path").to_owned(),
            key_file: Some(self.folder().join("user_key")),
            known_hosts_file: Some(self.folder().join("known_hosts")),
            hidden_variables: Vec::new(),
        }
    }

    /// Lets nobody in from now on.
    pub(super) fn forget_keys(&self) {
        self.write("authorized_keys", "");
    }

    /// Runs a script instead of what is asked for.
    pub(super) fn run_instead(&self, script: &str) {
        self.write("instead", script);
        let script = self.folder().join("instead");
        let key = self.read("user_key.pub");
        self.write(
            "authorized_keys",
            &format!("command=\"sh {}\" {key}", script.display()),
        );
    }

    /// Returns a file that gives this host the key of another one.
    pub(super) fn known_as(&self, other: &Self) -> PathBuf {
        self.write("known_wrongly", &self.known_line(other));
        self.folder().join("known_wrongly")
    }

    fn known_line(&self, key_of: &Self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, key_of.read("host_key.pub"))
    }

    fn settings(&self) -> String {
        let folder = self.folder().display();
        format!(
            "HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\nAuthenticationMethods publickey\n\
             PermitRootLogin prohibit-password\nUsePAM no\nStrictModes no\nPermitUserRC no\nUseDNS no\nPidFile none\n\
             SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null\n"
        )
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).expect("our own file")
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder().join(name), content).expect("our own folder");
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        // The listener's thread ends with a connection that says nothing and is the first after the folder went.
        fs::remove_file(self.folder().join("sshd_config")).expect("our own file");
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it listens"));
        let ended = self.server.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))), "the server's thread");
    }
}

fn serve(listener: &TcpListener, folder: &Path, connections: &AtomicUsize) {
    let settings = folder.join("sshd_config");
    let mut running: Vec<Child> = Vec::new();
    for stream in listener.incoming() {
        if !settings.exists() {
            break;
        }
        connections.fetch_add(1, Ordering::SeqCst);
        let stream = OwnedFd::from(stream.expect("a connection"));
        let child = Command::new(SSHD)
            .args(["-i", "-e", "-f"])
            .arg(&settings)
            .stdin(stream.try_clone().expect("a descriptor"))
            .stdout(stream)
            .stderr(Stdio::null())
            .spawn();
        running.push(child.expect("sshd is installed: run scripts/test.sh, which installs it"));
    }
    for mut child in running {
        // It has ended with its connection, or its connection is of no use any more.
        child.kill().unwrap_or_default();
        child.wait().expect("it is ours to wait for");
    }
}

/// Writes a program that can be run at once: no other thread's child can hold it open for writing.
pub(super) fn write_program(path: &Path, script: &str) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut input = shell.stdin.take().expect("it is piped");
    input.write_all(script.as_bytes()).expect("it reads");
    drop(input);
    assert!(shell.wait().expect("it is ours").success());
}
