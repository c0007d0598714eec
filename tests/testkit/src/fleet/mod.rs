//! Many services at once, watched by one Prometheus: some hours of them for tests ([`Fleet`]), a whole month of a
//! thousand for measurements ([`month`]).
//!
//! ```no_run
//! use testkit::back_end::BackEnd;
//! use testkit::fleet::{Fleet, Ill};
//!
//! // Sixteen services, of which the fourth burns and the sixth has a series that is no number.
//! let fleet = Fleet::of(16).ill(3, Ill::Burning).ill(5, Ill::NotANumber);
//! let server = fleet.start(BackEnd::DebianPrometheus).expect("Debian has it");
//! // One `*.env` file for each service.
//! let services = fleet.services_dir(|_| String::new());
//! let environment = [
//!     ("SERVICES_DIR", services.path().display().to_string()),
//!     ("PROMETHEUS_URL", server.url()),
//!     ("SLO_WINDOW", "1h".to_owned()),
//! ];
//! # let _ = environment;
//! ```

pub mod month;

use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use crate::back_end::{BackEnd, Running};
use crate::prometheus::{Backfill, History, Recording, ServiceLabels, Spacing, Traffic};

/// How many services share a namespace.
const IN_NAMESPACE: usize = 50;

/// Seconds between two samples: a window of five minutes holds five.
const SAMPLE_EVERY: i64 = 60;

/// Minutes for which the latency histogram is there: it is asked for no more.
const HISTOGRAM_MINUTES: i64 = 30;

/// Upper bounds of the latency buckets in seconds, and the share of requests that is not slower.
const BUCKETS: [(&str, f64); 4] = [("0.5", 0.98), ("1", 0.998), ("2.5", 1.0), ("+Inf", 1.0)];

/// What is the matter with one service of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ill {
    /// A fifth of its requests fails since [`Fleet::deployed_at`].
    Burning,
    /// One of its series of bad requests is not a number in the last half hour. VictoriaMetrics drops such samples when
    /// it takes them in, and knows nothing of it.
    NotANumber,
    /// Two Prometheus count it, told apart by the label `prometheus_replica`: each event is there twice.
    CountedTwice,
    /// Another cluster has one of the same name, told apart by the label `cluster`.
    InTwoPlaces,
    /// It has no series at all.
    Unseen,
    /// It has no sample since ten minutes before [`Fleet::now`].
    Stale,
    /// It is up and gets no request.
    Idle,
    /// It never failed, and has no series of bad requests.
    NeverFailed,
    /// It was first seen half an hour before [`Fleet::now`].
    Young,
}

/// Some hours of services that all count their requests as most client libraries do, at 60 s; all of them are healthy
/// but those that were made ill. They go on for an hour after [`Fleet::now`], so that the data are fresh while the
/// tests run.
///
/// With 1,000 services and the two hours that are usual it is ready within seconds. Service `n` is named
/// `team-<n ÷ 50>/service-<n>`, gets 5 to 24 requests each second (5 + `n` modulo 20), and 0.02 % of them fail. Its
/// latency histogram begins half an hour ago.
#[derive(Clone, Debug)]
pub struct Fleet {
    services: usize,
    hours: i64,
    now: DateTime<Utc>,
    ill: Vec<(usize, Ill)>,
}

impl Fleet {
    /// Makes a fleet of healthy services with two hours of history that end now.
    pub fn of(services: usize) -> Self {
        Self {
            services,
            hours: 2,
            now: DateTime::from_timestamp(Utc::now().timestamp(), 0)
                .expect("the present is representable"),
            ill: Vec::new(),
        }
    }

    /// Gives it a longer history.
    #[must_use]
    pub fn hours(self, hours: i64) -> Self {
        Self { hours, ..self }
    }

    /// Makes a service ill; the first one is 0.
    ///
    /// # Panics
    /// If there is no such service.
    #[must_use]
    pub fn ill(mut self, service: usize, ill: Ill) -> Self {
        assert!(
            service < self.services,
            "the fleet has {} services",
            self.services
        );
        self.ill.push((service, ill));
        self
    }

    /// Returns the time around which the history was made; whole seconds.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Returns when those that burn began to: 25 min before [`Fleet::now`].
    pub fn deployed_at(&self) -> DateTime<Utc> {
        self.now - TimeDelta::minutes(25)
    }

    /// Returns how many services there are.
    pub fn len(&self) -> usize {
        self.services
    }

    /// Tells whether there is no service.
    pub fn is_empty(&self) -> bool {
        self.services == 0
    }

    /// Returns the services that are ill, each with what it has.
    pub fn ill_ones(&self) -> &[(usize, Ill)] {
        &self.ill
    }

    /// Starts a server that knows the fleet; nothing where that one was not built.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start(&self, back_end: BackEnd) -> Option<Running> {
        back_end.start(&self.recording())
    }

    /// Writes the history down once, for several servers.
    pub fn recording(&self) -> Recording {
        Recording::of(&self.backfill())
    }

    /// Returns the history.
    pub fn backfill(&self) -> Backfill {
        let spacing = Spacing {
            recent_secs: SAMPLE_EVERY,
            day_secs: SAMPLE_EVERY,
            ..Spacing::default()
        };
        (0..self.services).fold(
            Backfill::new(self.now).spacing(spacing),
            |backfill, service| self.add(backfill, service),
        )
    }

    fn add(&self, backfill: Backfill, service: usize) -> Backfill {
        let has = |ill: Ill| self.ill.contains(&(service, ill));
        if has(Ill::Unseen) {
            return backfill;
        }
        let minutes = TimeDelta::minutes;
        let mut from = self.now - TimeDelta::hours(self.hours);
        let mut to = self.now + minutes(60);
        if has(Ill::Young) {
            from = self.now - minutes(30);
        }
        if has(Ill::Stale) {
            to = self.now - minutes(10);
        }
        let deployed = self.deployed_at();
        let mut healthy = Traffic::healthy(requests_per_second(service));
        if has(Ill::NeverFailed) {
            healthy = healthy.errors(0.0);
        }
        if has(Ill::Idle) {
            healthy = Traffic::idle();
        }
        let labels = labels(service);
        let history = if has(Ill::Burning) {
            History::new(labels.clone())
                .segment(from, deployed, healthy)
                .segment(deployed, to, healthy.errors(0.2))
        } else {
            History::new(labels.clone()).segment(from, to, healthy)
        };
        let history = history.without_histogram();
        let history = if has(Ill::NeverFailed) {
            history.without_error_series()
        } else {
            history
        };
        let other = if has(Ill::CountedTwice) {
            Some("prometheus_replica")
        } else {
            has(Ill::InTwoPlaces).then_some("cluster")
        };
        let backfill = match other {
            Some(label) => backfill
                .service(history.clone().label(label, "a"))
                .service(history.label(label, "b")),
            None => backfill.service(history),
        };
        let names = format!(
            "namespace=\"{}\",service=\"{}\"",
            labels.namespace, labels.service
        );
        let recently = from.max(self.now - minutes(HISTOGRAM_MINUTES));
        let backfill = if has(Ill::NotANumber) {
            let series = format!("http_requests_total{{{names},status=\"503\"}}");
            backfill.gauge(&series, recently, to, f64::NAN)
        } else {
            backfill
        };
        BUCKETS.iter().fold(backfill, |backfill, (bound, share)| {
            let series = format!("http_request_duration_seconds_bucket{{{names},le=\"{bound}\"}}");
            backfill.counter(&series, recently, to, healthy.requests_per_second * share)
        })
    }

    /// Writes a folder for `SERVICES_DIR`: one file for each service with its `SERVICE_NAME` and `NAMESPACE`, and what
    /// `more` says for it, as lines of `NAME=VALUE`.
    pub fn services_dir(&self, more: impl Fn(usize) -> String) -> TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_services(folder.path(), 0..self.services, more);
        folder
    }
}

/// Returns how many requests a service gets in a second: 5 to 24.
pub fn requests_per_second(service: usize) -> f64 {
    (5 + service % 20) as f64
}

/// Returns the labels of a service.
pub fn labels(service: usize) -> ServiceLabels {
    ServiceLabels::new(
        &format!("team-{:02}", service / IN_NAMESPACE),
        &format!("service-{service:04}"),
    )
}

/// Writes the settings of services into a folder, for `SERVICES_DIR`; `more` adds lines of `NAME=VALUE`.
///
/// # Panics
/// If the folder is not writable.
pub fn write_services(
    folder: &Path,
    services: impl IntoIterator<Item = usize>,
    more: impl Fn(usize) -> String,
) {
    for service in services {
        let ServiceLabels {
            namespace,
            service: name,
        } = labels(service);
        let text = format!(
            "SERVICE_NAME={name}\nNAMESPACE={namespace}\n{}\n",
            more(service)
        );
        fs::write(folder.join(format!("{namespace}.{name}.env")), text)
            .expect("the folder is writable");
    }
}
