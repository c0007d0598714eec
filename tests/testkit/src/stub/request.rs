//! Requests as they arrived.

use std::io::{self, Read};

/// Largest accepted head in bytes. A client that sends more has a fault of its own.
const MAX_HEAD: usize = 64 * 1024;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many requests came before this one.
    pub number: usize,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Header names in lower case with their values, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request; `None` if the client left without one.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return if head.is_empty() {
                    Ok(None)
                } else {
                    Err(invalid("a cut head"))
                };
            }
            head.push(byte[0]);
            if head.len() > MAX_HEAD {
                return Err(invalid("a head beyond all bounds"));
            }
        }
        let head = String::from_utf8(head).map_err(|_| invalid("a head that is no text"))?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(invalid("a request line that is none"));
        };
        let headers = lines
            .filter(|line| !line.is_empty())
            .map(|line| match line.split_once(':') {
                Some((name, value)) => Ok((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => Err(invalid("a header without a colon")),
            })
            .collect::<io::Result<Vec<_>>>()?;
        let mut request = Self {
            number: 0,
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
        };
        if request.header("transfer-encoding").is_some() {
            return Err(invalid("a body in chunks, which this server does not read"));
        }
        let length = request.header("content-length").map_or(Ok(0), str::parse);
        request.body = vec![0; length.map_err(|_| invalid("a length that is no number"))?];
        stream.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&self.target, |(path, _)| path)
    }

    /// Returns the first value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the decoded parameters of the query, followed by those of a form in the body.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let is_form = self.header("content-type") == Some("application/x-www-form-urlencoded");
        let form = if is_form { &self.body[..] } else { &[] };
        [query.as_bytes(), form]
            .into_iter()
            .flat_map(|part| part.split(|byte| *byte == b'&'))
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let split = pair
                    .iter()
                    .position(|byte| *byte == b'=')
                    .unwrap_or(pair.len());
                (
                    decoded(&pair[..split]),
                    decoded(pair.get(split + 1..).unwrap_or_default()),
                )
            })
            .collect()
    }

    /// Returns the decoded parameter of this name if there is exactly one.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut found = self.parameters().into_iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after
                    .get(..2)
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(value.expect("a percent sign is followed by two hexadecimal digits"));
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).expect("parameters are UTF-8")
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
