//! A relay between the program and a server, which can lie about one kind of request.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::stub::{Reply, Request, Stub};

/// Pause between two bytes of a slow drip: a head alone takes longer than any time-out here.
const DRIP: Duration = Duration::from_millis(150);

/// Longest wait for the server behind.
const PATIENCE: Duration = Duration::from_secs(60);

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The connection is reset before anything of the request was looked at.
    Refused,
    /// No answer ever comes, and nothing was done.
    SilenceBefore,
    /// No answer ever comes, and it was done.
    SilenceAfter,
    /// 429, and nothing was done.
    TooMany,
    /// 500, and nothing was done.
    Broken,
    /// 409, and nothing was done.
    Conflict,
    /// It was done, and the answer cannot be read.
    Garbage,
    /// The answer points elsewhere, and nothing was done.
    Redirect,
    /// It was done, and the answer comes byte by byte.
    Drip,
}

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// A piece of the path with its query.
    pub(crate) fragment: &'static str,
}

/// A running relay.
pub(crate) struct Relay {
    stub: Stub,
    told: Arc<Told>,
}

struct Told {
    server: String,
    lie: Mutex<Option<(Call, Fault)>>,
    lies: AtomicUsize,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Refused,
        Self::SilenceBefore,
        Self::SilenceAfter,
        Self::TooMany,
        Self::Broken,
        Self::Conflict,
        Self::Garbage,
        Self::Redirect,
        Self::Drip,
    ];
}

impl Relay {
    /// Starts a relay to a server by its base URL, which lies about a call until it is told not to.
    pub(crate) fn lying_about(server: &str, call: Call, fault: Fault) -> Self {
        let told = Arc::new(Told {
            server: server.trim_start_matches("http://").to_owned(),
            lie: Mutex::new(Some((call, fault))),
            lies: AtomicUsize::new(0),
        });
        let stub = Stub::http({
            let told = Arc::clone(&told);
            move |request| Some(told.answer(request))
        });
        Self { stub, told }
    }

    /// Returns the base URL.
    pub(crate) fn url(&self) -> String {
        self.stub.url()
    }

    /// Tells the truth from now on, and returns how often it lied.
    pub(crate) fn ends_its_lies(&self) -> usize {
        *self.told.lie.lock().expect("a value") = None;
        self.told.lies.load(Ordering::SeqCst)
    }
}

impl Told {
    fn answer(&self, request: &Request) -> Reply {
        let lie = *self.lie.lock().expect("a value");
        let lie = lie.filter(|(call, _)| {
            request.method == call.method && request.target.contains(call.fragment)
        });
        let Some((_, fault)) = lie else {
            return self.truth(request);
        };
        self.lies.fetch_add(1, Ordering::SeqCst);
        match fault {
            Fault::Refused => Reply::reset(),
            Fault::SilenceBefore => Reply::silence(),
            Fault::SilenceAfter => {
                self.truth(request);
                Reply::silence()
            }
            Fault::TooMany => Reply::json(429, r#"{"message":"slow down"}"#),
            Fault::Broken => Reply::json(500, r#"{"message":"it is broken"}"#),
            Fault::Conflict => Reply::json(409, r#"{"message":"it is in conflict"}"#),
            Fault::Garbage => match self.pass_on(request) {
                Ok(answer) => answer.with_body(200, b"{\"data\": {\"res".to_vec()),
                Err(_) => Reply::hangup(),
            },
            Fault::Redirect => Reply::redirect(307, "https://login.example/elsewhere"),
            Fault::Drip => self.truth(request).dripping(DRIP),
        }
    }

    fn truth(&self, request: &Request) -> Reply {
        match self.pass_on(request) {
            Ok(answer) => answer.whole(),
            Err(_) => Reply::hangup(),
        }
    }

    /// Asks the server behind in words of HTTP/1.1, closing the connection, and reads its answer to the end.
    fn pass_on(&self, request: &Request) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let Request { method, target, .. } = request;
        let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in &request.headers {
            if name != "connection" {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&request.body)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Answer::read(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        // How it is framed is the stub's matter.
        let framing = ["content-length", "transfer-encoding", "connection"];
        headers.retain(|(name, _)| !framing.contains(&name.as_str()));
        let body = &bytes[end + 4..];
        let body = if is_chunked {
            joined(body)?
        } else {
            body.to_vec()
        };
        Some(Self {
            status,
            headers,
            body,
        })
    }

    fn whole(self) -> Reply {
        let Self { status, body, .. } = &self;
        self.with_body(*status, body.clone())
    }

    fn with_body(&self, status: u16, body: Vec<u8>) -> Reply {
        let headers = self.headers.iter();
        headers.fold(Reply::untyped(status, body), |reply, (name, value)| {
            reply.with_header(name, value)
        })
    }
}

/// Joins the chunks of a body.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        rest = rest.get(end + 2..)?;
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}
