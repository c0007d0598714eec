//! How counters are written as series.

use std::fmt;

use super::counters::{BOUNDS, Counters};
use super::history::History;

/// The series of one service, up to and including the blank before the value.
#[derive(Debug)]
pub(crate) struct SeriesNames {
    good: String,
    bad: Option<String>,
    latency: Option<LatencyNames>,
}

#[derive(Debug)]
struct LatencyNames {
    buckets: Vec<String>,
    count: String,
    sum: String,
}

impl SeriesNames {
    pub(crate) fn new(history: &History) -> Self {
        let mut labels = format!(
            "namespace=\"{}\",service=\"{}\"",
            history.labels.namespace, history.labels.service
        );
        for (name, value) in &history.extra_labels {
            labels.push_str(&format!(",{name}=\"{value}\""));
        }
        let requests =
            |status: u16| format!("http_requests_total{{{labels},status=\"{status}\"}} ");
        let histogram = "http_request_duration_seconds";
        Self {
            good: requests(200),
            bad: history.error_series.then(|| requests(500)),
            latency: history.histogram.then(|| LatencyNames {
                buckets: BOUNDS
                    .into_iter()
                    .chain(["+Inf"])
                    .map(|bound| format!("{histogram}_bucket{{{labels},le=\"{bound}\"}} "))
                    .collect(),
                count: format!("{histogram}_count{{{labels}}} "),
                sum: format!("{histogram}_sum{{{labels}}} "),
            }),
        }
    }

    /// Calls `write` with the name and the value of every sample.
    pub(crate) fn each_sample<E>(
        &self,
        counters: &Counters,
        mut write: impl FnMut(&str, &dyn fmt::Display) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&self.good, &(counters.good as u64))?;
        if let Some(bad) = &self.bad {
            write(bad, &(counters.bad as u64))?;
        }
        if let Some(names) = &self.latency {
            let (buckets, sum) = counters.latency();
            for (name, value) in names.buckets.iter().zip(buckets) {
                write(name, &value)?;
            }
            write(&names.count, &buckets[6])?;
            write(&names.sum, &format_args!("{sum:.3}"))?;
        }
        Ok(())
    }
}
