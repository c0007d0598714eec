//! The port of a server that speaks TLS: who speaks plain HTTP is sent to `https://`.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use crate::http::{Head, Listener};
use crate::stub::HANDSHAKE;

/// Tells TLS from plain HTTP by its first byte.
#[derive(Debug)]
pub(super) struct Door(Listener);

impl Door {
    /// Opens a port in front of the server `behind`, which speaks TLS.
    pub(super) fn open(behind: SocketAddr) -> Self {
        Self(Listener::start(move |stream| admit(stream, behind)))
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.0.address())
    }
}

fn admit(client: &TcpStream, behind: SocketAddr) -> io::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    if first[0] == HANDSHAKE {
        let server = TcpStream::connect(behind)?;
        return relay(client, &server);
    }
    let head = Head::read(&mut BufReader::new(client))?;
    let query = if head.query.is_empty() {
        String::new()
    } else {
        format!("?{}", head.query)
    };
    let host = head.header("host").unwrap_or_default();
    let to = format!("https://{host}{}{query}", head.path);
    let body = format!("<a href=\"{to}\">Temporary Redirect</a>.\n\n");
    let mut client = client;
    write!(
        client,
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    client.shutdown(Shutdown::Write)
}

/// Passes bytes on both ways until both sides are done.
fn relay(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (client, server);
            io::copy(&mut from, &mut to).ok();
            server.shutdown(Shutdown::Write).ok();
        });
        let (mut from, mut to) = (server, client);
        let copied = io::copy(&mut from, &mut to);
        client.shutdown(Shutdown::Both).ok();
        copied.map(drop)
    })
}
