//! The PromQL of a service: which series count its events, and what is asked of them.
//!
//! Bad and total are asked as counts, never as a ratio: an empty answer, no traffic and zero errors are then three
//! different things. Several quantities travel in one request, told apart by the label [`PART`](super::combined::PART).

use std::collections::BTreeSet;
use std::time::Duration;

use super::combined::combine;
use super::identity::Identity;
use super::parts::{Parts, Quantity};
use super::pods::images;
use super::series::{Apart, SeenForm, Series};
use crate::clients::prometheus::promql::{range_seconds, regex_escape, string_literal};
use crate::config::{Buckets, MetricsFamily, SliSource};

/// Label and part that tell which image a container runs.
pub(super) const IMAGE: &str = "image";

/// How far back the newest sample is looked for. A service that has been silent for longer has no series.
const FRESHNESS_RANGE: Duration = Duration::from_secs(3600);

/// Range over which samples are counted to learn the scrape interval: short, so that a young pod is judged right.
pub(super) const SCRAPE_RANGE: Duration = Duration::from_secs(120);

/// How far back Prometheus looks for the sample of a moment, unless it is told otherwise. Source: its documentation.
const LOOK_BACK: Duration = Duration::from_secs(300);

/// Window in which own queries are asked whether there is data at a moment: a counter needs two samples in it, also
/// where a recording rule writes one every five minutes.
const OWN_LOOK_BACK: Duration = Duration::from_secs(900);

/// Largest number of slots in which coverage is counted: about one an hour for 30 days (facts, section 5), and not
/// exactly one, so that what is there only at the beginning of each hour is not taken for all of it.
const COVERAGE_SLOTS: u32 = 732;

/// The service that is watched, as Kubernetes names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its own name, with which the names of its pods begin.
    pub service: String,
}

impl Workload {
    /// Names a service.
    pub fn new(namespace: &str, service: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
        }
    }
}

/// The queries of one service. Names in them are escaped; durations are formatted integers.
#[derive(Debug, Clone)]
pub struct Queries {
    workload: Workload,
    events: EventQueries,
}

#[derive(Debug, Clone)]
enum EventQueries {
    /// Counters and a histogram with known names.
    Family {
        /// In the form in which they were seen.
        series: Series,
        family: MetricsFamily,
        selector: Option<String>,
        buckets: Buckets,
    },
    /// Trusted text with `${WINDOW}`.
    Own { bad: String, total: String },
}

impl Queries {
    /// Returns the queries that count a service's events as the configuration says.
    pub fn new(workload: Workload, sli: &SliSource) -> Self {
        match sli {
            SliSource::Family {
                family,
                selector,
                buckets,
            } => Self::family(workload, *family, selector.as_deref(), buckets.clone()),
            SliSource::Own { bad, total } => Self::own(workload, bad, total),
        }
    }

    /// Returns the queries of a family. `selector` (label matchers separated by commas, trusted text) takes the place
    /// of the labels by which the family names a service.
    pub fn family(
        workload: Workload,
        family: MetricsFamily,
        selector: Option<&str>,
        buckets: Buckets,
    ) -> Self {
        Self::sighted(workload, family, selector, buckets, SeenForm::default())
    }

    /// Returns the queries of several services at once, in the form in which all of them were seen; nothing where they
    /// do not count alike, or their series cannot be told apart by two labels.
    pub(super) fn of_several(all: &[&Self], seen: SeenForm) -> Option<Self> {
        let first = all.first()?;
        if !all.iter().all(|queries| queries.counts_like(first)) {
            return None;
        }
        let EventQueries::Family {
            family, buckets, ..
        } = &first.events
        else {
            return None;
        };
        let workloads: Vec<&Workload> = all.iter().map(|queries| &queries.workload).collect();
        let series = Series::of_several(*family, &workloads, buckets.clone(), seen)?;
        Some(Self {
            workload: first.workload.clone(),
            events: EventQueries::Family {
                series,
                family: *family,
                selector: None,
                buckets: buckets.clone(),
            },
        })
    }

    /// Tells whether two services count in the same family with the same buckets, and nobody wrote a selector for
    /// either.
    pub(super) fn counts_like(&self, other: &Self) -> bool {
        let (
            EventQueries::Family {
                family,
                selector: None,
                buckets,
                ..
            },
            EventQueries::Family {
                family: other,
                selector: None,
                buckets: theirs,
                ..
            },
        ) = (&self.events, &other.events)
        else {
            return false;
        };
        family == other && buckets == theirs
    }

    /// What the first request of a pass asks to learn in which form each of several services is counted, by part, with
    /// the labels that tell the services apart in it; nothing where a form of the family has no such labels.
    pub(super) fn sought_of_several(all: &[&Self]) -> Option<Vec<(String, String, Apart)>> {
        let first = Self::of_several(all, SeenForm::default())?;
        let mut sought = Vec::new();
        for form in 0..first.series()?.forms() {
            let seen = SeenForm {
                form,
                ..SeenForm::default()
            };
            let queries = Self::of_several(all, seen)?;
            let apart = queries.series()?.apart()?;
            let parts = queries.sought_in(seen);
            sought.extend(parts.into_iter().map(|(name, query)| (name, query, apart)));
        }
        Some(sought)
    }

    /// Which of the services Flagger serves: `flagger_canary_status` by the labels that may name them.
    pub(super) fn flagger_of_several(all: &[&Self]) -> String {
        let names: BTreeSet<&str> = all.iter().map(|it| it.workload.service.as_str()).collect();
        let names: Vec<String> = names.into_iter().map(regex_escape).collect();
        format!(
            "count by (name,namespace,exported_namespace) (flagger_canary_status{{name=~{}}})",
            string_literal(&names.join("|"))
        )
    }

    fn sighted(
        workload: Workload,
        family: MetricsFamily,
        selector: Option<&str>,
        buckets: Buckets,
        seen: SeenForm,
    ) -> Self {
        Self {
            events: EventQueries::Family {
                series: Series::new(family, &workload, selector, buckets.clone(), seen),
                family,
                selector: selector.map(str::to_owned),
                buckets,
            },
            workload,
        }
    }

    /// Returns the series that count the service's events, as a selector; nothing for own queries.
    pub fn selector(&self) -> Option<String> {
        self.series().map(Series::whole)
    }

    /// Returns the queries in the form in which the service was seen.
    pub(super) fn seen(&self, seen: SeenForm) -> Self {
        match &self.events {
            EventQueries::Family {
                family,
                selector,
                buckets,
                ..
            } => Self::sighted(
                self.workload.clone(),
                *family,
                selector.as_deref(),
                buckets.clone(),
                seen,
            ),
            EventQueries::Own { .. } => self.clone(),
        }
    }

    /// What the first request of a pass asks to learn in which form the service is counted, and how often it is
    /// scraped in each.
    pub(super) fn sought(&self) -> Vec<(String, String)> {
        let EventQueries::Family {
            series, selector, ..
        } = &self.events
        else {
            return Vec::new();
        };
        let mut sought = Vec::new();
        // A selector names the service as it is.
        let names: &[bool] = if selector.is_some() {
            &[false]
        } else {
            &[true, false]
        };
        for has_primary in names.iter().copied() {
            for form in 0..series.forms() {
                let seen = SeenForm {
                    form,
                    has_primary,
                    ..SeenForm::default()
                };
                sought.extend(
                    self.seen(seen)
                        .sought_in(seen)
                        .into_iter()
                        .filter(|(name, _)| {
                            // One name is enough to tell what the service is like.
                            has_primary == names[0] || name.starts_with("samples")
                        }),
                );
            }
        }
        if selector.is_none() {
            sought.push(("flagger".to_owned(), flagger(&self.workload)));
        }
        sought
    }

    /// The part of it that asks about one form, with the queries in that form.
    fn sought_in(&self, seen: SeenForm) -> Vec<(String, String)> {
        let EventQueries::Family { series, .. } = &self.events else {
            return Vec::new();
        };
        let forms = series.forms();
        let ways: &[bool] = if series.may_be_native() {
            &[false, true]
        } else {
            &[false]
        };
        let mut sought = Vec::new();
        for is_classic in ways.iter().copied() {
            let seen = SeenForm { is_classic, ..seen };
            let queries = match is_classic {
                true => &self.seen(seen),
                false => self,
            };
            let Some(series) = queries.series() else {
                continue;
            };
            if forms > 1 || ways.len() > 1 {
                sought.push((presence_of(seen), series.presence()));
            }
            // One request would be too long with every combination; without this one scrapes count as usual ones.
            let is_rare = is_classic && seen.has_primary;
            if !series.has_quotes() && !is_rare {
                let samples = queries.samples().into_iter().flatten();
                sought.extend(samples.map(|(name, query)| (of_form(name, seen), query)));
            }
        }
        if seen.form == 0 {
            let labels = series.labels().into_iter().enumerate();
            sought.extend(labels.map(|(label, query)| (format!("label_{label}"), query)));
            sought.extend(series.proof().map(|proof| ("proof".to_owned(), proof)));
        }
        sought
    }

    /// Returns how the service was seen, and how many samples its best scraped series has in [`SCRAPE_RANGE`].
    pub(super) fn sighting(&self, parts: &Parts) -> (SeenForm, f64) {
        let EventQueries::Family { series, .. } = &self.events else {
            return (SeenForm::default(), 0.0);
        };
        let is_there = |name: &str| matches!(parts.quantity(name), Quantity::Number(_));
        let mut seen = SeenForm {
            form: 0,
            has_primary: is_there("flagger"),
            is_proven: is_there("proof"),
            is_classic: false,
            lacks: 0,
        };
        for label in 0..series.labels().len() {
            if !is_there(&format!("label_{label}")) {
                seen.lacks |= 1 << label;
            }
        }
        let mut best = 0.0;
        for form in 0..series.forms() {
            for is_classic in [false, true] {
                let other = SeenForm {
                    form,
                    is_classic,
                    ..seen
                };
                if let Quantity::Number(rank) = parts.quantity(&presence_of(other))
                    && rank > best
                {
                    best = rank;
                    seen = other;
                }
            }
        }
        // Samples that arrive late are missing in the newest range, those of a young pod in the one before it.
        let samples =
            ["samples", "samples_before"].map(|name| match parts.quantity(&of_form(name, seen)) {
                Quantity::Number(samples) => samples,
                Quantity::Absent | Quantity::Invalid(_) => 0.0,
            });
        (seen, samples.into_iter().fold(0.0, f64::max))
    }

    /// Returns queries written by the operator. Each must give one number of events for `${WINDOW}`.
    pub fn own(workload: Workload, bad: &str, total: &str) -> Self {
        Self {
            events: EventQueries::Own {
                bad: bad.to_owned(),
                total: total.to_owned(),
            },
            workload,
        }
    }

    /// The service that is watched.
    pub(super) fn workload(&self) -> &Workload {
        &self.workload
    }

    /// All events of a window that ends now.
    pub(super) fn total(&self, window: Duration) -> String {
        match &self.events {
            EventQueries::Family { series, .. } => {
                format!("sum{}({})", series.by(), series.all(window))
            }
            EventQueries::Own { total, .. } => own(total, window),
        }
    }

    /// The bad events of a window that ends now; nothing where no bad event was ever counted.
    pub(super) fn bad(&self, window: Duration) -> String {
        match &self.events {
            EventQueries::Family { series, .. } => {
                format!("sum{}({})", series.by(), series.bad(window))
            }
            EventQueries::Own { bad, .. } => own(bad, window),
        }
    }

    /// The pods of a window that ends now, by the label `pod` and by [`PART`](super::combined::PART): their images as kube-state-metrics
    /// name them, by the label [`IMAGE`], and their bad and all events (`bad`, `total`) where the service's own pods
    /// are told apart.
    pub(super) fn pods(&self, window: Duration) -> String {
        let mut parts = match &self.events {
            EventQueries::Family { series, .. } if series.has_own_pods() => vec![
                ("bad", format!("sum by (pod) ({})", series.bad(window))),
                ("total", format!("sum by (pod) ({})", series.all(window))),
            ],
            EventQueries::Family { .. } | EventQueries::Own { .. } => Vec::new(),
        };
        parts.push((IMAGE, images(&self.workload, window)));
        combine(parts)
    }

    /// The bad and all events of the slice that ends now, by [`PART`](super::combined::PART).
    pub(super) fn slices(&self, slice: Duration) -> String {
        combine([("bad", self.bad(slice)), ("total", self.total(slice))])
    }

    /// What shows that all series are of one service, and each event in one of them. Own queries are taken at their
    /// word.
    pub(super) fn identity(&self) -> Option<Identity<'_>> {
        self.series().map(Identity::of)
    }

    /// The events of a window that ends now whose outcome has no form that the family knows. They are no events for
    /// it, and many of them mean that nobody knows how the service fares.
    pub(super) fn strange(&self, window: Duration) -> Option<String> {
        match &self.events {
            EventQueries::Family { series, .. } => {
                Some(format!("sum{}({})", series.by(), series.strange(window)))
            }
            EventQueries::Own { .. } => None,
        }
    }

    /// The same by the labels that say how a request ended, of the most frequent outcomes.
    pub(super) fn strangest(&self, window: Duration) -> Option<String> {
        match &self.events {
            EventQueries::Family { series, .. } => series.strangest(window),
            EventQueries::Own { .. } => None,
        }
    }

    /// The series in which the family counts; nothing for own queries, whose text says it.
    pub(super) fn series(&self) -> Option<&Series> {
        match &self.events {
            EventQueries::Family { series, .. } => Some(series),
            EventQueries::Own { .. } => None,
        }
    }

    /// Seconds since the newest sample, measured on the raw series. Own queries have none: their newest slice tells. A
    /// series that has ended is looked for in steps as long as the look-back, which is exact enough for what is stale.
    pub(super) fn age(&self) -> Option<String> {
        match &self.events {
            EventQueries::Family { series, .. } => {
                let (events, by) = (series.events(&[]), series.by());
                Some(format!(
                    "time() - (max{by}(timestamp({events})) or max{by}(max_over_time(timestamp({events})[{}:{}])))",
                    range_seconds(FRESHNESS_RANGE),
                    range_seconds(LOOK_BACK)
                ))
            }
            EventQueries::Own { .. } => None,
        }
    }

    /// Samples of the best scraped series in [`SCRAPE_RANGE`], and in the same range before it, with what is left out.
    pub(super) fn samples(&self) -> Option<[(&'static str, String); 2]> {
        let series = self.series()?;
        let (events, by) = (series.whole(), series.by());
        let range = range_seconds(SCRAPE_RANGE);
        let newest = format!("max{by}(count_over_time({events}[{range}]))");
        let before = format!("max{by}(count_over_time({events}[{range}] offset {range}))");
        Some([("samples", newest), ("samples_before", before)])
    }

    /// The family of the metrics; nothing where the operator wrote the queries.
    pub(super) fn metrics_family(&self) -> Option<MetricsFamily> {
        match &self.events {
            EventQueries::Family { family, .. } => Some(*family),
            EventQueries::Own { .. } => None,
        }
    }

    /// Tells whether the operator wrote the queries.
    pub(super) fn are_own(&self) -> bool {
        self.series().is_none()
    }

    /// In how many slots of the SLO window there was any data, and how many slots there are. Known series are only
    /// looked at, because counting their events in every slot would read the whole window once more. How far back a
    /// slot looks is written out: without that VictoriaMetrics looks back a whole slot. There has to be a sample
    /// before and after the moment that is looked at, five minutes ago, so that data count no longer than they are
    /// there.
    pub(super) fn coverage(&self, slo_window: Duration) -> (String, u32) {
        let slot = slot_of(slo_window).as_secs();
        let slots = u32::try_from(slo_window.as_secs() / slot).unwrap_or(COVERAGE_SLOTS);
        (self.covered_slots(slo_window, slo_window), slots)
    }

    /// In how many of the slots of [`coverage`](Self::coverage) there was any data within a part of the SLO window
    /// that ends now. A part begins a second late: Prometheus before 3.0 counts a slot that lies on its beginning, and it
    /// lies on the end of the part before, too.
    pub(super) fn covered_slots(&self, part: Duration, slo_window: Duration) -> String {
        let slot = slot_of(slo_window);
        let second = Duration::from_secs(1);
        let part = match part < slo_window {
            true => part.saturating_sub(second).max(second),
            false => part,
        };
        let range = format!("[{}:{}]", range_seconds(part), range_seconds(slot));
        match &self.events {
            EventQueries::Family { series, .. } => {
                let by = series.by();
                let after = format!("count{by}({})", series.seen(LOOK_BACK, None));
                let before = format!("count{by}({})", series.seen(LOOK_BACK, Some(LOOK_BACK)));
                // A slot without a look before it counts 0, so that no answer is told from no data.
                let is_there = format!("clamp_max({after} and {before}, 1) or 0 * {after}");
                format!("sum_over_time(({is_there}){range})")
            }
            EventQueries::Own { total, .. } => {
                let total = own(total, slot.clamp(LOOK_BACK, OWN_LOOK_BACK));
                format!("count_over_time(({total}){range})")
            }
        }
    }

    /// How many series counted the events at a moment so long ago. What a server kept of that moment it still keeps,
    /// so fewer than were seen then are a sign that it lost a part of its memory. Own queries name no series.
    pub(super) fn series_seen(&self, ago: Option<Duration>) -> Option<String> {
        match &self.events {
            EventQueries::Family { series, .. } => Some(format!(
                "count{}({})",
                series.by(),
                series.seen(LOOK_BACK, ago)
            )),
            EventQueries::Own { .. } => None,
        }
    }

    /// Cumulative latency buckets of a window that ends now, by `le`. Own queries have none.
    pub(super) fn latency(&self, window: Duration) -> Option<LatencyQuery> {
        match &self.events {
            EventQueries::Family { series, .. } => Some(LatencyQuery {
                text: series.latency(window),
                unit_seconds: series.latency_unit(),
                is_native: series.has_native_latency(),
            }),
            EventQueries::Own { .. } => None,
        }
    }
}

/// A query for latency buckets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LatencyQuery {
    /// Its PromQL.
    pub(super) text: String,
    /// Seconds in one unit of the label `le`.
    pub(super) unit_seconds: f64,
    /// Whether the answer is one native histogram.
    pub(super) is_native: bool,
}

/// Returns the length of a slot in which coverage is counted, in whole seconds.
fn slot_of(slo_window: Duration) -> Duration {
    let millis = slo_window.as_millis() / u128::from(COVERAGE_SLOTS);
    let secs = u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX);
    Duration::from_secs(secs.max(60))
}

/// Returns the name of the part of the first answer that speaks of one form.
fn of_form(name: &str, seen: SeenForm) -> String {
    let names = if seen.has_primary { "_primary" } else { "" };
    let kind = if seen.is_classic { "_classic" } else { "" };
    format!("{name}_{}{kind}{names}", seen.form)
}

/// Returns the name of the part of the first answer that says how surely a form has series.
fn presence_of(seen: SeenForm) -> String {
    of_form(
        "form",
        SeenForm {
            has_primary: false,
            ..seen
        },
    )
}

/// Tells whether Flagger serves the service: it then runs as `-primary`, and as `-canary` while it is analysed.
fn flagger(workload: &Workload) -> String {
    let name = string_literal(&workload.service);
    let namespace = string_literal(&workload.namespace);
    let series = |label: &str| format!("flagger_canary_status{{name={name},{label}={namespace}}}");
    format!(
        "count({} or {})",
        series("namespace"),
        series("exported_namespace")
    )
}

fn own(query: &str, window: Duration) -> String {
    // On lines of their own, so that a comment at the end of the operator's text ends there.
    format!(
        "(\n{}\n)",
        query.replace("${WINDOW}", &range_seconds(window))
    )
}

#[cfg(test)]
mod tests;
