//! A running service that Prometheus can scrape.

use std::fmt::Write as _;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use crate::http::{Head, Listener};
use crate::prometheus::counters::Counters;
use crate::prometheus::exposition::SeriesNames;
use crate::prometheus::native::{self, NativeHistogram};
use crate::prometheus::{History, ServiceLabels, Traffic};

/// An HTTP service whose `/metrics` count the traffic it is told to have; stops on drop.
///
/// The requests are counted, not made: each scrape sees as many as the time since the last one holds.
#[derive(Debug)]
pub struct LiveService {
    shared: Arc<Shared>,
    listener: Listener,
}

#[derive(Debug)]
struct Shared {
    series: Series,
    state: Mutex<State>,
}

/// How the counters are exposed.
#[derive(Debug)]
enum Series {
    Text(SeriesNames),
    Native {
        name: String,
        good: Vec<(String, String)>,
        bad: Vec<(String, String)>,
    },
}

#[derive(Debug)]
struct State {
    counters: Counters,
    traffic: Traffic,
    counted_until: Instant,
}

impl LiveService {
    /// Starts a service with steady traffic.
    pub fn start(labels: ServiceLabels, traffic: Traffic) -> Self {
        let names = SeriesNames::new(&History::new(labels));
        Self::expose(Series::Text(names), traffic)
    }

    /// Starts a service that counts its requests in a native histogram only; `good` and `bad` are all labels of the two
    /// series.
    pub fn start_native(
        name: &str,
        good: &[(&str, &str)],
        bad: &[(&str, &str)],
        traffic: Traffic,
    ) -> Self {
        let owned = |labels: &[(&str, &str)]| {
            labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let series = Series::Native {
            name: name.to_owned(),
            good: owned(good),
            bad: owned(bad),
        };
        Self::expose(series, traffic)
    }

    fn expose(series: Series, traffic: Traffic) -> Self {
        let shared = Arc::new(Shared {
            series,
            state: Mutex::new(State {
                counters: Counters::default(),
                traffic,
                counted_until: Instant::now(),
            }),
        });
        let listener = Listener::start({
            let shared = Arc::clone(&shared);
            move |stream| answer(stream, &shared)
        });
        Self { shared, listener }
    }

    /// Returns the address to scrape.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Changes the traffic from now on.
    pub fn set_traffic(&self, traffic: Traffic) {
        self.shared.counted().traffic = traffic;
    }

    /// Returns the traffic it has now.
    pub fn traffic(&self) -> Traffic {
        self.shared.counted().traffic
    }
}

impl Shared {
    /// Returns the state with everything counted that happened until now.
    fn counted(&self) -> MutexGuard<'_, State> {
        let mut state = self
            .state
            .lock()
            .expect("nothing panics while it holds this lock");
        let now = Instant::now();
        let (traffic, seconds) = (
            state.traffic,
            now.duration_since(state.counted_until).as_secs_f64(),
        );
        state.counters.add(traffic, seconds);
        state.counted_until = now;
        state
    }

    /// Returns the content type and the body of a scrape.
    fn metrics(&self) -> (&'static str, Vec<u8>) {
        let counters = self.counted().counters.clone();
        match &self.series {
            Series::Text(names) => ("text/plain; version=0.0.4", text(names, &counters)),
            Series::Native { name, good, bad } => {
                let histograms = [
                    NativeHistogram {
                        labels: good.clone(),
                        latencies: counters.good_latencies,
                    },
                    NativeHistogram {
                        labels: bad.clone(),
                        latencies: counters.bad_latencies,
                    },
                ];
                (native::CONTENT_TYPE, native::family(name, &histograms))
            }
        }
    }
}

fn text(names: &SeriesNames, counters: &Counters) -> Vec<u8> {
    let mut text =
        "# TYPE http_requests_total counter\n# TYPE http_request_duration_seconds histogram\n"
            .to_owned();
    names
        .each_sample(counters, |name, value| writeln!(text, "{name}{value}"))
        .expect("text grows");
    text.into_bytes()
}

fn answer(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let head = Head::read(&mut BufReader::new(stream))?;
    let (status, (kind, body)) = match head.path.as_str() {
        "/metrics" => ("200 OK", shared.metrics()),
        _ => ("404 Not Found", ("text/plain", Vec::new())),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    stream.shutdown(Shutdown::Write)
}
