//! An HTTP server in front of `git http-backend`.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tempfile::TempDir;

use super::repo::{GitRepo, git_command, git_environment};
use crate::http::{Head, Listener, read_line};
use crate::process;

/// The user name that comes with a token, as on GitHub.
pub const TOKEN_USER: &str = "x-access-token";

/// The most that is read from a client after its request was refused, so that it gets to read the answer.
const DRAIN_LIMIT: u64 = 64 << 20;

/// What the server does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Closes every connection without an answer.
    Down,
    /// Answers every request with this status.
    Status(u16),
    /// Waits before it looks at a request; ends early when the fault changes or the server stops.
    Delay(Duration),
    /// Carries out a push and closes the connection without an answer.
    LosePushAnswer,
    /// Promises the whole body of every answer to a POST and closes the connection after so many bytes of it.
    CutAnswer(usize),
    /// Sends the answers to POSTs byte by byte with this pause between; ends when the fault changes or the server
    /// stops.
    Drip(Duration),
}

/// One request that reached the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// `GET` or `POST`.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query without the question mark; empty if there is none.
    pub query: String,
    /// Status of the answer; nothing when the connection was closed without one.
    pub status: Option<u16>,
}

impl fmt::Display for RequestRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            path,
            query,
            status,
        } = self;
        let mark = if query.is_empty() { "" } else { "?" };
        write!(formatter, "{method} {path}{mark}{query} ")?;
        match status {
            Some(status) => write!(formatter, "{status}"),
            None => formatter.write_str("no answer"),
        }
    }
}

/// Serves the bare repositories of a folder over smart HTTP; stops on drop.
#[derive(Debug)]
pub struct GitServer {
    shared: Arc<Shared>,
    listener: Listener,
    _folder: Option<TempDir>,
}

struct Shared {
    root: PathBuf,
    backend: PathBuf,
    authorization: Option<String>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    fault: Fault,
    requests: Vec<RequestRecord>,
    pushes: usize,
    before_push: Option<Box<dyn FnOnce() + Send>>,
    log: Option<RequestLog>,
}

type RequestLog = Arc<dyn Fn(&RequestRecord) + Send + Sync>;

impl GitServer {
    /// Starts a server that asks for no password.
    ///
    /// # Panics
    /// If `git` or its `http-backend` is missing.
    pub fn start() -> Self {
        Self::start_in_temporary_folder(None)
    }

    /// Starts a server that wants `token` as the password of the user [`TOKEN_USER`].
    ///
    /// # Panics
    /// If `git` or its `http-backend` is missing.
    pub fn with_token(token: &str) -> Self {
        Self::start_in_temporary_folder(Some(token))
    }

    /// Starts a server for an existing folder of bare repositories, which stays when the server stops.
    ///
    /// # Panics
    /// If `git` or its `http-backend` is missing.
    pub fn serving(root: &Path, token: Option<&str>) -> Self {
        Self::launch(root.to_owned(), token, None)
    }

    /// Creates an empty repository; `name` is its path below the server's root, without `.git`.
    pub fn create(&self, name: &str) -> GitRepo {
        GitRepo::create(&self.folder_of(name))
    }

    /// Returns a repository that was created before.
    pub fn repo(&self, name: &str) -> GitRepo {
        GitRepo::open(&self.folder_of(name))
    }

    /// Returns the URL of a repository, without a user or a token in it.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.base_url())
    }

    /// Returns the URL of a repository with a user and a password in it, for the git command line.
    pub fn url_with_token(&self, name: &str, token: &str) -> String {
        format!(
            "http://{TOKEN_USER}:{token}@{}/{name}.git",
            self.listener.address()
        )
    }

    /// Returns the URL of the server, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Sets what the server does wrong from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.shared.state().fault = fault;
        self.shared.changed.notify_all();
    }

    /// Runs `action` once, after the next push was announced and before git looks at it: the way to lose a race.
    pub fn before_next_push(&self, action: impl FnOnce() + Send + 'static) {
        self.shared.state().before_push = Some(Box::new(action));
    }

    /// Calls `log` with every request from now on.
    pub fn on_request(&self, log: impl Fn(&RequestRecord) + Send + Sync + 'static) {
        self.shared.state().log = Some(Arc::new(log));
    }

    /// Returns the requests so far, in the order in which they were answered.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.state().requests.clone()
    }

    /// Counts the pushes that reached git, including those that it then refused.
    pub fn push_attempts(&self) -> usize {
        self.shared.state().pushes
    }

    fn start_in_temporary_folder(token: Option<&str>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("testkit-git-")
            .tempdir()
            .expect("a temporary folder");
        Self::launch(folder.path().to_owned(), token, Some(folder))
    }

    fn launch(root: PathBuf, token: Option<&str>, folder: Option<TempDir>) -> Self {
        let backend = find_backend();
        let authorization = token.map(|token| {
            format!(
                "Basic {}",
                base64(format!("{TOKEN_USER}:{token}").as_bytes())
            )
        });
        let state = State {
            fault: Fault::None,
            requests: Vec::new(),
            pushes: 0,
            before_push: None,
            log: None,
        };
        let shared = Arc::new(Shared {
            root,
            backend,
            authorization,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let listener = Listener::start({
            let shared = Arc::clone(&shared);
            move |stream| serve_connection(stream, &shared)
        });
        Self {
            shared,
            listener,
            _folder: folder,
        }
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        self.shared.root.join(format!("{name}.git"))
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        // Nobody waits out a delay for a server that is gone.
        self.set_fault(Fault::None);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }

    /// Waits as long as the fault says and returns what is still wrong then.
    fn fault(&self) -> Fault {
        let state = self.state();
        let Fault::Delay(delay) = state.fault else {
            return state.fault.clone();
        };
        let waits = |state: &mut State| state.fault == Fault::Delay(delay);
        let (state, timeout) = self
            .changed
            .wait_timeout_while(state, delay, waits)
            .expect("nothing panics while it holds this lock");
        if timeout.timed_out() {
            Fault::None
        } else {
            state.fault.clone()
        }
    }

    /// Passes bytes on one by one until nobody wants them any more.
    fn drip(&self, from: &mut impl BufRead, mut to: &TcpStream, pause: Duration) -> io::Result<()> {
        let fault = Fault::Drip(pause);
        for byte in from.bytes() {
            to.write_all(&[byte?])?;
            let waits = |state: &mut State| state.fault == fault;
            let (state, timeout) = self
                .changed
                .wait_timeout_while(self.state(), pause, waits)
                .expect("nothing panics while it holds this lock");
            drop(state);
            if !timeout.timed_out() {
                break;
            }
        }
        Ok(())
    }

    /// Counts a push and returns what is to happen before git looks at it.
    fn begin_push(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut state = self.state();
        state.pushes += 1;
        state.before_push.take()
    }

    fn record(&self, head: &Head, status: Option<u16>) {
        let record = RequestRecord {
            method: head.method.clone(),
            path: head.path.clone(),
            query: head.query.clone(),
            status,
        };
        let log = {
            let mut state = self.state();
            state.requests.push(record.clone());
            state.log.clone()
        };
        if let Some(log) = log {
            log(&record);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

fn serve_connection(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let head = Head::read(&mut reader)?;
    let push = head.method == "POST" && is_push(&head.path);
    let fault = shared.fault();
    let mut answer = Answer {
        stream,
        shared,
        head: &head,
        loses_answer: push && fault == Fault::LosePushAnswer,
        spoilt: (head.method == "POST").then(|| fault.clone()),
    };
    match fault {
        Fault::Down => {
            shared.record(&head, None);
            return stream.shutdown(Shutdown::Both);
        }
        Fault::Status(status) => answer.refuse(status, &[])?,
        Fault::None
        | Fault::Delay(_)
        | Fault::LosePushAnswer
        | Fault::CutAnswer(_)
        | Fault::Drip(_)
            if !is_authorized(&head, shared) =>
        {
            answer.refuse(401, &["WWW-Authenticate: Basic realm=\"git\""])?;
        }
        Fault::None
        | Fault::Delay(_)
        | Fault::LosePushAnswer
        | Fault::CutAnswer(_)
        | Fault::Drip(_) => {
            let action = if push { shared.begin_push() } else { None };
            if let Some(action) = action {
                action();
            }
            run_backend(&head, &mut reader, &mut answer)?;
        }
    }
    // Closing with unread input would reset the connection and could take the answer with it.
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut reader.take(DRAIN_LIMIT), &mut io::sink())?;
    Ok(())
}

fn is_authorized(head: &Head, shared: &Shared) -> bool {
    shared
        .authorization
        .as_deref()
        .is_none_or(|wanted| head.header("authorization") == Some(wanted))
}

fn is_push(path: &str) -> bool {
    path.ends_with("/git-receive-pack")
}

fn run_backend(
    head: &Head,
    reader: &mut BufReader<&TcpStream>,
    answer: &mut Answer<'_>,
) -> io::Result<()> {
    if head.header("expect").is_some() {
        let mut stream = answer.stream;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut backend = spawn_backend(head, answer.shared)?;
    let mut input = backend.stdin.take().expect("a pipe was asked for");
    let output = backend.stdout.take().expect("a pipe was asked for");
    let mut output = BufReader::new(output);
    let mut body = head.body(reader)?;
    let result = std::thread::scope(|scope| {
        // git may end before it has read everything, for instance when it refuses a push.
        scope.spawn(move || io::copy(&mut body, &mut input).unwrap_or_default());
        let forwarded = answer.forward(&mut output);
        // A client that gave up does not stop git in the middle of a push: without a reader of its output git would
        // die.
        io::copy(&mut output, &mut io::sink()).unwrap_or_default();
        forwarded
    });
    backend.wait()?;
    if answer.loses_answer {
        return answer.stream.shutdown(Shutdown::Both);
    }
    result
}

fn spawn_backend(head: &Head, shared: &Shared) -> io::Result<Child> {
    let mut command = Command::new(&shared.backend);
    command
        .env_clear()
        .envs(git_environment())
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", &head.method)
        .env("PATH_INFO", &head.path)
        .env("QUERY_STRING", &head.query)
        .env("REMOTE_USER", TOKEN_USER)
        .env("REMOTE_ADDR", "127.0.0.1");
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-length", "CONTENT_LENGTH"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = head.header(header) {
            command.env(variable, value);
        }
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// The answer to one request; recorded when its status is known.
struct Answer<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    head: &'a Head,
    loses_answer: bool,
    /// What happens to the body, where it is the answer to a POST.
    spoilt: Option<Fault>,
}

impl Answer<'_> {
    fn refuse(&mut self, status: u16, headers: &[&str]) -> io::Result<()> {
        self.shared.record(self.head, Some(status));
        let mut out = BufWriter::new(self.stream);
        write!(
            out,
            "HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n"
        )?;
        for header in headers {
            write!(out, "{header}\r\n")?;
        }
        out.write_all(b"\r\n")?;
        out.flush()
    }

    /// Passes on what git answers; the end of the connection is the end of the body.
    fn forward(&mut self, output: &mut BufReader<impl Read>) -> io::Result<()> {
        let mut status = "200 OK".to_owned();
        let mut headers = String::new();
        loop {
            let line = read_line(output)?;
            if line.is_empty() {
                break;
            }
            match line.strip_prefix("Status: ") {
                Some(other) => status = other.to_owned(),
                None => headers.push_str(&format!("{line}\r\n")),
            }
        }
        if self.loses_answer {
            self.shared.record(self.head, None);
            io::copy(output, &mut io::sink())?;
            return Ok(());
        }
        let code = status.split(' ').next().and_then(|code| code.parse().ok());
        self.shared.record(self.head, code);
        let mut stream = self.stream;
        if let Some(Fault::CutAnswer(length)) = self.spoilt {
            let mut body = Vec::new();
            output.read_to_end(&mut body)?;
            headers.push_str(&format!("Content-Length: {}\r\n", body.len()));
            write!(stream, "HTTP/1.1 {status}\r\n{headers}\r\n")?;
            stream.write_all(&body[..length.min(body.len())])?;
            return stream.shutdown(Shutdown::Both);
        }
        write!(
            stream,
            "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n"
        )?;
        if let Some(Fault::Drip(pause)) = self.spoilt {
            return self.shared.drip(output, stream, pause);
        }
        io::copy(output, &mut stream)?;
        Ok(())
    }
}

fn find_backend() -> PathBuf {
    let output = git_command()
        .arg("--exec-path")
        .output()
        .unwrap_or_else(|error| panic!("{}", process::missing("git", &error)));
    let backend =
        Path::new(String::from_utf8_lossy(&output.stdout).trim()).join("git-http-backend");
    assert!(
        backend.exists(),
        "{} is missing: run scripts/test.sh, which installs it",
        backend.display()
    );
    backend
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0, |bits, (index, byte)| {
            bits | u32::from(*byte) << (16 - 8 * index)
        });
        for index in 0..4 {
            let letter = if index <= group.len() {
                ALPHABET[(bits >> (18 - 6 * index)) as usize & 63]
            } else {
                b'='
            };
            text.push(char::from(letter));
        }
    }
    text
}
