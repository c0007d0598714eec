//! An HTTP server in front of Prometheus that counts requests, connections and samples, and the time in which
//! Prometheus had something to do.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// What it does beside passing questions and answers on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Closes each connection after one answer, as some proxies do.
    pub(crate) closes: bool,
    /// Has Prometheus count the samples of each query, which costs it some time.
    pub(crate) counts_samples: bool,
    /// A service whose answers are this many bytes long, whoever else is in them.
    pub(crate) long_for: Option<(&'static str, usize)>,
}

/// Listens until this process ends.
#[derive(Debug)]
pub(crate) struct Meter {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    shared: Arc<Mutex<Seen>>,
}

/// What came by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How many requests.
    pub(crate) requests: usize,
    /// The most connections at one time.
    pub(crate) most_connections: usize,
    /// Samples that Prometheus read, where they are counted.
    pub(crate) samples: u64,
    /// When Prometheus was asked something, and when the whole answer was there.
    busy: Vec<(Instant, Instant)>,
    connections: usize,
}

impl Seen {
    /// Returns for how long Prometheus had at least one request at a time.
    pub(crate) fn busy(&self) -> Duration {
        let mut spans = self.busy.clone();
        spans.sort();
        let mut total = Duration::ZERO;
        let mut until: Option<Instant> = None;
        for (from, to) in spans {
            let from = until.map_or(from, |until| from.max(until));
            total += to.saturating_duration_since(from);
            until = Some(until.map_or(to, |until| until.max(to)));
        }
        total
    }
}

impl Meter {
    /// Starts one in front of `target`.
    pub(crate) fn start(target: SocketAddr, manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared: Arc<Mutex<Seen>> = Arc::default();
        let seen = Arc::clone(&shared);
        let manner = Arc::new(Mutex::new(manner));
        let manner_now = Arc::clone(&manner);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                let manner = *lock(&manner_now);
                {
                    let mut seen = lock(&seen);
                    seen.connections += 1;
                    seen.most_connections = seen.most_connections.max(seen.connections);
                }
                thread::spawn(move || {
                    // A connection that breaks shows as an answer that the program misses.
                    converse(&client, target, manner, &seen).unwrap_or_default();
                    lock(&seen).connections -= 1;
                });
            }
        });
        Ok(Self {
            address,
            manner,
            shared,
        })
    }

    /// Treats connections from now on in another manner. The address stays: the program's memory goes with it.
    pub(crate) fn behave(&self, manner: Manner) {
        *lock(&self.manner) = manner;
    }

    /// Returns the base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what came by since the last call.
    pub(crate) fn take(&self) -> Seen {
        let mut seen = lock(&self.shared);
        let connections = seen.connections;
        let fresh = Seen {
            connections,
            most_connections: connections,
            ..Seen::default()
        };
        std::mem::replace(&mut seen, fresh)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared
        .lock()
        .expect("nothing panics while it holds this lock")
}

fn converse(
    client: &TcpStream,
    target: SocketAddr,
    manner: Manner,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client);
    while let Some(mut request) = Message::read(&mut reader)? {
        if manner.counts_samples && request.first.contains("/api/v1/query") {
            request.body.extend(b"&stats=all");
        }
        let asked_at = Instant::now();
        let mut answer = pass_on(&request, target)?;
        let answered_at = Instant::now();
        {
            let mut seen = lock(seen);
            seen.requests += 1;
            seen.busy.push((asked_at, answered_at));
            if manner.counts_samples {
                seen.samples += samples(&answer.body);
            }
        }
        if let Some((service, bytes)) = manner.long_for {
            lengthen(&request, &mut answer, service, bytes);
        }
        let status = answer
            .first
            .split(' ')
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ");
        let connection = if manner.closes { "close" } else { "keep-alive" };
        let mut whole = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            answer.body.len()
        )
        .into_bytes();
        whole.extend(answer.body);
        let mut writer = client;
        writer.write_all(&whole)?;
        if manner.closes {
            break;
        }
    }
    Ok(())
}

/// Asks Prometheus on a connection of its own: what it holds at a time is what the program asks at that time.
fn pass_on(request: &Message, target: SocketAddr) -> io::Result<Message> {
    let mut server = TcpStream::connect(target)?;
    server.set_nodelay(true)?;
    let line = request.first.replace("HTTP/1.1", "HTTP/1.0");
    let mut whole = format!(
        "{line}\r\nHost: {target}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        request.body.len()
    )
    .into_bytes();
    whole.extend(&request.body);
    server.write_all(&whole)?;
    let mut reader = BufReader::new(server);
    let answer = Message::read(&mut reader)?;
    answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A request or an answer.
#[derive(Debug)]
struct Message {
    /// Its first line.
    first: String,
    body: Vec<u8>,
}

impl Message {
    /// Reads one with a length or, without one, until the end where it is an answer; nothing at the end of the stream.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut length = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let first = first.trim_end().to_owned();
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length, 0);
                reader.read_exact(&mut body)?;
            }
            None if first.starts_with("HTTP/") => {
                reader.read_to_end(&mut body)?;
            }
            None => {}
        }
        Ok(Some(Self { first, body }))
    }
}

/// Returns how many samples a query read, as Prometheus says it.
fn samples(body: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let read = &answer["data"]["stats"]["samples"]["totalQueryableSamples"];
    read.as_u64().unwrap_or_default()
}

/// Makes an answer long that is about a service: series without end, which all differ in a label.
fn lengthen(request: &Message, answer: &mut Message, service: &str, bytes: usize) {
    let names = |text: &[u8]| {
        text.windows(service.len())
            .any(|word| word == service.as_bytes())
    };
    if !names(&request.body) && !names(&answer.body) {
        return;
    }
    let Ok(mut whole) = serde_json::from_slice::<Value>(&answer.body) else {
        return;
    };
    let Some(series) = whole["data"]["result"].as_array_mut() else {
        return;
    };
    let Some(one) = series.first().cloned() else {
        return;
    };
    let each = one.to_string().len() + 60;
    let missing = bytes.saturating_sub(answer.body.len());
    for number in 0..missing / each {
        let mut more = one.clone();
        more["metric"]["trace_id"] = format!("{number:036}").into();
        series.push(more);
    }
    answer.body = whole.to_string().into_bytes();
}
