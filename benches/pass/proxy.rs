//! A loopback proxy that counts and times what passes through it, without knowing any protocol beyond "ask, then
//! answer".

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// What is read at once. Whole requests and most answers fit.
const PIECE: usize = 64 * 1024;

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The request as it was sent.
    pub(crate) request: Vec<u8>,
    /// Length of the answer, with its head.
    pub(crate) received: usize,
    /// When its first byte came.
    pub(crate) asked_at: Instant,
    /// From the first byte of the request to the last byte of the answer.
    pub(crate) took: Duration,
    is_answered: bool,
}

/// Listens until this process ends, and passes everything on to one address.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Proxy {
    /// Starts a proxy in front of `target`.
    pub(crate) fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let exchanges = Arc::default();
        let recorded = Arc::clone(&exchanges);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let recorded = Arc::clone(&recorded);
                // A connection that breaks shows as an answer that the program misses.
                thread::spawn(move || relay(&client, target, &recorded).unwrap_or_default());
            }
        });
        Ok(Self { address, exchanges })
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the exchanges since the last call, in the order in which they began.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut lock(&self.exchanges))
    }
}

fn lock(exchanges: &Mutex<Vec<Exchange>>) -> MutexGuard<'_, Vec<Exchange>> {
    exchanges
        .lock()
        .expect("nothing panics while it holds this lock")
}

fn relay(
    client: &TcpStream,
    target: SocketAddr,
    recorded: &Mutex<Vec<Exchange>>,
) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // The place of this connection's newest exchange. HTTP/1.1 without pipelining has one at a time.
    let newest = Mutex::new(None);
    thread::scope(|scope| {
        scope.spawn(|| {
            pass_on(client, &server, |piece| {
                let (mut exchanges, mut newest) = (lock(recorded), newest_of(&newest));
                match newest.and_then(|place: usize| exchanges.get_mut(place)) {
                    Some(exchange) if !exchange.is_answered => exchange.request.extend(piece),
                    _ => {
                        *newest = Some(exchanges.len());
                        exchanges.push(Exchange {
                            request: piece.to_vec(),
                            received: 0,
                            asked_at: Instant::now(),
                            took: Duration::ZERO,
                            is_answered: false,
                        });
                    }
                }
            })
        });
        // Recorded before it is passed on: the program's own time is never made to look shorter.
        pass_on(&server, client, |piece| {
            let (mut exchanges, newest) = (lock(recorded), newest_of(&newest));
            if let Some(exchange) = newest.and_then(|place| exchanges.get_mut(place)) {
                exchange.took = exchange.asked_at.elapsed();
                exchange.received += piece.len();
                exchange.is_answered = true;
            }
        })
    })
}

fn newest_of(newest: &Mutex<Option<usize>>) -> MutexGuard<'_, Option<usize>> {
    newest
        .lock()
        .expect("nothing panics while it holds this lock")
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream, mut see: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        see(&buffer[..length]);
        to.write_all(&buffer[..length])?;
    }
}
