//! TLS in front of a git server, as a reverse proxy has it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustls::{ServerConnection, StreamOwned};

use super::server::GitServer;
use crate::http::Listener;
use crate::stub::ServerTls;

/// The longest head of a request that is passed on.
const HEAD_LIMIT: usize = 64 * 1024;

/// Serves the repositories of a git server over TLS; stops on drop.
pub struct TlsFront {
    listener: Listener,
}

impl TlsFront {
    /// Starts to pass requests on to `server`, which has to outlive it.
    pub fn start(server: &GitServer, tls: &ServerTls) -> Self {
        let (behind, tls) = (server.address(), tls.clone());
        let listener = Listener::start(move |stream| pass_on(stream, &tls, behind));
        Self { listener }
    }

    /// Returns the URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("https://{}/{name}.git", self.listener.address())
    }
}

impl fmt::Debug for TlsFront {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsFront")
            .field("address", &self.listener.address())
            .finish_non_exhaustive()
    }
}

/// Passes one request on and its answer back; the end of the connection is the end of the answer.
fn pass_on(stream: &TcpStream, tls: &ServerTls, behind: SocketAddr) -> io::Result<()> {
    let connection = ServerConnection::new(tls.config()).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, stream.try_clone()?);
    let result = converse(&mut client, behind);
    // An alert must not be lost in a reset: say it, end, and read what is still on its way.
    client.conn.send_close_notify();
    while client.conn.wants_write() {
        client.conn.write_tls(&mut client.sock)?;
    }
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut client.sock, &mut io::sink())?;
    result
}

fn converse(
    client: &mut StreamOwned<ServerConnection, TcpStream>,
    behind: SocketAddr,
) -> io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        request.extend(byte);
        if request.len() > HEAD_LIMIT {
            return Err(io::Error::other("the head of a request is too long"));
        }
    }
    let length = String::from_utf8_lossy(&request)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    Read::by_ref(client)
        .take(length)
        .read_to_end(&mut request)?;
    let mut server = TcpStream::connect(behind)?;
    server.write_all(&request)?;
    server.shutdown(Shutdown::Write)?;
    io::copy(&mut server, client)?;
    client.flush()
}
