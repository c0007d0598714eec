//! How counters are written as series.

use std::fmt;

use super::counters::{Counters, Latencies, at_most, total_seconds};
use super::history::History;
use super::layout::Layout;

/// The series of one service, up to and including the blank before the value.
#[derive(Debug)]
pub(crate) struct SeriesNames {
    counter: Option<CounterNames>,
    histograms: Vec<HistogramNames>,
    unit_seconds: f64,
}

#[derive(Debug)]
struct CounterNames {
    good: String,
    bad: Option<String>,
}

#[derive(Debug)]
struct HistogramNames {
    of: fn(&Counters) -> Latencies,
    /// Bounds in seconds with their series, `+Inf` last.
    buckets: Vec<(f64, String)>,
    count: String,
    sum: String,
}

impl SeriesNames {
    pub(crate) fn new(history: &History) -> Self {
        let layout = &history.layout;
        let mut labels = layout.labels.clone();
        for (name, value) in &history.extra_labels {
            labels.push_str(&format!(",{name}=\"{value}\""));
        }
        let counter = layout.counter.as_ref().map(|counter| CounterNames {
            good: format!("{counter}{{{labels},{}}} ", layout.good),
            bad: history
                .error_series
                .then(|| format!("{counter}{{{labels},{}}} ", layout.bad)),
        });
        let mut histograms = Vec::new();
        if history.histogram {
            if counter.is_some() {
                let of = HistogramNames::new(layout, &labels, "", Counters::latencies);
                histograms.push(of);
            } else {
                let good = |counters: &Counters| counters.good_latencies;
                histograms.push(HistogramNames::new(layout, &labels, &layout.good, good));
                if history.error_series {
                    let bad = |counters: &Counters| counters.bad_latencies;
                    histograms.push(HistogramNames::new(layout, &labels, &layout.bad, bad));
                }
            }
        }
        Self {
            counter,
            histograms,
            unit_seconds: layout.unit_seconds,
        }
    }

    /// Calls `write` with the name and the value of every sample.
    pub(crate) fn each_sample<E>(
        &self,
        counters: &Counters,
        mut write: impl FnMut(&str, &dyn fmt::Display) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(names) = &self.counter {
            write(&names.good, &(counters.good as u64))?;
            if let Some(bad) = &names.bad {
                write(bad, &(counters.bad as u64))?;
            }
        }
        for names in &self.histograms {
            let latencies = (names.of)(counters);
            for (bound, name) in &names.buckets {
                write(name, &at_most(&latencies, *bound))?;
            }
            write(&names.count, &at_most(&latencies, f64::INFINITY))?;
            let sum = total_seconds(&latencies) / self.unit_seconds;
            write(&names.sum, &format_args!("{sum:.3}"))?;
        }
        Ok(())
    }
}

impl HistogramNames {
    fn new(layout: &Layout, labels: &str, outcome: &str, of: fn(&Counters) -> Latencies) -> Self {
        let mut labels = labels.to_owned();
        for more in [outcome, &layout.histogram_labels] {
            if !more.is_empty() {
                labels.push(',');
                labels.push_str(more);
            }
        }
        let name = &layout.histogram;
        let bucket = |bound: &str| format!("{name}_bucket{{{labels},le=\"{bound}\"}} ");
        let seconds = |bound: &str| {
            let bound: f64 = bound.parse().expect("a bound is a number");
            bound * layout.unit_seconds
        };
        Self {
            of,
            buckets: layout
                .bounds
                .iter()
                .map(|bound| (seconds(bound), bucket(bound)))
                .chain([(f64::INFINITY, bucket("+Inf"))])
                .collect(),
            count: format!("{name}_count{{{labels}}} "),
            sum: format!("{name}_sum{{{labels}}} "),
        }
    }
}
