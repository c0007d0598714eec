//! Just enough HTTP/1.1 for the helpers of the tests: one request per connection.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Protects a test from a client or server that stops talking: the connection is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Protects a test from a server that never answers to a whole file.
const UPLOAD_LIMIT: Duration = Duration::from_secs(300);

/// The longest line of a request or response head that is read; more is an error.
const LINE_LIMIT: u64 = 64 * 1024;

/// The answer of a server, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// Returns the value of a header, named in lower case; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        find(&self.headers, name).unwrap_or_default()
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Sends one request in plain HTTP to a server on loopback and returns its answer. A header is a whole line, such as
/// `Content-Type: application/json`.
///
/// # Errors
/// Fails when the server is not there, hangs up, or does not send the whole answer.
pub fn send(method: &str, url: &str, headers: &[&str], body: &str) -> io::Result<Answer> {
    answer(begin(method, url, headers, body)?)
}

/// Sends one request, whose answer is left where it is.
///
/// # Errors
/// Fails when the server is not there or hangs up.
pub fn begin(method: &str, url: &str, headers: &[&str], body: &str) -> io::Result<TcpStream> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let target = if target.is_empty() { "/" } else { target };
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream)
}

/// Sends a GET request and returns the status and the whole body.
pub(crate) fn get(address: SocketAddr, target: &str) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    // Version 1.0 keeps the answer unchunked and lets the end of the connection end the body.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let answer = answer(stream)?;
    Ok((answer.status, answer.body))
}

/// Sends the content of a file with a POST request and returns the status.
pub(crate) fn post_file(address: SocketAddr, target: &str, mut file: File) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    // What takes long here is the reading of the whole file on the other side.
    stream.set_read_timeout(Some(UPLOAD_LIMIT))?;
    let length = file.metadata()?.len();
    write!(
        stream,
        "POST {target} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    io::copy(&mut file, &mut stream)?;
    Ok(answer(stream)?.status)
}

/// Sends JSON with a POST request and returns the status.
pub(crate) fn post_json(address: SocketAddr, target: &str, body: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(UPLOAD_LIMIT))?;
    write!(
        stream,
        "POST {target} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(answer(stream)?.status)
}

pub(crate) fn answer(stream: impl Read) -> io::Result<Answer> {
    let mut reader = BufReader::new(stream);
    let status_line = read_line(&mut reader)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| malformed("status line"))?;
    let headers = read_headers(&mut reader)?;
    let mut body = Vec::new();
    if find(&headers, "transfer-encoding").is_some_and(|coding| coding == "chunked") {
        let mut chunks = Body {
            reader: &mut reader,
            left: 0,
            framing: Framing::Chunked,
        };
        chunks.read_to_end(&mut body)?;
    } else {
        reader.read_to_end(&mut body)?;
    }
    let length = find(&headers, "content-length").and_then(|length| length.parse().ok());
    if length.is_some_and(|length: usize| length != body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer {
        status,
        body,
        headers,
    })
}

/// Escapes `text` for use as a value in a query string.
pub(crate) fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Accepts connections on a free loopback port; stops on drop.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts to accept; `serve` handles each connection in a thread of its own.
    pub(crate) fn start(
        serve: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let stopping = Arc::new(AtomicBool::new(false));
        let acceptor = std::thread::spawn({
            let stopping = Arc::clone(&stopping);
            let serve = Arc::new(serve);
            move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let serve = Arc::clone(&serve);
                    std::thread::spawn(move || {
                        let limits = stream
                            .set_read_timeout(Some(SILENCE_LIMIT))
                            .and_then(|()| stream.set_write_timeout(Some(SILENCE_LIMIT)));
                        // A client that goes away in the middle is its own business.
                        limits.and_then(|()| serve(&stream)).unwrap_or_default();
                    });
                }
            }
        });
        Self {
            address,
            stopping,
            acceptor: Some(acceptor),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // The acceptor waits for a connection: this one tells it to look at `stopping`.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a request head; the body stays in `reader`.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let line = read_line(reader)?;
        let mut words = line.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("request line"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: read_headers(reader)?,
        })
    }

    /// Returns the value of the header with the lowercase `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Returns the body as a stream that ends where the request ends.
    pub(crate) fn body<'a, R: BufRead>(&self, reader: &'a mut R) -> io::Result<Body<'a, R>> {
        if self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Ok(Body {
                reader,
                left: 0,
                framing: Framing::Chunked,
            });
        }
        let left = match self.header("content-length") {
            Some(length) => length.parse().map_err(|_| malformed("content length"))?,
            None => 0,
        };
        Ok(Body {
            reader,
            left,
            framing: Framing::Counted,
        })
    }
}

/// A body without its framing.
#[derive(Debug)]
pub(crate) struct Body<'a, R> {
    reader: &'a mut R,
    left: u64,
    framing: Framing,
}

#[derive(Debug, PartialEq)]
enum Framing {
    Counted,
    Chunked,
    ChunkOpen,
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && self.framing != Framing::Counted {
            if self.framing == Framing::ChunkOpen {
                read_line(self.reader)?;
            }
            let line = read_line(self.reader)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            self.left = u64::from_str_radix(size, 16).map_err(|_| malformed("chunk size"))?;
            self.framing = Framing::ChunkOpen;
            if self.left == 0 {
                while !read_line(self.reader)?.is_empty() {}
                self.framing = Framing::Counted;
            }
        }
        let room = u64::try_from(buffer.len())
            .unwrap_or(u64::MAX)
            .min(self.left);
        let room = usize::try_from(room).expect("no larger than the buffer");
        if room == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Reads headers up to the empty line, their names in lower case.
fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// Reads one line and drops its line ending.
pub(crate) fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(LINE_LIMIT).read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
