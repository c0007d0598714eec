//! What fails most: the routes, outcomes and pods of the bad events, which a person wants to know first, and whether
//! nearly all of them are probes. Asked only while something burns, in one request.

use std::collections::BTreeMap;
use std::time::Duration;

use super::combined::combine;
use super::metrics::{Metrics, Observation};
use super::parts::{Parts, asked};
use super::series::Series;
use crate::clients::prometheus::InstantSample;
use crate::clients::prometheus::promql::{regex_escape, string_literal};

/// Over how long bad events are told apart: the longest of the short windows, so that whatever burns shows in it.
const WINDOW: Duration = Duration::from_secs(1800);

/// Most series of each quantity that are looked at: those with the most events. Protects memory from labels without
/// bounds.
const MAX_SERIES: usize = 1000;

/// Most values of one label that are named.
const MAX_VALUES: usize = 5;

/// Most labels that are named.
const MAX_LABELS: usize = 6;

/// Longest value that is kept (characters). Source: our rule; a route is shorter.
const MAX_VALUE: usize = 120;

/// Share of the bad events above which they are those of probes (ratio). Source: our rule.
const MOSTLY: f64 = 0.9;

/// Labels that say where a request went, under the names that client libraries and proxies give it.
const ROUTES: [&str; 18] = [
    "route",
    "http_route",
    "http.route",
    "uri",
    "path",
    "handler",
    "endpoint",
    "url",
    "url_path",
    "url.path",
    "http_target",
    "request_path",
    "resource",
    "view",
    "operation",
    "action",
    "grpc_service",
    "grpc_method",
];

/// A value of a label, and the events of the last half hour that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offender {
    /// The label.
    pub label: String,
    /// Its value.
    pub value: String,
    /// Bad events.
    pub bad: f64,
    /// All events; nothing where there are more series than are looked at.
    pub total: Option<f64>,
}

/// What fails most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Breakdown {
    /// Routes, outcomes and pods in this order, of each the worst first.
    pub offenders: Vec<Offender>,
    /// Routes of probes and scrapes among the bad events, if any are.
    pub probes: Option<Probes>,
    /// The same among all events.
    pub counted: Option<Probes>,
}

/// Probes and scrapes that are counted as requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Probes {
    /// The label that tells them.
    pub label: String,
    /// Its values, those with most events first.
    pub routes: Vec<String>,
    /// Their share of the events that were looked at (0..1).
    pub share: f64,
    /// The `SLI_SELECTOR` that leaves them out.
    pub selector: String,
}

impl Probes {
    /// Tells whether nearly all bad events are theirs.
    pub fn is_mostly(&self) -> bool {
        self.share >= MOSTLY
    }

    /// Says what was found and what to do about it, as a fragment for people.
    pub fn why(&self) -> String {
        format!(
            "{:.0} % of the bad events of the last half hour are on routes of probes ({} {}), which nobody but the platform \
             asks for; leave them out with SLI_SELECTOR={}",
            100.0 * self.share,
            self.label,
            self.routes.join(", "),
            self.selector
        )
    }
}

impl Metrics<'_> {
    /// Tells what fails most, in one request. Nothing for own queries: their answers have no labels to look at. What
    /// cannot be asked stands in nobody's way.
    pub async fn breakdown(&self, observation: &Observation) -> Breakdown {
        let queries = self.queries.seen(observation.seen);
        let Some(series) = queries.series() else {
            return Breakdown::default();
        };
        let most = |query: String| format!("topk({MAX_SERIES}, {query})");
        let query = combine([
            ("bad", most(format!("({}) > 0", series.bad(WINDOW)))),
            ("total", most(series.all(WINDOW))),
        ]);
        let answer = self
            .prometheus
            .instant(&query, observation.evaluated_at)
            .await;
        match asked(answer) {
            Ok(Ok(answer)) if answer.partial.is_none() => breakdown(series, &Parts::of(answer)),
            Ok(Ok(_)) => Breakdown::default(),
            Ok(Err(refusal)) => unasked(&refusal.why),
            Err(error) => unasked(&error.to_string()),
        }
    }
}

fn unasked(why: &str) -> Breakdown {
    tracing::warn!(
        why,
        "what fails most could not be asked for; the decision does not need it"
    );
    Breakdown::default()
}

fn breakdown(series: &Series, parts: &Parts) -> Breakdown {
    let (bad, total) = (parts.samples("bad"), parts.samples("total"));
    let is_whole = total.len() < MAX_SERIES;
    let outcomes = series.outcomes();
    let pods: &[&str] = if series.has_own_pods() { &["pod"] } else { &[] };
    let offenders = ROUTES
        .iter()
        .chain(&outcomes)
        .chain(pods)
        .filter_map(|label| {
            let worst = by_value(bad, label);
            (!worst.is_empty()).then_some((label, worst))
        })
        .take(MAX_LABELS)
        .flat_map(|(label, worst)| {
            let all = by_value(total, label);
            worst.into_iter().take(MAX_VALUES).map(move |(value, bad)| {
                let total = all.iter().find(|(name, _)| *name == value);
                Offender {
                    label: (*label).to_owned(),
                    value: value.chars().take(MAX_VALUE).collect(),
                    bad: bad.round(),
                    total: total.filter(|_| is_whole).map(|(_, total)| total.round()),
                }
            })
        })
        .collect();
    Breakdown {
        offenders,
        probes: probes(series, bad),
        counted: probes(series, total),
    }
}

/// Finds the label by which most events are those of probes.
fn probes(series: &Series, events: &[InstantSample]) -> Option<Probes> {
    let all: f64 = events.iter().map(|sample| sample.value).sum();
    let found = ROUTES.iter().filter_map(|label| {
        let on_probes: Vec<(String, f64)> = by_value(events, label)
            .into_iter()
            .filter(|(value, _)| is_probe(value))
            .collect();
        let theirs: f64 = on_probes.iter().map(|(_, events)| events).sum();
        let routes: Vec<String> = on_probes
            .into_iter()
            .map(|(value, _)| value)
            .take(MAX_VALUES)
            .collect();
        (theirs > 0.0).then(|| Probes {
            label: (*label).to_owned(),
            selector: without(series, label, &routes),
            share: theirs / all,
            routes,
        })
    });
    found.max_by(|one, other| one.share.total_cmp(&other.share))
}

/// Returns the selector of the service without some routes.
fn without(series: &Series, label: &str, routes: &[String]) -> String {
    let label = if label.contains('.') {
        format!("\"{label}\"")
    } else {
        label.to_owned()
    };
    let routes: Vec<String> = routes.iter().map(|route| regex_escape(route)).collect();
    format!(
        "{},{label}!~{}",
        series.service(),
        string_literal(&routes.join("|"))
    )
}

/// Returns the events of each value of a label, the most first; series without the label are left out.
fn by_value(samples: &[InstantSample], label: &str) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.value.is_finite()) {
        if let Some(value) = sample.labels.get(label) {
            *sums.entry(value).or_default() += sample.value;
        }
    }
    let mut sums: Vec<(String, f64)> = sums
        .into_iter()
        .map(|(value, events)| (value.to_owned(), events))
        .collect();
    // Equally many keep the order of their names.
    sums.sort_by(|one, other| other.1.total_cmp(&one.1));
    sums
}

/// Tells whether a route is that of a probe or a scrape, also where it stands under a path of its own.
fn is_probe(route: &str) -> bool {
    const LAST: [&str; 10] = [
        "health",
        "healthz",
        "livez",
        "readyz",
        "ready",
        "readiness",
        "liveness",
        "metrics",
        "prometheus",
        "grpc.health.v1.Health",
    ];
    let path = route.split('?').next().unwrap_or_default();
    let mut parts = path.trim_matches('/').split('/').rev();
    parts.next().is_some_and(|last| LAST.contains(&last))
        || ["/actuator/health", "/health/live", "/health/startup"]
            .iter()
            .any(|probe| path.contains(probe))
        || path.ends_with("/-/healthy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Buckets, MetricsFamily};
    use crate::observe::Workload;
    use crate::observe::combined::PART;
    use crate::observe::series::SeenForm;

    fn series() -> Series {
        let workload = Workload::new("shop", "check.out");
        Series::new(
            MetricsFamily::Http,
            &workload,
            None,
            Buckets::All,
            SeenForm::default(),
        )
    }

    /// A part of the answer, its labels and its value.
    type Found<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

    fn of(samples: &[Found<'_>]) -> Breakdown {
        let sample = |(part, labels, value): &Found<'_>| InstantSample {
            at: chrono::DateTime::UNIX_EPOCH,
            labels: labels
                .iter()
                .chain(&[(PART, *part)])
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            value: *value,
        };
        let parts = Parts::of(crate::clients::prometheus::QueryAnswer {
            value: samples.iter().map(sample).collect(),
            partial: None,
            notes: Vec::new(),
        });
        breakdown(&series(), &parts)
    }

    #[test]
    fn routes_come_before_outcomes_and_outcomes_before_pods() {
        let found = of(&[
            (
                "bad",
                &[("pod", "a"), ("status", "500"), ("path", "/pay")],
                60.0,
            ),
            (
                "bad",
                &[("pod", "b"), ("status", "503"), ("path", "/cart")],
                20.0,
            ),
            (
                "total",
                &[("pod", "a"), ("status", "500"), ("path", "/pay")],
                60.0,
            ),
            (
                "total",
                &[("pod", "a"), ("status", "200"), ("path", "/pay")],
                40.0,
            ),
            (
                "total",
                &[("pod", "b"), ("status", "503"), ("path", "/cart")],
                20.0,
            ),
        ]);
        let told: Vec<String> = found
            .offenders
            .iter()
            .map(|one| format!("{} {} {} {:?}", one.label, one.value, one.bad, one.total))
            .collect();
        assert_eq!(
            told,
            [
                "path /pay 60 Some(100.0)",
                "path /cart 20 Some(20.0)",
                "status 500 60 Some(60.0)",
                "status 503 20 Some(20.0)",
                "pod a 60 Some(100.0)",
                "pod b 20 Some(20.0)",
            ]
        );
        assert_eq!(found.probes, None);
    }

    #[test]
    fn no_label_names_more_than_five_values() {
        let paths: Vec<String> = (0..9).map(|number| format!("/{number}")).collect();
        let labels: Vec<[(&str, &str); 1]> =
            paths.iter().map(|path| [("path", path.as_str())]).collect();
        let samples: Vec<Found<'_>> = labels
            .iter()
            .map(|labels| ("bad", &labels[..], 1.0))
            .collect();
        assert_eq!(of(&samples).offenders.len(), MAX_VALUES);
    }

    #[test]
    fn probes_are_told_by_their_share_and_left_out_by_a_selector() {
        let found = of(&[
            ("bad", &[("endpoint", "/v1/ready")], 95.0),
            ("bad", &[("endpoint", "/pay")], 5.0),
        ]);
        let probes = found.probes.expect("there are some");
        assert!(probes.is_mostly());
        assert_eq!(
            probes.selector,
            r#"namespace="shop",service="check.out",endpoint!~"/v1/ready""#
        );
        let few = of(&[
            ("bad", &[("endpoint", "/ready")], 5.0),
            ("bad", &[("endpoint", "/pay")], 95.0),
        ]);
        assert!(few.probes.is_some_and(|probes| !probes.is_mostly()));
    }

    #[test]
    fn a_route_of_probes_is_a_whole_last_part() {
        for route in [
            "/ready",
            "/v1/healthz",
            "/api/health/",
            "/metrics?x=1",
            "/actuator/health/readiness",
            "/health/live",
            "/-/healthy",
        ] {
            assert!(is_probe(route), "{route}");
        }
        for route in [
            "/already",
            "/health-records",
            "/healthy-food",
            "/metrics/7",
            "/",
            "",
        ] {
            assert!(!is_probe(route), "{route}");
        }
    }
}
