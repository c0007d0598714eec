//! The way to a remote: the program's own HTTP client, or the OpenSSH client.
//!
//! libgit2 never talks to the network: its own HTTP has no total deadline, asks for every blob, and would bring a
//! second TLS stack. It sees neither the URL nor the token, so neither can end up in its errors.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::GitFault;
use super::service::GitService;
use super::ssh::{Connection, SshRemote};
use crate::clients::http::{Deadline, HttpClient, HttpError, Purpose, RequestBuilder, Streaming};

/// How much is read of the answer of a server that has a fault (bytes). Protects memory; what is beyond is not read.
const MAX_FAULT: usize = 16 * 1024;

/// How a remote is reached.
pub(super) enum Remote {
    /// Each request is one of HTTP's.
    Http(Arc<HttpClient>),
    /// What the remote has and one request travel over one connection.
    Ssh(Arc<SshRemote>),
}

/// What an answer comes from.
enum AnswerSource {
    Http(Streaming),
    Ssh(Connection),
}

/// One conversation with one remote: it ends at a deadline, and after a number of bytes.
pub(super) struct GitSession {
    pub(super) remote: Remote,
    source: Option<AnswerSource>,
    runtime: Handle,
    deadline: Deadline,
    max_bytes: u64,
    received: u64,
}

impl GitSession {
    /// Begins a conversation that ends at the latest at `deadline`, and once all its answers together are longer than
    /// `max_bytes`.
    pub(super) fn new(remote: Remote, runtime: Handle, deadline: Deadline, max_bytes: u64) -> Self {
        Self {
            remote,
            source: None,
            runtime,
            deadline,
            max_bytes,
            received: 0,
        }
    }

    /// Sends a request over HTTP, whose answer is then read.
    ///
    /// # Errors
    /// Fails when the remote cannot be reached, refuses, or answers with another content than is wanted.
    pub(super) fn open(
        &mut self,
        client: &HttpClient,
        purpose: Purpose,
        request: RequestBuilder,
        wanted: &str,
    ) -> Result<(), GitFault> {
        self.source = None;
        self.time_left()?;
        let answer = self
            .runtime
            .block_on(client.open_within(self.deadline, purpose, request))
            .map_err(in_transit)?;
        if answer.status.is_server_error() && matches!(purpose, Purpose::Ask) {
            return Err(self.fault_of(client, answer));
        }
        if !answer.status.is_success() {
            return Err(GitFault::Status(answer.status.as_u16()));
        }
        let kind = answer
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(wanted) {
            let kind = client.quote(kind.as_bytes());
            return Err(GitFault::NotGit { kind });
        }
        self.source = Some(AnswerSource::Http(answer));
        Ok(())
    }

    /// Tells what a server's fault is about. One that names a capability will be there the next time too.
    fn fault_of(&self, client: &HttpClient, mut answer: Streaming) -> GitFault {
        let status = answer.status.as_u16();
        let mut words = Vec::new();
        while words.len() < MAX_FAULT
            && let Ok(Some(piece)) = self.runtime.block_on(answer.chunk_within(self.deadline))
        {
            words.extend_from_slice(&piece);
        }
        words.truncate(MAX_FAULT);
        let text = String::from_utf8_lossy(&words).to_ascii_lowercase();
        match text.contains("capabilit") {
            true => GitFault::Protocol {
                what: format!(
                    "the server wants another capability of git's protocol ({}, HTTP {status}); use another git server",
                    client.quote(&words)
                ),
            },
            false => GitFault::Status(status),
        }
    }

    /// Connects over SSH, where the remote begins by saying what it has.
    ///
    /// # Errors
    /// Fails when the program cannot be started, and when no time is left.
    pub(super) fn connect(
        &mut self,
        remote: &SshRemote,
        service: GitService,
    ) -> Result<(), GitFault> {
        // The connection before ends first.
        self.source = None;
        let connection = remote.connect(service, self.time_left()?)?;
        self.source = Some(AnswerSource::Ssh(connection));
        Ok(())
    }

    /// Returns the connection over SSH on which no request was sent yet to a service.
    pub(super) fn waiting_for(&mut self, service: GitService) -> Option<&mut Connection> {
        match &mut self.source {
            Some(AnswerSource::Ssh(connection)) if connection.waits_for(service) => {
                Some(connection)
            }
            Some(AnswerSource::Ssh(_) | AnswerSource::Http(_)) | None => None,
        }
    }

    /// Returns the next piece of the answer, waiting for it; nothing at the end.
    fn receive(&mut self) -> Result<Option<Vec<u8>>, GitFault> {
        let left = self.time_left()?;
        match &mut self.source {
            None => Ok(None),
            Some(AnswerSource::Http(answer)) => self
                .runtime
                .block_on(answer.chunk_within(self.deadline))
                .map_err(in_transit),
            Some(AnswerSource::Ssh(connection)) => connection.receive(left),
        }
    }

    /// Returns a short piece of the server's words without our secrets, which it knows.
    pub(super) fn quote(&self, words: &[u8]) -> String {
        match &self.remote {
            Remote::Http(client) => client.quote(words),
            Remote::Ssh(_) => crate::clients::http::quote(words),
        }
    }

    /// Returns when the conversation ends at the latest.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns the time that is left.
    ///
    /// # Errors
    /// Fails when none is.
    fn time_left(&self) -> Result<Duration, GitFault> {
        let left = self.deadline.left();
        if left.is_zero() {
            Err(GitFault::Deadline)
        } else {
            Ok(left)
        }
    }
}

/// The body of an answer, read piece by piece.
pub(super) struct AnswerBody<'session> {
    session: &'session mut GitSession,
    piece: Vec<u8>,
    read: usize,
}

impl<'session> AnswerBody<'session> {
    pub(super) fn new(session: &'session mut GitSession) -> Self {
        Self {
            session,
            piece: Vec::new(),
            read: 0,
        }
    }

    /// Returns what has come and was not consumed, waiting for more when there is nothing; empty at the end.
    ///
    /// # Errors
    /// Fails when the connection breaks, at the deadline, and past the most bytes of the conversation.
    pub(super) fn available(&mut self) -> Result<&[u8], GitFault> {
        while self.read == self.piece.len() {
            let Some(piece) = self.session.receive()? else {
                return Ok(&[]);
            };
            self.session.received = self.session.received.saturating_add(piece.len() as u64);
            if self.session.received > self.session.max_bytes {
                return Err(GitFault::TooMuch {
                    limit: self.session.max_bytes,
                });
            }
            self.piece = piece;
            self.read = 0;
        }
        Ok(&self.piece[self.read..])
    }

    /// Consumes the first `length` bytes of what is available.
    pub(super) fn consume(&mut self, length: usize) {
        self.read += length;
    }

    /// Tells whether the request follows on the connection that says what the remote has; over HTTP it is another one.
    pub(super) fn goes_on(&self) -> bool {
        match &self.session.remote {
            Remote::Http(_) => false,
            Remote::Ssh(_) => true,
        }
    }

    /// Returns why the answer ended before it was whole.
    pub(super) fn cut(&mut self) -> GitFault {
        let left = self.session.time_left();
        match (&mut self.session.source, left) {
            (None | Some(AnswerSource::Http(_)), _) => GitFault::Cut,
            (Some(AnswerSource::Ssh(connection)), Ok(left)) => connection.end(left),
            (Some(AnswerSource::Ssh(_)), Err(over)) => over,
        }
    }

    /// Tells the server that no request follows on this connection, where it would wait for one.
    pub(super) fn hang_up(&mut self) {
        match &mut self.session.source {
            None | Some(AnswerSource::Http(_)) => {}
            Some(AnswerSource::Ssh(connection)) => connection.hang_up(),
        }
    }

    /// Returns a short piece of the server's words without our secrets, which it knows.
    pub(super) fn quote(&self, words: &[u8]) -> String {
        self.session.quote(words)
    }

    /// Returns when the conversation ends at the latest.
    pub(super) fn deadline(&self) -> Deadline {
        self.session.deadline
    }
}

/// The time that is left of a conversation says nothing to a person; the setting does.
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
