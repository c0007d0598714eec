//! A real NGINX.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::process::{Guarded, logged};

/// Where Debian has it: not on the `PATH` of a user.
const PROGRAM: &str = "/usr/sbin/nginx";

/// What it logs once its sockets listen.
const LISTENING: &str = "event method";

/// Folders of its own, so that it runs for every user.
const FOLDERS: [&str; 5] = [
    "client_body_temp_path",
    "proxy_temp_path",
    "fastcgi_temp_path",
    "uwsgi_temp_path",
    "scgi_temp_path",
];

/// A running NGINX of one process, which listens on a socket of the file system; stopped on drop.
#[derive(Debug)]
pub struct Nginx {
    // Fields are dropped in this order: the process must end before its folder goes.
    _process: Guarded,
    socket: PathBuf,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one with what stands in its block `http`; `listen 8080;` there becomes its socket. It asks by HTTP/1.1, as the
    /// stubs want it.
    ///
    /// # Errors
    /// Fails with what it says of a configuration that it refuses.
    ///
    /// # Panics
    /// If `/usr/sbin/nginx` is missing.
    pub fn start(http: &str) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("testkit-nginx-")
            .tempdir()
            .expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let socket = path("socket");
        let http = http.replace("listen 8080;", &format!("listen unix:{socket};"));
        let folders: String = FOLDERS
            .iter()
            .map(|name| format!("{name} {};\n", path(name)))
            .collect();
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {};\nerror_log stderr notice;\nevents {{}}\n\
             http {{\naccess_log off;\nproxy_http_version 1.1;\n{folders}{http}\n}}\n",
            path("pid")
        );
        std::fs::write(path("nginx.conf"), whole).expect("the folder is ours");
        let mut process = Guarded::spawn(
            Command::new(PROGRAM)
                .args(["-e", "stderr", "-p", &path(""), "-c", &path("nginx.conf")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
            folder.path(),
        );
        let log = process.take_stderr().expect("its errors are piped");
        logged(log, |line| line.contains(LISTENING).then_some(()))?;
        Ok(Self {
            _process: process,
            socket: socket.into(),
            _folder: folder,
        })
    }

    /// Asks for a path by GET, and returns when it is done with everything that belongs to the request.
    ///
    /// # Errors
    /// Fails where there is no answer.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: nginx\r\nConnection: close\r\n\r\n"
        )?;
        // It closes the connection when the copy of the request is over, too.
        http::answer(stream)
    }
}

impl Nginx {
    /// Opens a connection, on which several requests may be sent.
    ///
    /// # Errors
    /// Fails where it does not listen any more.
    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.socket)
    }
}
