//! Smart HTTP for libgit2 over the program's own HTTP client.
//!
//! libgit2's own HTTP has no total deadline and would bring a second TLS stack. Here each remote gets a private URL
//! (`error-budget-monitor://<number>`) that names a [`Session`]; libgit2 never sees the real URL or the token, so
//! neither can end up in its errors.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use git2::ConfigLevel;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::error::GitFault;
use crate::clients::http::{HttpClient, HttpError, Method, Streaming, quote};

const SCHEME: &str = "error-budget-monitor";

/// Largest request body. A rollback sends one commit and the trees of its paths: some 50 KB for a repository of 20,000
/// files. Past this the push fails.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// Largest sum of all answers of one session. A snapshot of 20,000 files takes 13 MB. Past this the fetch fails.
const MAX_RESPONSE_BYTES: u64 = 256 * 1024 * 1024;

static SESSIONS: Mutex<BTreeMap<u64, Arc<Session>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// One conversation with one remote: its client, its deadline, and what went wrong in words that libgit2 loses.
pub(super) struct Session {
    client: Arc<HttpClient>,
    runtime: Handle,
    deadline: Instant,
    received: AtomicU64,
    fault: Mutex<Option<GitFault>>,
}

/// Keeps a session reachable for libgit2 while it lives.
pub(super) struct SessionGuard {
    number: u64,
    session: Arc<Session>,
}

impl SessionGuard {
    /// Opens a session that ends at the latest at `deadline`.
    ///
    /// # Errors
    /// Fails when libgit2 refuses the transport.
    pub(super) fn open(
        client: Arc<HttpClient>,
        runtime: Handle,
        deadline: Instant,
    ) -> Result<Self, GitFault> {
        prepare()?;
        let session = Arc::new(Session {
            client,
            runtime,
            deadline,
            received: AtomicU64::new(0),
            fault: Mutex::new(None),
        });
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        sessions().insert(number, Arc::clone(&session));
        Ok(Self { number, session })
    }

    /// Returns the URL under which libgit2 reaches the remote.
    pub(super) fn url(&self) -> String {
        format!("{SCHEME}://{}", self.number)
    }

    /// Takes what went wrong below libgit2, which only kept a text of it.
    pub(super) fn take_fault(&self) -> Option<GitFault> {
        lock(&self.session.fault).take()
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        sessions().remove(&self.number);
    }
}

fn sessions() -> std::sync::MutexGuard<'static, BTreeMap<u64, Arc<Session>>> {
    lock(&SESSIONS)
}

/// A panic elsewhere cannot leave these values half written, so a poisoned lock is as good as a clean one.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the transport and shuts out the settings of the host, once. Everything that uses libgit2 comes after it.
///
/// # Errors
/// Fails when libgit2 refuses.
pub(super) fn prepare() -> Result<(), GitFault> {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    PREPARED
        .get_or_init(|| {
            let factory = |remote: &git2::Remote<'_>| {
                let session = remote
                    .url()
                    .ok()
                    .and_then(|url| url.strip_prefix(SCHEME)?.strip_prefix("://")?.parse().ok())
                    .and_then(|number: u64| sessions().get(&number).cloned());
                Transport::smart(remote, true, Subtransport { session })
            };
            #[expect(
                unsafe_code,
                reason = "libgit2 offers its global settings only this way"
            )]
            // SAFETY: the `OnceLock` makes this the only registration, and this program uses libgit2 in this module
            // only: every repository and every remote is opened after `prepare`, so nothing reads the transports and
            // the search paths while they change.
            let prepared = unsafe {
                // A broken or unreadable configuration in the home folder would stop every read, and one with
                // `insteadOf` would turn the remote elsewhere. Without search paths there is none.
                [
                    ConfigLevel::ProgramData,
                    ConfigLevel::System,
                    ConfigLevel::XDG,
                    ConfigLevel::Global,
                ]
                .into_iter()
                .try_for_each(|level| git2::opts::set_search_path(level, ""))
                .and_then(|()| git2::transport::register(SCHEME, factory))
            };
            prepared.map_err(|error| error.message().to_owned())
        })
        .clone()
        .map_err(GitFault::Library)
}

struct Subtransport {
    session: Option<Arc<Session>>,
}

impl SmartSubtransport for Subtransport {
    fn action(
        &self,
        _url: &str,
        action: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let Some(session) = self.session.clone() else {
            return Err(git2::Error::from_str("the session has ended"));
        };
        Ok(Box::new(Exchange {
            session,
            action,
            request: Vec::new(),
            answer: None,
            pending: Vec::new(),
            read: 0,
        }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request, written first and sent when its answer is first read.
struct Exchange {
    session: Arc<Session>,
    action: Service,
    request: Vec<u8>,
    answer: Option<Streaming>,
    pending: Vec<u8>,
    read: usize,
}

impl Exchange {
    fn send(&mut self) -> Result<Streaming, GitFault> {
        let client = &self.session.client;
        let (service, request) = match self.action {
            Service::UploadPackLs => ("upload-pack", None),
            Service::ReceivePackLs => ("receive-pack", None),
            Service::UploadPack => ("upload-pack", Some(std::mem::take(&mut self.request))),
            Service::ReceivePack => ("receive-pack", Some(std::mem::take(&mut self.request))),
        };
        let (builder, wanted) = match request {
            None => (
                client
                    .request(Method::GET, ["info", "refs"])
                    .query(&[("service", format!("git-{service}"))]),
                format!("application/x-git-{service}-advertisement"),
            ),
            Some(body) => (
                client
                    .request(Method::POST, [format!("git-{service}").as_str()])
                    .header(
                        "content-type",
                        format!("application/x-git-{service}-request"),
                    )
                    .header("accept", format!("application/x-git-{service}-result"))
                    .body(body),
                format!("application/x-git-{service}-result"),
            ),
        };
        let left = self.session.time_left()?;
        let answer = self
            .session
            .runtime
            .block_on(client.open_within(left, builder))
            .map_err(in_transit)?;
        if !answer.status.is_success() {
            return Err(GitFault::Status(answer.status.as_u16()));
        }
        let kind = answer
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(&wanted) {
            let kind = quote(kind.as_bytes());
            return Err(GitFault::NotGit { kind });
        }
        Ok(answer)
    }

    fn fill(&mut self) -> Result<bool, GitFault> {
        if self.answer.is_none() {
            self.answer = Some(self.send()?);
        }
        let left = self.session.time_left()?;
        let answer = self.answer.as_mut().expect("sent just above");
        let chunk = self
            .session
            .runtime
            .block_on(answer.chunk_within(left))
            .map_err(in_transit)?;
        let Some(chunk) = chunk else {
            return Ok(false);
        };
        let received = self
            .session
            .received
            .fetch_add(chunk.len() as u64, Ordering::Relaxed)
            .saturating_add(chunk.len() as u64);
        if received > MAX_RESPONSE_BYTES {
            return Err(GitFault::TooMuch {
                limit: MAX_RESPONSE_BYTES,
            });
        }
        self.pending.clear();
        self.pending.extend_from_slice(&chunk);
        self.read = 0;
        Ok(true)
    }
}

/// The time that is left of a session says nothing to a person; the setting does.
fn in_transit(error: HttpError) -> GitFault {
    match error {
        HttpError::Timeout { .. } => GitFault::Deadline,
        HttpError::Connect(_)
        | HttpError::Tls(_)
        | HttpError::Broken(_)
        | HttpError::TooLarge { .. }
        | HttpError::Redirect { .. }
        | HttpError::Request(_) => GitFault::Transport(error),
    }
}

impl Session {
    fn time_left(&self) -> Result<Duration, GitFault> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(GitFault::Deadline)
        } else {
            Ok(left)
        }
    }

    /// Keeps the fault for the caller of libgit2 and gives libgit2 a text without it.
    fn report(&self, fault: GitFault) -> io::Error {
        let mut kept = lock(&self.fault);
        if kept.is_none() {
            *kept = Some(fault);
        }
        io::Error::other("the HTTP exchange failed")
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.pending.len() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(fault) => return Err(self.session.report(fault)),
            }
        }
        let available = &self.pending[self.read..];
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.read += length;
        Ok(length)
    }
}

impl Write for Exchange {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.request.len().saturating_add(data.len()) > MAX_REQUEST_BYTES {
            return Err(self.session.report(GitFault::TooMuch {
                limit: MAX_REQUEST_BYTES as u64,
            }));
        }
        self.request.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
