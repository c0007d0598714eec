//! What a stub does with a request.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// An answer, or the lack of one.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// What follows the body over and over.
    refrain: Vec<u8>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    Whole,
    Drip(Duration),
    CutShort,
    Endless,
    Silence,
    Hangup,
    Reset,
}

impl Reply {
    /// Answers with JSON.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of_type(status, "application/json", body)
    }

    /// Answers with plain text.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of_type(status, "text/plain; charset=utf-8", body)
    }

    /// Answers with HTML.
    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of_type(status, "text/html", body)
    }

    /// Answers without a content type.
    pub fn untyped(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            refrain: Vec::new(),
            manner: Manner::Whole,
        }
    }

    /// Redirects to `location`.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::untyped(status, "").with_header("Location", location)
    }

    /// Never answers; ends when the client leaves.
    pub fn silence() -> Self {
        Self::fault(Manner::Silence)
    }

    /// Closes the connection in an orderly way without an answer.
    pub fn hangup() -> Self {
        Self::fault(Manner::Hangup)
    }

    /// Resets the connection.
    pub fn reset() -> Self {
        Self::fault(Manner::Reset)
    }

    /// Answers with a JSON body that never ends, of no announced length.
    pub fn endless() -> Self {
        Self::json(200, "").followed_without_end_by([b' '; 4096])
    }

    /// Announces no length and sends `refrain` after the body over and over.
    #[must_use]
    pub fn followed_without_end_by(self, refrain: impl Into<Vec<u8>>) -> Self {
        Self {
            manner: Manner::Endless,
            refrain: refrain.into(),
            ..self
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends one byte at a time with a pause after each.
    #[must_use]
    pub fn dripping(self, pause: Duration) -> Self {
        Self {
            manner: Manner::Drip(pause),
            ..self
        }
    }

    /// Announces one byte more than it sends, then closes.
    #[must_use]
    pub fn cut_short(self) -> Self {
        Self {
            manner: Manner::CutShort,
            ..self
        }
    }

    fn of_type(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::untyped(status, body).with_header("Content-Type", content_type)
    }

    fn fault(manner: Manner) -> Self {
        Self {
            manner,
            ..Self::untyped(200, "")
        }
    }

    pub(super) fn play(
        &self,
        stream: &mut (impl Read + Write),
        handle: &TcpStream,
        is_stopping: impl Fn() -> bool,
    ) -> io::Result<()> {
        match self.manner {
            Manner::Whole => {
                stream.write_all(&self.head(Some(self.body.len())))?;
                stream.write_all(&self.body)?;
            }
            Manner::CutShort => {
                stream.write_all(&self.head(Some(self.body.len() + 1)))?;
                stream.write_all(&self.body)?;
            }
            Manner::Drip(pause) => {
                let mut bytes = self.head(Some(self.body.len()));
                bytes.extend(&self.body);
                for byte in bytes {
                    if is_stopping() {
                        break;
                    }
                    stream.write_all(&[byte])?;
                    stream.flush()?;
                    thread::sleep(pause);
                }
            }
            Manner::Endless => {
                stream.write_all(&self.head(None))?;
                stream.write_all(&self.body)?;
                while !is_stopping() {
                    stream.write_all(&self.refrain)?;
                }
            }
            Manner::Silence => {
                io::copy(stream, &mut io::sink())?;
            }
            Manner::Hangup => {}
            Manner::Reset => {
                // With a linger of zero, closing sends a reset.
                SockRef::from(handle).set_linger(Some(Duration::ZERO))?;
            }
        }
        stream.flush()
    }

    fn head(&self, length: Option<usize>) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
