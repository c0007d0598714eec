//! A scripted HTTP server on loopback that behaves as badly as told.
//!
//! A [`Stub`] asks its script what to do with each request. A request the script does not know fails the test when the
//! stub is dropped, and so do a request that is no HTTP/1.1 and a panic inside the script.

mod reply;
mod request;
mod tls;

pub use reply::Reply;
pub use request::Request;
pub use tls::{Authority, ServerTls};

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustls::{ServerConnection, StreamOwned};

/// The first byte of a TLS handshake.
pub(crate) const HANDSHAKE: u8 = 0x16;

type Script = Box<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

/// A running server. Dropping it stops it.
pub struct Stub {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    script: Script,
    tls: Option<ServerTls>,
    stopping: AtomicBool,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Request>,
    unknown: Vec<String>,
    open: BTreeMap<usize, TcpStream>,
}

/// A loopback port on which every connection is refused for as long as this value lives.
pub struct ClosedPort {
    address: SocketAddr,
    _reserved: (TcpStream, TcpListener),
}

impl Stub {
    /// Starts a plain HTTP server. The script returns what to do with a request, or `None` if it should not have come.
    pub fn http(script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::start(None, Box::new(script))
    }

    /// Starts an HTTPS server.
    pub fn https(
        tls: ServerTls,
        script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(tls), Box::new(script))
    }

    /// Starts a plain HTTP server that gives these replies in turn, whatever is asked. One request more is unknown.
    pub fn sequence(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<_> = replies.into_iter().collect();
        Self::http(move |request| replies.get(request.number).cloned())
    }

    fn start(tls: Option<ServerTls>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            script,
            tls,
            stopping: AtomicBool::new(false),
            log: Mutex::default(),
        });
        let server = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Self {
            address,
            scheme,
            shared,
            server: Some(server),
        }
    }

    /// Returns the base URL without a trailing slash: `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Returns every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log().requests.clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for stream in self.shared.log().open.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
        // Wakes the listener so that it sees the flag.
        TcpStream::connect(self.address).ok();
        let finished = self.server.take().map(JoinHandle::join);
        if thread::panicking() {
            return;
        }
        assert!(
            matches!(finished, Some(Ok(()))),
            "the script of a stub panicked"
        );
        let unknown = &self.shared.log().unknown;
        assert!(
            unknown.is_empty(),
            "requests that nobody expected: {unknown:#?}"
        );
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn accept(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                if let Ok(copy) = stream.try_clone() {
                    self.log().open.insert(number, copy);
                }
                // Checked after the insertion, so that no connection is left open when the stub stops in between.
                if self.is_stopping() {
                    break;
                }
                scope.spawn(move || {
                    // The client may go away at any time, which is its right.
                    self.serve(stream).ok();
                    self.log().open.remove(&number);
                });
            }
        });
    }

    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        let handle = socket.try_clone()?;
        match &self.tls {
            None if is_tls(&socket)? => refuse_tls(socket),
            None => self.converse(socket, &handle),
            Some(tls) => {
                let connection = ServerConnection::new(tls.config()).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, socket);
                let result = self.converse_tls(&mut stream, &handle);
                // An alert must not be lost in a reset: say it, end, and read what is still on its way.
                stream.conn.send_close_notify();
                stream.conn.write_tls(&mut stream.sock).ok();
                stream.sock.shutdown(Shutdown::Write).ok();
                io::copy(&mut stream.sock, &mut io::sink()).ok();
                result
            }
        }
    }

    fn converse_tls(
        &self,
        stream: &mut StreamOwned<ServerConnection, TcpStream>,
        handle: &TcpStream,
    ) -> io::Result<()> {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.converse(stream, handle)
    }

    /// Serves one request; every reply closes its connection.
    fn converse(&self, mut stream: impl Read + Write, handle: &TcpStream) -> io::Result<()> {
        let mut request = match Request::read(&mut stream) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    self.log().unknown.push(error.to_string());
                }
                return Err(error);
            }
        };
        {
            let mut log = self.log();
            request.number = log.requests.len();
            log.requests.push(request.clone());
        }
        let reply = (self.script)(&request).unwrap_or_else(|| {
            self.log()
                .unknown
                .push(format!("{} {}", request.method, request.target));
            Reply::text(501, "the script of this stub does not know the request")
        });
        reply.play(&mut stream, handle, || self.is_stopping())
    }
}

/// Tells whether a client begins with the handshake of TLS.
fn is_tls(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(socket.peek(&mut first)? == 1 && first[0] == HANDSHAKE)
}

/// Answers as servers of plain HTTP do; what the client said is read first, so that the answer is not lost in a reset.
fn refuse_tls(mut socket: TcpStream) -> io::Result<()> {
    socket.write_all(b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTPS request to an HTTP server.\n")?;
    socket.shutdown(Shutdown::Write)?;
    io::copy(&mut socket, &mut io::sink()).map(drop)
}

impl ClosedPort {
    /// Reserves a port. It belongs to a client's end of a connection, so nothing else can be given it and nothing
    /// listens on it.
    pub fn reserve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let client = listener
            .local_addr()
            .and_then(TcpStream::connect)
            .expect("the listener accepts");
        Self {
            address: client
                .local_addr()
                .expect("a connected stream has an address"),
            _reserved: (client, listener),
        }
    }

    /// Returns the base URL without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
