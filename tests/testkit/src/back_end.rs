//! The servers that answer Prometheus queries and on which the program must run.

use std::fmt;

use crate::prometheus::{Api, Edition, Prometheus, Recording};
use crate::thanos::Thanos;
use crate::victoria_metrics::VictoriaMetrics;

/// A kind of server with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackEnd {
    /// Prometheus as Debian's package brings it.
    DebianPrometheus,
    /// The pinned Prometheus, 3.16.
    Prometheus3,
    /// The pinned VictoriaMetrics, 1.151, single-node.
    VictoriaMetrics,
    /// The pinned Thanos over a pair of replicas, deduplicated.
    Thanos,
}

/// A running back end; stopped on drop.
#[derive(Debug)]
pub struct Running {
    back_end: BackEnd,
    api: Api,
    _server: Server,
}

/// Kept only to be dropped.
#[derive(Debug)]
enum Server {
    Prometheus { _server: Prometheus },
    VictoriaMetrics { _server: VictoriaMetrics },
    Thanos { _server: Thanos },
}

impl BackEnd {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::DebianPrometheus,
        Self::Prometheus3,
        Self::VictoriaMetrics,
        Self::Thanos,
    ];

    /// Starts one that serves a recording. Nothing where it was not built on this machine, which standard error then
    /// says.
    ///
    /// # Panics
    /// If it does not start, or was not built and `CI` is `true`.
    pub fn start(self, recording: &Recording) -> Option<Running> {
        let prometheus = |edition| {
            let server = Prometheus::start_edition(edition, recording, &[])?;
            Some(Running {
                back_end: self,
                api: server.api(),
                _server: Server::Prometheus { _server: server },
            })
        };
        match self {
            Self::DebianPrometheus => prometheus(Edition::Debian),
            Self::Prometheus3 => prometheus(Edition::Pinned),
            Self::VictoriaMetrics => {
                let server = VictoriaMetrics::start_recorded(recording)?;
                Some(Running {
                    back_end: self,
                    api: server.api(),
                    _server: Server::VictoriaMetrics { _server: server },
                })
            }
            Self::Thanos => {
                let server = Thanos::start_recorded(recording)?;
                Some(Running {
                    back_end: self,
                    api: server.querier().api(),
                    _server: Server::Thanos { _server: server },
                })
            }
        }
    }
}

impl Running {
    /// Returns which kind it is.
    pub fn back_end(&self) -> BackEnd {
        self.back_end
    }

    /// Returns where it answers queries.
    pub fn api(&self) -> Api {
        self.api
    }

    /// Returns the base URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.api.url()
    }
}

impl fmt::Display for BackEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DebianPrometheus => "Debian's Prometheus",
            Self::Prometheus3 => "Prometheus 3.16",
            Self::VictoriaMetrics => "VictoriaMetrics 1.151",
            Self::Thanos => "Thanos",
        })
    }
}
